"""(y - E) / (L0 - y)^alpha = b x^(-c): from random guessing L0 down to the floor E.

Alabdulmohsin, Neyshabur and Zhai 2022, arXiv:2209.06640, estimator M4 (their err_inf = E, err_0 = L0; checked in
their code, where c carries the sign). alpha = 0 is the power law with floor; as x grows every alpha becomes one.
Solved for y by Newton's method on the logit of w = (y - E) / (L0 - E), in which the left side is monotone with
slope between 1 and alpha.
"""

from __future__ import annotations

from math import exp, log

import numpy as np

from ecgscale.laws.forms.law import COEFFICIENT, E_FLOOR, EXPONENT, TINY, Law, Parameter, bend
from ecgscale.laws.start import mesh
from ecgscale.machine.compiled import compiled

NEWTON = 8              # steps at most; quadratic, so far more than enough


@compiled
def equation(theta, log_x, curve, slopes):
    E, L0, alpha, log_b, c = theta[0], exp(theta[1]), theta[2], theta[3], theta[4]
    gap = max(L0 - E, 1e-12 * L0)
    log_gap = log(gap)
    for j in range(len(log_x)):
        u = log_x[j, 0]
        t = log_b - c * u + (alpha - 1.0) * log_gap
        s = t if t < 0 else t / alpha
        for _ in range(NEWTON):
            height, w = bend(s)
            step = (s - height + alpha * height - t) / (1.0 - w + alpha * w)
            s -= step
            if not abs(step) > 1e-6:        # quadratic: the next step would be about its square
                break
        height, w = bend(s)                 # log(1 - w) = -height
        slope = w * (1.0 - w) / (1.0 - w + alpha * w)   # dw / dt
        y = max(E + gap * w, TINY)
        by_gap = (w + slope * (alpha - 1.0)) / y        # d log y / d gap, at fixed E
        curve[j] = log(y)
        slopes[j, 0], slopes[j, 1] = 1.0 / y - by_gap, L0 * by_gap
        slopes[j, 2] = gap * slope * (log_gap - height) / y
        slopes[j, 3], slopes[j, 4] = gap * slope / y, -u * gap * slope / y


def grid(log_x, log_y, weights):
    """At fixed E, L0 and alpha the law is a straight line in log x: its slope and height are solved."""
    u, y = log_x[0], np.exp(log_y)
    low, high = y.min(), y.max()
    share, above, alpha = mesh(np.array([0.0, 0.3, 0.6, 0.8, 0.9, 0.97, 0.995]),
                               np.array([0.01, 0.05, 0.2, 1.0, 5.0]), np.array([0.1, 0.3, 0.6, 1.0, 1.6, 2.5]))
    E = share * low
    L0 = high + above * (high - low + 1e-6 * high)
    over, under = y - E[:, None], L0[:, None] - y
    left = np.log(over) - alpha[:, None] * np.log(under)
    slope = y * (1 / over + alpha[:, None] / under)         # d left / d log y
    w = weights / slope**2
    total = w.sum(axis=1)
    mean_u, mean_left = (w * u).sum(axis=1) / total, (w * left).sum(axis=1) / total
    centred = u - mean_u[:, None]
    c = -(w * centred * left).sum(axis=1) / np.maximum((w * centred**2).sum(axis=1), TINY)
    theta = np.column_stack([E, np.log(L0), alpha, mean_left + c * mean_u, c])
    return theta, np.searchsorted(np.array([0.3, 1.0, 2.0]), alpha) * 10 + np.searchsorted(np.array([0.5, 0.85]), share)


LAWS = (Law(
    "saturating", equation, grid,
    (E_FLOOR("E"), Parameter("L0", log=True), Parameter("alpha", low=0.05, high=8.0), COEFFICIENT("b"),
    EXPONENT("c")),
    ("c",), "(y - E) / (L0 - y)^alpha = b x^-c", "Alabdulmohsin et al. 2022, arXiv:2209.06640",
    simpler="floor",
    truth={"E": 0.1, "L0": 1.0, "alpha": 0.7, "b": 100.0, "c": 0.4},
    priors={"alpha": (0.95, 0.5), "c": (0.65, 0.4)}),)
