"""Bootstrap over patients: how often each is drawn, and intervals from what came out.

The unit is the patient, because recordings of one patient are alike; a recording whose patient is unknown is a unit of
its own (so its interval is too narrow if patients repeat unseen). Metrics never see copied recordings, only counts:
a replicate is a row of weights, and a sum over recordings becomes a matrix product.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pandas as pd

from ecgscale.contracts.labels import LabelSet
from ecgscale.evaluation.metrics import challenge_ratio, challenge_terms

LEVEL = 0.95


def clusters_of(patients: np.ndarray | pd.Series | None, recordings: int) -> np.ndarray:
    """(recording,) number of each recording's patient, 0.. without gaps; null patients are one of their own each."""
    if patients is None:
        return np.arange(recordings)
    codes, known = pd.factorize(pd.Series(patients, dtype=object))
    alone = codes < 0
    codes[alone] = len(known) + np.arange(alone.sum())
    return codes


def counts_table(rate: float) -> np.ndarray:
    """(65536,) uint8: 16 random bits -> Poisson(rate) count, its distribution rounded to 2^-16."""
    chances = [math.exp(-rate)]
    while sum(chances) < 1 - 2**-18:
        chances.append(chances[-1] * rate / len(chances))
    edges = np.round(np.cumsum(chances) * 65536)
    return np.searchsorted(edges, np.arange(65536), side="right").astype(np.uint8)


def draws(clusters: int, replicates: int, seed: int) -> Iterator[np.ndarray]:
    """How often each cluster is drawn, one replicate after the other: (cluster,) uint8, summing to `clusters`.

    Multinomial with equal chances, ten times faster than drawing one by one: independent Poisson counts of a rate just
    under 1 come from a table, and the few draws that are lacking are made uniformly. Given their total, Poisson counts
    are multinomial, so the whole is. The rate leaves room of 8 standard deviations, so there are never too many.
    """
    generator = np.random.default_rng(seed)
    table = counts_table(max(0.0, 1 - 8 / math.sqrt(clusters)))
    for _ in range(replicates):
        bits = generator.integers(2**64 - 1, size=clusters // 4 + 1, dtype=np.uint64, endpoint=True).view(np.uint16)
        counts = table.take(bits[:clusters])
        np.add.at(counts, generator.integers(0, clusters, clusters - counts.sum(dtype=np.int64)), 1)
        yield counts


def interval(replicates: np.ndarray, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
    """Percentile interval over axis 0. NaN where the value is defined in fewer than half of the replicates."""
    tail = 100 * (1 - level) / 2
    flat = replicates.reshape(len(replicates), -1)
    usable = np.isfinite(flat).sum(axis=0) * 2 > len(flat)
    whole = ~np.isnan(flat).any(axis=0)         # sorted all at once; the others one after the other
    ends = np.full((2, flat.shape[1]), np.nan)
    for chosen, percentile in ((usable & whole, np.percentile), (usable & ~whole, np.nanpercentile)):
        if chosen.any():
            ends[:, chosen] = percentile(flat[:, chosen], [tail, 100 - tail], axis=0)
    low, high = ends.reshape(2, *replicates.shape[1:])
    return low, high


def ratio_replicates(terms: np.ndarray, clusters: np.ndarray, replicates: int, seed: int) -> np.ndarray:
    """(replicate, ...) Challenge scores from each recording's terms (recording, ..., 2), resampling clusters."""
    number = int(clusters.max()) + 1
    flat = terms.reshape(len(terms), -1)
    sums = np.stack([np.bincount(clusters, column, number) for column in flat.T], axis=1)
    drawn, rows = np.empty((replicates, sums.shape[1])), draws(number, replicates, seed)
    block = min(64, flat.shape[1] // 2)     # many scores: the sums should not be read anew for each replicate
    weights = np.empty((block, number))     # the same memory again: fresh pages would cost more than the product
    for start in range(0, replicates, block):
        size = min(block, replicates - start)
        for row, counts in zip(weights[:size], rows, strict=False):
            np.copyto(row, counts)
        np.matmul(weights[:size], sums, out=drawn[start : start + size])
    return challenge_ratio(drawn.reshape(replicates, *terms.shape[1:]))


def challenge_difference(labels: np.ndarray, one: np.ndarray, other: np.ndarray, label_set: LabelSet, patients=None,
                         replicates: int = 1000, seed: int = 0) -> tuple[float, float, float]:
    """Paired difference of two predictions of the same recordings, score(one) - score(other), with 95 % interval.

    Both are scored on the same draws, so what makes a draw easy or hard cancels.
    """
    terms = np.stack([challenge_terms(labels, predicted, label_set) for predicted in (one, other)], axis=1)
    scores = ratio_replicates(terms, clusters_of(patients, len(terms)), replicates, seed)
    estimate = challenge_ratio(terms.sum(axis=0))
    low, high = interval(scores[:, 0] - scores[:, 1])
    return float(estimate[0] - estimate[1]), float(low), float(high)
