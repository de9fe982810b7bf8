"""Runs that were trained: what TRAIN writes, and what COLLECT keeps of it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from ecgscale.contracts.files import Document
from ecgscale.contracts.plan import Ledger, RunSpec, Tuning
from ecgscale.contracts.tables import FLAG, REAL, TEXT, WHOLE, Table
from ecgscale.errors import UserError

# ------------------------------------------------------------------------------------ TRAIN: one folder a run (run_id)/
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


# -------------------------------------------------------------------------------------------------------------- COLLECT

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
