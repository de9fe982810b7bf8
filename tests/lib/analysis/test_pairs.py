"""Optimizers where nothing else differs, against planted gains and SciPy's paired t test."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_rel

from ecgscale.analysis.pairs import optimizer_pairs

GAIN = {"adamw": 0.08, "sgdm": 0.02, "sgd": 0.0}


def table(networks: int = 5, noise: float = 0.01, seed: int = 1) -> pd.DataFrame:
    """Networks of far different scores, each with three optimizers at two rates (the second fails) and two seeds."""
    draw, rows = np.random.default_rng(seed), []
    for network in range(networks):
        for optimizer, gain in GAIN.items():
            for rate, loss in ((1e-2, 0.3), (1.0, 0.9)):
                for of_seed in (0, 1):
                    score = 0.1 * network + gain * (loss < 0.5) + noise * draw.standard_normal()
                    rows.append({"run_id": f"{len(rows):03d}", "status": "finished", "family": "regnet",
                                 "params": 1000 * (network + 1), "hp_depth": network, "loss": "bce", "lr": rate,
                                 "optimizer": optimizer, "weight_decay": np.nan, "seed": of_seed, "valid_loss": loss,
                                 "test_score": score})
    return pd.DataFrame(rows)


def test_planted_gains_are_told_and_seeds_are_no_pairs():
    runs = table()
    found = optimizer_pairs(runs, "test_score").set_index(["better", "worse"])
    assert list(found.index) == [("adamw", "sgd"), ("adamw", "sgdm"), ("sgdm", "sgd")]
    assert set(found["pairs"]) == {5}
    good = runs[runs["lr"].eq(1e-2)].pivot_table(index="params", columns="optimizer", values="test_score")
    for (better, worse), row in found.iterrows():
        low, high = ttest_rel(good[better], good[worse]).confidence_interval(0.95)
        assert (row["low"], row["high"]) == pytest.approx((low, high))
        assert row["low"] < GAIN[better] - GAIN[worse] < row["high"]
    assert found.loc[("adamw", "sgd"), "low"] > 0


def test_intervals_hold_the_gain_as_often_as_they_say():
    """300 tables; a share of 0.95 has a standard error of 0.013."""
    held = [row.low < GAIN[row.better] - GAIN[row.worse] < row.high
            for seed in range(100) for row in optimizer_pairs(table(4, seed=seed), "test_score").itertuples()]
    assert 0.91 < np.mean(held) < 0.985


@pytest.mark.parametrize("left_out", ["optimizer", "valid_loss", "test_score"])
def test_a_table_that_lacks_what_it_takes_has_no_pairs(left_out):
    assert optimizer_pairs(table().drop(columns=left_out), "test_score").empty


def test_two_networks_or_failed_runs_are_not_enough():
    assert optimizer_pairs(table(2), "test_score").empty
    failed = table().assign(status=lambda runs: np.where(runs["params"] > 2000, "diverged", "finished"))
    assert optimizer_pairs(failed, "test_score").empty


def test_a_measured_loss_is_no_setting():
    runs = table().assign(loss=lambda frame: np.arange(len(frame), dtype=float))
    assert set(optimizer_pairs(runs, "test_score")["pairs"]) == {5}
