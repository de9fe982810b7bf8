"""bf16 against float32 on a CPU: the final validation loss of five paired seeds, by a protocol that docs/training.md
gives with its result. `extra_info` holds mean and 95 % interval (Student's t) of the relative difference.

A pair shares network, initialization, order and augmentation; only rounding differs. About a quarter of an hour each.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from ecgscale.contracts import LossSpec, ModelSpec, OptimizerSpec, PlannedRun, RunResult, RunSpec, ScheduleSpec
from ecgscale.models.complexity import ledger
from ecgscale.training.train import trainer

ROOT = Path(__file__).parents[2]
CORPUS = {"records": 20_000, "seed": 1, "difficulty": 1, "sources": "ptb-xl"}     # 10 s each; 12,000 train, 6,000 judge
STUDY = """
name: precision
data: {recipe: study-100}
runs: [{family: resnet, sampler: list, models: [resnet-20k], optimizers: [{name: adamw, lr: 1e-3}]}]
"""
MODELS = {  # model, learning rate, window of the crops, first of five seeds
    "convnext": (ModelSpec(family="convnext", params={  # 453 thousand parameters, layer norm
        "width": 24, "depth_1": 1, "depth_2": 1, "depth_3": 1, "depth_4": 1, "layer_scale": 0.1}), 1e-3, 256, 201),
    "regnet": (ModelSpec(family="regnet", params={      # 416 thousand parameters, batch norm
        "depth": 6, "w_init": 32, "w_0": 40, "w_a": 40, "w_m": 2.0, "group_width": 8, "init_kernel_size": 9}),
        5e-3, 128, 301),
}


def plans(name: str, seed: int) -> list[PlannedRun]:
    """The pair of one seed: float32, then bf16."""
    model, rate, window, _ = MODELS[name]
    return [PlannedRun(ledger=ledger(model, window=window), spec=RunSpec.make(
        study="precision", model=model, recipe="study-100", window=window, epochs=6, seed=seed, precision=precision,
        optimizer=OptimizerSpec(name="adamw", lr=rate, weight_decay=0.01), loss=LossSpec(name="bce"),
        schedule=ScheduleSpec(name="cosine", warmup=0.1), augment=("amplitude", "noise", "time_mask")))
        for precision in ("float32", "bf16")]


def difference(losses: np.ndarray) -> dict[str, float | list[float]]:
    """Of validation losses (seed, float32 and bf16): mean relative difference and its 95 % interval."""
    relative = losses[:, 1] / losses[:, 0] - 1
    half = stats.t.ppf(0.975, len(relative) - 1) * relative.std(ddof=1) / np.sqrt(len(relative))
    return {"difference": relative.mean(), "low": relative.mean() - half, "high": relative.mean() + half,
            "by_seed": relative.tolist(), "float32": losses[:, 0].tolist()}


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


@pytest.mark.parametrize("name", MODELS)
def test_validation_loss_of_bf16_against_float32(benchmark, prepared, tmp_path, name):
    train = trainer([prepared[0]], prepared[1], tmp_path / "kept", "cpu", 1)

    def pairs() -> list[RunResult]:
        first = MODELS[name][-1]
        return train([plan for seed in range(first, first + 5) for plan in plans(name, seed)], tmp_path / "out")

    results = benchmark.pedantic(pairs, rounds=1)
    assert {result.status for result in results} == {"finished"}
    benchmark.extra_info |= difference(np.array([result.valid_loss for result in results]).reshape(-1, 2))
