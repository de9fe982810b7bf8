"""Which loss leads: squared errors, until the residuals reject them, then Huber's; which runs the exponents hang on.

Squared errors are best for normal noise, and one wild run can carry them off. Whether there are such is read from the
residuals of Huber's fit, brought to one spread along the sizes: noise that merely grows with a size is no reason to
leave the squared loss, whose intervals allow for it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from ecgscale.laws.fit import Fit, at_quantile, with_huber
from ecgscale.laws.profile import spare_residuals
from ecgscale.laws.solve import minimise
from ecgscale.laws.spread import spread_of
from ecgscale.numbers import number, percent

REJECTED = 0.01         # p value that the squared loss needs: of the residuals' normality, and of the largest of them
POINTS = 8              # from which residuals are judged
EXACT = 1e-9            # of log y: residuals that are nothing but rounding
NAMED = 5               # runs that are named as influential, at most
OFF = 2.0               # usual residuals off, from which a run's noise is taken for larger than that of the others
NEIGHBOURS, WILD = 3, 4.0       # a run that is so many usual residuals off all of its nearest is wild
LEAST = 0.003           # of log y: a usual residual, where all runs lie closer to the law


@dataclass(frozen=True)
class Loss:
    """The loss that leads and why. delta: Huber's threshold on log y; quantile: of the frontier; both None: squared."""

    delta: float | None = None
    quantile: float | None = None
    reason: str = ""

    @property
    def name(self) -> str:
        return "quantile" if self.quantile is not None else "squared" if self.delta is None else "huber"

    def lead(self, fit: Fit) -> Fit:
        """The fit by this loss."""
        if self.quantile is not None:
            return at_quantile(fit, self.quantile)
        return fit if self.delta is None else with_huber(fit, self.delta)


def choose_loss(fits: list[Fit], delta: float | None = None, quantile: float | None = None) -> Loss:
    """One loss for all laws of the same runs, `fits` by squares, so that they can be compared: judged by the residuals
    of the one that the data prefer. delta: the threshold that was asked for; quantile: of the frontier."""
    if quantile is not None:
        return Loss(quantile=quantile, reason=f"the law below which {percent(quantile)} of the runs lie")
    if delta is not None:
        return Loss(delta, reason=f"Huber's loss beyond {delta:g} was asked for")
    if not fits:
        return Loss()
    fit = min(fits, key=lambda one: one.aicc)
    if fit.points < POINTS or fit.freedom < 3 or np.ptp(fit.residuals) < EXACT:
        return Loss()
    robust = with_huber(fit)
    alike = alike_residuals(robust)
    normality = float(stats.shapiro(alike).pvalue)
    size = in_usual_ones(alike)
    largest = float(2 * fit.points * stats.t.sf(size.max(), fit.freedom))
    if largest >= REJECTED and not (normality < REJECTED and stats.kurtosis(alike) > 0):
        return Loss()
    wild = int((size > stats.norm.isf(0.05 / fit.points)).sum())
    told = f"{wild} outlier{'s' * (wild != 1)}" if wild else "tails"
    return Loss(robust.delta, reason=f"the residuals reject squared errors: {told}, the largest {size.max():.1f} times "
                                     f"the usual size (normality p = {number(normality, 1)}); Huber's loss leads")


def alike_residuals(fit: Fit) -> np.ndarray:
    """(point,) residuals brought to one spread along the sizes."""
    residuals = spare_residuals(fit)
    return residuals / spread_of(fit.log_x, residuals).deviation(fit.log_x)


def in_usual_ones(residuals: np.ndarray) -> np.ndarray:
    """(point,) size of residuals in units of their usual one, a normal's standard deviation by their median."""
    return np.abs(residuals) / (1.4826 * max(float(np.median(np.abs(residuals))), EXACT))


def noisier(fit: Fit) -> np.ndarray | None:
    """(point,) by how much each run's noise is to be taken for larger than that of the others, where Huber's loss leads
    because of such runs; None by other losses."""
    return None if fit.delta is None else np.maximum(in_usual_ones(alike_residuals(fit)) / OFF, 1.0)


def wild(fit: Fit) -> np.ndarray:
    """(point,) True: off the law in another way than all of its nearest in size, which a law that breaks would move
    alike. None of few points."""
    if fit.points < POINTS or fit.freedom < 3:
        return np.zeros(fit.points, dtype=bool)
    residuals = with_huber(fit).residuals
    scaled = fit.log_x / np.maximum(np.ptp(fit.log_x, axis=1, keepdims=True), EXACT)
    apart = ((scaled[:, :, None] - scaled[:, None]) ** 2).sum(axis=0)
    np.fill_diagonal(apart, np.inf)
    nearest = np.argsort(apart, axis=1, kind="stable")[:, :NEIGHBOURS]
    off = np.abs(residuals[:, None] - residuals[nearest]).min(axis=1)
    return off > WILD * max(1.4826 * float(np.median(np.abs(residuals))), LEAST)


def influential(fit: Fit) -> list[dict]:
    """The runs whose absence moves an exponent most: point, exponent, shift (without the run less with it) and the
    shift in standard errors.

    One Newton step foretells the shifts (Cook 1977); those beyond 2 / sqrt(runs) standard errors count (Belsley, Kuh
    and Welsch 1980), and the largest few are refitted without the run.
    """
    slopes = fit.law.form(fit.theta[None], fit.log_x[:, None, :])[1][0]
    leverage = np.einsum("ip,ij,jp->p", slopes, fit.bread, slopes) * fit.weights * fit.stiffness
    shift = -(fit.bread @ slopes) * fit.weights * fit.pull / (1 - np.minimum(leverage, 0.9))    # (parameter, point)
    error = np.sqrt(np.maximum(np.diag(fit.covariance), 1e-300))
    places = [fit.law.names.index(name) for name in fit.law.exponents if not fit.at_bound[fit.law.names.index(name)]]
    if fit.freedom < 2 or not places:
        return []
    largest = np.max(np.abs(shift[places]) / error[places, None], axis=0)
    points = [int(point) for point in np.argsort(-largest, kind="stable")[:NAMED]
              if largest[point] > 2 / np.sqrt(fit.points)]
    weights = np.repeat(fit.weights[None], len(points), axis=0)
    weights[range(len(points)), points] = 0.0
    theta, _ = minimise(fit.law, np.repeat(fit.theta[None], len(points), axis=0), fit.log_x[:, None, :],
                        fit.log_y[None], fit.low, fit.high, weights=weights, delta=fit.thresholds,
                        lean=fit.lean, free=fit.free[None])
    moved = theta[:, places] - fit.theta[places]
    most = np.argmax(np.abs(moved) / error[places], axis=1)
    return [{"point": point, "exponent": fit.law.names[places[i]], "shift": float(row[i]),
             "standard_errors": float(row[i] / error[places[i]])}
            for point, i, row in zip(points, most, moved, strict=True)]
