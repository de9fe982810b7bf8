"""Calibration against scikit-learn's calibration curve and a planted, perfectly calibrated prediction."""

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.calibration import calibration_curve
from sklearn.isotonic import IsotonicRegression

from ecgscale.evaluation import calibration
from ecgscale.evaluation.shares import wilson
from tests.lib.evaluation.of_a_fold import expected_calibration_error

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


def test_interval_of_a_bin_is_scipys_where_every_recording_is_of_another_patient():
    labels, probabilities = fold(200)
    labels[probabilities < 0.2] = False         # bins without a single positive
    table = calibration.reliability(labels, probabilities, CODES)
    assert table["share"].eq(0).any()
    for row in table[table["value"] != ""].itertuples():
        expected = binomtest(round(row.share * row.n), row.n).proportion_ci(0.95, method="wilson")
        assert (row.share_low, row.share_high) == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_copies_of_a_recording_do_not_narrow_the_interval():
    labels, probabilities = fold(100)
    once = calibration.reliability(labels, probabilities, CODES)
    patients = np.repeat(np.arange(100), 5).astype(str)
    often = calibration.reliability(labels.repeat(5, axis=0), probabilities.repeat(5, axis=0), CODES, patients)
    assert often["n"].tolist() == (5 * once["n"]).tolist()
    of_class, ends = once["value"] != "", ["share_low", "share_high"]
    np.testing.assert_allclose(often.loc[of_class, ends], once.loc[of_class, ends], atol=1e-12)


def test_intervals_of_bins_hold_the_truth_as_often_as_they_say():
    """Patients with 1 to 8 recordings, who have the disease in all of them or in none: P(disease) = p of the patient.
    In bins of ten patients and more; counted as if recordings were independent, it is below 0.85."""
    held, naive = [], []
    for seed in range(60):
        random = np.random.default_rng(seed)
        patients = np.repeat(np.arange(300), random.integers(1, 9, 300))
        risk, drawn = random.random((300, 1)).round(1).clip(0.05, 0.95), random.random((300, 1))
        labels, probabilities = (drawn < risk)[patients], risk[patients]
        table = calibration.reliability(labels, probabilities, ("a",), patients)
        table = table[table["value"].eq("a")]
        held += list((table["share_low"] <= table["probability"]) & (table["probability"] <= table["share_high"]))
        low, high = wilson(table["share"], table["n"])
        naive += list((low <= table["probability"]) & (table["probability"] <= high))
    assert 0.92 <= np.mean(held) <= 0.98
    assert np.mean(naive) < 0.85


def test_error_is_the_weighted_gap_of_the_reliability_table():
    labels, probabilities = fold(300, 1)
    found = expected_calibration_error(labels, probabilities)
    table = calibration.reliability(labels, probabilities, CODES)
    for k, code in enumerate(CODES):
        rows = table[table["value"] == code]
        gap = (rows["probability"] - rows["share"]).abs()
        assert found[k] == pytest.approx((rows["n"] * gap).sum() / 300, abs=1e-12)


def test_calibrated_probabilities_have_a_small_error_and_squared_ones_the_planted_one():
    """E|p - p^2| over uniform p is 1/6."""
    labels, probabilities = fold(100_000, 2)
    found = expected_calibration_error(labels, probabilities)
    assert found[0] < 0.012
    assert found[1] == pytest.approx(1 / 6, abs=0.01)


def test_bins_at_their_edges():
    assert calibration.bin_of(np.array([0.0, 0.0999, 0.1, 0.95, 1.0])).tolist() == [0, 0, 1, 9, 9]


def test_isotonic_map_equals_scikit_learns_on_other_recordings():
    labels, probabilities = fold(400, 3)
    probabilities = probabilities.round(2)
    knots = calibration.isotonic(labels, probabilities, CODES)
    other = fold(200, 4)[1]
    found = calibration.recalibrated(other, CODES, knots)
    for k in range(len(CODES)):
        reference = IsotonicRegression(out_of_bounds="clip").fit(probabilities[:, k], labels[:, k])
        np.testing.assert_allclose(found[:, k], reference.predict(other[:, k]), atol=1e-9)


def test_isotonic_map_mends_what_is_not_calibrated_and_rare_classes_stay_as_they_are():
    labels, probabilities = fold(4000, 5)
    labels[:, 2] = np.arange(4000) < 9
    knots = calibration.isotonic(labels[:2000], probabilities[:2000], CODES)
    mapped = calibration.recalibrated(probabilities[2000:], CODES, knots)
    before = expected_calibration_error(labels[2000:], probabilities[2000:])
    after = expected_calibration_error(labels[2000:], mapped)
    assert before[1] > 0.15
    assert after[1] < 0.05
    assert (mapped[:, 2] == probabilities[2000:, 2]).all()


@pytest.mark.parametrize("planted", [0.5, 1.0, 3.0])
def test_temperature_finds_the_planted_one(planted):
    random = np.random.default_rng(6)
    logits = random.normal(size=(20_000, 3))
    labels = random.random(logits.shape) < 1 / (1 + np.exp(-logits))
    given = 1 / (1 + np.exp(-logits * planted))
    found = calibration.temperature(labels, given)
    assert found == pytest.approx(planted, rel=0.05)
    np.testing.assert_allclose(calibration.tempered(given, planted), 1 / (1 + np.exp(-logits)), atol=1e-9)


def test_ten_positives_are_enough_for_an_isotonic_map():
    labels = np.zeros((100, 2), dtype=bool)
    labels[:10, 0], labels[:9, 1] = True, True
    probabilities = np.linspace(0.9, 0.1, 200).reshape(100, 2)
    assert set(calibration.isotonic(labels, probabilities, ("ten", "nine"))["value"]) == {"ten"}
