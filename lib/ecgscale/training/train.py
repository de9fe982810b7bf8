"""A batch of runs on one device: start-up paid once, small runs side by side, finished ones taken from checkpoints."""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import torch

from ecgscale.contracts import (
    PlannedRun,
    RunResult,
    SplitInfo,
    Teaching,
    file_digest,
    read_split,
    refuse_foreign,
    whole_folder,
)
from ecgscale.ecg.corpus import Corpus
from ecgscale.errors import UserError
from ecgscale.machine.processes import fresh_pool
from ecgscale.machine.provenance import code_digest
from ecgscale.models.complexity import ledger
from ecgscale.training import device as hardware
from ecgscale.training.checkpoint import RUN_FILES, Checkpoint
from ecgscale.training.loop import Job, Training
from ecgscale.training.ranks import join

SMALL_STEP = 1e11       # FLOPs of a step below which a GPU waits for its host most of the time
WORTH_STARTING = 1e11   # FLOPs of a batch of runs, some five seconds of a processor: below, processes do not pay


def train_batch(planned: list[PlannedRun], corpus: Corpus, split: pd.DataFrame, split_info: SplitInfo, out: Path,
                checkpoints: Path, device: str = "auto", cpus: int = 1,
                others: Sequence[Corpus] = ()) -> list[RunResult]:
    """Train the runs; write `out`/<run_id>/ (run.json, history.csv, weights.safetensors) for each.

    A run that diverges or raises is written with that status and without weights, and the batch goes on. A run that was
    begun before is continued from `checkpoints`; one that ended there with the same corpus, split, code and device is
    taken from there. Several runs go side by side in processes of their own (`side_by_side`). Under torchrun, all its
    processes train one run after the other together. `others`: the same recordings by further recipes; a run takes
    those of its own. A run that another one teaches is trained after it.
    Raises UserError when the split was made for another corpus, the runs were planned for another number of classes, or
    the device is not there.
    """
    if split_info.corpus_digest != corpus.digest:
        raise UserError(f"the split was made for the corpus {split_info.corpus_digest}, this one is {corpus.digest}",
                        field="split", remedy="Give all the shards that the split was made from")
    for other in others:
        if split_info.others.get(other.recipe["name"]) != other.digest:
            raise UserError(f"the split was not made for the corpus {other.digest} of {other.recipe['name']}",
                            field="split", remedy="Give ecg-split the shards of every recipe: --others")
    refuse_other_outputs(planned, len(corpus.classes))
    refuse_foreign(Path(out), {plan.spec.run_id: RUN_FILES for plan in planned})
    ranks, chosen = join(hardware.choose(device))
    records = int((split["part"] == "train").sum())
    workers = side_by_side(planned, chosen, cpus, records) if ranks.size == 1 else 1
    job = Job(corpus, split, split_info, Path(checkpoints), chosen, max(1, cpus // workers), ranks, Path(out))
    jobs = {other.recipe["name"]: replace(job, corpus=other) for other in others}
    tasks = [(plan, jobs.get(plan.spec.recipe, job), Path(out) / plan.spec.run_id,
              f"run {number}/{len(planned)} {plan.spec.run_id}")
             for number, plan in enumerate(planned, 1)]
    waves = [[task for task in tasks if bool(task[0].spec.taught) == late] for late in (False, True)]   # teachers first
    done: dict[str, RunResult] = {}
    if workers == 1:
        hardware.begin(job.threads)
        done = {task[0].spec.run_id: train_one(*task) for wave in waves for task in wave}
        return [done[plan.spec.run_id] for plan in planned]
    with fresh_pool("training", workers, job.threads, hardware.begin, job.threads) as pool:
        for wave in waves:
            longest_first = sorted(wave, key=lambda task: -cost(task[0]))
            futures = {task[0].spec.run_id: pool.submit(train_one, *task) for task in longest_first}
            done |= {run_id: future.result() for run_id, future in futures.items()}
    return [done[plan.spec.run_id] for plan in planned]


def refuse_other_outputs(planned: list[PlannedRun], classes: int) -> None:
    """A plan that was reckoned with other outputs has other parameters and FLOPs than what would be trained."""
    for plan in planned:
        spec = plan.spec
        if (params := ledger(spec.model, len(spec.leads), spec.window, classes).params) != plan.ledger.params:
            raise UserError(f"run {spec.run_id} was planned with {plan.ledger.params} parameters; with the {classes} "
                            f"classes of this corpus it has {params}", field="ledger",
                            remedy=f"Plan it again: ecg-sample --classes {classes}")


def trainer(shards: list[Path], split: Path, checkpoints: Path, device: str,
            cpus: int) -> Callable[[list[PlannedRun], Path], list[RunResult]]:
    """`train_batch` on the corpora in `shards` and the folder of a split: what remains to say is the runs and `out`."""
    frame, info = read_split(split)
    corpus, *others = [one.checked() for one in Corpus.open_all(shards, info.corpus_digest)]
    return lambda planned, out: train_batch(planned, corpus, frame, info, out, checkpoints, device, cpus, others)


def side_by_side(planned: list[PlannedRun], device: torch.device, cpus: int, records: int) -> int:
    """How many runs to train at a time: a function of batch, data and `cpus` alone, so that a retry has the same
    threads.

    On a CPU one run a processor: runs of one thread each, side by side, take less time than one after the other with
    all threads, once there is more to do than to start the processes (docs/explanation/training-figures.md). On a GPU
    likewise while the runs are small; a large one has the device for itself.
    """
    if device.type == "mps":
        return 1
    if device.type == "cuda" and any(plan.ledger.step_flops * plan.spec.batch_size > SMALL_STEP for plan in planned):
        return 1
    if device.type == "cpu" and sum(map(cost, planned)) * records < WORTH_STARTING:
        return 1
    return max(1, min(cpus, len(planned)))


def cost(plan: PlannedRun) -> float:
    """FLOPs of a run for each training recording."""
    return float(plan.ledger.step_flops) * plan.spec.epochs * plan.spec.data_fraction


def of_teacher(job: Job, how: Teaching) -> str:
    """What a student's checkpoint has to match: its teacher's weights."""
    weights = job.teachers / how.teacher / "weights.safetensors"
    return file_digest(weights) if weights.is_file() else ""


def train_one(planned: PlannedRun, job: Job, folder: Path, title: str) -> RunResult:
    """One run, from its checkpoint where there is one, to its folder."""
    spec = planned.spec
    precision = hardware.precision(spec.precision, job.device, planned.ledger.forward_flops)
    checkpoint = Checkpoint(job.checkpoints, spec.run_id, {
        "run": planned.model_dump(mode="json"), "corpus": job.corpus.digest, "split": job.split_info.digest,
        "code": code_digest(), "torch": torch.__version__, "device": job.device.type, "precision": precision,
        "processes": job.ranks.size, **({"teacher": of_teacher(job, spec.taught)} if spec.taught else {})})
    # of several processes on one run, all have to see the same checkpoint: none of them waits for a lock
    with contextlib.nullcontext() if job.ranks.size > 1 else checkpoint.alone():
        result = checkpoint.finished()
        run = None
        if result is None:
            hardware.reset_peak_memory(job.device)
            run = Training(planned, job, checkpoint, precision, title)
            result = run.result(*run.attempt())
        if job.ranks.rank > 0:
            return result
        with whole_folder(folder, RUN_FILES) as temporary:
            if run:
                run.write(result, temporary)
            else:
                shutil.copytree(checkpoint.result, temporary)
                print(f"{title} was {result.status} before", file=sys.stderr, flush=True)
        if run and result.status != "failed":
            checkpoint.finish(folder)
        return result
