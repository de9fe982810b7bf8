"""A law below a ceiling: networks that are too small, or have seen too little, are no worse than one that guesses.

With u = law - E, y = E + (u^-p + (L0 - E)^-p)^(-1/p): the law itself where u is small, the level L0 of a guess where it
is large, and the bend between them the sharper the larger p. Error or loss of a table's smallest runs is often near L0;
a law without it takes them for slow learning, and foretells too little of larger runs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ecgscale.laws.forms import Law, Parameter

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
        log_law, slopes = self.law.form(theta[:, :-1], log_x)
        floor = [parameter.name == "E" for parameter in self.law.parameters]
        E = theta[:, :-1][:, floor].sum(axis=1)[:, None]            # 0 for a law without a floor
        L0 = np.exp(theta[:, -1:])
        gap = np.maximum(L0 - E, LEAST * L0)
        above = np.maximum(np.exp(log_law) - E, LEAST * gap)
        log_ratio = self.sharpness * np.log(above / gap)
        by_gap = np.exp(-np.logaddexp(0.0, -log_ratio) / self.sharpness)        # of the law's height, what is left
        by_law = np.exp(-np.logaddexp(0.0, log_ratio) / self.sharpness)
        y = E + above * by_law
        to_law, to_gap = by_law ** (self.sharpness + 1), by_gap ** (self.sharpness + 1)
        slopes = slopes * (np.exp(log_law) * to_law / y)[:, None]
        slopes[:, floor] += ((1 - to_law - to_gap) / y)[:, None]
        return np.log(y), np.concatenate([slopes, (L0 * to_gap / y)[:, None]], axis=1)
