"""ecg-export as a user runs it: a prepared synthetic corpus, three random networks, few recordings."""

import json

import pandas as pd
import pytest

from ecgscale.contracts import RUNS, Export, SplitInfo, write_split
from tests.commands import run_command
from tests.tiny_models import trained_run

STUDY = {"name": "tiny", "deploy": {"top": 2, "formats": ["onnx", "openvino"], "precisions": ["float32"]}}


def command(name, *arguments, code=0):
    done = run_command(name, *arguments)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture(scope="module")
def trained(tmp_path_factory, small_corpus):
    """Everything that ecg-export reads, in one folder."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "study.json").write_text(json.dumps(STUDY))
    command("ecg-prepare", "--source", "ptb-xl", "--folder", small_corpus / "ptb-xl", "--study", folder / "study.json",
            "--out", folder / "shard", "--cpus", 1)
    names = pd.read_parquet(folder / "shard/records.parquet")["record"]
    parts = [("train", "valid", "test")[i % 3] for i in range(len(names))]
    rows = pd.DataFrame({"record": names, "source": "ptb-xl", "patient": None, "fold": 0, "part": parts})
    write_split(rows, SplitInfo(method="records", seed=0, counts={}, audit={}, corpus_digest="", synthetic=True,
                                digest=SplitInfo.digest_of(rows)), folder / "split")
    results = [trained_run(folder / "runs", "regnet", seed) for seed in (0, 1)] + [trained_run(folder / "runs", "vit")]
    table = pd.DataFrame([dict.fromkeys(RUNS.columns) | {
        "run_id": r.spec.run_id, "status": "finished", "family": r.spec.model.family, "synthetic": True,
        "valid_challenge_score": score} for r, score in zip(results, (0.2, 0.4, 0.1), strict=True)])
    RUNS.write(table, folder / "runs.parquet")
    return folder


@pytest.fixture(scope="module")
def models(trained):
    command("ecg-export", "--trained", *(trained / "runs").iterdir(), "--runs", trained / "runs.parquet", "--corpus",
            trained / "shard", "--split", trained / "split", "--study", trained / "study.json", "--out",
            trained / "models", "--cpus", 2)     # a process a model
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
