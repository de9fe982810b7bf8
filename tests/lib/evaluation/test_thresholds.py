"""Tuned thresholds against exhaustive search."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from ecgscale.contracts.labels import read_label_set
from ecgscale.evaluation import thresholds
from ecgscale.evaluation.metrics import challenge_score, decide, f1

LABELS = read_label_set()
CLASSES = len(LABELS.codes)


def fold(seed, recordings=400, share=0.1):
    random = np.random.default_rng(seed)
    labels = random.random((recordings, CLASSES)) < share
    return labels, 1 / (1 + np.exp(-(3 * labels - 2.5 + random.normal(size=labels.shape))))


def test_no_other_threshold_of_one_class_scores_higher():
    """What coordinate ascent promises, checked against every possible cut of every class."""
    labels, probabilities = fold(0, 120, 0.2)
    tuned = thresholds.tune(labels, probabilities, LABELS)
    best = challenge_score(labels, decide(probabilities, tuned), LABELS)
    assert best > challenge_score(labels, decide(probabilities), LABELS) + 0.01
    for k in range(0, CLASSES, 5):
        for cut in np.r_[probabilities[:, k], 1.1]:
            other = tuned.copy()
            other[k] = cut
            assert challenge_score(labels, decide(probabilities, other), LABELS) <= best + 1e-9


def test_two_classes_together_reach_the_best_of_all_pairs():
    labels, probabilities = fold(1, 40)
    labels[:, 2:] = False
    labels[::3, 0], labels[::2, 1] = True, True
    probabilities = np.where(labels, 0.3, 0.1) + np.random.default_rng(0).random(labels.shape) * 0.4
    tuned = thresholds.tune(labels, probabilities, LABELS)
    found = challenge_score(labels, decide(probabilities, tuned), LABELS)
    best = 0.0
    for pair in product(np.r_[probabilities[:, 0], 1.1], np.r_[probabilities[:, 1], 1.1]):
        best = max(best, challenge_score(labels, decide(probabilities, np.r_[pair, tuned[2:]]), LABELS))
    assert found == pytest.approx(best, abs=1e-9)


def test_equal_probabilities_are_not_cut_apart():
    """Of the two recordings at 0.5 one would gain and the other costs more: the best cut takes in neither."""
    assert thresholds.best_cut(np.array([0.9, 0.5, 0.5]), np.array([1.0, 1.0, -3.0]), 1.0) == pytest.approx(0.7)


def test_where_each_recording_costs_none_is_taken_in():
    assert thresholds.best_cut(np.array([0.9, 0.5]), np.array([-1.0, -1.0]), 0.4) > 0.9


def test_rare_classes_keep_one_half():
    labels, probabilities = fold(2)
    labels[:, 4] = np.arange(len(labels)) < 9
    assert thresholds.tune(labels, probabilities, LABELS)[4] == 0.5


def test_without_weights_each_class_has_its_best_f1():
    labels, probabilities = fold(3)
    tuned = thresholds.tune(labels, probabilities, replace(LABELS, weights=None))
    found = f1(labels, decide(probabilities, tuned))
    for k in range(0, CLASSES, 5):
        best = max(f1(labels[:, [k]], probabilities[:, [k]] >= cut)[0] for cut in probabilities[:, k])
        assert found[k] == pytest.approx(best, abs=1e-12)


def test_one_hit_of_one_is_a_better_f1_than_three_of_ten():
    """2/4 and 6/13, by the definition 2TP / (2TP + FP + FN) with three positives."""
    probabilities = np.linspace(0.95, 0.05, 10)
    assert thresholds.best_f1(np.isin(np.arange(10), (0, 8, 9)), probabilities) == pytest.approx(0.9)


def test_thresholds_lie_between_probabilities():
    """So that rounding of a probability changes no decision."""
    labels, probabilities = fold(4)
    tuned = thresholds.tune(labels, probabilities, LABELS)
    moved = tuned != 0.5
    assert moved.any()
    assert (np.abs(probabilities - tuned)[:, moved] > 0).all()


@pytest.mark.parametrize("wanted", [0.9, 0.95, 1.0])
def test_specificity_is_reached_and_not_at_a_lower_threshold(wanted):
    labels, probabilities = fold(5)
    found = thresholds.at_specificity(labels, probabilities, wanted)
    for k in range(CLASSES):
        negatives = probabilities[~labels[:, k], k]
        assert np.mean(negatives < found[k]) >= wanted
        lower = np.max(negatives[negatives < found[k]])
        assert np.mean(negatives < lower) < wanted
