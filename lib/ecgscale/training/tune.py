"""Learning rates: tuned for each optimizer and network by successive halving, and an alarm where a range was too short.

Successive halving (Jamieson and Talwalkar, AISTATS 2016): `trials` rates, evenly spaced on the logarithm from one end
of the range to the other, each trained for `epochs`; the better half by validation loss goes on to twice the epochs,
each time anew with its whole schedule, until one is left. A trial is a run like any other: it resumes from its
checkpoint, and one that diverges loses. The test part plays no part.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from ecgscale.contracts import PlannedRun, RunResult
from ecgscale.design.tuning import edge, groups, rounds, trial, with_rate
from ecgscale.errors import UserError

Train = Callable[[list[PlannedRun], Path], list[RunResult]]


def tune(planned: list[PlannedRun], train: Train) -> tuple[list[PlannedRun], pd.DataFrame]:
    """The same runs with tuned learning rates (those that became equal once), and the trials (TUNING).

    `train` trains runs into a folder and gives their results in their order. Runs that ask for no tuning stay as they
    are; so do, with a word on stderr, those of which every trial failed. Raises UserError when none asks for it.
    """
    asked = groups(planned)
    if not asked:
        raise UserError("no run is to be tuned", field="tuning", remedy="Give the study a section, as tuning: "
                        "{trials: 8}, and an optimizer a range, as lr: {low: 1e-4, high: 1e-1}; then draw its runs")
    trials = halve(asked, train)
    chosen = {group: choice(group, part) for group, part in trials.groupby("group", sort=False)}
    done: dict[str, PlannedRun] = {}
    for plan in planned:
        if plan.tuning and (best := chosen[plan.tuning.group]) is not None:
            place = edge(best["lr"], best["low"], best["high"])
            trials.loc[best.name, "edge"] = place
            told = {"chosen": best["run_id"], "valid_loss": best["valid_loss"], "edge": place}
            plan = with_rate(plan, best["lr"]).model_copy(update={"tuning": plan.tuning.model_copy(update=told)})
        done.setdefault(plan.spec.run_id, plan)
    return list(done.values()), trials


def choice(group: str, trials: pd.DataFrame) -> pd.Series | None:
    """The best trial of the last round that any trial of the group survived; None where there is none. Says so."""
    kept = trials[trials["kept"]]
    low, high = trials["low"].iloc[0], trials["high"].iloc[0]
    if kept.empty:
        print(f"{group}: no learning rate from {low:g} to {high:g} trains", file=sys.stderr, flush=True)
        return None
    best = kept.loc[kept.loc[kept["round"] == kept["round"].max(), "valid_loss"].idxmin()]
    place = edge(best["lr"], low, high)
    warning = f", at the {place} end of {low:g} to {high:g}: widen it" if place else ""
    print(f"{group}: learning rate {best['lr']:.3g}{warning}", file=sys.stderr, flush=True)
    return best


def halve(asked: dict[str, PlannedRun], train: Train) -> pd.DataFrame:
    """Rounds of all groups together, so that the trials of a round share the device."""
    rates = {group: np.geomspace(plan.tuning.low, plan.tuning.high, plan.tuning.trials).tolist()
             for group, plan in asked.items()}
    rows, number = [], 0
    while rates:
        epochs = {group: rounds(asked[group].tuning)[number][1] for group in rates}
        places = [(group, lr) for group in rates for lr in rates[group]]
        with tempfile.TemporaryDirectory() as folder:
            results = train([trial(asked[group], lr, epochs[group]) for group, lr in places], Path(folder))
        tried: dict[str, list[dict]] = {group: [] for group in rates}
        for (group, lr), result in zip(places, results, strict=True):
            spec, tuning = result.spec, asked[group].tuning
            tried[group].append({
                "group": group, "family": spec.model.family, "optimizer": spec.optimizer.name,
                "params": float(result.ledger.params), "low": tuning.low, "high": tuning.high, "round": number,
                "epochs": spec.epochs, "lr": lr, "valid_loss": result.valid_loss, "status": result.status,
                "kept": False, "edge": "", "run_id": spec.run_id, "train_flops": result.train_flops,
                "seconds": result.seconds, "synthetic": result.synthetic})
        rates = {group: better_half(attempts) for group, attempts in tried.items()}
        rates = {group: kept for group, kept in rates.items() if len(kept) > 1}
        rows += [row for attempts in tried.values() for row in attempts]
        number += 1
    return pd.DataFrame(rows)


def better_half(attempts: list[dict]) -> list[float]:
    """Marks and gives the rates that go on: at most half of those tried, none that did not finish."""
    ended = sorted((row for row in attempts if row["status"] == "finished"), key=lambda row: row["valid_loss"])
    for row in ended[: len(attempts) // 2]:
        row["kept"] = True
    return [row["lr"] for row in ended[: len(attempts) // 2]]
