"""How fast exported models are: what BENCH writes, and ecg-stream."""

from __future__ import annotations

from typing import Any

from ecgscale.contracts.files import Document
from ecgscale.contracts.names import RUNTIMES
from ecgscale.contracts.tables import FLAG, REAL, TEXT, WHOLE, Table

LATENCY = Table("latency", 1, "latency/latency.parquet", "A block of calls of one model in one setting", {
    "run_id": TEXT("as in runs"), "model": TEXT("its name for people"), "family": TEXT("as in runs"),
    "params": REAL("as in runs", "parameters"), "forward_flops": REAL("as in runs", "FLOP"),
    "machine": TEXT("its name for people"),
    "runtime": TEXT(f"{', '.join(RUNTIMES[:-1])} or {RUNTIMES[-1]}"),
    "device": TEXT("asked for: cpu, cuda, gpu, npu, auto, ..."),
    "option": TEXT("asked for: empty or hint=latency;precision=bf16, ..."),
    "artefact_digest": TEXT("of the file that was loaded"),
    "scenario": TEXT("single, batch or throughput"),
    "batch": WHOLE("windows a call", "windows"), "threads": WHOLE("that the runtime may use", "threads"),
    "repeat": WHOLE("number of the block among those of its setting, from 1", "1"),
    "status": TEXT("ok, unavailable, failed or void (the machine was disturbed)"), "reason": TEXT("of the status"),
    "ran_device": TEXT("read back from the runtime; null where it does not tell"),
    "ran_precision": TEXT("read back from the runtime; null where it does not tell"),
    "fallback": FLAG("what ran is not what was asked"),
    "load_ms": REAL("reading the file", "ms"), "compile_ms": REAL("compiling the model", "ms"),
    "first_ms": REAL("first call", "ms"),
    "count": WHOLE("calls that were timed", "calls"),
    "mean_ms": REAL("mean of a call", "ms"), "min_ms": REAL("shortest call", "ms"), "p50_ms": REAL("median", "ms"),
    "p50_low_ms": REAL("lower end of the median's 95 % interval", "ms"),
    "p50_high_ms": REAL("upper end of the median's 95 % interval", "ms"),
    "p90_ms": REAL("90 % of the calls are shorter", "ms"), "p99_ms": REAL("99 % are", "ms"),
    "p999_ms": REAL("99.9 % are", "ms"),
    "per_recording_ms": REAL("one 10-second recording", "ms"),
    "records_per_s": REAL("10-second recordings a second", "recordings/s"),
    "loop_us": REAL("cost of the timing loop itself, measured with a no-op", "us"),
    "drift": REAL("first half against second, relative", "1"),
    "peak_memory_bytes": REAL("most memory held", "byte"), "energy_joules": REAL("of a call", "J"),
    "synthetic": FLAG("the model was trained on synthetic data"),
}, optional={
    "p90_low_ms": REAL("lower end of the 95 % interval of p90_ms", "ms"),
    "p90_high_ms": REAL("upper end of the 95 % interval of p90_ms", "ms"),
    "p99_low_ms": REAL("lower end of the 95 % interval of p99_ms", "ms"),
    "p99_high_ms": REAL("upper end of the 95 % interval of p99_ms", "ms"),
    "p999_low_ms": REAL("lower end of the 95 % interval of p999_ms", "ms"),
    "p999_high_ms": REAL("upper end of the 95 % interval of p999_ms", "ms"),
    "copy_ms": REAL("median of the copies to and from the device, part of the times above", "ms"),
    "fallback_share": REAL("share of compute layers that ran in another precision or on another device", "1"),
    "ran_detail": TEXT("what the runtime tells of it"),
    "logit_difference": REAL("largest, of the sample input against the trained network", "1"),
    "requests": WHOLE("at the same time", "requests"),
    "artefact_status": TEXT("of the file that was loaded: ok, or beyond-margin (loses too much score)"),
    "score_difference": REAL("of that file on the test part: file minus network", "1"),
    "warmup": WHOLE("calls before the measured ones", "calls"),
    "layers": WHOLE("weights that multiply: convolutions and linear layers", "layers"),
    "activations": REAL("elements that layers write for one window", "elements"),
    "control": REAL("how far the A/A control beside it was from its quiet level, relative", "1"),
    "neighbour_cpus": REAL("that other processes kept busy meanwhile, mean", "processors"),
    "energy_source": TEXT("counter that told energy_joules, and what it counts"),
    "weights_of": TEXT("run whose weights were timed, where they are other weights of run_id's network (ecg-merge)"),
}, filled=("run_id", "model", "family", "params", "forward_flops", "machine", "runtime", "device", "scenario", "batch",
           "threads", "repeat", "status"),
    rising=(("min_ms", "p50_ms", "p90_ms", "p99_ms", "p999_ms"), ("min_ms", "mean_ms"),
            *((f"p{part}_low_ms", f"p{part}_ms", f"p{part}_high_ms") for part in (50, 90, 99, 999))))

TIMES = Table("times", 1, "latency/times.parquet", "A single call; joins latency on the first eight columns", {
    "run_id": TEXT("as in latency"), "machine": TEXT("as in latency"), "runtime": TEXT("as in latency"),
    "device": TEXT("as in latency"), "option": TEXT("as in latency"), "scenario": TEXT("as in latency"),
    "batch": WHOLE("as in latency", "windows"), "repeat": WHOLE("as in latency", "1"),
    "index": WHOLE("number of the call, from 0", "1"), "ms": REAL("time of the call", "ms"),
}, optional={"copy_ms": REAL("copies to and from the device, part of it", "ms")})


class Environment(Document):
    """The machine a latency was measured on."""

    NAME = "environment"
    PLACE = "latency/environment.json"
    machine: str
    """Its name for people."""
    cpu: str
    """Name of the processor."""
    cores: int
    """Cores it has."""
    threads: int
    """Threads that the measuring may use."""
    memory_bytes: int | None
    """Memory it has."""
    os: str
    """Operating system."""
    container: str | None
    """Engine, where it ran in a container."""
    devices: list[dict[str, Any]]
    """Runtime, device, available (bool), name or reason."""
    state: dict[str, Any]
    """Clocks, governor, temperature, power source: null where not readable."""
    versions: dict[str, str]
    """Of the packages."""
    started: str
    """When the measuring began, ISO time."""


class Control(Document):
    """The A/A control of a measuring run: one configuration opened twice and timed between all other blocks."""

    NAME = "control"
    PLACE = "latency/control.json"
    machine: str
    """As in latency."""
    run_id: str
    """As in latency."""
    model: str
    """As in latency."""
    runtime: str
    """As in latency."""
    device: str
    """As in latency."""
    option: str
    """As in latency."""
    threads: int
    """As in latency."""
    first_ms: tuple[float, ...]
    """Median of the first arm at every look, in order."""
    second_ms: tuple[float, ...]
    """Median of the second arm."""
    ratio: float
    """Median over the looks of second / first: 1 but for the measuring's own error."""
    ratio_low: float | None
    """Lower end of its 95 % interval."""
    ratio_high: float | None
    """Upper end of its 95 % interval."""
    drift: float | None
    """Of the level, second half of the run against the first."""
    disturbed: int
    """Looks further than `limit` from the quiet level."""
    tolerance: float
    """Relative deviation that is allowed."""
    limit: float | None = None
    """The tolerance, or 4 times the looks' own scatter where that is more."""
    reason: str
    """Why the whole run is void; "" where it stands."""
    synthetic: bool
    """The model was trained on synthetic data."""


STREAMING = Table("streaming", 1, "of ecg-stream: streaming.csv", "A model fed a signal as it comes, in one setting", {
    "run_id": TEXT("as in runs"), "model": TEXT("its name for people"), "machine": TEXT("as in latency"),
    "runtime": TEXT("as in latency"), "device": TEXT("as in latency"), "option": TEXT("as in latency"),
    "threads": WHOLE("as in latency", "threads"), "artefact_digest": TEXT("as in latency"),
    "ran_device": TEXT("as in latency"), "ran_precision": TEXT("as in latency"), "fallback": FLAG("as in latency"),
    "fallback_share": REAL("as in latency", "1"), "ran_detail": TEXT("as in latency"),
    "window_s": REAL("that an answer looks at", "s"), "stride_s": REAL("from answer to answer", "s"),
    "answers": WHOLE("that were computed", "1"), "p50_ms": REAL("median of an answer", "ms"),
    "p50_low_ms": REAL("lower end of its 95 % interval", "ms"),
    "p50_high_ms": REAL("upper end of its 95 % interval", "ms"), "p99_ms": REAL("99 % are shorter", "ms"),
    "longest_ms": REAL("longest answer", "ms"), "ms_per_s": REAL("computing for a second of signal", "ms"),
    "jitter_ms": REAL("p99_ms minus p50_ms", "ms"),
    "delay_s": REAL("from an event to the first answer that holds it, at most: stride and longest answer", "s"),
    "energy_source": TEXT("as in latency"), "joules_per_s": REAL("of a second of signal", "J"),
    "difference": REAL("largest, of a logit: stream against the whole recording in the same runtime", "1"),
})
