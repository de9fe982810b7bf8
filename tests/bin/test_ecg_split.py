"""ecg-split on two shards of made-up records: files by contract, a digest that repeats, and refusals."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ecgscale.contracts import RECORDS, SPLIT, Shard, SplitInfo, digest, file_digest
from ecgscale.ecg.corpus import Corpus
from ecgscale.ecg.split import split_corpus

ROOT = Path(__file__).parents[2]
CLASSES = ("426783006", "164889003", "270492004")


def shard(folder: Path, source: str, count: int, patients: bool) -> Path:
    """What PREPARE writes; too short for a beat, so none is a copy of another."""
    rng = np.random.default_rng(count)
    frame = pd.DataFrame({
        "record": [f"{source}/g1/{number:04d}" for number in range(count)], "source": source,
        "patient": [f"{source}/{number // 2}" if patients else None for number in range(count)],
        "offset": np.arange(count) * 10, "length": 10, "rate": 500.0, "age": 60.0, "sex": "male", "flags": "",
        "codes": CLASSES[0], "content": [f"{source}{number}" for number in range(count)], "synthetic": True,
        **{f"y_{code}": rng.random(count) < 0.3 for code in CLASSES},
    })
    RECORDS.write(frame, folder / "records.parquet")
    np.save(folder / "signals.npy", np.zeros((10 * count, 12), np.float32))
    Shard(source=source, shard="1/1", found=count, accepted=count, rejected=0, synthetic=True, recipe={"name": "study"},
          recipe_digest="r", rate=500.0, unit="z", dtype="float32", classes=CLASSES, labels_digest="l", digest=source,
          versions={}).write(folder / "shard.json")
    return folder


def run(*arguments: str | Path) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "lib")}
    return subprocess.run([sys.executable, ROOT / "bin" / "ecg-split", *arguments], env=environment, text=True,
                          capture_output=True, check=False)


@pytest.fixture
def shards(tmp_path) -> list[Path]:
    return [shard(tmp_path / "a", "ptb-xl", 40, patients=True), shard(tmp_path / "b", "georgia", 30, patients=False)]


def study(tmp_path: Path, text: str) -> Path:
    (tmp_path / "study.yaml").write_text("name: trial\nsplit: " + text + "\n")
    return tmp_path / "study.yaml"


def test_writes_split_and_audit(tmp_path, shards):
    file = study(tmp_path, "{method: patients, seed: 3}")
    made = run("--corpus", *shards, "--study", file, "--out", tmp_path / "out")
    assert made.returncode == 0, made.stderr
    frame = SPLIT.read(tmp_path / "out" / "split.parquet")
    info = SplitInfo.read(tmp_path / "out" / "split.json")
    parts = ", ".join(f"{part} {info.counts[part]}" for part in ("train", "valid", "test"))
    assert made.stderr.splitlines()[-2:] == [
        f"{parts} recordings, 0 left out",
        "in more than one part: 0 patients (30 recordings without a known patient), 0 sets of equal recordings, "
        "0 sets of copies"]
    assert len(frame) == 70
    assert info.counts == frame.part.value_counts().to_dict()
    assert info.digest == digest(frame[["record", "fold", "part"]].to_numpy().tolist())
    assert info.synthetic
    assert info.digests == {"split.parquet": file_digest(tmp_path / "out" / "split.parquet")}
    assert info.audit["by_source"]["ptb-xl"]["patient_overlap"] == 0
    assert info.audit["by_source"]["georgia"]["patient_overlap"] == info.audit["patient_overlap"] == "unknown"
    again, same = split_corpus(Corpus.open(shards[::-1]), "patients", seed=3)
    assert same == info.model_copy(update={"digests": {}})                    # the order of the shards is no matter
    assert again.record.tolist() == frame.record.tolist()


def test_recordings_in_no_part_are_counted(tmp_path, shards):
    """A recording of georgia holds the samples of one of ptb-xl, which is held out."""
    records = RECORDS.read(shards[1] / "records.parquet")
    records.loc[5, "content"] = "ptb-xl7"
    RECORDS.write(records, shards[1] / "records.parquet")
    made = run("--corpus", *shards, "--study", study(tmp_path, "{method: leave-source-out, held_out: ptb-xl}"),
               "--out", tmp_path / "out")
    assert made.returncode == 0, made.stderr
    info = SplitInfo.read(tmp_path / "out" / "split.json")
    assert (info.left_out, info.counts["test"], sum(info.counts.values())) == (1, 40, 69)
    assert info.audit["by_source"]["georgia"]["left_out"] == 1
    assert "georgia/g1/0005" not in set(SPLIT.read(tmp_path / "out" / "split.parquet")["record"])


def test_refusal_leaves_nothing(tmp_path, shards):
    file = study(tmp_path, "{method: leave-source-out, held_out: mars}")
    made = run("--corpus", *shards, "--study", file, "--out", tmp_path / "out")
    assert made.returncode == 2
    assert "source 'mars' is not in the corpus" in made.stderr
    assert "Traceback" not in made.stderr
    assert not (tmp_path / "out").exists()


def test_help_shows_an_example():
    made = run("--help")
    assert made.returncode == 0
    assert "example:\n  ecg-split" in made.stdout
