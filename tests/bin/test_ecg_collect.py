"""ecg-collect on run folders alone; together with metrics it is tested in test_ecg_evaluate.py."""

from functools import partial

from ecgscale.contracts import RUNS
from tests.commands import run_command
from tests.tiny_models import trained_run

run = partial(run_command, "ecg-collect")


def test_a_run_without_evaluation_is_a_row(tmp_path):
    result = trained_run(tmp_path / "trained")
    done = run("--trained", tmp_path / "trained" / result.spec.run_id, "--out", tmp_path / "table")
    assert done.returncode == 0, done.stderr
    assert RUNS.read(tmp_path / "table" / "runs.parquet")["status"].tolist() == ["unevaluated"]


def test_a_folder_that_is_no_run_is_named(tmp_path):
    done = run("--trained", tmp_path, "--out", tmp_path / "table")
    assert done.returncode == 2
    assert "run.json" in done.stderr
    assert "Traceback" not in done.stderr
