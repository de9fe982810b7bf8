"""ecg-collect on run folders alone; together with metrics it is tested in test_ecg_evaluate.py."""

from functools import partial

import mlcroissant

from ecgscale.contracts import RUNS, croissant
from tests.commands import run_command
from tests.tiny_models import trained_run

run = partial(run_command, "ecg-collect")


def test_a_run_without_evaluation_is_a_row(tmp_path):
    result = trained_run(tmp_path / "trained")
    done = run("--trained", tmp_path / "trained" / result.spec.run_id, "--out", tmp_path / "table")
    assert done.returncode == 0, done.stderr
    assert RUNS.read(tmp_path / "table" / "runs.parquet")["status"].tolist() == ["unevaluated"]


def test_the_tables_have_a_card_that_the_library_of_croissant_reads(tmp_path, caplog):
    """mlcroissant warns of what a publisher has to say, and of nothing else; it checks the digest of what it loads."""
    results = [trained_run(tmp_path / "trained", seed=seed) for seed in (0, 1)]
    folders = [tmp_path / "trained" / one.spec.run_id for one in results]
    assert run("--trained", *folders, "--out", tmp_path / "table").returncode == 0
    dataset = mlcroissant.Dataset(jsonld=tmp_path / "table" / croissant.NAME)
    assert not dataset.metadata.ctx.issues.errors
    assert "2 training runs of the study toy" in dataset.metadata.description
    assert "synthetic" in dataset.metadata.description
    assert {str(one.id) for one in dataset.metadata.record_sets} >= {"runs", "noise", "differences"}
    assert {one["runs/run_id"].decode() for one in dataset.records("runs")} == {one.spec.run_id for one in results}


def test_a_folder_that_is_no_run_is_named(tmp_path):
    done = run("--trained", tmp_path, "--out", tmp_path / "table")
    assert done.returncode == 2
    assert "run.json" in done.stderr
    assert "Traceback" not in done.stderr
