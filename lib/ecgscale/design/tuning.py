"""Which runs have their learning rate tuned, together with which others, and what that costs. Imports no torch."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from ecgscale.contracts import PlannedRun, RunSpec, Tuning, digest
from ecgscale.design.axes import ends
from ecgscale.design.run_group import OptimizerSpace
from ecgscale.design.study import Study

EDGE = 0.05     # of the logarithmic range


def asked(study: Study, optimizer: OptimizerSpace) -> Tuning | None:
    """How the rate of an optimizer is to be tuned; None where the study does not tune or gives one rate."""
    low, high = min(ends(optimizer.lr)), max(ends(optimizer.lr))
    if study.tuning is None or low == high:
        return None
    return Tuning(low=low, high=high, trials=study.tuning.trials, epochs=study.tuning.epochs)


def edge(lr: float, low: float, high: float) -> str:
    """"low" or "high" where a rate lies within 5 % of that end of the logarithmic range; "" elsewhere."""
    place = (math.log(lr) - math.log(low)) / (math.log(high) - math.log(low))
    return "low" if place <= EDGE else "high" if place >= 1 - EDGE else ""


def middle(tuning: Tuning) -> float:
    """The rate that a run carries until it is tuned: the middle of the range's logarithm."""
    return float(f"{math.sqrt(tuning.low * tuning.high):.6g}")


def grouped(planned: list[PlannedRun], sizes: int | None) -> list[PlannedRun]:
    """The same runs, those to be tuned with the name of their group.

    A group shares family, optimizer, range, loss, schedule, batch, data axes but the fraction: everything that a rate
    depends on much. Its networks are, by number of parameters, one of `sizes` equal parts of all such networks; with
    None each network (and weight decay) is a group of its own. Seeds, epochs and data fractions share a group.
    """
    alike: dict[str, list[PlannedRun]] = defaultdict(list)
    for plan in planned:
        if plan.tuning:
            alike[kind(plan, apart=sizes is None)].append(plan)
    names: dict[str, str] = {}
    for key, plans in alike.items():
        params = sorted({plan.ledger.params for plan in plans})
        for part in np.array_split(params, min(sizes or 1, len(params))):
            for plan in plans:
                if part[0] <= plan.ledger.params <= part[-1]:
                    names[plan.spec.run_id] = (
                        f"{plan.spec.model.family}-{plan.spec.optimizer.name}-{part[0]}to{part[-1]}-{key}")
    return [plan.model_copy(update={"tuning": plan.tuning.model_copy(update={"group": names[plan.spec.run_id]})})
            if plan.tuning else plan for plan in planned]


def kind(plan: PlannedRun, apart: bool) -> str:
    """Digest of what the runs of a group have in common, their size aside."""
    values = plan.spec.model_dump(mode="json", exclude={"run_id", "study", "seed", "epochs", "patience",
                                                        "data_fraction"})
    values["optimizer"].pop("lr")
    if not apart:
        values["optimizer"].pop("weight_decay")
        values["model"].pop("params")
    return digest([values, plan.tuning.model_dump(mode="json")], 8)


def groups(planned: Iterable[PlannedRun]) -> dict[str, PlannedRun]:
    """Group -> the run that stands for it: of its median network, with the most data."""
    members: dict[str, list[PlannedRun]] = defaultdict(list)
    for plan in planned:
        if plan.tuning:
            members[plan.tuning.group].append(plan)
    return {name: representative(plans) for name, plans in members.items()}


def representative(plans: list[PlannedRun]) -> PlannedRun:
    params = sorted({plan.ledger.params for plan in plans})
    median = params[(len(params) - 1) // 2]
    return min((plan for plan in plans if plan.ledger.params == median),
               key=lambda plan: (-plan.spec.data_fraction, plan.spec.run_id))


def rounds(tuning: Tuning) -> list[tuple[int, int]]:
    """(trials, epochs) of each round: half the trials for twice the epochs, down to a round of two or three.

    >>> rounds(Tuning(low=0.1, high=1, trials=8, epochs=1))
    [(8, 1), (4, 2), (2, 4)]
    """
    found, trials, epochs = [], tuning.trials, tuning.epochs
    while trials > 1:
        found.append((trials, epochs))
        trials, epochs = max(1, trials // 2), 2 * epochs
    return found


def trial(plan: PlannedRun, lr: float, epochs: int) -> PlannedRun:
    """A run as a trial: that long, with its whole schedule, without early stopping, seed 0."""
    return with_rate(plan, lr, epochs=epochs, patience=None, seed=0).model_copy(update={"tuning": None})


def with_rate(plan: PlannedRun, lr: float, **changes) -> PlannedRun:
    values = dict(plan.spec) | {"optimizer": plan.spec.optimizer.model_copy(update={"lr": lr})} | changes
    values.pop("run_id")
    return plan.model_copy(update={"spec": RunSpec.make(**values)})


def trial_runs(planned: Iterable[PlannedRun]) -> list[PlannedRun]:
    """What tuning trains, one run a round and group as long as all of the round's trials: for reckoning its cost."""
    return [plan.model_copy(update={"spec": plan.spec.model_copy(update={"epochs": trials * epochs})})
            for plan in groups(planned).values() for trials, epochs in rounds(plan.tuning)]
