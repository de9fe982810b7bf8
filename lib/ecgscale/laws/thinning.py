"""Curves of many points, such as a training logged at every step, summarised by few that are evenly spaced in log size.

Laws tell what happens over factors of the size: a thousand points within the last tenth of it say little more than
their mean, take memory by the square of their number in the backtests, and make the noise of single points look like
errors of the law. The mean of the logarithms in each of at most DENSE steps of log size stands for its points; how far
single points lie off their neighbours is kept, for a new measurement is a single point.
"""

from __future__ import annotations

import numpy as np

DENSE = 100         # points from which a curve is summarised, and steps of log size
LAST = 1 / 3        # of the steps, which tell how far a new measurement lies off beyond them
ENOUGH = 20         # degrees of freedom of the last steps; with fewer all steps tell it


def thinned(log_x: np.ndarray, log_y: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Means of log_x and log_y, in rising order of size, and the standard deviation of a single point around its step's
    straight line; as they are, and 0, where there are few."""
    if len(log_x) <= DENSE:
        return log_x, log_y, 0.0
    width = np.ptp(log_x) / DENSE
    if width == 0:
        return log_x, log_y, 0.0
    step = np.minimum(((log_x - log_x[0]) / width).astype(int), DENSE - 1)
    step = np.unique(step, return_inverse=True)[1]
    count = np.bincount(step)
    mean_x, mean_y = (np.bincount(step, weights=values) / count for values in (log_x, log_y))
    return mean_x, mean_y, own_deviation(log_x - mean_x[step], log_y - mean_y[step], step, count)


def own_deviation(x: np.ndarray, y: np.ndarray, step: np.ndarray, count: np.ndarray) -> float:
    """Pooled over the last steps of three points or more, each about its own line; x and y (point,) off its means.

    Of the last, for noise may change a hundredfold along a curve: repeats of a learner on ten samples differ by half,
    on 200,000 by half a percent, and what follows the curve follows its end."""
    square, mixed, total = (np.bincount(step, weights=values) for values in (x * x, x * y, y * y))
    rest = total - np.where(square > 0, mixed**2 / np.where(square > 0, square, 1.0), 0.0)
    several = count > 2
    last = several & (np.arange(len(count)) >= len(count) * (1 - LAST))
    several = last if (count[last] - 2).sum() >= ENOUGH else several
    freedom = (count[several] - 2).sum()
    return float(np.sqrt(max(rest[several].sum(), 0.0) / freedom)) if freedom else 0.0
