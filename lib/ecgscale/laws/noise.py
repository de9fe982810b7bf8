"""Weights by noise: how much a run's error moves from seed to seed, where a table has repeated seeds to tell.

The logarithm of the variance within configurations is a straight line in the mean log y (small errors are often the
noisier ones, relatively). Its points have the known variance of a log chi square, psi'(df / 2) (Bartlett and Kendall
1946), so the slope has a z test. Only where the noise demonstrably changes are runs weighted by its inverse: weights
that are guessed make estimates worse.
"""

from __future__ import annotations

import numpy as np
from scipy import special

LEAST = 8           # configurations with repeated seeds
CLEAR = 2.58        # z of the slope: p = 0.01
RATIO = 100.0       # of the largest weight to the smallest, at most


def noise_weights(log_y: np.ndarray, clusters: np.ndarray) -> np.ndarray | None:
    """(run,) inverse variances of log y, mean 1, by its place; None where the seeds do not tell that they differ.

    log_y (run,); clusters (run,) 0, 1, ...: the configuration of each run.
    """
    count = np.bincount(clusters)
    mean = np.bincount(clusters, weights=log_y) / count
    squares = np.bincount(clusters, weights=(log_y - mean[clusters]) ** 2)
    known = (count > 1) & (squares > 0)
    if known.sum() < LEAST:
        return None
    freedom, place = count[known] - 1, mean[known]
    spread = np.log(squares[known] / freedom) - special.digamma(freedom / 2) + np.log(freedom / 2)
    weights = 1 / special.polygamma(1, freedom / 2)
    centred = place - np.average(place, weights=weights)
    information = weights @ centred**2
    slope = weights @ (centred * spread) / max(information, 1e-300)
    if abs(slope) * np.sqrt(information) < CLEAR:
        return None
    inverse = np.exp(-slope * (mean - mean.mean()))
    inverse = np.clip(inverse, np.median(inverse) / np.sqrt(RATIO), np.median(inverse) * np.sqrt(RATIO))[clusters]
    return inverse / inverse.mean()
