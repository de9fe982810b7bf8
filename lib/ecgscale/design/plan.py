"""What a study will cost, before anything is trained: its spread, its FLOPs, its hours; and thinning to a budget.

Counts and FLOPs are exact for a given number of training recordings. Hours are estimates and say from what: on this
machine from a short calibration (training/pace.py), on named devices from assets/devices.csv, the vendor's peak
times an assumed share of it. Imports no torch.
"""

from __future__ import annotations

import csv
import math
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ecgscale.contracts import Plan, PlannedRun, Round, RunResult
from ecgscale.design.study import Budget, Study
from ecgscale.design.tuning import groups, trial_runs
from ecgscale.errors import UserError
from ecgscale.numbers import number
from ecgscale.paths import ASSETS

DEVICES = ASSETS / "devices.csv"
VALID_SHARE, VALID_SAMPLES = 0.5, 5000
"""Validation as far as a plan can know it: half as many recordings as in training (the study's folds) of 10 s at
500 Hz, all windows of each, forward only."""

QUANTILES = ("0", "0.1", "0.25", "0.5", "0.75", "0.9", "1")


def describe(study: Study, planned: list[PlannedRun], rejected: dict[str, int], duplicates: int) -> Plan:
    """The plan as far as the study file alone decides it."""
    return Plan(study=study.name, seed=study.seed, rejected=rejected, duplicates=duplicates, train_flops=None, hours=[],
                **spread(planned))


def spread(planned: list[PlannedRun]) -> dict[str, Any]:
    """How many runs, of which kinds, and their distributions."""
    counts = Counter(f"{run.spec.model.family} {run.spec.optimizer.name}" for run in planned)
    return {"runs": len(planned), "counts": dict(sorted(counts.items())),
            "params": quantiles([run.ledger.params for run in planned]),
            "forward_flops": quantiles([run.ledger.forward_flops for run in planned])}


def quantiles(values: list[int]) -> dict[str, float]:
    """The empirical distribution function, read at QUANTILES: the smallest value that this share does not exceed."""
    if not values:
        return {}
    return {share: float(np.quantile(values, float(share), method="inverted_cdf")) for share in QUANTILES}


def train_flops(run: PlannedRun, records: int) -> float:
    """FLOPs of a whole training: one window of each recording an epoch, forward and backward."""
    return float(run.ledger.step_flops) * records_used(run, records) * run.spec.epochs


def records_used(run: PlannedRun | RunResult, records: int) -> int:
    return max(1, round(run.spec.data_fraction * records))


@dataclass(frozen=True)
class Pace:
    """How fast a machine trains: FLOP/s against the FLOPs of one window's step, measured on some networks a family."""

    name: str
    source: str
    measured: dict[str, list[tuple[float, float]]]       # family -> (step FLOPs, FLOP/s), step FLOPs increasing

    def hours(self, run: PlannedRun, records: int) -> float:
        """Of one run: training, and validation after each epoch (see VALID_SHARE). Between networks by logarithms."""
        flops, rates = np.log(self.measured[run.spec.model.family]).T
        rate = math.exp(np.interp(math.log(run.ledger.step_flops), flops, rates))
        windows = VALID_SHARE * records * math.ceil(VALID_SAMPLES / run.spec.window) * run.spec.epochs
        return (train_flops(run, records) + windows * run.ledger.forward_flops) / rate / 3600


def afford(budget: Budget, planned: list[PlannedRun], plan: Plan, records: int,
           pace: Pace | None = None) -> tuple[list[PlannedRun], Plan]:
    """Thin the runs to the budget and fill in what they will cost for `records` training recordings, tuned or not."""
    kept = planned
    if budget.train_flops is not None:
        kept = thin(kept, lambda run: train_flops(run, records), budget.train_flops, "FLOPs")
    if budget.hours is not None:
        kept = thin(kept, lambda run: pace.hours(run, records), budget.hours, "hours")
    check_teachers(kept)
    trials = trial_runs(kept)
    tuning_flops = math.fsum(train_flops(run, records) for run in trials)
    total = math.fsum(train_flops(run, records) for run in kept) + tuning_flops
    hours = [{"device": row["device"], "hours": total / (float(row["peak_tflops"]) * 1e12 * float(row["share"])) / 3600,
              "estimate": True, "source": f"{row['source']} ({float(row['share']):.0%})"} for row in read_devices()]
    if pace is not None:
        here = math.fsum(pace.hours(run, records) for run in [*kept, *trials])
        hours.insert(0, {"device": pace.name, "hours": here, "estimate": True, "source": pace.source})
    return kept, plan.model_copy(update={
        **spread(kept), "train_flops": total, "train_records": records, "hours": hours,
        "thinned": len(planned) - len(kept), "tuning_groups": len(groups(kept)),
        "tuning_flops": tuning_flops if trials else None})


def check_teachers(kept: list[PlannedRun]) -> None:
    """Raises UserError where a budget leaves a run without its teacher."""
    there = {run.spec.run_id for run in kept}
    for run in kept:
        if run.spec.taught and run.spec.taught.teacher not in there:
            raise UserError(f"the budget leaves out {run.spec.taught.teacher}, which teaches {run.spec.run_id}",
                            field="budget", remedy="Raise the budget or distil from a smaller network")


def with_rounds(planned: list[PlannedRun], plan: Plan, rounds: list[Round]) -> tuple[list[PlannedRun], Plan]:
    """The study's runs and, after them, those of the rounds of scaling: outside its budget, inside their own.

    Raises UserError for rounds of another study.
    """
    for one in rounds:
        if one.runs[0].spec.study != plan.study:
            raise UserError(f"round {one.number} is of the study {one.runs[0].spec.study!r}, not of {plan.study!r}",
                            field="--rounds", remedy="Give each study a results folder of its own")
    more = [run for one in rounds for run in one.runs]
    flops = math.fsum(one.train_flops for one in rounds)
    return [*planned, *more], plan.model_copy(update={
        **spread([*planned, *more]), "rounds": len(rounds), "round_flops": flops if rounds else None,
        "train_flops": plan.train_flops and plan.train_flops + flops})


def read_devices() -> list[dict[str, str]]:
    """Those of assets/devices.csv that train: with a peak."""
    return [row for row in every_device() if row["peak_tflops"]]


def every_device() -> list[dict[str, str]]:
    with open(DEVICES, newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def thin(planned: list[PlannedRun], cost: Callable[[PlannedRun], float], limit: float, unit: str) -> list[PlannedRun]:
    """The runs that `limit` can pay for, thinned alike in every family and optimizer and evenly along their cost.

    Replicates of a sample stay or go together; the trials that tune what is kept count too. Raises UserError when not
    even one sample of each can be paid for.
    """
    strata: dict[tuple[str, str], dict[str, list[PlannedRun]]] = defaultdict(lambda: defaultdict(list))
    for run in planned:
        sample = run.spec.model_copy(update={"run_id": "", "seed": 0}).model_dump_json()
        strata[run.spec.model.family, run.spec.optimizer.name][sample].append(run)
    ranked = [sorted(samples.values(), key=lambda runs: (sum(map(cost, runs)), runs[0].spec.run_id))
              for samples in strata.values()]

    def kept(share: float) -> list[PlannedRun]:
        chosen = []
        for samples in ranked:
            count = max(1, round(share * len(samples)))
            places = ((np.arange(count) + 0.5) * len(samples) / count).astype(int)     # the middles of equal parts
            chosen += [run for place in places for run in samples[place]]
        return chosen

    def fits(share: float) -> bool:
        return total(kept(share)) <= limit

    def total(chosen: list[PlannedRun]) -> float:
        return math.fsum(map(cost, [*chosen, *trial_runs(chosen)]))

    if fits(1.0):
        return planned
    if not fits(0.0):
        least = total(kept(0.0))
        raise UserError(f"one sample of each family and optimizer costs {number(least)} {unit}, above {number(limit)}",
                        field="budget", remedy="Raise the budget or make the models smaller")
    most = max(len(samples) for samples in ranked)
    enough, too_many = 0, most                 # samples of the largest stratum
    while too_many - enough > 1:
        middle = (enough + too_many) // 2
        enough, too_many = (middle, too_many) if fits(middle / most) else (enough, middle)
    chosen = {run.spec.run_id for run in kept(enough / most)}
    return [run for run in planned if run.spec.run_id in chosen]


def as_text(plan: Plan) -> str:
    """The plan as a table for people."""
    refused = ", ".join(f"{count} by {name!r}" for name, count in plan.rejected.items()) or "none"
    lines = [f"study {plan.study}, seed {plan.seed}: {plan.runs} runs "
             f"({', '.join(f'{count} {name}' for name, count in plan.counts.items())})",
             f"rejected samples: {refused}; duplicates left out: {plan.duplicates}"]
    if plan.thinned:
        lines.append(f"left out to stay within the budget: {plan.thinned} runs")
    if plan.params:
        lines.append(f"{'share of runs at most':24}" + "".join(f"{float(share):>9.0%}" for share in plan.params))
        lines.append(f"{'parameters':24}" + "".join(f"{number(value):>9}" for value in plan.params.values()))
        lines.append(f"{'forward FLOPs':24}" + "".join(f"{number(value):>9}" for value in plan.forward_flops.values()))
    if plan.train_flops is None:
        lines.append("training FLOPs and hours: not known before the number of training recordings (--records)")
    else:
        lines.append(f"training FLOPs in all: {number(plan.train_flops)}, for {plan.train_records} training recordings")
    if plan.rounds:
        lines.append(f"  of them in {plan.rounds} rounds of scaling, not in the hours below: "
                     f"{number(plan.round_flops)}")
    if plan.tuning_flops:
        lines.append(f"  of them to tune {plan.tuning_groups} learning rates: {number(plan.tuning_flops)}")
    lines += [f"  {lasting(row['hours']):>14} (estimate) on {row['device']}: {row['source']}" for row in plan.hours]
    return "\n".join(lines)


def lasting(hours: float) -> str:
    """0.105 -> "6.3 minutes", 0.0002 -> "0.72 seconds", 60 -> "2.5 days"."""
    for unit, size in (("days", 24.0), ("hours", 1.0), ("minutes", 1 / 60)):
        if hours >= 2 * size:
            return f"{hours / size:,.{0 if hours >= 100 * size else 1}f} {unit}"
    seconds = hours * 3600
    return f"{seconds:.0f} seconds" if seconds >= 10 else f"{seconds:.2g} seconds"
