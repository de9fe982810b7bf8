"""A study of many runs as COLLECT, FIT and REPORT find it, made without training: folders of TRAIN and EVALUATE, tables
of BENCH. The losses follow a planted law of parameters and recordings, the scores follow the losses.

    PYTHONPATH=lib python -m tests.benchmarks.many_runs --runs 5000 --latency 1000000 --out load
    ecg-collect --trained load/trained/* --evaluated load/evaluated/* --out load/table
    ecg-fit --runs load/table/runs.parquet --latency load/latency/*/latency.parquet \\
        --comparisons load/table --out load/fit
    ecg-report --runs load/table/runs.parquet --fit load/fit --latency load/latency/* --comparisons load/table \\
        --out load/report
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from ecgscale.contracts import LATENCY, ModelSpec, OptimizerSpec, RunResult, RunSpec, read_split
from ecgscale.contracts.labels import read_label_set
from ecgscale.design.study import Evaluation
from ecgscale.ecg.corpus import Corpus
from ecgscale.evaluation.evaluate import Evaluated, evaluate_run
from ecgscale.models.complexity import ledger
from tests.tiny_folders import tiny_folders

SHARES = (1.0, 0.5, 0.25, 0.125, 0.0625)        # of 20,000 training recordings
SEEDS = 2
OPTIMIZERS = ("adamw", "sgdm")
FAMILIES = {"vit": lambda k: {"dim": 8 * (2 + k % 40), "depth": 1 + k // 40 % 8, "heads": 2, "patch": 32},
            "resnet": lambda k: {"width": 4 * (2 + k % 40), "depth_1": 1 + k // 40 % 8, "depth_2": 1, "depth_3": 1,
                                 "depth_4": 1}}
RUNTIMES = {"torch": ("", "mode=compiled"), "onnxruntime": ("", "threads=2"),
            "openvino": ("hint=latency", "hint=throughput")}
MACHINES, SCENARIOS, ENDED_BADLY = 4, {"single": 1, "batch": 16}, 0.02


def planted(family: str, params: float, records: float) -> float:
    """The loss: 0.08 + 1.5 N^-0.3 + 2 D^-0.4, a tenth more of what can be lost for a ResNet."""
    return 0.08 + (1.5 * params**-0.3 + 2 * records**-0.4) * (1.1 if family == "resnet" else 1.0)


def results(count: int, template: RunResult, random: np.random.Generator) -> list[RunResult]:
    """`count` runs: networks of two families by optimizers, shares of the data and seeds."""
    made, costs = [], {}
    for number in range(count):
        place, seed = divmod(number, SEEDS)
        place, share = divmod(place, len(SHARES))
        place, optimizer = divmod(place, len(OPTIMIZERS))
        place, which = divmod(place, len(FAMILIES))
        family = list(FAMILIES)[which]
        model = ModelSpec(family=family, params=FAMILIES[family](place))
        cost = costs.setdefault(model.model_dump_json(), ledger(model, 12, 256, len(template.classes)))
        rate = 10 ** (-3 + number % 7 / 7)
        spec = RunSpec.make(study="load", model=model, window=256, seed=seed, data_fraction=SHARES[share],
                            optimizer=OptimizerSpec(name=OPTIMIZERS[optimizer], lr=rate))
        records = round(20_000 * SHARES[share])
        loss = planted(family, cost.params, records) * np.exp(random.normal(0, 0.01))
        bad = random.random() < ENDED_BADLY
        made.append(template.model_copy(update={
            "spec": spec, "ledger": cost, "train_records": records, "samples_seen": 20 * records,
            "train_flops": 20.0 * records * cost.step_flops, "seconds": 1e-9 * records * cost.step_flops,
            **({"status": "diverged", "reason": "the loss is not finite", "train_loss": None, "valid_loss": None}
               if bad else {"train_loss": loss * 0.97, "valid_loss": loss})}))
    return made


def evaluated(result: RunResult, pattern: Evaluated, random: np.random.Generator) -> Evaluated:
    """The tables of a run: those of `pattern`, better by as much as its loss is lower, and noisy."""
    if result.status != "finished":
        tables = (pattern.predictions, pattern.metrics, pattern.reliability, pattern.recalibration, pattern.strips)
        *empty, strips = (table.iloc[:0] for table in tables)
        return Evaluated(*empty, None, strips)
    metrics = pattern.metrics.assign(run_id=result.spec.run_id)
    lossy = metrics["metric"].eq("loss")
    gain = np.where(lossy, 0.0, 0.5 - 2 * result.valid_loss + random.normal(0, 0.01, len(metrics)))
    factor = np.where(lossy, result.valid_loss / metrics.loc[lossy, "estimate"].median(), 1.0)
    for name in ("estimate", "low", "high"):
        changed = metrics[name] * factor + gain
        metrics[name] = changed.where(lossy, changed.clip(0, 1))
    predictions = pattern.predictions.copy()
    predictions["gained"] += random.normal(0, 0.1, len(predictions))
    run = {"run_id": result.spec.run_id}
    return Evaluated(predictions, metrics, pattern.reliability.assign(**run), pattern.recalibration.assign(**run),
                     pattern.examples.model_copy(update=run), pattern.strips)


def latency(runs: list[RunResult], rows: int, machine: str, random: np.random.Generator) -> pd.DataFrame:
    """LATENCY rows of a machine: every run by runtime, option and scenario, repeated until there are so many."""
    settings = pd.MultiIndex.from_tuples(
        [(runtime, option, scenario) for runtime, options in RUNTIMES.items() for option in options
         for scenario in SCENARIOS], names=["runtime", "option", "scenario"]).to_frame(index=False)
    place = np.arange(rows)
    run, setting = place % len(runs), place // len(runs) % len(settings)
    frame = settings.iloc[setting].reset_index(drop=True)
    flops = np.array([one.ledger.forward_flops for one in runs], float)[run]
    batch = frame["scenario"].map(SCENARIOS).to_numpy()
    typical = (0.05 + flops * batch / 2e10 * 1e3) * np.exp(random.normal(0, 0.05, rows))
    spec = [one.spec for one in runs]
    times = {"load_ms": 20, "compile_ms": 100, "first_ms": 3, "mean_ms": 1.02, "min_ms": 0.9, "p50_ms": 1.0,
             "p50_low_ms": 0.99, "p50_high_ms": 1.01, "p90_ms": 1.1, "p99_ms": 1.4, "p999_ms": 2.0}
    frame = frame.assign(
        run_id=np.array([one.run_id for one in spec])[run], model=np.array([f"m-{one.run_id}" for one in spec])[run],
        family=np.array([one.model.family for one in spec])[run],
        params=np.array([one.ledger.params for one in runs])[run], forward_flops=flops,
        machine=machine, device="cpu", artefact_digest=None, batch=batch, threads=2,
        repeat=place // len(runs) // len(settings) + 1, status="ok", reason="", ran_device="cpu",
        ran_precision="float32", fallback=False, count=200, per_recording_ms=typical / batch,
        records_per_s=1e3 * batch / typical, drift=0.0, loop_us=0.1, peak_memory_bytes=1e8, energy_joules=None,
        synthetic=True, **{name: typical * factor for name, factor in times.items()})
    return frame[list(LATENCY.columns)].astype({"params": float, "energy_joules": float})


def write(out: Path, runs: int, latencies: int, recordings: int, seed: int = 0) -> None:
    random = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as place:
        tiny = tiny_folders(Path(place), count=recordings * 3 // 2)
        split, info = read_split(tiny.split)
        template = RunResult.read(tiny.runs[0] / "run.json")
        pattern = evaluate_run(tiny.runs[0], Corpus.open([tiny.corpus]), split, info, read_label_set(),
                               Evaluation(bootstrap=50))
    made = results(runs, template, random)
    for one in made:
        one.write(out / "trained" / one.spec.run_id / "run.json")
        evaluated(one, pattern, random).write(out / "evaluated" / one.spec.run_id)
    for k in range(MACHINES):
        machine = f"machine-{k + 1}"
        table = latency(made, latencies // MACHINES, machine, random)
        LATENCY.write(table, out / "latency" / machine / "latency.parquet")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Folders of a study of many runs.")
    parser.add_argument("--runs", type=int, default=5000)
    parser.add_argument("--latency", type=int, default=1_000_000)
    parser.add_argument("--recordings", type=int, default=400, help="of validation and test")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    write(args.out, args.runs, args.latency, args.recordings)
