"""The published estimators of learning curves M1 to M4 (Alabdulmohsin et al. 2022, arXiv:2209.06640), as baselines.

All minimise the squared difference of logs of both sides of their equation: M1 y = b x^-c; M2 y - e = b x^-c;
M3 y = b (1/x + g)^c; M4 (y - e) / (e0 - y)^alpha = b x^-c, with b >= 1 and alpha, c >= 0, e at most the smallest y
less 1e-3 (checked in the authors' code). The authors step from the largest e to the minimum they meet first; so does
this search, which matters: the lowest minimum over e is often a floor of zero that extrapolates badly. Their iteration
itself can stop elsewhere; tests/stepped_estimators.py imitates it step by step.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize, minimize_scalar, nnls

MARGIN = 1e-3       # of e below the smallest and e0 above the largest y, as published


def line(columns: np.ndarray, left: np.ndarray) -> tuple[np.ndarray, float]:
    """Ordinary least squares: coefficients and cost."""
    solution = np.linalg.lstsq(columns, left, rcond=None)[0]
    return solution, float(np.sum((left - columns @ solution) ** 2))


def nearest_minimum(cost, candidates: np.ndarray) -> float:
    """The first minimum of a function of one variable on the way through the candidates, refined."""
    values = np.array([cost(value) for value in candidates])
    rises = np.flatnonzero(np.diff(values) > 0)
    i = int(rises[0]) if len(rises) else len(values) - 1
    low, high = sorted((candidates[max(i - 1, 0)], candidates[min(i + 1, len(candidates) - 1)]))
    found = minimize_scalar(cost, bounds=(low, high), method="bounded", options={"xatol": 1e-10})
    return float(found.x) if found.fun < values[i] else float(candidates[i])


def best(cost, candidates: np.ndarray) -> float:
    """The minimum of a function of one variable, started at its best candidate."""
    values = [cost(value) for value in candidates]
    return nearest_minimum(cost, candidates[max(int(np.argmin(values)) - 1, 0):])


def below(y: np.ndarray) -> np.ndarray:
    """Floors e from the published start, the smallest y less the margin, down to 0."""
    top = max(y.min() - MARGIN, 0.0)
    return np.append(top * (1 - np.geomspace(1e-5, 1.0, 60)), 0.0)


def m1(x: np.ndarray, y: np.ndarray, at: np.ndarray) -> np.ndarray:
    """y = b x^-c at sizes `at`, from points (x, y)."""
    return shifted_power(x, y, at, 0.0)


def shifted_power(x, y, at, e):
    columns = np.column_stack([np.ones_like(x), -np.log(x)])
    (log_b, c), _ = line(columns, np.log(y - e))
    return e + np.exp(log_b - c * np.log(at))


def m2(x: np.ndarray, y: np.ndarray, at: np.ndarray) -> np.ndarray:
    """y - e = b x^-c."""
    columns = np.column_stack([np.ones_like(x), -np.log(x)])
    return shifted_power(x, y, at, nearest_minimum(lambda e: line(columns, np.log(y - e))[1], below(y)))


def m3(x: np.ndarray, y: np.ndarray, at: np.ndarray) -> np.ndarray:
    """y = b (1/x + g)^c."""
    def solve(g):
        (log_b, c), cost = line(np.column_stack([np.ones_like(x), np.log(1 / x + g)]), np.log(y))
        return (np.log(y).mean(), 0.0, np.inf) if c < 0 else (log_b, c, cost)

    g = best(lambda g: solve(g)[2], np.append(0.0, np.geomspace(1e-4 / x.max(), 10 / x.min(), 80)))
    log_b, c, _ = solve(g)
    return np.exp(log_b + c * np.log(1 / at + g))


def m4(x: np.ndarray, y: np.ndarray, at: np.ndarray, e0: float = 0.999) -> np.ndarray:
    """(y - e) / (e0 - y)^alpha = b x^-c, e0 fitted from its published start."""
    top = max(y.min() - MARGIN, 0.0)
    least = y.max() + MARGIN

    def solve(e, e0):
        columns = np.column_stack([np.ones_like(x), -np.log(x), np.log(e0 - y)])
        solution, norm = nnls(columns, np.log(y - e))
        return solution, norm**2

    start = max(e0, least)
    e = nearest_minimum(lambda e: solve(e, start)[1], below(y))
    found = minimize(lambda p: solve(np.clip(p[0], 0, top), max(p[1], least))[1], [e, start], method="Nelder-Mead",
                     options={"xatol": 1e-6, "fatol": 1e-12, "maxfev": 200})
    e, e0 = float(np.clip(found.x[0], 0, top)), max(float(found.x[1]), least)
    (log_b, c, alpha), _ = solve(e, e0)
    right = log_b - c * np.log(at)
    low, high = np.full(len(at), 1e-15), np.full(len(at), 1 - 1e-15)
    for _ in range(60):                 # bisection for w = (y - e) / (e0 - e): the left side rises with w
        w = (low + high) / 2
        left = np.log(w * (e0 - e)) - alpha * np.log((1 - w) * (e0 - e))
        low, high = np.where(left < right, w, low), np.where(left < right, high, w)
    return e + (e0 - e) * (low + high) / 2


PUBLISHED = {"M1": m1, "M2": m2, "M3": m3, "M4": m4}
