"""y = E. No effect of any size: what every other law has to beat."""

from __future__ import annotations

from math import log

import numpy as np

from ecgscale.laws.forms.law import E_FLOOR, TINY, Law
from ecgscale.machine.compiled import compiled


@compiled
def equation(theta, log_x, curve, slopes):
    E = max(theta[0], TINY)
    for j in range(len(log_x)):
        curve[j], slopes[j, 0] = log(E), 1.0 / E


def grid(log_x, log_y, weights):
    return np.exp(np.average(log_y, weights=weights)).reshape(1, 1), np.zeros(1)


LAWS = (Law(
    "constant", equation, grid,
    (E_FLOOR("E"),), (), "y = E", "no effect"),)
