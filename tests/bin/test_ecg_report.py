"""ecg-report from the smallest inputs: only a run table, everything, a file of another version."""

import re
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ecgscale.contracts import (
    AXES,
    DIFFERENCES,
    EFFECTS,
    FRONTIER,
    IMPORTANCE,
    NOISE,
    OPTIMA,
    PREDICTED,
    RUNS,
    SOURCES,
    Predictor,
)
from ecgscale.errors import UserError
from ecgscale.report import inputs
from ecgscale.report.inputs import check_fitted
from tests.commands import run_command
from tests.fuzz import stages
from tests.fuzz.test_fuzz import write

report = partial(run_command, "ecg-report")


@pytest.fixture
def runs(tmp_path) -> Path:
    frame = RUNS.empty().reindex(range(2))
    frame = frame.assign(run_id=["a", "b"], study="small", status=["finished", "diverged"], reason=["", "loss is NaN"],
                         synthetic=True, optimizer="adamw", family="regnet", params=1e5, forward_flops=1e7,
                         test_challenge_score=[0.4, None], test_challenge_score_low=[0.3, None],
                         test_challenge_score_high=[0.5, None])
    for name in ("seed", "epochs", "batch_size", "window", "leads"):
        frame[name] = 1
    RUNS.write(frame, tmp_path / "runs.parquet")
    (tmp_path / "fit").mkdir()
    return tmp_path / "runs.parquet"


def test_a_run_table_alone_makes_a_page_that_names_what_is_missing(runs, tmp_path):
    done = report("--runs", runs, "--fit", tmp_path / "fit", "--out", tmp_path / "out")
    assert (done.returncode, done.stderr) == (0, "")
    page = (tmp_path / "out" / "report.html").read_text()
    for name in ("laws.json", "frontier.csv", "predictor.json", "--latency", "--split", "--plan", "--shards"):
        assert re.search(f"no [^<]*{name} w", page), name
    assert "Synthetic data." in page
    assert "loss is NaN" in page
    assert f"ecg-report --runs {runs} --fit {tmp_path / 'fit'} --out {tmp_path / 'out'}" in page


def test_a_results_folder_or_a_table_is_asked_for(runs, tmp_path):
    done = report("--runs", runs, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "give --results, or --runs and --fit" in done.stderr
    done = report("--results", tmp_path, "--out", tmp_path / "out")
    assert (done.returncode, done.stderr.count("no run lies there yet")) == (2, 1)


def test_the_ugliest_table_that_can_be_fitted_ends_in_a_page(tmp_path):
    """Infinite and missing values, settings in words, a family a run, losses beside scores below 0: each of them ended
    FIT or REPORT with a traceback."""
    size = np.geomspace(1e5, 1e8, 14)
    table = pd.DataFrame({"run": [f"r{k}" for k in range(14)], "params": size, "tokens": 20 * size, "lr": np.inf,
                          "loss": 2 + 50 / size**0.4, "test_challenge_score": np.linspace(-0.3, 0.5, 14),
                          "optimizer": ["", "adamw"] * 7, "batch_size": "many", "family": [f"f{k}" for k in range(14)]})
    table.loc[3, "params"], table.loc[4, "tokens"] = np.inf, -np.inf
    table.to_csv(tmp_path / "runs.csv", index=False)
    fitted = run_command("ecg-fit", "--runs", tmp_path / "runs.csv", "--out", tmp_path / "fit")
    assert fitted.returncode == 0, fitted.stderr
    assert "note: batch_size: holds words, so not read as batch_size" in fitted.stdout
    done = report("--runs", tmp_path / "runs.csv", "--fit", tmp_path / "fit", "--out", tmp_path / "out")
    assert (done.returncode, done.stderr) == (0, "")


def test_comparisons_are_shown(runs, tmp_path):
    table = tmp_path / "table"
    DIFFERENCES.write(pd.DataFrame([{
        "run_id": "b", "reference": "a", "metric": "challenge_score", "difference": -0.125, "low": -0.2, "high": -0.05,
        "probability": 0.01, "n": 59}]), table / "differences.csv")
    AXES.write(pd.DataFrame([{
        "axis": "leads", "value": "II", "reference": "I;II", "params": params, "metric": "challenge_score",
        "difference": gain, "low": gain - 0.05, "high": gain + 0.05, "pairs": 3, "n": 59, "note": ""}
        for params, gain in ((None, -0.25), (1000, -0.03125))]), table / "axes.csv")
    NOISE.write(pd.DataFrame([{
        "configuration": "", "family": None, "optimizer": None, "metric": "challenge_score", "seeds": 6, "mean": 0.4,
        "seed_deviation": 0.0313, "sampling_error": 0.02}]), table / "noise.csv")
    SOURCES.write(pd.DataFrame([{
        "run_id": "a", "configuration": "c", "source": "ptb", "left_out": True, "metric": "challenge_score",
        "estimate": 0.3, "low": 0.25, "high": 0.35, "n": 40, "internal": 0.4, "note": "few cases"}]),
        table / "sources.csv")
    done = report("--runs", runs, "--fit", tmp_path / "fit", "--comparisons", table, "--out", tmp_path / "out")
    assert (done.returncode, done.stderr) == (0, "")
    page = (tmp_path / "out" / "report.html").read_text()
    for value in ("-0.125 [-0.200, -0.050]", "0.031", "few cases", "0.300 [0.250, 0.350]", "-0.250 [-0.300, -0.200]",
                  "1000 parameters", "not told apart", "II against I;II challenge score"):
        assert value in page, value


def test_a_file_of_another_version_is_refused_by_name(runs, tmp_path):
    FRONTIER.write(FRONTIER.empty(), tmp_path / "fit" / "frontier.csv")
    package = tmp_path / "fit" / "datapackage.json"
    package.write_text(package.read_text().replace('"version": "1"', '"version": "9"'))
    done = report("--runs", runs, "--fit", tmp_path / "fit", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "ecgscale.frontier/9" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def page_of_others(tmp_path_factory) -> str:
    """The report of somebody's run table alone, of which nothing is said on the terminal."""
    folder = tmp_path_factory.mktemp("others")
    (folder / "runs.csv").write_text("name,params,accuracy\na,1e5,50\nb,1e6,62.5\nb,1e6,62.5\n")
    (folder / "fit").mkdir()
    done = report("--runs", folder / "runs.csv", "--fit", folder / "fit", "--out", folder / "out")
    assert (done.returncode, done.stderr) == (0, "")
    return (folder / "out" / "report.html").read_text()


def test_a_table_of_others_is_shown(page_of_others):
    assert "0.625" in page_of_others
    assert "no column test_challenge_score" in page_of_others


def test_a_file_of_other_columns_is_refused(tmp_path):
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "runs.parquet")
    (tmp_path / "fit").mkdir()
    done = report("--runs", tmp_path / "runs.parquet", "--fit", tmp_path / "fit", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "no column is a size" in done.stderr
    assert "columns: a" in done.stderr


def test_laws_of_another_run_table_are_refused(tmp_path):
    """Its digest was kept in laws.json and compared with nothing: a page held the laws of one table and the runs of
    another."""
    write(tmp_path, stages.to_report())
    lines = (tmp_path / "runs.csv").read_text().splitlines(keepends=True)
    (tmp_path / "runs.csv").write_text("".join(lines[:3] + lines[4:]))
    with pytest.raises(UserError, match="is of a run table of 12 rows, and this one has 11"):
        stages.report(tmp_path)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["optima.csv", "rates.csv", "frontier.csv"])
def test_a_file_of_ecg_fit_that_is_missing_beside_its_laws_is_told(name, tmp_path, capsys):
    """Learning rates and their laws were left out of the report without a word."""
    write(tmp_path, stages.to_report())
    (tmp_path / "fit" / name).unlink()
    stages.report(tmp_path)
    assert f"fit: no {name} beside laws.json" in capsys.readouterr().err
    assert f"{name} (no {tmp_path / 'fit' / name} was given)" in (tmp_path / "out/report.html").read_text()


def test_a_row_of_fronts_that_stands_there_twice_is_refused(tmp_path):
    """Its point was drawn and listed twice. Of a table alone: beside a package its digest tells."""
    write(tmp_path, stages.to_report())
    file = tmp_path / "fit/frontier.csv"
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join([*lines, lines[1]]))
    (tmp_path / "fit/datapackage.json").unlink()
    with pytest.raises(UserError, match=rf"frontier\.csv: run_id: stands there before in row {len(lines)}"):
        stages.report(tmp_path)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("name", "table"), [("frontier.csv", FRONTIER), ("optima.csv", OPTIMA),
                                             ("effects.parquet", EFFECTS)])
def test_what_ecg_fit_told_of_another_run_table_is_refused(name, table, tmp_path):
    """Its points were shown as those of this table's runs."""
    write(tmp_path, stages.to_report())
    file = tmp_path / "fit" / name
    rows = table.read(file)
    if rows.empty:
        rows = table.empty().reindex([0])
    table.write(rows.assign(run_id=rows["run_id"].where(rows.index > 0, "other")), file)
    with pytest.raises(UserError, match=rf"fit/{name}: run_id: run other is not in the run table"):
        stages.report(tmp_path)


def test_an_empty_note_that_another_program_saved_is_empty(tmp_path):
    """It stood in the report as nan."""
    write(tmp_path, stages.to_report())
    file = tmp_path / "fit/importance.csv"
    IMPORTANCE.write(IMPORTANCE.empty().reindex([0]).assign(group="all", model="forest", feature="lr", measure="gini"),
                     file)
    assert inputs.read(tmp_path / "runs.csv", tmp_path / "fit").importance["note"].tolist() == [""]


def test_comparisons_of_other_runs_are_told(runs, tmp_path):
    DIFFERENCES.write(pd.DataFrame([{
        "run_id": run, "reference": "a", "metric": "challenge_score", "difference": -0.125, "low": -0.2, "high": -0.05,
        "probability": 0.01, "n": 59} for run in ("b", "other")]), tmp_path / "table/differences.csv")
    found = inputs.read(runs, tmp_path / "fit", comparisons=tmp_path / "table")
    assert found.notices == ("differences.csv: 1 of 2 runs are not in the run table",)


def test_what_is_to_be_said_of_a_table_stands_in_the_report_without_laws_too(page_of_others):
    """Notes of reading were those of ecg-fit: a table that was changed since, or never fitted, was read in silence."""
    assert "While the tables were read: accuracy: 50 to 62.5, taken for percent." in page_of_others
    assert "1 row(s) repeat another one in every column: left out." in page_of_others


@pytest.mark.parametrize("axes", ["", "-1", "score~colour", "score~params,latency,energy"])
def test_axes_of_fronts_that_nobody_wrote_are_refused(tmp_path, axes):
    """The page's figure of fronts fell over them."""
    write(tmp_path, stages.to_report())
    rows = FRONTIER.read(tmp_path / "fit/frontier.csv")
    rows.loc[0, "axes"] = axes
    FRONTIER.write(rows, tmp_path / "fit/frontier.csv")
    with pytest.raises(UserError, match=r"fit/frontier\.csv: axes: no such axes"):
        stages.report(tmp_path)
    assert not (tmp_path / "out").exists()


def test_scores_of_another_run_table_are_refused():
    """As many rows, and another score: what ecg-fit predicted is no prediction of these."""
    runs = pd.DataFrame({"run_id": ["a", "b"], "test_auroc": [0.7, 0.8]})
    predicted = PREDICTED.empty().assign(run_id=["a", "b", "a"], truth=[0.7, 0.8, 0.7])
    predictor = Predictor(table_digest="", synthetic=False, runs=2, target="test_auroc", features=(), results=[],
                          versions={})
    check_fitted(runs, Path("fit"), None, predictor, predicted)
    for other in (runs.assign(test_auroc=[0.7, 0.81]), runs.assign(run_id=["a", "c"])):
        with pytest.raises(UserError, match=r"fit/predicted.csv: test_auroc of run b is 0.8 here, and not so"):
            check_fitted(other, Path("fit"), None, predictor, predicted)
