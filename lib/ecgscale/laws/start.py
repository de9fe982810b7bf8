"""Where fits start: grids over the nonlinear parameters with the linear ones solved exactly (variable projection).

At fixed exponents most laws are linear with non-negative coefficients. Those are solved for the whole grid at once by
least squares of relative errors, which is least squares of logs to first order (Golub and Pereyra 1973, doi:
10.1137/0710036). The best grid point of each block, a block being one value of the coordinate that makes local minima,
goes on to `solve.minimise`, which minimises the errors of logs themselves.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from ecgscale.laws.forms import Law

EXPONENTS = np.array([0.01, 0.03, 0.06, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0, 1.5, 2.5])
FLOORS = np.array([0.0, 0.3, 0.6, 0.8, 0.9, 0.97])      # of a law with two breaks, in units of the least y
BREAK_PLACES, SHARPNESS = 13, np.array([0.1, 0.5, 1.5])
RIDGE = 1e-6            # keeps slopes that the points cannot tell apart small
TINY = 1e-300


def nonnegative(columns: np.ndarray, target: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Least squares with coefficients >= 0 for a grid of problems, exact: (grid, k).

    columns (grid, k, point), k <= 3; target and weights (point,) or (grid, point).

    The optimum is the ordinary solution on its own support, so the best feasible one over all supports is
    it. Equals scipy.optimize.nnls.
    """
    k = columns.shape[1]
    scale = np.sqrt(np.maximum((columns**2).mean(axis=2), TINY))
    unit = columns / scale[:, :, None]
    weights, target = (part[:, None, :] if part.ndim == 2 else part for part in (weights, target))
    weighted = unit * weights
    matrix = weighted @ unit.transpose(0, 2, 1)
    right = (weighted * target).sum(axis=2)
    best = np.zeros((len(columns), k))
    gain = np.zeros(len(columns))
    for count in range(1, k + 1):
        for support in combinations(range(k), count):
            chosen = list(support)
            part = matrix[:, chosen][:, :, chosen] + 1e-13 * np.eye(count)
            solution = np.linalg.solve(part, right[:, chosen, None])[:, :, 0]
            value = (solution * right[:, chosen]).sum(axis=1)
            better = (solution >= 0).all(axis=1) & (value > gain)
            rows = np.flatnonzero(better)
            best[rows] = 0.0
            best[rows[:, None], chosen] = solution[rows]
            gain[rows] = value[rows]
    return best / scale


def mesh(*axes: np.ndarray) -> list[np.ndarray]:
    """Every combination of the axes' values, one flat array an axis; the first axis varies slowest."""
    return [axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")]


def log_of(value: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(value, 1e-80))


def grid(law: Law, log_x: np.ndarray, log_y: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """theta (grid, parameter) and the block of each row. log_x (size, point); log_y, weights (point,)."""
    theta, block = GRIDS[law.name](log_x, log_y, weights)
    keep = np.isfinite(theta).all(axis=1)
    return theta[keep], block[keep]


def constant(log_x, log_y, weights):
    return np.exp(np.average(log_y, weights=weights)).reshape(1, 1), np.zeros(1)


def power(log_x, log_y, weights):
    """Exact: a straight line in logs."""
    c, log_b = np.polyfit(log_x[0], log_y, 1, w=np.sqrt(weights)) if np.ptp(log_x[0]) > 0 else (0.0, log_y.mean())
    return np.array([[log_b, -c]]), np.zeros(1)


def linear(basis: np.ndarray, log_y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Non-negative coefficients of (1, basis...) in y, by relative errors. basis (grid, k, point) -> (grid, 1 + k)."""
    whole = np.concatenate([np.ones_like(basis[:, :1]), basis], axis=1)
    return nonnegative(whole * np.exp(-log_y), np.ones_like(log_y), weights)


def floor(log_x, log_y, weights):
    c = np.geomspace(0.01, 4.0, 60)
    u = log_x[0]
    middle = u.mean()
    solved = linear(np.exp(-c[:, None] * (u - middle))[:, None, :], log_y, weights)
    theta = np.column_stack([solved[:, 0], log_of(solved[:, 1]) + c * middle, c])
    return theta, np.arange(len(c)) // 6


def shifted(log_x, log_y, weights):
    """At fixed g a straight line in log(1 / x + g)."""
    u = log_x[0]
    log_g = np.append(-u.max() - 12.0, np.linspace(-u.max() - 4.0, -u.min() + 1.0, 30))
    size = np.logaddexp(-u, log_g[:, None])
    centred = size - np.average(size, axis=1, weights=weights)[:, None]
    c = (weights * centred * log_y).sum(axis=1) / np.maximum((weights * centred**2).sum(axis=1), TINY)
    log_b = np.average(log_y - c[:, None] * size, axis=1, weights=weights)
    return np.column_stack([log_b, log_g, c]), np.arange(len(c)) // 6


def joint(log_x, log_y, weights):
    alpha, beta = mesh(EXPONENTS, EXPONENTS)
    n, d = (size - size.mean() for size in log_x)
    basis = np.stack([np.exp(-alpha[:, None] * n), np.exp(-beta[:, None] * d)], axis=1)
    solved = linear(basis, log_y, weights)
    theta = np.column_stack([
        solved[:, 0], log_of(solved[:, 1]) + alpha * log_x[0].mean(), alpha,
        log_of(solved[:, 2]) + beta * log_x[1].mean(), beta,
    ])
    return theta, np.searchsorted(EXPONENTS, alpha) // 2 * 10 + np.searchsorted(EXPONENTS, beta) // 2


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


def saturating(log_x, log_y, weights):
    """At fixed E, L0 and alpha the law is a straight line in log x: its slope and height are solved."""
    u, y = log_x[0], np.exp(log_y)
    low, high = y.min(), y.max()
    share, above, alpha = mesh(np.array([0.0, 0.3, 0.6, 0.8, 0.9, 0.97, 0.995]),
                               np.array([0.01, 0.05, 0.2, 1.0, 5.0]), np.array([0.1, 0.3, 0.6, 1.0, 1.6, 2.5]))
    E = share * low
    L0 = high + above * (high - low + 1e-6 * high)
    over, under = y - E[:, None], L0[:, None] - y
    left = np.log(over) - alpha[:, None] * np.log(under)
    slope = y * (1 / over + alpha[:, None] / under)         # d left / d log y
    w = weights / slope**2
    total = w.sum(axis=1)
    mean_u, mean_left = (w * u).sum(axis=1) / total, (w * left).sum(axis=1) / total
    centred = u - mean_u[:, None]
    c = -(w * centred * left).sum(axis=1) / np.maximum((w * centred**2).sum(axis=1), TINY)
    theta = np.column_stack([E, np.log(L0), alpha, mean_left + c * mean_u, c])
    return theta, np.searchsorted(np.array([0.3, 1.0, 2.0]), alpha) * 10 + np.searchsorted(np.array([0.5, 0.85]), share)


def multi_epoch(log_x, log_y, weights):
    """At fixed E, L0 and exponents, h = (y - E) / (L0 - y) is linear in a, b, c >= 0."""
    y = np.exp(log_y)
    low, high = y.min(), y.max()
    few = np.array([0.1, 0.3, 0.6, 1.2])
    share, above, alpha, beta, gamma, delta = mesh(
        np.array([0.0, 0.5, 0.8, 0.95]), np.array([0.05, 0.5, 3.0]), few, few, np.array([0.1, 0.5]),
        np.array([0.3, 1.0]))
    E, L0 = share * low, high + above * (high - low + 1e-6 * high)
    h = (y - E[:, None]) / (L0[:, None] - y)
    rate = (L0 - E)[:, None] / ((1 + h) ** 2 * y) * h       # d log y / d log h
    n, d, t = (size - size.mean() for size in log_x)
    basis = np.stack([np.exp(-alpha[:, None] * n), np.exp(-beta[:, None] * t),
                      np.exp(gamma[:, None] * n - delta[:, None] * d)], axis=1)
    solved = nonnegative(basis / h[:, None, :], np.ones_like(h), weights * rate**2)
    at_n, at_d, at_t = (size.mean() for size in log_x)
    theta = np.column_stack([
        E, np.log(L0), log_of(solved[:, 0]) + alpha * at_n, alpha, log_of(solved[:, 1]) + beta * at_t, beta,
        log_of(solved[:, 2]) - gamma * at_n + delta * at_d, gamma, delta,
    ])
    return theta, np.unique(np.column_stack([share, alpha, beta]), axis=0, return_inverse=True)[1]


GRIDS = {name: globals()[name] for name in
         ("constant", "power", "floor", "shifted", "saturating", "broken1", "broken2", "joint", "multi_epoch")}


def best_of_blocks(cost: np.ndarray, block: np.ndarray, count: int) -> np.ndarray:
    """Rows of the lowest cost in each block, the `count` best blocks first."""
    order = np.argsort(cost, kind="stable")
    _, first = np.unique(block[order], return_index=True)
    return order[np.sort(first)[:count]]
