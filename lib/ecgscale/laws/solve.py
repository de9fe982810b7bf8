"""Many weighted least-squares fits of one law side by side: a projected Levenberg-Marquardt method in numpy.

lmfit fits one problem well; a bootstrap needs a thousand, a profile some hundred, and a multi-start a dozen. Here all
replicates advance together. tests/lib/laws/test_solve.py checks the minima against lmfit's, replicate by replicate.
"""

from __future__ import annotations

import numpy as np

from ecgscale.laws.forms import Law

CHUNK = 16_384        # points x replicates that are worked on at a time: keeps the arrays in the processor's cache


def huber_weights(residual: np.ndarray, delta: float | None) -> np.ndarray | float:
    """Weights by which squared residuals have the gradient of Huber's loss (1 up to delta, then delta / |r|)."""
    return 1.0 if delta is None else np.minimum(1.0, delta / np.maximum(np.abs(residual), 1e-300))


def cost_of(residual: np.ndarray, weights: np.ndarray, delta: float | None) -> np.ndarray:
    """Sum over points of weights times r^2, or Huber's 2 delta |r| - delta^2 beyond delta. (replicate,)"""
    size = np.abs(residual)
    squared = residual**2 if delta is None else np.where(size <= delta, size**2, 2 * delta * size - delta**2)
    return (weights * squared).sum(axis=-1)


def minimise(
    law: Law, theta: np.ndarray, log_x: np.ndarray, log_y: np.ndarray, low: np.ndarray, high: np.ndarray, *,
    weights: np.ndarray | float = 1.0, delta: float | None = None, free: np.ndarray | bool = True,
    steps: int = 60, tolerance: float = 1e-9,
) -> tuple[np.ndarray, np.ndarray]:
    """Fit every replicate; give theta (replicate, parameter) and cost (replicate,).

    theta (replicate, parameter) starts; log_x (size, replicate or 1, point); log_y, weights (replicate or 1, point);
    low, high (parameter,); free (replicate or 1, parameter): False holds a parameter at its start. A replicate ends
    when a step lowers its cost by less than `tolerance` of it.
    """
    count, size = theta.shape
    points = log_x.shape[-1]
    theta = np.clip(theta, low, high)
    best, cost = np.empty_like(theta), np.empty(count)
    spread = {"log_y": log_y, "weights": np.broadcast_to(weights, (1, points)) if np.ndim(weights) == 0 else weights,
              "free": np.broadcast_to(free, (1, size)) if np.ndim(free) == 0 else free}
    step = max(1, CHUNK // points)
    for start in range(0, count, step):
        part = slice(start, start + step)
        mine = {name: value[part] if value.shape[0] == count else value for name, value in spread.items()}
        sizes = log_x[:, part] if log_x.shape[1] == count else log_x
        best[part], cost[part] = advance(law, theta[part], sizes, low, high, delta=delta, steps=steps,
                                         tolerance=tolerance, **mine)
    return best, cost


def advance(law, theta, log_x, low, high, *, log_y, weights, delta, free, steps, tolerance):
    """Levenberg-Marquardt steps of one chunk until every replicate has converged or `steps` are used up."""
    count, size = theta.shape
    best, cost = theta.copy(), np.full(count, np.inf)
    alive = np.arange(count)
    damping = np.full(count, 1e-3)
    eye = np.eye(size, dtype=bool)

    def rows(value, where):
        return value[where] if value.shape[0] == count else value

    def evaluate(where, point):
        sizes = log_x[:, where] if log_x.shape[1] == count else log_x
        curve, slopes = law.form(point, sizes)
        residual = rows(log_y, where) - curve
        mine = rows(weights, where)
        scaled = slopes * (mine * huber_weights(residual, delta))[:, None, :]
        with np.errstate(over="ignore", invalid="ignore"):
            normal = scaled @ slopes.transpose(0, 2, 1)
        gradient = (scaled @ residual[:, :, None])[:, :, 0]
        value = cost_of(residual, mine, delta)
        return np.where(np.isfinite(value), value, np.inf), normal, gradient

    cost, normal, gradient = evaluate(alive, theta)
    settled = np.zeros(count, dtype=int)
    for _ in range(steps):
        if not alive.size:
            break
        at, slope = best[alive], gradient[alive]
        move = rows(free, alive) & ~((at <= low) & (slope < 0)) & ~((at >= high) & (slope > 0))
        matrix = np.where(move[:, :, None] & move[:, None, :], normal[alive], 0.0)
        diagonal = np.einsum("rii->ri", matrix)
        lift = damping[alive, None] * diagonal + 1e-14 * (1.0 + diagonal)
        matrix = matrix + np.where(eye, np.where(move, lift, 1.0)[:, :, None], 0.0)
        change = np.linalg.solve(matrix, np.where(move, slope, 0.0)[:, :, None])[:, :, 0]
        trial = np.clip(at + change, low, high)
        value, next_normal, next_gradient = evaluate(alive, trial)
        better = value < cost[alive]
        drop = cost[alive] - value
        won, lost = alive[better], alive[~better]
        small = better & (drop <= tolerance * cost[alive])
        best[won], cost[won] = trial[better], value[better]
        normal[won], gradient[won] = next_normal[better], next_gradient[better]
        damping[won] = np.maximum(damping[won] * 0.1, 1e-12)
        damping[lost] *= 8.0
        settled[alive] = np.where(small, settled[alive] + 1, np.where(better, 0, settled[alive]))
        still = np.abs(trial - at).max(axis=1) <= 1e-10 * (1.0 + np.abs(at).max(axis=1))
        alive = alive[~((settled[alive] >= 2) | (damping[alive] > 1e10) | still)]
    return best, cost
