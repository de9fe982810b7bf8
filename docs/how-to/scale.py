"""The table of docs/how-to/scale.md: three studies, counted by the project's own planner, times the constants below.

    PYTHONPATH=lib .venv/bin/python docs/how-to/scale.py

A constant is measured (where is said), from a data sheet, or assumed. Change it here and print the table again.
"""

import math
import tempfile
from pathlib import Path

import yaml

from ecgscale.contracts import PlannedRun
from ecgscale.design.plan import VALID_SAMPLES, VALID_SHARE, read_devices, train_flops
from ecgscale.design.space import plan_study
from ecgscale.design.study import read_study
from ecgscale.numbers import number

ROOT = Path(__file__).parents[2]
RECORDS, TRAIN = 88_253, 52_951     # the public training set; two of three folds of it
RAW_BYTES = 12 * 5000 * 2           # of a recording: 12 leads, 10 s at 500 Hz, 16 bits
CORPUS_BYTES = 128e3                # prepared; measured on 10,000 synthetic recordings
PREPARE_SECONDS = 9.6e-4            # processor time of a recording; measured on the same, one EPYC (Zen 4) core
PREDICTION_BYTES = 255              # of a recording, 26 classes; measured on 161 recordings
STATE_BYTES = 16                    # of a parameter in a checkpoint: weights, best weights, two moments (AdamW)
TASK_HOURS = 4                      # what a TRAIN task should last: few starts, little lost with a node
GPUS = 32
DOLLARS = {"NVIDIA H100 SXM": 4.9, "NVIDIA A100 SXM": 1.84, "NVIDIA L4": 0.8}    # an hour; assumed, see scale.md
STORAGE_DOLLARS = 0.023             # a GB and month of object storage; assumed


def studies(folder: Path) -> dict[str, Path]:
    """The published design space with 500 and 5,000 runs, and one RegNet of 200 million parameters."""
    published = yaml.safe_load((ROOT / "assets/studies/paper.yaml").read_text())
    counts = [group["count"] for group in published["runs"]]
    found = {}
    for runs in (500, 5000):
        for group, count in zip(published["runs"], counts, strict=True):
            group["count"] = round(count * runs / sum(counts))
        found[f"{runs:,} runs"] = folder / f"{runs}.yaml"
        found[f"{runs:,} runs"].write_text(yaml.safe_dump(published))
    large = {"name": "large", "seed": 1, "runs": [{
        "family": "regnet", "sampler": "list", "models": ["regnet-200m"],
        "optimizers": [{"name": "adamw", "lr": 1e-3, "weight_decay": 0.05}], "training": {"epochs": 20}}]}
    found["200 M parameters"] = folder / "large.yaml"
    found["200 M parameters"].write_text(yaml.safe_dump(large))
    return found


def judging_flops(run: PlannedRun) -> float:
    """Validation after each epoch, and validation and test once in EVALUATE: forward only, all windows."""
    windows = math.ceil(VALID_SAMPLES / run.spec.window)
    return run.ledger.forward_flops * windows * (VALID_SHARE * TRAIN * run.spec.epochs + RECORDS - TRAIN)


def column(runs: list[PlannedRun]) -> dict[str, str]:
    train = math.fsum(train_flops(run, TRAIN) for run in runs)
    judge = math.fsum(judging_flops(run) for run in runs)
    hours = {row["device"]: (train + judge) / (float(row["peak_tflops"]) * 1e12 * float(row["share"])) / 3600
             for row in read_devices()}
    gpu = hours["NVIDIA H100 SXM"]
    batch = max(1, min(len(runs), int(TASK_HOURS / (gpu / len(runs)))))
    tasks = math.ceil(len(runs) / batch)
    weights = 4 * sum(run.ledger.params for run in runs)
    predictions = PREDICTION_BYTES * (RECORDS - TRAIN) * len(runs)
    corpus = CORPUS_BYTES * RECORDS
    biggest = sorted(run.ledger.params for run in runs)[-min(GPUS, tasks):]
    kept = 3 * weights + 2 * predictions + corpus + RAW_BYTES * RECORDS
    return {
        "training / judging, FLOPs": f"{number(train, 2)} / {number(judge, 2)}",
        **{f"GPU hours, {name.removeprefix('NVIDIA ')}": f"{hours[name]:,.0f}" for name in DOLLARS},
        "`--train_batch` (about 4 h a task on an H100)": f"{batch:,}",
        "TRAIN + EVALUATE tasks": f"{tasks:,} + {tasks:,}",
        f"wall time on {GPUS} H100": f"{max(gpu / GPUS, gpu / tasks):,.1f} h",
        "PREPARE, processor time": f"{PREPARE_SECONDS * RECORDS:,.0f} s",
        "recordings + prepared corpus": f"{RAW_BYTES * RECORDS / 1e9:.1f} + {corpus / 1e9:.1f} GB",
        "weights (work folder, results, checkpoints)": f"3 x {weights / 1e9:,.1f} GB",
        "predictions (work folder, results)": f"2 x {predictions / 1e9:,.2g} GB",
        "checkpoints at a time, at most": f"{STATE_BYTES * sum(biggest) / 1e9:,.1f} GB",
        "corpus read by tasks in a cloud": f"{2 * tasks * corpus / 1e9:,.0f} GB",
        "the same with `--train_batch 6`": f"{2 * math.ceil(len(runs) / 6) * corpus / 1e9:,.0f} GB",
        **{f"GPU cost, {name.removeprefix('NVIDIA ')}": f"$ {hours[name] * price:,.0f}"
           for name, price in DOLLARS.items()},
        "storage, a month": f"$ {kept / 1e9 * STORAGE_DOLLARS:,.0f}",
    }


def table() -> str:
    with tempfile.TemporaryDirectory() as folder:
        columns = {name: column(plan_study(read_study(path), 26, TRAIN)[0])
                   for name, path in studies(Path(folder)).items()}
    lines = [f"| | {' | '.join(columns)} |", "| --- |" + " ---: |" * len(columns)]
    rows = next(iter(columns.values()))
    return "\n".join(lines + [f"| {row} | {' | '.join(found[row] for found in columns.values())} |" for row in rows])


if __name__ == "__main__":
    print(table())
