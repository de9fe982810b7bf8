"""bf16 against float32 on a CPU: the final validation loss of five paired seeds, by a protocol that
docs/explanation/training-figures.md gives with its result. `extra_info` holds mean and 95 % interval (Student's t) of
the relative difference.

A pair shares network, initialization, order and augmentation; only rounding differs. How far a training strays for any
rounding at all is measured by float32 alone: a pair of which one starts from its weights rounded to bf16. Ten minutes
a protocol on two processors, most of an hour the dozen pairs of float32.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from scipy import stats

from ecgscale.contracts import LossSpec, ModelSpec, OptimizerSpec, PlannedRun, RunResult, RunSpec, ScheduleSpec
from ecgscale.machine.processors import usable_cpus
from ecgscale.models.complexity import ledger
from ecgscale.training import loop
from ecgscale.training.train import trainer

ROOT = Path(__file__).parents[2]
CORPUS = {"records": 20_000, "seed": 1, "difficulty": 1, "sources": "ptb-xl"}     # 10 s each; 12,000 train, 6,000 judge
STUDY = """
name: precision
data: {recipe: study-100}
runs: [{family: resnet, sampler: list, models: [resnet-20k], optimizers: [{name: adamw, lr: 1e-3}]}]
"""
CONTROL = range(11, 23)     # seeds of float32 against itself: a protocol is chosen by these, so its own are others


class Protocol(NamedTuple):
    model: ModelSpec
    rate: float
    window: int                 # samples of a crop, at 100 Hz
    epochs: int
    augment: tuple[str, ...]
    first: int                  # of five seeds


PROTOCOLS = {
    "convnext": Protocol(ModelSpec(family="convnext", params={  # 453 thousand parameters, layer norm
        "width": 24, "depth_1": 1, "depth_2": 1, "depth_3": 1, "depth_4": 1, "layer_scale": 0.1}),
        rate=1e-3, window=256, epochs=6, augment=("amplitude", "noise", "time_mask"), first=201),
    "regnet": Protocol(ModelSpec(family="regnet", params={      # 416 thousand parameters, batch norm
        "depth": 6, "w_init": 32, "w_0": 40, "w_a": 40, "w_m": 2.0, "group_width": 8, "init_kernel_size": 9}),
        rate=5e-3, window=64, epochs=12, augment=(), first=401),
}


def plan(protocol: Protocol, seed: int, precision: str) -> PlannedRun:
    return PlannedRun(ledger=ledger(protocol.model, window=protocol.window), spec=RunSpec.make(
        study="precision", model=protocol.model, recipe="study-100", window=protocol.window, epochs=protocol.epochs,
        seed=seed, precision=precision, augment=protocol.augment, loss=LossSpec(name="bce"),
        optimizer=OptimizerSpec(name="adamw", lr=protocol.rate, weight_decay=0.01),
        schedule=ScheduleSpec(name="cosine", warmup=0.1)))


def difference(losses: np.ndarray) -> dict[str, float | list[float]]:
    """Of validation losses (seed, float32 and other): mean relative difference and its 95 % interval."""
    relative = losses[:, 1] / losses[:, 0] - 1
    half = stats.t.ppf(0.975, len(relative) - 1) * relative.std(ddof=1) / np.sqrt(len(relative))
    return {"difference": relative.mean(), "low": relative.mean() - half, "high": relative.mean() + half,
            "by_seed": relative.tolist(), "float32": losses[:, 0].tolist()}


def final_losses(results: list[RunResult]) -> np.ndarray:
    assert {result.status for result in results} == {"finished"}
    return np.array([result.valid_loss for result in results])


def rounded(build: Callable[..., torch.nn.Module]) -> Callable[..., torch.nn.Module]:
    """`build`, of which each weight is rounded to the nearest bf16 number: by up to 1 part in 512."""
    def built(*arguments: Any) -> torch.nn.Module:
        model = build(*arguments)
        with torch.no_grad():
            for weight in model.parameters():
                weight.copy_(weight.bfloat16())
        return model

    return built


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Folders of the corpus and of its split."""
    folder = tmp_path_factory.mktemp("precision")
    (folder / "study.yaml").write_text(STUDY)

    def task(command: str, **options) -> None:
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        subprocess.run([sys.executable, ROOT / "bin" / command, *words], check=True, capture_output=True,
                       env=os.environ | {"PYTHONPATH": str(ROOT / "lib")})

    task("ecg-synth", out=folder / "raw", **CORPUS)
    task("ecg-prepare", source="ptb-xl", folder=folder / "raw/ptb-xl", study=folder / "study.yaml",
         out=folder / "shard")
    task("ecg-split", corpus=folder / "shard", study=folder / "study.yaml", out=folder / "split")
    return folder / "shard", folder / "split"


@pytest.mark.parametrize("name", PROTOCOLS)
def test_validation_loss_of_bf16_against_float32(benchmark, prepared, tmp_path, name):
    protocol = PROTOCOLS[name]
    train = trainer([prepared[0]], prepared[1], tmp_path / "kept", "cpu", min(2, usable_cpus()))
    pairs = [plan(protocol, seed, precision) for seed in range(protocol.first, protocol.first + 5)
             for precision in ("float32", "bf16")]
    results = benchmark.pedantic(train, (pairs, tmp_path / "out"), rounds=1)
    benchmark.extra_info |= difference(final_losses(results).reshape(-1, 2))


def test_validation_loss_of_float32_against_itself(benchmark, prepared, tmp_path, monkeypatch):
    runs = [plan(PROTOCOLS["regnet"], seed, "float32") for seed in CONTROL]

    def both() -> list[RunResult]:
        results = trainer([prepared[0]], prepared[1], tmp_path / "kept", "cpu", 1)(runs, tmp_path / "out")
        monkeypatch.setattr(loop, "build", rounded(loop.build))     # of this process, so one run at a time
        return results + trainer([prepared[0]], prepared[1], tmp_path / "rounded", "cpu", 1)(runs, tmp_path / "moved")

    losses = final_losses(benchmark.pedantic(both, rounds=1))
    benchmark.extra_info |= difference(losses.reshape(2, -1).T)
