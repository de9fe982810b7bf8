"""A corpus, a split and trained runs in folders as their stages leave them, made in a second: for evaluation."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ecgscale.contracts import LEADS, RECORDS, RUNS, RunResult, Shard, SplitInfo, concatenated_digest, write_split
from ecgscale.contracts.labels import read_label_set
from tests.commands import run_command
from tests.tiny_models import trained_run

LABELS = read_label_set()
RATE = 100.0


def exportable(folder: Path, recordings: Path, study: dict, results: list[RunResult], scores: list[float]) -> None:
    """What ecg-export reads beside the runs of `folder`: study.json, the prepared `recordings`, a split in thirds,
    and runs.parquet with these scores of validation."""
    (folder / "study.json").write_text(json.dumps(study))
    done = run_command("ecg-prepare", "--source", "ptb-xl", "--folder", recordings, "--study", folder / "study.json",
                       "--out", folder / "shard", "--cpus", 1)
    assert done.returncode == 0, done.stderr
    names = pd.read_parquet(folder / "shard/records.parquet")["record"]
    parts = [("train", "valid", "test")[i % 3] for i in range(len(names))]
    rows = pd.DataFrame({"record": names, "source": "ptb-xl", "patient": None, "fold": 0, "part": parts})
    write_split(rows, SplitInfo(method="records", seed=0, counts={}, audit={}, corpus_digest="", synthetic=True,
                                digest=SplitInfo.digest_of(rows)), folder / "split")
    RUNS.write(pd.DataFrame([dict.fromkeys(RUNS.columns) | {
        "run_id": r.spec.run_id, "status": "finished", "family": r.spec.model.family, "synthetic": True,
        "params": r.ledger.params, "forward_flops": r.ledger.forward_flops, "activations": r.ledger.activations,
        "valid_challenge_score": score} for r, score in zip(results, scores, strict=True)]), folder / "runs.parquet")


@dataclass(frozen=True)
class Folders:
    corpus: Path
    split: Path
    runs: list[Path]
    study: Path


def tiny_folders(folder: Path, families: tuple[str, ...] = ("regnet",), count: int = 60, seed: int = 0) -> Folders:
    """`count` random recordings of 1 to 12 seconds (windows of 256 samples) of two sources, in thirds."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(100, 1200, count)
    ends = np.cumsum(lengths)
    records = pd.DataFrame({
        "record": [f"toy/r{k:03d}" for k in range(count)], "source": np.where(np.arange(count) % 2, "toy", "toy/other"),
        "patient": [f"toy/{k // 2}" if k % 5 else None for k in range(count)], "offset": ends - lengths,
        "length": lengths, "rate": RATE, "age": rng.integers(10, 95, count).astype(float),
        "sex": rng.choice(["female", "male"], count), "flags": "", "codes": "", "content": "", "synthetic": True,
    })
    labels = pd.DataFrame(rng.random((count, len(LABELS.codes))) < 0.3, columns=[f"y_{code}" for code in LABELS.codes])
    shard = folder / "shard"
    shard.mkdir(parents=True)
    np.save(shard / "signals.npy", rng.normal(size=(ends[-1], len(LEADS))).astype(np.float32))
    RECORDS.write(pd.concat([records, labels], axis=1), shard / "records.parquet")
    Shard(source="toy", shard="1/1", found=count, accepted=count, rejected=0, synthetic=True, recipe={"name": "study"},
          recipe_digest="r", rate=RATE, unit="z", dtype="float32", classes=LABELS.codes, labels_digest=LABELS.digest,
          digest="s", versions={}).write(shard / "shard.json")
    split = folder / "split"
    parts = [("train", "valid", "test")[3 * k // count] for k in range(count)]
    rows = records[["record", "source", "patient"]].assign(fold=0, part=parts)
    info = SplitInfo(method="records", seed=0, counts={part: parts.count(part) for part in parts}, audit={},
                     corpus_digest=concatenated_digest(["s"]), digest=SplitInfo.digest_of(rows), synthetic=True)
    write_split(rows, info, split)
    runs = []
    for family in families:
        result = trained_run(folder / "trained", family)
        runs.append(folder / "trained" / result.spec.run_id)
        known = result.model_copy(update={"corpus_digest": info.corpus_digest, "split_digest": info.digest})
        known.write(runs[-1] / "run.json")
    study = folder / "study.yaml"
    study.write_text("name: toy\nevaluation: {bootstrap: 50}\n")
    return Folders(shard, split, runs, study)


def rewrite(run: Path, **changes) -> None:
    """Change members of a run's run.json."""
    RunResult.read(run / "run.json").model_copy(update=changes).write(run / "run.json")
