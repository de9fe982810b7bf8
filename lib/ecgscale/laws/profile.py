"""Profile-likelihood intervals: how far a parameter can be moved before the rest can no longer make up for it.

The parameter is held at values around its estimate while the others are refitted, all values of all parameters side by
side; the interval ends where n log(cost / least cost) style F = (cost / least - 1) (n - p) reaches the F quantile, as
in lmfit.conf_interval, whose ends tests/lib/laws/test_profile.py compares (Venzon and Moolgavkar 1988).
"""

from __future__ import annotations

import numpy as np
from scipy import stats

from ecgscale.laws.fit import Fit
from ecgscale.laws.solve import minimise
from ecgscale.laws.uncertainty import LEVEL

REACH = np.array([0.25, 0.5, 0.8, 1.1, 1.4, 1.7, 2.1, 2.6, 3.3, 4.5, 6.5, 10.0, 20.0])    # standard errors, each side


def profile_intervals(fit: Fit, level: float = LEVEL) -> dict[str, tuple[float, float]]:
    """Natural (low, high) by name of the free parameters; infinite (or the bound) on a side that never ends.

    Only for the squared loss: Huber's has no likelihood to profile.
    """
    if fit.freedom < 1 or fit.delta is not None:
        return {}
    free = np.flatnonzero(fit.free)
    error = np.sqrt(np.diag(fit.covariance))
    scale = np.where(error > 0, error, 0.1 * np.maximum(np.abs(fit.theta), 0.1))
    offsets = np.concatenate([-REACH[::-1], REACH])
    starts = np.repeat(fit.theta[None], len(free) * len(offsets), axis=0)
    held = np.repeat(free, len(offsets))
    rows = np.arange(len(starts))
    starts[rows, held] = np.clip(starts[rows, held] + np.tile(offsets, len(free)) * scale[held], fit.low[held],
                                 fit.high[held])
    varied = np.repeat(fit.free[None], len(starts), axis=0)
    varied[rows, held] = False
    _, cost = minimise(fit.law, starts, fit.log_x[:, None, :], fit.log_y[None], fit.low, fit.high,
                       weights=fit.weights[None], free=varied, tolerance=1e-4 / fit.points)
    excess = (cost / max(fit.cost, 1e-300) - 1) * fit.freedom
    limit = stats.f.ppf(level, 1, fit.freedom)
    out = {}
    for i, place in enumerate(free):
        part = slice(i * len(offsets), (i + 1) * len(offsets))
        ends = crossings(starts[part, place], excess[part], fit.theta[place], limit)
        bounded = [max(ends[0], fit.low[place]), min(ends[1], fit.high[place])]
        natural = fit.law.natural(np.where(np.arange(len(fit.theta)) == place, np.array(bounded)[:, None], fit.theta))
        out[fit.law.names[place]] = (float(natural[0, place]), float(natural[1, place]))
    return out


def crossings(values: np.ndarray, excess: np.ndarray, estimate: float, limit: float) -> tuple[float, float]:
    """Where sqrt(excess), nearly straight on each side of the estimate, first reaches sqrt(limit)."""
    ends = []
    for side, far in ((values < estimate, -np.inf), (values > estimate, np.inf)):
        order = np.argsort(np.abs(values[side] - estimate), kind="stable")
        place = np.append(estimate, values[side][order])
        height = np.sqrt(np.maximum(np.append(0.0, excess[side][order]), 0.0))
        over = np.flatnonzero(height >= np.sqrt(limit))
        if not len(over):
            ends.append(far)
            continue
        j = int(over[0])
        ends.append(float(np.interp(np.sqrt(limit), height[j - 1 : j + 1], place[j - 1 : j + 1])))
    return ends[0], ends[1]
