"""Learning rates: tuned for each optimizer and network by successive halving, and an alarm where a range was too short.

Successive halving (Jamieson and Talwalkar, AISTATS 2016): `trials` rates, evenly spaced on the logarithm from one end
of the range to the other, each trained for `epochs`; the better half by validation loss goes on to twice the epochs,
each time anew with its whole schedule, until one is left. A trial is a run like any other: it resumes from its
checkpoint.
"""

from __future__ import annotations

import math
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ecgscale.analysis.runtable import finished
from ecgscale.contracts import OPTIMA, TUNING, PlannedRun, RunResult, RunSpec, digest
from ecgscale.design.study import Range, Study
from ecgscale.errors import UserError

EDGE = 0.05     # of the logarithmic range
HIGHER_IS_BETTER = ("score", "auroc", "auprc", "f1", "accuracy")

Train = Callable[[list[PlannedRun], Path], list[RunResult]]
Bounds = tuple[float, float]


@dataclass(frozen=True)
class Halving:
    """Rates of the first round and their epochs."""

    trials: int = 8
    epochs: int = 1


def ranges(study: Study) -> dict[tuple[str, str], Bounds]:
    """(family, optimizer) -> ends of its learning rates, where the study gives more than one rate."""
    found: dict[tuple[str, str], Bounds] = {}
    for group in study.runs:
        for optimizer in group.optimizers:
            lr, key = optimizer.lr, (group.family, optimizer.name)
            ends = (lr.low, lr.high) if isinstance(lr, Range) else np.atleast_1d(lr)
            low, high = min(ends), max(ends)
            before = found.get(key, (low, high))
            found[key] = (float(min(low, before[0])), float(max(high, before[1])))
    return {key: (low, high) for key, (low, high) in found.items() if low < high}


def edge(lr: float, low: float, high: float) -> str:
    """"low" or "high" where a rate lies within 5 % of that end of the logarithmic range; "" elsewhere."""
    place = (math.log(lr) - math.log(low)) / (math.log(high) - math.log(low))
    return "low" if place <= EDGE else "high" if place >= 1 - EDGE else ""


def tuned_together(spec: RunSpec) -> str:
    """Digest of network, optimizer, loss and data: runs that differ in rate, seed, epochs or fraction share a rate."""
    values = spec.model_dump(mode="json", exclude={"run_id", "seed", "epochs", "patience", "data_fraction"})
    values["optimizer"].pop("lr")
    return digest(values)


def tune(planned: list[PlannedRun], study: Study, halving: Halving,
         train: Train) -> tuple[list[PlannedRun], pd.DataFrame]:
    """The same runs with tuned learning rates (without those that became equal), and the trials (TUNING).

    `train` trains runs into a folder and gives their results in their order. Runs whose study gives one rate stay as
    they are; so do, with a word on stderr, those of which every trial failed.
    """
    wanted = ranges(study)
    if not wanted:
        raise UserError("no optimizer has a range of learning rates", field="runs.optimizers.lr",
                        remedy="Write lr: {low: 1e-4, high: 1e-1, log: true} to have it tuned")
    groups: dict[str, PlannedRun] = {}
    for plan in planned:
        if (plan.spec.model.family, plan.spec.optimizer.name) in wanted:
            best = groups.setdefault(tuned_together(plan.spec), plan)
            if plan.spec.data_fraction > best.spec.data_fraction:
                groups[tuned_together(plan.spec)] = plan
    trials = halve(groups, wanted, halving, train)
    chosen = trials[trials["kept"]].sort_values("round").groupby("group")["lr"].last() if len(trials) else {}
    done: dict[str, PlannedRun] = {}
    for plan in planned:
        group = tuned_together(plan.spec)
        plan = with_rate(plan, chosen[group]) if group in groups and group in chosen else plan
        done.setdefault(plan.spec.run_id, plan)
    return list(done.values()), trials


def halve(groups: dict[str, PlannedRun], wanted: dict[tuple[str, str], Bounds], halving: Halving,
          train: Train) -> pd.DataFrame:
    """Rounds of all groups together, so that the trials of a round share the device."""
    bounds = {group: wanted[plan.spec.model.family, plan.spec.optimizer.name] for group, plan in groups.items()}
    rates = {group: np.geomspace(*ends, halving.trials).tolist() for group, ends in bounds.items()}
    rows, number, epochs = [], 0, halving.epochs
    while rates:
        places = [(group, lr) for group in rates for lr in rates[group]]
        trials = [with_rate(groups[group], lr, epochs) for group, lr in places]
        with tempfile.TemporaryDirectory() as folder:
            results = train(trials, Path(folder))
        tried: dict[str, list[dict]] = {group: [] for group in rates}
        for (group, lr), result in zip(places, results, strict=True):
            spec, (low, high) = result.spec, bounds[group]
            tried[group].append({
                "group": group, "family": spec.model.family, "optimizer": spec.optimizer.name,
                "params": float(result.ledger.params), "low": low, "high": high, "round": number, "epochs": epochs,
                "lr": lr, "valid_loss": result.valid_loss, "status": result.status, "kept": False, "edge": ""})
        rates = {group: better_half(attempts) for group, attempts in tried.items()}
        rates = {group: kept for group, kept in rates.items() if len(kept) > 1}
        rows += [row for attempts in tried.values() for row in attempts]
        number, epochs = number + 1, 2 * epochs
    return pd.DataFrame(rows, columns=list(TUNING.columns))


def better_half(attempts: list[dict]) -> list[float]:
    """Marks and gives the rates that go on; of one that is left, says where it lies in its range."""
    ended = sorted((row for row in attempts if row["status"] == "finished"), key=lambda row: row["valid_loss"])
    kept = ended[: max(1, len(attempts) // 2)]
    for row in kept:
        row["kept"] = True
    first = attempts[0]
    name = f"{first['family']} {first['optimizer']} ({first['params']:.0f} parameters)"
    if not kept:
        print(f"{name}: no learning rate from {first['low']:g} to {first['high']:g} trains", file=sys.stderr)
    elif len(kept) == 1:
        row = kept[0]
        row["edge"] = edge(row["lr"], row["low"], row["high"])
        warning = f", at the {row['edge']} end of {row['low']:g} to {row['high']:g}: widen it" if row["edge"] else ""
        print(f"{name}: learning rate {row['lr']:.3g}{warning}", file=sys.stderr, flush=True)
    return [row["lr"] for row in kept]


def with_rate(plan: PlannedRun, lr: float, epochs: int | None = None) -> PlannedRun:
    """The run at another learning rate; with `epochs`, as a trial: that long, without early stopping, seed 0."""
    values = dict(plan.spec) | {"optimizer": plan.spec.optimizer.model_copy(update={"lr": lr})}
    if epochs is not None:
        values |= {"epochs": epochs, "patience": None, "seed": 0}
    values.pop("run_id")
    return plan.model_copy(update={"spec": RunSpec.make(**values)})


def optima(runs: pd.DataFrame, metric: str = "valid_loss", bounds: dict[tuple[str, str], Bounds] | None = None,
           least: int = 4) -> pd.DataFrame:
    """OPTIMA: the best run of each family and optimizer, and whether its rate lies at an edge of the rates tried.

    `bounds` gives the ranges that the study asked for; without it, the smallest and largest rate in the table stand for
    them. Groups of fewer than `least` rates say nothing and are left out.
    """
    rows = []
    for (family, optimizer), group in finished(runs, metric).groupby(["family", "optimizer"]):
        low, high = (bounds or {}).get((family, optimizer), (group["lr"].min(), group["lr"].max()))
        if group["lr"].nunique() < least or low >= high:
            continue
        place = group[metric].idxmax() if metric.endswith(HIGHER_IS_BETTER) else group[metric].idxmin()
        best = group.loc[place]
        rows.append({"group": f"family={family}, optimizer={optimizer}", "metric": metric, "runs": len(group),
                     "run_id": best["run_id"], "value": best[metric], "lr": best["lr"], "low": low, "high": high,
                     "edge": edge(best["lr"], low, high)})
    return pd.DataFrame(rows, columns=list(OPTIMA.columns))
