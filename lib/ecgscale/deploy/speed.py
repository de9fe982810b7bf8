"""What measured latencies say of nets that were not measured: laws, a small predictor, and speed-ups.

The law is a cost model: a call takes a constant, time for its layers, for its arithmetic, and for what it moves (what
layers write, and the weights that they read),

    ms = overhead + layers x per_layer + FLOPs / speed + activations / rate + parameters / rate

with coefficients that cannot be negative, fitted to relative errors, because latencies span decades.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import nnls

from ecgscale.contracts import LawFit, Speed
from ecgscale.machine import provenance

SETTING = ["machine", "runtime", "device", "option"]
MIN_MODELS = 8                     # fewer say too little of five coefficients, or of a held-out error
FORMULA = ("p50_ms = overhead_ms + layers * ms_per_layer + forward_flops / flops_per_ms"
           " + activations / activations_per_ms + params / params_per_ms")
RATES = {"flops_per_ms": 1e9, "activations_per_ms": 1e6, "params_per_ms": 1e6}     # and the unit they are fitted in
COSTS = ["params", "forward_flops", "activations", "layers"]
LEVEL, REPLICATES = 0.9, 200
SMALLEST_MS = 1e-6                 # a prediction of 0 has no logarithm


def analyse(latency: pd.DataFrame, seed: int = 0) -> Speed:
    """Laws, predictor and speed-ups of the single-stream rows that stand."""
    rows = medians(latency)
    laws = [made for name, group in rows.groupby(SETTING) for made in (
        fit(group, name, seed), *(power_law(group, name, cost, seed) for cost in ("forward_flops", "params")))]
    models, results, disabled = rows["run_id"].nunique(), [], {}
    if models >= MIN_MODELS:
        results = predictor(rows, seed)
    else:
        disabled = dict.fromkeys(("laws", "predictor"), f"{models} models; {MIN_MODELS} are needed")
    return Speed(models=models, laws=tuple(laws), predictor=results, speedups=speedups(latency), disabled=disabled,
                 versions=provenance.versions())


def medians(latency: pd.DataFrame) -> pd.DataFrame:
    """One row a model and setting: the median repeat of the single stream of what ran as it was asked to.

    Counted costs that a row lacks (of an older file) are those of another row of the same network.
    """
    latency = latency.reindex(columns=list(dict.fromkeys([*latency, *COSTS, "fallback"])))
    known = latency.groupby("run_id")[COSTS].transform("first")
    stands = (latency["status"] == "ok") & (latency["scenario"] == "single") & latency["p50_ms"].notna()
    stands &= ~latency["fallback"].eq(True)
    rows = latency.fillna({name: known[name] for name in COSTS})[stands & known.notna().all(axis=1)]
    keys = ["run_id", "model", "family", *SETTING]
    return rows.assign(option=rows["option"].fillna("")).groupby(keys, as_index=False)[
        ["p50_ms", "p50_low_ms", "p50_high_ms", *COSTS]].median()


# -------------------------------------------------------------------------------------------------------------- law


def terms(rows: pd.DataFrame) -> np.ndarray:
    """(model, 5): constant, layers, GFLOPs, millions of activations and of parameters."""
    return np.column_stack([np.ones(len(rows)), rows["layers"], rows["forward_flops"] / 1e9,
                            rows["activations"] / 1e6, rows["params"] / 1e6])


def coefficients(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Non-negative coefficients of least squared relative error."""
    return nnls(x / y[:, None], np.ones(len(y)))[0]


def fit(rows: pd.DataFrame, setting: tuple[str, ...], seed: int) -> LawFit:
    """The cost model of one setting, intervals by bootstrap over models, error by leaving one model out."""
    subset = ", ".join(f"{name}={value}" for name, value in zip(SETTING, setting, strict=True))
    shared = {"law": "cost-model", "subset": subset, "x": ("layers", "forward_flops"), "y": "p50_ms",
              "points": len(rows), "formula": FORMULA}
    if len(rows) < MIN_MODELS:
        return LawFit(**shared, verdict="not identifiable", reason=f"{len(rows)} models; {MIN_MODELS} are needed",
                      estimates={})
    x, y = terms(rows), rows["p50_ms"].to_numpy()
    rng = np.random.default_rng(seed)
    drawn = np.array([coefficients(x[i], y[i]) for i in rng.integers(0, len(y), (REPLICATES, len(y)))])
    low, high = np.percentile(drawn, [50 * (1 - LEVEL), 50 * (1 + LEVEL)], axis=0)
    out = [x[i] @ coefficients(np.delete(x, i, 0), np.delete(y, i)) for i in range(len(y))]
    found = named(coefficients(x, y))
    known = low[2] > 0
    return LawFit(
        **shared, verdict="identified" if known else "not identifiable",
        reason="" if known else "the interval of the time a FLOP takes reaches 0", estimates=found,
        intervals=intervals(low, high), level=LEVEL, statistics=errors(np.array(out), y))


def power_law(rows: pd.DataFrame, setting: tuple[str, ...], cost: str, seed: int) -> LawFit:
    """p50_ms = factor * cost ^ exponent, by least squares of logarithms: what a plot of the two shows."""
    subset = ", ".join(f"{name}={value}" for name, value in zip(SETTING, setting, strict=True))
    shared = {"law": "power", "subset": subset, "x": (cost,), "y": "p50_ms", "points": len(rows),
              "formula": f"p50_ms = factor * {cost} ^ exponent"}
    if len(rows) < MIN_MODELS:
        return LawFit(**shared, verdict="not identifiable", reason=f"{len(rows)} models; {MIN_MODELS} are needed",
                      estimates={})
    x = np.column_stack([np.ones(len(rows)), np.log(rows[cost].to_numpy(float))])
    y = np.log(rows["p50_ms"].to_numpy())

    def solved(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.linalg.lstsq(x, y, rcond=None)[0]

    rng = np.random.default_rng(seed)
    drawn = np.array([solved(x[i], y[i]) for i in rng.integers(0, len(y), (REPLICATES, len(y)))])
    low, high = np.percentile(drawn, [50 * (1 - LEVEL), 50 * (1 + LEVEL)], axis=0)
    out = np.array([x[i] @ solved(np.delete(x, i, 0), np.delete(y, i)) for i in range(len(y))])
    known, (factor, exponent) = low[1] > 0 or high[1] < 0, solved(x, y)
    return LawFit(
        **shared, verdict="identified" if known else "not identifiable",
        reason="" if known else "the interval of the exponent holds 0",
        estimates={"factor": float(np.exp(factor)), "exponent": float(exponent)},
        intervals={"factor": tuple(map(float, np.exp([low[0], high[0]]))), "exponent": (float(low[1]), float(high[1]))},
        level=LEVEL, statistics=errors(np.exp(out), np.exp(y)))


def named(values: np.ndarray) -> dict[str, float | None]:
    """Coefficients as the formula names them."""
    overhead, layer, *times = map(float, values)
    rates = {name: unit / time if time else None for (name, unit), time in zip(RATES.items(), times, strict=True)}
    return {"overhead_ms": overhead, "ms_per_layer": layer} | rates


def intervals(low: np.ndarray, high: np.ndarray) -> dict[str, tuple[float | None, float | None]]:
    fewest, most = named(low), named(high)
    return {name: (most[name], fewest[name]) if name in RATES else (fewest[name], most[name]) for name in fewest}


def errors(predicted: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Relative errors of nets held out."""
    relative = np.abs(predicted / truth - 1)
    return {"held_out_median_error": float(np.median(relative)),
            "held_out_p90_error": float(np.quantile(relative, 0.9)), "models": len(truth)}


# -------------------------------------------------------------------------------------------------------- predictor


def predictor(rows: pd.DataFrame, seed: int) -> list[dict[str, Any]]:
    """Held-out errors of a forest on log costs, and of the law beside it: whole nets are left out, ten folds."""
    from sklearn.ensemble import ExtraTreesRegressor
    from sklearn.model_selection import GroupKFold

    settings = rows[SETTING].agg("|".join, axis=1)
    x = np.column_stack([np.log(rows[COSTS]), pd.get_dummies(settings), pd.get_dummies(rows["family"])])
    y, groups = np.log(rows["p50_ms"].to_numpy()), rows["run_id"]
    forest, law = np.empty(len(y)), np.empty(len(y))
    for train, test in GroupKFold(min(10, groups.nunique())).split(x, y, groups):
        base, seen = np.empty(len(rows)), np.isin(np.arange(len(y)), train)
        for setting in settings.unique():
            here = (settings == setting).to_numpy()
            fitted = coefficients(terms(rows[here & seen]), np.exp(y[here & seen]))
            base[here] = np.log(np.maximum(terms(rows[here]) @ fitted, SMALLEST_MS))
        model = ExtraTreesRegressor(300, random_state=seed, n_jobs=1).fit(x[train], y[train] - base[train])
        law[test], forest[test] = base[test], base[test] + model.predict(x[test])
    return [{"model": name, "scheme": "nets held out, 10 folds", "statistic": statistic, "estimate": value,
             "n": len(y)} for name, predicted in (("law", law), ("forest on the law's residuals", forest))
            for statistic, value in errors(np.exp(predicted), np.exp(y)).items() if statistic != "models"]


# --------------------------------------------------------------------------------------------------------- speed-up


def speedups(latency: pd.DataFrame) -> list[dict[str, Any]]:
    """How many times as fast as torch eager on the CPU each setting is, a model and machine.

    Ends of the interval divide opposite ends of the two medians' intervals, so it is wider than 95 %.
    """
    found = []
    for (_, machine), rows in medians(latency).groupby(["run_id", "machine"]):
        eager = rows[(rows["runtime"] == "torch") & (rows["device"] == "cpu") & (rows["option"] == "mode=eager")]
        if eager.empty:
            continue
        base = eager.iloc[0]
        for row in rows.drop(index=eager.index).itertuples():
            found.append({
                "model": row.model, "machine": machine, "runtime": row.runtime, "device": row.device,
                "option": row.option, "ratio": base["p50_ms"] / row.p50_ms,
                "low": base["p50_low_ms"] / row.p50_high_ms, "high": base["p50_high_ms"] / row.p50_low_ms})
    return found
