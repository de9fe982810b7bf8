"""SHAP values as a swarm: a point a run and hyperparameter, most important on top, none upon another."""

import json

import numpy as np
import pandas as pd
import pytest

from ecgscale.report import charts, effects
from ecgscale.report.inputs import Inputs
from tests.lib.report.test_page import make_inputs, run_table


def test_a_point_is_a_run_s_value_at_its_hyperparameter():
    inputs = make_inputs()
    chart = effects.swarm(inputs)
    assert [(view.key, view.label) for view in chart.views] == [("all", "all runs"), ("sgd", "SGD")]
    assert chart.views[0].spec["layer"][1]["encoding"]["y"]["sort"] == ["depth", "stages"]
    planted = inputs.effects.query("group == 'all'").set_index(["run_id", "feature"])
    names = inputs.ranked["run_id"]
    found = {(names[row["run"]], row["y"]): (row["x"], row["value"]) for row in chart.rows["all runs"]}
    assert found == {key: (row["shap"], row["value"]) for key, row in planted.iterrows()}
    assert chart.alt == "all runs: first depth; SGD: first depth"
    assert effects.swarm(Inputs(runs=run_table(True))) is None


def test_points_of_one_place_are_stacked_on_both_sides():
    rows = pd.DataFrame({"feature": ["a"] * 5 + ["b"], "shap": [0.1] * 4 + [0.9, 0.1]})
    offset = effects.stacked(rows)
    assert len(set(offset[:4])) == 4
    assert offset[0] == offset[4] == offset[5] == 0
    assert np.abs(offset).max() <= 1
    assert (offset[:4] > 0).any()
    assert (offset[:4] < 0).any()


def test_many_runs_are_thinned_and_it_is_said():
    runs = pd.DataFrame({"run_id": [f"r{place}" for place in range(1000)]})
    rows = pd.DataFrame([{"group": "all", "model": "random forest", "feature": f"f{feature}", "run_id": run,
                          "value": 1.0, "shap": 0.1 * feature} for run in runs["run_id"] for feature in range(15)])
    chart = effects.swarm(Inputs(runs=runs, effects=rows))
    assert len(chart.rows["all runs"]) == 12 * 334
    assert "One run in 3 is drawn." in chart.caption
    assert {row["y"] for row in chart.rows["all runs"]} == {f"f{feature}" for feature in range(3, 15)}
    assert len(json.dumps(charts.by_column(chart.rows["all runs"]))) < 300_000


def test_networks_with_and_without_squeeze_and_excitation_stand_side_by_side():
    runs = run_table(False)
    with_it = np.arange(len(runs)) % 2 == 1
    inputs = Inputs(runs=runs.assign(hp_se_ratio=np.where(with_it, 0.25, np.nan),
                                     test_challenge_score=0.4 + 0.1 * with_it, optimizer="adamw"))
    chart = effects.squeezed(inputs)
    assert {row["x"]: row["y"] for row in chart.rows["means"]} == pytest.approx({"none": 0.4, "ratio 0.25": 0.5})
    assert len(chart.rows["runs"]) == 24
    assert "AdamW, ratio 0.25: 0.500 ± 0.000 (n = 12)" in chart.caption
    assert effects.squeezed(Inputs(runs=run_table(False))) is None
    assert effects.squeezed(Inputs(runs=run_table(False).assign(hp_se_ratio=np.nan))) is None
