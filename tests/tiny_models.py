"""Small networks in run folders as training leaves them, and a corpus in memory: where export and bench tests start."""

import atexit
import shutil
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from ecgscale.contracts import LEADS, Export, ModelSpec, OptimizerSpec, RunResult, RunSpec, write_tensors
from ecgscale.contracts.labels import read_label_set
from ecgscale.deploy.export import export_models
from ecgscale.deploy.runtimes import DeployedModel, Runtime, infer, runtime_class
from ecgscale.design.study import Deploy
from ecgscale.models.complexity import ledger
from ecgscale.models.networks import build

WINDOW, RATE = 256, 100.0
LABELS = read_label_set()
SPECS = {
    "regnet": {"depth": 4, "w_init": 16, "w_0": 16, "w_a": 16.0, "w_m": 2.0, "group_width": 4,
               "bottleneck_multiplier": 1.0, "se_ratio": 0.25, "init_kernel_size": 3},
    "regnet-golden": {"depth": 15, "w_init": 32, "w_0": 56, "w_a": 19.0, "w_m": 1.1, "group_width": 4,     # 1.4 M
                      "bottleneck_multiplier": 4.0, "se_ratio": None, "init_kernel_size": 3},
    "convnext": {"width": 8, "depth_1": 1, "depth_2": 1, "depth_3": 1, "depth_4": 1, "layer_scale": 0.5},
    "vit": {"dim": 32, "depth": 2, "heads": 2, "patch": 32},
    "resnet": {"width": 16, "depth_1": 1, "depth_2": 1, "depth_3": 1, "depth_4": 1},
}


@dataclass(frozen=True)
class Recordings:
    """The members of ecg.corpus.Corpus that export reads."""

    records: pd.DataFrame
    signals: list[np.ndarray]           # (samples, leads) float32 each
    labels: np.ndarray                  # (recordings, classes) bool
    classes: tuple[str, ...] = LABELS.codes
    leads: tuple[str, ...] = LEADS
    rate: float = RATE
    unit: str = "z"
    synthetic: bool = True

    @property
    def recipe(self) -> dict:
        return {"name": "study"}

    def signal(self, position: int) -> np.ndarray:
        return self.signals[position]

    def positions(self, records) -> np.ndarray:
        return pd.Index(self.records["record"]).get_indexer(list(records))


def recordings(count: int = 24, seed: int = 0) -> tuple[Recordings, pd.DataFrame]:
    """Random 10-second recordings, one patient a pair, and their split in thirds."""
    rng = np.random.default_rng(seed)
    names = [f"toy/r{i:03d}" for i in range(count)]
    frame = pd.DataFrame({"record": names, "source": "toy", "patient": [f"toy/{i // 2}" for i in range(count)]})
    signals = [rng.normal(size=(int(RATE * 10), 12)).astype(np.float32).cumsum(axis=0) / 5 for _ in names]
    labels = rng.random((count, len(LABELS.codes))) < 0.1
    split = frame.assign(fold=0, part=[("train", "valid", "test")[3 * i // count] for i in range(count)])
    return Recordings(frame, signals, labels), split


def trained_run(folder: Path, name: str = "regnet", seed: int = 0, window: int = WINDOW) -> RunResult:
    """A run's folder: a random network whose batch norms have seen data, so that folding them is tested."""
    model = ModelSpec(family=name.split("-")[0], params=SPECS[name])
    spec = RunSpec.make(study="toy", model=model, window=window, seed=seed,
                        optimizer=OptimizerSpec(name="adamw", lr=1e-3))
    network = build(model, 12, window, len(LABELS.codes), seed).train()
    with torch.no_grad():
        for _ in range(3):
            network(torch.randn(8, 12, window, generator=torch.Generator().manual_seed(seed)))
    result = RunResult(
        spec=spec, ledger=ledger(model, 12, window, len(LABELS.codes)), status="finished", synthetic=True,
        corpus_digest="", split_digest="", code_digest="", classes=LABELS.codes, train_records=8, samples_seen=8,
        train_flops=0.0, best_epoch=1, train_loss=0.5, valid_loss=0.5, clipped_share=0.0, device="cpu", threads=1,
        precision="float32", seconds=1.0, versions={},
    )
    run = folder / spec.run_id
    run.mkdir(parents=True)
    write_tensors(run / "weights.safetensors", network.state_dict(), {"run_id": spec.run_id})
    result.write(run / "run.json")
    return result


def run_table(results: list[RunResult], scores: list[float]) -> pd.DataFrame:
    """The columns of runs.parquet that export reads."""
    return pd.DataFrame({
        "run_id": [r.spec.run_id for r in results], "status": [r.status for r in results],
        "family": [r.spec.model.family for r in results], "valid_challenge_score": scores,
        **{name: [getattr(r.ledger, name) for r in results] for name in ("params", "forward_flops", "activations")},
    })


@cache
def exported_model(name: str = "regnet", window: int = WINDOW) -> Path:
    """A folder as ecg-export writes it: a network as torch, ONNX and OpenVINO files. Made once a test process."""
    folder = Path(tempfile.mkdtemp(prefix="exported-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    deploy = Deploy(formats=("onnx", "openvino"), precisions=("float32", "float16", "int8"), margin=1.0)
    return export_one(folder, deploy, name, window)[0]


def export_one(folder: Path, deploy: Deploy, name: str = "resnet", window: int = WINDOW) -> tuple[Path, Export]:
    """A network trained below `folder` and exported there: its folder as ecg-export writes it, and what that says."""
    result, (corpus, split) = trained_run(folder / "runs", name, window=window), recordings()
    [made] = export_models([folder / "runs" / result.spec.run_id], run_table([result], [0.5]), corpus, split, deploy,
                           LABELS, folder / "models", threads=1, replicates=50)
    return folder / "models" / made.label, made


def copy_of_exported(folder: Path) -> Path:
    """The same, to be changed by a test."""
    return shutil.copytree(exported_model(), folder / exported_model().name)


def compiled(name: str, option: str, device: str = "cpu") -> Runtime:
    """A runtime that has compiled the exported model: one window a call, one thread."""
    runtime = runtime_class(name)()
    runtime.load(DeployedModel.read(exported_model()), device, option, 1, 1)
    runtime.compile()
    return runtime


def assert_requests_answer_alone(runtime: Runtime, model: DeployedModel) -> None:
    """Two requests of one compiled runtime: what the second is given does not reach the first's answer."""
    one, two = runtime.request(), runtime.request()
    one.put(model.sample)
    two.put(3 * model.sample)
    one.execute()
    first = one.get()
    assert np.abs(infer(two, 3 * model.sample) - model.expected).max() > 1e-3
    assert np.abs(first - model.expected).max() < 1e-5


@cache
def computes_bfloat16() -> bool:
    """Whether OpenVINO computes in bfloat16 on this processor."""
    import openvino

    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
