"""How long a call of a network would take that nobody has exported, from those of its family in the same setting.

The law is an overhead and a speed, ms = overhead + FLOPs / speed, neither negative, fitted to relative errors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats
from scipy.optimize import nnls

FEWEST = 4          # networks of different cost: two coefficients, and two degrees of freedom for the scatter
LEVEL = 0.9
LEAST_SCATTER = 0.01    # relative: no handful of networks proves that a clock is surer than that


@dataclass(frozen=True)
class SizeLaw:
    """coefficients: ms of a call without arithmetic, and ms that `most_flops` (of the dearest network) take. scatter:
    standard deviation of relative errors. relative (network, coefficient): the fit's columns over each ms, of the
    coefficients above 0 alone, which `free` tells."""

    coefficients: np.ndarray
    most_flops: float
    scatter: float
    relative: np.ndarray
    free: np.ndarray

    def at(self, forward_flops: float) -> tuple[float, float, float]:
        """ms and the ends of the 90 % interval of one network of so many FLOPs (Student's t)."""
        place = np.array([1.0, forward_flops / self.most_flops])
        ms = float(self.coefficients @ place)
        place = place[self.free] / ms
        lever = place @ np.linalg.pinv(self.relative.T @ self.relative) @ place
        reach = stats.t.ppf((1 + LEVEL) / 2, len(self.relative) - self.free.sum()) * self.scatter * np.sqrt(1 + lever)
        return ms, float(ms * np.exp(-reach)), float(ms * np.exp(reach))


def fit_size_law(forward_flops: np.ndarray, ms: np.ndarray) -> SizeLaw | None:
    """From networks (network,) of one family in one setting; None of fewer than FEWEST different costs."""
    if len(np.unique(forward_flops)) < FEWEST:
        return None
    most = float(forward_flops.max())
    columns = np.column_stack([np.ones(len(ms)), forward_flops / most]) / ms[:, None]
    found = nnls(columns, np.ones(len(ms)))[0]
    free = found > 0
    scatter = np.linalg.norm(1 - columns @ found) / np.sqrt(len(ms) - free.sum())
    return SizeLaw(found, most, float(max(scatter, LEAST_SCATTER)), columns[:, free], free)
