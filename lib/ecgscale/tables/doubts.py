"""What a run table may mean otherwise than it was read: tests or splits that are mixed, sizes that no column was taken
for, responses that go with the sizes as their kind does not, or lie outside their interval. Said, not decided."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from ecgscale.contracts.run_table import GROWING
from ecgscale.contracts.tables import ROUNDING
from ecgscale.errors import UserError
from ecgscale.tables.names import PROGRESS, ROLES, SCORES, SIZES, is_response
from ecgscale.tables.rows import listed, told_cells

MIXED = ("metric", "metric_name", "set", "subset", "split", "part", "task", "benchmark", "dataset", "eval_set",
         "eval_dataset", "test_set", "downstream_dataset")       # of tests, in tables of a row a test
OF_SIZES = {"params": "params", "samples_seen": "tokens"}       # a word of columns that may hold one
OF_RATES = frozenset(("per", "sec", "second", "s", "ratio", "rate", "fraction", "share", "percent", "batch", "warmup"))
BARELY_PERCENT = 5.0            # the largest value from which a score of 0 to 100 is taken for percent without asking
CHECKPOINTS = 3                 # values of how far runs had trained at most places of the sizes: a row a checkpoint
WORTH_TELLING = 6               # places of the sizes from which a column may be one of tests
SURE = 0.01                     # p value of Spearman's correlation, below which a column is said to rise


def doubts(frame: pd.DataFrame, cells: dict[str, np.ndarray], responses: list[str], written: dict[str, str], *,
           ours: bool) -> list[str]:
    """Notices on a table as it was read. cells: (row,) as they were, by our name; written: names as they stand in the
    file; ours: a run table of this project, whose names speak for themselves."""
    told = [*mixed_splits(frame), *mixed_tests(frame, cells, written, ours=ours)]
    told += [] if ours else [*unread_sizes(frame, written), *unread_progress(frame, written)]
    for name in responses:
        told += [] if ours else other_way(frame, name, written[name])
        told += outside_interval(frame, name, written)
    return told


def mixed_splits(frame: pd.DataFrame) -> list[str]:
    if "split_digest" not in frame or (splits := frame["split_digest"].nunique()) < 2:
        return []
    return [f"split_digest: runs of {splits} splits, whose test parts hold other recordings; a law over all of them "
            "mixes these. For a law of one, give the runs of one split"]


def mixed_tests(frame: pd.DataFrame, cells: dict[str, np.ndarray], written: dict[str, str], *,
                ours: bool) -> list[str]:
    """Of a table of a row a test, rather than a row a run: by a column's name, or where each of its words stands once
    at every place of the sizes."""
    told = []
    for name, own in cells.items():
        if own.dtype != object or len(words := set(told_cells(own))) < 2:
            continue
        if name in MIXED or (name not in ROLES and not ours and once_a_place(frame, name)):
            told.append(f"{written[name]}: holds {listed(sorted(words), 4)}, and a law over all rows mixes them. "
                        f"For one of them: --where {written[name]}={min(words)!r}")
    return told


def once_a_place(frame: pd.DataFrame, name: str) -> bool:
    """Whether every place of the sizes has one row of each word of a column, and several places have."""
    sizes = [size for size in SIZES if size in frame]
    if name not in frame or not sizes or frame[name].isna().any():
        return False
    rows = frame.groupby(sizes, dropna=False)[name].agg(["size", "nunique"])
    return bool(len(rows) >= WORTH_TELLING and rows.eq(frame[name].nunique()).all(axis=None))


def unread_sizes(frame: pd.DataFrame, written: dict[str, str]) -> list[str]:
    """Which columns may hold a size that no column was taken for: params_active_precise, tokens_at_eval."""
    told = []
    for role, word in OF_SIZES.items():
        maybe = [written[name] for name, column in frame.items() if name in written and name not in ROLES
                 and column.dtype == float and not is_response(name) and len(set(column.dropna())) > 1
                 and word in (words := set(name.split("_"))) and not words & OF_RATES]
        if maybe and role not in frame:
            told.append(f"no column was taken for {role}, and {listed(maybe, 3)} may hold it: "
                        f"--map {role}={maybe[0]!r}")
    return told


def unread_progress(frame: pd.DataFrame, written: dict[str, str]) -> list[str]:
    """Of a log of many runs, a row a step, from which no column was taken for how far they had trained."""
    sizes = [size for size in SIZES if size in frame]
    if not sizes or set(GROWING) & set(frame):
        return []
    return [f"{written[name]}: rows of the same {' and '.join(sizes)} differ in it, so they look like checkpoints, and "
            f"a law over all rows mixes them. To have it as a size: --map samples_seen={written[name]!r}, with "
            "run_id=COLUMN for the run's name; for the rows of one: "
            f"--where {written[name]}={frame[name].max():.10g}"
            for name in PROGRESS if name in frame and name in written and frame[name].dtype == float
            and frame.groupby(sizes, dropna=False)[name].nunique().median() >= CHECKPOINTS]


def other_way(frame: pd.DataFrame, name: str, written: str) -> list[str]:
    """Of a response whose name tells little, that it goes with the sizes as its kind does not: a "score" that falls,
    or, of a name that tells nothing and so is taken for an error, one that rises."""
    score = bool(SCORES.search(name))
    if is_response(name) and not name.endswith("score"):
        return []
    trends = {size: spearmanr(frame[size], frame[name], nan_policy="omit") for size in SIZES
              if size in frame and frame[[size, name]].dropna().nunique().min() > 1}
    sure = {size: trend.statistic * (-1 if score else 1) for size, trend in trends.items() if trend.pvalue < SURE}
    if not sure or min(sure.values()) <= 0:
        return []
    way, taken, other = ("falls", "a score, of which more", "loss") if score else (
        "rises", "an error, of which less", "score")
    return [f"{written}: {way} with {', '.join(sure)}, and is taken for {taken} is better. If it is "
            f"{'an error' if score else 'a score'}: --map {other}={written!r} --response {other}"]


def outside_interval(frame: pd.DataFrame, name: str, written: dict[str, str]) -> list[str]:
    """Of a response, that it lies outside its interval in most rows, or that the ends are in the wrong order: columns
    were exchanged, or one was scaled. A mean of few recordings may leave that of its draws now and then."""
    low, high = (frame.get(f"{name}_{end}") for end in ("low", "high"))
    if low is None or high is None or not {low.dtype, high.dtype} <= {np.dtype(float)}:
        return []
    near = ROUNDING * frame[name].abs()
    crossed, known = low > high, frame[name].notna() & low.notna() & high.notna()
    outside = known & (crossed | (frame[name] < low - near) | (frame[name] > high + near))
    if not crossed.any() and 2 * outside.sum() <= known.sum():
        return []
    ends = f"{written[f'{name}_low']} to {written[f'{name}_high']}"
    return [f"{written[name]}: outside its interval, {ends}, in {outside.sum()} row(s): were columns exchanged, or is "
            "one in another unit?"]


def not_percent(written: str) -> UserError:
    """Asks about a score that was taken for percent though none reaches a few: bits and points have no end at 1, and 1
    less their hundredth is no error."""
    return UserError(f"is this percent? No value reaches {BARELY_PERCENT:g}", field=written,
                     remedy=f"If so: --derive 'share_score={written}/100' --response share_score. A measure that does "
                            "not end at 1 is no score here: give what it lacks of its largest value, "
                            f"--derive 'lacking=LARGEST-{written}' --response lacking")
