"""ecg-export as a user runs it: a prepared synthetic corpus, three random networks, few recordings."""


import pandas as pd
import pytest

from ecgscale.contracts import RUNS, Export
from tests.commands import run_command
from tests.tiny_folders import exportable
from tests.tiny_models import trained_run

STUDY = {"name": "tiny", "deploy": {"top": 3, "formats": ["onnx", "openvino"], "precisions": ["float32"]}}


def command(name, *arguments, code=0):
    done = run_command(name, *arguments)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture(scope="module")
def trained(tmp_path_factory, small_corpus):
    """Everything that ecg-export reads, in one folder."""
    folder = tmp_path_factory.mktemp("trained")
    results = [trained_run(folder / "runs", "regnet", seed) for seed in (0, 1)] + [trained_run(folder / "runs", "vit")]
    exportable(folder, small_corpus / "ptb-xl", STUDY, results, [0.2, 0.4, 0.1])
    return folder


@pytest.fixture(scope="module")
def models(trained):
    done = command("ecg-export", "--trained", *(trained / "runs").iterdir(), "--runs", trained / "runs.parquet",
                   "--corpus", trained / "shard", "--split", trained / "split", "--study", trained / "study.json",
                   "--out", trained / "models", "--cpus", 2)     # a process a model
    assert "2 of 2 networks, each by its best run on validation (3 runs in all)" in done.stderr
    return trained / "models"


def test_the_best_of_each_family_is_exported(models):
    made = {folder.name: Export.read(folder / "export.json") for folder in models.iterdir()}
    assert sorted(export.spec.model.family for export in made.values()) == ["regnet", "vit"]
    regnet = next(export for export in made.values() if export.spec.model.family == "regnet")
    assert regnet.spec.seed == 1
    assert regnet.valid_score == 0.4
    assert regnet.rate == 500
    assert {a.status for export in made.values() for a in export.artefacts} == {"ok"}


def test_a_table_without_scores_ends_with_one_clear_message(trained, tmp_path):
    unscored = pd.read_parquet(trained / "runs.parquet").drop(columns="valid_challenge_score")
    RUNS.write(unscored, tmp_path / "runs.parquet")
    wrong = command("ecg-export", "--trained", *(trained / "runs").iterdir(), "--runs", tmp_path / "runs.parquet",
                    "--corpus", trained / "shard", "--split", trained / "split", "--study", trained / "study.json",
                    "--out", tmp_path / "out", code=2)
    assert "no run has a validation score" in wrong.stderr
    assert not (tmp_path / "out").exists()
