"""Runs before and after training: what SAMPLE and TRAIN write."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from ecgscale.contracts.corpus import LEADS
from ecgscale.contracts.files import Document, Part, digest
from ecgscale.contracts.tables import FLAG, REAL, TEXT, WHOLE, Table

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
    """The asymmetric loss (Ridnik et al. 2021), or binary cross-entropy."""

    model_config = ConfigDict(use_attribute_docstrings=True)

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

    model_config = ConfigDict(use_attribute_docstrings=True)

    name: Literal["exponential", "cosine", "constant"] = "exponential"
    """`cosine` ends at zero."""
    gamma: float = 0.98
    """For `exponential`: factor an epoch."""
    warmup: float = 0.0
    """Share of all steps in which the rate rises linearly from 0."""


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


class Tuning(Part):
    """How a learning rate comes about that no study gave: asked for by SAMPLE, answered by TUNE.

    Successive halving over `low` to `high`: `trials` rates for `epochs`, the better half for twice as many, and so on.
    """

    method: Literal["halving"] = "halving"
    group: str = ""                  # runs of one group share trials and rate
    low: float = Field(gt=0)
    high: float = Field(gt=0)
    trials: int = Field(gt=1)
    epochs: int = Field(gt=0)        # of the first round
    chosen: str | None = None        # run_id of the last trial that won; None before, and where no trial ended well
    valid_loss: float | None = None  # its
    edge: Literal["", "low", "high"] = ""    # the chosen rate lies within 5 % of that end of the logarithmic range


class PlannedRun(Document):
    """A line of runs.jsonl."""

    NAME = "planned-run"
    PLACE = "plan/runs.jsonl, one a line"
    spec: RunSpec
    ledger: Ledger
    tuning: Tuning | None = None     # None: the study gives the rate. Before TUNE `spec` holds the middle of the range


class Plan(Document):
    """What the study will cost, before anything is trained. Hours are estimates and say from what."""

    NAME = "plan"
    PLACE = "plan/plan.json"
    study: str
    synthetic: bool = False          # it counts the recordings of a synthetic corpus
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
    tuning_groups: int = 0           # learning rates to be tuned, and what the trials cost: part of train_flops
    tuning_flops: float | None = None


# ------------------------------------------------------------------------------- TRAIN: one folder a run (run_id)/
# weights.safetensors (the epoch chosen on validation), history.csv, run.json

HISTORY = Table("history", 1, "trained/<run_id>/history.csv", "An epoch of training", {
    "epoch": WHOLE("counted from 0", "1"),
    "lr": REAL("learning rate at its end", "1"),
    "train_loss": REAL("mean over its windows and classes", "1"),
    "valid_loss": REAL("mean over the validation windows and classes", "1"),
    "clipped_share": REAL("share of the steps whose gradient was clipped", "1"),
    "samples": WHOLE("windows seen", "windows"),
    "seconds": REAL("training and validation", "s"),
    "data_wait_share": REAL("share of training's time spent waiting for data", "1"),
}, prefixes={"valid_": REAL("of validation; valid_seconds: its time", "of the metric")})

TUNING = Table("tuning", 1, "table/tuning.csv", "A trial of a learning rate", {
    "group": TEXT("digest of what is tuned together"), "family": TEXT("as in runs"), "optimizer": TEXT("as in runs"),
    "params": REAL("parameters of the model that was tried", "parameters"),
    "low": REAL("lower end of the range", "1"), "high": REAL("upper end of the range", "1"),
    "round": WHOLE("of successive halving", "1"), "epochs": WHOLE("of a trial in this round", "epochs"),
    "lr": REAL("learning rate that was tried", "1"), "valid_loss": REAL("at its best epoch", "1"),
    "status": TEXT("finished, diverged or failed"),
    "kept": FLAG("for the next round; in the last one: chosen"),
    "edge": TEXT("low or high where a chosen rate lies within 5 % of that end of the logarithmic range, else empty"),
}, optional={
    "run_id": TEXT("of the trial"), "train_flops": REAL("of the trial", "FLOP"), "seconds": REAL("of the trial", "s"),
})

OPTIMA = Table("optima", 1, "fit/optima.csv", "The best learning rate of a group; was its range too short?", {
    "group": TEXT("family and optimizer"), "metric": TEXT("that chose"),
    "runs": WHOLE("runs of the group", "runs"), "run_id": TEXT("of the best run"),
    "value": REAL("of the best run", "of the metric"),
    "lr": REAL("learning rate of the best run", "1"),
    "low": REAL("lowest rate that was tried", "1"), "high": REAL("highest rate that was tried", "1"),
    "edge": TEXT("low or high where the best lies at that end of the range, else empty"),
})


class RunResult(Document):
    """How a run ended. `status`: finished, diverged or failed (then `reason` says why)."""

    NAME = "run"
    PLACE = "trained/<run_id>/run.json"
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
    tuning: Tuning | None = None     # how the learning rate came about; None: the study gave it
    versions: dict[str, str]
