"""Scores of a whole fold by the pieces of the package that score parts of it, for tests to compare with."""

from __future__ import annotations

import numpy as np

from ecgscale.contracts.labels import LabelSet
from ecgscale.evaluation.bootstrap import clusters_of, ratio_replicates
from ecgscale.evaluation.calibration import BINS, calibration_error, gaps
from ecgscale.evaluation.metrics import challenge_terms


def expected_calibration_error(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """(class,) expected calibration error."""
    return calibration_error(gaps(labels, probabilities, BINS), np.ones((len(labels), 1)), BINS)[:, 0]


def challenge_replicates(labels: np.ndarray, predicted: np.ndarray, label_set: LabelSet, patients=None,
                         replicates: int = 1000, seed: int = 0) -> np.ndarray:
    """(replicate,) bootstrap Challenge scores."""
    terms = challenge_terms(labels, predicted, label_set)
    return ratio_replicates(terms, clusters_of(patients, len(terms)), replicates, seed)
