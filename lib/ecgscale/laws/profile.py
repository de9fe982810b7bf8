"""Profile-likelihood intervals: how far a parameter or a prediction can be moved before the law no longer follows.

A quantity (a parameter, or log y at a size) is moved away from its estimate while the rest is refitted; its interval
ends where F = (cost / least cost - 1) (n - p) reaches the F quantile with (1, n - p) degrees of freedom, as in
lmfit.conf_interval, whose ends tests/lib/laws/test_uncertainty.py compares (Venzon and Moolgavkar 1988). It needs no
symmetry and holds at bounds, where percentiles of the bootstrap fail: laws/coverage.py counts both. A law with breaks
may follow the runs nearly as well at several minima: each is left in its own way, and the interval holds them all.
Where the runs hardly show a second break, its place is searched, which lowers the least cost beyond what F expects of
one more parameter (Davies 1987, doi:10.1093/biomet/74.1.33): predictions of a law with several breaks are held to half
the tail, with which they hold the truth in 85-95 % whether the runs show the break or not
(docs/explanation/coverage.md).
Where runs come in clusters, F is divided by the ratio of the cluster-robust variance to the ordinary one (Chandler and
Bate 2007, doi:10.1093/biomet/asm015), never below 1, and the degrees of freedom are those of the clusters.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from ecgscale.laws.fit import Fit
from ecgscale.laws.solve import minimise
from ecgscale.laws.uncertainty import LEVEL, cluster_numbers, freed_residuals

ROUNDS = 8
FIRST = np.array([0.5, 1.0, 1.6, 4.0])      # distances tried first, in units of what curvature expects of the interval
FARTHER = np.array([1.8, 6.0])              # and where these lie inside, in units of the last of them
CLOSE = 0.05            # of an interval's half: when its end is known well enough
TOLERANCE = 1e-3        # of one unit of chi square: when a refit is close enough to its minimum
STEPS = 30              # of a refit; the next round goes on where it stopped
APART = 0.05            # of sigma, root mean square: from which curves belong to different minima
RESIDUALS_FROM = 30     # degrees of freedom from which a new run's deviation is read from the residuals themselves
SEARCHED = 0.5          # share of the tail that predictions of a law with several breaks are held to
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
        """(point, 2) log y of a new run: the curve's half widths and a run's own deviation, added in quadrature.

        Weibull's quantiles, the k-th of n at k / (n + 1), leave out as much of new draws as they say at any n; numpy's
        own leave out 13 % of new draws instead of 10 % at 60 runs.
        """
        freedom, tail = self.fit.freedom, (1 - self.level) / 2
        if freedom >= RESIDUALS_FROM:
            own = np.quantile(self.fit.residuals, [tail, 1 - tail], method="weibull")
            own *= np.sqrt(self.fit.points / freedom)
        else:
            own = self.fit.sigma * stats.t.ppf([tail, 1 - tail], freedom)
        center = self.fit.law.log_curve(self.fit.theta, self.log_at)[0][:, None]
        return center + np.array([-1, 1]) * np.hypot(self.curve - center, own)


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

    def learn(self, distance: np.ndarray, cost: np.ndarray, theta: np.ndarray, own: np.ndarray) -> None:
        """Keep the refits made for this side, and of those made for others what lies beyond its last inside."""
        i, _ = self.bracket()
        beyond = (distance > self.distance[i]) & (cost < self.lowest() * (1.0 + self.allowed))
        use = (distance > 0) & (distance <= self.far) & (own | beyond)
        order = np.argsort(np.append(self.distance, distance[use]), kind="stable")
        self.distance = np.append(self.distance, distance[use])[order]
        self.cost = np.append(self.cost, cost[use])[order]
        self.theta = np.concatenate([self.theta, theta[use]])[order]

    def root(self) -> np.ndarray:
        """(tried,) nearly straight in the distance: 0 at the least cost, 1 at the interval's end."""
        return np.sqrt(np.maximum(self.cost / self.lowest() - 1.0, 0.0) / self.allowed)

    def lowest(self) -> float:
        """The least cost known: a refit may come below the fit's."""
        return max(min(self.least, self.cost.min()), 1e-300)

    def bracket(self) -> tuple[int, np.ndarray]:
        """Place of the last distance inside the interval, and root()."""
        root = self.root()
        return int(np.flatnonzero(root < 1.0)[-1]), root

    def propose(self) -> np.ndarray:
        """Distances to try next: between the last inside and the first outside, or farther away."""
        if len(self.distance) == 1:
            return np.unique(np.minimum(FIRST * self.unit, self.far))
        i, root = self.bracket()
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
        i, root = self.bracket()
        if i + 1 == len(root):
            return self.estimate + self.sign * (self.far if self.distance[i] >= self.far else np.inf)
        if not np.isfinite(root[i + 1]):
            return self.estimate + self.sign * float(self.distance[i + 1])
        return self.estimate + self.sign * float(np.interp(1.0, root[i : i + 2], self.distance[i : i + 2]))


def profile(fit: Fit, log_at: np.ndarray | None = None, clusters: np.ndarray | None = None,
            level: float = LEVEL) -> Profile | None:
    """Intervals of the free parameters and of log y at sizes log_at (size, point); clusters (point,) numbers.

    None without a degree of freedom, and for Huber's loss, which has no likelihood to profile.
    """
    clusters = cluster_numbers(fit.points, None) if clusters is None else clusters
    freedom = int(clusters.max()) + 1 - int(fit.free.sum())
    log_at = fit.log_x[:, :0] if log_at is None else log_at
    if freedom < 1 or fit.delta is not None:
        return None
    parameters = int(fit.free.sum())
    inflation = inflations(fit, gradients(fit, log_at), clusters)
    tail = (1 - level) * np.where((np.arange(len(inflation)) >= parameters) & fit.law.several_breaks, SEARCHED, 1.0)
    allowed = inflation * stats.f.ppf(1 - tail, 1, freedom) / fit.freedom      # (quantity,)
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
        owner = np.repeat(np.arange(len(sides)), [len(distances) for distances in tried])
        theta, cost = refit(fit, log_at, sides, tried)
        for number, side in enumerate(sides):
            value = theta[:, side.place] if side.place >= 0 else fit.law.log_curve(
                theta, log_at[:, [-1 - side.place]])[:, 0]
            side.learn(side.sign * (value - side.estimate), cost, theta, owner == number)
    found = np.array([side.end() for side in sides]).reshape(-1, 2)
    ends = np.repeat([[np.inf, -np.inf]], len(inflation), axis=0)
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


def inflations(fit: Fit, gradients: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """(quantity,) cluster-robust variance over the ordinary one, at least 1."""
    if clusters.max() + 1 == fit.points:
        return np.ones(len(gradients))
    slopes = fit.law.form(fit.theta[None], fit.log_x[:, None, :])[1][0]
    score = slopes * fit.weights * freed_residuals(fit, clusters)
    by_cluster = np.array([np.bincount(clusters, weights=row) for row in score])
    plain = fit.covariance
    bread = plain / max(fit.sigma**2, 1e-300)
    robust = bread @ by_cluster @ by_cluster.T @ bread
    ordinary = np.einsum("qi,ij,qj->q", gradients, plain, gradients)
    inflation = np.einsum("qi,ij,qj->q", gradients, robust, gradients) / np.maximum(ordinary, 1e-300)
    return np.maximum(inflation, 1.0)


def both(fit: Fit, log_at: np.ndarray, index: int, gradient: np.ndarray, allowed: float,
         least: float) -> list[Side]:
    """The lower and the upper side of the index-th quantity, from a minimum `fit`; least: cost of the lowest one."""
    free = np.flatnonzero(fit.free)
    parameter = index < len(free)
    place = int(free[index]) if parameter else -1 - (index - len(free))
    estimate = (fit.theta[place] if parameter
                else float(fit.law.log_curve(fit.theta, log_at[:, [index - len(free)]])[0, 0]))
    far = (estimate - fit.low[place], fit.high[place] - estimate) if parameter else (50.0, 50.0)
    variance = max(gradient @ fit.covariance @ gradient, 0.0)
    unit, tangent = np.sqrt(variance * allowed * fit.freedom), fit.covariance @ gradient / max(variance, 1e-300)
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
    log_x, log_y, weights = fit.log_x[:, None, :], fit.log_y[None], fit.weights[None]
    if len(pulled):
        gradient = fit.law.form(fit.theta[None], log_at[:, None, :])[1][0].T
        hold = np.einsum("qi,ij,qj->q", gradient, fit.covariance, gradient) / max(fit.sigma**2, 1e-300)
        extra_x, (extra_y, pull) = np.repeat(fit.log_x[:, :1], len(rows), axis=1), np.zeros((2, len(rows)))
        at = -1 - place[pulled]
        extra_x[:, pulled], extra_y[pulled] = log_at[:, at], value[pulled]
        pull[pulled] = PULL / np.maximum(hold[at], 1e-6)
        log_x, log_y, weights = (
            np.concatenate([np.repeat(part, len(rows), axis=-2), extra[..., None]], axis=-1)
            for part, extra in ((log_x, extra_x), (log_y, extra_y), (weights, pull)))
    theta, _ = minimise(fit.law, theta, log_x, log_y, fit.low, fit.high, weights=weights, free=free, steps=STEPS,
                        tolerance=TOLERANCE / fit.points)
    with np.errstate(over="ignore"):
        cost = (fit.weights * (fit.log_y - fit.law.log_curve(theta, fit.log_x)) ** 2).sum(axis=1)
    return theta, np.where(np.isfinite(cost), cost, np.inf)
