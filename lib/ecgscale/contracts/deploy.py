"""Exported models and their latency: what EXPORT and BENCH write."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from ecgscale.contracts.files import Document, Part
from ecgscale.contracts.names import RUNTIMES
from ecgscale.contracts.runs import Ledger, RunSpec
from ecgscale.contracts.tables import FLAG, REAL, TEXT, WHOLE, Table

# -------------------------------------------------------------------------------------- EXPORT: one folder a model/


class Artefact(Part):
    """One exported file and how far it is from the trained network."""

    format: str
    """Torch, onnx, openvino, coreml, executorch, executorch-coreml, tflite."""
    precision: str
    """Float32, float16, int8; bf16: the float32 file, computed in bfloat16."""
    file: str | None
    """Below the model's folder; null when the export failed."""
    status: Literal["ok", "failed", "beyond-margin"]
    """`beyond-margin`: it loses too much score."""
    reason: str = ""
    """Of the status."""
    batch: int | None = 1
    """Windows a call; null: any number."""
    bytes: int | None = None
    """Size of the file."""
    digest: str | None = None
    """Of the file."""
    opset: int | None = None
    """Operator set of ONNX."""
    mode: str = ""
    """Of torch: frozen or compiled from the weights; then `seconds` is what that took."""
    checked_on: str = ""
    """Runtime that computed the differences, or why none did."""
    max_logit_difference: float | None = None
    """Largest, on the checked recordings."""
    mean_logit_difference: float | None = None
    """Mean absolute, on the checked recordings."""
    sign_flips: int | None = None
    """Labels that change side at 0.5 on the checked recordings."""
    checked_records: int = 0
    """Recordings that both were run on."""
    score_difference: float | None = None
    """Paired, test fold: artefact minus network."""
    score_difference_low: float | None = None
    """Lower end of its 95 % interval."""
    score_difference_high: float | None = None
    """Upper end of its 95 % interval."""
    auroc_difference: float | None = None
    """Of macro AUROC, likewise."""
    auroc_difference_low: float | None = None
    """Lower end of its 95 % interval."""
    auroc_difference_high: float | None = None
    """Upper end of its 95 % interval."""
    seconds: float | None = None
    """That making it took."""


class Export(Document):
    """export.json: the model as another project would use it."""

    NAME = "export"
    PLACE = "models/<name>/export.json"
    run_id: str
    """As in the run table."""
    label: str
    """Short name for people, unique in a run of the pipeline."""
    chosen_for: str
    """Why this model was exported."""
    spec: RunSpec
    """The run."""
    ledger: Ledger
    """What one window costs."""
    input_name: str = "ecg"
    """Of the models' input."""
    output_name: str = "logits"
    """Of the models' output."""
    input_shape: tuple[int, ...]
    """(batch, leads, samples)."""
    rate: float
    """Of the input, in Hz."""
    unit: str
    """Of the input: z (z-score) or mV."""
    recipe: dict[str, Any]
    """How signals are prepared before the model: name and every parameter."""
    classes: tuple[str, ...]
    """Class codes, in the order of the outputs."""
    class_names: tuple[str, ...]
    """Their names."""
    license: str
    """Of the model."""
    synthetic: bool
    """Trained on synthetic recordings."""
    valid_score: float | None
    """On validation."""
    test_score: float | None
    """On test."""
    artefacts: tuple[Artefact, ...]
    """The files."""
    versions: dict[str, str]
    """Of the packages."""
    digests: dict[str, str] = {}
    """Of the two files of the sample beside it: SHA-256, 16 hex digits."""
    peak_activations: int | None = None
    """Elements that are alive at once, at most, in the ONNX graph of one window; null without that file."""


# ------------------------------------------------------------------------------------------------------------ BENCH
# latency.parquet, times.parquet, environment.json

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


# ----------------------------------------------------------------------------------------------------------- ecg-stream

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


# -------------------------------------------------------------------------------------------------------------- ecg-kit

PositiveInt, PositiveReal = Annotated[int, Field(ge=1)], Annotated[float, Field(gt=0)]


class KitModel(Part):
    """A model of a kit."""

    folder: str = ""
    """Below the kit."""
    export: Export
    """As its folder of ecg-export had it."""
    layers: int
    """Weights that multiply: convolutions and linear layers."""


class Kit(Document):
    """What a kit brings to another machine."""

    NAME = "kit"
    PLACE = "of ecg-kit: kit.json"
    ASKED: ClassVar[tuple[str, ...]] = ("levels", "options", "scenarios", "batch", "precisions", "repeats",
                                        "min_count", "min_seconds")
    ecgscale: str
    """Version that made it."""
    deploy: dict[str, Any]
    """How is measured: these members of the study's section `deploy`."""
    models: tuple[KitModel, ...]
    """The exported models."""
    files: dict[str, str]
    """SHA-256 of every file, by its place below the kit."""


class BundleBlock(Part):
    """Calls of one configuration that were timed one after the other."""

    place: Annotated[int, Field(ge=-1)]
    """Of the look at the A/A control before it; -1: none."""
    calls: PositiveInt
    """Rows of times.npy, which hold all blocks in order."""
    seconds: PositiveReal
    """That all calls took."""
    columns: dict[str, str | bool | int | float | None]
    """Of latency, what only the measuring process could tell."""


class BundleSetting(Part):
    """A configuration, its blocks, and what kept it from having any."""

    model: Annotated[int, Field(ge=0)]
    """Place in `models`."""
    runtime: str
    """As in latency."""
    device: str
    """As in latency."""
    option: str
    """As in latency."""
    scenario: Literal["single", "batch", "throughput"]
    """As in latency."""
    batch: PositiveInt
    """As in latency."""
    threads: PositiveInt
    """As in latency."""
    requests: PositiveInt
    """As in latency."""
    blocks: tuple[BundleBlock, ...]
    """In the order of measurement."""
    status: Literal["", "unavailable", "failed"]
    """As in latency; empty: it was measured."""
    reason: str
    """Of the status."""


class Bundle(Document):
    """What a kit measured, beside times.npy: (call, 2) ms of the call and of its copies."""

    NAME = "bundle"
    PLACE = "of a kit: bundle-NAME.zip, bundle.json"
    kit: str
    """SHA-256 of the kit's kit.json."""
    models: tuple[KitModel, ...]
    """Of the kit."""
    environment: Environment
    """The machine."""
    repeats: PositiveInt
    """Blocks of each configuration that were asked for."""
    tolerance: PositiveReal
    """Relative deviation that is allowed."""
    loop_us: PositiveReal
    """Cost of the timing loop itself."""
    control: int | None
    """Place of the A/A control in `settings`; null: there was none."""
    looks: tuple[tuple[float, float], ...]
    """Median ms of the control's two arms, before each block and after the last."""
    settings: tuple[BundleSetting, ...]
    """Every configuration."""
    times: str
    """SHA-256 of the values of times.npy."""
    digest: str
    """SHA-256 of all the above."""


# ----------------------------------------------------------------------------------------------------------- ecg-deploy

SETTING_COLUMNS = {
    "machine": TEXT("as in latency"), "device": TEXT("as in latency"), "runtime": TEXT("as in latency"),
    "option": TEXT("as in latency"), "precision": TEXT("that ran, or that was asked for where the runtime tells none"),
    "threads": WHOLE("as in latency", "threads"),
}

DEPLOYMENT = Table("deployment", 1, "of ecg-deploy: deployment.csv, devices.csv",
                   "The best model for a budget on a device, measured or foretold", {
    "asked": TEXT("device: the best of all its settings; setting: of this one"), **SETTING_COLUMNS,
    "budget_ms": REAL("at most so long a window, the interval included", "ms", endless=True),
    "budget_bytes": REAL("at most so large a file", "byte", endless=True),
    "kind": TEXT("measured, or foretold by the laws of its family"),
    "family": TEXT("as in runs"), "model": TEXT("its name for people"), "run_id": TEXT("as in runs; empty: foretold"),
    "params": REAL("as in runs", "parameters"), "forward_flops": REAL("as in runs", "FLOP"),
    "train_records": REAL("as in runs", "recordings"), "samples_seen": REAL("as in runs", "windows"),
    "response": TEXT("the score that is told"), "chosen_by": TEXT("the response that chose"),
    "score": REAL("of the run", "of the response"),
    "low": REAL("lower end of its interval: recordings, or one run that is foretold", "of the response"),
    "high": REAL("upper end of its interval", "of the response"), "level": REAL("of the interval", "1"),
    "probability": REAL("that it is better than the best measured one, by the response that chose", "1"),
    "ms": REAL("a window: of all repeats, or foretold", "ms"),
    "ms_low": REAL("lower end: the lowest of all repeats' 95 % intervals, or of the 90 % interval foretold", "ms"),
    "ms_high": REAL("upper end, likewise", "ms"), "repeats": WHOLE("blocks that were measured", "1"),
    "calls": WHOLE("timed calls", "calls"), "bytes": REAL("of the file", "byte"),
    "bytes_from": TEXT("file, or what its size is reckoned from"),
    "file_difference": REAL("score of the file minus score of the network, on the test part", "of the score"),
    "note": TEXT("what to know of it"),
})

MEMORY = Table("memory", 1, "of ecg-deploy: memory.csv", "An exported model in one precision beside a small device", {
    "device": TEXT("of assets/devices.csv"), "class": TEXT("of the device: microcontroller, watch, phone"),
    "ram_bytes": REAL("that the device has, of which firmware and others need their part", "byte"),
    "flash_bytes": REAL("that the device has, likewise", "byte"), "source": TEXT("of the device's figures"),
    "run_id": TEXT("as in runs"), "model": TEXT("its name for people"), "family": TEXT("as in runs"),
    "leads": TEXT("that it reads"), "params": REAL("as in runs", "parameters"),
    "precision": TEXT("float32 or int8, of weights and activations"),
    "weight_bytes": REAL("of its parameters", "byte"),
    "activation_bytes": REAL("alive at once, at most", "byte"),
    "fits": FLAG("weights in flash, activations in RAM, and no more score lost than the study's margin"),
    "note": TEXT("why it does not fit; empty where it does"),
    "response": TEXT("the score that is told"), "score": REAL("of the run", "of the response"),
    "low": REAL("lower end of its 95 % interval", "of the response"),
    "high": REAL("upper end of its 95 % interval", "of the response"),
    "file_difference": REAL("score of the INT8 file minus score of the network, on the test part", "of the score"),
    "file_low": REAL("lower end of its 95 % interval", "of the score"),
    "file_high": REAL("upper end of its 95 % interval", "of the score"),
})

CONFIRMED = Table("confirmed", 1, "of ecg-deploy: confirmed.csv", "A model that was foretold, and what was found", {
    **SETTING_COLUMNS, "family": TEXT("as in runs"), "model": TEXT("its name for people"),
    "params": REAL("as in runs", "parameters"), "budget_ms": DEPLOYMENT.columns["budget_ms"],
    "budget_bytes": DEPLOYMENT.columns["budget_bytes"], "response": TEXT("the score that was foretold"),
    "score": REAL("as foretold", "of the response"), "low": REAL("lower end of its 90 % interval", "of the response"),
    "high": REAL("upper end of its 90 % interval", "of the response"), "ms": REAL("as foretold", "ms"),
    "ms_low": REAL("lower end of its 90 % interval", "ms"), "ms_high": REAL("upper end of its 90 % interval", "ms"),
    "bytes": REAL("of the file, as foretold", "byte"),
    "runs": WHOLE("that are trained so and have the score", "runs"),
    "inside": WHOLE("of them with a score inside the 90 % interval, which is one of a run", "runs"),
    "found": REAL("their mean score", "of the response"),
    "found_ms": REAL("median latency of those that are measured so", "ms"),
    "found_ms_low": REAL("the lowest of all repeats' 95 % intervals", "ms"),
    "found_ms_high": REAL("the highest", "ms"), "found_bytes": REAL("of the largest file", "byte"),
    "verdict": TEXT("confirmed; refuted: which of score, latency, budget; waits: what is not there yet"),
})
