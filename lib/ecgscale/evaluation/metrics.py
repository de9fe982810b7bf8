"""Metrics of multilabel predictions over a whole fold, in numpy: the Challenge score and what stands beside it.

Definitions follow the official scorer of PhysioNet/CinC 2021 (Reyna et al., Computing in Cardiology 2021;
evaluate_model.py): a class adds to a macro mean only where its value is defined. Undefined values are NaN, never 0.
Everything is computed over the whole fold at once: the Challenge score, F1 and AUROC are ratios of sums, so a mean over
batches is another number.

Shapes: `labels` and `predicted` are (recording, class) bool, `probabilities` (recording, class) in [0, 1]. Columns of
both stand in one order; `ecgscale.evaluation.scoring` puts them so, by class code.
"""

from __future__ import annotations

import numpy as np

from ecgscale.contracts.labels import SINUS_RHYTHM, LabelSet
from ecgscale.errors import UserError

# ------------------------------------------------------------------------------------------------- Challenge score


def challenge_terms(labels: np.ndarray, predicted: np.ndarray, label_set: LabelSet) -> np.ndarray:
    """(recording, 2): what each recording adds to the numerator and to the denominator of the Challenge score.

    A recording earns sum(W[true, predicted]) / max(1, |true or predicted|). Column 0 is earned minus inactive, column 1
    correct minus inactive, where "correct" predicts the labels and "inactive" sinus rhythm for every recording. The
    normalization is the recording's own, so the score of any set of recordings is sum(column 0) / sum(column 1).
    """
    weights, sinus = challenge_weights(label_set)
    labels, predicted = np.asarray(labels, dtype=bool), np.asarray(predicted, dtype=bool)
    rewards = labels @ weights  # (recording, class) reward of predicting the class, before normalization
    size = labels.sum(axis=1)
    observed = np.where(predicted, rewards, 0).sum(axis=1) / np.maximum((labels | predicted).sum(axis=1), 1)
    correct = np.where(labels, rewards, 0).sum(axis=1) / np.maximum(size, 1)
    inactive = rewards[:, sinus] / (size + ~labels[:, sinus])
    return np.column_stack([observed - inactive, correct - inactive])


def has_challenge_score(label_set: LabelSet) -> bool:
    """Whether a label set has weights and sinus rhythm, without which there is no Challenge score."""
    return label_set.weights is not None and SINUS_RHYTHM in label_set.places


def challenge_weights(label_set: LabelSet) -> tuple[np.ndarray, int]:
    """The reward matrix (a missing weight rewards nothing) and the column of sinus rhythm. Raises UserError."""
    if not has_challenge_score(label_set):
        missing = "weights.csv" if label_set.weights is None else f"a class with the code {SINUS_RHYTHM} (sinus rhythm)"
        raise UserError(f"the label set has no {missing}, so there is no Challenge score", field="labels")
    return np.nan_to_num(label_set.weights, nan=0.0), label_set.places[SINUS_RHYTHM]


def challenge_ratio(sums: np.ndarray) -> np.ndarray:
    """Score from summed terms (..., 2); 0 where the correct and the inactive score are equal."""
    gained, possible = sums[..., 0], sums[..., 1]
    return np.divide(gained, possible, out=np.zeros_like(gained), where=np.abs(possible) > 1e-12)


def challenge_score(labels: np.ndarray, predicted: np.ndarray, label_set: LabelSet) -> float:
    """The official normalized Challenge score of a fold: 1 for the labels, 0 for "always sinus rhythm".

    Raises UserError where the label set has no weights or no sinus rhythm.
    """
    return float(challenge_ratio(challenge_terms(labels, predicted, label_set).sum(axis=0)))


# --------------------------------------------------------------------------------------------------- decisions


def confusion(labels: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """(4, class) counts: true positives, false positives, false negatives, true negatives."""
    labels, predicted = np.asarray(labels, dtype=bool), np.asarray(predicted, dtype=bool)
    return np.stack([(labels & predicted).sum(0), (~labels & predicted).sum(0),
                     (labels & ~predicted).sum(0), (~labels & ~predicted).sum(0)])


def ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """above / below, NaN where `below` is 0."""
    above, below = np.asarray(above, dtype=float), np.asarray(below, dtype=float)
    return np.divide(above, below, out=np.full(np.broadcast(above, below).shape, np.nan), where=below != 0)


def decision_rates(counts: np.ndarray) -> dict[str, np.ndarray]:
    """F1, precision, recall and specificity (..., class) from counts (4, ..., class) as `confusion` gives them.

    NaN where undefined: F1 when 2TP + FP + FN = 0, precision when nothing is predicted, recall without positives,
    specificity without negatives.
    """
    tp, fp, fn, tn = counts
    return {"f1": ratio(2 * tp, 2 * tp + fp + fn), "precision": ratio(tp, tp + fp),
            "recall": ratio(tp, tp + fn), "specificity": ratio(tn, tn + fp)}


def f1(labels: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """(class,) F1 = 2TP / (2TP + FP + FN), NaN where undefined."""
    return decision_rates(confusion(labels, predicted))["f1"]


def accuracy(labels: np.ndarray, predicted: np.ndarray) -> float:
    """Share of recordings whose classes are all right (exact match). NaN without recordings."""
    exact = (np.asarray(labels, dtype=bool) == np.asarray(predicted, dtype=bool)).all(axis=1)
    return float(exact.mean()) if len(exact) else np.nan


def macro(values: np.ndarray, axis: int = -1) -> np.ndarray:
    """Mean over the classes where the value is defined; NaN where none is."""
    defined = np.isfinite(values)
    return ratio(np.where(defined, values, 0).sum(axis=axis), defined.sum(axis=axis))


# ----------------------------------------------------------------------------------------------------- ranking


class Ranking:
    """One class's recordings sorted by score, made once, so that areas for many weightings cost one pass each.

    Tied scores are one threshold. Precision and rank matter only at thresholds that hold a positive, so recordings
    between two of those are summed together.
    """

    def __init__(self, positive: np.ndarray, scores: np.ndarray):
        """positive: (recording,) bool; scores: (recording,), higher means more likely positive."""
        order = np.argsort(-np.asarray(scores), kind="stable")
        positive, scores = np.asarray(positive, dtype=bool)[order], np.asarray(scores)[order]
        self.order, self.positives, self.recordings = order, order[positive], len(order)
        if not len(self.positives):
            return
        first = np.flatnonzero(np.r_[True, scores[1:] != scores[:-1]])  # of each group of tied scores
        after = np.r_[first[1:], len(scores)]
        tied = np.add.reduceat(positive, first, dtype=int) > 0
        first, after = first[tied], after[tied]
        cuts = np.unique(np.r_[0, first, after])
        self.cuts = cuts[cuts < len(scores)]
        self.first, self.after = np.searchsorted(cuts, first), np.searchsorted(cuts, after)
        self.groups = np.searchsorted(np.flatnonzero(positive), first)

    def areas(self, weights: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """AUROC and AUPRC, (replicate,) each, for recordings that count `weights` (recording, replicate) times.

        Default: once each. AUROC counts a tie between a positive and a negative as half; AUPRC is the step function
        sum((recall_j - recall_j-1) * precision_j) over distinct scores. AUROC is NaN without positives or without
        negatives, AUPRC without positives.
        """
        weights = np.ones((self.recordings, 1)) if weights is None else weights
        if not len(self.positives):
            return np.full((2, weights.shape[1]), np.nan)
        running = np.zeros((len(self.cuts) + 1, weights.shape[1]))  # recordings above each cut
        np.cumsum(np.add.reduceat(weights[self.order], self.cuts, axis=0), axis=0, out=running[1:])
        gained = np.add.reduceat(weights[self.positives], self.groups, axis=0).astype(float)
        hits = np.cumsum(gained, axis=0)  # (threshold, replicate) true positives
        above = running[self.after]
        positives, negatives = hits[-1], running[-1] - hits[-1]
        false = running[self.first] - (hits - gained) + above - hits  # twice the mean of false positives in the step
        area = (gained * (negatives - false / 2)).sum(axis=0)
        steps = np.divide(gained * hits, above, out=np.zeros_like(above), where=above > 0).sum(axis=0)
        return ratio(area, positives * negatives), ratio(steps, positives)


def auroc(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """(class,) area under the ROC curve, NaN where a class has no positives or no negatives."""
    return areas(labels, probabilities)[0]


def auprc(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """(class,) stepwise area under the precision-recall curve (average precision), NaN without positives."""
    return areas(labels, probabilities)[1]


def areas(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """(2, class): AUROC and AUPRC."""
    columns = zip(np.asarray(labels).T, np.asarray(probabilities).T, strict=True)
    return np.array([np.ravel(Ranking(truth, scores).areas()) for truth, scores in columns]).T


# -------------------------------------------------------------------------------------------------- probabilities


def brier(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """(class,) mean squared difference between probability and label (Brier 1950)."""
    return np.mean((np.asarray(probabilities, dtype=float) - np.asarray(labels, dtype=bool)) ** 2, axis=0)


def decide(probabilities: np.ndarray, thresholds: np.ndarray | float = 0.5) -> np.ndarray:
    """(recording, class) bool: probability at or above the class's threshold."""
    return np.asarray(probabilities) >= thresholds
