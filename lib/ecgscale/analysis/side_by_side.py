"""Devices side by side: whether models rank alike on them, which stand on the front of each, and where INT8 pays.

A device is one of a machine, as latency.parquet names both.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import t

from ecgscale.analysis.deployable import standing
from ecgscale.contracts import Export

DEVICE = ["machine", "device"]
FEWEST = 5              # models of an interval by drawing models again
MOST = 1000             # models of a pair of devices that are compared with each other: memory is square in them
DRAWS, SEED = 1000, 0
LEVEL = 0.95
ANY = "any runtime"


def fastest(known: pd.DataFrame) -> pd.DataFrame:
    """Rows of `deployable.measured`: each model in its fastest setting of 16 bits or more on each device, the fastest
    first; `on` names the device; `on_front`: nothing there is chosen by validation before it and as fast.

    INT8 files have scores of their own and take no part.
    """
    own = known[~known["precision"].str.contains("int8")]
    own = own.assign(on=own["machine"] + " " + own["device"]).sort_values([*DEVICE, "ms", "log_y"], kind="stable")
    own = own.drop_duplicates([*DEVICE, "run_id"])
    before = own.groupby("on")["log_y"].transform(lambda y: y.cummin().shift(fill_value=np.inf))
    return own.assign(on_front=own["log_y"].lt(before), rank=own.groupby("on")["ms"].rank(method="min").astype(int))


# ------------------------------------------------------------------------------------------------------------- ranking


def agreements(best: pd.DataFrame) -> pd.DataFrame:
    """A row a pair of devices: models that both measured, Kendall's tau-b of their latencies with its 95 % interval
    over models drawn again (none of fewer than FEWEST), and of the pairs of models whose intervals lie apart on both
    devices (`apart`) those whose order is the other one there (`swapped`, `example`). `best`: of `fastest`. Of more
    than MOST models every so manieth is taken, in the order of their names."""
    rows = []
    for (one, a), (other, b) in combinations(best.groupby("on", sort=True), 2):
        both = a.merge(b, on="run_id", suffixes=("_a", "_b"))
        if len(both) > MOST:
            both = both.sort_values("run_id").iloc[np.linspace(0, len(both) - 1, MOST).round().astype(int)]
        order = [np.sign(np.subtract.outer(both[f"ms_{side}"].to_numpy(), both[f"ms_{side}"].to_numpy()))
                 for side in "ab"]
        sure = [told_apart(both[f"ms_low_{side}"], both[f"ms_high_{side}"]) for side in "ab"]
        apart = np.triu(sure[0] & sure[1], 1)
        swapped = np.argwhere(apart & (order[0] * order[1] < 0))
        low, high = drawn_again(*order)
        rows.append({"one": one, "other": other, "models": len(both), "tau": tau(*order, np.ones((1, len(both))))[0],
                     "low": low, "high": high, "apart": int(apart.sum()), "swapped": len(swapped),
                     "example": " and ".join(both["model_a"].iloc[swapped[0]]) if len(swapped) else ""})
    return pd.DataFrame(rows, columns=["one", "other", "models", "tau", "low", "high", "apart", "swapped", "example"])


def told_apart(low: pd.Series, high: pd.Series) -> np.ndarray:
    """(model, model): whether the intervals of two models have nothing in common."""
    below = np.less.outer(high.to_numpy(float), low.to_numpy(float))
    return below | below.T


def tau(one: np.ndarray, other: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Kendall's tau-b (Kendall 1945) of two matrices of signs (model, model), each row of `counts` (draw, model)
    telling how often a model is drawn; NaN where all are tied."""
    agree, first, second = (((counts @ signs) * counts).sum(1) for signs in (one * other, one * one, other * other))
    with np.errstate(invalid="ignore", divide="ignore"):
        return agree / np.sqrt(first * second)


def drawn_again(one: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    models = len(one)
    if models < FEWEST:
        return np.nan, np.nan
    drawn = np.random.default_rng(SEED).multinomial(models, np.full(models, 1 / models), DRAWS)
    return tuple(np.nanpercentile(tau(one, other, drawn.astype(float)), [50 * (1 - LEVEL), 50 * (1 + LEVEL)]))


def everywhere(best: pd.DataFrame) -> pd.DataFrame:
    """A row a model: on how many devices it was measured, and stands on the front; those on most fronts first, the best
    by validation first among them. `best`: of `fastest`."""
    by = best.groupby("run_id", sort=False)
    made = by.agg(model=("model", "first"), family=("family", "first"), score=("score", "first"), low=("low", "first"),
                  high=("high", "first"), log_y=("log_y", "first"), measured=("on", "nunique"),
                  fronts=("on_front", "sum"))
    return made.sort_values(["fronts", "log_y"], ascending=[False, True], kind="stable").reset_index()


# ---------------------------------------------------------------------------------------------------------------- INT8


def quantized(latency: pd.DataFrame, exports: Iterable[Export] = ()) -> pd.DataFrame:
    """A row a device, number of threads, model and runtime, and one for the fastest of any runtime: how many times as
    fast INT8 is as the fastest setting of 16 bits or more there, with the score that the INT8 file loses
    (none told of other weights than the run's).

    The interval is 95 % by Welch's t on the logarithms of the repeats' medians; where a setting has one repeat only,
    opposite ends of both medians' intervals (`by`).
    """
    rows, _ = standing(latency, "p50")
    lost = {one.digest: (one.score_difference, one.score_difference_low, one.score_difference_high)
            for export in exports for one in export.artefacts if one.digest}
    rows = rows.assign(on=rows["machine"] + " " + rows["device"], small=rows["precision"].str.contains("int8"))
    both = rows.groupby(["on", "threads", "run_id"])["small"].transform("nunique").eq(2)
    made = []
    for (on, threads, run), own in rows[both].groupby(["on", "threads", "run_id"], sort=True):
        for runtime, some in [*own.groupby("runtime", sort=True), (ANY, own)]:
            small, full = (quickest(some[some["small"].eq(wanted)]) for wanted in (True, False))
            if small is None or full is None or (runtime == ANY and own["runtime"].nunique() < 2):
                continue
            first = small.iloc[0]
            ratio, low, high, by = times_as_fast(full, small)
            difference = lost.get(first["artefact_digest"], (first["score_difference"], None, None)) \
                if pd.isna(first["weights_of"]) else (None, None, None)
            made.append({"on": on, "threads": threads, "run_id": run, "model": first["model"], "runtime": runtime,
                         "small": named(first), "full": named(full.iloc[0]), "ratio": ratio, "low": low, "high": high,
                         "by": by, "repeats": min(len(small), len(full)), **dict(zip(
                             ("difference", "difference_low", "difference_high"), difference, strict=True))})
    return pd.DataFrame(made, columns=["on", "threads", "run_id", "model", "runtime", "small", "full", "ratio", "low",
                                       "high", "by", "repeats", "difference", "difference_low", "difference_high"])


def quickest(rows: pd.DataFrame) -> pd.DataFrame | None:
    """The repeats of the setting with the smallest median; None without rows."""
    if rows.empty:
        return None
    which = rows.groupby(["runtime", "option", "precision"])["p50_ms"].transform("median")
    best = rows[which.eq(which.min())]
    return best[best["runtime"].eq(best["runtime"].iloc[0]) & best["option"].eq(best["option"].iloc[0])]


def named(row: pd.Series) -> str:
    return f"{row['runtime']} {row['option'] or row['precision']}"


def times_as_fast(slow: pd.DataFrame, fast: pd.DataFrame) -> tuple[float, float, float, str]:
    """Ratio of two settings' times with its interval, and how that was made."""
    a, b = (np.log(one["p50_ms"].to_numpy(float)) for one in (slow, fast))
    ratio = math.exp(a.mean() - b.mean())
    if min(len(a), len(b)) < 2:
        ends = (slow["p50_low_ms"].min() / fast["p50_high_ms"].max(), slow["p50_high_ms"].max()
                / fast["p50_low_ms"].min())
        return ratio, *map(float, ends), "ends of the medians' intervals"
    parts = a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)
    if not sum(parts):
        return ratio, ratio, ratio, "repeats"
    freedom = sum(parts) ** 2 / sum(part**2 / (len(one) - 1) for part, one in zip(parts, (a, b), strict=True))
    reach = math.exp(t.ppf((1 + LEVEL) / 2, freedom) * math.sqrt(sum(parts)))
    return ratio, ratio / reach, ratio * reach, "repeats"


def paying(ratios: pd.DataFrame) -> pd.DataFrame:
    """A row a device, number of threads and runtime of `quantized`: geometric mean over models with its 95 % interval
    by Student's t (none of fewer than 3), and for how many models INT8 is faster, slower, or not told apart."""
    rows = []
    for (on, threads, runtime), own in ratios.groupby(["on", "threads", "runtime"], sort=False):
        logs = np.log(own["ratio"].to_numpy(float))
        reach = t.ppf((1 + LEVEL) / 2, len(logs) - 1) * logs.std(ddof=1) / math.sqrt(len(logs)) if len(logs) > 2 \
            else np.nan
        rows.append({"on": on, "threads": threads, "runtime": runtime, "models": len(own),
                     "ratio": math.exp(logs.mean()), "low": math.exp(logs.mean() - reach),
                     "high": math.exp(logs.mean() + reach), "faster": int(own["low"].gt(1).sum()),
                     "slower": int(own["high"].lt(1).sum()), "least": own["difference"].min()})
    return pd.DataFrame(rows, columns=["on", "threads", "runtime", "models", "ratio", "low", "high", "faster", "slower",
                                       "least"])
