"""The command on tiny inputs, as a user calls it."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import wfdb

from ecgscale.contracts import LEADS, RECORDS, REJECTS, Shard

ROOT = Path(__file__).parents[2]


def prepare(*arguments) -> subprocess.CompletedProcess:
    environment = os.environ | {"PYTHONPATH": str(ROOT / "lib")}
    return subprocess.run([sys.executable, str(ROOT / "bin" / "ecg-prepare"), *map(str, arguments)],
                          capture_output=True, text=True, env=environment, check=False)


@pytest.fixture
def given(tmp_path):
    """Three recordings of one source and a study file that allows one reject in three."""
    values = np.random.default_rng(0).normal(0, 200, (1500, 12)).astype(np.int64)
    folder = tmp_path / "ptb"
    folder.mkdir()
    for place in range(3):
        wfdb.wrsamp(f"s{place}", fs=500, units=["mV"] * 12, sig_name=list(LEADS), d_signal=values + place,
                    fmt=["16"] * 12, adc_gain=[1000.0] * 12, baseline=[0] * 12, write_dir=str(folder),
                    comments=["Age: 50", "Sex: Male", "Dx: 426783006"])
    study = tmp_path / "study.yaml"
    study.write_text("name: tiny\ndata: {recipe: study, max_rejected: 0.4}\n")
    return folder, study


def test_a_shard_with_rejects(given, tmp_path):
    folder, study = given
    (folder / "s1.dat").write_bytes(b"short")
    done = prepare("--source", "ptb", "--folder", folder, "--study", study, "--out", tmp_path / "out", "--cpus", 1)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "ptb, shard 1/1: 3 recordings found, 2 accepted, 1 rejected (rejects.csv)\n"
    assert Shard.read(tmp_path / "out" / "shard.json").recipe["name"] == "study"
    assert list(RECORDS.read(tmp_path / "out" / "records.parquet")["record"]) == ["ptb/s0", "ptb/s2"]
    assert list(REJECTS.read(tmp_path / "out" / "rejects.csv")["reason"]) == ["truncated"]


def test_mistakes_end_with_one_message_and_no_output(given, tmp_path):
    folder, study = given
    out = tmp_path / "out"
    (tmp_path / "empty").mkdir()
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("name: tiny\ndata: {recipe: studdy}\n")
    for arguments, message in [
        (("--folder", tmp_path / "empty", "--study", study), "no .hea file below this folder"),
        (("--folder", tmp_path / "nowhere", "--study", study), "nowhere: no such file or folder"),
        (("--folder", folder, "--study", wrong), "unknown recipe 'studdy'. Known: study"),
        (("--folder", folder, "--study", study, "--shard", "4/3"), "'4/3' is not a shard"),
    ]:
        done = prepare("--source", "ptb", "--out", out, *arguments)
        assert done.returncode == 2
        assert message in done.stderr
        assert "Traceback" not in done.stderr
        assert not out.exists()


def test_too_many_rejects_name_the_reason(given, tmp_path):
    folder, study = given
    for name in ("s0.dat", "s1.dat"):
        (folder / name).unlink()
    done = prepare("--source", "ptb", "--folder", folder, "--study", study, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "2 of 3 recordings are rejected, more than data.max_rejected = 0.4: 2 x missing-file" in done.stderr
    assert not (tmp_path / "out").exists()


def test_help_shows_an_example():
    done = prepare("--help")
    assert done.returncode == 0
    assert "example:\n  ecg-prepare --source georgia" in done.stdout
