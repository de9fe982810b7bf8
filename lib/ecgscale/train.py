"""One training loop for every family, optimizer and device; a batch of runs pays the start-up once.

A run is a function of its RunSpec, the corpus, the split and the code: order, crops, augmentation and dropout of a step
come from generators made for that step. So a run that was killed continues from its checkpoint to the same weights,
bit for bit on a CPU at the same number of threads.

Losses in history.csv and run.json are means over recordings and classes whatever the reduction that the gradient comes
from, so that runs with a summed and with a mean loss can be compared. The validation loss is a mean over whole
recordings (of each, the mean over its fixed windows) in float32.
"""

from __future__ import annotations

import contextlib
import math
import shutil
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors.torch import save_file
from tqdm import tqdm

from ecgscale import device as hardware
from ecgscale.checkpoint import Checkpoint, Tensors, pack, unpack
from ecgscale.contracts import HISTORY, PlannedRun, RunResult, SplitInfo, whole
from ecgscale.data import Crops, ahead, fixed_batches, generator, part_of, subset
from ecgscale.errors import UserError
from ecgscale.loss import terms
from ecgscale.models.build import build
from ecgscale.optim import learning_rate, make_optimizer
from ecgscale.provenance import code_digest, versions

DROPOUT = 2                 # random stream of a step, beside those of data.py
VALIDATION_BATCH = 64       # windows
SAVE_EVERY = 300.0          # seconds between checkpoints within a long epoch
LOOK_EVERY = 50             # steps between looks at a loss that lies on another device
MICROBATCHES = 4            # of a batch, once memory has run out


@dataclass(frozen=True)
class Job:
    """What the runs of a batch share."""

    corpus: Any
    split: pd.DataFrame
    split_info: SplitInfo
    checkpoints: Path
    device: torch.device
    threads: int


@dataclass
class Progress:
    """Where a run stands: what a checkpoint holds beside tensors. `epoch` and `step` are the next ones to do."""

    threads: int
    epoch: int = 0
    step: int = 0
    loss: float = 0.0           # of this epoch so far: sum of all terms
    clipped: int = 0            # of this epoch so far: steps
    seconds: float = 0.0        # of this epoch so far
    waited: float = 0.0         # seconds of them without data
    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int | None = None
    resumed: int = 0
    microbatches: int = 1
    notes: list[str] = field(default_factory=list)


class DivergenceError(Exception):
    """A loss that is no number any more."""


def train_batch(planned: list[PlannedRun], corpus, split: pd.DataFrame, split_info: SplitInfo, out: Path,
                checkpoints: Path, device: str = "auto", cpus: int = 1) -> list[RunResult]:
    """Train the runs one after the other; write `out`/<run_id>/ (run.json, history.csv, weights.safetensors) each.

    A run that diverges or raises is written with that status and without weights, and the batch goes on. A run that was
    begun before is continued from `checkpoints`; one that ended there with the same corpus, split, code and device is
    taken from there. Raises UserError when the split was made for another corpus, or the device is not there.
    """
    if split_info.corpus_digest != corpus.digest:
        raise UserError(f"the split was made for the corpus {split_info.corpus_digest}, this one is {corpus.digest}",
                        field="split", remedy="Give all the shards that the split was made from")
    torch.set_num_threads(cpus)
    with contextlib.suppress(RuntimeError):  # can be set only once in a process
        torch.set_num_interop_threads(1)
    job = Job(corpus, split, split_info, Path(checkpoints), hardware.choose(device), cpus)
    return [train_one(plan, job, Path(out) / plan.spec.run_id, f"run {number}/{len(planned)} {plan.spec.run_id}")
            for number, plan in enumerate(planned, 1)]


def train_one(planned: PlannedRun, job: Job, folder: Path, title: str) -> RunResult:
    """One run, from its checkpoint where there is one, to its folder."""
    spec = planned.spec
    precision = hardware.precision(spec.precision, job.device)
    checkpoint = Checkpoint(job.checkpoints, spec.run_id, {
        "run": spec.model_dump(mode="json"), "corpus": job.corpus.digest, "split": job.split_info.digest,
        "code": code_digest(), "torch": torch.__version__, "device": job.device.type, "precision": precision})
    result = checkpoint.finished()
    if result is not None:
        with whole(folder) as temporary:
            shutil.copytree(checkpoint.result, temporary)
        print(f"{title} was {result.status} before", file=sys.stderr, flush=True)
        return result
    hardware.reset_peak_memory(job.device)
    run = Training(planned, job, checkpoint, precision, title)
    status, reason = run.attempt()
    result = run.result(status, reason)
    with whole(folder) as temporary:
        run.write(result, temporary)
    if status != "failed":
        checkpoint.finish(folder)
    return result


class Training:
    """One run: its network, optimizer and data, made anew or from its checkpoint by `prepare`."""

    def __init__(self, planned: PlannedRun, job: Job, checkpoint: Checkpoint, precision: str, title: str):
        self.planned, self.spec, self.job, self.title = planned, planned.spec, job, title
        self.checkpoint, self.precision = checkpoint, precision
        self.progress = Progress(threads=job.threads)
        self.best: Tensors = {}
        self.crops: Crops | None = None

    def attempt(self) -> tuple[str, str]:
        """Train to the end; give status and reason. Once, when memory runs out, again with parts of a batch."""
        try:
            return self.train()
        except Exception as error:
            if not hardware.out_of_memory(error) or self.progress.microbatches > 1 or self.spec.batch_size == 1:
                return self.failed(error)
            note = f"out of memory at batch {self.spec.batch_size}: gradients of {MICROBATCHES} parts accumulated"
        self.tell(note)
        if self.job.device.type == "cuda":
            torch.cuda.empty_cache()
        try:
            return self.train(microbatches=MICROBATCHES, note=note)
        except Exception as error:
            return self.failed(error)

    def failed(self, error: Exception) -> tuple[str, str]:
        reason = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
        self.tell(f"failed: {reason}")
        return "failed", reason

    def train(self, microbatches: int | None = None, note: str = "") -> tuple[str, str]:
        self.prepare()
        progress, spec = self.progress, self.spec
        progress.microbatches = microbatches or progress.microbatches
        progress.notes += [note] if note else []
        bar = tqdm(total=spec.epochs, initial=progress.epoch, desc=self.title, unit="epoch", disable=None)
        try:
            while progress.epoch < spec.epochs and not self.patience_lost():
                self.checkpoint.log("continue" if progress.step else "begin", progress.epoch)
                self.train_epoch()
                row = self.close_epoch()
                self.checkpoint.log("end", row["epoch"])
                text = f"train {row['train_loss']:.4f} valid {row['valid_loss']:.4f}"
                bar.set_postfix_str(text)
                bar.update()
                if bar.disable:
                    self.tell(f"epoch {row['epoch'] + 1}/{spec.epochs} {text}")
        except DivergenceError as error:
            self.tell(f"diverged: {error}")
            return "diverged", str(error)
        finally:
            bar.close()
        return "finished", ""

    def prepare(self) -> None:
        """Network, optimizer and data; then the state of the checkpoint, if there is one."""
        spec, job = self.spec, self.job
        train, self.valid = part_of(job.corpus, job.split, "train"), part_of(job.corpus, job.split, "valid")
        records = job.corpus.records["record"].to_numpy()
        train = train[subset(records[train], spec.data_fraction, job.split_info.digest)]
        self.crops = Crops(job.corpus, train, spec)
        classes = len(job.corpus.classes)
        self.model = build(spec.model, len(spec.leads), spec.window, classes, spec.seed).to(job.device)
        self.optimizer = make_optimizer(spec.optimizer, self.model)
        self.progress = Progress(threads=job.threads)
        saved = self.checkpoint.load()
        if saved:
            progress, tensors = saved
            self.progress = Progress(**progress)
            self.best = unpack(tensors, self.model, self.optimizer)
            self.progress.resumed += 1
            if self.progress.threads != job.threads:
                self.progress.notes.append(f"continued with {job.threads} threads after {self.progress.threads}")
                self.progress.threads = job.threads

    def patience_lost(self) -> bool:
        progress = self.progress
        waited = progress.epoch - 1 - (progress.best_epoch or 0)
        return self.spec.patience is not None and progress.epoch > 0 and waited >= self.spec.patience

    def train_epoch(self) -> None:
        """The steps of this epoch that are still to do."""
        progress = self.progress
        self.model.train()
        batches = self.crops.epoch(progress.epoch, progress.step)
        if self.job.device.type != "cpu":  # there the processor is free to prepare the next batch
            batches = ahead(batches)
        started, before, saved = time.perf_counter(), progress.seconds, time.perf_counter()
        loss = clipped = 0
        while progress.step < self.crops.steps:
            asked = time.perf_counter()
            x, y = next(batches)
            progress.waited += time.perf_counter() - asked
            step_loss, step_clipped = self.step(x, y)
            loss, clipped = loss + step_loss, clipped + step_clipped
            progress.step += 1
            last = progress.step == self.crops.steps
            late = time.perf_counter() - saved > SAVE_EVERY
            if last or late or self.job.device.type == "cpu" or progress.step % LOOK_EVERY == 0:
                progress.loss, progress.clipped = progress.loss + float(loss), progress.clipped + int(clipped)
                progress.seconds = before + time.perf_counter() - started
                loss = clipped = 0
                if not math.isfinite(progress.loss):
                    raise DivergenceError(f"training loss not finite in epoch {progress.epoch}, step {progress.step}")
            if late and not last:
                self.save()
                saved = time.perf_counter()

    def step(self, x: np.ndarray, y: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """One update of the weights from crops (batch, lead, time). Gives the sum of all terms and 1 if clipped."""
        spec, progress, device = self.spec, self.progress, self.job.device
        torch.manual_seed(int(generator(spec.seed, progress.epoch, progress.step, DROPOUT).integers(2**63)))
        number = progress.epoch * self.crops.steps + progress.step
        rate = learning_rate(spec.optimizer.lr, spec.schedule, number, spec.epochs * self.crops.steps, self.crops.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.model.zero_grad(set_to_none=True)
        total = torch.zeros((), device=device)
        share = 1 / y.size if spec.loss.reduction == "mean" else 1.0
        inputs, targets = torch.from_numpy(x), torch.from_numpy(y)
        for part, target in zip(inputs.chunk(progress.microbatches), targets.chunk(progress.microbatches), strict=True):
            with torch.autocast(device.type, torch.bfloat16, enabled=self.precision == "bf16"):
                logits = self.model(part.to(device, non_blocking=True))
            loss = terms(spec.loss, logits, target.to(device, non_blocking=True)).sum()
            (loss * share).backward()
            total += loss.detach()
        clipped = torch.zeros((), device=device)
        if spec.clip_norm is not None:
            clipped = torch.nn.utils.clip_grad_norm_(self.model.parameters(), spec.clip_norm) > spec.clip_norm
        self.optimizer.step()
        return total, clipped

    @torch.inference_mode()
    def validate(self) -> float:
        """Mean loss over the whole validation recordings: of each, the mean over its fixed windows."""
        corpus, device = self.job.corpus, self.job.device
        self.model.eval()
        labels = corpus.labels[self.valid].astype(np.float32)
        total, count = np.zeros(len(self.valid)), np.zeros(len(self.valid))
        for x, owner in fixed_batches(corpus, self.valid, self.spec.leads, self.spec.window, VALIDATION_BATCH):
            logits = self.model(torch.from_numpy(x).to(device))
            loss = terms(self.spec.loss, logits, torch.from_numpy(labels[owner]).to(device)).mean(dim=1)
            np.add.at(total, owner, loss.cpu().double().numpy())
            np.add.at(count, owner, 1)
        return float(np.mean(total / count))

    def close_epoch(self) -> dict[str, float]:
        """Validate, keep the best network, save. Gives the epoch's row of the history."""
        progress, records = self.progress, len(self.crops.positions)
        started = time.perf_counter()
        valid_loss = self.validate()
        valid_seconds = time.perf_counter() - started
        if not math.isfinite(valid_loss):
            raise DivergenceError(f"validation loss not finite in epoch {progress.epoch}")
        row = {
            "epoch": progress.epoch, "lr": self.optimizer.param_groups[0]["lr"],
            "train_loss": progress.loss / (records * len(self.job.corpus.classes)), "valid_loss": valid_loss,
            "clipped_share": progress.clipped / self.crops.steps, "samples": records,
            "seconds": progress.seconds + valid_seconds, "data_wait_share": progress.waited / progress.seconds,
            "valid_seconds": valid_seconds,
        }
        if progress.best_epoch is None or valid_loss < progress.history[progress.best_epoch]["valid_loss"]:
            progress.best_epoch = progress.epoch
            self.best = {name: tensor.detach().cpu().clone() for name, tensor in self.model.state_dict().items()}
        progress.history.append(row)
        progress.epoch, progress.step, progress.loss = progress.epoch + 1, 0, 0.0
        progress.clipped, progress.seconds, progress.waited = 0, 0.0, 0.0
        self.save()
        return row

    def save(self) -> None:
        self.checkpoint.save(asdict(self.progress), pack(self.model, self.optimizer, self.best))

    def result(self, status: str, reason: str) -> RunResult:
        progress, job, spec = self.progress, self.job, self.spec
        history = pd.DataFrame(progress.history, columns=[*HISTORY.columns, "valid_seconds"])
        best = progress.history[progress.best_epoch] if status == "finished" else {}
        records = len(self.crops.positions) if self.crops else 0
        samples = int(history["samples"].sum()) + min(records, progress.step * spec.batch_size)
        seconds = float(history["seconds"].sum()) + progress.seconds
        waited = float((history["data_wait_share"] * (history["seconds"] - history["valid_seconds"])).sum())
        steps = len(history) * self.crops.steps + progress.step if self.crops else 0
        clipped = float(history["clipped_share"].sum()) * self.crops.steps + progress.clipped if steps else 0.0
        return RunResult(
            spec=spec, ledger=self.planned.ledger, status=status, reason=reason, synthetic=job.corpus.synthetic,
            corpus_digest=job.corpus.digest, split_digest=job.split_info.digest, code_digest=code_digest(),
            classes=tuple(job.corpus.classes), train_records=records, samples_seen=samples,
            train_flops=float(self.planned.ledger.step_flops) * samples,
            best_epoch=progress.best_epoch if best else None, train_loss=best.get("train_loss"),
            valid_loss=best.get("valid_loss"), clipped_share=clipped / steps if steps else None,
            device=hardware.name(job.device), threads=job.threads, precision=self.precision, seconds=seconds,
            device_seconds=seconds - waited - progress.waited, peak_memory_bytes=hardware.peak_memory(job.device),
            resumed=progress.resumed, notes=tuple(progress.notes), versions=versions(),
        )

    def write(self, result: RunResult, folder: Path) -> None:
        folder.mkdir()
        history = pd.DataFrame(self.progress.history, columns=[*HISTORY.columns, "valid_seconds"])
        HISTORY.write(history, folder / "history.csv")
        if result.status == "finished":
            save_file(self.best, folder / "weights.safetensors")
        result.write(folder / "run.json")

    def tell(self, text: str) -> None:
        print(f"{self.title} {text}", file=sys.stderr, flush=True)
