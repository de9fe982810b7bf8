"""Learning curves: the rows of the histories as they were, thinned within bounds, and what is left out counted."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ecgscale.report import charts, learning_curves
from ecgscale.report.inputs import Inputs
from tests.lib.report.test_page import history_table, make_inputs, run_table


def test_every_epoch_of_every_run_is_a_row_with_its_run_in_the_table():
    inputs = make_inputs()
    chart = learning_curves.chart(inputs)
    planted = inputs.histories.set_index(["run_id", "epoch"])["valid_loss"]
    names = inputs.ranked["run_id"]
    drawn = {(names[row["run"]], row["x"] - 1): row["valid_loss"] for row in chart.rows["history"]}
    assert drawn == planted.to_dict()
    assert [view.key for view in chart.views] == ["loss", "lr", "clipped-share", "valid-auroc"]
    assert chart.alt.startswith("24 runs of 3 to 6 epochs; least validation loss of a run from 0.354 to 4.24")


def test_a_run_without_history_and_a_history_without_run_are_counted():
    inputs = make_inputs()
    chart = learning_curves.chart(replace(inputs, runs=inputs.runs.iloc[1:], histories=inputs.histories.iloc[:9]))
    assert "1 runs with a history are not in the run table." in chart.caption
    assert "22 of 23 runs kept no history." in chart.caption
    assert learning_curves.chart(Inputs(runs=run_table(True))) is None


@pytest.mark.parametrize("epochs", [1, 39, 40, 41, 100, 1000])
def test_a_long_run_keeps_its_first_and_last_epoch(epochs):
    history = history_table(run_table(True).iloc[:2], epochs).query("run_id == 'run01'").assign(run=0)
    history = pd.concat([history, history.assign(run=1)])[lambda frame: (frame["run"] == 0) | (frame["epoch"] < 2)]
    kept, told = learning_curves.thinned(history)
    for run, all_of_it in history.groupby("run")["epoch"]:
        epoch = kept.loc[kept["run"].eq(run), "epoch"].to_numpy()
        assert {all_of_it.min(), all_of_it.max()} <= set(epoch)
        assert len(epoch) == min(len(all_of_it), learning_curves.EPOCHS)
        if len(epoch) > 2:
            assert np.ptp(np.diff(epoch)) <= 1
    assert bool(told) == (epochs > 40)


@pytest.mark.parametrize(("runs", "epochs"), [(500, 100), (5000, 20)])
def test_the_page_stays_light_and_says_what_is_left_out(runs, epochs):
    """The bounds of the whole page are 5 MB for 500 runs: curves take less than a fifth of it."""
    table = pd.concat([run_table(True)] * -(-runs // 24), ignore_index=True).iloc[:runs]
    table = table.assign(run_id=[f"r{place:011d}" for place in range(runs)])
    history = history_table(table, epochs)
    history = history.assign(valid_loss=history["valid_loss"] * np.random.default_rng(0).uniform(1, 2, len(history)))
    chart = learning_curves.chart(Inputs(runs=table, histories=history))
    assert len(json.dumps(charts.by_column(chart.rows["history"]), separators=(",", ":"))) < 1_000_000
    drawn = {row["run"] for row in chart.rows["history"]}
    assert f"{len(drawn)} of {runs}; table/histories.parquet has all." in chart.caption
    assert min(drawn) == 0                                      # the best
    assert max(drawn) > 0.98 * (runs - 1)                       # and those at the end of the ranking
