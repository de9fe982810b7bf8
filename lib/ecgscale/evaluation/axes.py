"""Does a recipe, a window or a set of leads move the score? Pairs of runs that differ in nothing else.

Both runs of a pair are scored on the same test recordings and the same draws of patients, so what makes a draw easy or
hard cancels. What does not cancel is training: how the difference varies between pairs. The interval holds both.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from ecgscale.contracts import AXES, PREDICTIONS
from ecgscale.contracts.run_table import hyperparameters
from ecgscale.ecg.recipe import RECIPES
from ecgscale.evaluation.bootstrap import LEVEL, clusters_of, interval, ratio_replicates
from ecgscale.evaluation.metrics import challenge_ratio

ALIKE = ("study", "family", "optimizer", "epochs", "data_fraction", "batch_size", "loss", "augment", "precision",
         "split_digest", "taught")          # not the rate: it may be tuned to each value
OF_AXIS = {"recipe": "recipe", "window": "seconds", "leads": "lead_names"}      # axis -> column
ONE_EACH = "one run of each value: how training varies is not known, and not in the interval"
Pair = tuple[list[str], list[str], int]     # runs of the value, runs of the reference, parameters of the reference


def axes(runs: pd.DataFrame, folders: Mapping[str, Path], replicates: int = 2000, seed: int = 0) -> pd.DataFrame:
    """AXES: for each axis that varies, every value against the one that most runs have, over all networks that were
    trained with both and at each number of parameters. `folders`: of ecg-evaluate, by run_id."""
    known = runs[runs["status"].eq("finished") & runs["run_id"].isin(list(folders))]
    tables = [AXES.empty().assign(synthetic=False)]
    if not known.empty and "lead_names" in known:
        rates = known["recipe"].map({name: recipe.rate for name, recipe in RECIPES.items()})
        known = known.assign(seconds=(known["window"] / rates).map("{:.6g} s".format))
        tables += [against(axis, known, folders, replicates, seed) for axis in OF_AXIS]
    return pd.concat([table for table in tables if len(table)] or tables[:1], ignore_index=True)


def against(axis: str, known: pd.DataFrame, folders: dict[str, Path], replicates: int, seed: int) -> pd.DataFrame:
    """AXES rows of one axis."""
    values = sorted(known[OF_AXIS[axis]].value_counts(sort=False).items(), key=lambda one: (-one[1], first(one[0])))
    rows = []
    for value, _ in values[1:]:
        reference = values[0][0]
        made = pairs(axis, known, value, reference)
        by_size = {params: [pair for pair in made if pair[2] == params] for params in {pair[2] for pair in made}}
        chosen = {None: made} | (dict(sorted(by_size.items())) if len(by_size) > 1 else {})
        names = list(dict.fromkeys(name for new, old, _ in made for name in (*new, *old)))
        for metric, (terms, patients) in read(names, folders).items():
            drawn = ratio_replicates(terms, clusters_of(patients, len(terms)), replicates, seed)     # (replicate, run)
            scores = np.vstack([challenge_ratio(terms.sum(axis=0)), drawn])
            rows += [{"axis": axis, "value": value, "reference": reference, "params": params, "metric": metric,
                      "n": len(terms), **difference(some, dict(zip(names, scores.T, strict=True)), known)}
                     for params, some in chosen.items() if some]
    if not rows:
        return AXES.empty().assign(synthetic=False)
    return pd.DataFrame(rows)[list(AXES.columns)].astype({"params": "Int64"}).assign(
        synthetic=bool(known["synthetic"].any()))


def first(value: str) -> tuple:
    """Of values that as many runs have: the most leads, the longest window, the shortest name."""
    return (-value.count(";"), -float(value.removesuffix(" s")) if value.endswith(" s") else 0.0, len(value), value)


def pairs(axis: str, known: pd.DataFrame, value: str, reference: str) -> list[Pair]:
    """The runs of `value` and of `reference` that share all but the axis and the seed, at the rates of each that
    validation chose."""
    keys = [name for name in (*ALIKE, *hyperparameters(known), *OF_AXIS.values())
            if name in known and name != OF_AXIS[axis]]
    found = []
    for _, alike in known.groupby(keys, dropna=False, sort=True):
        cells = [alike[alike[OF_AXIS[axis]].eq(one)] for one in (value, reference)]
        if all(map(len, cells)):
            new, old = (cell[cell["configuration"].eq(cell.groupby("configuration")["valid_loss"].mean().idxmin())]
                        for cell in cells)
            found.append((new["run_id"].tolist(), old["run_id"].tolist(), int(old["params"].iloc[0])))
    return found


def read(names: list[str], folders: dict[str, Path]) -> dict[str, tuple[np.ndarray, pd.Series]]:
    """By metric: (recording, run, 2) terms whose sums' ratio is the metric, and the recordings' patients. A metric that
    some run lacks, as the Challenge score of a label set without weights, is left out; so is a recording."""
    frames = []
    for name in names:
        frame = PREDICTIONS.read(folders[name] / "predictions.parquet")
        frames.append(frame[frame["part"].eq("test")].set_index("record").sort_index())
    shared = frames[0].index if frames else pd.Index([])
    for frame in frames[1:]:
        shared = shared.intersection(frame.index)
    if not len(shared):
        return {}
    made, patients = {}, frames[0].loc[shared, "patient"]
    if all("gained" in frame for frame in frames):
        made["challenge_score"] = np.stack([frame.loc[shared, ["gained", "possible"]].to_numpy(float)
                                            for frame in frames], axis=1), patients
    losses = np.stack([frame.loc[shared, "loss"].to_numpy(float) for frame in frames], axis=1)
    made["loss"] = np.stack([losses, np.ones_like(losses)], axis=-1), patients
    return made


def difference(some: list[Pair], scores: dict[str, np.ndarray], known: pd.DataFrame) -> dict:
    """Mean over the pairs with its interval. `scores`: by run, of the test part and then of each replicate.

    The percentiles over patients and Student's t over the pairs (over the seeds, where there is one pair) are added in
    quadrature, each on its own side.
    """
    apart = np.array([np.mean([scores[name] for name in new], axis=0) - np.mean([scores[name] for name in old], axis=0)
                      for new, old, _ in some])                     # (pair, 1 + replicate)
    estimate = float(apart[:, 0].mean())
    low, high = interval(apart[:, 1:].mean(axis=0))
    units = apart[:, 0] if len(some) > 1 else by_seed(*some[0][:2], scores, known)
    reach = float(stats.t.ppf((1 + LEVEL) / 2, len(units) - 1) * stats.sem(units)) if len(units) > 1 else 0.0
    return {"difference": estimate, "low": estimate - np.hypot(estimate - low, reach),
            "high": estimate + np.hypot(high - estimate, reach), "pairs": len(some),
            "note": "" if len(units) > 1 else ONE_EACH}


def by_seed(new: list[str], old: list[str], scores: dict[str, np.ndarray], known: pd.DataFrame) -> np.ndarray:
    """Differences of the runs that share a seed."""
    seeds = known.set_index("run_id")["seed"]
    of_old = {seeds[name]: scores[name][0] for name in old}
    return np.array([scores[name][0] - of_old[seeds[name]] for name in new if seeds[name] in of_old])
