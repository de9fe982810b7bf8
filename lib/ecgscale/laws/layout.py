"""How the runs of one question lie in their table: which may err together, and what varies beside the law's sizes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy import stats

from ecgscale.contracts.run_table import COUNTS, GROWING, WHOLE_RUN

LOCKSTEP = 0.99         # rank correlation with a size from which a number is no setting of its own
APART = 0.08            # of log FLOPs, from which two runs are of two slices
SLICES = 3              # of them at least, and runs in each on average
MOMENT = 0.02           # share of a count by which checkpoints of one moment, or runs of one size, may differ
LEVELS = 5              # values of a size at least, from which runs of one may be found to err together
COMPUTE = "compute"     # what runs of one slice have in common


@dataclass(frozen=True)
class Layout:
    """(row,) each, None where there is no such thing.

    observations: numbers, fewer than the configurations' where the errors of several go together. whole: names of the
    runs that rows are checkpoints of; moments: numbers of these checkpoints' moments. alike: numbers, by what runs of
    one have in common: a slice of equal compute, or one of a law's several sizes. others: counts by name that vary
    beside the sizes of a law of several.
    """

    observations: np.ndarray | None = None
    whole: np.ndarray | None = None
    moments: np.ndarray | None = None
    alike: dict[str, np.ndarray] = field(default_factory=dict)
    others: dict[str, np.ndarray] = field(default_factory=dict)


def layout_of(frame: pd.DataFrame, x: tuple[str, ...], labels: np.ndarray) -> Layout:
    """Of the rows of one question over the sizes x; labels (row,): configurations."""
    whole, moments = whole_runs(frame)
    return Layout(observations(frame, x, labels), whole, moments, alike(frame, x), others_beside(frame, x))


def moves_apart(frame: pd.DataFrame, name: str, x: tuple[str, ...]) -> bool:
    """Whether a column of numbers is in lockstep with none of the sizes x."""
    return all(abs(stats.spearmanr(frame[name], frame[size], nan_policy="omit").statistic) < LOCKSTEP for size in x)


def observations(frame: pd.DataFrame, x: tuple[str, ...], labels: np.ndarray) -> np.ndarray:
    """(run,) numbers: runs that share one are one observation of a law over the sizes x.

    labels (run,): configurations, which they are, but for a law of one size in a table where another count varies too.
    What the other does to a run it does to all runs of the same sizes, however many settings were tried there.
    """
    counts = [name for name in COUNTS if len(x) == 1 and name in frame and name not in x
              and frame[name].nunique() >= 2 and moves_apart(frame, name, x)]
    if not counts:
        return labels
    place = frame.groupby([*x, *counts], dropna=False).ngroup().to_numpy()
    crossed = pd.Series(place).groupby(labels).nunique().max() > 1      # as of checkpoints of one run
    return labels if crossed else place


def others_beside(frame: pd.DataFrame, x: tuple[str, ...]) -> dict[str, np.ndarray]:
    """(row,) other counts by name that vary beside the sizes of a law of several, in lockstep with none of them: unique
    samples beside parameters and samples seen, where data is repeated."""
    if len(x) < 2:
        return {}
    return {name: frame[name].to_numpy(float) for name in COUNTS if name in frame and name not in x
            and (frame[name] > 0).all() and frame[name].nunique() >= 2 and moves_apart(frame, name, x)}


def alike(frame: pd.DataFrame, x: tuple[str, ...]) -> dict[str, np.ndarray]:
    """(row,) numbers by what runs of one number have in common, where there are groups of some runs each: networks of
    one size, which may be checkpoints of a run that has no name, runs of as many samples, slices of compute."""
    slices, found = slices_of(frame, x), {}
    for name in x if len(x) > 1 else ():
        groups = near_equal(frame[name])
        if LEVELS <= int(groups.max()) + 1 <= len(frame) / SLICES:
            found[name] = groups
    return found | ({} if slices is None else {COMPUTE: slices})


def near_equal(counts: pd.Series) -> np.ndarray:
    """(row,) numbers: counts that MOMENT is too coarse to tell apart share one."""
    return np.unique(np.round(np.log(counts.to_numpy(float)) / MOMENT), return_inverse=True)[1]


def slices_of(frame: pd.DataFrame, x: tuple[str, ...]) -> np.ndarray | None:
    """(row,) number of the slice of equal compute that a run of a law of several sizes belongs to; None of tables that
    are not made of such slices."""
    if len(x) != 2:
        return None
    spent = frame["train_flops"].to_numpy(float) if "train_flops" in frame else np.full(len(frame), np.nan)
    log_spent = (np.log(spent) if (spent > 0).all() and np.isfinite(spent).all()
                 else np.log(frame[list(x)].to_numpy(float)).sum(axis=1))
    order, slices = np.argsort(log_spent, kind="stable"), np.empty(len(frame), dtype=int)
    slices[order] = np.concatenate([[0], np.cumsum(np.diff(log_spent[order]) > APART)])
    count = int(slices.max()) + 1
    return slices if SLICES <= count <= len(frame) / SLICES else None


def whole_runs(frame: pd.DataFrame) -> tuple[np.ndarray | None, np.ndarray | None]:
    """(row,) name of the run that a row is a checkpoint of, and number of its moment, samples to MOMENT of them, where
    several runs share such moments; None where every row is a run."""
    if WHOLE_RUN not in frame or frame[WHOLE_RUN].is_unique:
        return None, None
    grew = next((name for name in GROWING if name in frame and (frame[name] > 0).all()), None)
    moments = None if grew is None else near_equal(frame[grew])
    shared = moments is not None and len(frame) >= 2 * (int(moments.max()) + 1)
    return frame[WHOLE_RUN].to_numpy(str), moments if shared else None
