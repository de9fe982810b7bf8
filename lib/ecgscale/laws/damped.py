"""The power law and its damped kin, fitted in closed form to a learning curve and to the curve cut short.

    log y = a - s (1 - e^(-d u)) / d,   u = log(x / x_last),

a straight line in logs for d = 0; for d > 0 the slope s at the last size dies away as x^-d, which ends at a floor
(Gompertz's curve in log x); for d < 0 it grows. For each d this is weighted linear least squares, with a mild prior
that s is 0 +- 1, entered as in priors.py.
"""

from __future__ import annotations

import numpy as np

from ecgscale.laws.priors import CurveFits

DAMPINGS = (0.0, -0.1, 0.1, 0.2, 0.4, 0.8)      # d; the first is the power law


def basis(damping: np.ndarray, u: np.ndarray) -> np.ndarray:
    """(1 - e^(-d u)) / d, its limit u for d = 0."""
    return np.where(damping == 0, u, -np.expm1(-damping * u) / np.where(damping == 0, 1.0, damping))


def fit_damped(log_x: np.ndarray, log_y: np.ndarray, log_new: np.ndarray, cuts: list[int],
               recencies: tuple[float, ...], noise: float) -> CurveFits:
    """As `priors.fit_cuts`, for all dampings: candidates (damping x recency), the power law's first."""
    points, candidates = len(log_x), len(DAMPINGS) * len(recencies)
    kept = np.array([points, *cuts])[:, None]
    u = log_x - log_x[kept - 1]                                                         # (cut, point)
    damping = np.array(DAMPINGS)[:, None, None, None]
    recency = np.array(recencies)[:, None, None]
    weights = np.where(np.arange(points) < kept, np.exp(recency * np.minimum(u, 0.0)), 0.0)  # (recency, cut, point)
    slope = basis(damping, u)                                               # (damping, 1, cut, point)
    total, first, second = weights.sum(-1), (weights * slope).sum(-1), (weights * slope**2).sum(-1) + noise**2
    level, mixed = (weights * log_y).sum(-1), (weights * slope * log_y).sum(-1)
    determinant = total * second - first**2
    start = (level * second - mixed * first) / determinant                              # (damping, recency, cut)
    fall = (mixed * total - level * first) / determinant
    known = start[..., None] + fall[..., None] * slope                      # (damping, recency, cut, point)
    ahead = start[:, :, 0, None] + fall[:, :, 0, None] * basis(damping[:, 0], log_new - log_x[-1])
    return CurveFits(ahead.reshape(candidates, len(log_new)),
                     (known[:, :, 1:] - log_y).reshape(candidates, len(cuts), points),
                     (log_y - known[:, :, 0]).reshape(candidates, points))
