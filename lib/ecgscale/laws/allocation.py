"""Given a budget of training compute: the best model size, samples, epochs and optimizer, with interval; iso-FLOP view.

The joint law says what a model of N parameters reaches after T samples, the ledger's own counts say what that costs:
FLOPs a sample = kappa N^a, a straight line in logs through the table (a = 1 for a language model; convolutions share
weights, so it is fitted). Along each iso-FLOP line every bootstrap replicate has its own optimum; their spread is the
interval (Hoffmann et al. 2022, arXiv:2203.15556, approaches 2 and 3).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ecgscale.design.plan import read_devices
from ecgscale.design.study import Spending
from ecgscale.laws.uncertainty import Bootstrap

SIZES = 481                 # model sizes tried along an iso-FLOP line
BEYOND = 10.0               # how far outside the table's model sizes the search goes
VIEW = 40                   # every so many of them are told in the iso-FLOP view


def cost_line(frame: pd.DataFrame) -> tuple[float, float]:
    """(log kappa, a) of FLOPs a sample = kappa N^a."""
    per_sample = np.log((frame["train_flops"] / frame["samples_seen"]).to_numpy(float))
    a, log_kappa = np.polyfit(np.log(frame["params"].to_numpy(float)), per_sample, 1)
    return float(log_kappa), float(a)


def own_budgets(frame: pd.DataFrame) -> dict[str, float]:
    """FLOPs by name: the table's median and largest run, ten and a hundred times that."""
    spent = frame["train_flops"].to_numpy(float)
    largest = float(spent.max())
    return {"the median run": float(np.median(spent)), "the largest run": largest,
            "10 times the largest run": 10 * largest, "100 times the largest run": 100 * largest}


def asked_budgets(asked: tuple[Spending, ...], frame: pd.DataFrame) -> tuple[dict[str, float], dict[str, str]]:
    """FLOPs by name of the budgets asked for, and those that have no price, with the reason.

    A device of the runs counts with its median rate in them, one of assets/devices.csv with the share of its peak that
    is assumed there.
    """
    measured = throughput(frame)
    sheets = {row["device"]: float(row["peak_tflops"]) * 1e12 * float(row["share"]) for row in read_devices()}
    known, unknown = {}, {}
    for one in asked:
        if one.flops is not None:
            known[f"{one.flops:.4g} FLOPs"] = one.flops
        elif one.device in (rates := sheets | measured):
            how = "measured" if one.device in measured else "share of the data sheet's peak assumed"
            known[f"{one.hours:g} h on {one.device} ({how})"] = one.hours * 3600 * rates[one.device]
        else:
            unknown[f"budget of {one.hours:g} h on {one.device}"] = f"no such device; known: {', '.join(rates)}"
    return known, unknown


def allocate(boots: dict[str, Bootstrap], frame: pd.DataFrame, asked: dict[str, float]) -> list[dict[str, Any]]:
    """One row a budget and subset. boots: an identified law of ("params", "samples_seen") or ("params",
    "train_records", "samples_seen") by subset; frame: the runs, with params, samples_seen, train_flops; asked: FLOPs by
    name, besides the table's own budgets."""
    log_kappa, a = cost_line(frame)
    params = frame["params"].to_numpy(float)
    log_n = np.linspace(np.log(params.min() / BEYOND), np.log(params.max() * BEYOND), SIZES)
    speed = throughput(frame)
    rows = []
    for name, flops in (asked | own_budgets(frame)).items():
        log_t = np.log(flops) - log_kappa - a * log_n
        lines = {subset: iso_flop(boot, log_n, log_t, frame) for subset, boot in boots.items()}
        best = {subset: curves.min(axis=1) for subset, curves in lines.items()}
        for subset, curves in lines.items():
            row = optimum(boots[subset], curves, log_n, log_t, frame)
            rivals = [other for group, other in best.items() if group not in (subset, "all")]
            wins = np.all([best[subset] < other for other in rivals], axis=0).mean() if rivals else None
            rows.append({"budget": name, "budget_flops": float(flops), "subset": subset,
                         "law": boots[subset].fit.law.name,
                         "hours": {device: float(flops / rate / 3600) for device, rate in speed.items()},
                         "probability_best": float(wins) if rivals and subset != "all" else None, **row})
    return rows


def throughput(frame: pd.DataFrame) -> dict[str, float]:
    """Training FLOPs a second by device, the median run."""
    if not {"seconds", "device"} <= set(frame):
        return {}
    timed = frame[frame["seconds"] > 0]
    rate = timed["train_flops"] / timed["seconds"]
    return {str(device): float(value) for device, value in rate.groupby(timed["device"]).median().items()}


def iso_flop(boot: Bootstrap, log_n: np.ndarray, log_t: np.ndarray, frame: pd.DataFrame) -> np.ndarray:
    """log y along the line, (1 + replicate, size): the estimate first."""
    theta = np.vstack([boot.fit.theta, boot.theta])
    if len(boot.fit.law.sizes) == 2:
        return boot.fit.law.log_curve(theta, np.array([log_n, log_t]))
    unique = np.minimum(log_t, np.log(frame["train_records"].max()))    # all there is, or fewer than one epoch
    return boot.fit.law.log_curve(theta, np.array([log_n, unique, log_t]))


def optimum(boot: Bootstrap, curves: np.ndarray, log_n: np.ndarray, log_t: np.ndarray,
            frame: pd.DataFrame) -> dict[str, Any]:
    """Best size, samples, epochs and response, with intervals, and the iso-FLOP view."""
    place = curves.argmin(axis=1)
    low, high = boot.interval(curves[1:])
    told = {"params": np.exp(log_n[place]), "samples": np.exp(log_t[place]), "y": np.exp(curves.min(axis=1))}
    if "train_records" in frame:
        told["epochs"] = told["samples"] / float(frame["train_records"].max())
    row: dict[str, Any] = {}
    for name, values in told.items():
        ends = boot.interval(values[1:])
        row |= {name: float(values[0]), f"{name}_low": float(ends[0]), f"{name}_high": float(ends[1])}
    inside = (frame["params"].min() <= row["params"] <= frame["params"].max()
              and row["samples"] <= frame["samples_seen"].max())
    edge = place[0] in (0, len(log_n) - 1)
    note = ("the optimum lies at the edge of the sizes tried" if edge else "" if inside else "beyond the table's runs")
    view = [{"params": float(np.exp(log_n[i])), "samples": float(np.exp(log_t[i])), "y": float(np.exp(curves[0, i])),
             "low": float(np.exp(low[i])), "high": float(np.exp(high[i]))} for i in range(0, len(log_n), VIEW)]
    return row | {"note": note, "isoflop": view}
