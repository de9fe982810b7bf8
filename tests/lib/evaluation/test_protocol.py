"""What validation chooses, and that the test part is measured by it alone."""

import numpy as np
import pytest

from ecgscale.contracts.labels import read_label_set
from ecgscale.evaluation import calibration, metrics, thresholds
from ecgscale.evaluation.fold import Judged
from ecgscale.evaluation.protocol import measure
from tests.lib.evaluation.of_a_fold import expected_calibration_error

LABELS = read_label_set()


@pytest.fixture(scope="module")
def both():
    random = np.random.default_rng(0)
    labels = random.random((900, len(LABELS.codes))) < 0.1
    probabilities = 1 / (1 + np.exp(-(random.normal(size=labels.shape) * 2 + 3 * labels - 1.5)))
    parts = np.where(np.arange(900) % 3 == 0, "test", "valid")
    return Judged(labels, probabilities), parts, measure(Judged(labels, probabilities), parts, LABELS, 0)


def looked_up(table, part, threshold, group="all"):
    rows = table[(table["part"] == part) & (table["threshold"] == threshold) & (table["group"] == group)]
    return rows.set_index(["metric", "value"])["estimate"]


def test_test_part_is_decided_by_the_thresholds_of_validation(both):
    fold, parts, (table, _, _) = both
    valid, test = fold.of(parts == "valid"), fold.of(parts == "test")
    tuned = thresholds.tune(valid.labels, valid.probabilities, LABELS)
    np.testing.assert_array_equal(looked_up(table, "valid", "tuned", "class")["threshold"], tuned)
    for part, chosen in (("valid", valid), ("test", test)):
        score = metrics.challenge_score(chosen.labels, chosen.probabilities >= tuned, LABELS)
        assert looked_up(table, part, "tuned")["challenge_score", ""] == pytest.approx(score, abs=1e-12)
    whole = looked_up(table, "valid", "tuned"), looked_up(table, "valid", "0.5")
    assert whole[0]["challenge_score", ""] > whole[1]["challenge_score", ""]


def test_another_specificity_is_chosen_by_the_study(both):
    fold, parts, _ = both
    table, _, _ = measure(fold, parts, LABELS, 0, specificity=0.8)
    assert (looked_up(table, "valid", "specificity 0.8", "class")["specificity"] >= 0.8).all()
    assert "specificity 0.95" not in set(table["threshold"])


def test_sensitivity_is_given_at_the_chosen_specificity(both):
    _, _, (table, _, _) = both
    valid = looked_up(table, "valid", "specificity 0.95", "class")["specificity"]
    assert (valid >= 0.95).all()
    assert (valid < 0.96).all()
    assert looked_up(table, "test", "specificity 0.95")["specificity", ""] == pytest.approx(0.95, abs=0.02)
    assert looked_up(table, "test", "specificity 0.95")["recall", ""] > 0.3


def test_recalibration_is_fitted_on_validation_and_judged_on_the_test_part(both):
    fold, parts, (table, _, knots) = both
    valid, test = fold.of(parts == "valid"), fold.of(parts == "test")
    mapped = calibration.recalibrated(test.probabilities, LABELS.codes,
                                      calibration.isotonic(valid.labels, valid.probabilities, LABELS.codes))
    found = looked_up(table, "test", "")
    expected = metrics.macro(expected_calibration_error(test.labels, mapped))
    assert found["ece_isotonic", ""] == pytest.approx(expected, abs=1e-12)
    assert found["ece_isotonic", ""] < found["ece", ""] / 2
    assert found["brier_isotonic", ""] < found["brier", ""]
    assert not table.loc[table["part"] == "valid", "metric"].str.contains("isotonic").any()
    assert set(knots["value"]) == set(LABELS.codes)
    fitted = calibration.temperature(valid.labels, valid.probabilities)
    assert looked_up(table, "valid", "")["temperature", ""] == fitted


def test_reliability_counts_every_probability(both):
    fold, parts, (_, curves, _) = both
    pooled = curves[(curves["part"] == "test") & (curves["value"] == "")]
    assert pooled["n"].sum() == fold.labels[parts == "test"].size


def test_without_validation_there_is_one_half_only(both):
    fold, parts, _ = both
    table, curves, knots = measure(fold.of(parts == "test"), parts[parts == "test"], LABELS, 0)
    assert set(table["threshold"]) == {"", "0.5"}
    assert set(table["part"]) == set(curves["part"]) == {"test"}
    assert knots.empty
