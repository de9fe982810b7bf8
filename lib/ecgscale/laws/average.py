"""Extrapolating one learning curve: six laws at five weights by recency, averaged by how well they would have foretold
what is known already.

Every candidate is fitted to the curve cut short at several places and judged by the root mean square of
log(prediction / truth) on the points that were cut away; its weight is 1 / (that error^2 + noise^2). The prediction is
the weighted median of the candidates fitted to all points, or a quantile that is a little flatter: one that runs away
does not take it along. Weights by recency let a law that cannot follow the whole curve follow its end; what the last
points still lie off a candidate is carried on in part. How the rule was chosen, and how it compares with the published
estimators: docs/explanation/extrapolation.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from ecgscale.errors import UserError
from ecgscale.laws.best_so_far import best_so_far, later_fall, plateau_ends
from ecgscale.laws.damped import DAMPINGS, fit_damped
from ecgscale.laws.fit import log_sizes, positive
from ecgscale.laws.priors import PRIORS, CurveFits, fit_cuts, noise_of
from ecgscale.laws.thinning import thinned
from ecgscale.laws.uncertainty import LEVEL

RECENCIES = (0.0, 0.5, 1.0, 2.0, 4.0)
CANDIDATES = {"power": len(RECENCIES), "damped": len(RECENCIES) * (len(DAMPINGS) - 1)} | dict.fromkeys(
    PRIORS, len(RECENCIES))             # law -> number of candidates
CUTS = (0.5, 0.65, 0.8)                 # shares of the points that backtests keep; besides, all but two and all but one
LEAST, LEAST_SIZES = 5, 3               # points, different sizes
LEAST_KEPT = 4                          # points of the backtests before the last two and the last one
TELLING = 20                            # points from which it is told whether their errors go along
LARGEST = 30.0                          # of log y and its errors: beyond it a candidate has run away
LAST, CARRIED = 3, 0.5                  # points whose mean residual is carried on, and its share at the last size
CALIBRATION = 0.8                       # of the interval, on the real curves that the rule was chosen on
FLATTER, SEVERAL = 0.6, 9               # quantile of the candidates from steep to flat; of fewer points the median
NEAR, FEW = 0.2, 10.0                   # of the curve's way in log x; points: beyond the one, intervals of fewer widen


@dataclass(frozen=True)
class Extrapolation:
    """Predictions at the new sizes: y (point,) and the interval of a new measurement; weights and backtests by law.
    along: correlation of a point's error with the next one's, nan of fewer than TELLING points. best_so_far: whether
    the curve is one of best values so far."""

    y: np.ndarray
    low: np.ndarray
    high: np.ndarray
    level: float
    weights: dict[str, float]
    backtest: dict[str, float]           # rmse of log(prediction / truth) on what was cut away
    by_law: dict[str, np.ndarray]        # y of each law alone, its weights by recency averaged in the same way
    along: float = np.nan
    best_so_far: bool = False


def extrapolate(x: np.ndarray, y: np.ndarray, x_new: np.ndarray, *, level: float = LEVEL,
                ceiling: float | None = None) -> Extrapolation:
    """Continue the curve y (point,) > 0 at sizes x (point,) to sizes x_new, with the interval of a new measurement.

    Many points are summarised first (thinning.py). A curve of best values so far counts by the ends of its plateaus
    (best_so_far.py) and is continued by values that do not rise again. ceiling: y of a model that knows nothing, where
    known. Raises UserError for fewer than 5 points or 3 sizes and for values without a logarithm.
    """
    if not 0 < level < 1:
        raise UserError(f"{level:g} is no level between 0 and 1", field="level", remedy="Give 0.9 for 90 %")
    log_x, log_y, log_new = log_sizes((x,))[0], np.log(positive(y)), log_sizes((x_new,))[0]
    if len(log_y) < LEAST or len(log_x) != len(log_y):
        raise UserError(f"{len(log_y)} values at {len(log_x)} sizes cannot be continued", field="x, y",
                        remedy=f"Give at least {LEAST} points")
    if len(np.unique(log_x)) < LEAST_SIZES:
        raise UserError("fewer than 3 different sizes", field="x", remedy="A curve needs points along its way")
    order = np.argsort(log_x, kind="stable")
    log_x, log_y = log_x[order], log_y[order]
    best, last, hidden = best_so_far(log_y), log_y[-1], 0.0
    if best:
        ends, hidden = plateau_ends(log_y), later_fall(log_y)
        log_x, log_y = log_x[ends], log_y[ends]
    log_x, log_y, own = thinned(log_x, log_y)
    level_y = float(np.median(log_y))           # laws scale with y: none is near the ends of what a float holds
    log_y, ceiling = log_y - level_y, None if ceiling is None else ceiling * np.exp(-level_y)
    cuts, noise = cut_places(len(log_y)), noise_of(log_x, log_y)
    with np.errstate(all="ignore"):
        fits = [fit_cuts(law, log_x, log_y, log_new, cuts, RECENCIES, noise, ceiling) for law in PRIORS]
        fits.insert(0, fit_damped(log_x, log_y, log_new, cuts, RECENCIES, noise))
    every = carried_on(stack(fits), log_x, log_new, cuts)
    rmse = backtest_errors(every, cuts)
    weights = 1 / (rmse**2 + noise**2)
    weights /= weights.sum()
    middle = flatter(every.ahead, weights, log_y[-1], len(log_y))
    single = np.maximum(noise, own.ahead(log_new) / CALIBRATION)
    reach = half_width(every, weights, middle, single, log_x, log_new, cuts, level)
    reach = np.hypot(reach, hidden)
    middle = middle + level_y
    if best:
        middle = np.where(log_new > log_x[-1], np.minimum(middle, last), middle)
    ends = np.cumsum(list(CANDIDATES.values()))
    parts = [slice(end - count, end) for end, count in zip(ends, CANDIDATES.values(), strict=True)]
    by_law = [np.exp(weighted_quantile(every.ahead[part], weights[part]) + level_y) for part in parts]
    shares = [float(weights[part].sum()) for part in parts]
    errors = [float(np.sqrt(np.average(rmse[part] ** 2, weights=weights[part]))) for part in parts]
    weighted, backtest, curves = (dict(zip(CANDIDATES, values, strict=True)) for values in (shares, errors, by_law))
    return Extrapolation(np.exp(middle), np.exp(middle - reach), np.exp(middle + reach), level, weighted, backtest,
                         curves, going_along(weighted_quantile(every.residuals, weights)), best)


def going_along(residuals: np.ndarray) -> float:
    """Correlation of each of residuals (point,) with the next; nan of few points, and of a law followed exactly."""
    if len(residuals) < TELLING or np.ptp(residuals) < 1e-9:
        return np.nan
    return float(np.corrcoef(residuals[:-1], residuals[1:])[0, 1])


def cut_places(points: int) -> list[int]:
    """Numbers of points that the backtests keep: at least five, or four before the last two and the last one."""
    shares = {max(LEAST, round(share * points)) for share in CUTS}
    return sorted({place for place in shares if place < points} | {max(LEAST_KEPT, points - 2), points - 1})


def stack(fits: list[CurveFits]) -> CurveFits:
    """All candidates in one: (law x recency, ...), values that ran away brought back to where they do no harm."""
    return CurveFits(*(np.clip(np.nan_to_num(np.concatenate(parts), nan=LARGEST), -LARGEST, LARGEST)
                       for parts in zip(*((fit.ahead, fit.misses, fit.residuals) for fit in fits), strict=True)))


def carried_on(fits: CurveFits, log_x: np.ndarray, log_new: np.ndarray, cuts: list[int]) -> CurveFits:
    """Half of the mean residual of the last three points is added to what each candidate predicts, fading as 1 / x:
    neighbouring points of a curve lie off a law on the same side. The fits to the cuts likewise, from their own end."""
    ahead = fits.ahead + carried(fits.residuals, log_new - log_x[-1])
    misses = np.stack([fits.misses[:, i] + carried(-fits.misses[:, i, :cut], log_x - log_x[cut - 1])
                       for i, cut in enumerate(cuts)], axis=1)
    return replace(fits, ahead=ahead, misses=misses)


def carried(residuals: np.ndarray, way: np.ndarray) -> np.ndarray:
    """(candidate, size) of residuals (candidate, point), at log distances `way` from the last point."""
    return CARRIED * residuals[:, -LAST:].mean(axis=1)[:, None] * np.exp(-np.maximum(way, 0.0))


def backtest_errors(fits: CurveFits, cuts: list[int]) -> np.ndarray:
    """(candidate,) root mean square of log(prediction / truth) over the cuts."""
    squares = [np.mean(np.minimum(np.abs(fits.misses[:, i, cut:]), 1.0) ** 2, axis=1) for i, cut in enumerate(cuts)]
    return np.sqrt(np.mean(squares, axis=0))


def weighted_quantile(values: np.ndarray, weights: np.ndarray, share: float | np.ndarray = 0.5) -> np.ndarray:
    """(point,) of values (law, point), interpolated between the laws whose weights meet at the share, one for all
    points or (point,)."""
    order = np.argsort(values, axis=0)
    sorted_values, sorted_weights = np.take_along_axis(values, order, axis=0), weights[order]
    centre = (np.cumsum(sorted_weights, axis=0) - sorted_weights / 2) / weights.sum()
    return np.array([np.interp(one, place, value) for one, place, value in zip(
        np.broadcast_to(share, values.shape[1]), centre.T, sorted_values.T, strict=True)])


def flatter(ahead: np.ndarray, weights: np.ndarray, last: float, points: int) -> np.ndarray:
    """(new,) what the candidates' ahead (candidate, new) foretell of a curve that ends at `last`: of several points a
    little flatter than their weighted median, for real curves slow down more than laws fitted to their steep part."""
    middle = weighted_quantile(ahead, weights)
    if points < SEVERAL:
        return middle
    return weighted_quantile(ahead, weights, np.where(middle < last, FLATTER, 1 - FLATTER))


def half_width(fits: CurveFits, weights: np.ndarray, middle: np.ndarray, noise: np.ndarray, log_x: np.ndarray,
               log_new: np.ndarray, cuts: list[int], level: float) -> np.ndarray:
    """(new,) half width in log y: noise (new,), scatter of the later points around the candidates, candidates around
    their middle, and the error that the backtests of the middle had, growing with the way ahead in log x as it did
    there. Few points foretold far held too seldom: it widens with the part of the curve's way that lies ahead."""
    points = len(log_x)
    scatter = weights @ np.mean(fits.residuals[:, points // 2 :] ** 2, axis=1) * points / max(points - 3, 1)
    between = weights @ (fits.ahead - middle) ** 2
    missed = sum(np.mean(weighted_quantile(fits.misses[:, i, cut:], weights) ** 2) for i, cut in enumerate(cuts))
    way = sum(np.mean((log_x[cut:] - log_x[cut - 1]) ** 2) for cut in cuts)
    drift = missed / way * np.maximum(log_new - log_x[-1], 0.0) ** 2 if way > 0 else 0.0
    part_ahead = (log_new - log_x[-1]) / (log_x[-1] - log_x[0])
    reach = CALIBRATION * stats.t.ppf((1 + level) / 2, points - 1) * (
        1 + np.maximum(part_ahead - NEAR, 0.0) * FEW / points)
    return reach * np.sqrt(noise**2 + scatter + between + drift)
