"""ecg-score on small files: its table, its file, and what it says to wrong input."""

from functools import partial

import numpy as np
import pandas as pd
import pytest

from ecgscale.contracts import DIFFERENCES, METRICS, RELIABILITY
from ecgscale.contracts.labels import read_label_set
from tests.commands import run_command

LABELS = read_label_set()
run = partial(run_command, "ecg-score")


@pytest.fixture
def files(tmp_path):
    labels = (np.random.default_rng(0).random((40, len(LABELS.codes))) < 0.2).astype(int)
    truth = pd.DataFrame(labels, pd.Index([f"r{k}" for k in range(40)], name="record"), LABELS.codes)
    truth.to_csv(tmp_path / "truth.csv")
    truth.iloc[::-1, ::-1].to_csv(tmp_path / "perfect.csv")
    return tmp_path


def test_perfect_predictions_score_one(files):
    done = run("--truth", files / "truth.csv", "--predictions", files / "perfect.csv", "--bootstrap", 20,
               "--against", files / "perfect.csv", "--out", files / "out")
    assert done.returncode == 0, done.stderr
    assert "challenge_score" in done.stdout
    assert "atrial fibrillation" in done.stdout
    table = METRICS.read(files / "out" / "metrics.csv")
    whole = table[table["group"] == "all"].set_index("metric")["estimate"]
    assert whole[["challenge_score", "auroc", "auprc", "f1", "accuracy"]].tolist() == [1.0] * 5
    assert whole["brier"] == 0.0
    assert RELIABILITY.read(files / "out" / "reliability.csv")["n"].sum() == 2 * 40 * len(LABELS.codes)
    assert (DIFFERENCES.read(files / "out" / "differences.csv")["difference"] == 0).all()


def test_a_missing_class_is_named_and_nothing_is_written(files):
    pd.read_csv(files / "perfect.csv", index_col=0).drop(columns="10370003").to_csv(files / "lacking.csv")
    done = run("--truth", files / "truth.csv", "--predictions", files / "lacking.csv", "--out", files / "out")
    assert done.returncode == 2
    assert "10370003" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (files / "out").exists()
