"""One training loop for every family, optimizer, device and number of processes.

A run is a function of its RunSpec, the corpus, the split and the code: order, crops, augmentation and dropout of a step
come from generators made for that step. So a run that was killed continues from its checkpoint to the same weights,
bit for bit on a CPU at the same number of threads.

Losses in history.csv and run.json are means over recordings and classes whatever the reduction that the gradient comes
from, so that runs with a summed and with a mean loss can be compared.
"""

from __future__ import annotations

import math
import multiprocessing
import sys
import threading
import time
import traceback
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from ecgscale.contracts import HISTORY, PlannedRun, RunResult, write_tensors
from ecgscale.errors import UserError
from ecgscale.machine.provenance import code_digest, versions
from ecgscale.models.blocks import recomputing
from ecgscale.models.networks import build
from ecgscale.training import device as hardware
from ecgscale.training.checkpoint import Checkpoint, Tensors, pack, unpack
from ecgscale.training.data import TOGETHER, Crops, ahead, generator, part_of, subset, together
from ecgscale.training.distill import answers, distilled
from ecgscale.training.job import Job
from ecgscale.training.layout import channels_last
from ecgscale.training.loss import terms
from ecgscale.training.optim import learning_rate, make_optimizer
from ecgscale.training.validate import validate

tqdm.set_lock(threading.RLock())    # its own one among processes is left behind by a process that is killed
DROPOUT = 2                 # random stream of a step, beside those of data.py
SAVE_EVERY = 300.0          # seconds between checkpoints within a long epoch
LOOK_EVERY = 50             # steps between looks at a loss that lies on another device
MICROBATCHES = 4            # of a batch, once memory has run out


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
    joules: float | None = None
    resumed: int = 0
    microbatches: int = 1
    notes: list[str] = field(default_factory=list)


class DivergenceError(Exception):
    """A loss that is no number any more."""


class Training:
    """One run: its network, optimizer and data, made anew or from its checkpoint by `prepare`."""

    def __init__(self, planned: PlannedRun, job: Job, checkpoint: Checkpoint, precision: str, title: str):
        self.planned, self.spec, self.job, self.title = planned, planned.spec, job, title
        self.checkpoint, self.precision = checkpoint, precision
        self.progress = Progress(threads=job.threads)
        self.best: Tensors = {}
        self.crops: Crops | None = None
        self.teacher_flops = 0.0

    def attempt(self) -> tuple[str, str]:
        """Train to the end; give status and reason. Once, when memory runs out, again with parts of a batch.

        Of several processes one alone can do neither: there an exception ends them all, and the next start continues.
        A full disk or a board that broke says nothing about the run: it ends the task, and the next start continues.
        """
        try:
            return self.train()
        except Exception as error:
            if self.job.ranks.size > 1 or hardware.at_fault(error):
                raise
            if not hardware.out_of_memory(error) or self.progress.microbatches > self.spec.microbatches \
                    or self.spec.batch_size == self.spec.microbatches:
                return self.failed(error)
        parts = MICROBATCHES * self.spec.microbatches
        note = f"out of memory at batch {self.spec.batch_size}: gradients of {parts} parts accumulated"
        self.tell(note)
        if self.job.device.type == "cuda":
            torch.cuda.empty_cache()
        try:
            return self.train(microbatches=parts, note=note)
        except Exception as error:
            if hardware.at_fault(error):
                raise
            return self.failed(error)

    def failed(self, error: Exception) -> tuple[str, str]:
        where = traceback.extract_tb(error.__traceback__)[-1]
        reason = f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"
        reason = str(error) if isinstance(error, UserError) else reason
        self.tell(f"failed: {reason}")
        return "failed", reason

    def train(self, microbatches: int | None = None, note: str = "") -> tuple[str, str]:
        self.prepare()
        progress, spec = self.progress, self.spec
        progress.microbatches = microbatches or progress.microbatches
        progress.notes += [note] if note else []
        # one bar a terminal: none of processes beside others; None stands for "none where there is no terminal"
        quiet = True if self.job.ranks.rank or multiprocessing.parent_process() else None
        bar = tqdm(total=spec.epochs, initial=progress.epoch, desc=self.title, unit="epoch", disable=quiet)
        try:
            while progress.epoch < spec.epochs and not self.patience_lost():
                self.log("continue" if progress.step else "begin", progress.epoch)
                self.train_epoch()
                row = self.close_epoch()
                self.log("end", row["epoch"])
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
        if spec.recipe != job.corpus.recipe["name"]:
            raise UserError(f"the run wants the recipe {spec.recipe!r}, the corpus was prepared by "
                            f"{job.corpus.recipe['name']!r}", field="recipe", remedy="Prepare a corpus by that recipe")
        train, self.valid = part_of(job.corpus, job.split, "train"), part_of(job.corpus, job.split, "valid")
        records = job.corpus.records["record"].to_numpy()
        train = train[subset(records[train], spec.data_fraction, job.split_info.digest)]
        soft = self.taught(train) if spec.taught else None
        self.crops = Crops(job.corpus, train, spec, soft)
        classes = len(job.corpus.classes)
        model = build(spec.model, len(spec.leads), spec.window, classes, spec.seed).to(job.device)
        model = recomputing(model) if spec.recompute else model
        self.model = channels_last(model) if job.device.type == "cpu" else model  # measured on CPUs only
        self.network = job.ranks.wrap(self.model, job.device)
        self.optimizer = make_optimizer(spec.optimizer, self.model)
        self.progress, self.best = Progress(threads=job.threads, microbatches=spec.microbatches), {}
        saved = self.checkpoint.load()
        if saved:
            self.progress = Progress(**saved[0])
            self.best = unpack(saved[1], self.model, self.optimizer)
            self.progress.resumed += 1
            if self.progress.threads != job.threads:
                self.progress.notes.append(f"continued with {job.threads} threads after {self.progress.threads}")
                self.progress.threads = job.threads
        self.joules, self.joules_before = hardware.energy_counter(job.device), self.progress.joules or 0.0

    def taught(self, train: np.ndarray) -> np.ndarray:
        """The teacher's logits on the training recordings."""
        job, teacher = self.job, self.spec.taught.teacher
        soft, self.teacher_flops = answers(job.teachers / teacher, job.corpus, train, job.checkpoints, job.device)
        return soft

    def patience_lost(self) -> bool:
        progress = self.progress
        waited = progress.epoch - 1 - (progress.best_epoch or 0)
        return self.spec.patience is not None and progress.epoch > 0 and waited >= self.spec.patience

    def train_epoch(self) -> None:
        """The steps of this epoch that are still to do. Raises DivergenceError."""
        progress, device = self.progress, self.job.device
        self.network.train()
        batches = self.crops.epoch(progress.epoch, progress.step)
        if device.type != "cpu" or self.job.threads > 1:  # a processor is free now and then to prepare the next batch
            batches = ahead(batches)
        else:
            batches = together(batches, max(1, TOGETHER // self.crops.batch_bytes))
        started = saved = time.perf_counter()
        before, since = progress.seconds, torch.zeros(3, device=device)  # loss, clipped steps, time to save
        while progress.step < self.crops.steps:
            asked = time.perf_counter()
            x, y = next(batches)
            progress.waited += time.perf_counter() - asked
            since[:2] += self.step(x, y)
            progress.step += 1
            last = progress.step == self.crops.steps
            if last or device.type == "cpu" or progress.step % LOOK_EVERY == 0:
                since[2] = time.perf_counter() - saved > SAVE_EVERY
                loss, clipped, late = self.job.ranks.total(since).tolist()
                since.zero_()
                progress.loss, progress.clipped = progress.loss + loss, progress.clipped + round(clipped)
                progress.seconds = before + time.perf_counter() - started
                if not math.isfinite(progress.loss):
                    raise DivergenceError(f"training loss not finite in epoch {progress.epoch}, step {progress.step}")
                if late and not last:
                    self.save()
                    saved = time.perf_counter()

    def step(self, x: np.ndarray, y: np.ndarray) -> torch.Tensor:
        """One update of the weights from crops (batch, lead, time). Gives this process's sum of all terms, and whether
        the gradient was clipped (on the first process, that it is counted once)."""
        spec, progress, device, ranks = self.spec, self.progress, self.job.device, self.job.ranks
        seed = int(generator(spec.seed, progress.epoch, progress.step, DROPOUT).integers(2**62))
        torch.manual_seed(seed + ranks.rank)
        number = progress.epoch * self.crops.steps + progress.step
        rate = learning_rate(spec.optimizer.lr, spec.schedule, number, spec.epochs * self.crops.steps, self.crops.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.model.zero_grad(set_to_none=True)
        # gradients are averaged over the processes, so each counts its own `size` times
        classes = len(self.job.corpus.classes)      # the teacher's answers stand after the labels
        share = ranks.size / (len(y) * classes if spec.loss.reduction == "mean" else 1)
        idle = ranks.rank >= len(x)     # in a last batch smaller than the number of processes
        mine = slice(1) if idle else ranks.share()
        inputs, targets = torch.from_numpy(x[mine]), torch.from_numpy(y[mine])
        outcome = torch.zeros(2, device=device)
        for part, target in zip(inputs.chunk(progress.microbatches), targets.chunk(progress.microbatches), strict=True):
            part, target = self.on_device(part), self.on_device(target)
            with hardware.autocast(self.job.device, self.precision):
                logits = self.network(part)
            losses = terms(spec.loss, logits, target[:, :classes])
            if spec.taught:
                losses = distilled(spec.taught, losses, logits, target[:, classes:])
            loss = losses.sum() * (not idle)
            (loss * share).backward()
            outcome[0] += loss.detach()
        if spec.clip_norm is not None:
            norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), spec.clip_norm)
            outcome[1] = (norm > spec.clip_norm) * (ranks.rank == 0)
        self.optimizer.step()
        return outcome

    def on_device(self, batch: torch.Tensor) -> torch.Tensor:
        """As it is on a CPU; elsewhere in the order of its axes, for which a GPU's convolutions were made."""
        device = self.job.device
        if device.type == "cpu":
            return batch
        return batch.to(device, non_blocking=device.type == "cuda").contiguous()    # MPS would not wait for the copy

    def close_epoch(self) -> dict[str, float]:
        """Validate, keep the best network, save. Gives the epoch's row of the history. Raises DivergenceError."""
        progress, records = self.progress, len(self.crops.positions)
        started = time.perf_counter()
        valid_loss, valid_auroc = validate(self.model, self.job, self.valid, self.spec, self.precision)
        valid_seconds = time.perf_counter() - started
        if not math.isfinite(valid_loss):
            raise DivergenceError(f"validation loss not finite in epoch {progress.epoch}")
        row = {
            "epoch": progress.epoch, "lr": self.optimizer.param_groups[0]["lr"],
            "train_loss": progress.loss / (records * len(self.job.corpus.classes)), "valid_loss": valid_loss,
            "clipped_share": progress.clipped / self.crops.steps, "samples": records,
            "seconds": progress.seconds + valid_seconds, "data_wait_share": progress.waited / progress.seconds,
            "valid_seconds": valid_seconds, "valid_auroc": valid_auroc,
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
        if self.joules:
            self.progress.joules = self.joules_before + self.joules()
        if self.job.ranks.rank == 0:
            self.checkpoint.save(asdict(self.progress), pack(self.model, self.optimizer, self.best))

    def history(self) -> pd.DataFrame:
        return pd.DataFrame(self.progress.history, columns=[*HISTORY.columns, *HISTORY.optional])

    def result(self, status: str, reason: str) -> RunResult:
        progress, job, spec, history = self.progress, self.job, self.spec, self.history()
        best = progress.history[progress.best_epoch] if status == "finished" else {}
        records, each = (len(self.crops.positions), self.crops.steps) if self.crops else (0, 0)
        samples = int(history["samples"].sum()) + min(records, progress.step * spec.batch_size)
        steps = len(history) * each + progress.step
        clipped = float(history["clipped_share"].sum()) * each + progress.clipped
        seconds = float(history["seconds"].sum()) + progress.seconds
        waited = float((history["data_wait_share"] * (history["seconds"] - history["valid_seconds"])).sum())
        alone = () if job.ranks.size == 1 else (f"{job.ranks.size} processes",)
        alone += (f"taught by {spec.taught.teacher}, whose answers are in its FLOPs",) if spec.taught else ()
        return RunResult(
            spec=spec, ledger=self.planned.ledger, status=status, reason=reason, synthetic=job.corpus.synthetic,
            corpus_digest=job.corpus.digest, split_digest=job.split_info.digest, code_digest=code_digest(),
            classes=tuple(job.corpus.classes), train_records=records, samples_seen=samples,
            train_flops=float(self.planned.ledger.step_flops) * samples + self.teacher_flops,
            best_epoch=progress.best_epoch if best else None, train_loss=best.get("train_loss"),
            valid_loss=best.get("valid_loss"), clipped_share=clipped / steps if steps else None,
            device=hardware.name(job.device), threads=job.threads, precision=self.precision, seconds=seconds,
            device_seconds=(seconds - waited - progress.waited) * job.ranks.size,
            peak_memory_bytes=hardware.peak_memory(job.device), energy_joules=progress.joules,
            resumed=progress.resumed, ended=datetime.now(UTC).isoformat(timespec="seconds"),
            notes=(*progress.notes, *alone), tuning=self.planned.tuning, versions=versions(),
        )

    def write(self, result: RunResult, folder: Path) -> None:
        """run.json, history.csv and, of a run that finished, weights.safetensors in a new folder."""
        folder.mkdir()
        HISTORY.write(self.history().assign(synthetic=result.synthetic), folder / "history.csv")
        if result.status == "finished":
            about = {"run_id": result.spec.run_id, "synthetic": result.synthetic}
            write_tensors(folder / "weights.safetensors", self.best, about)
        result.write(folder / "run.json")

    def log(self, event: str, epoch: int) -> None:
        if self.job.ranks.rank == 0:
            self.checkpoint.log(event, epoch)

    def tell(self, text: str) -> None:
        if self.job.ranks.rank == 0:
            print(f"{self.title} {text}", file=sys.stderr, flush=True)
