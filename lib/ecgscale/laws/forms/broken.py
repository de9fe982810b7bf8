"""y = a + b x^(-c0) prod_i (1 + (x / d_i)^(1 / f_i))^(-c_i f_i). Caballero et al. 2023, arXiv:2210.14891
(checked in the authors' code for one break). With one break and with two.
"""

from __future__ import annotations

from itertools import combinations
from math import exp, log

import numpy as np

from ecgscale.laws.forms.law import COEFFICIENT, E_FLOOR, MOST, TINY, Law, Parameter, bend
from ecgscale.laws.start import best_of_blocks, linear, log_of, mesh
from ecgscale.machine.compiled import compiled

FLOORS = np.array([0.0, 0.3, 0.6, 0.8, 0.9, 0.97])      # with two breaks, in units of the least y
BREAK_PLACES, SHARPNESS = 13, np.array([0.1, 0.5, 1.5])
RIDGE = 1e-6            # keeps slopes that the points cannot tell apart small


@compiled
def broken(theta, log_x, curve, slopes, breaks):
    a, log_b, c0 = theta[0], theta[1], theta[2]
    for j in range(len(log_x)):
        curve[j] = log_b - c0 * log_x[j, 0]
        slopes[j, 1], slopes[j, 2] = 1.0, -log_x[j, 0]
    for i in range(3, 3 + 3 * breaks, 3):
        c, log_d, f = theta[i], theta[i + 1], exp(theta[i + 2])
        for j in range(len(log_x)):
            z = (log_x[j, 0] - log_d) / f
            height, rate = bend(z)
            curve[j] -= c * f * height
            slopes[j, i], slopes[j, i + 1], slopes[j, i + 2] = -f * height, c * rate, -c * f * (height - z * rate)
    for j in range(len(log_x)):
        part = exp(min(curve[j], MOST))
        y = max(a + part, TINY)
        curve[j], slopes[j, 0] = log(y), 1.0 / y
        for i in range(1, 3 + 3 * breaks):
            slopes[j, i] *= part / y


@compiled
def one_break(theta, log_x, curve, slopes):
    broken(theta, log_x, curve, slopes, 1)


@compiled
def two_breaks(theta, log_x, curve, slopes):
    broken(theta, log_x, curve, slopes, 2)


def bent(u: np.ndarray, c: np.ndarray, log_d: np.ndarray, f: np.ndarray) -> np.ndarray:
    """log of one break's factor, (grid, point)."""
    return -(c * f)[:, None] * np.logaddexp(0.0, (u - log_d[:, None]) / f[:, None])


def broken1(log_x, log_y, weights):
    u = log_x[0]
    places = np.linspace(u.min(), u.max(), 9)[1:-1]
    d, c0, c1, f = mesh(places, np.array([-0.05, 0.0, 0.05, 0.15, 0.3, 0.6]),
                        np.array([-0.3, -0.1, 0.05, 0.15, 0.4, 0.8, 1.5]), np.array([0.1, 0.5, 1.5]))
    log_basis = -c0[:, None] * u + bent(u, c1, d, f)
    middle = log_basis.mean(axis=1)
    solved = linear(np.exp(log_basis - middle[:, None])[:, None, :], log_y, weights)
    theta = np.column_stack([solved[:, 0], log_of(solved[:, 1]) - middle, c0, c1, d, np.log(f)])
    return theta, np.searchsorted(places, d)


def broken2(log_x, log_y, weights):
    """At fixed floor, places and sharpness of the breaks, log(y - a) is linear in log b and all slopes. One Gram matrix
    of every break that may be holds the least squares of every pair of them; each pair of places is a block."""
    u, y = log_x[0] - log_x[0].mean(), np.exp(log_y)
    d, f = mesh(np.linspace(u.min(), u.max(), BREAK_PLACES + 2)[1:-1], SHARPNESS)
    basis = np.vstack([np.ones_like(u), -u, -f[:, None] * np.logaddexp(0.0, (u - d[:, None]) / f[:, None])])
    pair = np.array([(i, j) for i, j in combinations(range(len(d)), 2) if d[i] < d[j]])
    columns = np.column_stack([np.broadcast_to([0, 1], pair.shape), pair + 2])
    block = np.unique(d[pair], axis=0, return_inverse=True)[1].ravel()
    found, blocks = [], []
    for a in FLOORS * y.min():
        w, target = weights * (1 - a / y) ** 2, np.log(y - a)
        matrix, right = (basis * w) @ basis.T, (basis @ (w * target))[columns]
        ridge = RIDGE * w.sum() * np.eye(4)
        solved = np.linalg.solve(matrix[columns[:, :, None], columns[:, None, :]] + ridge, right[:, :, None])[:, :, 0]
        best = best_of_blocks(-(solved * right).sum(axis=1), block, len(block))
        blocks.append(block[best])
        (log_b, c0, c1, c2), (first, second) = solved[best].T, pair[best].T
        found.append(np.column_stack([
            np.full(len(best), a), log_b + c0 * log_x[0].mean(), c0, c1, d[first] + log_x[0].mean(), np.log(f[first]),
            c2, d[second] + log_x[0].mean(), np.log(f[second])]))
    return np.concatenate(found), np.concatenate(blocks)


def breaks(count: int) -> tuple[Parameter, ...]:
    """c_i change of slope, d_i place (within the data's range), f_i sharpness (0.02: a corner, 5: no break at all)."""
    return tuple(
        parameter
        for i in range(1, count + 1)
        for parameter in (Parameter(f"c{i}", low=-5.0, high=5.0), Parameter(f"d{i}", log=True),
                          Parameter(f"f{i}", log=True, low=0.02, high=5.0))
    )


LAWS = (
    Law(
        "broken1", one_break, broken1,
        (E_FLOOR("a"), COEFFICIENT("b"), Parameter("c0", low=-5.0, high=5.0), *breaks(1)), ("c0", "c1"),
        "y = a + b x^-c0 (1 + (x/d1)^(1/f1))^(-c1 f1)", "Caballero et al. 2023, arXiv:2210.14891",
        simpler="floor",
        truth={"a": 0.02, "b": 1.5, "c0": 0.05, "c1": 0.4, "d1": 3e5, "f1": 0.3},
        priors={"c0": (0.28, 0.25), "c1": (0.25, 0.45), "f1": (-1.1, 0.7)}),
    Law(
        "broken2", two_breaks, broken2,
        (E_FLOOR("a"), COEFFICIENT("b"), Parameter("c0", low=-5.0, high=5.0), *breaks(2)), ("c0", "c1", "c2"),
        "y = a + b x^-c0 prod_i (1 + (x/d_i)^(1/f_i))^(-c_i f_i)", "Caballero et al. 2023, arXiv:2210.14891",
        simpler="broken1",
        truth={"a": 0.02, "b": 1.5, "c0": 0.05, "c1": 0.6, "d1": 1e5, "f1": 0.3, "c2": -0.5, "d2": 5e6,
               "f2": 0.3}))
