"""Speed of training, as ratios in the same run; `extra_info` of each benchmark holds the figures.

The baseline of a step is the loop that anyone writes: float32, torch.optim, crops cut and augmented by the same code.
Baseline and ours take turns step by step, so that what else the machine does falls on both.
"""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from ecgscale.contracts import HISTORY, ModelSpec, OptimizerSpec, PlannedRun, RunResult
from ecgscale.models.complexity import ledger
from ecgscale.models.networks import build
from ecgscale.training import device as hardware
from ecgscale.training.checkpoint import Checkpoint
from ecgscale.training.data import Crops, part_of
from ecgscale.training.layout import for_inference
from ecgscale.training.loop import Job, Training
from ecgscale.training.loss import terms
from ecgscale.training.train import train_batch
from tests.tiny_corpus import EVERY_AUGMENTATION, planned, split_of, write_corpus, write_split

ROOT = Path(__file__).parents[2]
GOLDEN = {  # the published study's best networks of SGD and of SGD-momentum
    "sgd": {"depth": 15, "w_init": 32, "w_0": 56, "w_a": 19, "w_m": 1.1, "group_width": 4,
            "bottleneck_multiplier": 4.0, "se_ratio": None, "init_kernel_size": 3},
    "sgdm": {"depth": 11, "w_init": 64, "w_0": 88, "w_a": 32, "w_m": 2.6, "group_width": 8,
             "bottleneck_multiplier": 2.0, "se_ratio": 0.25, "init_kernel_size": 3},
}
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(
    not torch.cuda.is_available(), reason="this machine has no CUDA device, or its torch is built without"))]
SMALL = {"depth": 4, "w_init": 8, "w_0": 8, "w_a": 18, "w_m": 2.0, "group_width": 8, "init_kernel_size": 9}
MEDIUM = {"depth": 6, "w_init": 24, "w_0": 24, "w_a": 32, "w_m": 2.0, "group_width": 8, "init_kernel_size": 9}
TINY = {"depth": 4, "w_init": 8, "w_0": 8, "w_a": 6, "w_m": 2.0, "group_width": 8, "init_kernel_size": 9}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("bench") / "shard", count=160, longest=5000)


@pytest.fixture(scope="module")
def long_epochs(tmp_path_factory):
    """1,920 recordings, 1,120 of them to train on: what the first batch of an epoch costs does not count for much."""
    return write_corpus(tmp_path_factory.mktemp("long") / "shard", count=1920, longest=5000)


def golden(name: str, **changes) -> PlannedRun:
    model = ModelSpec(family="regnet", params=(GOLDEN | {"tiny": TINY, "small": SMALL, "medium": MEDIUM})[name])
    values = {"model": model, "window": 1024, "batch_size": 32, "precision": "auto",
              "optimizer": OptimizerSpec(name=name if name in GOLDEN else "adamw", lr=0.01), "epochs": 1} | changes
    return planned(**values).model_copy(update={"ledger": ledger(model, classes=4)})


def training(plan: PlannedRun, corpus, folder: Path, device: str = "cpu") -> Training:
    hardware.begin(torch.get_num_threads())
    job = Job(corpus, *split_of(corpus), folder, torch.device(device), torch.get_num_threads())
    precision = hardware.precision(plan.spec.precision, job.device, plan.ledger.forward_flops)
    made = Training(plan, job, Checkpoint(folder, plan.spec.run_id, {}), precision, "bench")
    made.prepare()
    made.network.train()
    return made


def now(device: str) -> float:
    """Seconds, once the device has done what it was given."""
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


@pytest.mark.parametrize("precision", ["auto", "float32"])
@pytest.mark.parametrize("name", GOLDEN)
@pytest.mark.parametrize("device", DEVICES)
def test_samples_a_second_against_a_plain_loop(benchmark, corpus, tmp_path, device, name, precision):
    plan = golden(name, augment=EVERY_AUGMENTATION, precision=precision)
    ours = training(plan, corpus, tmp_path, device)
    model = build(plan.spec.model, 12, 1024, 4, 0).train().to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9 if name == "sgdm" else 0.0)

    def plain(batches) -> None:
        x, y = next(batches)
        optimizer.zero_grad()
        x, y = torch.from_numpy(x).contiguous().to(device), torch.from_numpy(y).to(device)
        terms(plan.spec.loss, model(x), y).mean().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    spent: dict[str, list[float]] = {"plain": [], "ours": []}

    def turns() -> None:
        for epoch in range(4):
            both = ours.crops.epoch(epoch), ours.crops.epoch(epoch)
            for _ in range(2):
                started = now(device)
                plain(both[0])
                between = now(device)
                ours.step(*next(both[1]))
                spent["plain"].append(between - started)
                spent["ours"].append(now(device) - between)

    benchmark.pedantic(turns, rounds=1, warmup_rounds=1)
    ratios = [plain / ours for plain, ours in zip(spent["plain"], spent["ours"], strict=True)]
    benchmark.extra_info |= {
        "precision": ours.precision, "ratio": statistics.median(ratios),
        "samples_per_s": 32 / statistics.median(spent["ours"]),
        "plain_samples_per_s": 32 / statistics.median(spent["plain"])}


@pytest.mark.parametrize("augment", [(), EVERY_AUGMENTATION], ids=["plain crops", "every augmentation"])
@pytest.mark.parametrize("name", ["tiny", "small", "medium", "sgd"])
@pytest.mark.parametrize(("device", "cpus"), [("cpu", 1), ("cpu", 2), pytest.param("cuda", 1, marks=DEVICES[1].marks)])
def test_waiting_for_data(benchmark, long_epochs, tmp_path, device, cpus, name, augment):
    """Share of a training's steps in the loader: 7, 19 and 218 thousand parameters, and the smallest golden network.

    And the share of a run's time in validation: four recordings of five windows to judge by for seven to train on.
    """
    plan = golden(name, augment=augment, epochs=1 if name == "sgd" else 3)

    def epochs() -> None:
        train_batch([plan], long_epochs, *split_of(long_epochs), tmp_path / "out", tmp_path / "kept", device, cpus)

    benchmark.pedantic(epochs, rounds=1)
    history = HISTORY.read(tmp_path / "out" / plan.spec.run_id / "history.csv")
    share, steps = history["data_wait_share"], np.ceil(history["samples"] / plan.spec.batch_size)
    batch_s = (history["seconds"] - history["valid_seconds"]) / steps
    benchmark.extra_info["valid_share"] = (history["valid_seconds"] / history["seconds"]).median()
    benchmark.extra_info |= {"data_wait_share": share.median(), "waited_ms": 1e3 * (share * batch_s).median(),
                             "step_ms": 1e3 * ((1 - share) * batch_s).median()}


def test_the_loader_against_a_bare_copy(benchmark, corpus):
    """A batch of 32 crops, no augmentation and all, turn by turn with its floor: as many float16 turned to float32.

    Whole epochs, since what an epoch costs once is part of it.
    """
    plans = [planned(window=1024, batch_size=32, augment=names).spec for names in ((), EVERY_AUGMENTATION)]
    crops = [Crops(corpus, part_of(corpus, split_of(corpus)[0], "train")[:96], spec) for spec in plans]
    stored = torch.zeros(32, 1024, 12, dtype=torch.float16)
    spent: dict[str, list[float]] = {"copy": [], "plain": [], "augmented": []}

    def turns() -> None:
        for epoch in range(50):
            for key, each in (("plain", crops[0]), ("augmented", crops[1])):
                started = time.perf_counter()
                for _ in each.epoch(epoch):
                    pass
                spent[key].append((time.perf_counter() - started) / each.steps)
            started = time.perf_counter()
            stored.float()
            spent["copy"].append(time.perf_counter() - started)

    torch.set_num_threads(1)
    benchmark.pedantic(turns, rounds=1, warmup_rounds=1)
    benchmark.extra_info |= {f"{key}_ms": 1e3 * statistics.median(times) for key, times in spent.items()}


@pytest.mark.parametrize("runs", [1, 6])
def test_overhead_of_a_task(benchmark, tmp_path, runs):
    """Seconds of ecg-train beyond the epochs of its runs: start-up, reading, checkpoints, writing."""
    write_split(write_corpus(tmp_path / "shard"), tmp_path / "split")
    plans = [planned(seed=seed) for seed in range(runs)]
    PlannedRun.write_lines(plans, tmp_path / "runs.jsonl")

    def task() -> None:
        subprocess.run([sys.executable, ROOT / "bin/ecg-train", "--runs", tmp_path / "runs.jsonl", "--corpus",
                        tmp_path / "shard", "--split", tmp_path / "split", "--checkpoints", tmp_path / "kept",
                        "--out", tmp_path / "out", "--cpus", "1", "--device", "cpu"],
                       check=True, capture_output=True, env={**os.environ, "PYTHONPATH": str(ROOT / "lib")})

    benchmark.pedantic(task, rounds=1)
    trained = sum(RunResult.read(tmp_path / "out" / plan.spec.run_id / "run.json").seconds for plan in plans)
    beyond = benchmark.stats.stats.total - trained
    benchmark.extra_info |= {"overhead_s": beyond, "overhead_s_a_run": beyond / runs, "training_s": trained}


@pytest.mark.parametrize(("name", "epochs"), [("sgd", 1), ("sgd", 12), ("small", 6), ("small", 60)])
def test_side_by_side_against_one_after_the_other(benchmark, corpus, tmp_path, name, epochs):
    """Four runs with two processors, of the smallest golden network or of 19 thousand parameters: two processes of a
    thread each (their start-up counts) against one after the other with two threads."""
    plans = [golden(name, seed=seed, epochs=epochs) for seed in range(4)]
    one_after_the_other = time.perf_counter()
    for number, plan in enumerate(plans):
        train_batch([plan], corpus, *split_of(corpus), tmp_path / "a", tmp_path / f"kept-{number}", "cpu", 2)
    one_after_the_other = time.perf_counter() - one_after_the_other

    def together() -> None:
        train_batch(plans, corpus, *split_of(corpus), tmp_path / "b", tmp_path / "kept", "cpu", 2)

    benchmark.pedantic(together, rounds=1)
    benchmark.extra_info["ratio"] = one_after_the_other / benchmark.stats.stats.total


@pytest.mark.parametrize("device", DEVICES)
def test_small_runs_an_hour_alone_and_packed(benchmark, corpus, tmp_path, device):
    """Eight runs of 19 thousand parameters on one device: one after the other, and four (on a CPU: two) at a time."""
    plans = [golden("small", seed=seed, epochs=20) for seed in range(8)]
    alone = time.perf_counter()
    train_batch(plans, corpus, *split_of(corpus), tmp_path / "a", tmp_path / "kept-a", device, 1)
    alone = time.perf_counter() - alone

    def packed() -> None:
        train_batch(plans, corpus, *split_of(corpus), tmp_path / "b", tmp_path / "kept-b", device,
                    4 if device == "cuda" else 2)

    benchmark.pedantic(packed, rounds=1)
    packed_s = benchmark.stats.stats.total
    benchmark.extra_info |= {"alone_runs_per_h": 3600 * len(plans) / alone,
                             "packed_runs_per_h": 3600 * len(plans) / packed_s, "ratio": alone / packed_s}


@pytest.mark.parametrize(("name", "precision"), [
    ("sgd", "auto"), ("sgdm", "auto"), ("sgd", "float32"), ("small", "float32")])
@pytest.mark.parametrize("threads", [1, 2])
def test_validation_against_the_network_in_training(benchmark, corpus, tmp_path, name, precision, threads):
    """The copy for inference against the network itself, forward only, turn by turn."""
    torch.set_num_threads(threads)
    made = training(golden(name, precision=precision), corpus, tmp_path)
    network, copy = made.model.eval(), for_inference(made.model, torch.device("cpu"))
    x = torch.randn(64, 12, 1024)
    spent: dict[str, list[float]] = {"itself": [], "copy": []}

    def turns() -> None:
        for _ in range(6):
            for key, judge in (("itself", network), ("copy", copy)):
                started = time.perf_counter()
                with torch.inference_mode(), made.autocast():
                    judge(x)
                spent[key].append((time.perf_counter() - started) / len(x))

    benchmark.pedantic(turns, rounds=1, warmup_rounds=1)
    ratios = [itself / ours for itself, ours in zip(spent["itself"], spent["copy"], strict=True)]
    benchmark.extra_info |= {"ratio": statistics.median(ratios), "s_a_window": statistics.median(spent["copy"])}
