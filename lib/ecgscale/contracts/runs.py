"""Runs before and after training: what SAMPLE and TRAIN write."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from ecgscale.contracts.corpus import LEADS
from ecgscale.contracts.files import FLAG, REAL, TEXT, WHOLE, Document, Part, Table, digest

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
    spec: RunSpec
    ledger: Ledger
    tuning: Tuning | None = None     # None: the study gives the rate. Before TUNE `spec` holds the middle of the range


class Plan(Document):
    """What the study will cost, before anything is trained. Hours are estimates and say from what."""

    NAME = "plan"
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

HISTORY = Table("history", 1, {
    "epoch": WHOLE, "lr": REAL, "train_loss": REAL, "valid_loss": REAL, "clipped_share": REAL,
    "samples": WHOLE, "seconds": REAL, "data_wait_share": REAL,
}, prefixes={"valid_": REAL})

TUNING = Table("tuning", 1, {   # every trial of a learning rate; `group`: digest of what is tuned together
    "group": TEXT, "family": TEXT, "optimizer": TEXT, "params": REAL, "low": REAL, "high": REAL,
    "round": WHOLE, "epochs": WHOLE, "lr": REAL, "valid_loss": REAL, "status": TEXT,
    "kept": FLAG,           # for the next round; in the last one: chosen
    "edge": TEXT,           # of a chosen rate within 5 % of an end of the (logarithmic) range: "low", "high"; else ""
}, optional={"run_id": TEXT, "train_flops": REAL, "seconds": REAL})     # of the trial

OPTIMA = Table("optima", 1, {   # the best learning rate of each group, and whether its range was too short
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
    tuning: Tuning | None = None     # how the learning rate came about; None: the study gave it
    versions: dict[str, str]
