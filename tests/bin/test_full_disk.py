"""A disk that gets full while a command writes: a message, whole files only, and the same results with room again."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.commands import run_command
from tests.full_disk import survived, sweep
from tests.tiny_folders import tiny_folders

ROOT = Path(__file__).parents[2]
STUDY = ROOT / "assets/studies/test.yaml"
MOST = {"ecg-prepare": 2, "ecg-evaluate": 2, "ecg-collect": 2, "ecg-split": 2, "ecg-fit": 2}   # files; all by `faults`


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


def meets_a_full_disk(command, most, made, corpus, place):
    whole, *runs = sweep(command, commands(made, corpus)[command], most, place)
    assert whole["code"] in (0, 3), whole["said"]
    assert len(runs) >= 2 * min(len(whole["files"]), most) - 2 >= 2
    for full, again in zip(runs[::2], runs[1::2], strict=True):
        survived(whole, full, again)


@pytest.mark.parametrize("command", MOST)
def test_files_of_a_command_meet_a_full_disk(command, folders, small_corpus, tmp_path):
    meets_a_full_disk(command, MOST[command], folders, small_corpus, tmp_path)
