"""Latency of every model on every runtime and device: every single time kept, what really ran read back.

Blocks of all configurations are measured in a new random order in every round, so that a slow minute of the machine
does not fall on one runtime. A block whose times drift, that disagrees with its own repeats, or beside which the A/A
control was disturbed, is void and measured again. Runtimes live in another process: one that crashes costs its row.
"""

from __future__ import annotations

import gc
import platform
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ecgscale.contracts import LATENCY, TIMES
from ecgscale.deploy import control, elsewhere, speed
from ecgscale.deploy.apart import Apart, CrashedError
from ecgscale.deploy.block import Block, Configuration, loop_cost, measure
from ecgscale.deploy.latency import TOLERANCE, judge
from ecgscale.deploy.runtimes import DeployedModel, Device, Unavailable, one_line, read_option, runtime_class
from ecgscale.design.study import Deploy
from ecgscale.errors import UserError
from ecgscale.machine.description import environment

Absent = tuple[Configuration, str]        # and the reason


@dataclass
class Session:
    """What was measured so far, in order."""

    blocks: dict[Configuration, list[tuple[int, Block]]]      # with the block's place among all blocks
    repeats: int                                              # that are asked for
    broken: dict[Configuration, dict[str, str]] = field(default_factory=dict)     # status and reason
    looks: list[control.Look] = field(default_factory=list)   # at the A/A control: before each block and after the last

    def control_beside(self, configuration: Configuration) -> list[float]:
        """Of each block: how far the control beside it was from its quiet level; 0 without control."""
        deviations = control.around(self.looks)
        return [deviations[place] if deviations else 0.0 for place, _ in self.blocks[configuration]]

    def verdicts(self, configuration: Configuration, tolerance: float) -> list[str]:
        """Why each block of a configuration is void; "" where it stands."""
        blocks = [block for _, block in self.blocks[configuration]]
        return judge([float(np.median(b.times)) for b in blocks], [b.columns["drift"] or 0.0 for b in blocks],
                     tolerance, self.control_beside(configuration), control.limit(self.looks, tolerance),
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


def bench(folders: Iterable[Path], runtimes: list[str], devices: list[str], deploy: Deploy, out: Path, threads: int,
          name: str = "", others: Iterable[Path] = (), seed: int = 0, tolerance: float = TOLERANCE) -> pd.DataFrame:
    """Measure every model on every runtime and device: latency.parquet, times.parquet and the documents beside them.

    `others`: folders of the same from other machines, whose rows are put beside.
    Raises UserError for bad folders or names; whatever a runtime cannot do becomes a row with its reason.
    """
    models, name = [DeployedModel.read(folder) for folder in model_folders(folders)], name or platform.node()
    foreign = elsewhere.read(others, models, name)
    with Apart() as apart:
        devices_here = [vars(device) for device in list_devices(runtimes, apart)]
        surroundings = environment(name, threads, devices_here)
        wanted, absent = plan_all(apart, models, runtimes, devices, deploy, threads)
        session, chosen = measure_all(apart, wanted, deploy, seed, tolerance)
        cost = apart.call(loop_cost, models[0].sample)
    rows = [row(c, name, 1, {"status": "unavailable", "reason": reason}) for c, reason in absent]
    rows += [row(c, name, len(session.blocks[c]) + 1, problem) for c, problem in session.broken.items()]
    whole, tables = control.verdict(session.looks, tolerance), [one.times for one in foreign]
    for configuration, measured in session.blocks.items():
        beside, reasons = session.control_beside(configuration), session.verdicts(configuration, tolerance)
        for repeat, ((_, block), level, reason) in enumerate(zip(measured, beside, reasons, strict=True), 1):
            reason = reason or whole
            state = {"status": "void" if reason else "ok", "reason": reason, "loop_us": cost,
                     "control": level if session.looks else None}
            rows.append(row(configuration, name, repeat, block.columns | state))
            tables.append(single_times(rows[-1], block))
    table = elsewhere.beside([pd.DataFrame(rows), *(one.latency for one in foreign)])
    LATENCY.write(table, out / "latency.parquet")
    TIMES.write(elsewhere.beside(tables) if tables else TIMES.empty(), out / "times.parquet")
    for one in foreign:
        one.write(out)
    surroundings.write(out / "environment.json")
    if session.looks:
        control.document(name, chosen, session.looks, tolerance).write(out / "control.json")
    said = {"synthetic": bool(table["synthetic"].any())}
    speed.analyse(table, seed).model_copy(update=said).write(out / "speed.json")
    return table


def measure_all(apart: Apart, wanted: list[Configuration], deploy: Deploy, seed: int,
                tolerance: float) -> tuple[Session, Configuration | None]:
    """Blocks of every configuration, and the configuration that was the A/A control.

    Rounds in random order; after the study's repeats as many more, for what has fewer blocks that stand.
    """
    session = Session({configuration: [] for configuration in wanted}, deploy.repeats)
    chosen = control.choose(wanted)
    generator = np.random.default_rng(seed)
    apart.call(keep_garbage_out)
    chosen = look(apart, chosen, session, generator)
    for turn in range(2 * deploy.repeats):
        waiting = [c for c in wanted if c not in session.broken]
        if turn >= deploy.repeats:
            waiting = [c for c in waiting if session.verdicts(c, tolerance).count("") < deploy.repeats]
        for index in generator.permutation(len(waiting)):
            configuration = waiting[index]
            say(f"round {turn + 1}, {describe(configuration)}")
            try:
                block = apart.call(measure, configuration, deploy)
            except UserError:
                raise
            except Unavailable as error:
                session.broken[configuration] = {"status": "unavailable", "reason": str(error)}
            except Exception as error:  # one runtime's failure must not lose the others
                session.broken[configuration] = {"status": "failed", "reason": one_line(error)}
            else:
                session.blocks[configuration].append((len(session.looks) - 1, block))
                chosen = look(apart, chosen, session, generator)
    return session, chosen


def look(apart: Apart, chosen: Configuration | None, session: Session,
         generator: np.random.Generator) -> Configuration | None:
    """Look at the control. One that cannot be opened is no control, and the run goes on without."""
    if chosen is not None:
        try:
            session.looks.append(apart.call(control.look, chosen, int(generator.integers(1 << 32))))
        except (Unavailable, CrashedError, RuntimeError) as error:
            say(f"no A/A control: {one_line(error)}")
            session.looks.clear()
            return None
    return chosen


def keep_garbage_out() -> None:
    """What is loaded by now is not searched for garbage before every block."""
    gc.collect()
    gc.freeze()


def row(configuration: Configuration, name: str, repeat: int, columns: dict[str, Any]) -> dict[str, Any]:
    """One row of LATENCY: what was asked, then `columns`; null for the rest."""
    export = configuration.model.export
    asked = {
        "run_id": export.run_id, "model": export.label, "family": export.spec.model.family,
        "params": export.ledger.params, "forward_flops": export.ledger.forward_flops,
        "activations": export.ledger.activations, "layers": configuration.model.layers, "machine": name,
        "runtime": configuration.runtime, "device": configuration.device, "option": configuration.option,
        "scenario": configuration.scenario, "batch": configuration.batch, "threads": configuration.threads,
        "repeat": repeat, "synthetic": export.synthetic,
    }
    return dict.fromkeys([*LATENCY.columns, *LATENCY.optional]) | asked | columns


def single_times(measured: dict[str, Any], block: Block) -> pd.DataFrame:
    shared = {column: measured[column] for column in (*TIMES.columns, "synthetic") if column not in ("index", "ms")}
    return pd.DataFrame({**shared, "index": np.arange(len(block.times)), "ms": block.times, "copy_ms": block.copies})


def model_folders(folders: Iterable[Path]) -> list[Path]:
    """Each folder that holds export.json, or the folders below it that do. Raises UserError where there are none."""
    found = []
    for folder in folders:
        below = [folder] if (folder / "export.json").is_file() else []
        below += sorted(file.parent for file in folder.glob("*/export.json"))
        if not below:
            raise UserError("no exported model here", file=folder, remedy="Give folders that ecg-export wrote")
        found += below
    return found


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
