"""Figures of what matters and of design spaces: the rows of their tables, and shares against SciPy's ECDF."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ecdf

from ecgscale.report import charts, design_spaces, influence
from ecgscale.report.inputs import Inputs
from tests.lib.report.test_page import make_inputs, run_table


@pytest.fixture(scope="module")
def inputs():
    return make_inputs()


def test_importance_is_a_view_a_measure_and_group_with_its_intervals(inputs):
    chart = influence.importance(inputs)
    found = inputs.importance[inputs.importance["model"].eq("random forest") & inputs.importance["measure"].ne("gini")]
    assert len(chart.views) == len(found.groupby(["measure", "group"]))
    drawn = [(row["y"], row["x"], row["low"], row["high"]) for rows in chart.rows.values() for row in rows]
    assert sorted(drawn) == sorted(found[["feature", "estimate", "low", "high"]].itertuples(index=False, name=None))
    assert not any("gini" in view.key for view in chart.views)       # stands with the study's figures
    assert influence.importance(replace(inputs, importance=inputs.importance.iloc[:0])) is None


def test_dependence_is_a_view_a_hyperparameter_named_ones_by_their_names(inputs, tmp_path):
    named = {"group": "all", "model": "random forest", "feature": "optimizer", "grid": [0, 1],
             "labels": ["adamw", "sgd"], "estimate": [0.5, 0.4], "low": [0.4, 0.3], "high": [0.6, 0.5]}
    predictor = inputs.predictor.model_copy(update={"dependence": [*inputs.predictor.dependence, named]})
    chart = influence.dependence(replace(inputs, predictor=predictor))
    assert [view.label for view in chart.views] == ["depth", "optimizer"]
    assert chart.rows["depth"] == [{"x": 4.0, "y": 0.3, "low": 0.2, "high": 0.4, "group": "all runs"},
                                   {"x": 9.0, "y": 0.4, "low": 0.3, "high": 0.5, "group": "all runs"}]
    assert [row["x"] for row in chart.rows["optimizer"]] == ["AdamW", "SGD"]
    assert "all runs, depth: from 0.300 to 0.400" in chart.alt
    assert set(charts.save(chart, tmp_path, True)) == {"depth", "optimizer"}
    assert influence.dependence(replace(inputs, predictor=None)) is None


def test_shares_of_a_design_space_are_the_survival_function(inputs, tmp_path):
    chart = design_spaces.scores(inputs)
    runs = run_table(True)
    runs = runs[runs["status"].eq("finished") & runs["test_challenge_score"].notna()]
    drawn = pd.DataFrame(chart.rows["shares"])
    assert drawn["n"].groupby(drawn["group"]).first().sum() <= len(runs)
    for _, part in drawn.groupby("group"):
        inside = part.iloc[1:-1]
        assert inside["y"].to_numpy() == pytest.approx(
            ecdf(inside["x"]).sf.evaluate(inside["x"].to_numpy() - 1e-9))
        assert part["low"].between(0, 1).all()
        assert part["high"].between(0, 1).all()
        assert (part["low"] <= part["y"]).all()
        assert (part["y"] <= part["high"]).all()
    assert chart.rows["good"][0]["x"] == pytest.approx(0.9 * drawn["x"].max())
    assert list(charts.save(chart, tmp_path, True)) == ["all"]
    few = run_table(True).assign(test_challenge_score=np.nan)
    assert design_spaces.scores(Inputs(runs=few)) is None
