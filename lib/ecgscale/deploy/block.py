"""One block: a configuration (model, runtime, device, option, batch) loaded, compiled, warmed up and timed.

The rules are MLPerf's of single stream and fixed batch; throughput is several single streams at once.
"""

from __future__ import annotations

import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

import numpy as np

from ecgscale.deploy.runtimes import DeployedModel, Ran, Runtime, infer, runtime_class
from ecgscale.machine import description, energy

if TYPE_CHECKING:       # a kit has its members alone
    from ecgscale.design.study import Deploy

GROUP_SECONDS, GROUP_CALLS = 0.05, 3     # a warm-up group lasts as long and has as many calls
STABLE, MAX_GROUPS = 0.05, 20            # two groups whose medians differ by less end the warm-up
FURTHEST = {"float32": 0.01, "bf16": 0.1, "float16": 0.1, "int8": 0.25}   # from the network's logits, by what ran
BEYOND_CHECKED = 4                       # times the largest difference that EXPORT found of a file is a fault


@dataclass(frozen=True)
class Configuration:
    model: DeployedModel
    runtime: str
    device: str
    option: str
    scenario: str                         # single, batch, throughput
    batch: int
    threads: int
    requests: int = 1                     # concurrent ones; more than 1 in the scenario "throughput" only


@dataclass(frozen=True)
class Block:
    """What one measurement of one configuration gave."""

    columns: dict[str, Any]               # of LATENCY, what only the measuring process can tell
    times: np.ndarray                     # ms, in the order of measurement
    copies: np.ndarray                    # ms, part of the times
    seconds: float                        # that all calls took


class WrongAnswerError(Exception):
    """What a runtime computed is not what the trained network says of the sample: its time is worth nothing."""


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


def opened(wanted: Configuration) -> tuple[Runtime, float, float]:
    """The runtime with the model in it, and the milliseconds of load and compile. Raises Unavailable."""
    runtime: Runtime = runtime_class(wanted.runtime)()
    own = wanted.threads if runtime.POOLED else max(1, wanted.threads // wanted.requests)
    load = elapsed_ms(runtime.load, wanted.model, wanted.device, wanted.option, wanted.batch, own)
    return runtime, load, elapsed_ms(runtime.compile)


def check(wanted: Configuration) -> tuple[float, Ran]:
    """Before anything is timed: how far the answer to the sample is from the trained network's, and what really ran.
    Raises Unavailable and WrongAnswerError."""
    runtime, _, _ = opened(wanted)
    answer = infer(runtime.request(), wanted.model.windows(wanted.batch))
    ran = runtime.ran()
    return judge_answer(answer, wanted.model, runtime, ran), ran


def judge_answer(answer: np.ndarray, model: DeployedModel, runtime: Runtime, ran: Ran) -> float:
    """Largest difference to the trained network's logits. Raises WrongAnswerError where it is more than what ran can
    explain: of a file of that very precision, more than EXPORT found of it on many recordings; of another, more than
    the precision's share of the largest logit (at least of 1)."""
    difference, file = float(np.abs(answer - model.expected).max()), runtime.artefact
    kind, scale = ran.precision or file.precision, max(1.0, float(np.abs(model.expected).max()))
    most = FURTHEST.get(kind, max(FURTHEST.values())) * scale
    if kind == file.precision and file.max_logit_difference is not None:
        most = max(FURTHEST["float32"] * scale, BEYOND_CHECKED * file.max_logit_difference)
    if not difference <= most:       # nor is what is no number
        raise WrongAnswerError(f"wrong answer: its logits are {difference:.3g} off the trained network's on the "
                               f"sample, at most {most:.3g} is explained by {kind}")
    return difference


def measure(wanted: Configuration, deploy: Deploy) -> Block:
    """Load, compile, first inference, warm-up, timed loop, reading back. Raises Unavailable, and WrongAnswerError where
    the last answer is wrong."""
    windows = wanted.model.windows(wanted.batch)
    with description.PeakMemory() as memory:
        runtime, load, compiling = opened(wanted)
        requests = [runtime.request() for _ in range(wanted.requests)]
        request = requests[0]
        first = elapsed_ms(infer, request, windows)
        gc.collect()
        warmup = warm_up(request, windows)
        with energy.Meter(wanted.device) as meter, description.Neighbours() as neighbours:
            times, copies, seconds = time_requests(requests, windows, deploy.min_count, deploy.min_seconds)
    ran = runtime.ran()
    return Block({
        **ran_columns(ran), "artefact_digest": runtime.artefact.digest,
        "artefact_status": runtime.artefact.status, "score_difference": runtime.artefact.score_difference,
        "load_ms": load, "compile_ms": compiling, "first_ms": first, "warmup": warmup,
        "copy_ms": float(np.median(copies)), "requests": wanted.requests,
        "logit_difference": judge_answer(request.get(), wanted.model, runtime, ran),
        "neighbour_cpus": neighbours.cpus, "peak_memory_bytes": memory.bytes, "energy_source": meter.source,
        "energy_joules": None if meter.joules is None else meter.joules / len(times),
    }, times, copies, seconds)


def elapsed_ms(function, *arguments) -> float:
    start = perf_counter_ns()
    function(*arguments)
    return (perf_counter_ns() - start) / 1e6


def ran_columns(ran: Ran) -> dict[str, Any]:
    return {"ran_device": ran.device, "ran_precision": ran.precision, "fallback": ran.fallback,
            "fallback_share": ran.fallback_share, "ran_detail": ran.detail}
