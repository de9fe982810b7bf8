"""One law fitted to a learning curve and to the curve cut short, at several weights by recency, with mild priors.

A handful of points does not pin down a break or the approach to a ceiling: without priors such fits run away beyond
the last point. Priors add ((theta - centre) noise / width)^2 to the cost, so that a curve with many exact points
overrides them. Centres and widths are about the medians and half the distances between the 10 % and 90 % quantiles of
the parameters fitted to whole real curves that the rule may be chosen on (docs/explanation/extrapolation.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ecgscale.laws import start
from ecgscale.laws.fit import bounds
from ecgscale.laws.forms import LAWS, Law
from ecgscale.laws.solve import minimise

PRIORS = {name: law.priors for name, law in LAWS.items() if law.priors}
"""law -> parameter in the form's coordinates -> centre, width."""
STARTS = 4              # local searches a fit
LEAST_NOISE = 2e-4      # of log y
CLOSE = 1e-5            # share of the cost at which a search ends


@dataclass(frozen=True)
class CurveFits:
    """A law fitted to the whole curve and to each cut of it, for each recency.

    ahead: (recency, new) log y at the new sizes. misses: (recency, cut, point) log prediction less truth of the fits to
    the cuts. residuals: (recency, point) log y less the fit to all points.
    """

    ahead: np.ndarray
    misses: np.ndarray
    residuals: np.ndarray


def noise_of(log_x: np.ndarray, log_y: np.ndarray) -> float:
    """Standard deviation of log y around the straight lines through each point's two neighbours, robust to a bend:
    without the largest fifth of the squares. Of normal noise 0.85 of its deviation, with which coverage is counted
    (docs/explanation/coverage.md)."""
    before = (log_x[2:] - log_x[1:-1]) / np.maximum(log_x[2:] - log_x[:-2], 1e-12)
    off = log_y[1:-1] - before * log_y[:-2] - (1 - before) * log_y[2:]
    squares = np.sort(off**2 / (1 + before**2 + (1 - before) ** 2))
    kept = squares[: max(2, int(0.8 * len(squares)))]
    return max(float(np.sqrt(kept.mean() / 0.6)), LEAST_NOISE)


def pulls(law: Law, noise: float) -> np.ndarray:
    """(2, parameter) the law's priors as `minimise` takes them: centres, and pulls in units of the noise (0: none)."""
    found = np.zeros((2, len(law.names)))
    for name, (centre, width) in PRIORS[law.name].items():
        found[:, law.names.index(name)] = centre, noise / width
    return found


def fit_cuts(name: str, log_x: np.ndarray, log_y: np.ndarray, log_new: np.ndarray, cuts: list[int],
             recencies: tuple[float, ...], noise: float, ceiling: float | None = None) -> CurveFits:
    """log_x, log_y (point,) in rising order of size; cuts: numbers of points kept; point weights are
    (x / largest x)^recency. ceiling: holds L0 of a law that has one. All fits are made side by side."""
    law, points, sizes = LAWS[name], len(log_y), log_x[None]
    low, high = bounds(law, sizes, log_y)
    free = np.ones(len(low), dtype=bool)
    if ceiling is not None and "L0" in law.names:
        place = law.names.index("L0")
        low[place] = high[place] = max(np.log(ceiling), log_y.max() + 1e-3)
        free[place] = False
    kept = np.tile([points, *cuts], len(recencies))
    recency = np.repeat(recencies, len(cuts) + 1)[:, None]
    weights = np.where(np.arange(points) < kept[:, None], np.exp(recency * (log_x - log_x[kept - 1][:, None])), 0.0)
    priors = pulls(law, noise)
    theta, block = start.grid(law, sizes, log_y, np.ones(points))
    theta = np.where(free, np.clip(theta, low, high), low)
    squares = (log_y - law.log_curve(theta, sizes)) ** 2
    squares = np.where(np.isfinite(squares), squares, 1e300)
    pulled = (((theta - priors[0]) * priors[1]) ** 2).sum(axis=1)
    chosen = [theta[start.best_of_blocks(squares @ row + pulled, block, STARTS)] for row in weights]
    count = len(chosen[0])
    found, cost = minimise(law, np.concatenate(chosen), sizes[:, None, :], log_y[None], low, high, free=free[None],
                           weights=np.repeat(weights, count, axis=0), priors=priors, tolerance=CLOSE, steps=40)
    best = found.reshape(len(kept), count, -1)[np.arange(len(kept)), cost.reshape(len(kept), count).argmin(axis=1)]
    best = best.reshape(len(recencies), len(cuts) + 1, -1)
    known = law.log_curve(best.reshape(len(kept), -1), sizes).reshape(len(recencies), len(cuts) + 1, points)
    return CurveFits(law.log_curve(best[:, 0], log_new[None]), known[:, 1:] - log_y, log_y - known[:, 0])
