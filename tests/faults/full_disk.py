"""A full disk under EXPORT, BENCH and REPORT at their first, middle and last file, and under PREPARE, SPLIT,
EVALUATE, COLLECT and FIT at every file: minutes, `make faults`. tests/bin/test_full_disk.py has the quicker ones.
"""


import numpy as np
import pandas as pd
import pytest

from tests.bin.test_full_disk import folders, meets_a_full_disk  # noqa: F401
from tests.commands import run_command
from tests.full_disk import survived, sweep
from tests.tiny_folders import exportable
from tests.tiny_models import trained_run

FILES = 3
STUDY = {"name": "tiny", "deploy": {"top": 1, "formats": ["onnx"], "precisions": ["float32"], "repeats": 1,
                                    "min_count": 5, "min_seconds": 0.0}}


@pytest.fixture(scope="module")
def place(tmp_path_factory, small_corpus):
    """A corpus, a run, its exported model and its latencies; a run table of anyone's, and its laws."""
    folder = tmp_path_factory.mktemp("deployed")
    exportable(folder, small_corpus / "ptb-xl", STUDY, [trained_run(folder / "runs", "regnet")], [0.2])
    x = np.geomspace(1e4, 1e7, 8)
    pd.DataFrame({"params": x, "loss": 0.2 + 3 * x**-0.3}).to_csv(folder / "runs.csv", index=False)
    for command in ("ecg-export", "ecg-bench", "ecg-fit"):
        done(command, *arguments(folder)[command], "--out", folder / command)
    return folder


def done(command, *given):
    ended = run_command(command, *given)
    assert ended.returncode == 0, ended.stderr


def arguments(folder) -> dict[str, list]:
    return {
        "ecg-export": ["--trained", *(folder / "runs").iterdir(), "--runs", folder / "runs.parquet", "--corpus",
                       folder / "shard", "--split", folder / "split", "--study", folder / "study.json", "--cpus", "1"],
        "ecg-bench": ["--models", *(folder / "ecg-export").glob("[!.]*/"), "--study", folder / "study.json",
                      "--runtimes", "onnxruntime", "--levels", "few", "--machine", "lab", "--cpus", "1"],
        "ecg-fit": ["--runs", folder / "runs.csv", "--cpus", "1"],
        "ecg-report": ["--runs", folder / "runs.csv", "--fit", folder / "ecg-fit"],
    }


TIMED = {"ecg-export": ("export.json",), "ecg-bench": (".parquet", ".json", ".csv"), "ecg-report": ()}


@pytest.mark.parametrize("command", TIMED)
def test_a_full_disk(command, place, tmp_path):
    whole, *runs = sweep(command, arguments(place)[command], FILES, tmp_path)
    assert whole["code"] == 0, whole["said"]
    assert len(runs) == 2 * FILES
    for full, again in zip(runs[::2], runs[1::2], strict=True):
        survived(whole, full, again, TIMED[command])


@pytest.mark.parametrize("command", ["ecg-prepare", "ecg-evaluate", "ecg-collect", "ecg-split", "ecg-fit"])
def test_every_file_of_a_command_meets_a_full_disk(command, folders, small_corpus, tmp_path):  # noqa: F811
    meets_a_full_disk(command, 99, folders, small_corpus, tmp_path)
