"""Runs and what they will cost: what SAMPLE and TUNE write."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from ecgscale.contracts.corpus import LEADS
from ecgscale.contracts.digests import digest
from ecgscale.contracts.files import Document, Part
from ecgscale.contracts.names import FAMILIES
from ecgscale.contracts.reading import ContractError
from ecgscale.contracts.tables import FLAG, REAL, TEXT, WHOLE, Table


class ModelSpec(Part):
    """An architecture: family and its own hyperparameters (see models/)."""

    family: Literal[FAMILIES]
    """Which network."""
    params: dict[str, float | int | str | None]
    """Its hyperparameters, by name (see models/)."""


class OptimizerSpec(Part):
    """What moves the weights."""

    name: Literal["sgd", "sgdm", "adamw"]
    """`sgdm`: SGD with momentum."""
    lr: float = Field(gt=0)
    """Learning rate."""
    weight_decay: float = Field(0.0, ge=0)
    """On weights of two or more dimensions; decoupled for `adamw`, in the gradient otherwise."""
    momentum: float = Field(0.0, ge=0, lt=1)
    """Of `sgdm`; 0 stands for 0.9."""


class LossSpec(Part):
    """The asymmetric loss (Ridnik et al. 2021), or binary cross-entropy."""

    name: Literal["asymmetric", "bce"] = "asymmetric"
    """`bce` has no parameters but `reduction`."""
    reduction: Literal["sum", "mean"] = "mean"
    """Over the classes and windows of a batch."""
    gamma_neg: float = 4.0
    """Focusing of the negatives."""
    gamma_pos: float = 1.0
    """Focusing of the positives."""
    clip: float = 0.05
    """By how much the probability of a negative is lowered."""


class ScheduleSpec(Part):
    """The learning rate, as a factor of the one that a run is given."""

    name: Literal["exponential", "cosine", "constant"] = "exponential"
    """`cosine` ends at zero."""
    gamma: float = 0.98
    """For `exponential`: factor an epoch."""
    warmup: float = 0.0
    """Share of all steps in which the rate rises linearly from 0."""


class Teaching(Part):
    """Distillation (Hinton et al. 2015, arXiv:1503.02531), of each class by itself."""

    teacher: str
    """Run_id of the run whose answers are learned beside the labels."""
    weight: float = Field(0.5, gt=0, le=1)
    """Share of the teacher's answers in the loss; the labels have the rest."""
    temperature: float = Field(2.0, gt=0, le=100)
    """By which both networks' logits are divided; the gradient is multiplied by its square."""


class RunSpec(Part):
    """One training run, completely. `run_id` is the digest of everything else."""

    run_id: str
    """Digest of everything else, 12 hex digits."""
    study: str
    """Name of the study."""
    model: ModelSpec
    """The network."""
    leads: tuple[str, ...] = LEADS
    """Leads that it sees, in order."""
    window: int = Field(1024, gt=0)
    """Samples at the recipe's rate."""
    recipe: str = "study"
    """How the signals were prepared."""
    optimizer: OptimizerSpec
    """With its learning rate."""
    loss: LossSpec = LossSpec()
    """What training makes small."""
    schedule: ScheduleSpec = ScheduleSpec()
    """Of the learning rate."""
    batch_size: int = Field(32, gt=0)
    """Windows a step."""
    epochs: int = Field(20, gt=0)
    """Passes over the training recordings."""
    clip_norm: float | None = 1.0
    """Largest norm of the gradient; null: it is not clipped."""
    patience: int | None = None
    """Epochs without a better validation loss before it stops early; null: it does not."""
    augment: tuple[str, ...] = ()
    """Augmentations of the training windows."""
    data_fraction: float = Field(1.0, gt=0, le=1)
    """Share of the training recordings that is used."""
    precision: Literal["float32", "bf16", "auto"] = "float32"
    """That is asked for."""
    seed: int = 0
    """Of weights, order, crops and augmentations."""
    taught: Teaching | None = None
    """By which other run; null: by labels alone. This and what follows is left out where it has its default."""
    recompute: bool = False
    """Whether blocks keep no activations and make them again for the gradient (activation checkpointing)."""
    microbatches: int = Field(1, ge=1)
    """Parts of a batch whose gradients are accumulated; batch norm sees a part at a time."""

    @model_serializer(mode="wrap")
    def as_before(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without what later versions have added and this run does not use: its digest stays."""
        later = {"taught": None, "recompute": False, "microbatches": 1}
        return {name: value for name, value in write(self).items() if name not in later or value != later[name]}

    @classmethod
    def make(cls, **values: Any) -> RunSpec:
        spec = cls(run_id="", **values)
        return spec.model_copy(update={"run_id": digest(spec.model_dump(mode="json", exclude={"run_id"}), 12)})


class Ledger(Part):
    """What a run costs, counted and never measured. FLOPs: 2 a multiply-add, conv, linear and attention products."""

    params: int
    """Parameters that are trained."""
    activations: int
    """Elements that conv, linear and attention products write, one window forward."""
    forward_flops: int
    """One forward pass of one window."""
    step_flops: int
    """Forward and backward of one window."""
    published_flops: int
    """As the published tables count (length-1 input): for comparison only."""
    weight_bytes: int
    """Of the weights in float32."""
    stages: int | None = None
    """Stages of the network, where it has any."""


class Tuning(Part):
    """How a learning rate comes about that no study gave: asked for by SAMPLE, answered by TUNE.

    Successive halving over `low` to `high`: `trials` rates for `epochs`, the better half for twice as many, and so on.
    """

    method: Literal["halving"] = "halving"
    """Successive halving."""
    group: str = ""
    """Runs of one group share trials and rate."""
    low: float = Field(gt=0)
    """Lower end of the range of rates."""
    high: float = Field(gt=0)
    """Upper end."""
    trials: int = Field(gt=1)
    """Rates that are tried."""
    epochs: int = Field(gt=0)
    """Of the first round."""
    chosen: str | None = None
    """Run_id of the last trial that won; None before, and where no trial ended well."""
    valid_loss: float | None = None
    """Of the trial that was chosen."""
    edge: Literal["", "low", "high"] = ""
    """The chosen rate lies within 5 % of that end of the logarithmic range."""


class PlannedRun(Document):
    """A line of runs.jsonl."""

    NAME = "planned-run"
    PLACE = "plan/runs.jsonl, one a line"
    spec: RunSpec
    """The run; before TUNE with the middle of the range of rates."""
    ledger: Ledger
    """What it costs."""
    tuning: Tuning | None = None
    """How the rate comes about; null: the study gives it."""

    @classmethod
    def check_alone(cls, lines: list[PlannedRun], path: Path) -> None:
        """Raises ContractError where the plan beside runs.jsonl tells of more or fewer runs."""
        beside = path.parent / "plan.json"
        if path.name != "runs.jsonl" or not (beside.is_file() and Plan.wrote(beside)):
            super().check_alone(lines, path)
        elif (planned := Plan.read(beside).runs) != len(lines):
            raise ContractError(f"{len(lines)} lines, and plan.json beside it plans {planned} runs", file=path,
                                remedy="Make the plan again. Where they are meant, give the file another name")


class Plan(Document):
    """What the study will cost, before anything is trained. Hours are estimates and say from what."""

    NAME = "plan"
    PLACE = "plan/plan.json"
    study: str
    """Name of the study."""
    synthetic: bool = False
    """It counts the recordings of a synthetic corpus."""
    seed: int
    """Of the draws."""
    runs: int
    """Runs that will be trained."""
    rejected: dict[str, int]
    """Samples that broke a constraint, by constraint."""
    duplicates: int
    """Samples that were drawn before."""
    forward_flops: dict[str, float]
    """Of one window, quantiles over the runs: "0", "0.25", ..."""
    params: dict[str, float]
    """Parameters, likewise."""
    train_flops: float | None
    """Of the whole study; null until the size of the corpus is known."""
    hours: list[dict[str, Any]]
    """Device, hours, estimate (bool), source."""
    train_records: int | None = None
    """Training recordings that train_flops and hours are for."""
    counts: dict[str, int] = {}
    """Runs by "family optimizer"."""
    thinned: int = 0
    """Runs left out to stay within the study's budget."""
    tuning_groups: int = 0
    """Learning rates to be tuned."""
    tuning_flops: float | None = None
    """What their trials cost: part of train_flops."""
    rounds: int = 0
    """Rounds of scaling whose runs are among them."""
    round_flops: float | None = None
    """What these cost: part of train_flops; the hours are those of the others."""


RUN_MEMORY = Table("run-memory", 1, "plan/memory.csv", "A planned run and the memory that a step of it takes, alone", {
    "run_id": TEXT("as in runs"), "family": TEXT("as in runs"), "params": REAL("as in runs", "parameters"),
    "optimizer": TEXT("as in runs"), "precision": TEXT("that is asked for; bytes are of float32, and bf16 takes less"),
    "windows": WHOLE("of a part of a batch, computed at a time", "windows"),
    "weight_bytes": REAL("of its parameters", "byte"), "gradient_bytes": REAL("of their gradients", "byte"),
    "optimizer_bytes": REAL("of the optimizer's state", "byte"),
    "activation_bytes": REAL("kept for the gradient", "byte"),
    "peak_bytes": REAL("of all these at a time, at most: activations go while gradients come", "byte"),
    "room_bytes": REAL("that the process of this one run needs on a CPU: its own 1e9, copies, holes", "byte"),
    "limit_bytes": REAL("that was stated", "byte"), "fits": FLAG("room_bytes within the limit; null: none was stated"),
})
