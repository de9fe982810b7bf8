"""Every file that crosses a stage: its schema, its version, its one writer and its one reader.

Nothing else in the project spells a column name of another stage's file. A file of another version is refused by
name. To change a schema: bump its version here, convert the committed examples (`tests/lib/test_contracts.py` finds
them), and say so in CHANGELOG.md. Adding an *optional* column or a field with a default is not a new version.

Tables are Parquet, or CSV for small ones a person opens first (a comment line carries the version). Documents are
JSON with a `schema` member. Every file is written whole or not at all.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ecgscale.errors import UserError

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
PARTS = ("train", "valid", "test")


class ContractError(UserError):
    """A file that is not what its name promises: another schema, another version, a missing or foreign column."""


# ---------------------------------------------------------------------------------------------- whole or not at all


@contextlib.contextmanager
def whole(path: Path | str) -> Iterator[Path]:
    """Give a temporary path beside `path`; rename it into place on success, remove it on failure. File or folder."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent)) / path.name
    try:
        yield temporary
        if path.is_dir() and temporary.is_dir():
            shutil.rmtree(path)
        os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary.parent, ignore_errors=True)


def write_text(path: Path | str, text: str) -> None:
    with whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def digest(value: Any, length: int = 16) -> str:
    """SHA-256 of a value's canonical JSON, first `length` hex digits: the identity of specs, recipes and tables."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def file_digest(path: Path | str, length: int = 16) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:length]


# ------------------------------------------------------------------------------------------------------- documents


class Part(BaseModel):
    """A nested value of a document: immutable, unknown members refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="null")


class Document(Part):
    """A JSON file with a schema name and version. Subclasses set NAME and VERSION."""

    NAME: ClassVar[str]
    VERSION: ClassVar[int] = 1

    @classmethod
    def schema_id(cls) -> str:
        return f"ecgscale.{cls.NAME}/{cls.VERSION}"

    def to_line(self) -> str:
        return json.dumps({"schema": self.schema_id(), **self.model_dump(mode="json")}, allow_nan=False)

    def write(self, path: Path | str) -> None:
        body = {"schema": self.schema_id(), **self.model_dump(mode="json")}
        write_text(path, json.dumps(body, indent=2, allow_nan=False) + "\n")

    @classmethod
    def from_text(cls, text: str, file: Path | str, line: int | None = None) -> Self:
        try:
            body = json.loads(text)
        except json.JSONDecodeError as error:
            raise ContractError(f"not valid JSON ({error.msg})", file=file, line=line or error.lineno) from None
        found = body.pop("schema", None) if isinstance(body, dict) else None
        if found != cls.schema_id():
            raise wrong_schema(found, cls.schema_id(), file, line)
        try:
            return cls.model_validate(body)
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(step) for step in first["loc"])
            raise ContractError(first["msg"], file=file, line=line, field=name) from None

    @classmethod
    def read(cls, path: Path | str) -> Self:
        try:
            return cls.from_text(Path(path).read_text(encoding="utf-8"), path)
        except FileNotFoundError:
            raise ContractError("no such file", file=path) from None

    @classmethod
    def write_lines(cls, documents: Iterable[Self], path: Path | str) -> None:
        """JSON Lines: one document a line."""
        write_text(path, "".join(document.to_line() + "\n" for document in documents))

    @classmethod
    def read_lines(cls, path: Path | str) -> list[Self]:
        with open(path, encoding="utf-8") as lines:
            return [cls.from_text(line, path, number) for number, line in enumerate(lines, 1) if line.strip()]


def wrong_schema(found: str | None, expected: str, file: Path | str, line: int | None = None) -> ContractError:
    problem = f"holds {found!r}" if found else "names no schema"
    return ContractError(f"{problem}, but {expected!r} is read here", file=file, line=line,
                         remedy="Make the file again with this version of ecgscale")


# ---------------------------------------------------------------------------------------------------------- tables


@dataclass(frozen=True)
class Table:
    """A table file: required and optional columns by Arrow type, and families of columns that share a prefix."""

    name: str
    version: int
    columns: dict[str, pa.DataType]
    optional: dict[str, pa.DataType] = field(default_factory=dict)
    prefixes: dict[str, pa.DataType] = field(default_factory=dict)

    def schema_id(self) -> str:
        return f"ecgscale.{self.name}/{self.version}"

    def type_of(self, column: str) -> pa.DataType | None:
        known = self.columns.get(column) or self.optional.get(column)
        return known or next((kind for prefix, kind in self.prefixes.items() if column.startswith(prefix)), None)

    def arrow(self, frame: pd.DataFrame, file: Path | str) -> pa.Table:
        missing = [name for name in self.columns if name not in frame]
        foreign = [name for name in frame if self.type_of(name) is None]
        if missing or foreign:
            what = [f"{name!r} is missing" for name in missing] + [f"{name!r} is unknown" for name in foreign]
            raise ContractError("column " + ", ".join(what), file=file, field=self.schema_id())
        schema = pa.schema([(name, self.type_of(name)) for name in frame])
        try:
            table = pa.Table.from_pandas(frame, schema=schema, preserve_index=False)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise ContractError(str(error.args[0]), file=file, field=self.schema_id()) from None
        return table.replace_schema_metadata({"ecgscale": self.schema_id()})

    def empty(self) -> pd.DataFrame:
        return pa.schema(list(self.columns.items())).empty_table().to_pandas()

    def write(self, frame: pd.DataFrame, path: Path | str) -> None:
        path = Path(path)
        table = self.arrow(frame, path)
        with whole(path) as temporary:
            if path.suffix == ".csv":
                with open(temporary, "wb") as stream:
                    stream.write(f"# {self.schema_id()}\n".encode())
                    pyarrow.csv.write_csv(table, stream)
            else:
                pq.write_table(table, temporary, compression="zstd")

    def read(self, path: Path | str, columns: list[str] | None = None) -> pd.DataFrame:
        path = Path(path)
        if not path.is_file():
            raise ContractError("no such file", file=path)
        if path.suffix == ".csv":
            with open(path, encoding="utf-8") as stream:
                first = stream.readline()
            found = first[1:].strip() if first.startswith("#") else None
            if found != self.schema_id():
                raise wrong_schema(found, self.schema_id(), path, line=1)
            header = pd.read_csv(path, comment="#", nrows=0).columns
            kinds = {name: self.type_of(name) for name in header if self.type_of(name) is not None}
            convert = pyarrow.csv.ConvertOptions(column_types=kinds, strings_can_be_null=True,
                                                 quoted_strings_can_be_null=False, include_columns=columns)
            try:
                table = pyarrow.csv.read_csv(path, pyarrow.csv.ReadOptions(skip_rows=1), convert_options=convert)
            except pa.ArrowInvalid as error:
                raise ContractError(str(error.args[0]), file=path, field=self.schema_id()) from None
        else:
            try:
                table = pq.read_table(path, columns=columns)
            except pa.ArrowInvalid as error:
                raise ContractError(f"not a readable Parquet file ({error.args[0]})", file=path) from None
            found = (table.schema.metadata or {}).get(b"ecgscale", b"").decode() or None
            if found != self.schema_id():
                raise wrong_schema(found, self.schema_id(), path)
        frame = table.to_pandas()
        if columns is None:
            self.arrow(frame, path)
        return frame


def read_all(table: Table, paths: Iterable[Path | str]) -> pd.DataFrame:
    """Several files of one schema as one frame, rows in the order of the paths."""
    frames = [table.read(path) for path in paths]
    frames = [frame for frame in frames if len(frame)] or frames[:1] or [table.empty()]
    return pd.concat(frames, ignore_index=True)


TEXT, FLAG, WHOLE, REAL = pa.string(), pa.bool_(), pa.int64(), pa.float64()


# ------------------------------------------------------------------------------------- PREPARE: one folder a shard
# signals.npy   (samples, leads) records end to end, lead order as in shard.json, rate and scale of the recipe
# records.parquet, rejects.csv, shard.json

RECORDS = Table("records", 1, {
    "record": TEXT,         # "<source>/<path below the source folder, without ending>": unique in a corpus
    "source": TEXT,
    "patient": TEXT,        # null where unknown; "<source>/<id>" otherwise
    "offset": WHOLE,        # first row in signals.npy
    "length": WHOLE,        # rows in signals.npy
    "rate": REAL,           # Hz, as recorded
    "age": REAL,            # years, null where unknown
    "sex": TEXT,            # "female", "male" or null
    "flags": TEXT,          # reason codes that do not reject, joined by ";"
    "codes": TEXT,          # every diagnosis code of the header, joined by ";"
    "content": TEXT,        # digest of the samples as recorded: finds duplicates
    "synthetic": FLAG,
}, optional={"fold": WHOLE, "scale": REAL}, prefixes={"y_": FLAG})  # y_<class code>: label

REJECTS = Table("rejects", 1, {"record": TEXT, "source": TEXT, "reason": TEXT, "detail": TEXT})


class Shard(Document):
    """What stands beside signals.npy. accepted + rejected = found."""

    NAME = "shard"
    source: str
    shard: str                       # "2/5"
    found: int
    accepted: int
    rejected: int
    synthetic: bool
    recipe: dict[str, Any]           # name and every parameter
    recipe_digest: str
    rate: float                      # Hz, of signals.npy
    unit: str                        # of one signals.npy step: "z" (per-lead z-score) or "mV"
    dtype: str
    leads: tuple[str, ...] = LEADS
    classes: tuple[str, ...]         # class codes, the order of the y_ columns
    labels_digest: str
    digest: str                      # of signals, records and the two digests above
    versions: dict[str, str]
    example: str | None = None       # record whose first ten seconds example.npy holds, (samples, leads) mV as recorded


# ------------------------------------------------------------------------------------------------------------ SPLIT

SPLIT = Table("split", 1, {"record": TEXT, "source": TEXT, "patient": TEXT, "fold": WHOLE, "part": TEXT})


class SplitInfo(Document):
    """How split.parquet came about, and what is known of its leaks."""

    NAME = "split"
    method: str
    seed: int
    counts: dict[str, int]           # recordings a part
    audit: dict[str, Any]            # patient_overlap, duplicate_overlap: a count or "unknown"; by source
    corpus_digest: str
    digest: str                      # of split.parquet's rows
    synthetic: bool


# ----------------------------------------------------------------------------------------------------------- SAMPLE


class ModelSpec(Part):
    """An architecture: family and its own hyperparameters (see models/)."""

    family: Literal["regnet", "convnext", "vit", "resnet"]
    params: dict[str, float | int | str | None]


class OptimizerSpec(Part):
    name: Literal["sgd", "sgdm", "adamw"]
    lr: float = Field(gt=0)
    weight_decay: float = Field(0.0, ge=0)
    momentum: float = Field(0.0, ge=0, lt=1)


class LossSpec(Part):
    name: Literal["asymmetric", "bce"] = "asymmetric"
    reduction: Literal["sum", "mean"] = "mean"
    gamma_neg: float = 4.0
    gamma_pos: float = 1.0
    clip: float = 0.05


class ScheduleSpec(Part):
    name: Literal["exponential", "cosine", "constant"] = "exponential"
    gamma: float = 0.98              # exponential: factor an epoch
    warmup: float = 0.0              # share of all steps, linear from 0


class RunSpec(Part):
    """One training run, completely. `run_id` is the digest of everything else."""

    run_id: str
    study: str
    model: ModelSpec
    leads: tuple[str, ...] = LEADS
    window: int = Field(1024, gt=0)  # samples at the recipe's rate
    recipe: str = "study"
    optimizer: OptimizerSpec
    loss: LossSpec = LossSpec()
    schedule: ScheduleSpec = ScheduleSpec()
    batch_size: int = Field(32, gt=0)
    epochs: int = Field(20, gt=0)
    clip_norm: float | None = 1.0
    patience: int | None = None      # epochs without a better validation loss before it stops early
    augment: tuple[str, ...] = ()
    data_fraction: float = Field(1.0, gt=0, le=1)
    precision: Literal["float32", "bf16", "auto"] = "float32"
    seed: int = 0

    @classmethod
    def make(cls, **values: Any) -> RunSpec:
        spec = cls(run_id="", **values)
        return spec.model_copy(update={"run_id": digest(spec.model_dump(mode="json", exclude={"run_id"}), 12)})


class Ledger(Part):
    """What a run costs, counted and never measured. FLOPs: 2 a multiply-add, conv, linear and attention products."""

    params: int
    activations: int                 # elements that conv, linear and attention products write, one window forward
    forward_flops: int               # one forward pass of one window
    step_flops: int                  # forward and backward of one window
    published_flops: int             # as the published tables count (length-1 input): for comparison only
    weight_bytes: int                # float32
    stages: int | None = None


class PlannedRun(Document):
    """A line of runs.jsonl."""

    NAME = "planned-run"
    spec: RunSpec
    ledger: Ledger


class Plan(Document):
    """What the study will cost, before anything is trained. Hours are estimates and say from what."""

    NAME = "plan"
    study: str
    seed: int
    runs: int
    rejected: dict[str, int]         # samples that broke a constraint, by constraint
    duplicates: int
    forward_flops: dict[str, float]  # quantiles over the runs: "0", "0.25", ...
    params: dict[str, float]
    train_flops: float | None        # whole study; None until the corpus size is known
    hours: list[dict[str, Any]]      # device, hours, estimate (bool), source
    train_records: int | None = None         # training recordings that train_flops and hours are for
    counts: dict[str, int] = {}      # runs by "family optimizer"
    thinned: int = 0                 # runs left out to stay within the study's budget


# ------------------------------------------------------------------------------- TRAIN: one folder a run (run_id)/
# weights.safetensors (the epoch chosen on validation), history.csv, run.json

HISTORY = Table("history", 1, {
    "epoch": WHOLE, "lr": REAL, "train_loss": REAL, "valid_loss": REAL, "clipped_share": REAL,
    "samples": WHOLE, "seconds": REAL, "data_wait_share": REAL,
}, prefixes={"valid_": REAL})

TUNING = Table("tuning", 1, {   # every trial of a learning rate; `group`: digest of what is tuned together
    "group": TEXT, "family": TEXT, "optimizer": TEXT, "params": REAL, "low": REAL, "high": REAL,
    "round": WHOLE, "epochs": WHOLE, "lr": REAL, "valid_loss": REAL, "status": TEXT,
    "kept": FLAG,           # for the next round; in the last one: chosen
    "edge": TEXT,           # of a chosen rate within 5 % of an end of the (logarithmic) range: "low", "high"; else ""
})

OPTIMA = Table("optima", 1, {   # the best learning rate of each group of a run table, and whether its range was too short
    "group": TEXT, "metric": TEXT, "runs": WHOLE, "run_id": TEXT, "value": REAL,
    "lr": REAL, "low": REAL, "high": REAL, "edge": TEXT,
})


class RunResult(Document):
    """How a run ended. `status`: finished, diverged or failed (then `reason` says why)."""

    NAME = "run"
    spec: RunSpec
    ledger: Ledger
    status: Literal["finished", "diverged", "failed"]
    reason: str = ""
    synthetic: bool
    corpus_digest: str
    split_digest: str
    code_digest: str
    classes: tuple[str, ...]
    train_records: int               # unique recordings seen in training
    samples_seen: int                # windows, all epochs
    train_flops: float               # step_flops x samples_seen
    best_epoch: int | None
    train_loss: float | None         # at the best epoch
    valid_loss: float | None
    clipped_share: float | None
    device: str
    threads: int
    precision: str                   # what ran
    seconds: float                   # of training, all attempts together
    device_seconds: float | None = None
    peak_memory_bytes: int | None = None
    energy_joules: float | None = None
    resumed: int = 0                 # how often it continued from a checkpoint
    notes: tuple[str, ...] = ()
    versions: dict[str, str]


# ---------------------------------------------------------------------------- EVALUATE: one folder a run (run_id)/
# predictions.parquet, metrics.csv, reliability.csv, recalibration.csv

PREDICTIONS = Table("predictions", 1, {"record": TEXT, "part": TEXT}, optional={
    "synthetic": FLAG,
    "patient": TEXT,
    "loss": REAL,           # the run's own loss, mean over windows and classes
    "gained": REAL, "possible": REAL,   # at 0.5: the Challenge score of any recordings is sum(gained) / sum(possible)
}, prefixes={"p_": REAL})   # p_<class code>: probability of the whole recording

METRICS = Table("metrics", 1, {
    "run_id": TEXT,
    "part": TEXT,           # valid or test
    "threshold": TEXT,      # "0.5", "tuned" or "specificity 0.95" (a class, on validation), or "" where none is used
    "group": TEXT,          # "all", or the kind: class, source, sex, age
    "value": TEXT,          # which class code, source, ...; "" for all
    "metric": TEXT,
    "estimate": REAL,       # null where undefined
    "low": REAL, "high": REAL,   # 95 % bootstrap interval; null where none
    "n": WHOLE,             # recordings
    "positives": WHOLE,     # where the group is a class
    "note": TEXT,
}, optional={"synthetic": FLAG})

RELIABILITY = Table("reliability", 1, {
    "run_id": TEXT, "part": TEXT,
    "value": TEXT,          # class code, "" for all classes together
    "bin": WHOLE, "low": REAL, "high": REAL, "n": WHOLE,
    "probability": REAL,    # mean of the bin
    "share": REAL,          # of positives
}, optional={"synthetic": FLAG})

RECALIBRATION = Table("recalibration", 1, {  # isotonic, fitted on validation: linear between the rows of a class
    "run_id": TEXT, "value": TEXT, "probability": REAL, "calibrated": REAL,
}, optional={"synthetic": FLAG})


# ---------------------------------------------------------------------------------------------------------- COLLECT

RUNS = Table("runs", 1, {
    "run_id": TEXT, "study": TEXT, "status": TEXT, "reason": TEXT, "synthetic": FLAG,
    "family": TEXT, "optimizer": TEXT, "lr": REAL, "weight_decay": REAL, "seed": WHOLE,
    "epochs": WHOLE, "data_fraction": REAL, "batch_size": WHOLE, "window": WHOLE, "recipe": TEXT, "leads": WHOLE,
    "loss": TEXT, "augment": TEXT, "precision": TEXT,
    "params": REAL, "forward_flops": REAL, "published_flops": REAL, "train_flops": REAL,
    "train_records": REAL, "samples_seen": REAL,
    "train_loss": REAL, "valid_loss": REAL, "clipped_share": REAL, "best_epoch": REAL,
    "seconds": REAL, "device": TEXT,
    "corpus_digest": TEXT, "split_digest": TEXT, "code_digest": TEXT,
}, optional={"peak_memory_bytes": REAL, "energy_joules": REAL, "test_loss": REAL, "activations": REAL,
             "configuration": TEXT},    # digest of everything but the seed: runs that share it differ by seed only
    prefixes={
        "hp_": REAL,        # hyperparameters of the family: hp_depth, hp_w_m, ...; null where not of this family
        "valid_": REAL,     # valid_challenge_score, valid_auroc, ...
        "test_": REAL,      # test_challenge_score, test_challenge_score_low, test_challenge_score_high, ...
                            # ending _tuned, _tuned_low, _tuned_high: at the tuned thresholds
    })

DIFFERENCES = Table("differences", 1, {  # paired, on the test part
    "run_id": TEXT, "reference": TEXT,   # the run that validation chose
    "metric": TEXT, "difference": REAL, "low": REAL, "high": REAL,   # run minus reference, 95 % interval
    "probability": REAL,                 # share of replicates in which the run is at least as good
    "n": WHOLE,
}, optional={"synthetic": FLAG})

NOISE = Table("noise", 1, {  # seed noise beside sampling noise
    "configuration": TEXT,  # "" for all that were trained with several seeds, pooled
    "family": TEXT, "optimizer": TEXT, "metric": TEXT, "seeds": WHOLE, "mean": REAL,
    "seed_deviation": REAL,       # standard deviation between seeds
    "sampling_error": REAL,       # standard error over patients, mean of the runs
}, optional={"synthetic": FLAG})

SOURCES = Table("sources", 1, {  # what a model is worth on a source that its training knew, or did not
    "run_id": TEXT, "configuration": TEXT, "source": TEXT,
    "left_out": FLAG,       # of training
    "metric": TEXT, "estimate": REAL, "low": REAL, "high": REAL, "n": WHOLE,
    "internal": REAL,       # the same metric on the run's validation part
    "note": TEXT,
}, optional={"synthetic": FLAG})


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


# -------------------------------------------------------------------------------------------------------------- FIT


class LawFit(Part):
    """One law fitted to one subset of a run table."""

    law: str                         # name in scaling.LAWS
    subset: str                      # "all", "optimizer=adamw", ...
    x: tuple[str, ...]               # columns
    y: str
    points: int
    verdict: Literal["identified", "not identifiable", "failed"]
    reason: str = ""
    formula: str
    estimates: dict[str, float | None]
    errors: dict[str, float | None] = {}
    intervals: dict[str, tuple[float | None, float | None]] = {}   # 90 % run-level bootstrap
    level: float = 0.9
    covariance: list[list[float | None]] | None = None
    statistics: dict[str, Any] = {}  # rmse_log, aic, weight, held_out_error, ...


class Laws(Document):
    """laws.json."""

    NAME = "laws"
    table_digest: str
    synthetic: bool
    runs: int
    fits: tuple[LawFit, ...]
    disabled: dict[str, str] = {}    # analysis -> the column it misses or why it says nothing
    allocation: list[dict[str, Any]] = []
    differences: list[dict[str, Any]] = []   # exponents of two groups: law, x, y, exponent, groups, estimate, low, high
    versions: dict[str, str]


LAW_TABLE = Table("law-table", 1, {   # laws.csv: laws.json as rows, one a parameter
    "law": TEXT, "subset": TEXT, "x": TEXT, "y": TEXT, "points": WHOLE, "verdict": TEXT, "reason": TEXT,
    "parameter": TEXT, "estimate": REAL, "error": REAL, "low": REAL, "high": REAL,
    "profile_low": REAL, "profile_high": REAL,
    "weight": REAL,         # information weight among the laws of the same points
    "rmse_log": REAL, "held_out_rmse_log": REAL,
})

class Speed(Document):
    """speed.json, beside latency.parquet: what the measured latencies say of nets that were not measured."""

    NAME = "speed"
    models: int
    laws: tuple[LawFit, ...]         # subset: "machine=..., runtime=..., device=..., option=..."; y: p50_ms
    predictor: list[dict[str, Any]]  # model, scheme, statistic, estimate, n: error on nets held out
    speedups: list[dict[str, Any]]   # a setting against torch eager on the CPU: model, ..., ratio, low, high
    disabled: dict[str, str] = {}
    versions: dict[str, str]


FRONTIER = Table("frontier", 1, {
    "axes": TEXT,           # "score~forward_flops"
    "group": TEXT,          # "all" or "optimizer=adamw", or "published"
    "run_id": TEXT, "x": REAL, "y": REAL,
    "probability": REAL,    # of belonging to the front (bootstrap); null where it cannot be told
    "on_front": FLAG,
}, optional={
    "z": REAL,                              # third axis
    "y_low": REAL, "y_high": REAL,          # 95 % interval of y: recordings, and seeds where they were repeated
    "seeds": WHOLE,                         # runs of this configuration; y is their mean, run_id the first one
    "setting": TEXT,                        # latency axes: runtime, device and option that x was measured with
    # of the row's axes and group, the same in all its rows: score x decades of each cost, and its 95 % interval
    "hypervolume": REAL, "hypervolume_low": REAL, "hypervolume_high": REAL,
})

IMPORTANCE = Table("importance", 1, {
    "group": TEXT, "model": TEXT, "feature": TEXT, "measure": TEXT,   # gini, permutation, shap
    "estimate": REAL, "low": REAL, "high": REAL, "spearman": REAL, "note": TEXT,
}, optional={"first": REAL})  # share of the bootstrap draws in which this feature comes first

PREDICTED = Table("predicted", 1, {   # true against predicted, one row a run and fold
    "model": TEXT, "scheme": TEXT, "fold": WHOLE, "run_id": TEXT, "group": TEXT, "truth": REAL, "prediction": REAL,
})


class Predictor(Document):
    """predictor.json: how well hyperparameters predict the score."""

    NAME = "predictor"
    table_digest: str
    synthetic: bool
    runs: int
    target: str
    features: tuple[str, ...]
    warning: str = ""                # set where there are too few runs to say much
    results: list[dict[str, Any]]    # model, scheme, statistic, group, estimate, low, high, n
    excluded: dict[str, int] = {}    # runs left out, by status
    correlated: list[dict[str, Any]] = []   # pairs of features: first, second, spearman
    dependence: list[dict[str, Any]] = []   # partial dependence: group, model, feature, grid, estimate, low, high
    claims: list[dict[str, Any]] = []       # the study's findings on this table: claim, verdict, evidence, published
    disabled: dict[str, str] = {}
    versions: dict[str, str]


def concatenated_digest(parts: Iterable[str]) -> str:
    """Digest of a corpus from the digests of its shards: independent of their order."""
    return digest(sorted(parts))


