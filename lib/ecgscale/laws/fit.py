"""One law on one set of points: bounds, multi-start, lmfit's fit, covariance, residual diagnostics, information.

Errors are errors of log y throughout: a law's mistakes are relative, and a run at 0.02 counts as much as one at 0.9.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from functools import cached_property

import lmfit
import numpy as np
from scipy import stats

from ecgscale.errors import UserError
from ecgscale.laws import start
from ecgscale.laws.forms import LAWS, Law
from ecgscale.laws.solve import cost_of, gathered, minimise

LMFIT_STEPS = 100
KEPT = 5            # local minima that a search ends in
SCOUTS = 500        # points on which starts are looked for, of more a random part; every search ends on all points
WIDTH = 1.0         # of the kernel, in units of the residuals' scale at one point, falling with the points' fifth root
WIDTH_AT_QUANTILE = 0.6         # the same where the density on one side may be another: chosen by coverage, seed 3
ROBUST, ROBUST_STEPS = 1e-7, 60     # tolerance and steps of a robust fit, whose last ones are many and small
SMOOTHED = (1.0, 0.3, 0.1)      # thresholds on the way to a quantile, in units of the distances' median from it
HUBER = 1.345       # in units of the residuals' scale: 95 % efficient at normal errors (Huber 1964)


@dataclass(frozen=True)
class Fit:
    """A fitted law. theta and covariance are in the form's coordinates (logarithms of positive parameters)."""

    law: Law
    theta: np.ndarray            # (parameter,)
    log_x: np.ndarray            # (size, point)
    log_y: np.ndarray            # (point,)
    weights: np.ndarray          # (point,), mean 1
    low: np.ndarray              # (parameter,) bounds in the form's coordinates
    high: np.ndarray
    free: np.ndarray             # (parameter,) False where a value was given
    delta: float | None          # Huber's threshold on residuals times the root of their weights; None: squared loss
    quantile: float | None = None               # share of the runs that lies below the law; None: its middle
    observations: int | None = None             # places that the runs stand at, where they err together there
    inflation: float = 1.0      # by how much that raises what a parameter wins without an effect (together.py)
    crossed: tuple[np.ndarray, ...] = ()        # (point,) numbers each, of groups across those that err together too
    minima: np.ndarray | None = None            # (minimum, parameter) other local minima that the search ended in
    minimizer: lmfit.Minimizer | None = None    # for lmfit.conf_interval and friends
    result: lmfit.minimizer.MinimizerResult | None = None

    def __getstate__(self) -> dict:
        """Without lmfit's own objects on the way to another process: they hold functions made here."""
        return vars(self) | {"minimizer": None, "result": None}

    @property
    def points(self) -> int:
        return len(self.log_y)

    @cached_property
    def values(self) -> dict[str, float]:
        """Natural values by name."""
        return dict(zip(self.law.names, self.law.natural(self.theta).tolist(), strict=True))

    @cached_property
    def residuals(self) -> np.ndarray:
        """log y minus the law, (point,)."""
        return self.log_y - self.law.log_curve(self.theta, self.log_x)[0]

    @cached_property
    def cost(self) -> float:
        return float(cost_of(self.residuals, self.weights, self.thresholds, self.lean))

    @property
    def freedom(self) -> int:
        """Degrees of freedom left to the residuals."""
        return self.points - int(self.free.sum())

    @cached_property
    def standing(self) -> np.ndarray:
        """(point,) 0, 1, ...: points of equal sizes share a number."""
        return np.unique(self.log_x, axis=1, return_inverse=True)[1].ravel()

    @cached_property
    def place(self) -> np.ndarray | None:
        """(point,) `standing`; None where to fit points of equal sizes as one spares little, or changes the fit: of few
        points, of sizes that hardly repeat, by a loss that is not of squares."""
        if self.points <= SCOUTS or self.delta is not None or self.quantile is not None:
            return None
        return self.standing if 2 * (self.standing.max() + 1) <= self.points else None

    @cached_property
    def sigma(self) -> float:
        """Standard deviation of log y around the law, degrees of freedom taken off."""
        return float(np.sqrt(self.cost / self.freedom)) if self.freedom > 0 else np.nan

    @cached_property
    def aic(self) -> float:
        """Akaike information (1974) of log y; the error's scale counts as a parameter. Of runs that err together, the
        quasi-likelihood's (Lebreton et al. 1992, doi:10.2307/2937171)."""
        scales = 1 if self.quantile is None else 2          # a cost of squares, or of absolute errors
        fitted = scales * self.points * np.log(max(self.cost, 1e-300) / self.points)
        return fitted / self.inflation + 2 * (int(self.free.sum()) + 1)

    @cached_property
    def aicc(self) -> float:
        """Small-sample Akaike information."""
        return self.aic + of_small_samples(int(self.free.sum()) + 1, self.observations or self.points)

    @cached_property
    def at_bound(self) -> np.ndarray:
        """(parameter,) True where the data push a parameter against its bound."""
        margin = 1e-7 * np.minimum(np.maximum(1.0, np.abs(self.theta)), self.high - self.low)    # floors as small as y
        return self.free & ((self.theta <= self.low + margin) | (self.theta >= self.high - margin))

    @cached_property
    def thresholds(self) -> np.ndarray | None:
        """(point,) residuals from which Huber's loss is straight."""
        return None if self.delta is None else self.delta / np.sqrt(self.weights)

    @cached_property
    def lean(self) -> np.ndarray | float:
        """(point,) by how much a quantile leans to its side; 0 for the middle."""
        return 0.0 if self.quantile is None else (2 * self.quantile - 1) * self.thresholds

    @cached_property
    def pull(self) -> np.ndarray:
        """(point,) residuals as they pull on the fit: Huber's loss lets none pull more than its threshold."""
        near = self.residuals if self.delta is None else np.clip(self.residuals, -self.thresholds, self.thresholds)
        return near + self.lean

    @cached_property
    def stiffness(self) -> np.ndarray:
        """(point,) by how much a pull gives way to a residual: 1, or for Huber's loss the slope of the pull over a
        kernel's width, since the share of residuals within a small threshold is too few to count."""
        if self.delta is None:
            return np.ones(self.points)
        size = np.sqrt(self.weights) * self.residuals
        share = WIDTH if self.quantile is None else WIDTH_AT_QUANTILE
        width = max(share * 1.4826 * float(np.median(np.abs(size))) * self.points**-0.2, 1e-12)
        low, high = np.clip(size + np.array([[-1.0], [1.0]]) * width, -self.delta, self.delta)
        return (high - low) / (2 * width)

    @cached_property
    def as_seen(self) -> np.ndarray:
        """(point,) log y with residuals that pull on a least-squares fit as these pull on this one: pseudo-values
        (Huber 1981, Robust Statistics, section 7.10)."""
        return self.log_y - self.residuals + self.pull / max(float(self.stiffness.mean()), 1e-12)

    @cached_property
    def bread(self) -> np.ndarray:
        """(parameter, parameter) inverse curvature of the loss; zero rows for parameters held or at a bound."""
        slopes = self.law.form(self.theta[None], self.log_x[:, None, :])[1][0]
        inner = self.free & ~self.at_bound
        normal = (slopes[inner] * self.weights * self.stiffness) @ slopes[inner].T
        full = np.zeros((len(self.theta),) * 2)
        scale = np.sqrt(np.maximum(np.diag(normal), 1e-300))
        inverse = np.linalg.pinv(normal / scale / scale[:, None], rcond=1e-10, hermitian=True)
        full[np.ix_(inner, inner)] = inverse / scale / scale[:, None]
        np.fill_diagonal(full, np.maximum(np.diag(full), 0.0))
        return full

    @cached_property
    def covariance(self) -> np.ndarray:
        """(parameter, parameter) of theta, from lmfit's curvature; zero rows for parameters held or at a bound.

        The variance of the pulls over their mean stiffness (Huber 1981, Robust Statistics, section 7.6), which is 1 for
        squares: at a quantile few residuals are near enough to give way, and pulls alone would tell a third of it.
        """
        return self.bread * (float(self.weights @ self.pull**2) / max(self.freedom, 1) / max(
            float(self.stiffness.mean()), 1e-12)) if self.freedom > 0 else np.full_like(self.bread, np.nan)

    def predict(self, *x: np.ndarray) -> np.ndarray:
        """y at sizes x, one array a size."""
        return np.exp(self.law.log_curve(self.theta, log_sizes(x))[0])


def of_small_samples(k: int, n: int) -> float:
    """What the information of k parameters told by n observations has besides Akaike's (Hurvich and Tsai 1989)."""
    return np.inf if n <= k + 1 else 2 * k * (k + 1) / (n - k - 1)


def log_sizes(x: tuple[np.ndarray, ...]) -> np.ndarray:
    """(size, point) logarithms of sizes that must be positive."""
    sizes = np.array(np.broadcast_arrays(*(np.atleast_1d(np.asarray(size, dtype=float)) for size in x)))
    if not (np.isfinite(sizes).all() and (sizes > 0).all()):
        raise UserError("a size is not a positive number", field="x", remedy="Sizes are counts: above 0")
    return np.log(sizes)


def bounds(law: Law, log_x: np.ndarray, log_y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(parameter,) low and high in the form's coordinates: the law's own, else what the data leave open."""
    least, most = log_y.min(), log_y.max()
    data = {"E": (0.0, np.exp(most)), "a": (0.0, np.exp(most)), "L0": (least, most + np.log(100.0))}
    data["g"] = (-log_x[0].max() - 12.0, -log_x[0].min() + 2.0)
    data |= {name: (log_x[0].min(), log_x[0].max()) for name in ("d1", "d2")}
    low, high = np.full(len(law.parameters), -250.0), np.full(len(law.parameters), 250.0)
    for i, parameter in enumerate(law.parameters):
        if parameter.name in data and not (parameter.name == "a" and parameter.log):
            low[i], high[i] = data[parameter.name]
        if parameter.low is not None and parameter.name != "E":
            low[i] = np.log(parameter.low) if parameter.log else parameter.low
        if parameter.high is not None:
            high[i] = np.log(parameter.high) if parameter.log else parameter.high
    return low, high


def fit_law(
    law: Law | str, *x: np.ndarray, y: np.ndarray, weights: np.ndarray | None = None, loss: str = "squared",
    delta: float | None = None, given: dict[str, float] | None = None, starts: int = 10, polish: bool = True,
) -> Fit:
    """Fit `law` to y (point,) > 0 at sizes x, one (point,) array a size of the law.

    weights: relative, by recency or inverse variance of log y. loss: "squared" or "huber", on logs, beyond `delta`,
    which otherwise follows from the residuals' median absolute deviation. given: natural values of parameters that are
    known, e.g. {"L0": 1.0} for random guessing. polish: end with lmfit; False leaves the minimum as found, which is the
    same to about six digits and ten times faster. Raises UserError when the arrays do
    not fit together or hold values that have no logarithm.
    """
    law = LAWS[law] if isinstance(law, str) else law
    log_x, log_y = log_sizes(x), np.log(positive(y))
    if log_x.shape != (len(law.sizes), len(log_y)):
        raise UserError(f"{law.name} needs {len(law.sizes)} size(s) of {len(log_y)} points each", field="x")
    weights = np.ones_like(log_y) if weights is None else np.asarray(weights, float) / np.mean(weights)
    low, high = bounds(law, log_x, log_y)
    free = np.ones(len(low), dtype=bool)
    for name, value in (given or {}).items():
        place = law.names.index(name)
        free[place] = False
        low[place] = high[place] = np.log(value) if law.parameters[place].log else value
    fit = search(Fit(law, low, log_x, log_y, weights, low, high, free, None), starts)
    fit = with_huber(fit, delta) if loss == "huber" else fit
    return with_lmfit(fit) if polish else fit


def refit_some(fit: Fit, rows: np.ndarray) -> Fit:
    """The law fitted by squares to some of the fit's points, rows (point,) True; what was given to it stays."""
    return fit_law(fit.law, *np.exp(fit.log_x[:, rows]), y=np.exp(fit.log_y[rows]), starts=5, polish=False,
                   weights=fit.weights[rows], given={name: fit.values[name] for name, free in zip(
                       fit.law.names, fit.free, strict=True) if not free})


def with_huber(fit: Fit, delta: float | None = None) -> Fit:
    """The fit again with Huber's loss; its threshold is given or follows from the residuals' median absolute deviation.

    With a threshold far below the residuals the loss has kinks of its own: it is approached from above, each fit
    starting at the last one.
    """
    slack = np.sqrt(fit.points / max(1, fit.freedom))
    scale = 1.4826 * slack * float(np.median(np.abs(np.sqrt(fit.weights) * fit.residuals)))
    usual = max(HUBER * scale, 1e-6)
    again = replace(fit, minimizer=None, result=None)
    for threshold in [usual] if delta is None else np.geomspace(max(usual, delta), delta, 4):
        again = descend(replace(again, delta=float(threshold)), again.theta[None], ROBUST_STEPS, ROBUST)[0]
    return again if delta is None else descend(again, again.theta[None], steps=500, tolerance=1e-12)[0]


def at_quantile(fit: Fit, quantile: float) -> Fit:
    """The law below which the share `quantile` of the runs lies, (log y less the law) at any size: the middle's fit
    lowered, then refitted with thresholds that fall until the loss is nearly that of absolute errors."""
    start = with_huber(fit)
    size = np.abs(np.sqrt(fit.weights) * (start.residuals - np.quantile(start.residuals, quantile)))
    scale = max(float(np.median(size)), 1e-9)
    again = replace(start, quantile=quantile)
    for share in SMOOTHED:
        again = descend(replace(again, delta=share * scale), again.theta[None], ROBUST_STEPS, ROBUST)[0]
    return again


def positive(y: np.ndarray) -> np.ndarray:
    y = np.asarray(y, dtype=float)
    if y.ndim != 1 or not len(y) or not (np.isfinite(y).all() and (y > 0).all()):
        raise UserError("y holds a value that is not a positive number", field="y",
                        remedy="Give a loss or an error rate above 0; turn a score into 1 - score")
    return y


def search(fit: Fit, starts: int) -> Fit:
    """The best of several local minima, from the best grid point of each block."""
    few = scouts(fit)
    theta, block = start.grid(few.law, few.log_x, few.log_y, few.weights)
    theta = np.where(fit.free, np.clip(theta, fit.low, fit.high), fit.low)
    cost = (few.weights * (few.log_y - few.law.log_curve(theta, few.log_x)) ** 2).sum(axis=1)
    rough = theta[start.best_of_blocks(np.where(np.isfinite(cost), cost, np.inf), block, starts)]
    _, near = descend(few, rough, steps=15, tolerance=1e-4)
    best, found = descend(fit, near[:KEPT])
    return replace(best, minima=found[1:])


def scouts(fit: Fit) -> Fit:
    """The same problem on SCOUTS of its points, the same ones each time; all where there are no more."""
    if fit.points <= SCOUTS:
        return fit
    few = np.random.default_rng(fit.points).choice(fit.points, SCOUTS, replace=False)
    return replace(fit, log_x=fit.log_x[:, few], log_y=fit.log_y[few], weights=fit.weights[few])


def descend(fit: Fit, starts: np.ndarray, steps: int = 150, tolerance: float = 1e-9) -> tuple[Fit, np.ndarray]:
    """The same problem at the lowest minimum reached from `starts` (start, parameter), and all of them, best first."""
    log_x, log_y, weights, within = gathered(fit.log_x[:, None, :], fit.log_y[None], fit.weights[None], fit.place)
    found, cost = minimise(fit.law, starts, log_x, log_y, fit.low, fit.high, weights=weights, within=within,
                           delta=fit.thresholds, lean=fit.lean, free=fit.free[None], steps=steps,
                           tolerance=tolerance)
    found = found[np.argsort(cost, kind="stable")]
    return replace(fit, theta=found[0]), found


def with_lmfit(fit: Fit) -> Fit:
    """The fit as lmfit's least squares has it, started at the minimum found; kept where lmfit does not improve it."""
    names = [f"log_{parameter.name}" if parameter.log else parameter.name for parameter in fit.law.parameters]
    parameters = lmfit.Parameters()
    for name, value, low, high, free in zip(names, fit.theta, fit.low, fit.high, fit.free, strict=True):
        parameters.add(name, value=value, min=low if low < high else -np.inf, max=high, vary=bool(free and low < high))
    root, log_x = np.sqrt(fit.weights), fit.log_x[:, None, :]
    varied = [name for name in names if parameters[name].vary]

    def point(given):
        return np.array([[given[name].value for name in names]])

    def residual(given):
        return root * (fit.law.form(point(given), log_x)[0][0] - fit.log_y)

    def slopes(given):
        rows = fit.law.form(point(given), log_x)[1][0]
        return (root * rows[[names.index(name) for name in varied]]).T

    options = {} if fit.delta is None else {"loss": "huber", "f_scale": fit.delta}
    minimizer = lmfit.Minimizer(residual, parameters, nan_policy="propagate", max_nfev=LMFIT_STEPS, **options)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)     # lmfit takes roots of a singular covariance
        result = minimizer.minimize(method="least_squares", Dfun=slopes)
    polished = replace(fit, theta=point(result.params)[0], minimizer=minimizer, result=result)
    return polished if polished.cost < fit.cost * (1 - 1e-9) else replace(fit, minimizer=minimizer, result=result)


def diagnostics(fit: Fit) -> dict[str, float | None]:
    """How the residuals of log y look: size, normality, trend of their spread, correlation of neighbours in size."""
    residual = fit.residuals
    out = {"rmse_log": float(np.sqrt(np.mean(residual**2))), "sigma_log": finite(fit.sigma),
           "r2_log": 1 - float(np.mean(residual**2) / max(np.var(fit.log_y), 1e-300))}
    if len(residual) < 8 or np.ptp(residual) < 1e-12:
        return out
    order = np.argsort(fit.log_x[0], kind="stable")
    ordered = residual[order]
    out["normality_p"] = float(stats.shapiro(residual).pvalue)
    out["spread_trend"], out["spread_trend_p"] = map(float, stats.spearmanr(fit.log_x[0], np.abs(residual)))
    out["neighbour_correlation"] = float(np.corrcoef(ordered[:-1], ordered[1:])[0, 1])
    out["largest_standardised"] = float(np.max(np.abs(residual)) / fit.sigma) if fit.freedom > 0 else None
    return out


def finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def information_weights(fits: list[Fit], corrected: bool = True) -> np.ndarray:
    """Akaike weights across forms fitted to the same points (Burnham and Anderson 2002, section 2.9): AICc or AIC."""
    criterion = np.array([fit.aicc if corrected else fit.aic for fit in fits])
    if not np.isfinite(criterion).any():
        return np.full(len(fits), 1 / len(fits))
    likelihood = np.exp(-0.5 * (criterion - criterion[np.isfinite(criterion)].min()))
    return likelihood / likelihood.sum()
