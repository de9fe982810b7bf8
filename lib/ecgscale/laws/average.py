"""Extrapolating one learning curve: several laws, weighted by how well they would have foretold what is known already.

Every candidate law is fitted to the curve cut short at several places and judged by the root mean square of
log(prediction / truth) on the points that were cut away; its weight is that error to the power -2. The prediction is
the weighted median of the laws fitted to all points: one law that runs away does not take it along. Weights by recency
let a law that cannot follow the whole curve follow its end: point weights are (x / largest x)^recency, stronger for the
form that bends least. All fits of one law, cut or whole, are made side by side (solve.minimise), which is why a curve
takes a tenth of a second.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from ecgscale.errors import UserError
from ecgscale.laws import start
from ecgscale.laws.fit import bounds, log_sizes, positive
from ecgscale.laws.forms import LAWS
from ecgscale.laws.solve import minimise
from ecgscale.laws.uncertainty import LEVEL

CUTS = (0.5, 0.65, 0.8)     # shares of the points that backtests keep; besides, all but two and all but one
LEAST = 5                   # points
SHARPNESS = 2.0             # of the weights, in backtest errors
SMALLEST = 1e-4             # backtest error, relative, below which laws count as equally good
STARTS = 5                  # local searches a fit


@dataclass(frozen=True)
class Candidate:
    """A law in the average. ceiling: y at random guessing held at this value."""

    name: str
    law: str
    recency: float
    ceiling: float | None = None


@dataclass(frozen=True)
class Extrapolation:
    """Predictions at the new sizes: y (point,) and the interval of a new measurement; weights and backtests by law."""

    y: np.ndarray
    low: np.ndarray
    high: np.ndarray
    level: float
    weights: dict[str, float]
    backtest: dict[str, float]           # rmse of log(prediction / truth) on what was cut away
    by_law: dict[str, np.ndarray]        # y of each law alone


def candidates(y: np.ndarray, ceiling: float | None) -> list[Candidate]:
    """Four forms; the saturating one again with the ceiling that is known, or with 1 where y looks like a rate."""
    known = ceiling if ceiling is not None else 1.0 if y.max() < 1 else None
    plain = [Candidate("floor", "floor", 1.0), Candidate("shifted", "shifted", 0.5),
             Candidate("saturating", "saturating", 0.5), Candidate("broken1", "broken1", 0.5)]
    return plain if known is None else [*plain, Candidate("saturating below ceiling", "saturating", 0.5, known)]


def extrapolate(x: np.ndarray, y: np.ndarray, x_new: np.ndarray, *, level: float = LEVEL, ceiling: float | None = None,
                replicates: int = 40, seed: int = 0) -> Extrapolation:
    """Continue the curve y (point,) > 0 at sizes x (point,) to sizes x_new, with the interval of a new measurement.

    ceiling: y of a model that knows nothing, where known. Raises UserError for fewer than 5 points or values without a
    logarithm.
    """
    log_x, log_y, log_new = log_sizes((x,))[0], np.log(positive(y)), log_sizes((x_new,))[0]
    if len(log_y) < LEAST or len(log_x) != len(log_y):
        raise UserError(f"{len(log_y)} values at {len(log_x)} sizes cannot be continued", field="x, y",
                        remedy=f"Give at least {LEAST} points")
    order = np.argsort(log_x, kind="stable")
    log_x, log_y = log_x[order], log_y[order]
    cuts = cut_places(len(log_y))
    tried = candidates(np.exp(log_y), ceiling)
    fits = [fit_cuts(one, log_x, log_y, log_new, cuts, replicates, seed) for one in tried]
    rmse = np.array([backtest_error(fit, cuts) for fit in fits])
    weights = np.maximum(rmse, SMALLEST) ** -SHARPNESS
    weights /= weights.sum()
    curves = np.array([fit.curve for fit in fits])
    middle = weighted_median(curves, weights)
    reach = half_width(fits, weights, middle, log_x, log_new, cuts, level)
    names = [one.name for one in tried]
    weighted, backtest, by_law = (dict(zip(names, part, strict=True))
                                  for part in (weights.tolist(), rmse.tolist(), np.exp(curves)))
    low, high = np.exp(middle - reach), np.exp(middle + reach)
    return Extrapolation(np.exp(middle), low, high, level, weighted, backtest, by_law)


def cut_places(points: int) -> list[int]:
    """Numbers of points that the backtests keep."""
    places = {max(LEAST, round(share * points)) for share in CUTS} | {points - 2, points - 1}
    return sorted(place for place in places if LEAST <= place < points)


@dataclass(frozen=True)
class CutFits:
    """One candidate fitted to the whole curve, to each cut, and to reweighted points."""

    curve: np.ndarray            # (new,) log y at the new sizes
    replicates: np.ndarray       # (replicate, new)
    residual: np.ndarray         # (point,) log y less the curve
    backtests: np.ndarray        # (cut, point) log prediction less truth


def backtest_error(fit: CutFits, cuts: list[int]) -> float:
    """Root mean square of log(prediction / truth) over the cuts; 1 where there is none."""
    squares = [np.mean(back[cut:] ** 2) for cut, back in zip(cuts, fit.backtests, strict=True)]
    return float(np.sqrt(np.mean(squares))) if squares else 1.0


def fit_cuts(one: Candidate, log_x: np.ndarray, log_y: np.ndarray, log_new: np.ndarray, cuts: list[int],
             replicates: int, seed: int) -> CutFits:
    law, points = LAWS[one.law], len(log_y)
    sizes = log_x[None]
    low, high = bounds(law, sizes, log_y)
    free = np.ones(len(low), dtype=bool)
    if one.ceiling is not None:
        place = law.names.index("L0")
        low[place] = high[place] = max(np.log(one.ceiling), log_y.max() + 1e-3)
        free[place] = False
    kept = np.array([points, *cuts])
    ends = log_x[kept - 1][:, None]
    weights = np.where(np.arange(points) < kept[:, None], np.exp(one.recency * (log_x - ends)), 0.0)
    weights /= weights.mean(axis=1, keepdims=True)
    theta, block = start.grid(law, sizes, log_y, np.ones(points))
    theta = np.where(free, np.clip(theta, low, high), low)
    squares = (log_y - law.log_curve(theta, sizes)) ** 2
    squares = np.where(np.isfinite(squares), squares, 1e300)
    chosen = [theta[start.best_of_blocks(squares @ row, block, STARTS)] for row in weights]
    count = len(chosen[0])
    found, cost = minimise(law, np.concatenate(chosen), sizes[:, None, :], log_y[None], low, high, free=free[None],
                           weights=np.repeat(weights, count, axis=0), tolerance=1e-7)
    best = found.reshape(len(kept), count, -1)[np.arange(len(kept)), cost.reshape(len(kept), count).argmin(axis=1)]
    draws = np.random.default_rng(seed).standard_exponential((replicates, points)) * weights[0]
    again, _ = minimise(law, np.repeat(best[:1], replicates, axis=0), sizes[:, None, :], log_y[None], low, high,
                        free=free[None], weights=draws, tolerance=1e-5, steps=30)
    known = law.log_curve(best, sizes)
    return CutFits(law.log_curve(best[:1], log_new[None])[0], law.log_curve(again, log_new[None]), log_y - known[0],
                   known[1:] - log_y)


def weighted_median(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(point,) of values (law, point), interpolated between the laws whose weights meet at one half."""
    order = np.argsort(values, axis=0)
    sorted_values, sorted_weights = np.take_along_axis(values, order, axis=0), weights[order]
    centre = np.cumsum(sorted_weights, axis=0) - sorted_weights / 2
    return np.array([np.interp(0.5, place, value) for place, value in zip(centre.T, sorted_values.T, strict=True)])


def half_width(fits: list[CutFits], weights: np.ndarray, middle: np.ndarray, log_x: np.ndarray, log_new: np.ndarray,
               cuts: list[int], level: float) -> np.ndarray:
    """(new,) half width in log y: scatter of the later points, of each law's refits, of the laws around their middle,
    and the error that the backtests of the middle had, growing with the way ahead in log x as it did there."""
    points = len(log_x)
    residual = np.array([np.mean(fit.residual[points // 2 :] ** 2) for fit in fits])
    scatter = weights @ residual * points / max(points - 3, 1)
    within = weights @ np.array([fit.replicates.var(axis=0) for fit in fits])
    between = weights @ np.array([(fit.curve - middle) ** 2 for fit in fits])
    missed = sum(np.mean(weighted_median(np.array([fit.backtests[i, cut:] for fit in fits]), weights) ** 2)
                 for i, cut in enumerate(cuts))
    way = sum(np.mean((log_x[cut:] - log_x[cut - 1]) ** 2) for cut in cuts)
    ahead = np.maximum(log_new - log_x[-1], 0.0)
    drift = missed / way * ahead**2 if way > 0 else 0.0
    return stats.t.ppf((1 + level) / 2, max(min(points - 4, 8), 2)) * np.sqrt(scatter + within + between + drift)
