"""Whether a fit may name an exponent. Where the data cannot tell, the verdict is "not identifiable" and says why."""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import numpy as np
from scipy import stats

from ecgscale.laws.fit import Fit
from ecgscale.laws.forms import LAWS
from ecgscale.laws.profile import Profile, robust_variance
from ecgscale.laws.uncertainty import without_own_pull
from ecgscale.numbers import number

RUNS = 8                    # configurations at least: coverage is counted from here on (docs/explanation/coverage.md)
SPARE = 3                   # configurations, or places of many, beyond the parameters, at least
MISSED, WORSE = 4.0, 1.0    # standard errors, and standard deviations of a run, by which the largest runs may be missed
SMALL = 0.01                # of the range of log y: no miss below it matters, as of tables rounded to four digits
RANGE = 4.0                 # largest size over smallest
PRECISION = 0.5             # half width of an exponent's interval over its estimate
SUPPORTED = 0.05            # of the best law's information weight
SHAPES = ("alpha", "f1", "f2")      # of the saturating and broken laws: at a bound, the exponents hang in the air
SIMPLER = {name: law.simpler for name, law in LAWS.items() if law.simpler}
WORTH = 4.0                 # AICc by which a form must follow the runs better than its simpler one
INFLUENCE = 1e-3            # change of log y, root mean square, that a tenth of an exponent must make
SAME = 1e-9                 # spread of log y below which all runs have one value
BESIDE = 0.01               # p value of another count's effect from which a law without it is not told
ANOTHER = 1.5               # times as far off as their own law, from which the better half of the runs follows another
FLOOR = 0.25                # of the lowest y: a floor at 0 that may be as high is not told, nor what hangs on it
TOGETHER = 0.95             # correlation of two sizes in the table
CORRELATED = 0.98           # correlation of a floor and an exponent


class Reason(NamedTuple):
    """Why exponents cannot be told, "" when they can; runs_help: whether more runs of these sizes may change it."""

    text: str = ""
    runs_help: bool = True


def why_not(fit: Fit, clusters: np.ndarray, ends: Profile | None, effect: float, alpha: float = 0.05,
            weight: float = 1.0, simpler: Fit | None = None, held_out: dict | None = None, least: int = RUNS,
            counted: str = "runs", moved: dict | None = None, beside: dict[str, float] | None = None) -> Reason:
    """Why the exponents of this fit cannot be told, if they cannot.

    clusters (point,): numbers, one a configuration; ends: its profile, None where no degree of freedom is left.
    effect: p value of "no slope at all" (see slope_p); alpha: the error that is accepted for it, divided by the number
    of fits when many are made. weight: the law's information weight over that of the best law of the same points.
    simpler: the fit of the form that this one contains (SIMPLER), which must follow the runs clearly less well.
    held_out: how the law, fitted without the largest runs, foretold them (heldout.held_out_errors).
    least: clusters at least; counted: what they are. moved: the exponent that the better half of the runs has otherwise
    (heldout.moved_in_better_half), which counts where the law misses these runs ANOTHER times as far as their own does.
    beside: p value of the effect of other counts at the same sizes (added_p), by name.
    """
    parameters = int(fit.free.sum())
    needed = max(least, parameters + SPARE)
    count = int(clusters.max()) + 1
    if count < needed or ends is None:
        return Reason(f"too few points: {count} {counted} for {parameters} parameters (needs {needed})")
    for name, sizes in zip(fit.law.sizes, fit.log_x, strict=True):
        if np.ptp(sizes) < np.log(RANGE):
            return Reason(f"too little range: {name} spans a factor {number(np.exp(np.ptp(sizes)), 2)} "
                          f"(needs {RANGE:g})")
    for i, j in combinations(range(len(fit.log_x)), 2):
        together = float(np.corrcoef(fit.log_x[i], fit.log_x[j])[0, 1])
        if abs(together) > TOGETHER:
            return Reason(f"{fit.law.sizes[i]} and {fit.law.sizes[j]} move together (correlation {together:.2f})")
    if effect > alpha:
        return Reason(f"no effect that can be told from noise (p = {number(effect, 2)}, needs {number(alpha, 2)})")
    if weight < SUPPORTED:
        return Reason(f"the data support another form ({number(weight, 2)} of the best one's information weight)")
    if simpler is not None and simpler.aicc - fit.aicc < WORTH:
        return Reason(f"a simpler law ({simpler.law.name}) follows these runs as well")
    for name, p in (beside or {}).items():
        if p < BESIDE:
            return Reason(f"these sizes are not all: {name} varies too, and matters where the law's sizes are the same "
                          f"(p = {number(p, 1)})", runs_help=False)
    if held_out and abs(held_out["bias_log"]) > max(MISSED * held_out["bias_error"], WORSE * fit.sigma,
                                                    SMALL * np.ptp(fit.log_y)):
        return Reason(f"fitted without the runs from {number(held_out['from'])} on, it misses them by a factor "
                      f"{number(np.exp(held_out['bias_log']))}", runs_help=False)
    if moved and moved["worse"] > ANOTHER:
        return Reason(f"in the better half of the runs (below {number(moved['below'])}) {moved['exponent']} is "
                      f"{number(moved['value'])} [{number(moved['low'])}, {number(moved['high'])}] instead of "
                      f"{number(fit.values[moved['exponent']])}: these runs follow another law than the rest",
                      runs_help=False)
    return imprecise(fit, ends)


def added_p(fit: Fit, log_other: np.ndarray, clusters: np.ndarray) -> float:
    """p value of "another count has no effect beside the law's sizes": of its slope in what the law leaves, held apart
    from every change of the law's parameters (Wald test, CR3). log_other, clusters (point,)."""
    inner = fit.free & ~fit.at_bound
    slopes = fit.law.form(fit.theta[None], fit.log_x[:, None, :])[1][0][inner]
    design = np.vstack([np.linalg.qr(slopes.T)[0].T, log_other - log_other.mean()])
    return wald_p(design, fit.as_seen - (fit.log_y - fit.residuals), clusters, 1)


def imprecise(fit: Fit, ends: Profile) -> Reason:
    intervals = ends.parameters()
    slopes = fit.law.form(fit.theta[None], fit.log_x[:, None, :])[1][0]
    influence = 0.1 * np.sqrt(np.mean(slopes**2, axis=1))
    for place, name in enumerate(fit.law.names):
        if name in SHAPES and name not in fit.law.exponents and fit.at_bound[place]:
            return Reason(f"{name} ran to its bound {number(fit.values[name])}: the data want another form")
    if "E" in intervals and fit.at_bound[0] and len(fit.law.sizes) > 1 \
            and intervals["E"][1] > FLOOR * np.exp(fit.log_y.min()):
        return Reason(f"E ran to its bound 0 and may be {number(intervals['E'][1])}: without that floor exponents are "
                      "the smallest that they may be", runs_help=False)
    for name in fit.law.exponents:
        place = fit.law.names.index(name)
        if not fit.free[place]:
            continue
        low, high = intervals[name]
        value = fit.values[name]
        if influence[place] < INFLUENCE:
            return Reason(f"{name} has no influence: its term is absent from the data")
        if fit.at_bound[place]:
            return Reason(f"{name} ran to its bound {number(value)}: the data want another form")
        if not (np.isfinite([low, high]).all() and high - low <= 2 * PRECISION * abs(value)):
            partner = tied(fit, place)
            if partner:
                return Reason(f"{name} and {partner[0]} cannot be told apart (correlation {partner[1]:.3f})")
            return Reason(f"{name} lies anywhere between {number(low)} and {number(high)}")
    return Reason()


def tied(fit: Fit, place: int) -> tuple[str, float] | None:
    """The floor, ceiling or exponent whose estimate moves with this one's, with their correlation."""
    spread = np.sqrt(np.maximum(np.diag(fit.covariance), 1e-300))
    correlation = fit.covariance[place] / (spread * spread[place])
    others = [i for i, name in enumerate(fit.law.names) if (i != place and name.lower() not in ("b", "a", "c"))
              or (i != place and name in fit.law.exponents)]
    best = max(others, key=lambda i: abs(correlation[i]), default=None)
    if best is None or abs(correlation[best]) < CORRELATED:
        return None
    return fit.law.names[best], float(correlation[best])


def effect_p(fits: dict[str, Fit], log_x: np.ndarray, log_y: np.ndarray, clusters: np.ndarray) -> float:
    """p value of "no size has an effect", by the loss that the laws were fitted with: a mean would follow the runs that
    this loss lets pull no more than others. Of one size, of the power law's exponent; of several, of the slopes of the
    runs as the law's loss sees them (`Fit.as_seen`).

    fits: by name, of log y (point,) at log_x (size, point); none of few points. clusters (point,).
    """
    first = next(iter(fits.values()), None)
    if first is None or first.delta is None:
        return slope_p(log_x, log_y, clusters)
    return exponent_p(fits["power"], clusters) if "power" in fits else slope_p(log_x, first.as_seen, clusters)


def exponent_p(fit: Fit, clusters: np.ndarray) -> float:
    """p value of "the exponent of this power law is 0", by the variance of its interval."""
    place = fit.law.names.index("c")
    variance, freedom = robust_variance(fit, np.eye(len(fit.theta))[[place]], clusters)
    return float(stats.f.sf(fit.theta[place] ** 2 / max(float(variance[0]), 1e-300), 1, freedom[0]))


def slope_p(log_x: np.ndarray, log_y: np.ndarray, clusters: np.ndarray) -> float:
    """p value of "log y has no slope in any size": Wald test, robust to clusters and unequal spread (CR3, F).

    log_x (size, point); clusters (point,).
    """
    design = np.vstack([np.ones_like(log_y), log_x - log_x.mean(axis=1, keepdims=True)])
    return wald_p(design, log_y, clusters, len(log_x))


def wald_p(design: np.ndarray, y: np.ndarray, clusters: np.ndarray, last: int) -> float:
    """p value of "the last columns have no slope in y": Wald test, robust to clusters and unequal spread (CR3, F).

    design (column, point); y, clusters (point,).
    """
    columns, count = len(design), int(clusters.max()) + 1
    if np.ptp(y) < SAME or count <= columns or np.linalg.matrix_rank(design @ design.T) < columns:
        return 1.0
    bread = np.linalg.inv(design @ design.T)
    beta = bread @ design @ y
    score = design * without_own_pull(np.linalg.qr(design.T)[0].T, y - beta @ design, clusters)
    by_cluster = np.array([np.bincount(clusters, weights=row) for row in score])
    robust = bread @ by_cluster @ by_cluster.T @ bread
    slope = beta[-last:]
    wald = slope @ np.linalg.pinv(robust[-last:, -last:], hermitian=True) @ slope / last
    return float(stats.f.sf(wald, last, count - columns))
