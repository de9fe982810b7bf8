"""M2 to M4 of Alabdulmohsin et al. 2022 (arXiv:2209.06640) iteration by iteration as their public code steps.

`laws/published.py` takes the minimum that the authors' objective has; their iteration need not reach it. M2 and M4
alternate least squares for (b, c, alpha) with 1,000 gradient steps of 1e-8 (rounds 1 to 100) or 100 damped Newton steps
(later rounds) for e and e0, until b stands still; M4 keeps the column log(e0 - y) of its start. M3 alternates least
squares with the best of the g that meet one point exactly.
"""

import numba
import numpy as np
from scipy.special import expit

MARGIN, ROUNDS, GRADIENT_ROUNDS = 1e-3, 2000, 100      # the published limit is 10,000 rounds


@numba.njit(cache=True)
def nonnegative(normal, right):
    """Least squares with three coefficients >= 0, by trying every support."""
    best, gain = np.zeros(3), 0.0
    for mask in range(1, 8):
        chosen = np.array([i for i in range(3) if mask >> i & 1])
        part = np.empty((len(chosen), len(chosen)))
        for i in range(len(chosen)):
            for j in range(len(chosen)):
                part[i, j] = normal[chosen[i], chosen[j]] * (1 + 1e-12 * (i == j))
        solution = np.linalg.solve(part, right[chosen])
        value = (solution * right[chosen]).sum()
        if solution.min() >= 0 and value > gain:
            best[:], gain = 0.0, value
            best[chosen] = solution
    return best


@numba.njit(cache=True)
def step_m4(x, y, saturates):
    """e, e0, log b, c, alpha. Without saturation (M2) alpha stays 0 and signs are free."""
    u, top, least = np.log(x), y.min() - MARGIN, y.max() + MARGIN
    e, e0, before = top, 1.0, 1.0
    columns = np.ones((len(x), 3))
    columns[:, 1], columns[:, 2] = -u, np.log(e0 - y)
    normal, found = columns.T @ columns, np.zeros(3)
    for k in range(ROUNDS):
        left = np.log(y - e)
        if saturates:
            found = nonnegative(normal, columns.T @ left)
        else:
            centred = u - u.mean()
            found[1] = -(centred * left).sum() / (centred**2).sum()
            found[0] = left.mean() + found[1] * u.mean()
        alpha, right = found[2], found[0] - found[1] * u
        for _ in range(1000 if k < GRADIENT_ROUNDS else 100):
            off = np.log(y - e) - alpha * np.log(e0 - y) - right
            slope, slope0 = -np.mean(off / (y - e)), -alpha * np.mean(off / (e0 - y))
            if k < GRADIENT_ROUNDS:
                e, e0 = e - 1e-8 * slope, e0 - 1e-8 * slope0
            else:
                bend, bend0 = np.mean((1 - off) / (y - e) ** 2), alpha * np.mean((alpha + off) / (e0 - y) ** 2)
                e = e - 0.1 * slope / bend if abs(bend) > 1e-5 else e
                e0 = e0 - 0.1 * slope0 / bend0 if abs(bend0) > 1e-5 else e0
            e, e0 = min(max(e, 0.0), top), max(e0, least)
        height = np.exp(found[0])
        if abs(height - before) < 1e-10 and k > GRADIENT_ROUNDS + 1:
            break
        before = height
    return e, e0, found[0], found[1], found[2]


def m2(x, y, at):
    e, _, log_b, c, _ = step_m4(x, y / scale(y), False)
    return scale(y) * (e + np.exp(log_b - c * np.log(at)))


def scale(y) -> float:
    """The published start of e0 is 1: larger losses are scaled below it, as those of the public curves are."""
    return max(1.0, y.max() / 0.998)


def m4(x, y, at):
    e, e0, log_b, c, alpha = step_m4(x, y / scale(y), True)
    logit = np.linspace(-40, 40, 200_001)           # of w = (y - e) / (e0 - e), searched where both sides meet
    left = -np.logaddexp(0, -logit) + alpha * np.logaddexp(0, logit) + (1 - alpha) * np.log(e0 - e)
    return scale(y) * (e + (e0 - e) * expit(np.interp(log_b - c * np.log(at), left, logit)))


def m3(x, y, at):
    g, before = 0.0, 1.0
    for _ in range(ROUNDS):
        columns = np.column_stack([np.ones_like(x), np.log(1 / x + g)])
        log_b, c = np.linalg.lstsq(columns, np.log(y), rcond=None)[0]
        c = max(0.0, c)
        if c > 0:
            tried = (y / np.exp(log_b)) ** (1 / c) - 1 / x
            tried = np.append(g, tried[tried >= 0])
            cost = [np.sum((np.log(y) - log_b - c * np.log(1 / x + one)) ** 2) for one in tried]
            g = tried[int(np.argmin(cost))]
        if abs(np.exp(log_b) - before) < 1e-10:
            break
        before = np.exp(log_b)
    return np.exp(log_b) * (1 / at + g) ** c


STEPPED = {"M2 stepped": m2, "M3 stepped": m3, "M4 stepped": m4}
