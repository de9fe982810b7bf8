"""A law with what it misses: predictions beyond the runs that lean on the nearest of them.

A law that is a little wrong is wrong alike at neighbouring sizes. So log y = law(x) + miss(x) + noise, with a Gaussian
process of log sizes for the miss (universal kriging, Matheron 1969; the discrepancy of Kennedy and O'Hagan 2001,
doi:10.1111/1467-9868.00294). Wide priors on the law's parameters let a handful of runs say something. The noise, the
size of the miss and its reach are averaged over a grid by their evidence (Laplace's approximation). The law as it is
and the law below a ceiling (ceiling.py) count alike, whatever their evidence: that comes from the runs that are there,
most of them small, and equal weights foretell better than weights so found (Bates and Granger 1969,
doi:10.1057/jors.1969.103).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
from scipy.linalg import cholesky, solve_triangular
from scipy.linalg.lapack import dposv, dtrtrs
from scipy.special import ndtri, softmax

from ecgscale.errors import UserError
from ecgscale.laws.ceiling import Ceiling
from ecgscale.laws.fit import bounds, log_sizes, positive
from ecgscale.laws.forms import LAWS, Law
from ecgscale.laws.solve import minimise
from ecgscale.laws.uncertainty import LEVEL

EXPONENTS = {"alpha": (0.4, 0.25), "beta": (0.4, 0.25), "c": (0.3, 0.3), "gamma": (0.4, 0.3), "delta": (0.6, 0.4)}
NOISE = (0.003, 0.01, 0.03, 0.1)            # standard deviation of log y
MISS = (0.0, 0.003, 0.01, 0.03, 0.1)        # that of the law's miss
REACH = (1.0, 2.5, 6.0)                     # of a miss, in log sizes: it is alike within a factor of 3, 12, 400
SHARPNESS = (2.0, 4.0, 8.0)                 # of the bend to a ceiling
CEILING = (0.3, 0.5)                        # its prior: how far above the worst run's log y, and the width
USUAL, SPREAD = 0.01, 1.5                   # the priors of noise and miss: their middle, and its width in logs
STARTS, STEPS = 16, 30
MOST = 600          # runs: the time grows with their third power
HALF_WIDTH = float(ndtri((1 + LEVEL) / 2))      # of an interval, in standard deviations
COUNTED = 1e-3      # weight below which a point of the grid is left out


@dataclass(frozen=True)
class Member:
    """One law (bent or not), noise, miss and reach, and the law's parameters there. root (run, run): lower Cholesky
    factor of the runs' covariance; residual (run,) and slopes (run, parameter): divided by it; spread: covariance of
    the parameters."""

    law: Law | Ceiling
    noise: float
    miss: float
    reach: float
    theta: np.ndarray
    root: np.ndarray
    residual: np.ndarray
    slopes: np.ndarray
    spread: np.ndarray
    evidence: float

    @property
    def bent(self) -> bool:
        return isinstance(self.law, Ceiling)


@dataclass(frozen=True)
class Kriged:
    """A law fitted with its miss. log_x (size, run), centred by `centre` (size, 1); weights (member,)."""

    law: Law
    centre: np.ndarray
    log_x: np.ndarray
    members: tuple[Member, ...]
    weights: np.ndarray

    @cached_property
    def noise(self) -> float:
        """Standard deviation of log y of runs of one size."""
        return float(np.sqrt(self.weights @ [one.noise**2 for one in self.members]))

    def log_predict(self, log_at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean (place,) and covariance (place, place) of log y without noise at log sizes (size, place)."""
        told = [self.of_member(one, log_at - self.centre) for one in self.members]
        means, spreads = (np.array(part) for part in zip(*told, strict=True))
        mean = self.weights @ means
        apart = means - mean
        return mean, np.tensordot(self.weights, spreads, 1) + (apart.T * self.weights) @ apart

    def of_member(self, one: Member, log_at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        curve, slopes = (part[0] for part in one.law.form(one.theta[None], log_at[:, None]))
        shared = solve_triangular(one.root, covariance(self.log_x, log_at, one.miss, one.reach), lower=True)
        left = slopes.T - shared.T @ one.slopes
        return curve + shared.T @ one.residual, (
            left @ one.spread @ left.T + covariance(log_at, log_at, one.miss, one.reach) - shared.T @ shared)

    def predict(self, *x: np.ndarray) -> dict[str, np.ndarray]:
        """y (place,) at sizes x with the interval of the law there (y_low, y_high) and of a new run (run_low,
        run_high), at LEVEL."""
        mean, spread = self.log_predict(log_sizes(x))
        told = {"y": np.exp(mean)}
        for name, variance in (("y", np.diag(spread)), ("run", np.diag(spread) + self.noise**2)):
            reach = HALF_WIDTH * np.sqrt(np.maximum(variance, 0.0))
            told |= {f"{name}_low": np.exp(mean - reach), f"{name}_high": np.exp(mean + reach)}
        return told


def krige(law: Law | str, *x: np.ndarray, y: np.ndarray, noisier: np.ndarray | None = None) -> Kriged:
    """Fit `law` and its miss to y (run,) > 0 at sizes x, one (run,) array a size of the law.

    noisier (run,): how many times as large as that of the others each run's noise is; default: all alike. Raises
    UserError for values without a logarithm, for laws with breaks, and for more than MOST runs.
    """
    law = LAWS[law] if isinstance(law, str) else law
    log_x, log_y = log_sizes(x), np.log(positive(y))
    if "d1" in law.names or "g" in law.names or not law.exponents:
        raise UserError(f"the law {law.name} cannot be kriged", field="law", remedy="Choose power, floor, joint, ...")
    if len(log_y) > MOST:
        raise UserError(f"{len(log_y)} runs are more than {MOST}", field="runs",
                        remedy="Leave out the runs that are farthest from where you ask")
    centre = log_x.mean(axis=1, keepdims=True)
    at = log_x - centre
    starts = [unbent(law, at, log_y)]
    if "L0" not in law.names:
        starts += [bent(starts[0], sharpness, at, log_y) for sharpness in SHARPNESS]
    own = np.eye(len(log_y)) if noisier is None else np.diag(noisier**2)
    members = []
    for miss, reach in product(MISS, REACH):
        if miss == 0 and reach != REACH[0]:
            continue
        alike = covariance(at, at, miss, reach)
        for noise in NOISE:
            root = cholesky(noise**2 * own + alike, lower=True)
            for start in starts:
                members.append(settle(start, at, log_y, root, noise, miss, reach))
                start.theta = members[-1].theta
    weights, under = np.array([one.evidence for one in members]), np.array([one.bent for one in members])
    for kind in np.unique(under):
        weights[under == kind] = softmax(weights[under == kind]) / len(np.unique(under))
    kept = np.flatnonzero(weights >= COUNTED)
    return Kriged(law, centre, at, tuple(members[place] for place in kept), weights[kept] / weights[kept].sum())


@dataclass
class Start:
    """A law with the bounds and the prior (centre and width, parameter) of its parameters, and where the search begins:
    at the parameters of the member before."""

    law: Law | Ceiling
    low: np.ndarray
    high: np.ndarray
    prior: np.ndarray
    theta: np.ndarray


def unbent(law: Law, log_x: np.ndarray, log_y: np.ndarray) -> Start:
    """The law as it is: from the best fit without a miss."""
    low, high = bounds(law, log_x, log_y)
    prior = priors(law, log_y)
    draws = prior[0] + prior[1] * np.random.default_rng(0).standard_normal((STARTS, len(low)))
    found, cost = minimise(law, np.clip(draws, low, high), log_x[:, None], log_y[None], low, high,
                           priors=np.array([prior[0], USUAL / prior[1]]), tolerance=1e-5)
    return Start(law, low, high, prior, found[np.argmin(cost)])


def bent(plain: Start, sharpness: float, log_x: np.ndarray, log_y: np.ndarray) -> Start:
    """The same law below a ceiling, from the plain law's parameters."""
    law, (level, width) = Ceiling(plain.law, sharpness), ceiling_prior(log_y)
    return Start(law, *bounds(law, log_x, log_y), np.column_stack([plain.prior, (level, width)]),
                 np.append(plain.theta, level))


def ceiling_prior(log_y: np.ndarray) -> tuple[float, float]:
    """Centre and width of the log of L0."""
    return log_y.max() + CEILING[0], CEILING[1]


def priors(law: Law, log_y: np.ndarray) -> np.ndarray:
    """(2, parameter) centres and widths in the form's coordinates, sizes being centred: an exponent's as in published
    laws, a floor within the best y, a coefficient so that its part of y is about a third of it, or e times that."""
    best, usual = np.exp(log_y.min()), np.median(log_y)
    found = []
    for parameter in law.parameters:
        if parameter.name in EXPONENTS and not parameter.log:    # the c of multi_epoch is a coefficient
            found.append(EXPONENTS[parameter.name])
        elif parameter.name == "E":
            found.append((0.5 * best, 0.4 * best))
        elif parameter.name == "L0":
            found.append(ceiling_prior(log_y))
        else:       # of a law between E and L0 a coefficient is a share of what lies between them
            found.append((-1.0 if "L0" in law.names else usual - 1.0, 2.0))
    return np.array(found, float).T


def covariance(a: np.ndarray, b: np.ndarray, miss: float, reach: float) -> np.ndarray:
    """(place, place) of the miss between log sizes (size, place): Matern's with one derivative (nu = 3/2)."""
    if miss == 0:
        return np.zeros((a.shape[1], b.shape[1]))
    apart = np.sqrt(3 * ((a[:, :, None] - b[:, None, :]) ** 2).sum(axis=0)) / reach
    return miss**2 * (1 + apart) * np.exp(-apart)


def settle(start: Start, log_x: np.ndarray, log_y: np.ndarray, root: np.ndarray, noise: float, miss: float,
           reach: float) -> Member:
    """The law's parameters with this noise and miss: Levenberg and Marquardt's steps on residuals freed of the miss."""
    law, low, high, theta, (centre, width) = start.law, start.low, start.high, start.theta, start.prior
    points, at, held = log_x[:, None], np.arange(len(theta)), width**-2.0

    def looked_at(theta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        curve, slopes = (part[0] for part in law.form(theta[None], points))
        both = dtrtrs(root, np.vstack([log_y - curve, slopes]).T, lower=1)[0]
        apart = theta - centre
        return both[:, 0] @ both[:, 0] + apart**2 @ held, both[:, 0], both[:, 1:]

    cost, residual, slopes = looked_at(theta)
    damping = 1e-3
    for _ in range(STEPS):
        normal = slopes.T @ slopes
        normal[at, at] += held
        gradient = slopes.T @ residual + (centre - theta) * held
        normal[at, at] *= 1 + damping
        step = dposv(normal, gradient)[1]       # LAPACK itself: numpy's and scipy's checks take longer than it does
        tried = np.minimum(np.maximum(theta + step, low), high)
        next_cost, next_residual, next_slopes = looked_at(tried)
        if not next_cost < cost:
            damping *= 10
            continue
        gained, damping = cost - next_cost, damping / 10
        theta, cost, residual, slopes = tried, next_cost, next_residual, next_slopes
        if gained < 1e-3:
            break
    normal = slopes.T @ slopes + np.diag(held)
    unlikely = (np.log(noise / USUAL) / SPREAD) ** 2 + (
        1.0 if miss == 0 else (np.log(miss / USUAL) / SPREAD) ** 2) - 2 * np.log(1 / len(REACH)) * (miss > 0)
    evidence = -0.5 * (cost + unlikely + np.linalg.slogdet(normal)[1]) - np.log(np.diag(root)).sum()
    return Member(law, noise, miss, reach, theta, root, residual, slopes, np.linalg.inv(normal), float(evidence))
