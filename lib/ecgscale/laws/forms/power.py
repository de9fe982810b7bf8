"""y = b x^(-c). Hestness et al. 2017, arXiv:1712.00409 (there alpha m^beta + gamma; checked in a digest of it);
estimator M1 of Alabdulmohsin et al. 2022 (checked in their code).
"""

from __future__ import annotations

import numpy as np

from ecgscale.laws.forms.law import COEFFICIENT, Law, Parameter
from ecgscale.machine.compiled import compiled


@compiled
def equation(theta, log_x, curve, slopes):
    log_b, c = theta[0], theta[1]
    for j in range(len(log_x)):
        u = log_x[j, 0]
        curve[j] = log_b - c * u
        slopes[j, 0], slopes[j, 1] = 1.0, -u


def grid(log_x, log_y, weights):
    """Exact: a straight line in logs."""
    c, log_b = np.polyfit(log_x[0], log_y, 1, w=np.sqrt(weights)) if np.ptp(log_x[0]) > 0 else (0.0, log_y.mean())
    return np.array([[log_b, -c]]), np.zeros(1)


LAWS = (Law(
    "power", equation, grid,
    (COEFFICIENT("b"), Parameter("c", low=-5.0, high=5.0)), ("c",), "y = b x^-c",
    "Hestness et al. 2017, arXiv:1712.00409",
    truth={"b": 2.0, "c": 0.3},
    levels=("b",)),)
