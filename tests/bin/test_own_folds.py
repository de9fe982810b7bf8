"""A user's own folds, from the patients table through ecg-prepare and ecg-split."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ecgscale.contracts import RECORDS, SPLIT, SplitInfo
from tests.tiny_records import twelve_leads, write_record

ROOT = Path(__file__).parents[2]
FOLDS = {"A0": 0, "g1/A1": 1, "g1/A2": 2, "g2/A2": 3}


def call(command: str, *arguments) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, str(ROOT / "bin" / command), *map(str, arguments)], text=True,
                          capture_output=True, env=os.environ | {"PYTHONPATH": str(ROOT / "lib")}, check=False)


@pytest.fixture
def folder(tmp_path):
    """Four recordings in three folders; the first and the last hold the same samples."""
    for seed, place in enumerate(FOLDS):
        below, _, name = place.rpartition("/")
        write_record(tmp_path / "mine" / below, name, twelve_leads(1500, seed=seed % 3))
    (tmp_path / "study.yaml").write_text("name: own\nsplit: {method: column}\n")
    return tmp_path


def prepared(folder: Path, table: str) -> subprocess.CompletedProcess:
    (folder / "people.csv").write_text(table)
    return call("ecg-prepare", "--source", "mine", "--folder", folder / "mine", "--study", folder / "study.yaml",
                "--patients", folder / "people.csv", "--out", folder / "shard", "--cpus", 1)


def split(folder: Path) -> subprocess.CompletedProcess:
    return call("ecg-split", "--corpus", folder / "shard", "--study", folder / "study.yaml", "--out", folder / "split")


def test_the_folds_of_the_table_are_those_of_the_split(folder):
    rows = "".join(f"{place},p{fold % 3},{fold}\n" for place, fold in FOLDS.items())
    assert prepared(folder, "record,patient,fold\n" + rows).returncode == 0
    assert split(folder).returncode == 0
    made = SPLIT.read(folder / "split" / "split.parquet")
    expected = {f"mine/{place}": fold for place, fold in FOLDS.items()}
    assert dict(zip(made["record"], made["fold"], strict=True)) == expected
    assert dict(zip(made["record"], made["part"], strict=True)) == {
        "mine/A0": "train", "mine/g1/A1": "train", "mine/g1/A2": "valid", "mine/g2/A2": "test"}
    info = SplitInfo.read(folder / "split" / "split.json")
    assert info.method == "column"
    assert (info.audit["patient_overlap"], info.audit["duplicate_overlap"]) == (1, 1)    # A0 and g2/A2: both


def test_a_recording_without_a_fold_is_named(folder):
    rows = "".join(f"{place},{fold}\n" for place, fold in FOLDS.items() if fold != 2)
    assert prepared(folder, "record,fold\n" + rows).returncode == 0
    assert RECORDS.read(folder / "shard" / "records.parquet")["fold"].isna().sum() == 1
    done = split(folder)
    assert done.returncode == 2
    assert "fold: 1 of 4 recordings have no fold from 0 to 3, first mine/g1/A2: none. Name each recording in the " \
           "patients table of mine" in done.stderr
    assert not (folder / "split").exists()


def test_a_wrong_fold_stops_preparation(folder):
    done = prepared(folder, "record,fold\nA0,0\ng1/A1,7\n")
    assert done.returncode == 2
    assert "people.csv:3: fold: '7' is not a fold. Write 0 or 1 (train), 2 (valid), 3 (test)" in done.stderr
    assert not (folder / "shard").exists()
