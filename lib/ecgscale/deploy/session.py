"""A measuring run: blocks of every model on every runtime and device, in rounds of random order, beside an A/A control.

Blocks of all configurations are measured in a new random order in every round, so that a slow minute of the machine
does not fall on one runtime. A block whose times drift, that disagrees with its own repeats, or beside which the A/A
control was disturbed, is void and measured again. Runtimes live in another process: one that crashes costs its row.

This is what a kit measures with, too: numpy and the runtimes' own libraries are all that it needs.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ecgscale.deploy import control
from ecgscale.deploy.apart import Apart, CrashedError
from ecgscale.deploy.block import Block, Configuration, check, loop_cost, measure
from ecgscale.deploy.latency import TOLERANCE, drift, judge
from ecgscale.deploy.runtimes import DeployedModel, Device, Unavailable, one_line, read_option, runtime_class
from ecgscale.errors import UserError
from ecgscale.machine.description import environment

if TYPE_CHECKING:       # a kit has its members alone
    from ecgscale.design.study import Deploy

Absent = tuple[Configuration, str]        # and the reason


@dataclass
class Session:
    """What was measured on one machine, in order."""

    blocks: dict[Configuration, list[tuple[int, Block]]]      # with the block's place among all blocks
    repeats: int                                              # that are asked for
    tolerance: float
    broken: dict[Configuration, dict[str, str]] = field(default_factory=dict)     # status and reason
    absent: list[Absent] = field(default_factory=list)
    control: Configuration | None = None                      # the A/A control
    looks: list[control.Look] = field(default_factory=list)   # at it: before each block and after the last
    loop_us: float = float("nan")                             # cost of a turn of the timing loop
    environment: dict[str, Any] = field(default_factory=dict)     # members of the document

    def control_beside(self, configuration: Configuration) -> list[float]:
        """Of each block: how far the control beside it was from its quiet level; 0 without control."""
        deviations = control.around(self.looks)
        return [deviations[place] if deviations else 0.0 for place, _ in self.blocks[configuration]]

    def verdicts(self, configuration: Configuration) -> list[str]:
        """Why each block of a configuration is void; "" where it stands."""
        blocks = [block for _, block in self.blocks[configuration]]
        return judge([float(np.median(b.times)) for b in blocks], [drift(b.times) or 0.0 for b in blocks],
                     self.tolerance, self.control_beside(configuration), control.limit(self.looks, self.tolerance),
                     agreeing=min(2, self.repeats))


# -------------------------------------------------------------------------------------------------------------- plan


def plan(name: str, models: list[DeployedModel], devices: Iterable[str], deploy: Deploy,
         threads: int) -> tuple[list[Configuration], list[Absent], set[str]]:
    """Of one runtime: what to measure, what cannot be and why, and the devices it knows. Raises UserError.

    A runtime ignores devices of others.
    """
    def absent(device: str, reason: str, option: str = "") -> list[Absent]:
        return [(Configuration(model, name, device, option, "single", 1, threads), reason) for model in models]

    try:
        runtime = runtime_class(name)
    except Unavailable as error:
        return [], [one for device in devices for one in absent(device, str(error))], set(devices)
    for option in (further := deploy.options.get(name, ())):
        read_option(option, runtime.OPTIONS)
    wanted, missing = [], []
    known = {device.device: device for device in runtime.devices(devices)}
    for device in (known[asked] for asked in devices if asked in known):
        if not device.available:
            missing += absent(device.device, device.reason)
            continue
        for scenario in deploy.scenarios:
            offered = runtime.options(device.device, deploy.levels, scenario)
            for option in dict.fromkeys((*(one for one in offered if exported(one, deploy)), *further)):
                own = int(read_option(option, runtime.OPTIONS).get("threads", threads))
                if own > threads:
                    missing += absent(device.device, f"{own} threads asked, {threads} given (--cpus)", option)
                    continue
                wanted += [Configuration(model, name, device.device, option, named(scenario, batch), batch, own,
                                         max(2, own) if scenario == "throughput" else 1)
                           for model in models for batch in deploy.batch]
    return wanted, missing, set(known)


def named(scenario: str, batch: int) -> str:
    """A stream of calls, one after the other, is "single" or "batch" by what a call holds."""
    return scenario if scenario == "throughput" else "single" if batch == 1 else "batch"


def exported(option: str, deploy: Deploy) -> bool:
    """INT8 is measured only where the study exports it."""
    return "precision=int8" not in option or "int8" in deploy.precisions


def plan_all(apart: Apart, models: list[DeployedModel], runtimes: Iterable[str], devices: list[str], deploy: Deploy,
             threads: int) -> tuple[list[Configuration], list[Absent]]:
    """Of all runtimes. Raises UserError for a device that none knows, or an option that its runtime does not know."""
    wanted: list[Configuration] = []
    missing: list[Absent] = []
    known: set[str] = set()
    for name in runtimes:
        try:
            more, lacking, its = apart.call(plan, name, models, devices, deploy, threads)
        except CrashedError as error:
            more, its = [], set(devices)
            lacking = [(Configuration(model, name, device, "", "single", 1, threads), str(error))
                       for model in models for device in devices]
        wanted, missing, known = wanted + more, missing + lacking, known | its
    if foreign := sorted(set(devices) - known):
        raise UserError(f"no runtime of {', '.join(runtimes)} knows the device {foreign[0]!r}",
                        field="--devices", remedy=f"Known: {', '.join(sorted(known))}")
    return wanted, missing

# ----------------------------------------------------------------------------------------------------------- measure


def run(models: list[DeployedModel], runtimes: list[str], devices: list[str], deploy: Deploy, threads: int,
        machine: str, seed: int = 0, tolerance: float = TOLERANCE, ahead: bool = False) -> Session:
    """Everything: plan, rounds, and what describes the machine. `ahead`: each answer is checked before any is timed.
    No devices: all that are available.

    Raises UserError for bad names; whatever a runtime cannot do is kept with its reason.
    """
    with Apart() as apart:
        known = list_devices(runtimes, apart)
        devices = devices or list(dict.fromkeys(one.device for one in known if one.available))
        surroundings = environment(machine, threads, [vars(device) for device in known])
        wanted, absent = plan_all(apart, models, runtimes, devices, deploy, threads)
        session = Session({configuration: [] for configuration in wanted}, deploy.repeats, tolerance, absent=absent,
                          environment=surroundings)
        if ahead:
            check_all(apart, session)
        measure_all(apart, session, deploy, seed)
        session.loop_us = apart.call(loop_cost, models[0].sample)
    return session


def check_all(apart: Apart, session: Session) -> None:
    """Say of every configuration whether its answer is right; what is not is broken, and is not timed."""
    for configuration in session.blocks:
        try:
            difference, ran = apart.call(check, configuration)
        except UserError:
            raise
        except Exception as error:  # one runtime's failure must not lose the others
            session.broken[configuration] = broken_by(error)
            say(f"{describe(configuration)}: {one_line(error)}")
        else:
            what = f"{ran.precision or 'precision not told'} on {ran.device or 'a device that is not told'}"
            say(f"{describe(configuration)}: right, logits within {difference:.2g}; ran {what}")


def broken_by(error: Exception) -> dict[str, str]:
    """Status and reason of a configuration that gave no block."""
    return {"status": "unavailable" if isinstance(error, Unavailable) else "failed", "reason": one_line(error)}


def measure_all(apart: Apart, session: Session, deploy: Deploy, seed: int) -> None:
    """Blocks of every configuration of the session that is not broken, beside the A/A control.

    Rounds in random order; after the study's repeats as many more, for what has fewer blocks that stand.
    """
    sound = [c for c in session.blocks if c not in session.broken]
    session.control = control.choose(sound)
    generator = np.random.default_rng(seed)
    apart.call(keep_garbage_out)
    look(apart, session, generator)
    for turn in range(2 * deploy.repeats):
        waiting = [c for c in sound if c not in session.broken]
        if turn >= deploy.repeats:
            waiting = [c for c in waiting if session.verdicts(c).count("") < deploy.repeats]
        for index in generator.permutation(len(waiting)):
            configuration = waiting[index]
            say(f"round {turn + 1}, {describe(configuration)}")
            try:
                block = apart.call(measure, configuration, deploy)
            except UserError:
                raise
            except Exception as error:  # one runtime's failure must not lose the others
                session.broken[configuration] = broken_by(error)
            else:
                session.blocks[configuration].append((len(session.looks) - 1, block))
                look(apart, session, generator)


def look(apart: Apart, session: Session, generator: np.random.Generator) -> None:
    """Look at the control. One that cannot be opened is no control, and the run goes on without."""
    if session.control is not None:
        try:
            session.looks.append(apart.call(control.look, session.control, int(generator.integers(1 << 32))))
        except (Unavailable, CrashedError, RuntimeError) as error:
            say(f"no A/A control: {one_line(error)}")
            session.looks.clear()
            session.control = None


def keep_garbage_out() -> None:
    """What is loaded by now is not searched for garbage before every block."""
    gc.collect()
    gc.freeze()


def devices_of(name: str) -> list[Device]:
    return runtime_class(name).devices()


def list_devices(runtimes: Iterable[str], apart: Apart) -> list[Device]:
    """Every device that each runtime knows, and why the missing ones are missing."""
    found: list[Device] = []
    for name in runtimes:
        try:
            found += apart.call(devices_of, name)
        except (Unavailable, CrashedError) as error:
            found.append(Device(name, "", False, reason=str(error)))
    return found


def listing(runtimes: Iterable[str]) -> str:
    """What this machine has, one device a line, and why the rest is missing."""
    with Apart() as apart:
        found = list_devices(runtimes, apart)
    lines = [(f"{d.runtime} {d.device}".strip(), "available" if d.available else "missing", d.name if d.available else
              d.reason) for d in found]
    width = max(len(name) for name, _, _ in lines)
    return "\n".join(f"{name:{width}}  {state:9}  {detail}" for name, state, detail in lines)


def describe(configuration: Configuration) -> str:
    c = configuration
    return f"{c.model.export.label}, {c.runtime} {c.device} {c.option or 'as it comes'}, {c.scenario}, batch {c.batch}"


def say(line: str) -> None:
    print(f"bench: {line}", file=sys.stderr, flush=True)
