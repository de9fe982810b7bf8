"""A law below a ceiling: networks that are too small, or have seen too little, are no worse than one that guesses.

With u = law - E, y = E + (u^-p + (L0 - E)^-p)^(-1/p): the law itself where u is small, the level L0 of a guess where it
is large, and the bend between them the sharper the larger p. Error or loss of a table's smallest runs is often near L0;
a law without it takes them for slow learning, and foretells too little of larger runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log

import numpy as np

from ecgscale.laws.forms import Law, Parameter
from ecgscale.laws.forms.law import bend
from ecgscale.machine.compiled import compiled

LEAST = 1e-9        # share of L0 by which it lies above E, and of both that u is at least


@dataclass(frozen=True)
class Ceiling:
    """`law` (without an L0 of its own) bent to L0, its last parameter (a logarithm)."""

    law: Law
    sharpness: float

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return (*self.law.parameters, Parameter("L0", log=True))

    def form(self, theta: np.ndarray, log_x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """log y (replicate, point) and its derivatives (replicate, parameter, point), as Law.form."""
        curve, slopes = self.law.form(theta[:, :-1], log_x)
        floor = self.law.names.index("E") if "E" in self.law.names else -1
        log_y, lowered = np.empty(curve.shape), np.empty((len(curve), theta.shape[1], curve.shape[1]))
        below(np.ascontiguousarray(theta, float), floor, float(self.sharpness), curve, slopes, log_y, lowered)
        return log_y, lowered


@compiled
def below(theta, floor, sharpness, curve, slopes, log_y, lowered):
    """Fill log_y (replicate, point) and its derivatives (replicate, parameter, point) from those of the law: curve and
    slopes. floor: the place of E among the parameters, -1 without one. Compiled, as a kriged law asks this a thousand
    times a table of a few dozen runs, where numpy's calls take longer than what they compute."""
    last = theta.shape[1] - 1
    for i in range(len(curve)):
        own = theta[min(i, len(theta) - 1)]
        E, L0 = own[floor] if floor >= 0 else 0.0, exp(own[last])
        gap = max(L0 - E, LEAST * L0)
        for j in range(curve.shape[1]):
            law = exp(curve[i, j])
            above = max(law - E, LEAST * gap)
            log_ratio = sharpness * log(above / gap)
            whole = bend(log_ratio)[0]
            by_law, by_gap = exp(-whole / sharpness), exp((log_ratio - whole) / sharpness)     # what is left of both
            y = E + above * by_law
            to_law, to_gap = by_law ** (sharpness + 1), by_gap ** (sharpness + 1)
            log_y[i, j] = log(y)
            for k in range(last):
                lowered[i, k, j] = slopes[i, k, j] * law * to_law / y
            if floor >= 0:
                lowered[i, floor, j] += (1 - to_law - to_gap) / y
            lowered[i, last, j] = L0 * to_gap / y
