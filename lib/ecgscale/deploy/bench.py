"""Latency after the MLPerf rules of single-stream and fixed batch: every single time kept, what really ran read back.

One block is one configuration (model, runtime, device, option, batch) loaded, compiled, warmed up and timed. Blocks of
all configurations are measured in a new random order in every round, so that a slow minute of the machine does not fall
on one runtime. A block whose times drift, or that disagrees with its own repeats, is void and measured again.
"""

from __future__ import annotations

import gc
import math
import platform
import sys
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import numpy as np
import pandas as pd

from ecgscale.contracts import LATENCY, TIMES
from ecgscale.deploy import elsewhere, machine, speed
from ecgscale.deploy.latency import TOLERANCE, judge, summarize, windows_per_recording
from ecgscale.deploy.runtimes import DeployedModel, Device, Ran, Runtime, Unavailable, one_line, runtime_class
from ecgscale.design.study import Deploy
from ecgscale.errors import UserError

GROUP_SECONDS, GROUP_CALLS = 0.05, 3     # a warm-up group lasts as long and has as many calls
STABLE, MAX_GROUPS = 0.05, 20            # two groups whose medians differ by less end the warm-up


@dataclass(frozen=True)
class Configuration:
    model: DeployedModel
    runtime: str
    device: str
    option: str
    scenario: str                         # single, batch, throughput
    batch: int
    requests: int = 1                     # concurrent ones; more than 1 in the scenario "throughput" only


@dataclass(frozen=True)
class Block:
    """What one measurement of one configuration gave."""

    columns: dict[str, Any]               # of LATENCY
    times: np.ndarray                     # ms, in the order of measurement
    copies: np.ndarray                    # ms, part of the times


# --------------------------------------------------------------------------------------------------------- one block


class NoOp:
    """A request that does nothing: what the timing loop itself costs."""

    def put(self, windows: np.ndarray) -> None: ...

    def execute(self) -> None: ...

    def get(self) -> None: ...


def time_calls(request, windows: np.ndarray, count: int, seconds: float) -> tuple[np.ndarray, np.ndarray]:
    """Times in ms of at least `count` calls and `seconds`: the whole call, and the copies within it."""
    put, execute, get, now = request.put, request.execute, request.get, perf_counter_ns
    times: list[int] = []
    copies: list[int] = []
    gc.disable()
    try:
        deadline = now() + seconds * 1e9
        while True:
            a = now()
            put(windows)
            b = now()
            execute()
            c = now()
            get()
            d = now()
            times.append(d - a)
            copies.append(b - a + d - c)
            if d >= deadline and len(times) >= count:
                break
    finally:
        gc.enable()
    return np.array(times) / 1e6, np.array(copies) / 1e6


def time_requests(requests: list, windows: np.ndarray, count: int,
                  seconds: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Times and copies in ms of at least `count` calls, and the seconds that all of them took.

    Several requests run at once, each in a thread of its own that makes its share of the calls; all start together.
    """
    if len(requests) == 1:
        start = perf_counter_ns()
        times, copies = time_calls(requests[0], windows, count, seconds)
        return times, copies, (perf_counter_ns() - start) / 1e9
    gate = threading.Barrier(len(requests) + 1)

    def work(request) -> tuple[np.ndarray, np.ndarray]:
        gate.wait()
        return time_calls(request, windows, -(-count // len(requests)), seconds)

    with ThreadPoolExecutor(len(requests)) as pool:
        running = [pool.submit(work, request) for request in requests]
        gate.wait()
        start = perf_counter_ns()
        results = [one.result() for one in running]
        elapsed = (perf_counter_ns() - start) / 1e9
    times, copies = (np.concatenate(parts) for parts in zip(*results, strict=True))
    return times, copies, elapsed


def loop_cost(windows: np.ndarray, calls: int = 1000, runs: int = 21) -> float:
    """Microseconds that one turn of the timing loop takes around a request that does nothing: median of the runs."""
    costs = [elapsed_ms(time_calls, NoOp(), windows, calls, 0) * 1e3 / calls for _ in range(runs)]
    return float(np.median(costs))


def warm_up(request, windows: np.ndarray) -> int:
    """Call until the medians of two groups agree, or until MAX_GROUPS. Gives the number of calls."""
    calls, last = 0, None
    for _ in range(MAX_GROUPS):
        times, _ = time_calls(request, windows, GROUP_CALLS, GROUP_SECONDS)
        calls += len(times)
        median = np.median(times)
        if last is not None and abs(median / last - 1) < STABLE:
            break
        last = median
    return calls


def measure(wanted: Configuration, deploy: Deploy, threads: int) -> Block:
    """Load, compile, first inference, warm-up, timed loop, reading back. Raises Unavailable."""
    runtime: Runtime = runtime_class(wanted.runtime)()
    windows = wanted.model.windows(wanted.batch)
    with machine.PeakMemory() as memory:
        own = threads if runtime.POOLED else max(1, threads // wanted.requests)
        load = elapsed_ms(runtime.load, wanted.model, wanted.device, wanted.option, wanted.batch, own)
        compiling = elapsed_ms(runtime.compile)
        requests = [runtime.request() for _ in range(wanted.requests)]
        request = requests[0]
        first = elapsed_ms(lambda: (request.put(windows), request.execute(), request.get()))
        gc.collect()
        warmup = warm_up(request, windows)
        joules = machine.energy_counter()
        times, copies, seconds = time_requests(requests, windows, deploy.min_count, deploy.min_seconds)
        energy = None if joules is None else joules() / len(times)
    ran, export = runtime.ran(), wanted.model.export
    calls = windows_per_recording(export.spec.window, export.rate) / wanted.batch      # a recording
    packed = calls if wanted.scenario == "throughput" else math.ceil(calls)    # there, batches mix recordings
    statistics = summarize(times)
    return Block({
        **statistics, **ran_columns(ran), "artefact_digest": runtime.artefact.digest,
        "artefact_status": runtime.artefact.status, "score_difference": runtime.artefact.score_difference,
        "load_ms": load, "compile_ms": compiling, "first_ms": first, "warmup": warmup,
        "per_recording_ms": None if statistics["p50_ms"] is None else math.ceil(calls) * statistics["p50_ms"],
        "records_per_s": len(times) / packed / seconds,
        "copy_ms": float(np.median(copies)), "requests": wanted.requests,
        "logit_difference": float(np.abs(request.get() - wanted.model.expected).max()),
        "peak_memory_bytes": memory.bytes, "energy_joules": energy,
    }, times, copies)


def elapsed_ms(function, *arguments) -> float:
    start = perf_counter_ns()
    function(*arguments)
    return (perf_counter_ns() - start) / 1e6


def ran_columns(ran: Ran) -> dict[str, Any]:
    return {"ran_device": ran.device, "ran_precision": ran.precision, "fallback": ran.fallback,
            "fallback_share": ran.fallback_share, "ran_detail": ran.detail}


# -------------------------------------------------------------------------------------------------------- all blocks


def plan(models: list[DeployedModel], runtimes: Iterable[str], devices: Iterable[str], deploy: Deploy, levels: str,
         scenarios: Iterable[str], threads: int) -> tuple[list[Configuration], list[tuple[Configuration, str]]]:
    """Configurations to measure, and those that cannot be, with the reason. A runtime ignores devices of others.

    Raises UserError for a device that no runtime knows.
    """
    wanted, absent, known = [], [], set()
    for name in runtimes:
        try:
            runtime = runtime_class(name)
        except Unavailable as error:
            absent += [(Configuration(m, name, d, "", "single", 1), str(error)) for m in models for d in devices]
            known.update(devices)
            continue
        known.update(runtime.DEVICES)
        usable = {device.device: device for device in runtime.devices()}
        for device in (usable[d] for d in devices if d in usable):
            for model in models:
                if not device.available:
                    absent.append((Configuration(model, name, device.device, "", "single", 1), device.reason))
                    continue
                wanted += [
                    Configuration(model, name, device.device, option, named(scenario, batch), batch,
                                  max(2, threads) if scenario == "throughput" else 1)
                    for scenario in scenarios for batch in deploy.batch
                    for option in runtime.options(device.device, levels, scenario) if offered(option, deploy)
                ]
    if foreign := sorted(set(devices) - known):
        raise UserError(f"no runtime of {', '.join(runtimes)} knows the device {foreign[0]!r}",
                        field="--devices", remedy=f"Known: {', '.join(sorted(known))}")
    return wanted, absent


def named(scenario: str, batch: int) -> str:
    """A stream of calls, one after the other, is "single" or "batch" by what a call holds."""
    return scenario if scenario == "throughput" else "single" if batch == 1 else "batch"


def offered(option: str, deploy: Deploy) -> bool:
    """INT8 is measured only where the study asks for it."""
    return "precision=int8" not in option or "int8" in deploy.precisions


def bench(folders: Iterable[Path], runtimes: list[str], devices: list[str], deploy: Deploy, out: Path, threads: int,
          name: str = "", levels: str = "few", scenarios: Iterable[str] = ("stream",), others: Iterable[Path] = (),
          seed: int = 0, tolerance: float = TOLERANCE) -> pd.DataFrame:
    """Measure every model on every runtime and device: latency.parquet, times.parquet, environment.json, speed.json.

    `others`: folders of the same from other machines, whose rows are put beside.
    Raises UserError for bad folders or names; whatever a runtime cannot do becomes a row with its reason.
    """
    models, name = [DeployedModel.read(folder) for folder in model_folders(folders)], name or platform.node()
    foreign = elsewhere.read(others, models, name)
    surroundings = machine.environment(name, threads, [vars(device) for device in list_devices(runtimes)])
    wanted, absent = plan(models, runtimes, devices, deploy, levels, scenarios, threads)
    blocks, broken = measure_all(wanted, deploy, threads, seed, tolerance)
    cost, tables = loop_cost(models[0].sample), [one.times for one in foreign]
    rows = [row(c, name, threads, 1, {"status": "unavailable", "reason": reason}) for c, reason in absent]
    rows += [row(c, name, threads, len(blocks[c]) + 1, problem) for c, problem in broken.items()]
    for configuration, measured in blocks.items():
        for repeat, (block, reason) in enumerate(zip(measured, verdicts(measured, tolerance), strict=True), 1):
            state = {"status": "void" if reason else "ok", "reason": reason, "loop_us": cost}
            rows.append(row(configuration, name, threads, repeat, block.columns | state))
            tables.append(single_times(rows[-1], block))
    table = elsewhere.beside([pd.DataFrame(rows), *(one.latency for one in foreign)])
    LATENCY.write(table, out / "latency.parquet")
    TIMES.write(elsewhere.beside(tables) if tables else TIMES.empty(), out / "times.parquet")
    for one in foreign:
        one.environment.write(out / elsewhere.file_name(one.environment))
    surroundings.write(out / "environment.json")
    said = {"synthetic": bool(table["synthetic"].any())}
    speed.analyse(table, models, seed).model_copy(update=said).write(out / "speed.json")
    return table


def measure_all(wanted: list[Configuration], deploy: Deploy, threads: int, seed: int, tolerance: float
                ) -> tuple[dict[Configuration, list[Block]], dict[Configuration, dict[str, str]]]:
    """Blocks of every configuration in the order they were measured, and what stopped those that broke.

    Rounds in random order; after the study's repeats as many more for what is void by then.
    """
    blocks: dict[Configuration, list[Block]] = {configuration: [] for configuration in wanted}
    broken: dict[Configuration, dict[str, str]] = {}
    generator = np.random.default_rng(seed)
    gc.collect()
    gc.freeze()         # what is loaded by now is not searched for garbage before every block
    for turn in range(2 * deploy.repeats):
        waiting = [c for c in wanted if c not in broken]
        if turn >= deploy.repeats:
            waiting = [c for c in waiting if any(verdicts(blocks[c], tolerance))]
        for index in generator.permutation(len(waiting)):
            configuration = waiting[index]
            say(f"round {turn + 1}, {describe(configuration)}")
            try:
                blocks[configuration].append(measure(configuration, deploy, threads))
            except UserError:
                raise
            except Unavailable as error:
                broken[configuration] = {"status": "unavailable", "reason": str(error)}
            except Exception as error:  # one runtime's failure must not lose the others
                broken[configuration] = {"status": "failed", "reason": one_line(error)}
    gc.unfreeze()
    return blocks, broken


def verdicts(blocks: list[Block], tolerance: float) -> list[str]:
    return judge([float(np.median(b.times)) for b in blocks], [b.columns["drift"] or 0.0 for b in blocks], tolerance)


def row(configuration: Configuration, name: str, threads: int, repeat: int, columns: dict[str, Any]) -> dict[str, Any]:
    """One row of LATENCY: what was asked, then `columns`; null for the rest."""
    export = configuration.model.export
    asked = {
        "run_id": export.run_id, "model": export.label, "family": export.spec.model.family,
        "params": export.ledger.params, "forward_flops": export.ledger.forward_flops, "machine": name,
        "runtime": configuration.runtime, "device": configuration.device, "option": configuration.option,
        "scenario": configuration.scenario, "batch": configuration.batch, "threads": threads, "repeat": repeat,
        "synthetic": export.synthetic,
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


def list_devices(runtimes: Iterable[str]) -> list[Device]:
    """Every device that each runtime knows, and why the missing ones are missing."""
    found: list[Device] = []
    for name in runtimes:
        try:
            found += runtime_class(name).devices()
        except Unavailable as error:
            found.append(Device(name, "", False, reason=str(error)))
    return found


def listing(runtimes: Iterable[str]) -> str:
    """What this machine has, one device a line, and why the rest is missing."""
    lines = [(f"{d.runtime} {d.device}".strip(), "available" if d.available else "missing", d.name if d.available else
              d.reason) for d in list_devices(runtimes)]
    width = max(len(name) for name, _, _ in lines)
    return "\n".join(f"{name:{width}}  {state:9}  {detail}" for name, state, detail in lines)


def describe(configuration: Configuration) -> str:
    c = configuration
    return f"{c.model.export.label}, {c.runtime} {c.device} {c.option or 'as it comes'}, batch {c.batch}"


def say(line: str) -> None:
    print(f"bench: {line}", file=sys.stderr, flush=True)
