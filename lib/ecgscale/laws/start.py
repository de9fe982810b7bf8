"""Where fits start: grids over the nonlinear parameters with the linear ones solved exactly (variable projection).

At fixed exponents most laws are linear with non-negative coefficients. Those are solved for the whole grid at once by
least squares of relative errors, which is least squares of logs to first order (Golub and Pereyra 1973, doi:
10.1137/0710036). The best grid point of each block, a block being one value of the coordinate that makes local minima,
goes on to `solve.minimise`, which minimises the errors of logs themselves.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ecgscale.laws.forms import Law

EXPONENTS = np.array([0.01, 0.03, 0.06, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0, 1.5, 2.5])
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
    theta, block = law.grid(log_x, log_y, weights)
    keep = np.isfinite(theta).all(axis=1)
    return theta[keep], block[keep]


def linear(basis: np.ndarray, log_y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Non-negative coefficients of (1, basis...) in y, by relative errors. basis (grid, k, point) -> (grid, 1 + k)."""
    whole = np.concatenate([np.ones_like(basis[:, :1]), basis], axis=1)
    return nonnegative(whole * np.exp(-log_y), np.ones_like(log_y), weights)


def best_of_blocks(cost: np.ndarray, block: np.ndarray, count: int) -> np.ndarray:
    """Rows of the lowest cost in each block, the `count` best blocks first."""
    order = np.argsort(cost, kind="stable")
    _, first = np.unique(block[order], return_index=True)
    return order[np.sort(first)[:count]]
