"""How many runs at which sizes would identify a law, from what was fitted and the noise around it.

The covariance that least squares would have at a design (Fisher information of the fitted law at the design's
sizes, times the noise variance) tells how wide each exponent's interval would be. Designs are grids, evenly spaced in
log size, over the sizes that the table has, and over sizes up to some factors beyond them. Where runs at one place of
the sizes miss the law together, a design's runs are places with as many runs at each as the table has.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Any

import numpy as np
from scipy import stats

from ecgscale.laws.fit import Fit
from ecgscale.laws.profile import robust_variance
from ecgscale.laws.uncertainty import LEVEL

BEYOND = (1.0, 4.0, 16.0)       # largest size of a design, over the table's
MOST = 1024                     # runs of a design


def would_identify(fit: Fit, precision: float, observed: np.ndarray | None = None) -> list[dict[str, Any]]:
    """Designs whose intervals have half widths of at most `precision` of each exponent: runs, low and high size each.

    observed (point,): numbers, runs that share one are one observation of a design; default: each is one.

    The fewest runs over the table's own sizes, and over wider ones where that takes fewer. None where even MOST runs
    would not do, or where the fit tells no exponent to go by.
    """
    places = [fit.law.names.index(name) for name in fit.law.exponents if fit.free[fit.law.names.index(name)]]
    value = np.abs(fit.theta[places])
    if fit.at_bound[places].any() or (value < 1e-3).any():
        return []
    noise = fit.sigma if observed is None else spread_of_observations(fit, places, observed)
    if not np.isfinite(noise):
        return []
    low, high = fit.log_x.min(axis=1), fit.log_x.max(axis=1)
    found: list[dict[str, Any]] = []
    for beyond in BEYOND:
        most = found[-1]["runs"] - 1 if found else MOST
        tried = [side for side in sides(len(low)) if side ** len(low) <= most]
        first = bisect_left(tried, True, key=lambda side: half_widths(
            fit, grid(low, high + np.log(beyond), side), places, value, noise) <= precision)
        if first < len(tried):
            found.append({"runs": tried[first] ** len(low), "low": np.exp(low).tolist(),
                          "high": (np.exp(high) * beyond).tolist()})
    return found


def grid(low: np.ndarray, high: np.ndarray, side: int) -> np.ndarray:
    """(size, run) log sizes, `side` evenly spaced along each."""
    return np.array([axis.ravel() for axis in np.meshgrid(*np.linspace(low, high, side).T)])


def sides(axes: int) -> list[int]:
    """Runs along each size: 8, 10, 12, ... for one size, 3, 4, ... for several."""
    counts = np.unique(np.round(np.geomspace(8 if axes == 1 else 3, MOST ** (1 / axes), 40)).astype(int))
    return counts.tolist()


def half_widths(fit: Fit, log_x: np.ndarray, places: list[int], value: np.ndarray, noise: float) -> float:
    """The widest interval of an exponent over twice its value, if the runs stood at log_x (size, run)."""
    freedom = log_x.shape[1] - int((fit.free & ~fit.at_bound).sum())
    spread = spreads(fit, log_x, places) if freedom >= 1 else None
    if spread is None:
        return np.inf
    return float(np.max(stats.t.ppf((1 + LEVEL) / 2, freedom) * noise * spread / value))


def spreads(fit: Fit, log_x: np.ndarray, places: list[int]) -> np.ndarray | None:
    """(exponent,) standard deviations by unit noise of one run at each of log_x (size, run); None where these cannot
    tell the law's parameters apart."""
    inner = np.flatnonzero(fit.free & ~fit.at_bound)
    slopes = fit.law.form(fit.theta[None], log_x[:, None, :])[1][0][inner]
    if not np.isfinite(slopes).all():
        return None
    scale = np.maximum(np.linalg.norm(slopes, axis=1), 1e-300)
    normal = (slopes / scale[:, None]) @ (slopes / scale[:, None]).T
    if np.linalg.cond(normal) > 1e12:
        return None
    own = np.sqrt(np.diag(np.linalg.inv(normal))) / scale
    return own[[int(np.searchsorted(inner, place)) for place in places]]


def spread_of_observations(fit: Fit, places: list[int], observed: np.ndarray) -> float:
    """Standard deviation of log y around the law of an observation of many runs: what makes the exponents as uncertain
    as they are from these. nan where the observations do not tell."""
    once = np.unique(observed, return_index=True)[1]
    unit = spreads(fit, fit.log_x[:, once], places)
    if unit is None:
        return np.nan
    variance, _ = robust_variance(fit, np.eye(len(fit.theta))[places], observed)
    return float(np.sqrt(np.max(variance / np.maximum(unit, 1e-300) ** 2)))
