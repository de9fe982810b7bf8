"""Curves of many points, such as a training logged at every step, summarised by few that are evenly spaced in log size.

Laws tell what happens over factors of the size: a thousand points within the last tenth of it say little more than
their mean, take memory by the square of their number in the backtests, and make the noise of single points look like
errors of the law. The mean of the logarithms in each of at most DENSE steps of log size stands for its points; how far
single points lie off their neighbours is kept, for a new measurement is a single point.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ecgscale.laws.spread import spread_of

DENSE = 100         # points from which a curve is summarised, and steps of log size
LAST = 1 / 3        # of the steps, which tell how far a new measurement lies off
ENOUGH = 20         # degrees of freedom of the last steps; with fewer all steps tell it


@dataclass(frozen=True)
class Single:
    """How far single points lie off their curve: the standard deviation of log y at log size `at`, and by how much its
    logarithm grows a unit of log size."""

    deviation: float = 0.0
    at: float = 0.0
    growth: float = 0.0

    def ahead(self, log_x: np.ndarray) -> np.ndarray:
        """(new,) standard deviation at log_x beyond the curve. Noise that grew goes on to grow; of noise that shrank
        nothing is promised beyond what was seen."""
        return self.deviation * np.exp(np.maximum(self.growth * (log_x - self.at), 0.0))


def thinned(log_x: np.ndarray, log_y: np.ndarray) -> tuple[np.ndarray, np.ndarray, Single]:
    """Means of log_x and log_y, in rising order of size, and how far a single point lies off its step's straight line;
    as they are, and not at all, where there are few."""
    width = np.ptp(log_x) / DENSE
    if len(log_x) <= DENSE or width == 0:
        return log_x, log_y, Single()
    step = np.minimum(((log_x - log_x[0]) / width).astype(int), DENSE - 1)
    step = np.unique(step, return_inverse=True)[1]
    count = np.bincount(step)
    mean_x, mean_y = (np.bincount(step, weights=values) / count for values in (log_x, log_y))
    return mean_x, mean_y, single(log_x, log_x - mean_x[step], log_y - mean_y[step], step, count)


def single(log_x: np.ndarray, x: np.ndarray, y: np.ndarray, step: np.ndarray, count: np.ndarray) -> Single:
    """Pooled over the last steps of three points or more, each about its own line; x and y (point,) off its means.

    Of the last, for noise may change a hundredfold along a curve: repeats of a learner on ten samples differ by half,
    on 200,000 by half a percent, and what follows the curve follows its end. How it grows is told by all steps."""
    square, mixed = (np.bincount(step, weights=values) for values in (x * x, x * y))
    line = np.where(square > 0, mixed / np.where(square > 0, square, 1.0), 0.0)
    rest = (y - line[step] * x) * np.sqrt(count / np.maximum(count - 2, 1))[step]       # of equal variance in all steps
    free = np.maximum(1 - 2 / count, 0)[step]          # of a degree of freedom: a line takes two of each step
    several, last = free > 0, step >= len(count) * (1 - LAST)
    told = several & last if free[last].sum() >= ENOUGH else several
    if not told.any():
        return Single()
    deviation = float(np.sqrt(np.average(rest[told] ** 2, weights=free[told])))
    growth = float(spread_of(log_x[several][None], rest[several]).slopes[0]) / 2 if deviation > 0 else 0.0
    return Single(deviation, float(np.average(log_x[told], weights=free[told])), growth)
