"""Intervals end where their quantity does, in tables and figures alike, and what was cut is told."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ecgscale.contracts import METRICS
from ecgscale.report import inputs as reading
from ecgscale.report import law_chart, page, plots, tables
from ecgscale.report.possible import Ends, possible
from tests.lib.report.test_page import make_inputs


@pytest.mark.parametrize(("name", "ends"), [
    ("test_auroc", (0, 1)), ("1 - test_auroc", (0, 1)), ("test_challenge_score", (-np.inf, 1)),
    ("1 - test_challenge_score", (0, np.inf)), ("test_loss", (0, np.inf)), ("p50_ms", (-np.inf, np.inf))])
def test_what_a_quantity_can_be(name, ends):
    assert possible(name) == ends


def test_a_table_of_estimates_plus_and_minus_two_errors():
    """AUROC of people: 0.99 with a standard error of 0.01; an accuracy in percent is not cut at 1."""
    table = pd.DataFrame({"test_auroc": [0.99, 0.7, np.nan], "test_auroc_low": [0.97, 0.65, np.nan],
                          "test_auroc_high": [1.01, 0.75, np.nan], "test_loss": [0.1, 0.2, 0.3],
                          "test_loss_low": [-0.1, 0.1, 0.2], "test_loss_high": [0.3, 0.3, 4.0],
                          "accuracy": [76.0, 80.0, 99.0], "accuracy_low": [70.0, 75.0, 97.0],
                          "accuracy_high": [82.0, 85.0, 101.0]})
    ends = Ends()
    cut = ends.runs(table)
    expected = table.assign(test_auroc_high=[1.0, 0.75, np.nan], test_loss_low=[0.0, 0.1, 0.2])
    pd.testing.assert_frame_equal(cut, expected)
    assert ends.told().startswith("Intervals that reached beyond what their quantity can be (1 of test_auroc, 1 of "
                                  "test_loss): they end there on this page.")
    assert Ends().told() == ""


def test_rows_of_metrics_end_by_their_own_quantity():
    rows = pd.DataFrame({"metric": ["brier", "challenge_score", "auprc"], "estimate": [0.04, 0.1, 0.98],
                         "low": [-0.01, -0.2, 0.9], "high": [0.07, 0.3, 1.02]})
    cut = Ends().metrics(METRICS.empty().assign(metric=[], estimate=[], low=[], high=[]))
    assert cut.empty
    cut = Ends().metrics(rows)
    assert cut[["low", "high"]].to_numpy().tolist() == [[0.0, 0.07], [-0.2, 0.3], [0.9, 1.0]]


def test_the_page_of_such_a_table(monkeypatch):
    """Table of runs, figure of fronts, clinic, and a notice that says so."""
    found = make_inputs()
    over = found.runs.assign(test_challenge_score_high=1.2)
    high = found.frontier.assign(y_high=1.2)
    found = reading.within_the_possible(replace(found, runs=over, frontier=high))
    assert all("1.200]" not in cell for row in tables.runs(found).rows for cell in row)
    assert max(row["high"] for rows in plots.fronts(found).rows.values() for row in rows if "high" in row) == 1.0
    assert any("brier" in notice and "test_challenge_score" in notice for notice in page.runs(found).notices)


def test_laws_bands_and_what_they_foretell_end_there_too():
    """A band and a prediction that reach an error above 1 are cut there; below, the band is drawn as it was told."""
    found = make_inputs()
    ahead = [{"x": 1e9, "y": 0.5, "run_low": 0.1, "run_high": 3.0}]
    told = {"predictions": ahead, "band": {"x": [1.0, 1e12], "low": [0.01, 0.1], "high": [0.4, 100.0]}}
    fits = [fit.model_copy(update={"y": "1 - test_auroc", "statistics": fit.statistics | told})
            for fit in found.laws.fits]
    runs = found.runs.assign(test_auroc=found.runs["test_challenge_score"].clip(0.1, 0.9))
    found = replace(found, laws=found.laws.model_copy(update={"fits": tuple(fits)}), runs=runs,
                    predictor=found.predictor.model_copy(update={"target": "test_auroc"}))
    rows = law_chart.law(found).rows
    ends = [row[end] for drawn in rows.values() for row in drawn for end in ("low", "high") if end in row]
    assert max(ends) == 1
    assert 0.01 < min(ends) < 0.1
    bare = replace(found, laws=found.laws.model_copy(update={"fits": tuple(fit.model_copy(update={
        "statistics": {}}) for fit in fits)}))
    bands = [row["low"] for name, drawn in law_chart.law(bare).rows.items() if name.startswith("law ") for row in drawn]
    assert bands
    assert np.isnan(bands).all()        # of an earlier version: none told, none drawn
