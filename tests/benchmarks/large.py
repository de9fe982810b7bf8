"""Networks of 200 million parameters: do they build, step within the memory that was foretold, and export?

    PYTHONPATH=lib python -m tests.benchmarks.large --out large.csv [--families vit resnet] [--batch 8]
    PYTHONPATH=lib python -m tests.benchmarks.large --out small.csv --sizes 60k 600k 6m

A row a family, size and way to train, each measured in a process of its own (minutes a family of 200m; 10 GB for its
export). `measured` is the highest resident memory of three steps less what the process held before the network;
`planned` is what ecg-sample would say of it, having looked at other sizes of the family.
"""

import argparse
import csv
import multiprocessing
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from ecgscale.contracts import LEADS, LossSpec, ModelSpec, OptimizerSpec, PlannedRun, RunSpec
from ecgscale.design import memory
from ecgscale.models.blocks import recomputing
from ecgscale.models.complexity import SIZES, ledger
from ecgscale.models.networks import build
from ecgscale.training import device as hardware
from ecgscale.training.layout import channels_last
from ecgscale.training.loss import terms
from ecgscale.training.memory import kept_by, of_training
from ecgscale.training.optim import make_optimizer

CPU, CLASSES, STEPS = torch.device("cpu"), 26, 3
WAYS = {"plain": {}, "recomputed": {"recompute": True}, "4 parts": {"microbatches": 4}}


def asked(name: str, batch: int, **way) -> RunSpec:
    return RunSpec.make(study="large", model=ModelSpec(family=name.split("-")[0], params=dict(vars(SIZES[name]))),
                        optimizer=OptimizerSpec(name="adamw", lr=1e-4), batch_size=batch, **way)


def planned(spec: RunSpec) -> int:
    """Bytes of room in the plan of a study of this run, the family's smallest size and its next to largest."""
    specs = [asked(f"{spec.model.family}-{size}", spec.batch_size, recompute=spec.recompute) for size in ("20k", "60m")]
    runs = [PlannedRun(spec=each, ledger=ledger(each.model, window=each.window)) for each in (spec, *specs)]
    return round(memory.table(runs, kept_by(runs[1:], CLASSES))["room_bytes"].iloc[0] - memory.PROCESS)


def steps(spec: RunSpec) -> dict:
    """Three steps as training/loop.py takes them."""
    hardware.begin(1)
    x, y = torch.randn(spec.batch_size, len(LEADS), spec.window), torch.zeros(spec.batch_size, CLASSES)
    hardware.reset_peak_memory(CPU)
    before, started = hardware.peak_memory(CPU), time.process_time()
    network = channels_last(build(spec.model, len(LEADS), spec.window, CLASSES, 0)).train()
    network = recomputing(network) if spec.recompute else network
    optimizer, losses = make_optimizer(spec.optimizer, network), []
    for _ in range(STEPS):
        network.zero_grad(set_to_none=True)
        losses.append(0.0)
        for part, target in zip(x.chunk(spec.microbatches), y.chunk(spec.microbatches), strict=True):
            loss = terms(LossSpec(name="bce"), network(part), target).sum() / y.numel()
            loss.backward()
            losses[-1] += loss.item()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
    return {"params": sum(each.numel() for each in network.parameters()),
            "measured": hardware.peak_memory(CPU) - before, "first_loss": losses[0], "last_loss": losses[-1],
            "cpu_seconds_a_step": (time.process_time() - started) / STEPS}


def exported(spec: RunSpec) -> float:
    """The largest difference of ONNX Runtime's logits from the network's, for one window, over the largest logit."""
    import onnxruntime

    from ecgscale.deploy.export.formats import INPUT, NEWEST_OPSET, Exporter

    network = build(spec.model, len(LEADS), spec.window, CLASSES, 0).eval()
    shape = (1, len(LEADS), spec.window)
    x = torch.randn(shape)
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        expected = network(x).numpy()
        file = Path(folder) / "model.onnx"
        Exporter(network, shape, {"description": "large"}, np.zeros(shape, np.float32)).write(
            "onnx", "float32", file, NEWEST_OPSET)
        found = onnxruntime.InferenceSession(str(file)).run(None, {INPUT: x.numpy()})[0]
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def apart(function, *arguments):
    """What a function gives in a fresh process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    made.add_argument("--families", nargs="+", default=["regnet", "convnext", "resnet", "vit"])
    made.add_argument("--sizes", nargs="+", default=["200m"])
    made.add_argument("--ways", nargs="+", default=list(WAYS), choices=list(WAYS))
    made.add_argument("--batch", type=int, default=16)
    made.add_argument("--out", type=Path, required=True)
    args = made.parse_args()
    rows = []
    for name in [f"{family}-{size}" for family in args.families for size in args.sizes]:
        differs = apart(exported, asked(name, 1))
        for way in args.ways:
            spec = asked(name, args.batch, **WAYS[way])
            foretold = of_training(spec, CLASSES)
            row = {"family": spec.model.family, "way": way, "batch": args.batch, "window": spec.window,
                   "foretold": foretold.peak, "room": foretold.room, "planned": planned(spec),
                   **apart(steps, spec), "export_difference": differs}
            rows.append(row)
            print(row, f"{row['measured'] / row['room']:.3f}", flush=True)
    with open(args.out, "w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
