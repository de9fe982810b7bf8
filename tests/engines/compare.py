"""Are two results trees of the same study the same? `make engines` compares each engine's run with the local one.

    python tests/engines/compare.py results/engines/local results/engines/podman

Corpus, split and runs must be equal. Numbers that come from training may differ by TOLERANCE: the image may have
another build of Python or of a system library. Another kind of processor adds in another order, and training amplifies
that beyond TOLERANCE (containers/README.md, ARM). Times and latencies are not compared.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from ecgscale import contracts
from ecgscale.errors import UserError

TOLERANCE = {"probability": 1e-5, "loss": 1e-5, "metric": 1e-3}     # absolute; losses relative


def identities(results: Path) -> dict[str, object]:
    """What must be equal, by name: digests of shards, the split, the planned runs, how each ended."""
    shards = {path.parent.name: contracts.Shard.read(path).digest for path in results.glob("corpus/*/shard.json")}
    split = contracts.SplitInfo.read(results / "corpus/split/split.json")
    parts = contracts.SPLIT.read(results / "corpus/split/split.parquet")
    runs = contracts.RUNS.read(results / "table/runs.parquet").sort_values("run_id")
    return {
        "shard digests": shards, "corpus digest": split.corpus_digest, "split digest": split.digest,
        "split": parts.sort_values("record").to_dict("list"),
        "planned runs": (results / "plan/runs.jsonl").read_text(),
        "run ids": list(runs["run_id"]), "status of the runs": list(runs["status"]),
        "code of the runs": sorted(set(runs["code_digest"])),
    }


def numbers(results: Path) -> dict[str, pd.Series]:
    """Results of training and evaluation, by kind, each indexed by what it is of."""
    tables, probabilities = [], []
    for folder in sorted(results.glob("evaluated/*")):
        tables.append(contracts.METRICS.read(folder / "metrics.csv"))
        found = contracts.PREDICTIONS.read(folder / "predictions.parquet").set_index("record")
        found = found.filter(regex="^p_").melt(ignore_index=False).assign(run_id=folder.name)
        probabilities.append(found.set_index(["run_id", "variable"], append=True)["value"])
    metrics = pd.concat(tables).set_index(["run_id", "part", "threshold", "group", "value", "metric"])["estimate"]
    runs = contracts.RUNS.read(results / "table/runs.parquet")
    losses = runs.melt("run_id", ["train_loss", "valid_loss"]).set_index(["run_id", "variable"])["value"]
    return {"probability": pd.concat(probabilities), "loss": losses, "metric": metrics}


def largest(kind: str, one: pd.Series, other: pd.Series) -> float:
    """Largest difference of two results of a kind; infinite where only one of them has a number."""
    if not one.index.sort_values().equals(other.index.sort_values()):
        return float("inf")
    a, b = one.sort_index().to_numpy(float), other.sort_index().to_numpy(float)
    if (np.isnan(a) != np.isnan(b)).any():
        return float("inf")
    difference = np.abs(a - b) / (np.abs(a) if kind == "loss" else 1.0)
    return float(np.nanmax(difference, initial=0.0))


def compare(one: Path, other: Path) -> list[str]:
    """Prints what was compared; gives what is wrong, nothing where the trees say the same."""
    problems = []
    mine, yours = identities(one), identities(other)
    for name, value in mine.items():
        if value != yours[name]:
            problems.append(f"{name}: not the same")
    print(f"equal: {', '.join(name for name in mine if f'{name}: not the same' not in problems)}")
    mine, yours = numbers(one), numbers(other)
    for kind, tolerance in TOLERANCE.items():
        found = largest(kind, mine[kind], yours[kind])
        print(f"{kind}: {len(mine[kind])} numbers, largest difference {found:.3g}, tolerance {tolerance:g}")
        if not found <= tolerance:
            problems.append(f"{kind}: {found:.3g} apart, and the tolerance is {tolerance:g}")
    return problems


def check_run(results: Path, engine: str) -> list[str]:
    """A whole run, by the engine it was asked for."""
    problems = []
    if not (results / "report/report.html").is_file():
        problems.append("no report/report.html")
    versions = yaml.safe_load((results / "pipeline_info/ecgscale_software_versions.yml").read_text())
    workflow = versions["WORKFLOW"]
    if engine not in workflow["engine"]:
        problems.append(f"ran with {workflow['engine']}, and {engine} was asked for")
    if versions["TASKS"]["code"] != workflow["code"]:
        problems.append("the image holds other code than this folder: make images")
    print(f"engine: {workflow['engine']}; image: {workflow.get('image', '-')} {workflow.get('image_id', '')[:12]}")
    return problems


if __name__ == "__main__":
    local, results, engine = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    try:
        problems = check_run(results, engine) + (compare(local, results) if local != results else [])
    except UserError as error:
        problems = [str(error)]
    print("\n".join(f"{results}: {problem}" for problem in problems) or f"{results}: as it should be")
    sys.exit(1 if problems else 0)
