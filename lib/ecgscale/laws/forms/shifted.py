"""y = b (1 / x + g)^c: samples beyond 1 / g no longer help. Estimator M3 of Alabdulmohsin et al. 2022 (checked in
their code); after Bansal et al. 2022, arXiv:2202.01994 (its abstract names a power law in the samples; the formula
was not found, so not checked).
"""

from __future__ import annotations

import numpy as np

from ecgscale.laws.forms.law import COEFFICIENT, EXPONENT, TINY, Law, Parameter, bend
from ecgscale.machine.compiled import compiled


@compiled
def equation(theta, log_x, curve, slopes):
    log_b, log_g, c = theta[0], theta[1], theta[2]
    for j in range(len(log_x)):
        u = log_x[j, 0]
        height, share = bend(log_g + u)
        log_sum = height - u
        curve[j] = log_b + c * log_sum
        slopes[j, 0], slopes[j, 1], slopes[j, 2] = 1.0, c * share, log_sum


def grid(log_x, log_y, weights):
    """At fixed g a straight line in log(1 / x + g)."""
    u = log_x[0]
    log_g = np.append(-u.max() - 12.0, np.linspace(-u.max() - 4.0, -u.min() + 1.0, 30))
    size = np.logaddexp(-u, log_g[:, None])
    centred = size - np.average(size, axis=1, weights=weights)[:, None]
    c = (weights * centred * log_y).sum(axis=1) / np.maximum((weights * centred**2).sum(axis=1), TINY)
    log_b = np.average(log_y - c[:, None] * size, axis=1, weights=weights)
    return np.column_stack([log_b, log_g, c]), np.arange(len(c)) // 6


LAWS = (Law(
    "shifted", equation, grid,
    (COEFFICIENT("b"), Parameter("g", log=True), EXPONENT("c")), ("c",),
    "y = b (1/x + g)^c", "Bansal et al. 2022, arXiv:2202.01994",
    truth={"b": 30.0, "g": 1e-6, "c": 0.4},
    levels=("b",),
    priors={"c": (0.25, 0.3)}),)
