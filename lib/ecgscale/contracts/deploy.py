"""Exported models and their latency: what EXPORT and BENCH write."""

from __future__ import annotations

from typing import Any, Literal

from ecgscale.contracts.files import Document, Part
from ecgscale.contracts.runs import Ledger, RunSpec
from ecgscale.contracts.tables import FLAG, REAL, TEXT, WHOLE, Table

# -------------------------------------------------------------------------------------- EXPORT: one folder a model/


class Artefact(Part):
    """One exported file and how far it is from the trained network."""

    format: str                      # torch, onnx, openvino, coreml
    precision: str                   # float32, float16, int8; bf16: the float32 file, computed in bfloat16
    file: str | None                 # below the model's folder; null when the export failed
    status: Literal["ok", "failed", "beyond-margin"]
    reason: str = ""
    batch: int | None = 1            # windows a call; null: any number
    bytes: int | None = None
    digest: str | None = None
    opset: int | None = None
    mode: str = ""                   # torch: frozen or compiled from the weights; then `seconds` is what that took
    checked_on: str = ""             # runtime that computed the differences, or why none did
    max_logit_difference: float | None = None
    mean_logit_difference: float | None = None
    sign_flips: int | None = None    # labels that change side at 0.5 on the checked recordings
    checked_records: int = 0
    score_difference: float | None = None       # paired, test fold: artefact minus network
    score_difference_low: float | None = None
    score_difference_high: float | None = None
    auroc_difference: float | None = None       # of macro AUROC, likewise
    auroc_difference_low: float | None = None
    auroc_difference_high: float | None = None
    seconds: float | None = None


class Export(Document):
    """export.json: the model as another project would use it."""

    NAME = "export"
    PLACE = "models/<name>/export.json"
    run_id: str
    label: str                       # short name for people, unique in a run of the pipeline
    chosen_for: str                  # why this model was exported
    spec: RunSpec
    ledger: Ledger
    input_name: str = "ecg"
    output_name: str = "logits"
    input_shape: tuple[int, ...]     # (batch, leads, samples)
    rate: float
    unit: str
    recipe: dict[str, Any]
    classes: tuple[str, ...]
    class_names: tuple[str, ...]
    license: str
    synthetic: bool
    valid_score: float | None
    test_score: float | None
    artefacts: tuple[Artefact, ...]
    versions: dict[str, str]


# ------------------------------------------------------------------------------------------------------------ BENCH
# latency.parquet, times.parquet, environment.json

LATENCY = Table("latency", 1, "latency/latency.parquet", "A block of calls of one model in one setting", {
    "run_id": TEXT("as in runs"), "model": TEXT("its name for people"), "family": TEXT("as in runs"),
    "params": REAL("as in runs", "parameters"), "forward_flops": REAL("as in runs", "FLOP"),
    "machine": TEXT("its name for people"),
    "runtime": TEXT("torch, onnxruntime, openvino or coreml"),
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
})

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
    cpu: str
    cores: int
    threads: int
    memory_bytes: int | None
    os: str
    container: str | None
    devices: list[dict[str, Any]]    # runtime, device, available (bool), name or reason
    state: dict[str, Any]            # clocks, governor, temperature, power source: null where not readable
    versions: dict[str, str]
    started: str                     # ISO time


class Control(Document):
    """The A/A control of a measuring run: one configuration opened twice and timed between all other blocks."""

    NAME = "control"
    PLACE = "latency/control.json"
    machine: str
    run_id: str
    model: str
    runtime: str
    device: str
    option: str
    threads: int
    first_ms: tuple[float, ...]      # median of each arm at every look, in order
    second_ms: tuple[float, ...]
    ratio: float                     # median over the looks of second / first: 1 but for the measuring's own error
    ratio_low: float | None          # 95 %
    ratio_high: float | None
    drift: float | None              # of the level, second half of the run against the first
    disturbed: int                   # looks further than `limit` from the quiet level
    tolerance: float                 # relative; what is asked for
    limit: float | None = None       # the tolerance, or 4 times the looks' own scatter where that is more
    reason: str                      # why the whole run is void; "" where it stands
    synthetic: bool                  # the model was trained on synthetic data
