"""Profile-likelihood intervals: how far a parameter or a prediction can be moved before the law no longer follows.

A quantity (a parameter, or log y at a size) is moved away from its estimate while the rest is refitted; with equal
noise its interval ends where F = (cost / least cost - 1) (n - p) reaches the F quantile with (1, n - p) degrees of
freedom, as in lmfit.conf_interval, whose ends tests/lib/laws/test_uncertainty.py compares (Venzon and Moolgavkar
1988). It needs no symmetry and holds at bounds, where percentiles of the bootstrap fail: laws/coverage.py counts both.

Noise is rarely equal: its size changes along a size, and runs of one configuration share some. F is therefore divided
by the ratio of a variance of the quantity that takes each cluster's residuals as they are to that of equal noise
(Chandler and Bate 2007, doi:10.1093/biomet/asm015), residuals freed of their own pull on the fit by a power of
1 - leverage between HC2's and HC3's, and has the degrees of freedom of that variance (Bell and McCaffrey 2002). Huber's
loss has a profile like the squared one; curvature and variance of its pulls take the place of the residuals'
(Schrader and Hettmansperger 1980, doi:10.1093/biomet/67.1.93). With equal noise that costs a tenth of the width.

A law with breaks may follow the runs nearly as well at several minima: each is left in its own way, and the interval
holds them all.
Where the runs hardly show a second break, its place is searched, which lowers the least cost beyond what F expects of
one more parameter (Davies 1987, doi:10.1093/biomet/74.1.33): predictions of a law with several breaks are held to half
the tail, with which they hold the truth in 85-95 % whether the runs show the break or not
(docs/explanation/coverage.md).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import special, stats
from scipy.optimize import brentq

from ecgscale.laws.fit import Fit
from ecgscale.laws.solve import cost_of, gathered, minimise
from ecgscale.laws.spread import spread_of
from ecgscale.laws.uncertainty import LEVEL, cluster_numbers, fitted_directions, without_own_pull

ROUNDS = 8
FIRST = np.array([0.5, 1.0, 1.6, 4.0])      # distances tried first, in units of what curvature expects of the interval
FARTHER = np.array([1.8, 6.0])              # and where these lie inside, in units of the last of them
CLOSE = 0.05            # of an interval's half: when its end is known well enough
TOLERANCE = 1e-3        # of one unit of chi square: when a refit is close enough to its minimum
STEPS = 30              # of a refit; the next round goes on where it stopped
APART = 0.05            # of sigma, root mean square: from which curves belong to different minima
RESIDUALS_FROM = 30     # degrees of freedom from which a new run's deviation is read from the residuals themselves
SEARCHED = 0.5          # share of the tail that predictions of a law with several breaks are held to
FREED = 0.75            # power of 1 - leverage that squared residuals are freed by, twice: 0.5 is HC2, 1 HC3
EXACT = 1e-6            # rise of the cost that is allowed where a law follows the runs exactly
PULL = 100              # how much stronger a held prediction is pulled than the data hold it


@dataclass(frozen=True)
class Profile:
    """Ends of intervals: theta (parameter, 2) in the form's coordinates; curve (point, 2) log y at `log_at`."""

    fit: Fit
    theta: np.ndarray
    log_at: np.ndarray           # (size, point)
    curve: np.ndarray
    level: float

    def parameters(self) -> dict[str, tuple[float, float]]:
        """Natural (low, high) by name of the free parameters; infinite (or the bound) on a side that never ends."""
        natural = np.array([self.fit.law.natural(end) for end in self.theta.T])
        return {name: (float(natural[0, i]), float(natural[1, i]))
                for i, name in enumerate(self.fit.law.names) if self.fit.free[i]}

    def new_run(self) -> np.ndarray:
        """(point, 2) log y of a new run: the curve's half widths and a run's own deviation, added in quadrature."""
        center = self.fit.law.log_curve(self.fit.theta, self.log_at)[0][:, None]
        return center + np.array([-1, 1]) * np.hypot(self.curve - center, self.own_deviation())

    def own_deviation(self) -> np.ndarray:
        """(point, 2) ends of a run's own deviation from the law.

        It is that of the runs, brought to the size predicted at by how their spread changes along the sizes
        (`spread_of`), and wider by what is not known of that. Weibull's quantiles, the k-th of n at k / (n + 1), leave
        out as much of new draws as they say at any n; numpy's own leave out 13 % instead of 10 % at 60 runs.
        """
        freedom, tail = self.fit.freedom, (1 - self.level) / 2
        residuals = spare_residuals(self.fit)
        spread = spread_of(self.fit.log_x, residuals)
        alike = residuals / spread.deviation(self.fit.log_x)
        doubt, normal = spread.doubt(self.log_at), special.stdtrit(np.inf, 1 - tail)
        if freedom >= RESIDUALS_FROM or self.fit.quantile is not None:
            ends = np.quantile(alike, [tail, 1 - tail], method="weibull")
            own = ends * (blurred_quantiles(np.inf, doubt, tail) / normal)[:, None]
        else:
            own = np.sqrt(np.mean(alike**2)) * blurred_quantiles(freedom, doubt, tail)[:, None] * np.array([-1.0, 1.0])
        return own * spread.deviation(self.log_at)[:, None]


def spare_residuals(fit: Fit) -> np.ndarray:
    """(point,) residuals over the root of 1 - leverage: of equal variance where the noise is (HC2)."""
    root = np.sqrt(fit.weights)
    return without_own_pull(fitted_directions(fit), fit.residuals * root, np.arange(fit.points), 0.5) / root


def blurred_quantiles(freedom: float, doubt: np.ndarray, tail: float) -> np.ndarray:
    """(point,) upper quantiles of Student's t times a factor known up to the normal error `doubt` of its logarithm."""
    nodes, shares = np.polynomial.hermite_e.hermegauss(9)
    shares = shares / shares.sum()

    def end(doubt: float) -> float:
        return brentq(lambda q: shares @ special.stdtr(freedom, -q * np.exp(-doubt * nodes)) - tail, 1e-3, 1e4)

    return np.array([end(one) for one in np.minimum(doubt, 2.0)])


@dataclass
class Side:
    """One end on its way: distances tried, in ascending order from the estimate on, with costs and parameters."""

    place: int                   # of the parameter; or -1 - (place of the predicted point)
    sign: float
    estimate: float
    far: float                   # largest distance there is
    unit: float                  # distance at which curvature expects the end
    allowed: float               # F at the end, over the degrees of freedom
    tangent: np.ndarray          # (parameter,) that moves with the quantity, a unit of distance
    distance: np.ndarray         # (tried,)
    cost: np.ndarray
    theta: np.ndarray            # (tried, parameter)
    least: float                 # cost of the fit

    def __post_init__(self):
        self.settle()

    def learn(self, distance: np.ndarray, cost: np.ndarray, theta: np.ndarray, own: slice) -> None:
        """Keep the refits made for this side, `own`, and of those made for others what lies beyond its last inside."""
        use = (distance > self.distance[self.inside]) & (cost < self.lowest * (1.0 + self.allowed))
        use[own] = True
        use &= (distance > 0) & (distance <= self.far)
        if use.any():
            distance = np.concatenate([self.distance, distance[use]])
            order = np.argsort(distance, kind="stable")
            self.distance = distance[order]
            self.cost = np.concatenate([self.cost, cost[use]])[order]
            self.theta = np.concatenate([self.theta, theta[use]])[order]
            self.settle()

    def settle(self) -> None:
        """lowest: the least cost known, since a refit may come below the fit's; root (tried,): nearly straight in the
        distance, 0 at the least cost, 1 at the interval's end; inside: place of the last distance inside it."""
        self.lowest = max(min(self.least, float(self.cost.min())), 1e-300)
        with np.errstate(over="ignore"):        # of a law that follows the runs exactly
            self.root = np.sqrt(np.maximum(self.cost / self.lowest - 1.0, 0.0) / self.allowed)
        self.inside = int(np.flatnonzero(self.root < 1.0)[-1])

    def propose(self) -> np.ndarray:
        """Distances to try next: between the last inside and the first outside, or farther away."""
        if len(self.distance) == 1:
            return np.unique(np.minimum(FIRST * self.unit, self.far))
        i, root = self.inside, self.root
        if i + 1 == len(root):
            stuck = self.distance[i] >= self.far
            return np.array([]) if stuck else np.unique(np.minimum(FARTHER * self.distance[i], self.far))
        a, b = self.distance[i : i + 2]
        if b - a < CLOSE * b:
            return np.array([])
        share = np.clip((1 - root[i]) / (root[i + 1] - root[i]), 0.05, 0.95) if np.isfinite(root[i + 1]) else 0.5
        return a + (b - a) * np.unique([max(share - 0.03, 0.03), min(share + 0.03, 0.97)])

    def start(self, distance: float) -> np.ndarray:
        """(parameter,) between the refits on both sides of the distance, or beyond the last along its direction."""
        j = int(np.searchsorted(self.distance, distance))
        if len(self.distance) == 1:
            return self.theta[0] + distance * self.tangent
        if j == len(self.distance):
            return self.theta[0] + min(distance / self.distance[-1], 2.0) * (self.theta[-1] - self.theta[0])
        share = (distance - self.distance[j - 1]) / (self.distance[j] - self.distance[j - 1])
        return self.theta[j - 1] + share * (self.theta[j] - self.theta[j - 1])

    def end(self) -> float:
        i, root = self.inside, self.root
        if i + 1 == len(root):
            return self.estimate + self.sign * (self.far if self.distance[i] >= self.far else np.inf)
        if not np.isfinite(root[i + 1]):
            return self.estimate + self.sign * float(self.distance[i + 1])
        return self.estimate + self.sign * float(np.interp(1.0, root[i : i + 2], self.distance[i : i + 2]))


def profile(fit: Fit, log_at: np.ndarray | None = None, clusters: np.ndarray | None = None,
            level: float = LEVEL, equal_noise: bool = False) -> Profile | None:
    """Intervals of the free parameters and of log y at sizes log_at (size, point); clusters (point,) numbers.

    equal_noise: hold to the plain F instead, as lmfit.conf_interval does. None without a degree of freedom.
    """
    clusters = cluster_numbers(fit.points, None) if clusters is None else clusters
    freedom = int(clusters.max()) + 1 - int(fit.free.sum())
    log_at = fit.log_x[:, :0] if log_at is None else log_at
    if freedom < 1:
        return None
    parameters = int(fit.free.sum())
    quantities = gradients(fit, log_at)
    tail = (1 - level) * np.where((np.arange(len(quantities)) >= parameters) & fit.law.several_breaks, SEARCHED, 1.0)
    allowed = (stats.f.ppf(1 - tail, 1, freedom) / fit.freedom if equal_noise
               else allowances(fit, quantities, clusters, tail))       # (quantity,)
    sides, quantity = [], []
    for basin in basins(fit, allowed.max()):
        slopes = gradients(basin, log_at)
        for i in np.flatnonzero(basin.cost <= fit.cost * (1 + allowed)):
            sides += both(basin, log_at, i, slopes[i], allowed[i], fit.cost)
            quantity.append(i)
    for _ in range(ROUNDS):
        tried = [side.propose() for side in sides]
        if not sum(map(len, tried)):
            break
        last = np.cumsum([len(distances) for distances in tried])
        theta, cost = refit(fit, log_at, sides, tried)
        curves = fit.law.log_curve(theta, log_at)
        for side, distances, stop in zip(sides, tried, last, strict=True):
            value = theta[:, side.place] if side.place >= 0 else curves[:, -1 - side.place]
            side.learn(side.sign * (value - side.estimate), cost, theta, slice(stop - len(distances), stop))
    found = np.array([side.end() for side in sides]).reshape(-1, 2)
    ends = np.repeat([[np.inf, -np.inf]], len(quantities), axis=0)
    np.minimum.at(ends[:, 0], quantity, found[:, 0])
    np.maximum.at(ends[:, 1], quantity, found[:, 1])
    whole = np.repeat(fit.theta[:, None], 2, axis=1)
    free = np.flatnonzero(fit.free)
    whole[free] = ends[:parameters]
    return Profile(fit, whole, log_at, ends[parameters:], level)


def basins(fit: Fit, limit: float) -> list[Fit]:
    """The fit, and at each other local minimum that follows the runs nearly as well: intervals hold all of them."""
    found = [fit]
    for theta in fit.minima if fit.minima is not None else ():
        other = replace(fit, theta=theta)
        apart = min(np.mean((other.residuals - one.residuals) ** 2) for one in found)
        if other.cost < fit.cost * (1 + limit) and apart > (APART * fit.sigma) ** 2:
            found.append(other)
    return found


def gradients(fit: Fit, log_at: np.ndarray) -> np.ndarray:
    """(quantity, parameter) of the free parameters, then of the predictions."""
    return np.concatenate([np.eye(len(fit.theta))[fit.free],
                           fit.law.form(fit.theta[None], log_at[:, None, :])[1][0].T])


def allowances(fit: Fit, gradients: np.ndarray, clusters: np.ndarray, tail: np.ndarray) -> np.ndarray:
    """(quantity,) by how much the cost may rise, as a share of it, before a quantity's interval ends."""
    least = np.einsum("qi,ij,qj->q", gradients, fit.bread, gradients)
    known = least > 0                       # not of a parameter at its bound: its noise is taken for that of the others
    if not known.any():
        return np.full(len(tail), np.inf)
    rises = [np.full(len(tail), EXACT)]
    for counted in (clusters, *fit.crossed):
        relative, own = robust_variance(fit, gradients[known] / np.sqrt(least[known])[:, None], counted)
        noise, freedom = np.repeat([[np.median(relative)], [np.median(own)]], len(tail), axis=1)
        noise[known], freedom[known] = relative, own
        rises.append(stats.f.ppf(1 - tail, 1, freedom) * noise / max(fit.cost, 1e-300))
    return np.max(rises, axis=0)


def robust_variance(fit: Fit, gradients: np.ndarray, clusters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(quantity,) variances that take each cluster's residuals as they are, and their degrees of freedom."""
    basis, root = fitted_directions(fit), np.sqrt(fit.weights)
    slopes = fit.law.form(fit.theta[None], fit.log_x[:, None, :])[1][0]
    lever = without_own_pull(basis, gradients @ fit.bread @ slopes * root, clusters, FREED)        # (quantity, point)
    by_cluster = np.array([np.bincount(clusters, weights=row) for row in lever * root * fit.pull])
    return (by_cluster**2).sum(axis=1), satterthwaite(basis, lever, clusters)


def satterthwaite(basis: np.ndarray, lever: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """(quantity,) degrees of freedom of the robust variance, those of a chi square of its mean and variance under
    equal noise (Bell and McCaffrey 2002)."""
    out = []
    for row in lever / np.maximum(np.linalg.norm(lever, axis=1, keepdims=True), 1e-300):
        square = np.bincount(clusters, weights=row**2)
        seen = np.array([np.bincount(clusters, weights=part, minlength=len(square)) for part in basis * row])
        # trace and squared norm of diag(square) - seen' seen, which is never made: a run has a row and a column in it
        own = (seen**2).sum(axis=0)
        norm = (square**2 - 2 * square * own).sum() + ((seen @ seen.T) ** 2).sum()
        out.append((square - own).sum() ** 2 / max(norm, 1e-300))
    return np.maximum(out, 1.0)


def both(fit: Fit, log_at: np.ndarray, index: int, gradient: np.ndarray, allowed: float,
         least: float) -> list[Side]:
    """The lower and the upper side of the index-th quantity, from a minimum `fit`; least: cost of the lowest one."""
    free = np.flatnonzero(fit.free)
    parameter = index < len(free)
    place = int(free[index]) if parameter else -1 - (index - len(free))
    estimate = (fit.theta[place] if parameter
                else float(fit.law.log_curve(fit.theta, log_at[:, [index - len(free)]])[0, 0]))
    far = (estimate - fit.low[place], fit.high[place] - estimate) if parameter else (50.0, 50.0)
    variance = max(gradient @ fit.bread @ gradient, 0.0)
    unit, tangent = np.sqrt(variance * allowed * fit.cost), fit.bread @ gradient / max(variance, 1e-300)
    if unit < 1e-12:
        unit, tangent = 0.1 * max(abs(estimate), 0.1), np.zeros_like(fit.theta)
    return [Side(place, sign, float(estimate), float(reach), float(unit), float(allowed), sign * tangent, np.zeros(1),
                 np.array([fit.cost]), fit.theta[None], least)
            for sign, reach in zip((-1.0, 1.0), far, strict=True)]


def refit(fit: Fit, log_at: np.ndarray, sides: list[Side], tried: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """theta (refit, parameter) and cost (refit,) with every side's quantity at the distances tried.

    A parameter is held. A prediction is pulled: one more point, at the size predicted and with a large weight, gives
    the least cost at whatever value the curve takes there.
    """
    rows = [(side, distance) for side, distances in zip(sides, tried, strict=True) for distance in distances]
    theta = np.array([side.start(distance) for side, distance in rows])
    value = np.array([side.estimate + side.sign * distance for side, distance in rows])
    place = np.array([side.place for side, _ in rows])
    free = np.repeat(fit.free[None], len(rows), axis=0)
    held, pulled = np.flatnonzero(place >= 0), np.flatnonzero(place < 0)
    theta[held, place[held]], free[held, place[held]] = value[held], False
    points = gathered(fit.log_x[:, None, :], fit.log_y[None], fit.weights[None], fit.place)
    log_x, log_y, weights, within = points
    delta, lean = fit.thresholds, fit.lean
    if len(pulled):
        delta = None if delta is None else np.append(delta, 1e6)
        lean = lean if np.ndim(lean) == 0 else np.append(lean, 0.0)
        gradient = fit.law.form(fit.theta[None], log_at[:, None, :])[1][0].T
        hold = np.einsum("qi,ij,qj->q", gradient, fit.bread, gradient)
        extra_x, (extra_y, pull) = np.repeat(log_x[:, 0, :1], len(rows), axis=1), np.zeros((2, len(rows)))
        at = -1 - place[pulled]
        extra_x[:, pulled], extra_y[pulled] = log_at[:, at], value[pulled]
        pull[pulled] = PULL / np.maximum(hold[at], 1e-6)
        log_x, log_y, weights = (
            np.concatenate([np.repeat(part, len(rows), axis=-2), extra[..., None]], axis=-1)
            for part, extra in ((log_x, extra_x), (log_y, extra_y), (weights, pull)))
    theta, _ = minimise(fit.law, theta, log_x, log_y, fit.low, fit.high, weights=weights, delta=delta,
                        lean=lean, free=free, within=within, steps=STEPS, tolerance=TOLERANCE / fit.points)
    with np.errstate(over="ignore"):
        log_x, log_y, weights, within = points
        cost = within + cost_of(log_y - fit.law.log_curve(theta, log_x[:, 0]), weights, fit.thresholds, fit.lean)
    return theta, np.where(np.isfinite(cost), cost, np.inf)
