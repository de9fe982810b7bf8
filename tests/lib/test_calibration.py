"""Calibration against scikit-learn's calibration curve and a planted, perfectly calibrated prediction."""

import numpy as np
import pytest
from ecgscale import calibration
from sklearn.calibration import calibration_curve

CODES = ("a", "b", "c")


def fold(recordings, seed=0):
    random = np.random.default_rng(seed)
    probabilities = random.random((recordings, 3))
    return random.random((recordings, 3)) < probabilities ** [1.0, 2.0, 1.0], probabilities


def test_reliability_equals_scikit_learns_calibration_curve():
    labels, probabilities = fold(500)
    table = calibration.reliability(labels, probabilities, CODES)
    for k, code in enumerate(CODES):
        share, mean = calibration_curve(labels[:, k], probabilities[:, k], n_bins=10)
        rows = table[table["value"] == code]
        np.testing.assert_allclose(rows["share"], share, atol=1e-12)
        np.testing.assert_allclose(rows["probability"], mean, atol=1e-12)
    pooled = table[table["value"] == ""]
    assert pooled["n"].sum() == labels.size
    assert (pooled["low"] <= pooled["probability"]).all()
    assert (pooled["probability"] <= pooled["high"]).all()


def test_error_is_the_weighted_gap_of_the_reliability_table():
    labels, probabilities = fold(300, 1)
    found = calibration.expected_calibration_error(labels, probabilities)
    table = calibration.reliability(labels, probabilities, CODES)
    for k, code in enumerate(CODES):
        rows = table[table["value"] == code]
        gap = (rows["probability"] - rows["share"]).abs()
        assert found[k] == pytest.approx((rows["n"] * gap).sum() / 300, abs=1e-12)


def test_calibrated_probabilities_have_a_small_error_and_squared_ones_the_planted_one():
    """E|p - p^2| over uniform p is 1/6."""
    labels, probabilities = fold(100_000, 2)
    found = calibration.expected_calibration_error(labels, probabilities)
    assert found[0] < 0.012
    assert found[1] == pytest.approx(1 / 6, abs=0.01)


def test_bins_at_their_edges():
    assert calibration.bin_of(np.array([0.0, 0.0999, 0.1, 0.95, 1.0])).tolist() == [0, 0, 1, 9, 9]
