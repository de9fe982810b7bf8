"""Runs before and after training: what SAMPLE and TRAIN write."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from ecgscale.contracts.corpus import LEADS
from ecgscale.contracts.digests import digest
from ecgscale.contracts.files import Document, Part
from ecgscale.contracts.names import FAMILIES
from ecgscale.contracts.reading import ContractError
from ecgscale.contracts.tables import FLAG, REAL, TEXT, WHOLE, Table
from ecgscale.errors import UserError

# ----------------------------------------------------------------------------------------------------------- SAMPLE


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


# ------------------------------------------------------------------------------- TRAIN: one folder a run (run_id)/
# weights.safetensors (the epoch chosen on validation), history.csv, run.json

HISTORY = Table("history", 1, "trained/<run_id>/history.csv", "An epoch of training", {
    "epoch": WHOLE("counted from 0", "1"),
    "lr": REAL("learning rate at its end", "1"),
    "train_loss": REAL("mean over its windows and classes", "1", endless=True),
    "valid_loss": REAL("mean over the validation windows and classes", "1", endless=True),
    "clipped_share": REAL("share of the steps whose gradient was clipped", "1"),
    "samples": WHOLE("windows seen", "windows"),
    "seconds": REAL("training and validation", "s"),
    "data_wait_share": REAL("share of training's time spent waiting for data", "1"),
}, optional={
    "valid_seconds": REAL("validation alone", "s"),
    "valid_auroc": REAL("mean over the classes of the validation recordings; null where none has both answers", "1"),
}, prefixes={"valid_": REAL("another score of validation", "of the metric", endless=True)})

HISTORIES = Table("histories", 1, "table/histories.parquet", "An epoch of a run, of all runs that kept a history", {
    "run_id": TEXT("as in runs"), **HISTORY.columns}, HISTORY.optional, HISTORY.prefixes)

TUNING = Table("tuning", 1, "table/tuning.csv", "A trial of a learning rate", {
    "group": TEXT("digest of what is tuned together"), "family": TEXT("as in runs"), "optimizer": TEXT("as in runs"),
    "params": REAL("parameters of the model that was tried", "parameters"),
    "low": REAL("lower end of the range", "1"), "high": REAL("upper end of the range", "1"),
    "round": WHOLE("of successive halving", "1"), "epochs": WHOLE("of a trial in this round", "epochs"),
    "lr": REAL("learning rate that was tried", "1"), "valid_loss": REAL("at its best epoch", "1", endless=True),
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

RATES = Table("rates", 1, "fit/rates.csv", "A law of the best learning rate or weight decay, a row an exponent", {
    "group": TEXT("family and optimizer"), "setting": TEXT("lr or weight_decay"), "metric": TEXT("that chose"),
    "runs": WHOLE("runs within ten times the best tried setting of their cell", "runs"),
    "cells": WHOLE("of runs that are equal but for the setting", "cells"),
    "together": TEXT("sizes that move with those of the law and are not told apart from them, joined by ;"),
    "told": FLAG("that there is a best setting: losses rise on both sides"),
    "level": REAL("of the intervals", "1"),
    "size": TEXT("whose exponent the row has; empty: the row has settings"),
}, optional={
    "exponent": REAL("best setting ~ size^exponent", "1"), "low": REAL("end of its interval", "1", endless=True),
    "high": REAL("end of its interval", "1", endless=True), "largest": REAL("of the size that was tried", "as in runs"),
    "best": REAL("setting at the largest sizes", "1"), "best_low": REAL("end of its interval", "1", endless=True),
    "best_high": REAL("end of its interval", "1", endless=True),
    "tried_low": REAL("lowest setting that the largest network was tried with", "1"),
    "tried_high": REAL("highest one", "1"), "ahead": REAL("setting at ten times the largest network", "1"),
    "ahead_low": REAL("end of its interval", "1", endless=True),
    "ahead_high": REAL("end of its interval", "1", endless=True),
})


class RunResult(Document):
    """How a run ended. `status`: finished, diverged or failed (then `reason` says why)."""

    NAME = "run"
    PLACE = "trained/<run_id>/run.json"
    spec: RunSpec
    """The run."""
    ledger: Ledger
    """What one window costs."""
    status: Literal["finished", "diverged", "failed"]
    """How it ended."""
    reason: str = ""
    """Why it did not finish."""
    synthetic: bool
    """Trained on synthetic recordings."""
    corpus_digest: str
    """Of the corpus."""
    split_digest: str
    """Of the split."""
    code_digest: str
    """Of the code of ecgscale."""
    classes: tuple[str, ...]
    """Class codes, in the order of the outputs."""
    train_records: int
    """Unique recordings seen in training."""
    samples_seen: int
    """Windows, all epochs."""
    train_flops: float
    """Step_flops x samples_seen."""
    best_epoch: int | None
    """The epoch that validation chose, from 0."""
    train_loss: float | None
    """At the best epoch."""
    valid_loss: float | None
    """At the best epoch."""
    clipped_share: float | None
    """Share of the steps whose gradient was clipped."""
    device: str
    """That trained."""
    threads: int
    """That training used."""
    precision: str
    """What ran."""
    seconds: float
    """Of training, all attempts together."""
    device_seconds: float | None = None
    """Seconds that devices computed, all of them together."""
    peak_memory_bytes: int | None = None
    """Most memory held."""
    energy_joules: float | None = None
    """Of training, where a counter could be read."""
    resumed: int = 0
    """How often it continued from a checkpoint."""
    ended: str | None = None
    """When training ended, ISO time, UTC."""
    notes: tuple[str, ...] = ()
    """What to know of the run."""
    tuning: Tuning | None = None
    """How the learning rate came about; None: the study gave it."""
    versions: dict[str, str]
    """Of the packages."""


def read_results(folders: Iterable[Path]) -> list[RunResult]:
    """How the runs of these folders ended, in their order. What a folder is called does not count. Raises UserError
    for a run that two of them hold: one would stand for the other, or count twice."""
    found: dict[str, Path] = {}
    results = []
    for folder in map(Path, folders):
        results.append(RunResult.read(folder / "run.json"))
        run_id = results[-1].spec.run_id
        if run_id in found:
            raise UserError("a run that was given before", file=folder, field="run_id",
                            remedy=f"Give every run once: {run_id} is in {found[run_id]}, too")
        found[run_id] = folder
    return results
