"""The study file: what is asked, in one YAML or JSON file, and its errors with file, line and field.

A study holds the science (ranges, recipe, seeds, protocol); where and how big is the pipeline's configuration. Every
section has defaults, so a file may hold only the sections that a command needs. `assets/studies/study.schema.json` is
the JSON Schema of these classes, for editors and other programs; a test keeps the two equal.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args, get_type_hints

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from ecgscale.contracts import LEADS, RUNTIMES
from ecgscale.design import marked_yaml
from ecgscale.design.axes import Range, choices, ends
from ecgscale.design.run_group import (
    LEAST_WINDOW,
    MOST_WINDOW,
    LeadNames,
    Recipes,
    RunGroup,
    Section,
    Window,
    samples_of,
    sets_of,
)
from ecgscale.design.scale import Scale
from ecgscale.ecg.recipe import RECIPES
from ecgscale.errors import UserError
from ecgscale.models.architecture import RejectedError
from ecgscale.models.complexity import FAMILIES, SIZES


class Data(Section):
    """Preparation recipe and label set by name, and how much may be rejected, or match nothing, before a run stops."""

    recipe: Recipes = "study"
    """Filter, rate and normalization by name: see docs/explanation/preparation.md. Of a list, the first prepares the
    corpus that is described and split, the others the same recordings again, for groups of runs that ask for them."""
    labels: str = "physionet2021"
    """Label set, a folder in assets/labels; the parameter --labels goes before it."""
    likelihood: float = Field(0.0, ge=0, le=100)
    """Percent below which a diagnostic statement of PTB-XL does not count."""
    max_rejected: float = Field(0.05, ge=0, le=1)
    """Largest share of a shard's recordings that may be rejected."""
    max_unmatched: float = Field(0.5, ge=0, le=1)
    """Largest share of the rows of a table of yours that may name no recording."""
    leads: LeadNames = LEADS
    """Leads that are prepared, by name. A limb lead that is not recorded is reckoned from two that are."""
    window: Window = 1024
    """Samples of an input, at the recipe's rate, or seconds: `2.048 s`."""

    @property
    def recipes(self) -> tuple[str, ...]:
        return choices(self.recipe)

    @field_validator("recipe")
    @classmethod
    def each_once(cls, recipe: str | tuple[str, ...]) -> str | tuple[str, ...]:
        if len(set(choices(recipe))) < len(choices(recipe)):
            raise ValueError("a recipe is named twice")
        return recipe

    @field_validator("leads")
    @classmethod
    def in_standard_order(cls, leads: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(lead for lead in LEADS if lead in leads)


class Split(Section):
    """How recordings are parted into train, valid and test."""

    method: Literal["patients", "records", "leave-source-out", "column"] = "patients"
    """`patients` keeps a patient's recordings together, `records` does not, `leave-source-out` tests on one source,
    `column` takes the folds of the patients tables."""
    seed: int = 1
    """Decides which recordings come together."""
    held_out: str | None = None
    """For `leave-source-out`: the source that is the test part, or `<source>/<site>` of a patients table with sites."""


class Evaluation(Section):
    """Whole recordings in fixed windows, `stride` samples apart (null: one window's length)."""

    bootstrap: int = Field(1000, ge=0, le=1_000_000)
    """Replicates of the intervals of scores."""
    aggregation: Literal["mean", "max"] = "mean"
    """How a recording's probability comes from those of its windows."""
    specificity: float = Field(0.95, gt=0, lt=1)
    """Specificity on validation at which sensitivities are given."""
    stride: int | None = Field(None, ge=1)
    """Samples from one window to the next. null: one window's length."""
    examples: int = Field(2, ge=0, le=6)
    """Test recordings each, surely right, surely wrong and least sure, whose first 10 s the report draws as ECGs. 0: no
    signal leaves the corpus."""


RuntimeName = Literal[RUNTIMES]
RuntimeOption = Annotated[str, Field(pattern=r"^[a-z]+=[a-z0-9]+(;[a-z]+=[a-z0-9]+)*$", max_length=200)]


class Deploy(Section):
    """Which models are exported, to what, and how their latency is measured."""

    top: int = Field(3, ge=0)
    """Models that are exported, of a network its best run on validation: the best of each family, then the next."""
    formats: tuple[Literal["torch", "onnx", "openvino", "coreml", "executorch", "executorch-coreml", "tflite"], ...] = (
        "onnx", "openvino", "coreml")
    """Formats of the files."""
    precisions: tuple[Literal["float32", "float16", "int8"], ...] = ("float32", "float16", "int8")
    """Precisions of the files."""
    margin: float = Field(0.01, ge=0, le=1)
    """Largest loss of Challenge score that is accepted of a file."""
    check_records: int | None = Field(None, ge=1)
    """Test recordings that each file is compared on. null: the whole fold."""
    runtimes: tuple[RuntimeName, ...] = ("torch", "onnxruntime", "openvino")
    """Runtimes whose latency is measured by `ecg-bench`; the pipeline's `--runtimes` goes before it."""
    levels: Literal["few", "all"] = "few"
    """How many of the options that each runtime offers are measured."""
    options: dict[RuntimeName, tuple[RuntimeOption, ...]] = Field({})
    """Further options by runtime, as `openvino: ["hint=latency;streams=2"]`."""
    scenarios: Annotated[tuple[Literal["stream", "throughput"], ...], Field(min_length=1)] = ("stream",)
    """`stream`: one call after the other. `throughput`: several at a time."""
    batch: tuple[Annotated[int, Field(ge=1)], ...] = (1,)
    """Windows a call; a file is made for each."""
    repeats: int = Field(2, ge=1, le=1000)
    """Rounds in which everything is measured, each in a new random order."""
    min_count: int = Field(50, ge=1, le=1_000_000)
    """Fewest timed calls of a measurement."""
    min_seconds: float = Field(0.5, ge=0, le=3600)
    """Shortest duration of a measurement, in seconds."""


class Spending(Section):
    """A training budget: FLOPs, or hours on a device of assets/devices.csv or of the runs, by its name."""

    flops: float | None = Field(None, gt=0, allow_inf_nan=False)
    """Training FLOPs."""
    hours: float | None = Field(None, gt=0, allow_inf_nan=False)
    """Hours of training on `device`."""
    device: str | None = Field(None, min_length=1)
    """As assets/devices.csv names it, or the runs' `device`."""

    @model_validator(mode="after")
    def check(self) -> Self:
        if (self.flops is None) == (self.hours is None) or (self.hours is None) != (self.device is None):
            raise ValueError("give flops, or hours with a device")
        return self


class TableColumns(Section):
    """What the columns of a run table of anyone's mean (`--runs`), where their names do not say it. The same as the
    options of `ecg-fit`, which go before it; see docs/reference/columns.md."""

    map: dict[str, str] = Field({})
    """Our name of a column: its name in the table."""
    unused: tuple[str, ...] = ()
    """Columns that are not to be read."""
    response: tuple[str, ...] = ()
    """Columns to explain. None: `target`, else every score and loss."""
    seed_column: str | None = None
    """Column of what alone differs between repeats."""
    configuration: tuple[str, ...] = ()
    """Columns that define a run but for its seed: rows that share these are repeats."""
    where: dict[str, str] = Field({})
    """A column's name in the table: the value of the rows to read."""
    derive: dict[str, str] = Field({})
    """A column to be made: arithmetic of others, as `train_flops/6/params`."""


class Analysis(Section):
    """Bootstrap replicates and target column of the laws and of the predictor; budgets for which the laws name the best
    model size, samples, epochs and optimizer."""

    bootstrap: int = Field(300, ge=0, le=1_000_000)
    """Replicates of the bootstrap that stands beside the laws' intervals."""
    target: str = "test_challenge_score"
    """Column of the run table that the laws are about: a score, of which more is better."""
    budgets: tuple[Spending, ...] = ()
    """What could be spent on training."""
    columns: TableColumns = TableColumns()
    """What the columns of a given run table mean."""

    @field_validator("target")
    @classmethod
    def is_a_score(cls, target: str) -> str:
        """Fronts and the best run are those of the highest target; `loss` in a run table is a setting, and text."""
        if target.endswith(("loss", "error")):
            raise ValueError(f"{target!r} is no score: less of it is better. Give a score, as test_auroc; "
                             "the laws of test_loss are fitted beside it")
        return target


class Tuning(Section):
    """Learning rates that are tuned before the runs are trained, for each optimizer with a range of rates.

    Successive halving on the validation loss: `trials` rates, evenly spaced on the logarithm of the range, each trained
    for `epochs`; the better half for twice as long, anew; and so on. Networks of one family and optimizer are parted
    into `sizes` groups by number of parameters, and a group takes the rate of its median network; null: each network
    is tuned for itself.
    """

    method: Literal["halving"] = "halving"
    """Successive halving."""
    trials: int = Field(8, ge=2, le=1000)
    """Rates of the first round."""
    epochs: int = Field(1, ge=1, le=10_000)
    """Epochs of the first round."""
    sizes: int | None = Field(None, ge=1)
    """Groups of networks that share a rate, by number of parameters. null: each network has its own."""


class Budget(Section):
    """Limits on the whole study: samples are left out evenly until it fits. One in hours may keep others next time."""

    train_flops: float | None = Field(None, gt=0)
    """Training FLOPs in all."""
    hours: float | None = Field(None, gt=0)
    """Hours on the machine that draws the runs, by timed training steps."""
    records: int | None = Field(None, ge=1)
    """Training recordings to reckon with, where there is no split yet."""


class Study(BaseModel):
    """A whole study. `seed` decides every draw of the sampler."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=60)
    """Part of every run's id."""
    description: str = ""
    """For readers."""
    seed: int = Field(1, ge=0)
    """Decides every draw of the sampler."""
    data: Data = Data()
    """How recordings are prepared."""
    split: Split = Split()
    """How they are parted."""
    runs: tuple[RunGroup, ...] = ()
    """What is trained."""
    tuning: Tuning | None = None
    """Whether learning rates are tuned before. null: they are drawn like any other axis."""
    budget: Budget = Budget()
    """What the whole study may cost."""
    scale: Scale | None = None
    """Whether larger scales follow, round by round. null: the study's runs are all."""
    evaluation: Evaluation = Evaluation()
    """How runs are judged."""
    deploy: Deploy = Deploy()
    """What is exported and timed."""
    analysis: Analysis = Analysis()
    """What the laws are asked."""

    @model_validator(mode="after")
    def check(self) -> Self:
        if self.tuning and any(group.distill for group in self.runs):
            raise ValueError("tuning: a teacher is known by its learning rate. Give rates where a group distils")
        optimizers = [optimizer for group in self.runs for optimizer in group.optimizers]
        if self.tuning and not any(len(set(ends(optimizer.lr))) > 1 for optimizer in optimizers):
            raise ValueError("tuning: no optimizer has a range of learning rates, as lr: {low: 1e-4, high: 1e-1}")
        return self


def spending(text: str) -> Spending:
    """A budget in words: "1e18" (FLOPs) or "24 h NVIDIA L4". Raises UserError."""
    hours = re.fullmatch(r"\s*(\S+)\s*h(?:ours?)?\s+(?:on\s+)?(.+?)\s*", text)
    try:
        return Spending(hours=float(hours[1]), device=hours[2]) if hours else Spending(flops=float(text))
    except ValueError:
        raise UserError(f"{text!r} is no budget", field="--budget",
                        remedy="Give FLOPs (1e18) or hours on a device ('24 h NVIDIA L4')") from None


def read_study(path: Path | str) -> Study:
    """Read and check a study file (YAML or JSON). Raises UserError with file, line, field and remedy."""
    values, tree = marked_yaml.read(path)
    try:
        study = Study.model_validate(values)
    except ValidationError as error:
        raise explained(error, tree, Path(path)) from None
    for loc, problem, remedy in misplaced(study):
        place, line = marked_yaml.located(tree, loc)
        raise UserError(problem, file=path, line=line, field=".".join(map(str, place)), remedy=remedy)
    return study


def instead(deploy: Deploy, **given: str | None) -> Deploy:
    """The section with what a command line says instead, lists joined by ','. Raises UserError with the option."""
    said = {name: text.split(",") if isinstance(getattr(deploy, name), tuple) else text
            for name, text in given.items() if text is not None}
    try:
        return Deploy.model_validate(deploy.model_dump() | said)
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"{first['input']!r}: {first['msg']}", field=f"--{first['loc'][0]}") from None


def misplaced(study: Study) -> Iterator[tuple[tuple, str, str]]:
    """Spaces and models that are none of their family's: location, problem, remedy."""
    for place, group in enumerate(study.runs):
        lacking = [lead for one in sets_of(group.leads or study.data.leads) for lead in one
                   if lead not in study.data.leads]
        if lacking:
            yield ("runs", place, "leads"), f"data.leads has no {lacking[0]}", f"It has {', '.join(study.data.leads)}"
        for recipe in choices(group.recipe) if group.recipe else ():
            if recipe not in study.data.recipes:
                yield (("runs", place, "recipe"), f"data.recipe does not list {recipe!r}",
                       f"It lists {', '.join(study.data.recipes)}")
        for window in choices(group.window or study.data.window):
            for recipe in set(choices(group.recipe or study.data.recipes[0])) & set(RECIPES):
                if not LEAST_WINDOW <= samples_of(window, RECIPES[recipe].rate) <= MOST_WINDOW:
                    yield (("runs", place, "window"), f"{window} at {RECIPES[recipe].rate:g} Hz is no window",
                           f"Give {LEAST_WINDOW} to {MOST_WINDOW:,} samples")
        family = FAMILIES[group.family]
        kinds = get_type_hints(family, include_extras=True)
        for name, axis in group.space.items():
            loc = ("runs", place, "space", name)
            if name not in kinds:
                near = difflib.get_close_matches(name, kinds, n=1)
                remedy = f"Did you mean {near[0]!r}?" if near else "Known: " + ", ".join(kinds)
                yield loc, f"{group.family} has no hyperparameter {name!r}", remedy
                continue
            allowed = TypeAdapter(kinds[name])
            for value in choices(axis) or ends(axis):
                try:
                    allowed.validate_python(value)
                except ValidationError as error:
                    yield loc, f"{value!r}: {error.errors()[0]['msg']}", ""
            if isinstance(axis, Range) and axis.step is None and int in (kinds[name], *get_args(kinds[name])):
                yield loc, f"{name} takes whole numbers", "Give the range a step, e.g. step: 1"
        for part in fields(family):
            if group.space and part.default is MISSING and part.name not in group.space:
                yield ("runs", place, "space"), f"{part.name} is missing", f"{group.family} has no default for it"
        listed = {model for other in study.runs if not other.distill for model in other.models
                  if isinstance(model, str)}
        if group.distill and group.distill.teacher not in listed:
            yield (("runs", place, "distill", "teacher"), f"no group lists {group.distill.teacher!r} as a model",
                   f"Listed: {', '.join(sorted(listed)) or 'none by name'}")
        for turn, model in enumerate(group.models):
            yield from misplaced_model(group.family, model, ("runs", place, "models", turn))


def misplaced_model(family: str, model: str | dict[str, Any], loc: tuple) -> Iterator[tuple[tuple, str, str]]:
    if isinstance(model, str):
        if type(SIZES.get(model)) is not FAMILIES[family]:
            names = [name for name in SIZES if name.startswith(family)]
            yield loc, f"no {family} is named {model!r}", "Known: " + ", ".join(names)
        return
    try:
        FAMILIES[family](**model)
    except ValidationError as error:
        first = error.errors()[0]
        yield (*loc, *first["loc"]), f"{'.'.join(map(str, first['loc']))}: {first['msg']}", ""
    except RejectedError as error:
        yield loc, str(error), ""


def explained(error: ValidationError, tree: yaml.Node, path: Path) -> UserError:
    """The first mistake as a UserError; an unknown key before all others, since it may be why one is missing."""
    details = error.errors(include_url=False)
    detail = min(details, key=lambda found: found["type"] != "extra_forbidden")
    place, line = marked_yaml.located(tree, detail["loc"])
    field = ".".join(str(step) for step in place) or None
    if detail["type"] == "extra_forbidden":
        wrong = str(detail["loc"][-1])
        known = names_at(place[:-1] if wrong in map(str, place[-1:]) else place)    # YAML may spell it another way
        near = difflib.get_close_matches(wrong, known, n=1)
        return UserError(f"unknown key {wrong!r}", file=path, line=line, field=field,
                         remedy=f"Did you mean {near[0]!r}?" if near else "Known: " + ", ".join(known))
    if detail["type"] == "missing":
        field = ".".join(str(step) for step in (*place, detail["loc"][-1]))
        return UserError("is missing", file=path, line=line, field=field)
    return UserError(detail["msg"].removeprefix("Value error, "), file=path, line=line, field=field)


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


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a study file."""
    return Study.model_json_schema() | {"$schema": "https://json-schema.org/draft/2020-12/schema"}


if __name__ == "__main__":
    print(json.dumps(json_schema(), indent=2))
