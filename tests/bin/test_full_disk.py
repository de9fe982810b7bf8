"""A disk that gets full while a command writes: a message, whole files only, and the same results with room again."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.commands import run_command
from tests.tiny_folders import tiny_folders

ROOT = Path(__file__).parents[2]
APART = ("unshare", "--map-root-user", "--mount")
STUDY = ROOT / "assets/studies/test.yaml"
MOST = {"ecg-prepare": 99, "ecg-evaluate": 99, "ecg-collect": 99, "ecg-split": 99, "ecg-fit": 3}    # files


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Everything that the commands read: a corpus, a split, two runs, and what EVALUATE makes of them."""
    made = tiny_folders(tmp_path_factory.mktemp("disk"), ("regnet", "convnext"))
    place = made.study.parent
    done = run_command("ecg-evaluate", "--trained", *made.runs, "--corpus", made.corpus, "--split", made.split,
                       "--study", made.study, "--out", place / "evaluated", "--device", "cpu", "--cpus", "1")
    assert done.returncode == 0, done.stderr
    (place / "split.json").write_text(json.dumps({"name": "tiny", "split": {"method": "records"}}))
    x = np.geomspace(1e4, 1e7, 8)
    pd.DataFrame({"params": x, "loss": 0.2 + 3 * x**-0.3}).to_csv(place / "runs.csv", index=False)
    return made


def commands(made, corpus) -> dict[str, list]:
    place = made.study.parent
    evaluated = [place / "evaluated" / run.name for run in made.runs]
    return {
        "ecg-prepare": ["--source", "georgia", "--folder", corpus / "georgia", "--study", STUDY, "--cpus", "1"],
        "ecg-evaluate": ["--trained", made.runs[0], "--corpus", made.corpus, "--split", made.split, "--study",
                         made.study, "--device", "cpu", "--cpus", "1"],
        "ecg-collect": ["--trained", *made.runs, "--evaluated", *evaluated],
        "ecg-split": ["--corpus", made.corpus, "--study", place / "split.json"],
        "ecg-fit": ["--runs", place / "runs.csv", "--cpus", "1"],
    }


@pytest.mark.parametrize("command", MOST)
def test_every_file_of_a_command_meets_a_full_disk(command, folders, small_corpus, tmp_path):
    if not shutil.which(APART[0]):
        pytest.skip("no unshare here: it is Linux's")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run([*APART, "mount", "-t", "tmpfs", "tmpfs", disk], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode().strip()}")
    arguments = map(str, commands(folders, small_corpus)[command])
    done = subprocess.run([*APART, sys.executable, "-m", "tests.full_disk", disk, str(MOST[command]), command,
                           *arguments], cwd=ROOT,
                          env={**os.environ, "PYTHONPATH": str(ROOT / "lib")}, text=True, capture_output=True,
                          check=False)
    assert done.returncode == 0, done.stderr
    whole, *runs = map(json.loads, done.stdout.splitlines())
    assert whole["code"] in (0, 3), whole["said"]
    assert len(runs) >= 2 * min(len(whole["files"]), MOST[command]) - 2 >= 2
    for full, again in zip(runs[::2], runs[1::2], strict=True):
        assert full["code"] == 2, full["said"]
        assert "No space left on device. Make room there and run again" in full["said"]
        assert "Traceback" not in full["said"]
        tables = {name: digest for name, digest in full["files"].items() if not name.endswith("datapackage.json")}
        assert tables.items() <= whole["files"].items()     # the package describes what is there so far
        assert (again["code"], again["files"]) == (whole["code"], whole["files"]), again["said"]
