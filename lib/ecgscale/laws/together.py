"""Whether runs at one place of the sizes miss the law together.

Settings that were tried at the same sizes can share an error: the last batch that a final loss was read on, a schedule
that suits these sizes, a law that does not bend there. Then hundreds of runs at seventeen places are seventeen
observations, and intervals that count runs hold the truth in a quarter of the tables instead of 90 %
(docs/explanation/coverage-places.md).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from ecgscale.laws.fit import Fit, of_small_samples
from ecgscale.laws.uncertainty import cluster_means
from ecgscale.laws.verdict import SPARE

EVIDENT = 0.2       # p value below which places are counted: a higher one holds more and is seldom needlessly wide


@dataclass(frozen=True)
class Together:
    """How runs at the same places miss the law that the places prefer."""

    places: np.ndarray          # (point,) 0, 1, ...
    ratio: float                # of the places' misses to what the scatter within them would make them
    p: float                    # that each run misses it on its own
    moments: np.ndarray | None = None           # (point,) of checkpoints, where those of one moment err together

    @property
    def evident(self) -> bool:
        return self.p < EVIDENT

    def counting(self, fit: Fit) -> Fit:
        """The fit, its information that of places instead of runs."""
        return replace(fit, observations=int(self.places.max()) + 1, inflation=max(self.ratio, 1.0),
                       crossed=() if self.moments is None else (self.moments,))


def together(fits: list[Fit], clusters: np.ndarray) -> Together | None:
    """By the law that the places' own misses prefer of those they can tell (AICc of one observation a place): one with
    as many bends as places would follow whatever these share.

    fits: of the same runs; clusters (point,): numbers, one a configuration. None without such places (places_of).
    """
    places = places_of(fits[0], clusters) if fits else None
    if places is None:
        return None
    told = [fit for fit in fits if int(fit.free.sum()) + SPARE <= int(places.max()) + 1]
    best = min(told or fits[:1], key=lambda fit: of_places(fit, clusters, places))
    return Together(places, *misses(best, clusters, places))


def of_whole_runs(fits: list[Fit], runs: np.ndarray, moments: np.ndarray | None) -> Together:
    """How checkpoints of a run miss the law together, by the law that the runs prefer, and whether those of one moment
    do: of the same batches, at one stage of a schedule, where the law does not bend as they do. runs, moments (point,):
    numbers."""
    rows = np.arange(len(runs))
    best = min(fits, key=lambda fit: of_places(fit, rows, runs))
    alike = moments is not None and at_moments(best, runs, moments) < EVIDENT
    return Together(runs, *misses(best, rows, runs), moments if alike else None)


def at_moments(fit: Fit, runs: np.ndarray, moments: np.ndarray) -> float:
    """p value of "checkpoints of one moment miss the law each on its own", what their run does apart (F)."""
    pull = fit.pull * np.sqrt(fit.weights)
    return one_way(pull - cluster_means(pull, runs)[runs], moments, int(runs.max()))


def erring(fits: list[Fit], alike: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Of groups of runs that are alike those that evidently miss one of the laws together, the most evident first: a
    schedule, a batch or a rate that goes with the budget, an error that all runs of one size have. alike: (point,)
    numbers by what they have in common."""
    p = {name: min(one_way(fit.pull * np.sqrt(fit.weights), groups, int(fit.free.sum()) - 1) for fit in fits)
         for name, groups in alike.items()} if fits else {}
    return {name: alike[name] for name in sorted(p, key=p.get) if p[name] < EVIDENT}


def one_way(pull: np.ndarray, groups: np.ndarray, taken: int) -> float:
    """p value of "pulls (point,) of one group share nothing" (analysis of variance); taken: degrees of freedom that are
    not the scatter's any more."""
    mean, count = cluster_means(pull, groups), np.bincount(groups)
    between, within = len(count) - 1, len(pull) - len(count) - taken
    rest = float(((pull - mean[groups]) ** 2).sum())
    if between < 1 or within < 1 or rest <= 0:
        return 1.0
    return float(stats.f.sf((count @ mean**2 / between) / (rest / within), between, within))


def places_of(fit: Fit, clusters: np.ndarray) -> np.ndarray | None:
    """(point,) 0, 1, ...: configurations (clusters) of equal sizes share a number. None where all places have one
    configuration, or where a configuration stands at several, as checkpoints of a run do."""
    places = fit.standing
    pairs = len(np.unique(np.stack([clusters, places]), axis=1).T)
    return None if pairs > int(clusters.max()) + 1 or pairs == int(places.max()) + 1 else places


def by_place(fit: Fit, clusters: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(place,) configurations, the mean of their pulls on the fit, and the sum of squares of these around it."""
    pull = cluster_means(fit.pull * np.sqrt(fit.weights), clusters)
    place = np.zeros(len(pull), dtype=int)
    place[clusters] = places
    mean = cluster_means(pull, place)
    return np.bincount(place), mean, np.bincount(place, weights=(pull - mean[place]) ** 2)


def of_places(fit: Fit, clusters: np.ndarray, places: np.ndarray) -> float:
    """Akaike information, corrected, of a law by the places' mean misses."""
    runs, mean, _ = by_place(fit, clusters, places)
    k, count = int(fit.free.sum()) + 1, len(runs)
    return count * np.log(max(float(runs @ mean**2), 1e-300)) + 2 * k + of_small_samples(k, count)


def misses(fit: Fit, clusters: np.ndarray, places: np.ndarray) -> tuple[float, float]:
    """(ratio, p): the places' mean pulls on the fit against how much the configurations within each scatter, an F ratio
    whose degrees of freedom allow for a scatter that changes from place to place (Box 1954,
    doi:10.1214/aoms/1177728786), and its p value; (1, 1) where places or configurations are too few to tell."""
    count, mean, squares = by_place(fit, clusters, places)
    between, within = len(count) - int(fit.free.sum()), int(count.sum()) - len(count)
    if between < 1 or within < 1:
        return 1.0, 1.0
    variance = np.where(count > 1, squares / np.maximum(count - 1, 1), squares.sum() / within)
    expected = variance.sum() * between / len(count)
    if expected <= 0:
        return 1.0, 1.0
    ratio = float(count @ mean**2) / expected
    freedom = max(between * variance.sum() ** 2 / (len(count) * (variance**2).sum()), 1.0)
    return ratio, float(stats.f.sf(ratio, freedom, within))
