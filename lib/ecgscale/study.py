"""The study file: what is asked, in one YAML or JSON file, and its errors with file, line and field.

A study holds the science (ranges, recipe, seeds, protocol); where and how big is the pipeline's configuration. Every
section has defaults, so a file may hold only the sections that a command needs. `assets/studies/study.schema.json` is
the JSON Schema of these classes, for editors and other programs; a test keeps the two equal.
"""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError, model_validator

from ecgscale.contracts import LossSpec, Part, ScheduleSpec
from ecgscale.errors import UserError

FAMILIES = ("regnet", "convnext", "vit", "resnet")
AUGMENTATIONS = ("time_warp", "amplitude", "noise", "wander", "time_mask", "lead_dropout")
LARGEST_FILE = 1_000_000        # bytes; a study is a page or two
LARGEST_TREE = 100_000          # values once YAML aliases are written out


class Range(Part):
    """Values between `low` and `high`, both included; with `step`, low, low + step, ...; with `log`, log-uniform."""

    low: float | int
    high: float | int
    step: float | int | None = Field(None, gt=0)
    log: bool = False

    @model_validator(mode="after")
    def check(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"low {self.low:g} is above high {self.high:g}")
        if self.log and self.low <= 0:
            raise ValueError(f"a logarithmic range must start above 0, not at {self.low:g}")
        if self.log and self.step is not None:
            raise ValueError("a range is either logarithmic or has a step")
        return self

    def values(self) -> tuple[float | int, ...]:
        """Every value of a range with a step. Whole when `low` and `step` are whole."""
        count = int((self.high - self.low) / self.step * (1 + 1e-9)) + 1
        return tuple(round(self.low + place * self.step, 10) for place in range(count))


def shape_of(value: Any) -> str:
    """Which of its three shapes an axis has, so that a mistake is reported for that shape only."""
    return "range" if isinstance(value, dict | Range) else "choices" if isinstance(value, list | tuple) else "value"


def axis_of(scalar: Any) -> Any:
    """The type of one dimension of a space: a fixed value, equally likely choices, or a range."""
    choices = Annotated[tuple[scalar, ...], Field(min_length=1)]
    shapes = Annotated[scalar, Tag("value")] | Annotated[choices, Tag("choices")] | Annotated[Range, Tag("range")]
    return Annotated[shapes, Discriminator(shape_of)]


Scalar = int | float | str | None
Axis = axis_of(Scalar)
Number = axis_of(int | float)


class Bounds(Part):
    """Inclusive limits; a missing one does not limit."""

    low: float | None = Field(None, ge=0)
    high: float | None = Field(None, ge=0)

    @model_validator(mode="after")
    def check(self) -> Self:
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"low {self.low:g} is above high {self.high:g}")
        return self

    def hold(self, value: float) -> bool:
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)


class Constraints(Part):
    """A sample outside is rejected and counted under the constraint's name, never repaired."""

    params: Bounds | None = None
    forward_flops: Bounds | None = None
    stages: Bounds | None = None


class OptimizerSpace(Part):
    """Ranges of one optimizer. Learning rate and decay are axes of the design space like any other."""

    name: Literal["sgd", "sgdm", "adamw"]
    lr: Number
    weight_decay: Number = 0.0
    momentum: Number | None = None      # sgdm: 0.9 where nothing is given; the others have none

    @model_validator(mode="after")
    def check(self) -> Self:
        for field, least, most in (("lr", 0.0, float("inf")), ("weight_decay", 0.0, float("inf")),
                                   ("momentum", 0.0, 1.0)):
            low, high = extent(getattr(self, field))
            if low < least or high > most or (field == "lr" and low == 0) or (field == "momentum" and high == 1):
                raise ValueError(f"{field} must lie {'above 0' if field == 'lr' else 'in its range'}")
        return self


class Training(Part):
    """How every run of a group is trained. Axes (epochs, data_fraction, batch_size) may hold several values."""

    epochs: Number = 20
    data_fraction: Number = 1.0
    batch_size: Number = 32
    loss: LossSpec = LossSpec()
    schedule: ScheduleSpec = ScheduleSpec()
    clip_norm: float | None = Field(1.0, gt=0)
    patience: int | None = Field(None, ge=1)
    augment: tuple[Literal[AUGMENTATIONS], ...] = ()
    precision: Literal["float32", "bf16", "auto"] = "float32"

    @model_validator(mode="after")
    def check(self) -> Self:
        low, high = extent(self.data_fraction)
        if low <= 0 or high > 1:
            raise ValueError("data_fraction must lie above 0 and at most at 1")
        for field in ("epochs", "batch_size"):
            if extent(getattr(self, field))[0] < 1:
                raise ValueError(f"{field} must be at least 1")
        return self


def extent(axis: Number | None) -> tuple[float, float]:
    """Smallest and largest value of a numeric axis."""
    if axis is None:
        return 0.0, 0.0
    if isinstance(axis, Range):
        return axis.low, axis.high
    values = axis if isinstance(axis, tuple) else (axis,)
    return min(values), max(values)


class RunGroup(Part):
    """Runs of one family: a space, how to sample it, with which optimizers and seeds.

    `random` draws each axis independently, `sobol` covers the axes evenly (scrambled Sobol points), `grid` takes every
    combination, `list` takes `models` as they are. `count` samples are drawn for each optimizer (random, sobol).
    Every sample is trained once for each of `seeds`.
    """

    family: Literal[FAMILIES]
    sampler: Literal["random", "sobol", "grid", "list"] = "random"
    count: int | None = Field(None, ge=1, le=1_000_000)
    space: dict[str, Axis] = Field({})
    models: tuple[str | dict[str, Scalar], ...] = ()     # names of sizes, or hyperparameters
    optimizers: Annotated[tuple[OptimizerSpace, ...], Field(min_length=1)]
    training: Training = Training()
    seeds: Annotated[tuple[int, ...], Field(min_length=1)] = (0,)
    leads: int | Annotated[tuple[int, ...], Field(min_length=1)] = 12
    window: int | Annotated[tuple[int, ...], Field(min_length=1)] | None = None     # None: data.window
    constraints: Constraints = Constraints()

    @model_validator(mode="after")
    def check(self) -> Self:
        if self.sampler in ("random", "sobol") and self.count is None:
            raise ValueError(f"sampler {self.sampler!r} needs a count")
        if self.sampler in ("grid", "list") and self.count is not None:
            raise ValueError(f"sampler {self.sampler!r} takes every combination: it has no count")
        if (self.sampler == "list") != bool(self.models):
            raise ValueError("sampler 'list' needs models, and no other sampler takes them")
        if self.sampler == "list" and self.space:
            raise ValueError("sampler 'list' takes models, not a space")
        return self


class Data(Part):
    """Preparation recipe by name, and how much may be rejected before a run stops."""

    recipe: str = "study"
    max_rejected: float = Field(0.05, ge=0, le=1)
    window: int = Field(1024, ge=32, le=1_000_000)      # samples at the recipe's rate


class Split(Part):
    """How recordings are parted into train, valid and test."""

    method: Literal["patients", "records", "leave-source-out", "column"] = "patients"
    seed: int = 1
    held_out: str | None = None      # leave-source-out: the source that is the test part


class Evaluation(Part):
    """Whole recordings in fixed windows, `stride` samples apart (null: one window's length)."""

    bootstrap: int = Field(1000, ge=0, le=1_000_000)
    aggregation: Literal["mean", "max"] = "mean"
    stride: int | None = Field(None, ge=1)


class Deploy(Part):
    """Which models are exported, to what, and how their latency is measured."""

    top: int = Field(3, ge=0)
    formats: tuple[Literal["torch", "onnx", "openvino", "coreml"], ...] = ("onnx", "openvino", "coreml")
    precisions: tuple[Literal["float32", "float16", "int8"], ...] = ("float32", "float16", "int8")
    margin: float = Field(0.01, ge=0, le=1)      # largest loss of Challenge score that is accepted
    runtimes: tuple[Literal["torch", "onnxruntime", "openvino", "coreml"], ...] = ("torch", "onnxruntime", "openvino")
    batch: tuple[Annotated[int, Field(ge=1)], ...] = (1,)
    repeats: int = Field(2, ge=1)
    min_count: int = Field(50, ge=1)
    min_seconds: float = Field(0.5, ge=0)


class Analysis(Part):
    """Bootstrap replicates and target column of the laws and of the predictor."""

    bootstrap: int = Field(300, ge=0, le=1_000_000)
    target: str = "test_challenge_score"


class Budget(Part):
    """Limits on the whole study; a sample that would cost more is thinned evenly."""

    train_flops: float | None = Field(None, gt=0)
    hours: float | None = Field(None, gt=0)      # on this machine, by the plan's calibration


class Study(BaseModel):
    """A whole study. `seed` decides every draw of the sampler."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=60)
    description: str = ""
    seed: int = Field(1, ge=0)
    data: Data = Data()
    split: Split = Split()
    runs: tuple[RunGroup, ...] = ()
    budget: Budget = Budget()
    evaluation: Evaluation = Evaluation()
    deploy: Deploy = Deploy()
    analysis: Analysis = Analysis()


# ----------------------------------------------------------------------------------------------------- reading a file


class Loader(yaml.SafeLoader):
    """SafeLoader that reads 1e-3 as a number, as YAML 1.2 and JSON do, and refuses a key named twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen and key.value != "<<":
                raise yaml.constructor.ConstructorError(None, None, f"{key.value!r} is given twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


Loader.yaml_implicit_resolvers = {key: list(rules) for key, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()}
Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+$"), list("-+.0123456789"))


def read_study(path: Path | str) -> Study:
    """Read and check a study file (YAML or JSON). Raises UserError with file, line, field and remedy."""
    path = Path(path)
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise UserError(f"larger than {LARGEST_FILE} bytes", file=path, remedy="A study file is a page of YAML")
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, IsADirectoryError):
        raise UserError("no such file", file=path, remedy="Name a study file, e.g. assets/studies/mini.yaml") from None
    except UnicodeDecodeError:
        raise UserError("not UTF-8 text", file=path) from None
    loader = Loader(text)
    try:
        tree = loader.get_single_node()
        if not isinstance(tree, yaml.MappingNode):
            raise UserError("holds no mapping of sections", file=path, line=1, remedy="Start with `name: my-study`")
        if tree_size(tree, {}) > LARGEST_TREE:
            raise UserError("aliases unfold into too many values", file=path, line=1)
        values = loader.construct_document(tree)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise UserError(f"not valid YAML: {error.problem}", file=path, line=line) from None
    finally:
        loader.dispose()
    try:
        return Study.model_validate(values)
    except ValidationError as error:
        raise explained(error, tree, path) from None


def tree_size(node: yaml.Node, sizes: dict[int, int]) -> float:
    """Values below a node with aliases written out; infinite when an alias holds itself."""
    if id(node) not in sizes:
        sizes[id(node)] = float("inf")
        parts = [part for pair in node.value for part in pair] if isinstance(node, yaml.MappingNode) else node.value
        sizes[id(node)] = 1 + (0 if isinstance(node, yaml.ScalarNode) else sum(tree_size(p, sizes) for p in parts))
    return sizes[id(node)]


def explained(error: ValidationError, tree: yaml.Node, path: Path) -> UserError:
    """The first mistake as a UserError."""
    detail = error.errors(include_url=False)[0]
    place, line = located(tree, detail["loc"])
    field = ".".join(str(step) for step in place) or None
    if detail["type"] == "extra_forbidden":
        wrong = str(place[-1])
        near = difflib.get_close_matches(wrong, names_at(place[:-1]), n=1)
        return UserError(f"unknown key {wrong!r}", file=path, line=line, field=field,
                         remedy=f"Did you mean {near[0]!r}?" if near else "Known: " + ", ".join(names_at(place[:-1])))
    if detail["type"] == "missing":
        field = ".".join(str(step) for step in (*place, detail["loc"][-1]))
        return UserError("is missing", file=path, line=line, field=field)
    return UserError(detail["msg"].removeprefix("Value error, "), file=path, line=line, field=field)


def located(node: yaml.Node, loc: tuple) -> tuple[list[str | int], int]:
    """Follow pydantic's location through the YAML tree: the steps that exist in the file, and the last one's line.

    Steps that name a member of a union ("Range", "tuple[...]") are not in the file and are passed over.
    """
    place, line = [], node.start_mark.line + 1
    for step in loc:
        if isinstance(node, yaml.MappingNode):
            pair = next(((key, value) for key, value in node.value if key.value == step), None)
            if pair is None:
                continue
            line, node = pair[0].start_mark.line + 1, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line + 1
        else:
            continue
        place.append(step)
    return place, line


def names_at(place: list[str | int]) -> list[str]:
    """The keys that the section at `place` knows."""
    schema = Study.model_json_schema()
    node = schema
    for step in place:
        if isinstance(step, int):
            node = node.get("items", {})
        else:
            node = node.get("properties", {}).get(step) or node.get("additionalProperties") or {}
        for shape in node.get("oneOf", node.get("anyOf", [node])):    # an axis, or a section that may be null
            if "$ref" in shape:
                node = schema["$defs"][shape["$ref"].rsplit("/", 1)[1]]
    return list(node.get("properties", {}))
