"""The score of a learning curve against scikit-learn's, and where it has no value."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from ecgscale.evaluation.metrics import auroc, macro
from ecgscale.training.score import macro_auroc


@pytest.mark.parametrize("digits", [0, 1, 12], ids=["two values", "ties", "all different"])
def test_it_is_the_mean_of_the_classes_areas(digits):
    rng = np.random.default_rng(digits)
    labels = rng.random((300, 5)) < [0.5, 0.2, 0.05, 0.9, 0.01]
    labels[0, 4] = True
    probabilities = np.round(np.clip(rng.random(labels.shape) + 0.2 * labels, 0, 1), digits)
    assert macro_auroc(labels, probabilities) == pytest.approx(
        np.mean([roc_auc_score(truth, scores) for truth, scores in zip(labels.T, probabilities.T, strict=True)]))
    assert macro_auroc(labels, probabilities) == pytest.approx(macro(auroc(labels, probabilities)))     # EVALUATE's


def test_a_class_without_both_answers_has_no_part_in_it():
    labels = np.array([[1, 0, 1], [1, 0, 0], [1, 0, 1]])
    probabilities = np.array([[0.1, 0.2, 0.9], [0.5, 0.1, 0.8], [0.2, 0.3, 0.1]])
    assert macro_auroc(labels, probabilities) == 0.5
    assert macro_auroc(labels[:, :2], probabilities[:, :2]) is None
