"""What is trained, as a study file says it: groups of runs of one family, their space, optimizers and training."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, ConfigDict, Discriminator, Field, Tag, model_validator

from ecgscale.contracts import LEADS, LossSpec, Part, ScheduleSpec
from ecgscale.design.axes import Axis, Number, Scalar, Whole, one_or_more, within
from ecgscale.models.complexity import FAMILIES

LEAD_SETS = {12: LEADS, 6: LEADS[:6], 4: ("I", "II", "III", "V2"), 3: ("I", "II", "V2"), 2: ("I", "II")}
"""The reduced lead sets of PhysioNet/CinC Challenge 2021."""

AUGMENTATIONS = ("time_warp", "amplitude", "noise", "wander", "time_mask", "lead_dropout")


class Section(Part):
    """A part of a study. The text below a key describes it in the JSON Schema and in docs/reference/study/."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class Bounds(Section):
    """Inclusive limits; a missing one does not limit."""

    low: float | None = Field(None, ge=0)
    """The least that is kept."""
    high: float | None = Field(None, ge=0)
    """The most that is kept."""

    @model_validator(mode="after")
    def check(self) -> Self:
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"low {self.low:g} is above high {self.high:g}")
        return self

    def hold(self, value: float) -> bool:
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)


class Constraints(Section):
    """A sample outside is rejected and counted under the constraint's name, never repaired."""

    params: Bounds | None = None
    """Parameters of the network."""
    forward_flops: Bounds | None = None
    """FLOPs of one forward pass of one window."""
    stages: Bounds | None = None
    """Stages of the network. A Transformer has none, and is not limited."""


class OptimizerSpace(Section):
    """Ranges of one optimizer. Learning rate and decay are axes of the design space like any other."""

    name: Literal["sgd", "sgdm", "adamw"]
    """`sgdm` is SGD with momentum."""
    lr: Annotated[Number, within(0, open_low=True)]
    """Learning rate, above 0."""
    weight_decay: Annotated[Number, within(0)] = 0.0
    """Decay of the weights, at least 0."""
    momentum: Annotated[Number, within(0, 0.9999)] | None = None
    """At most 0.9999. null: 0.9 for sgdm, 0 for the others."""


class Distillation(Section):
    """Runs that learn the answers of a larger run of the same study beside the labels."""

    teacher: str = Field(min_length=1, max_length=60)
    """Name of its size, as another group of the study lists it (`regnet-2m`): the run of that size with the same data,
    recipe and seed, else with its group's first."""
    weight: float = Field(0.5, gt=0, le=1)
    """Share of the teacher's answers in the loss; the labels have the rest."""
    temperature: float = Field(2.0, gt=0, le=100)
    """By which both networks' logits are divided."""


class Training(Section):
    """How every run of a group is trained. Epochs, data fraction and batch size are axes too."""

    epochs: Annotated[Whole, within(1, 100_000)] = 20
    """Passes over the training recordings."""
    data_fraction: Annotated[Number, within(0, 1, open_low=True)] = 1.0
    """Share of the training recordings that is used."""
    longer: float = Field(0.0, ge=0, le=1)
    """How much longer smaller shares are trained: epochs x data_fraction^-longer, rounded. 1: as many steps for all."""
    batch_size: Annotated[Whole, within(1, 65_536)] = 32
    """Windows a step."""
    loss: LossSpec = LossSpec()
    """What training minimises."""
    schedule: ScheduleSpec = ScheduleSpec()
    """How the learning rate changes while a run is trained."""
    recompute: bool = False
    """Whether blocks keep no activations but make them again for the gradient: less memory, a third more arithmetic,
    the same gradients."""
    microbatches: int = Field(1, ge=1, le=65_536)
    """Parts of a batch whose gradients are accumulated. Less memory; batch norm sees a part at a time."""
    clip_norm: float | None = Field(1.0, gt=0)
    """Largest norm of a step's gradient; a larger one is scaled down. null: no limit."""
    patience: int | None = Field(None, ge=1)
    """Epochs without a better validation loss before a run stops early. null: it never does."""
    augment: tuple[Literal[AUGMENTATIONS], ...] = ()
    """What is done to each window of training, at random."""
    precision: Literal["float32", "bf16", "auto"] = "float32"
    """`auto` takes bf16 where the processor has the instructions and the network is large enough."""


LeadName = Literal[LEADS]
LeadCount = Literal[tuple(LEAD_SETS)]


def kind_of_leads(value: Any) -> str:
    """Which of its shapes a choice of leads has, so that a mistake is reported for that shape only."""
    if not isinstance(value, list | tuple):
        return "name" if isinstance(value, str) else "count"
    return "names" if all(isinstance(one, str) for one in value) else "sets"


def without_repeats(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise ValueError("a lead is named twice")
    return names


LeadNames = Annotated[tuple[LeadName, ...], Field(min_length=1), AfterValidator(without_repeats)]
OneOfSets = Annotated[Annotated[LeadCount, Tag("count")] | Annotated[LeadNames, Tag("names")],
                      Discriminator(kind_of_leads)]
LeadSets = Annotated[tuple[OneOfSets, ...], Field(min_length=1)]
Leads = Annotated[Annotated[LeadName, Tag("name")] | Annotated[LeadCount, Tag("count")]
                  | Annotated[LeadNames, Tag("names")] | Annotated[LeadSets, Tag("sets")], Discriminator(kind_of_leads)]
Recipe = Annotated[str, Field(min_length=1, max_length=60)]
Recipes = one_or_more(Recipe)
LEAST_WINDOW, MOST_WINDOW = 32, 1_000_000
Samples = Annotated[int, Field(ge=LEAST_WINDOW, le=MOST_WINDOW)]    # at the recipe's rate
Seconds = Annotated[str, Field(pattern=r"^[0-9]{1,5}(\.[0-9]{1,6})? ?s$")]     # "2.048 s"
Window = Annotated[Annotated[Samples, Tag("samples")] | Annotated[Seconds, Tag("seconds")],
                   Discriminator(lambda value: "seconds" if isinstance(value, str) else "samples")]

Windows = one_or_more(Window)


def samples_of(window: int | str, rate: float) -> int:
    """The length of an input at `rate` Hz: 1024, or "2.048 s" -> 1024 at 500 Hz."""
    return window if isinstance(window, int) else round(float(window.removesuffix("s")) * rate)


def sets_of(asked: Any) -> tuple[tuple[str, ...], ...]:
    """The lead sets that `leads` of a group asks for, each in the standard order."""
    sets = asked if kind_of_leads(asked) == "sets" else (asked,)
    names = [LEAD_SETS[one] if isinstance(one, int) else (one,) if isinstance(one, str) else one for one in sets]
    return tuple(tuple(lead for lead in LEADS if lead in one) for one in names)


class RunGroup(Section):
    """Runs of one family: a space, how to sample it, with which optimizers and seeds.

    `random` draws each axis independently, `sobol` covers the axes evenly (scrambled Sobol points), `grid` takes every
    combination, `list` takes `models` as they are. `count` samples are drawn for each optimizer (random, sobol).
    Every sample is trained once for each of `seeds`.
    """

    family: Literal[tuple(FAMILIES)]
    """Which kind of network."""
    sampler: Literal["random", "sobol", "grid", "list"] = "random"
    """How runs are taken from the space."""
    count: int | None = Field(None, ge=1, le=200_000)
    """Samples drawn for each optimizer; for `random` and `sobol` only, which need it."""
    space: dict[str, Axis] = Field({})
    """Hyperparameters of the family by name, each fixed, a list of choices or a range."""
    models: tuple[str | dict[str, Scalar], ...] = ()
    """Instead of a space, for `list`: names of sizes (`regnet-200k`), or hyperparameters of one network each."""
    optimizers: Annotated[tuple[OptimizerSpace, ...], Field(min_length=1)]
    """Each is combined with the whole space."""
    training: Training = Training()
    """How the runs are trained."""
    seeds: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)] = (0,)
    """Every sample is trained once for each."""
    leads: Leads | None = None
    """Leads that the networks see: names (`[I, II, V2]`, `II`) or a lead set of the Challenge 2021 by its number of
    leads; several sets as a list of these (`[12, [I, II], [II]]`). null: `data.leads`."""
    window: Windows | None = None
    """Samples of an input, or seconds (`2.048 s`), which are as long at every rate; one length or a list. null:
    `data.window`."""
    recipe: Recipes | None = None
    """How the signals are prepared, by name, or a list: one of `data.recipe` each. null: the first of them."""
    distill: Distillation | None = None
    """Whether a larger run teaches them. null: the labels alone."""
    constraints: Constraints = Constraints()
    """Samples outside are rejected."""

    @model_validator(mode="after")
    def check(self) -> Self:
        drawn = self.sampler in ("random", "sobol")
        if drawn and self.count is None:
            raise ValueError(f"sampler {self.sampler!r} needs a count")
        if not drawn and self.count is not None:
            raise ValueError(f"sampler {self.sampler!r} takes every combination: it has no count")
        if bool(self.models) == bool(self.space):
            raise ValueError("give either a space or a list of models")
        if (self.sampler == "list") != bool(self.models):
            raise ValueError("sampler 'list' takes models, the others a space")
        return self
