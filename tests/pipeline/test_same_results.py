"""The comparison that `make engines` makes between a local run and an engine's: it must be able to say no."""

import shutil

import pytest

from ecgscale import contracts
from tests.engines.compare import check_run, compare


@pytest.fixture
def copy(small_run, tmp_path):
    return shutil.copytree(small_run.results, tmp_path / "copy")


def test_same_tree_is_the_same(small_run, copy, capsys):
    assert compare(small_run.results, copy) == []
    assert check_run(copy, "none") == []
    assert "probability: " in capsys.readouterr().out


@pytest.mark.parametrize(("change", "problem"), [
    (1e-7, []), (1e-3, ["probability: 0.001 apart, and the tolerance is 1e-05"])])
def test_probabilities_within_the_tolerance(small_run, copy, change, problem):
    path = next(copy.glob("evaluated/*/predictions.parquet"))
    table = contracts.PREDICTIONS.read(path)
    column = next(name for name in table if name.startswith("p_"))
    table.loc[0, column] += change
    contracts.PREDICTIONS.write(table, path)
    assert compare(small_run.results, copy) == problem


def test_missing_number_is_no_equality(small_run, copy):
    path = next(copy.glob("evaluated/*/metrics.csv"))
    table = contracts.METRICS.read(path)
    table.loc[table["estimate"].first_valid_index(), "estimate"] = None
    contracts.METRICS.write(table, path)
    [problem] = compare(small_run.results, copy)
    assert problem.startswith("metric: inf apart")


def test_other_split_and_other_runs_are_named(small_run, copy):
    split = contracts.SPLIT.read(copy / "corpus/split/split.parquet")
    contracts.SPLIT.write(split.assign(part=split["part"].iloc[::-1].to_numpy()), copy / "corpus/split/split.parquet")
    runs = (copy / "plan/runs.jsonl").read_text().splitlines()
    (copy / "plan/runs.jsonl").write_text("\n".join(runs[1:]))
    assert compare(small_run.results, copy) == ["split: not the same", "planned runs: not the same"]


def test_other_engine_or_no_report_is_named(copy):
    (copy / "report/report.html").unlink()
    assert check_run(copy, "podman") == [
        "no report/report.html", "ran with none: tasks run in the project's own environment, and podman was asked for"]
