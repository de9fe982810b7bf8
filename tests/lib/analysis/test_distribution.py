"""Distribution of scores: SciPy's ECDF, the DKW inequality by simulation."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ecdf

from ecgscale.analysis import distribution


def run_table() -> pd.DataFrame:
    scores = [0.5, 0.46, 0.2, 0.1, 0.45, 0.3]
    return pd.DataFrame({"run_id": list("abcdef"), "status": "finished", "family": "regnet",
                         "optimizer": ["adamw"] * 4 + ["sgd"] * 2, "lr": range(6), "test_challenge_score": scores})


def test_share_at_least_is_the_survival_function_just_below():
    scores = np.sort(np.random.default_rng(0).integers(0, 10, 50).astype(float))
    expected = ecdf(scores).sf.evaluate(np.arange(10) - 0.5)
    np.testing.assert_allclose(distribution.share_at_least(scores, np.arange(10.0)), expected)


def test_band_holds_the_whole_curve_as_often_as_it_says():
    random, n = np.random.default_rng(1), 40
    draws = np.sort(random.random((2000, n)), axis=1)
    steps = np.arange(n) / n
    gap = np.maximum(np.abs(draws - steps), np.abs(draws - steps - 1 / n)).max(axis=1)
    assert 0.95 <= (gap <= distribution.band(n)).mean() < 0.98


def test_share_of_good_models_per_family_and_optimizer():
    threshold, frame = distribution.good_shares(run_table(), "test_challenge_score")
    rows = frame.set_index("group")
    assert threshold == pytest.approx(0.45)  # 90 % of the best, 0.5
    assert rows.loc["family=regnet,optimizer=adamw", ["good", "n"]].tolist() == [2, 4]
    assert rows.loc["family=regnet,optimizer=sgd", ["good", "n"]].tolist() == [1, 2]


def test_no_score_above_chance_no_good_models():
    threshold, frame = distribution.good_shares(run_table().assign(test_challenge_score=-0.1), "test_challenge_score")
    assert threshold is None
    assert frame.empty
