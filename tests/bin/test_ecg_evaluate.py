"""ecg-evaluate on a tiny corpus and two untrained networks, then ecg-collect on what it wrote."""

import numpy as np
import pytest

from ecgscale.contracts import METRICS, PREDICTIONS, RUNS
from tests.commands import run_command
from tests.tiny_folders import rewrite, tiny_folders


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return tiny_folders(tmp_path_factory.mktemp("evaluate"), ("regnet", "convnext"))


def arguments(folders, out):
    return ("--trained", *folders.runs, "--corpus", folders.corpus, "--split", folders.split, "--study", folders.study,
            "--out", out, "--device", "cpu", "--cpus", "1")


def test_a_batch_of_runs_is_evaluated_and_collected(folders, tmp_path):
    done = run_command("ecg-evaluate", *arguments(folders, tmp_path / "evaluated"))
    assert done.returncode == 0, done.stderr
    assert "run 2/2" in done.stderr
    evaluated = [tmp_path / "evaluated" / folder.name for folder in folders.runs]
    for folder in evaluated:
        predictions = PREDICTIONS.read(folder / "predictions.parquet")
        assert set(predictions["part"]) == {"valid", "test"}
        table = METRICS.read(folder / "metrics.csv")
        assert set(table["part"]) == {"valid", "test"}
        assert set(table["run_id"]) == {folder.name}
        rows = table[(table["group"] == "all") & (table["metric"] == "auroc")]
        assert (rows["low"] <= rows["estimate"]).all()
        assert (rows["estimate"] <= rows["high"]).all()
    done = run_command("ecg-collect", "--trained", *folders.runs, "--evaluated", *evaluated,
                       "--out", tmp_path / "table")
    assert done.returncode == 0, done.stderr
    runs = RUNS.read(tmp_path / "table" / "runs.parquet")
    assert runs["status"].tolist() == ["finished"] * 2
    assert np.isfinite(runs[["test_challenge_score", "test_challenge_score_tuned_low", "test_loss"]]).all(axis=None)
    assert RUNS.read(tmp_path / "table" / "runs.csv")["run_id"].tolist() == runs["run_id"].tolist()


def test_the_label_set_is_the_studys_or_one_given_by_name(folders, tmp_path):
    study = tmp_path / "study.yaml"
    study.write_text("name: toy\nevaluation: {bootstrap: 0}\ndata: {labels: ptb-xl/superclasses, window: 1000}\n")
    given = [study if word == folders.study else word for word in arguments(folders, tmp_path / "evaluated")]
    done = run_command("ecg-evaluate", *given)
    assert done.returncode == 2
    assert "class columns" in done.stderr                # the corpus has the Challenge's classes
    assert run_command("ecg-evaluate", *given, "--labels", "physionet2021").returncode == 0
    done = run_command("ecg-evaluate", *given, "--labels", "physionet2020")
    assert done.returncode == 2
    assert "no label set 'physionet2020'. Give a folder or one of" in done.stderr


def test_a_run_of_another_split_is_refused_without_traceback(tmp_path):
    folders = tiny_folders(tmp_path)
    rewrite(folders.runs[0], split_digest="another")
    done = run_command("ecg-evaluate", *arguments(folders, tmp_path / "evaluated"))
    assert done.returncode == 2
    assert "split_digest" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list((tmp_path / "evaluated").glob("*"))
