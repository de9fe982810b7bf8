"""What the runs of one family foretell of a larger one: the mean over its seeds, and its gain on the best so far."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ecgscale.contracts.run_table import seed_deviation
from ecgscale.laws.fit import fit_law
from ecgscale.laws.forms import Law
from ecgscale.laws.kriging import HALF_WIDTH, Kriged, krige
from ecgscale.laws.robust import wild

KNOWN = 3       # degrees of freedom between seeds from which their share of the noise is told


@dataclass(frozen=True)
class Foresight:
    """made: the law with its miss. log_x (size, run): sizes of the runs it follows. aside (run,): True for those of all
    runs that were set aside as wild. shared: of the noise's variance, what runs that differ in the seed alone have in
    common; 1 where no seeds were repeated."""

    made: Kriged
    log_x: np.ndarray
    aside: np.ndarray
    shared: float

    def noise(self, seeds: int) -> float:
        """Standard deviation of the mean of log y over the seeds of one network."""
        return self.made.noise * np.sqrt(self.shared + (1 - self.shared) / seeds)

    def ahead(self, log_at: np.ndarray, seeds: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(place,) mean of log y at log_at (size, place), standard deviation of the law, and of a mean over seeds."""
        mean, spread = self.made.log_predict(log_at)
        law = np.sqrt(np.maximum(np.diag(spread), 0.0))
        return mean, law, np.hypot(law, self.noise(seeds))

    def gain(self, log_at: np.ndarray) -> tuple[float, float]:
        """By how much log y is lower at log_at (size, 1) than where the runs' curve is lowest, and its standard
        deviation."""
        mean, spread = self.made.log_predict(np.hstack([log_at, np.unique(self.log_x, axis=1)]))
        best = 1 + int(np.argmin(mean[1:]))
        return mean[best] - mean[0], np.sqrt(max(spread[0, 0] + spread[best, best] - 2 * spread[0, best], 0.0))

    def seen(self) -> float:
        """How much log y changes along the runs' curve."""
        return float(np.ptp(self.made.log_predict(np.unique(self.log_x, axis=1))[0]))

    def resolved(self, seeds: int) -> float:
        """The least difference of log y between two networks' means over seeds that noise does not hide."""
        return HALF_WIDTH * self.noise(seeds) * np.sqrt(2)


def foresee(law: Law, log_x: np.ndarray, log_y: np.ndarray, configuration: np.ndarray) -> Foresight:
    """log_x (size, run), log_y (run,); configuration (run,): runs that differ in the seed alone share a number."""
    aside = wild(fit_law(law, *np.exp(log_x), y=np.exp(log_y), polish=False))
    log_x, log_y, configuration = log_x[:, ~aside], log_y[~aside], configuration[~aside]
    made = krige(law, *np.exp(log_x), y=np.exp(log_y))
    own, freedom = seed_deviation(log_y, configuration)
    shared = float(np.clip(1 - (own / made.noise) ** 2, 0.0, 1.0)) if freedom >= KNOWN else 1.0
    return Foresight(made, log_x, aside, shared)
