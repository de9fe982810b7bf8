"""L = E + (L0 - E) h / (1 + h), h = a / N^alpha + b / T^beta + c N^gamma / D^delta.

N parameters, D unique samples, T samples seen: too small, trained too short, overfitted. Bounded by the floor E and
the loss L0 of an uninformed guess. Bryant and Liu 2026, "Practical Scaling Laws", arXiv:2605.09189 (checked in two
digests of it). Muennighoff et al. 2023, arXiv:2305.16264, is another law of these sizes, neither bounded nor able
to overfit: not fitted here.
"""

from __future__ import annotations

from math import exp, log

import numpy as np

from ecgscale.laws.forms.law import COEFFICIENT, E_FLOOR, EXPONENT, TINY, Law, Parameter
from ecgscale.laws.start import log_of, mesh, nonnegative
from ecgscale.machine.compiled import compiled


@compiled
def equation(theta, log_x, curve, slopes):
    E, L0 = theta[0], exp(theta[1])
    log_a, alpha, log_b, beta = theta[2], theta[3], theta[4], theta[5]
    log_c, gamma, delta = theta[6], theta[7], theta[8]
    gap = max(L0 - E, 1e-12 * L0)
    for j in range(len(log_x)):
        n, d, t = log_x[j, 0], log_x[j, 1], log_x[j, 2]
        small = exp(min(log_a - alpha * n, 300.0))
        short = exp(min(log_b - beta * t, 300.0))
        over = exp(min(log_c + gamma * n - delta * d, 300.0))
        h = small + short + over
        w = h / (1.0 + h)
        y = max(E + gap * w, TINY)
        rate = gap / ((1.0 + h) ** 2 * y)               # d log y / dh
        small, short, over = small * rate, short * rate, over * rate
        curve[j] = log(y)
        slopes[j, 0], slopes[j, 1] = (1.0 - w) / y, L0 * w / y
        slopes[j, 2], slopes[j, 3] = small, -n * small
        slopes[j, 4], slopes[j, 5] = short, -t * short
        slopes[j, 6], slopes[j, 7], slopes[j, 8] = over, n * over, -d * over


def grid(log_x, log_y, weights):
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


LAWS = (Law(
    "multi_epoch", equation, grid,
    (E_FLOOR("E"), Parameter("L0", log=True), COEFFICIENT("a"), EXPONENT("alpha"), COEFFICIENT("b"),
    EXPONENT("beta"), COEFFICIENT("c"), EXPONENT("gamma"), EXPONENT("delta")),
    ("alpha", "beta", "gamma", "delta"),
    "L = E + (L0 - E) h/(1 + h), h = a/N^alpha + b/T^beta + c N^gamma/D^delta", "arXiv:2605.09189",
    sizes=("N", "D", "T"),
    truth={"E": 0.1, "L0": 1.0, "a": 20.0, "alpha": 0.3, "b": 100.0, "beta": 0.4, "c": 0.3, "gamma": 0.4, "delta": 0.6},
    levels=("E", "L0"),
    known=("L0",)),)
