"""Many weighted least-squares fits of one law side by side: a projected Levenberg-Marquardt method in numpy.

lmfit fits one problem well; a bootstrap needs a thousand, a profile some hundred, and a multi-start a dozen. Here all
replicates advance together. tests/lib/laws/test_fit.py checks the minima against lmfit's, replicate by replicate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ecgscale.laws.forms import Law

TRUSTED = 1e-3       # damping up to which a step's expected gain is believed
CHUNK = 32768        # points x replicates that are evaluated at a time: keeps the arrays in the processor's cache


def huber_weights(residual: np.ndarray, delta: np.ndarray | float | None) -> np.ndarray | float:
    """Weights by which squared residuals have the gradient of Huber's loss (1 up to delta, then delta / |r|)."""
    return 1.0 if delta is None else np.minimum(1.0, delta / np.maximum(np.abs(residual), 1e-300))


def tilt(residual: np.ndarray, quantile: float | None) -> np.ndarray | float:
    """What errors above and below count so that the share `quantile` of the points ends below the law (2 q above,
    2 (1 - q) below: Koenker and Bassett 1978, on Huber's loss: Breckling and Chambers 1988)."""
    return 1.0 if quantile is None else 2 * np.where(residual > 0, quantile, 1 - quantile)


def cost_of(residual: np.ndarray, weights: np.ndarray, delta: np.ndarray | float | None,
            quantile: float | None = None) -> np.ndarray:
    """Sum over points of weights times r^2, or Huber's 2 delta |r| - delta^2 beyond delta, tilted. (replicate,)"""
    size = np.abs(residual)
    squared = residual**2 if delta is None else np.where(size <= delta, size**2, 2 * delta * size - delta**2)
    return (weights * tilt(residual, quantile) * squared).sum(axis=-1)


@dataclass(frozen=True)
class Problem:
    """What is fitted. Arrays with a leading length of 1 are shared by all replicates."""

    law: Law
    log_x: np.ndarray            # (size, replicate or 1, point)
    log_y: np.ndarray            # (replicate or 1, point)
    weights: np.ndarray          # (replicate or 1, point)
    delta: np.ndarray | float | None     # (point,) or one for all
    quantile: float | None

    def evaluate(self, theta: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """cost (row,), normal matrix (row, parameter, parameter), descent direction (row, parameter)."""
        count = max(1, CHUNK // self.log_x.shape[-1])
        parts = [self.part(theta[i : i + count], rows[i : i + count]) for i in range(0, len(rows), count)]
        return tuple(map(np.concatenate, zip(*parts, strict=True)))

    def part(self, theta: np.ndarray, rows: np.ndarray):
        log_x = self.log_x if self.log_x.shape[1] == 1 else self.log_x[:, rows]
        log_y = self.log_y if len(self.log_y) == 1 else self.log_y[rows]
        weights = self.weights if len(self.weights) == 1 else self.weights[rows]
        curve, slopes = self.law.form(theta, log_x)
        residual = log_y - curve
        pull = weights * tilt(residual, self.quantile) * huber_weights(residual, self.delta)
        scaled = slopes * pull[:, None, :]
        with np.errstate(over="ignore", invalid="ignore"):
            normal = scaled @ slopes.transpose(0, 2, 1)
        cost = cost_of(residual, weights, self.delta, self.quantile)
        return np.where(np.isfinite(cost), cost, np.inf), normal, (scaled @ residual[:, :, None])[:, :, 0]


def minimise(
    law: Law, theta: np.ndarray, log_x: np.ndarray, log_y: np.ndarray, low: np.ndarray, high: np.ndarray, *,
    weights: np.ndarray | None = None, delta: np.ndarray | float | None = None, free: np.ndarray | None = None,
    quantile: float | None = None, steps: int = 60, tolerance: float = 1e-9,
) -> tuple[np.ndarray, np.ndarray]:
    """Fit every replicate; give theta (replicate, parameter) and cost (replicate,).

    theta (replicate, parameter) starts; log_x (size, replicate or 1, point); log_y, weights (replicate or 1, point);
    low, high (parameter,); free (replicate or 1, parameter): False holds a parameter at its start. A replicate ends
    when the next step is expected to lower its cost by less than `tolerance` of it, when two steps on end did, or
    after `steps`.
    """
    count, size = theta.shape
    weights = np.ones((1, log_x.shape[-1])) if weights is None else weights
    free = np.broadcast_to(np.ones((1, size), dtype=bool) if free is None else free, (count, size))
    problem = Problem(law, log_x, log_y, weights, delta, quantile)
    best = np.clip(theta, low, high)
    alive = np.arange(count)
    damping, settled = np.full(count, 1e-3), np.zeros(count, dtype=int)
    cost, normal, gradient = problem.evaluate(best, alive)
    for _ in range(steps):
        if not alive.size:
            break
        at, slope = best[alive], gradient[alive]
        move = free[alive] & ~((at <= low) & (slope < 0)) & ~((at >= high) & (slope > 0))
        step = bounded_step(normal[alive], slope, move, damping[alive], low - at, high - at)
        trial = np.clip(at + step, low, high)
        there = ((step * slope).sum(axis=1) <= tolerance * cost[alive]) & (damping[alive] <= TRUSTED)
        if there.any():
            alive, at, slope, move, trial = (part[~there] for part in (alive, at, slope, move, trial))
            if not alive.size:
                break
        value, next_normal, next_gradient = problem.evaluate(trial, alive)
        better, drop = value < cost[alive], cost[alive] - value
        small = np.abs(drop) <= tolerance * cost[alive]
        won, lost = alive[better], alive[~better]
        best[won], cost[won] = trial[better], value[better]
        normal[won], gradient[won] = next_normal[better], next_gradient[better]
        damping[won] = np.maximum(damping[won] * 0.1, 1e-12)
        damping[lost] *= 8.0
        settled[alive] = np.where(small, settled[alive] + 1, np.where(better, 0, settled[alive]))
        still = np.abs(trial - at).max(axis=1) <= 1e-10 * (1.0 + np.abs(at).max(axis=1))
        alive = alive[~((settled[alive] >= 2) | (damping[alive] > 1e10) | still)]
    return best, cost


def bounded_step(normal: np.ndarray, gradient: np.ndarray, move: np.ndarray, damping: np.ndarray, least: np.ndarray,
                 most: np.ndarray) -> np.ndarray:
    """damped_step; where it would cross a bound, the parameter goes to the bound and the others step again with it."""
    step = damped_step(normal, gradient, move, damping)
    ends = np.clip(step, least, most)
    crossed = (ends != step) & move
    rows = np.flatnonzero(crossed.any(axis=1))
    if rows.size:
        fixed = np.where(crossed[rows], ends[rows], 0.0)
        rest = gradient[rows] - (normal[rows] @ fixed[:, :, None])[:, :, 0]
        step[rows] = fixed + damped_step(normal[rows], rest, move[rows] & ~crossed[rows], damping[rows])
    return step


def damped_step(normal: np.ndarray, gradient: np.ndarray, move: np.ndarray, damping: np.ndarray) -> np.ndarray:
    """(row, parameter) Marquardt step of the parameters that may move, 0 for the others."""
    matrix = np.where(move[:, :, None] & move[:, None, :], normal, 0.0)
    diagonal = np.einsum("rii->ri", matrix)
    lift = np.where(move, damping[:, None] * diagonal + 1e-14 * (1.0 + diagonal), 1.0)
    matrix = matrix + np.minimum(lift, 1e300)[:, :, None] * np.eye(move.shape[1])
    return np.linalg.solve(matrix, np.where(move, gradient, 0.0)[:, :, None])[:, :, 0]
