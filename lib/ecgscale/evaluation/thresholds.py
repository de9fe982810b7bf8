"""One decision threshold a class, chosen on validation.

With weights the Challenge score is maximised by coordinate ascent, else each class's F1. For one class at a time, the
other classes' decisions held, the best threshold is found exactly: sorted by probability, the reward that predicting
the class adds to each recording is summed up, and the largest running sum wins. Sweeps go on until none changes
anything. Rare classes are left at 0.5: with a handful of positives the best threshold is noise.
"""

from __future__ import annotations

import numpy as np

from ecgscale.contracts.labels import LabelSet
from ecgscale.evaluation.metrics import challenge_weights, has_challenge_score

DEFAULT = 0.5
FEWEST = 10     # positives in validation below which a class keeps 0.5
SWEEPS = 20


def tune(labels: np.ndarray, probabilities: np.ndarray, label_set: LabelSet) -> np.ndarray:
    """(class,) thresholds that maximise the Challenge score (F1 where the label set has none)."""
    labels, probabilities = np.asarray(labels, dtype=bool), np.asarray(probabilities, dtype=float)
    tuned = np.flatnonzero(labels.sum(axis=0) >= FEWEST)
    thresholds = np.full(labels.shape[1], DEFAULT)
    if not has_challenge_score(label_set):
        for k in tuned:
            thresholds[k] = best_f1(labels[:, k], probabilities[:, k])
        return thresholds
    return ascend(labels, probabilities, label_set, tuned, thresholds)


def ascend(labels: np.ndarray, probabilities: np.ndarray, label_set: LabelSet, tuned: np.ndarray,
           thresholds: np.ndarray) -> np.ndarray:
    """Coordinate ascent of the Challenge score from `thresholds` over the classes `tuned`."""
    weights, _ = challenge_weights(label_set)
    rewards = labels @ weights  # (recording, class)
    predicted = probabilities >= thresholds
    order = np.argsort(-probabilities, axis=0, kind="stable")
    for _ in range(SWEEPS):
        changed = False
        for k in tuned:
            predicted[:, k] = False
            size = (labels | predicted).sum(axis=1)
            earned = np.where(predicted, rewards, 0).sum(axis=1)
            larger = np.maximum(size + ~labels[:, k], 1)
            gain = (earned + rewards[:, k]) / larger - earned / np.maximum(size, 1)
            found = best_cut(probabilities[order[:, k], k], gain[order[:, k]], thresholds[k])
            changed |= found != thresholds[k]
            thresholds[k] = found
            predicted[:, k] = probabilities[:, k] >= found
        if not changed:
            break
    return thresholds


def best_cut(descending: np.ndarray, gain: np.ndarray, current: float) -> float:
    """The threshold with the largest summed gain of the probabilities at or above it; `current` unless it is beaten.

    It lies halfway between the last probability that it takes in and the first that it leaves out.
    """
    last = np.flatnonzero(np.r_[descending[1:] != descending[:-1], True])  # of each group of equal probabilities
    totals = np.r_[0.0, np.cumsum(gain)[last]]
    now = gain[descending >= current].sum()
    best = int(np.argmax(totals))
    if totals[best] <= now + 1e-9:
        return current
    levels = np.r_[1.0, descending[last], 0.0]
    return float((levels[best] + levels[best + 1]) / 2) if best else np.nextafter(descending[0], np.inf)


def best_f1(positive: np.ndarray, probabilities: np.ndarray) -> float:
    """The threshold with the largest F1 of one class."""
    order = np.argsort(-probabilities, kind="stable")
    descending = probabilities[order]
    last = np.flatnonzero(np.r_[descending[1:] != descending[:-1], True])
    hits = np.cumsum(positive[order])[last]
    scores = 2 * hits / (last + 1 + positive.sum())
    best = int(np.argmax(scores))
    return float((descending[last[best]] + np.r_[descending[last], 0.0][best + 1]) / 2)


def at_specificity(labels: np.ndarray, probabilities: np.ndarray, specificity: float) -> np.ndarray:
    """(class,) lowest thresholds at which at least `specificity` (above 0) of the recordings without a class are below.

    A class that every recording has keeps 0.5.
    """
    labels, probabilities = np.asarray(labels, dtype=bool), np.asarray(probabilities, dtype=float)
    thresholds = np.full(labels.shape[1], DEFAULT)
    for k in range(labels.shape[1]):
        negatives = np.sort(probabilities[~labels[:, k], k])
        if len(negatives):
            below = int(np.ceil(specificity * len(negatives) - 1e-9))
            thresholds[k] = np.nextafter(negatives[below - 1], np.inf)
    return thresholds
