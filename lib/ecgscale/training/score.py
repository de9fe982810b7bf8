"""How well probabilities rank the recordings of validation: what a learning curve shows beside the loss.

It is the area under the ROC curve because that is there for every label set and needs no threshold; the Challenge score
needs weights, and in early epochs nothing reaches 0.5.
"""

from __future__ import annotations

import numpy as np


def macro_auroc(labels: np.ndarray, probabilities: np.ndarray) -> float | None:
    """Mean over the classes that have positives and negatives; None where none has both. Both (recording, class).

    Of a class, the share of pairs of a positive and a negative that stand in this order, a tie as half (Mann-Whitney):
    the number that EVALUATE gives as auroc.
    """
    areas = []
    for truth, scores in zip(np.asarray(labels, dtype=bool).T, np.asarray(probabilities).T, strict=True):
        positives, negatives = scores[truth], np.sort(scores[~truth])
        if len(positives) and len(negatives):
            below = np.searchsorted(negatives, positives, "left") + np.searchsorted(negatives, positives, "right")
            areas.append(below.mean() / (2 * len(negatives)))
    return float(np.mean(areas)) if areas else None
