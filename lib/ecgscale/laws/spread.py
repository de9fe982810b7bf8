"""How the noise of log y changes along the sizes: a plane in log sizes of its log variance, drawn towards level.

Absolute residuals, which wild runs sway less than squares, are regressed on a law exponential in the log sizes
(Davidian and Carroll 1987, doi:10.1080/01621459.1987.10478543); a normal prior, PRIOR wide over a size's whole
range, draws the slopes to 0. Few runs hardly tell a slope: then it stays small, and the interval of a new run allows
for what is not known of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PRIOR = 4.0                 # standard deviation of the change of log variance over a size's range
NORMAL = np.pi / 2 - 1      # variance of a normal's absolute value over its mean's square
STEPS = 12


@dataclass(frozen=True)
class Spread:
    """log variance at log_x less its mean over the points = slopes @ (log_x - centre), with error (covariance)."""

    centre: np.ndarray          # (size,)
    slopes: np.ndarray          # (size,)
    error: np.ndarray           # (size, size)

    def deviation(self, log_x: np.ndarray) -> np.ndarray:
        """(point,) standard deviation at log_x (size, point), relative to the points' geometric mean."""
        return np.exp(self.slopes @ (log_x - self.centre[:, None]) / 2)

    def doubt(self, log_x: np.ndarray) -> np.ndarray:
        """(point,) standard error of the logarithm of `deviation`."""
        way = log_x - self.centre[:, None]
        return np.sqrt(np.maximum(np.einsum("sp,st,tp->p", way, self.error, way), 0.0)) / 2


def spread_of(log_x: np.ndarray, residuals: np.ndarray) -> Spread:
    """log_x (size, point); residuals (point,) of equal variance under equal noise."""
    size = np.abs(residuals) / max(float(np.mean(np.abs(residuals))), 1e-300)
    centre = log_x.mean(axis=1)
    way = np.vstack([np.ones_like(size), (log_x - centre[:, None]) / 2])
    prior = np.diag([0.0, *(np.maximum(np.ptp(log_x, axis=1), 1e-9) / PRIOR) ** 2])
    slopes, own = np.zeros(len(way)), NORMAL
    for _ in range(STEPS):
        share = size * np.exp(-slopes @ way)
        own = max(float(np.var(share)) * len(size) / max(len(size) - len(way), 1), NORMAL)
        error = np.linalg.inv(way @ way.T / own + prior)
        slopes = slopes + np.clip(error @ (way @ (share - 1) / own - prior @ slopes), -1.0, 1.0)
    return Spread(centre, slopes[1:], error[1:, 1:])
