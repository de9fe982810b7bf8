"""What every analysis asks of a run table: finished runs, repeats of one configuration, how much a seed moves.

A configuration is everything that defines a run but its seed.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

Z95 = 1.959964  # half width of a 95 % interval in standard deviations

SPECIFICATION = (
    "family", "optimizer", "lr", "weight_decay", "epochs", "data_fraction", "batch_size", "window", "recipe", "leads",
    "lead_names", "loss", "augment", "precision", "params", "forward_flops", "train_records", "samples_seen",
    "train_flops", "taught",
)

WHOLE_RUN = "whole_run"     # in a table of checkpoints: the name of the run that a row is of
COUNTS = ("params", "train_records", "samples_seen")    # sizes that are numbers of things
GROWING = ("samples_seen", "train_flops", "epochs")     # while a run trains; what else defines it stays as it is

PART_NAMES = {"test_": "test", "valid_": "validation", "train_": "training"}      # prefix of a column -> its part
SCORES = ("test_challenge_score", "test_auroc")     # what runs are judged by: the first that a table holds
CHOOSING = ("valid_challenge_score", "valid_auroc")     # what runs are chosen by: the test part has no say
NETWORK = ["family", "params", "forward_flops", "activations"]      # two networks that agree in all of these are one


def part_of(column: str) -> str:
    """The part whose recordings a column was measured on: "test", "validation", "training", or "" where none is named.

    The only place that reads it from a name: what a report calls test is what this calls test.
    """
    return next((part for prefix, part in PART_NAMES.items() if column.startswith(prefix)), "")


def on_part(column: str, part: str) -> str | None:
    """The same quantity on another part: test_auroc on "validation" is valid_auroc. None where it names no part."""
    prefix = next(start for start, name in PART_NAMES.items() if name == part)
    own = next((start for start in PART_NAMES if column.startswith(start)), None)
    return None if own is None else prefix + column.removeprefix(own)


def judged_by(columns: Iterable[str], asked: str) -> str:
    """The score that a run table is judged by: the one asked for; in a table without it, as of a label set that has no
    weights, the first of SCORES that it holds."""
    columns = set(columns)
    return asked if asked in columns else next((name for name in SCORES if name in columns), asked)


def chosen_by(runs: pd.DataFrame) -> str | None:
    """The column that chooses among the runs of a table: the first of CHOOSING that holds a value; None without one."""
    return next((name for name in CHOOSING if name in runs and runs[name].notna().any()), None)


def ranked(runs: pd.DataFrame) -> pd.DataFrame:
    """The finished runs that have a score on validation, the best first: none where no run has one."""
    score = chosen_by(runs)
    if score is None:
        return runs.iloc[:0]
    known = runs[runs["status"].eq("finished") & runs[score].notna()]
    return known.sort_values([score, "run_id"], ascending=[False, True], kind="stable")


def best_of_networks(runs: pd.DataFrame) -> pd.DataFrame:
    """Of `ranked`, the first run of each network. Runs of which the table does not tell NETWORK are networks each."""
    known = ranked(runs)
    if not {*NETWORK} <= set(known):
        return known
    return known[~known.duplicated(NETWORK) | known[NETWORK].isna().any(axis=1)]


def finished(runs: pd.DataFrame, target: str) -> pd.DataFrame:
    """The runs that ended well and have a value of `target`, in the order of run_id, index renewed."""
    if target not in runs:
        return runs.iloc[:0]
    ended = runs["status"].eq("finished") if "status" in runs else np.ones(len(runs), dtype=bool)
    return runs[ended & np.isfinite(runs[target].astype(float))].sort_values("run_id", ignore_index=True)


def hyperparameters(runs: pd.DataFrame) -> list[str]:
    """The columns of the architecture, in the order of the table."""
    return [name for name in runs if name.startswith("hp_") and pd.api.types.is_numeric_dtype(runs[name])]


def specification(runs: pd.DataFrame) -> list[str]:
    """The columns that define a run but for its seed. A column `loss` of numbers is measured, no setting's name."""
    measured = "loss" in runs and pd.api.types.is_numeric_dtype(runs["loss"])
    keys = [name for name in SPECIFICATION if name in runs and not (name == "loss" and measured)]
    return keys + hyperparameters(runs)


def configurations(runs: pd.DataFrame) -> np.ndarray:
    """(run,) number of each run's configuration: runs that differ in nothing but the seed share it."""
    if "configuration" in runs and runs["configuration"].notna().all():
        return runs.groupby("configuration", sort=False).ngroup().to_numpy()
    keys = specification(runs)
    if not keys:
        return np.arange(len(runs))
    return runs.groupby(keys, dropna=False, sort=False).ngroup().to_numpy()


def seed_deviation(values: np.ndarray, configuration: np.ndarray) -> tuple[float | None, int]:
    """Pooled standard deviation of `values` within configurations, and its degrees of freedom.

    None and 0 when no configuration was trained with a second seed: then seed noise is unknown, not zero.
    """
    mean = pd.Series(values).groupby(configuration).transform("mean").to_numpy()
    freedom = len(values) - len(np.unique(configuration))
    return (float(np.sqrt(np.nansum((values - mean) ** 2) / freedom)), freedom) if freedom else (None, 0)


def recording_deviation(runs: pd.DataFrame, target: str) -> np.ndarray:
    """(run,) standard error of `target` over the recordings, from its 95 % interval; NaN where the table has none."""
    low, high = f"{target}_low", f"{target}_high"
    if low not in runs or high not in runs:
        return np.full(len(runs), np.nan)
    return ((runs[high] - runs[low]) / (2 * Z95)).to_numpy(float)
