"""L = E + A / N^alpha + B / D^beta. Hoffmann et al. 2022, arXiv:2203.15556, their third approach, equation 2
(checked in others' accounts of it, not in the paper).
"""

from __future__ import annotations

from math import exp, log

import numpy as np

from ecgscale.laws.forms.law import COEFFICIENT, E_FLOOR, EXPONENT, MOST, TINY, Law
from ecgscale.laws.start import EXPONENTS, linear, log_of, mesh
from ecgscale.machine.compiled import compiled


@compiled
def equation(theta, log_x, curve, slopes):
    E, log_A, alpha, log_B, beta = theta[0], theta[1], theta[2], theta[3], theta[4]
    for j in range(len(log_x)):
        n, d = log_x[j, 0], log_x[j, 1]
        by_n, by_d = exp(min(log_A - alpha * n, MOST)), exp(min(log_B - beta * d, MOST))
        y = max(E + by_n + by_d, TINY)
        by_n, by_d = by_n / y, by_d / y
        curve[j], slopes[j, 0] = log(y), 1.0 / y
        slopes[j, 1], slopes[j, 2] = by_n, -n * by_n
        slopes[j, 3], slopes[j, 4] = by_d, -d * by_d


def grid(log_x, log_y, weights):
    alpha, beta = mesh(EXPONENTS, EXPONENTS)
    n, d = (size - size.mean() for size in log_x)
    basis = np.stack([np.exp(-alpha[:, None] * n), np.exp(-beta[:, None] * d)], axis=1)
    solved = linear(basis, log_y, weights)
    theta = np.column_stack([
        solved[:, 0], log_of(solved[:, 1]) + alpha * log_x[0].mean(), alpha,
        log_of(solved[:, 2]) + beta * log_x[1].mean(), beta,
    ])
    return theta, np.searchsorted(EXPONENTS, alpha) // 2 * 10 + np.searchsorted(EXPONENTS, beta) // 2


LAWS = (Law(
    "joint", equation, grid,
    (E_FLOOR("E"), COEFFICIENT("A"), EXPONENT("alpha"), COEFFICIENT("B"), EXPONENT("beta")),
    ("alpha", "beta"), "L = E + A/N^alpha + B/D^beta", "Hoffmann et al. 2022, arXiv:2203.15556",
    sizes=("N", "D"),
    truth={"E": 0.05, "A": 1.2, "alpha": 0.15, "B": 3.0, "beta": 0.25},
    levels=("E", "A", "B")),)
