"""Many weighted least-squares fits of one law: a projected Levenberg-Marquardt method, compiled by numba.

lmfit fits one problem well, in a hundredth of a second; a bootstrap needs a thousand, a profile some hundred, and a
table asks for hundreds of both. tests/lib/laws/test_fit.py checks the minima against lmfit's, replicate by replicate.
"""

from __future__ import annotations

import numpy as np

from ecgscale.laws.forms import Law, follow
from ecgscale.machine.compiled import compiled

TRUSTED = 1e-3       # damping up to which a step's expected gain is believed


def cost_of(residual: np.ndarray, weights: np.ndarray, delta: np.ndarray | float | None,
            lean: np.ndarray | float = 0.0) -> np.ndarray:
    """Sum over points of weights times r^2, or Huber's 2 delta |r| - delta^2 beyond delta. (replicate,)

    lean: (2 q - 1) delta leaves the share q of the points below the law. Huber's loss with 2 lean r is 4 delta times
    the check loss of Koenker and Bassett (1978), smoothed by a box of width 2 delta: its minimum is the quantile up to
    the second order of delta (Fernandes, Guerre and Horta 2021, doi:10.1080/07350015.2019.1660177). Weighing errors
    above and below by 2 q and 2 (1 - q) instead moves it by 0.4 delta at a tenth. lean^2 makes the least of it 0.
    """
    size = np.abs(residual)
    squared = residual**2 if delta is None else np.where(size <= delta, size**2, 2 * delta * size - delta**2)
    return (weights * (squared + lean * (2 * residual + lean))).sum(axis=-1)


def gathered(log_x: np.ndarray, log_y: np.ndarray, weights: np.ndarray,
             place: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The points at each place as one, at their weighted mean, and what the squares about the means add to any cost,
    (replicate or 1,). Least squares cannot tell the difference, and thousands of runs have few distinct sizes.

    log_x (size, 1, point); log_y, weights (replicate or 1, point); place (point,): numbers, or None for all apart.
    """
    if place is None:
        return log_x, log_y, weights, np.zeros(1)
    order = np.argsort(place, kind="stable")
    first = np.flatnonzero(np.diff(place[order], prepend=-1))
    total = np.add.reduceat(weights[:, order], first, axis=1)
    mean = np.add.reduceat((weights * log_y)[:, order], first, axis=1) / np.maximum(total, 1e-300)
    return log_x[:, :, order[first]], mean, total, (weights * (log_y - mean[:, place]) ** 2).sum(axis=1)


def minimise(
    law: Law, theta: np.ndarray, log_x: np.ndarray, log_y: np.ndarray, low: np.ndarray, high: np.ndarray, *,
    weights: np.ndarray | None = None, delta: np.ndarray | float | None = None, free: np.ndarray | None = None,
    lean: np.ndarray | float = 0.0, priors: np.ndarray | None = None, within: np.ndarray | None = None, steps: int = 60,
    tolerance: float = 1e-9,
) -> tuple[np.ndarray, np.ndarray]:
    """Fit every replicate; give theta (replicate, parameter) and cost (replicate,).

    theta (replicate, parameter) starts; log_x (size, replicate or 1, point); log_y, weights (replicate or 1, point);
    low, high (parameter,); delta, lean (point,): see `cost_of`; free (replicate or 1, parameter): False holds a
    parameter at its start; priors (2, parameter): centres and pulls, ((theta - centre) pull)^2 is added to the cost;
    within (replicate or 1,): what is added to it wherever theta is. A replicate ends when the next step is expected to
    lower its cost by less than `tolerance` of it, when two steps on end did, or after `steps`.
    """
    best = np.clip(theta, low, high)
    count, size = best.shape
    cost, points = np.empty(count), log_x.shape[-1]
    weights = np.ones((1, points)) if weights is None else weights
    free = np.ones((1, size), dtype=bool) if free is None else free
    within = np.zeros(1) if within is None else within
    limits = np.full(points, np.inf) if delta is None else np.broadcast_to(np.asarray(delta, float), (points,))
    lean = np.broadcast_to(np.asarray(lean, float), (points,))
    descend(law.number, best, cost, *map(np.ascontiguousarray, (
        np.moveaxis(log_x, 0, -1), log_y, weights, limits, lean, free, low, high, np.zeros((2, size)) if priors is None
        else priors, within)), steps, tolerance)
    return best, cost


@compiled
def descend(number, best, cost, log_x, log_y, weights, limits, lean, free, low, high, priors, within, steps,
            tolerance):
    """Move each row of `best` to its minimum and fill `cost`. Arrays with a leading length of 1 are shared by all."""
    count, size = best.shape
    normal, next_normal, matrix = np.empty((size, size)), np.empty((size, size)), np.empty((size, size))
    gradient, next_gradient, rest = np.empty(size), np.empty(size), np.empty(size)
    curve, slopes = np.empty(log_x.shape[1]), np.empty((log_x.shape[1], size))
    step, trial, move = np.empty(size), np.empty(size), np.empty(size, np.bool_)
    for i in range(count):
        at, may = best[i], free[min(i, len(free) - 1)]
        x, y, w = log_x[min(i, len(log_x) - 1)], log_y[min(i, len(log_y) - 1)], weights[min(i, len(weights) - 1)]
        least = within[min(i, len(within) - 1)]
        value = evaluate(number, at, x, y, w, limits, lean, priors, least, curve, slopes, normal, gradient)
        damping, settled = 1e-3, 0
        for _ in range(steps):
            for k in range(size):
                move[k] = may[k] and not (at[k] <= low[k] and gradient[k] < 0) and not (
                    at[k] >= high[k] and gradient[k] > 0)
            if not bounded_step(normal, gradient, move, damping, at, low, high, step, rest, matrix):
                damping *= 8.0
                continue
            gain, largest, farthest = 0.0, 0.0, 0.0
            for k in range(size):
                gain += step[k] * gradient[k]
                trial[k] = min(max(at[k] + step[k], low[k]), high[k])
                largest, farthest = max(largest, abs(at[k])), max(farthest, abs(trial[k] - at[k]))
            if gain <= tolerance * value and damping <= TRUSTED:
                break
            found = evaluate(number, trial, x, y, w, limits, lean, priors, least, curve, slopes, next_normal,
                             next_gradient)
            better, small = found < value, abs(value - found) <= tolerance * value
            settled = settled + 1 if small else 0 if better else settled
            if better:
                value = found
                for k in range(size):
                    at[k] = trial[k]
                normal, next_normal = next_normal, normal
                gradient, next_gradient = next_gradient, gradient
                damping = max(damping * 0.1, 1e-12)
            else:
                damping *= 8.0
            if settled >= 2 or damping > 1e10 or farthest <= 1e-10 * (1.0 + largest):
                break
        cost[i] = value


@compiled
def evaluate(number, theta, log_x, log_y, weights, limits, lean, priors, least, curve, slopes, normal, gradient):
    """The cost at theta; fills the normal matrix (parameter, parameter) and the descent direction (parameter,). curve
    and slopes are room to work in."""
    follow(number, theta, log_x, curve, slopes)
    size, cost = len(theta), least
    for a in range(size):           # of the priors
        square, off = priors[1, a] ** 2, priors[0, a] - theta[a]
        cost += square * off * off
        gradient[a] = square * off
        for b in range(size):
            normal[a, b] = square if a == b else 0.0
    for j in range(len(log_y)):
        residual = log_y[j] - curve[j]
        pull, far = weights[j], abs(residual)
        cost += pull * lean[j] * (2 * residual + lean[j])
        leaning = pull * lean[j]
        if far <= limits[j]:
            cost += pull * far * far
        else:
            cost += pull * limits[j] * (2 * far - limits[j])
            pull *= limits[j] / far
        for a in range(size):
            scaled = pull * slopes[j, a]
            gradient[a] += scaled * residual + leaning * slopes[j, a]
            for b in range(a + 1):
                normal[a, b] += scaled * slopes[j, b]
    for a in range(size):
        for b in range(a):
            normal[b, a] = normal[a, b]
    return cost if np.isfinite(cost) else np.inf


@compiled
def bounded_step(normal, gradient, move, damping, at, low, high, step, rest, matrix):
    """Fill step (parameter,) with the damped step; where that would cross a bound, the parameter goes to the bound, is
    taken out of move, and the others step again with it. rest and matrix are room to work in. False: no step."""
    size, crossed = len(gradient), False
    for k in range(size):
        step[k], rest[k] = 0.0, gradient[k]
    if not damped_step(normal, rest, move, damping, step, matrix):
        return False
    for k in range(size):
        end = min(max(step[k], low[k] - at[k]), high[k] - at[k])
        if move[k] and end != step[k]:
            step[k], move[k], crossed = end, False, True
            for j in range(size):
                rest[j] -= normal[j, k] * end
    return not crossed or damped_step(normal, rest, move, damping, step, matrix)


@compiled
def damped_step(normal, gradient, move, damping, step, matrix):
    """Fill step with Marquardt's step of the parameters that may move, by Cholesky's decomposition of the lifted normal
    matrix. False where that is not positive: the damping is to grow."""
    size = len(gradient)
    for a in range(size):
        if not move[a]:
            continue
        for b in range(a + 1):
            if not move[b]:
                continue
            left = normal[a, b]
            if a == b:
                left += min(damping * left + 1e-14 * (1.0 + left), 1e300)
            for k in range(b):
                if move[k]:
                    left -= matrix[a, k] * matrix[b, k]
            if a > b:
                matrix[a, b] = left / matrix[b, b]
            elif left > 0:
                matrix[a, a] = np.sqrt(left)
            else:
                return False
    for a in range(size):
        if move[a]:
            left = gradient[a]
            for k in range(a):
                if move[k]:
                    left -= matrix[a, k] * step[k]
            step[a] = left / matrix[a, a]
    for a in range(size - 1, -1, -1):
        if move[a]:
            left = step[a]
            for k in range(a + 1, size):
                if move[k]:
                    left -= matrix[k, a] * step[k]
            step[a] = left / matrix[a, a]
    return True
