"""Given a budget of training compute: the best model size, samples, epochs and optimizer, with interval; iso-FLOP view.

The joint law says what a model of N parameters reaches after T samples, the ledger's own counts say what that costs:
FLOPs a sample = kappa N^a, a straight line in logs through the table (a = 1 for a language model; convolutions share
weights, so it is fitted; 6 N where the table counts no FLOPs, which is said). Every bootstrap replicate has its own
optimum on each iso-FLOP line; their spread is the interval (Hoffmann et al. 2022, arXiv:2203.15556, approaches 2
and 3). The joint law's is in closed form (optimum.py), at any budget. That of other laws is searched within BEYOND of
the table's sizes; where the search ends at its edge, no size is told, and an end of an interval there is none.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ecgscale.design.plan import read_devices
from ecgscale.design.study import Spending
from ecgscale.laws.fit import finite
from ecgscale.laws.foretold import Outlook
from ecgscale.laws.headline import frontier_of
from ecgscale.laws.optimum import LANGUAGE_MODEL, best_sizes, exponents, log_loss, price_of_being_off
from ecgscale.laws.uncertainty import LEVEL, Bootstrap
from ecgscale.numbers import number, percent

SIZES = 481                 # model sizes tried along an iso-FLOP line
BEYOND = 10.0               # how far outside the table's model sizes the search goes
VIEW = 40                   # every so many of them are told in the iso-FLOP view
BATCH = 0.01                # by which a budget may exceed the largest run's
WIDE = 1000.0               # upper end over lower end from which an optimum is not told
LARGEST = "the largest run"  # the name of its budget
POOLED = ("all", "frontier")        # subsets that hold the runs of the others


def cost_line(frame: pd.DataFrame) -> tuple[float, float]:
    """(log kappa, a) of FLOPs a sample = kappa N^a; that of a language model where the table has no FLOPs."""
    if "train_flops" not in frame:
        return LANGUAGE_MODEL
    frame = frame[(frame[["train_flops", "samples_seen", "params"]] > 0).all(axis=1)
                  & np.isfinite(frame["train_flops"])]
    per_sample = np.log((frame["train_flops"] / frame["samples_seen"]).to_numpy(float))
    a, log_kappa = np.polyfit(np.log(frame["params"].to_numpy(float)), per_sample, 1)
    return float(log_kappa), float(a)


def own_budgets(frame: pd.DataFrame) -> dict[str, float]:
    """FLOPs by name: the table's median and largest run, ten and a hundred times that."""
    spent = spending_of(frame)
    largest = float(spent.max())
    return {"the median run": float(np.median(spent)), LARGEST: largest,
            f"10 times {LARGEST}": 10 * largest, f"100 times {LARGEST}": 100 * largest}


def spending_of(frame: pd.DataFrame) -> np.ndarray:
    """FLOPs of the runs that have them."""
    log_kappa, a = cost_line(frame)
    made = np.exp(log_kappa) * frame["params"] ** a * frame["samples_seen"]
    spent = frame.get("train_flops", made).to_numpy(float)
    return spent[np.isfinite(spent) & (spent > 0)]


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
            known[f"{number(one.flops)} FLOPs"] = one.flops
        elif one.device in (rates := sheets | measured):
            how = "measured" if one.device in measured else "share of the data sheet's peak assumed"
            known[f"{one.hours:g} h on {one.device} ({how})"] = one.hours * 3600 * rates[one.device]
        else:
            unknown[f"budget of {one.hours:g} h on {one.device}"] = f"no such device; known: {', '.join(rates)}"
    return known, unknown


def allocate(boots: dict[str, Bootstrap], clusters: dict[str, np.ndarray], frame: pd.DataFrame,
             asked: dict[str, float], most: float = np.inf) -> list[dict[str, Any]]:
    """One row a budget and subset. boots: an identified law of ("params", "samples_seen") or ("params",
    "train_records", "samples_seen") by subset; clusters: numbers of its runs' configurations; frame: the runs, with
    params, samples_seen, train_flops; asked: FLOPs by name, besides the table's own budgets; most: the largest value
    that the response can have."""
    own = {subset: family_of(frame, subset) for subset in boots}
    costs = {subset: cost_line(runs) for subset, runs in own.items()}
    params = frame["params"].to_numpy(float)
    log_n = np.linspace(np.log(params.min() / BEYOND), np.log(params.max() * BEYOND), SIZES)
    speed = throughput(frame)
    budgets = asked | own_budgets(frame)
    foretold = {subset: best_foretold(Outlook(boot.fit, clusters[subset]), np.log(list(budgets.values())),
                                      costs[subset], most) for subset, boot in boots.items()}
    rows = []
    for place, (name, flops) in enumerate(budgets.items()):
        samples = {subset: np.log(flops) - log_kappa - a * log_n for subset, (log_kappa, a) in costs.items()}
        lines = {subset: np.minimum(iso_flop(boot, log_n, samples[subset], frame), np.log(most))
                 for subset, boot in boots.items()}
        best = {subset: curves.min(axis=1) for subset, curves in lines.items()}
        for subset, curves in lines.items():
            row = optimum(boots[subset], curves, log_n, samples[subset], own[subset], np.log(flops), costs[subset],
                          foretold[subset][place])
            rivals = [other for group, other in best.items() if group != subset and axis_of(group) == axis_of(subset)]
            wins = np.all([best[subset] < other for other in rivals], axis=0).mean() if rivals else None
            rows.append({"budget": name, "budget_flops": float(flops), "subset": subset,
                         "law": boots[subset].fit.law.name,
                         "hours": {device: float(flops / rate / 3600) for device, rate in speed.items()},
                         "probability_best": float(wins) if rivals and axis_of(subset) else None, **row})
    return rows


def family_of(frame: pd.DataFrame, subset: str) -> pd.DataFrame:
    """The runs of the family that a group is: what a sample costs at a size is its own. All runs for other groups."""
    if axis_of(subset) != "family":
        return frame
    return frame[frame["family"].astype(str).eq(subset.partition("=")[2].removesuffix(frontier_of("")))]


def by_family(rows: list[dict[str, Any]]) -> dict[tuple[str, str, str], list[dict[str, Any]]]:
    """(budget, response, law): the rows of families with a best size, the best first, where there are several."""
    found: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for row in rows:
        if axis_of(row["subset"]) == "family" and row["y"] is not None:
            found.setdefault((row["budget"], row["y_column"], row["law"]), []).append(row)
    return {key: sorted(told, key=lambda row: row["y"]) for key, told in found.items() if len(told) > 1}


def axis_of(subset: str) -> str:
    """The column that a group of runs has one value of: "family" of "family=vit, frontier"; "" of all runs."""
    return subset.partition("=")[0] if "=" in subset else ""


def throughput(frame: pd.DataFrame) -> dict[str, float]:
    """Training FLOPs a second by device, the median run."""
    if not {"seconds", "device", "train_flops"} <= set(frame):
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


def optimum(boot: Bootstrap, curves: np.ndarray, log_n: np.ndarray, log_t: np.ndarray, frame: pd.DataFrame,
            log_budget: float, cost: tuple[float, float], foretold: np.ndarray) -> dict[str, Any]:
    """Best size, samples, epochs and response, with intervals, samples for each parameter, what it costs to be off, and
    the iso-FLOP view. foretold: (y, low, high) at the best size (best_foretold)."""
    row: dict[str, Any] = {}
    if boot.fit.law.name == "joint":
        theta = np.vstack([boot.fit.theta, boot.theta])
        best_n, best_t = best_sizes(theta, log_budget, cost)
        y = log_loss(theta, best_n, best_t)
        row["off_by_2"] = {name: off_the_optimum(boot, log_budget, cost, factor)
                           for name, factor in (("half", 0.5), ("double", 2.0))}
        for name, values in zip(("size_exponent", "samples_exponent"), exponents(theta, cost[1]), strict=True):
            row |= with_ends(boot, name, values)
    else:
        place = curves.argmin(axis=1)
        edge = (place == 0) | (place == len(log_n) - 1)
        beyond = np.where(place == 0, -np.inf, np.inf)
        best_n, best_t = np.where(edge, beyond, log_n[place]), np.where(edge, -beyond, log_t[place])
        y = np.where(edge, np.nan, curves.min(axis=1))
    low, high = boot.interval(curves[1:])
    with np.errstate(all="ignore"):
        told = {"params": np.exp(best_n), "samples": np.exp(best_t), "samples_per_param": np.exp(best_t - best_n),
                "y": np.exp(y)}
    if "train_records" in frame:
        told["epochs"] = told["samples"] / float(frame["train_records"].max())
    for name, values in told.items():
        row |= with_ends(boot, name, values)
    if np.isfinite(foretold[0]):
        row |= dict(zip(("y", "y_low", "y_high"), map(finite, foretold), strict=True))
    with np.errstate(invalid="ignore"):         # a size is one parameter at least, and one sample
        row |= {"lacking": float(np.mean(~(np.isfinite(best_n) & (best_n >= 0) & (best_t >= 0))))}
    view = [{"params": float(np.exp(log_n[i])), "samples": float(np.exp(log_t[i])), "y": float(np.exp(curves[0, i])),
             "low": finite(np.exp(low[i])), "high": finite(np.exp(high[i]))} for i in range(0, len(log_n), VIEW)]
    said = note(row, frame, log_budget)
    return row | {"note": said, "isoflop": view}


def best_foretold(ahead: Outlook, log_budgets: np.ndarray, cost: tuple[float, float], most: float) -> np.ndarray:
    """(budget, 3) y with its ends where the joint law has its best sizes, at most `most`; NaN for other laws, and where
    it has none."""
    told = np.full((len(log_budgets), 3), np.nan)
    if ahead.fit.law.name == "joint":
        places = np.array([best_sizes(ahead.fit.theta[None], one, cost) for one in log_budgets])[:, :, 0].T
        known = np.isfinite(places).all(axis=0)
        found = ahead.at(places[:, known])
        with np.errstate(over="ignore"):
            told[known] = np.minimum(np.exp(np.column_stack([found.y, found.curve])), most)
    return told


def off_the_optimum(boot: Bootstrap, log_budget: float, cost: tuple[float, float], factor: float) -> dict[str, Any]:
    """A model of `factor` times the best size: its loss over the best, and the share of the budget that makes up."""
    values = price_of_being_off(np.vstack([boot.fit.theta, boot.theta]), log_budget, cost, factor)
    return with_ends(boot, "loss_ratio", values[0]) | with_ends(boot, "budget_ratio", values[1])


def with_ends(boot: Bootstrap, name: str, values: np.ndarray) -> dict[str, float | None]:
    """The estimate, first of (1 + replicate,) values, and its interval; None for what has no end or was not found."""
    drawn = values[1:][~np.isnan(values[1:])]
    with np.errstate(invalid="ignore"):         # between two infinite draws
        low, high = boot.interval(drawn) if len(drawn) else (np.nan, np.nan)
    told = {name: values[0], f"{name}_low": low, f"{name}_high": high}
    return {key: float(value) if np.isfinite(value) and value != 0 else None for key, value in told.items()}


def note(row: dict[str, Any], frame: pd.DataFrame, log_budget: float) -> str:
    """What a reader must know of the row; what is not told is taken out of it."""
    notes = [] if "train_flops" in frame else ["FLOPs taken as 6 N D: the table counts none"]
    lacking, ends = row.pop("lacking"), (row["params_low"], row["params_high"])
    if lacking > (1 - LEVEL) / 2:
        notes.append(f"not told: {percent(lacking)} of the refits have no best size that could be trained")
    elif row["params"] is None:
        notes.append("not told: the law's optimum lies beyond the sizes searched, ten times outside the table's")
    elif None in ends or ends[1] > WIDE * ends[0]:
        notes.append("not told: it lies anywhere within a factor of a thousand or more")
    elif not (frame["params"].min() <= row["params"] <= frame["params"].max()
              and row["samples"] <= frame["samples_seen"].max()):
        notes.append("beyond the table's runs")
    elif (times := np.exp(log_budget) / spending_of(frame).max()) > 1 + BATCH:
        notes.append(f"beyond the table's runs, {number(times, 2)} times the largest one's FLOPs")
    if any(one.startswith("not told") for one in notes):
        row |= dict.fromkeys(("params", "samples", "samples_per_param", "y"))
    return "; ".join(notes)
