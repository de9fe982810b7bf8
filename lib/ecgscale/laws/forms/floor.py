"""y = E + b x^(-c). Hestness et al. 2017, arXiv:1712.00409 (alpha m^beta + gamma; checked in a digest of it); in
two sizes, a n^-alpha + b m^-beta + c, Rosenfeld et al. 2020, arXiv:1909.12673, equation 4 (checked in a digest of
it; their envelope for random guessing, equation 5, is not used); estimator M2 of Alabdulmohsin et al. 2022 (checked
in their code).
"""

from __future__ import annotations

from math import exp, log

import numpy as np

from ecgscale.laws.forms.law import COEFFICIENT, E_FLOOR, EXPONENT, MOST, TINY, Law
from ecgscale.laws.start import linear, log_of
from ecgscale.machine.compiled import compiled


@compiled
def equation(theta, log_x, curve, slopes):
    E, log_b, c = theta[0], theta[1], theta[2]
    for j in range(len(log_x)):
        u = log_x[j, 0]
        part = exp(min(log_b - c * u, MOST))
        y = max(E + part, TINY)
        curve[j], share = log(y), part / y
        slopes[j, 0], slopes[j, 1], slopes[j, 2] = 1.0 / y, share, -u * share


def grid(log_x, log_y, weights):
    c = np.geomspace(0.01, 4.0, 60)
    u = log_x[0]
    middle = u.mean()
    solved = linear(np.exp(-c[:, None] * (u - middle))[:, None, :], log_y, weights)
    theta = np.column_stack([solved[:, 0], log_of(solved[:, 1]) + c * middle, c])
    return theta, np.arange(len(c)) // 6


LAWS = (Law(
    "floor", equation, grid,
    (E_FLOOR("E"), COEFFICIENT("b"), EXPONENT("c")), ("c",), "y = E + b x^-c",
    "Rosenfeld et al. 2020, arXiv:1909.12673",
    truth={"E": 0.1, "b": 6.0, "c": 0.3},
    levels=("E", "b"),
    priors={"c": (0.5, 0.3)}),)
