"""Metrics against a literal reading of the official definition, and against scikit-learn wherever it has the metric."""

import itertools
import math
import warnings
from dataclasses import replace

import numpy as np
import pytest
from sklearn import metrics as sk

from ecgscale.contracts.labels import SINUS_RHYTHM, read_label_set
from ecgscale.errors import UserError
from ecgscale.evaluation import metrics

LABELS = read_label_set()
SINUS = LABELS.codes.index(SINUS_RHYTHM)
CLASSES = len(LABELS.codes)


def literal_credit(weights, labels, predicted):
    """Sum of weights times the modified confusion matrix, pair by pair as PhysioNet/CinC 2021 defines it."""
    total = 0.0
    for truth, guess in zip(labels, predicted, strict=True):
        union = sum(1 for t, g in zip(truth, guess, strict=True) if t or g)
        for j in range(len(truth)):
            for k in range(len(guess)):
                if truth[j] and guess[k]:
                    total += weights[j][k] / max(1, union)
    return total


def literal_score(weights, sinus, labels, predicted):
    inactive = np.zeros_like(labels)
    inactive[:, sinus] = True
    observed, correct, lazy = (literal_credit(weights, labels, guess) for guess in (predicted, labels, inactive))
    return (observed - lazy) / (correct - lazy) if correct != lazy else 0.0


def literal_areas(truth, scores):
    """AUROC and AUPRC of a class from the operating points at each distinct score, from the highest down."""
    points = [(0, 0)]
    for level in sorted(set(scores), reverse=True):
        chosen = [t for t, s in zip(truth, scores, strict=True) if s >= level]
        points.append((sum(chosen), len(chosen) - sum(chosen)))
    positives, negatives = sum(truth), len(truth) - sum(truth)
    area = steps = 0.0
    for (tp0, fp0), (tp1, fp1) in itertools.pairwise(points):
        if positives and negatives:
            specificities = (negatives - fp0) / negatives + (negatives - fp1) / negatives
            area += 0.5 * (tp1 - tp0) / positives * specificities
        if positives:
            steps += (tp1 - tp0) / positives * tp1 / (tp1 + fp1)
    return area if positives and negatives else math.nan, steps if positives else math.nan


def fold(seed, recordings=60, share=0.12):
    random = np.random.default_rng(seed)
    labels = random.random((recordings, CLASSES)) < share
    return labels, labels ^ (random.random(labels.shape) < 0.1), random


@pytest.mark.parametrize("seed", range(5))
def test_challenge_score_of_random_labels_equals_the_definition(seed):
    labels, predicted, _ = fold(seed)
    expected = literal_score(LABELS.weights, SINUS, labels, predicted)
    assert metrics.challenge_score(labels, predicted, LABELS) == pytest.approx(expected, abs=1e-12)


EDGES = {
    "nothing predicted": lambda labels, predicted: (labels, np.zeros_like(labels)),
    "everything predicted": lambda labels, predicted: (labels, np.ones_like(labels)),
    "no labels": lambda labels, predicted: (np.zeros_like(labels), predicted),
    "some without labels": lambda labels, predicted: (labels & (np.arange(len(labels)) % 2 == 0)[:, None], predicted),
    "neither labels nor predictions": lambda labels, predicted: (np.zeros_like(labels), np.zeros_like(labels)),
    "only sinus rhythm": lambda labels, predicted: (np.eye(CLASSES, dtype=bool)[[SINUS] * len(labels)], predicted),
    "only one other class": lambda labels, predicted: (np.eye(CLASSES, dtype=bool)[[3] * len(labels)], predicted),
    "all classes everywhere": lambda labels, predicted: (np.ones_like(labels), predicted),
    "one recording": lambda labels, predicted: (labels[:1], predicted[:1]),
}


@pytest.mark.parametrize("edge", EDGES)
def test_challenge_score_at_the_edges(edge):
    labels, predicted = EDGES[edge](*fold(11)[:2])
    expected = literal_score(LABELS.weights, SINUS, labels, predicted)
    assert metrics.challenge_score(labels, predicted, LABELS) == pytest.approx(expected, abs=1e-12)


def test_equal_correct_and_inactive_scores_give_zero_for_any_weights():
    """Also where the two are equal by the weights, not by the labels: w[x, sinus] = 2 w[x, x]."""
    labels = np.eye(CLASSES, dtype=bool)[[3, 3, 3]]
    weights = LABELS.weights.copy()
    weights[3, 3], weights[3, SINUS] = 0.3, 0.6
    for changed, truth in ((weights, labels), (np.zeros_like(weights), fold(1)[0])):
        predicted = fold(2)[1][: len(truth)]
        assert literal_score(changed, SINUS, truth, predicted) == 0.0
        assert metrics.challenge_score(truth, predicted, replace(LABELS, weights=changed)) == 0.0


def test_labels_score_one_and_always_sinus_scores_zero():
    labels, _, _ = fold(3)
    sinus = np.zeros_like(labels)
    sinus[:, SINUS] = True
    assert metrics.challenge_score(labels, labels, LABELS) == 1.0
    assert metrics.challenge_score(labels, sinus, LABELS) == 0.0


def test_columns_aligned_by_position_instead_of_code_are_noticed():
    """The published mistake: labels in one order, weights in another. Consistent orders give the same score."""
    labels, predicted, random = fold(4, 400)
    order = random.permutation(CLASSES)
    codes = tuple(LABELS.codes[place] for place in order)
    moved = replace(LABELS, codes=codes, weights=LABELS.weights[np.ix_(order, order)])
    right = metrics.challenge_score(labels, predicted, LABELS)
    assert metrics.challenge_score(labels[:, order], predicted[:, order], moved) == pytest.approx(right, abs=1e-12)
    assert metrics.challenge_score(labels, predicted[:, order], LABELS) < right - 0.2
    sinus = np.zeros_like(labels)
    sinus[:, SINUS] = True
    assert metrics.challenge_score(labels, sinus, LABELS) == 0.0
    assert abs(metrics.challenge_score(labels[:, order], sinus[:, order], LABELS)) > 0.01


def test_a_label_set_without_weights_or_sinus_rhythm_has_no_challenge_score():
    labels, predicted, _ = fold(5)
    with pytest.raises(UserError, match=r"weights\.csv"):
        metrics.challenge_score(labels, predicted, replace(LABELS, weights=None))
    with pytest.raises(UserError, match="sinus rhythm"):
        metrics.challenge_score(labels, predicted, replace(LABELS, codes=tuple(f"c{k}" for k in range(CLASSES))))


@pytest.mark.parametrize("decimals", [1, 2, 12])
def test_areas_equal_the_definition_and_scikit_learn_with_and_without_ties(decimals):
    labels, _, random = fold(6, 150)
    scores = np.round(np.clip(labels * 0.3 + random.random(labels.shape) * 0.7, 0, 1), decimals)
    auroc, auprc = metrics.areas(labels, scores)
    literal = np.array([literal_areas(labels[:, k].tolist(), scores[:, k].tolist()) for k in range(CLASSES)]).T
    np.testing.assert_allclose([auroc, auprc], literal, atol=1e-12)
    np.testing.assert_allclose(auroc, sk.roc_auc_score(labels, scores, average=None), atol=1e-12)
    np.testing.assert_allclose(auprc, sk.average_precision_score(labels, scores, average=None), atol=1e-12)
    assert metrics.macro(auroc) == pytest.approx(sk.roc_auc_score(labels, scores, average="macro"), abs=1e-12)


def test_weighted_areas_equal_scikit_learn_with_sample_weights():
    labels, _, random = fold(7, 200)
    scores, weights = np.round(random.random(200), 2), random.integers(0, 4, (200, 6)).astype(float)
    auroc, auprc = metrics.Ranking(labels[:, 0], scores).areas(weights)
    for k in range(weights.shape[1]):
        assert auroc[k] == pytest.approx(sk.roc_auc_score(labels[:, 0], scores, sample_weight=weights[:, k]), abs=1e-12)
        expected = sk.average_precision_score(labels[:, 0], scores, sample_weight=weights[:, k])
        assert auprc[k] == pytest.approx(expected, abs=1e-12)


def test_areas_are_undefined_without_positives_or_negatives_and_left_out_of_the_mean():
    """Official: AUROC needs both; AUPRC needs positives only, and is 1 where all are positive."""
    labels, _, random = fold(8)
    labels[:, 0], labels[:, 1] = False, True
    scores = random.random(labels.shape)
    auroc, auprc = metrics.areas(labels, scores)
    assert np.isnan(auroc[:2]).all()
    assert np.isnan(auprc[0])
    assert auprc[1] == 1.0
    assert metrics.macro(auroc) == pytest.approx(np.nanmean(auroc), abs=1e-15)
    assert np.isnan(metrics.macro(np.array([np.nan, np.nan])))


def test_decisions_equal_scikit_learn_where_it_calls_them_defined():
    labels, predicted, _ = fold(9, 40, 0.05)
    labels[:, 0] = predicted[:, 0] = False   # F1, precision and recall undefined
    predicted[:, 1] = False                  # precision undefined
    rates = metrics.decision_rates(metrics.confusion(labels, predicted))
    for name, function in (("f1", sk.f1_score), ("precision", sk.precision_score), ("recall", sk.recall_score)):
        expected = function(labels, predicted, average=None, zero_division=np.nan)
        np.testing.assert_allclose(rates[name], expected, atol=1e-15)
    confusion = np.array([sk.confusion_matrix(labels[:, k], predicted[:, k], labels=[0, 1]) for k in range(CLASSES)])
    np.testing.assert_allclose(rates["specificity"], confusion[:, 0, 0] / confusion[:, 0].sum(axis=1), atol=1e-15)
    assert metrics.accuracy(labels, predicted) == sk.accuracy_score(labels, predicted)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(metrics.accuracy(labels[:0], predicted[:0]))


def test_brier_score_equals_scikit_learn():
    labels, _, random = fold(10)
    probabilities = random.random(labels.shape)
    expected = [sk.brier_score_loss(labels[:, k], probabilities[:, k]) for k in range(CLASSES)]
    np.testing.assert_allclose(metrics.brier(labels, probabilities), expected, atol=1e-15)


def test_a_probability_at_the_threshold_is_a_yes():
    assert metrics.decide(np.array([[0.5, 0.49, 0.2]]), np.array([0.5, 0.5, 0.1])).tolist() == [[True, False, True]]


def test_a_missing_weight_rewards_nothing_and_one_class_is_enough():
    """The official scorer sums without NaN. With sinus rhythm as the only class, correct and inactive are equal."""
    labels, predicted, _ = fold(12)
    holed, zero = LABELS.weights.copy(), LABELS.weights.copy()
    holed[3, 5], zero[3, 5] = np.nan, 0.0
    scores = [metrics.challenge_score(labels, predicted, replace(LABELS, weights=w)) for w in (holed, zero)]
    assert scores[0] == scores[1]
    alone = replace(LABELS, codes=(SINUS_RHYTHM,), weights=np.ones((1, 1)))
    assert metrics.challenge_score(np.ones((3, 1)), np.zeros((3, 1)), alone) == 0.0
