"""Exported models and their latency: what EXPORT and BENCH write."""

from __future__ import annotations

from typing import Any, Literal

from ecgscale.contracts.files import FLAG, REAL, TEXT, WHOLE, Document, Part, Table
from ecgscale.contracts.runs import Ledger, RunSpec

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

LATENCY = Table("latency", 1, {
    "run_id": TEXT, "model": TEXT, "family": TEXT, "params": REAL, "forward_flops": REAL,
    "machine": TEXT,        # name of the machine, for people
    "runtime": TEXT,        # torch, onnxruntime, openvino, coreml
    "device": TEXT,         # asked for: cpu, cuda, gpu, npu, auto, ...
    "option": TEXT,         # asked for: "" or "hint=latency;precision=bf16", ...
    "artefact_digest": TEXT,
    "scenario": TEXT,       # single, batch, throughput
    "batch": WHOLE, "threads": WHOLE, "repeat": WHOLE,
    "status": TEXT,         # ok, unavailable, failed, void (disturbed machine)
    "reason": TEXT,
    "ran_device": TEXT, "ran_precision": TEXT,   # read back from the runtime; null where it does not tell
    "fallback": FLAG,       # what ran is not what was asked
    "load_ms": REAL, "compile_ms": REAL, "first_ms": REAL,
    "count": WHOLE, "mean_ms": REAL, "min_ms": REAL, "p50_ms": REAL, "p50_low_ms": REAL, "p50_high_ms": REAL,
    "p90_ms": REAL, "p99_ms": REAL, "p999_ms": REAL,
    "per_recording_ms": REAL,    # one 10-second recording
    "records_per_s": REAL,
    "loop_us": REAL,        # cost of the timing loop itself, measured with a no-op
    "drift": REAL,          # relative, first half against second
    "peak_memory_bytes": REAL, "energy_joules": REAL,
    "synthetic": FLAG,      # the model was trained on synthetic data
}, optional={
    "p90_low_ms": REAL, "p90_high_ms": REAL, "p99_low_ms": REAL, "p99_high_ms": REAL,
    "p999_low_ms": REAL, "p999_high_ms": REAL,
    "copy_ms": REAL,             # median of the copies to and from the device, part of the times above
    "fallback_share": REAL,      # share of compute layers that ran in another precision or on another device
    "ran_detail": TEXT,          # what the runtime tells of it
    "logit_difference": REAL,    # largest, of the sample input against the trained network
    "requests": WHOLE,           # concurrent requests
    "artefact_status": TEXT,     # of the Artefact that was loaded: ok, or beyond-margin (loses too much score)
    "score_difference": REAL,    # of that Artefact
    "warmup": WHOLE,             # calls before the measured ones
    "layers": WHOLE,             # weights that multiply: convolutions and linear layers
    "activations": REAL,         # elements that layers write for one window
    "control": REAL,             # how far the A/A control beside it was from its quiet level, relative
    "neighbour_cpus": REAL,      # processors that other processes kept busy meanwhile, mean
    "energy_source": TEXT,       # counter that told energy_joules (a call), and what it counts
})

TIMES = Table("times", 1, {  # every single time; joins LATENCY on the first eight columns
    "run_id": TEXT, "machine": TEXT, "runtime": TEXT, "device": TEXT, "option": TEXT, "scenario": TEXT,
    "batch": WHOLE, "repeat": WHOLE, "index": WHOLE, "ms": REAL,
}, optional={"copy_ms": REAL})


class Environment(Document):
    """The machine a latency was measured on."""

    NAME = "environment"
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
