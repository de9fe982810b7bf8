"""From a study file to its runs: samplers, constraints, replicated seeds, run ids. Imports no torch.

Every axis of a group is drawn alike, whether it belongs to the architecture, the optimizer or the training protocol.
A sample that breaks a constraint is counted under the constraint's name and never repaired; equal runs are kept once.
The same study and seed give the same runs on every machine.
"""

import contextlib
import gc
import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from ecgscale.contracts import ModelSpec, OptimizerSpec, Plan, PlannedRun, RunSpec, Teaching
from ecgscale.design.axes import choices
from ecgscale.design.plan import Pace, afford, describe
from ecgscale.design.run_group import Distillation, OptimizerSpace, RunGroup, samples_of, sets_of
from ecgscale.design.study import Study
from ecgscale.design.tuning import asked, grouped, middle
from ecgscale.ecg.recipe import recipe_named
from ecgscale.errors import UserError
from ecgscale.models.architecture import RejectedError
from ecgscale.models.complexity import FAMILIES, SIZES, ledger_of

DIGITS = 6             # significant digits of a continuous draw: enough, and the same on every machine
DRAWS_A_SAMPLE = 1000  # a group gives up when its constraints let fewer than one draw in so many pass
MOST_RUNS = 200_000    # some 5 kB each
BLOCK = 1024

Point = dict[str, object]      # {"model.depth": 12, "optimizer.lr": 0.001, "leads": ("I", "II"), ...}


@dataclass
class Tally:
    """What a sampler did not keep."""

    rejected: Counter = field(default_factory=Counter)
    duplicates: int = 0


def sample(study: Study, classes: int = 26) -> tuple[list[PlannedRun], Plan]:
    """All runs of a study, in the order of its groups, optimizers, samples and seeds.

    Raises UserError when a group's constraints leave (almost) nothing, or a grid has an axis without end.
    """
    tally, runs = Tally(), {}
    with no_collection():
        for place, group in sorted(enumerate(study.runs), key=lambda one: one[1].distill is not None):  # teachers first
            for turn, optimizer in enumerate(group.optimizers):
                rng = np.random.default_rng([study.seed, place, turn])
                for planned in sampled(study, place, optimizer, classes, rng, tally, runs):
                    runs[planned.spec.run_id] = planned
                    if len(runs) > MOST_RUNS:
                        raise UserError(f"more than {MOST_RUNS} runs", field=f"runs.{place}",
                                        remedy="Lower count, or give the grid fewer values")
    planned = list(runs.values())
    if study.tuning:
        planned = grouped(planned, study.tuning.sizes)
    return planned, describe(study, planned, dict(sorted(tally.rejected.items())), tally.duplicates)


def plan_study(study: Study, classes: int = 26, records: int | None = None,
               calibrate: Callable[[list[PlannedRun]], Pace] | None = None,
               hours: bool = False) -> tuple[list[PlannedRun], Plan]:
    """A study's runs, thinned to its budget, and their plan for `records` training recordings (else budget.records).

    `calibrate` times some training steps of these runs (training.pace). It is asked where the budget is in hours, or
    with `hours`. Raises UserError as `sample` does, and when a budget is given but not what it is reckoned with.
    """
    runs, plan = sample(study, classes)
    budget, records = study.budget, records or study.budget.records
    if records is None:
        if budget.train_flops or budget.hours:
            raise UserError("a budget needs the number of training recordings", field="budget.records",
                            remedy="Give budget.records in the study, or --records")
        return runs, plan
    pace = None
    if runs and (hours or budget.hours):
        if calibrate is None:
            raise UserError("a budget in hours needs a machine to be timed", field="budget.hours",
                            remedy="Draw the runs with ecg-sample, or give budget.train_flops")
        pace = calibrate(runs)
    return afford(budget, runs, plan, records, pace)


@contextlib.contextmanager
def no_collection() -> Iterator[None]:
    """Everything that sampling makes stays: looking for garbage would take a quarter of its time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def sampled(study: Study, place: int, optimizer: OptimizerSpace, classes: int, rng: np.random.Generator,
            tally: Tally, known: dict[str, PlannedRun]) -> Iterator[PlannedRun]:
    """The accepted runs of one group and optimizer, a seed after the other. Counts the others in `tally`."""
    group = study.runs[place]
    accepted, known_before, tuning = 0, 0, asked(study, optimizer)
    for drawn, point in enumerate(points(group, axes_of(study, group, optimizer), rng, f"runs.{place}")):
        if accepted == group.count:
            return
        if group.count and drawn >= DRAWS_A_SAMPLE * (accepted + 1):
            raise too_few(f"found {accepted} of {group.count} samples in {drawn} draws", place, tally)
        try:
            replicates = realize(study, group, optimizer.name, point, classes)
            if group.distill:
                replicates = [taught(planned, group.distill, known, f"runs.{place}.distill") for planned in replicates]
        except RejectedError as error:
            tally.rejected[str(error)] += 1
            continue
        fresh = [planned for planned in replicates if planned.spec.run_id not in known]
        known_before += len(replicates) - len(fresh)
        tally.duplicates += len(replicates) - len(fresh)
        accepted += bool(fresh)
        yield from (planned.model_copy(update={"tuning": tuning}) for planned in fresh) if tuning else fresh
    if not accepted and not known_before:
        raise too_few("found no sample", place, tally)


def taught(student: PlannedRun, how: Distillation, known: dict[str, PlannedRun], where: str) -> PlannedRun:
    """The run with its teacher, of the runs so far. Raises UserError where none of that size has seen the same data."""
    made, spec = dict(vars(SIZES[how.teacher])), student.spec
    fits = [one.spec for one in known.values() if one.spec.model.params == made and one.spec.taught is None
            and (one.spec.recipe, one.spec.data_fraction) == (spec.recipe, spec.data_fraction)]
    if not fits:
        raise UserError(f"no run of {how.teacher} has recipe {spec.recipe} and data_fraction {spec.data_fraction:g}",
                        field=where, remedy="Give its group the student's recipe and shares of the data")
    teacher = min(fits, key=lambda one: one.seed != spec.seed)      # the first of equals
    values = dict(spec) | {"taught": Teaching(teacher=teacher.run_id, weight=how.weight, temperature=how.temperature)}
    values.pop("run_id")
    return student.model_copy(update={"spec": RunSpec.make(**values)})


def too_few(problem: str, place: int, tally: Tally) -> UserError:
    worst = ", ".join(f"{name} ({count})" for name, count in tally.rejected.most_common(3)) or "duplicates"
    return UserError(f"{problem}; rejected by {worst}", field=f"runs.{place}",
                     remedy="Widen the constraints or the space, or lower count")


def axes_of(study: Study, group: RunGroup, optimizer: OptimizerSpace) -> dict[str, object]:
    """Every dimension of a group by its dotted name."""
    model = {"model": group.models} if group.models else {f"model.{name}": axis for name, axis in group.space.items()}
    tuning = asked(study, optimizer)
    momentum = 0.9 if optimizer.name == "sgdm" and optimizer.momentum is None else optimizer.momentum or 0.0
    return model | {
        "optimizer.lr": middle(tuning) if tuning else optimizer.lr,
        "optimizer.weight_decay": optimizer.weight_decay, "optimizer.momentum": momentum,
        "training.epochs": group.training.epochs, "training.data_fraction": group.training.data_fraction,
        "training.batch_size": group.training.batch_size,
        "leads": sets_of(group.leads or study.data.leads), "window": group.window or study.data.window,
        "recipe": group.recipe or study.data.recipes[0],
    }


def points(group: RunGroup, axes: dict[str, object], rng: np.random.Generator, where: str) -> Iterator[Point]:
    """Points of a space: without end for random and sobol, every combination for grid and list."""
    if group.sampler in ("grid", "list"):
        endless = [name for name, axis in axes.items() if choices(axis) is None]
        if endless:
            raise UserError(f"a {group.sampler} cannot take every value of a range", field=f"{where}.{endless[0]}",
                            remedy="Give the range a step, list its values, or use sampler random or sobol")
        for values in itertools.product(*map(choices, axes.values())):
            yield dict(zip(axes, values, strict=True))
        return
    free = [name for name, axis in axes.items() if choices(axis) is None or len(choices(axis)) > 1]
    fixed = {name: choices(axis)[0] for name, axis in axes.items() if name not in free}
    uniform = sobol(len(free), rng) if group.sampler == "sobol" else lambda count: rng.random((count, len(free)))
    while True:
        unit = uniform(BLOCK)      # (draw, axis)
        columns = [place_on(axes[name], unit[:, column]) for column, name in enumerate(free)]
        for values in zip(*columns, strict=True) if columns else [()] * BLOCK:
            yield fixed | dict(zip(free, values, strict=True))


def sobol(axes: int, rng: np.random.Generator) -> Callable[[int], np.ndarray]:
    """Draws `count` further points of a scrambled Sobol sequence: (count, axes)."""
    from scipy.stats import qmc  # a second to import, and most studies do without

    return qmc.Sobol(max(axes, 1), scramble=True, rng=rng).random


def place_on(axis: object, unit: np.ndarray) -> list:
    """Map uniform numbers in [0, 1) onto an axis: choices equally likely, ranges uniform or log-uniform."""
    values = choices(axis)
    if values is not None:
        return [values[index] for index in (unit * len(values)).astype(int).tolist()]
    low, high = float(axis.low), float(axis.high)
    drawn = np.exp(np.log(low) + unit * np.log(high / low)) if axis.log else low + unit * (high - low)
    return [float(f"{value:.{DIGITS}g}") for value in drawn.tolist()]


def realize(study: Study, group: RunGroup, optimizer: str, point: Point, classes: int) -> list[PlannedRun]:
    """A point as one run a seed. Raises RejectedError naming the constraint that it breaks."""
    parts: dict[str, dict] = {"model": {}, "optimizer": {}, "training": {}}
    for name, value in point.items():
        section, _, key = name.partition(".")
        if key:
            parts[section][key] = value
    chosen = point.get("model", parts["model"])
    made = SIZES[chosen] if isinstance(chosen, str) else FAMILIES[group.family](**chosen)
    leads, recipe = point["leads"], point["recipe"]
    window = samples_of(point["window"], recipe_named(recipe).rate)
    ledger = ledger_of(made, len(leads), window, classes)
    for name in ("params", "forward_flops", "stages"):
        bounds = getattr(group.constraints, name)
        if bounds is not None and not bounds.hold(getattr(ledger, name)):
            raise RejectedError(name)
    protocol, training = group.training, parts["training"]
    training["epochs"] = round(training["epochs"] * training["data_fraction"] ** -protocol.longer)
    specs = [RunSpec.make(
        study=study.name, model=ModelSpec(family=group.family, params=dict(vars(made))),
        leads=leads, window=window, recipe=recipe,
        optimizer=OptimizerSpec(name=optimizer, **parts["optimizer"]), loss=protocol.loss, schedule=protocol.schedule,
        clip_norm=protocol.clip_norm, patience=protocol.patience, augment=protocol.augment,
        precision=protocol.precision, recompute=protocol.recompute, microbatches=protocol.microbatches, seed=seed,
        **training,
    ) for seed in group.seeds]
    return [PlannedRun(spec=spec, ledger=ledger) for spec in specs]
