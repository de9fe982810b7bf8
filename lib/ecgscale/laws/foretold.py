"""What the joint law foretells at sizes of which there are no runs: by the law with what it misses.

Where the dearest quarter of the runs of public tables was foretold, nominal 90 % intervals of the law alone held 0.74
of it, those of the law with its miss (kriging.py) 0.95 to 1.00 at two thirds of the error. An interval is as wide as
the wider of the two: the law's knows noise that changes along a size, the other one what the law lacks. Where the
same forecast made from the cheaper half of the runs misses the others by more than its interval, all are widened by as
much (docs/explanation/foretold.md). Laws of one size are averaged over their forms instead (answer.average), and one of
a frontier has no middle to miss.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ecgscale.laws.fit import Fit, refit_some, with_huber
from ecgscale.laws.kriging import HALF_WIDTH, MOST, Kriged, krige
from ecgscale.laws.profile import profile
from ecgscale.laws.robust import noisier
from ecgscale.laws.uncertainty import LEVEL, cluster_numbers

CHEAPER = 0.5           # share of the runs that the others are foretold from, to see how far that misses
FEWEST, JUDGED = 9, 40  # of the cheaper runs at least, and of the others that are looked at at most
DEAR = 3                # of the others at least


@dataclass(frozen=True)
class Foretold:
    """Logarithms: y (place,) with the ends (place, 2) of the curve's interval and of a new run's; law (place,): what
    the equation alone says."""

    y: np.ndarray
    curve: np.ndarray
    run: np.ndarray
    law: np.ndarray


@dataclass(frozen=True)
class Outlook:
    """A fitted law that is asked what lies ahead; clusters (point,): numbers, one a configuration."""

    fit: Fit
    clusters: np.ndarray

    @cached_property
    def missed(self) -> Kriged | None:
        """The law with its miss; of more runs than that takes by some drawn at random, the same each time. None for
        other laws than the joint one, and for that of a frontier."""
        fit = self.fit
        if fit.law.name != "joint" or fit.quantile is not None:
            return None
        rows = np.arange(fit.points)
        if fit.points > MOST:
            rows = np.sort(np.random.default_rng(fit.points).choice(rows, MOST, replace=False))
        off = noisier(fit)
        return krige(fit.law, *np.exp(fit.log_x[:, rows]), y=np.exp(fit.log_y[rows]),
                     noisier=None if off is None else off[rows])

    @cached_property
    def widened(self) -> float:
        """How many times as wide intervals are told: as far as 90 % of the dearer runs lie from what the cheaper ones
        foretell of them, in its intervals of a new run; 1 where that is less, or where runs are few."""
        if self.missed is None:
            return 1.0
        fit, cost = self.fit, self.fit.log_x.sum(axis=0)
        cheap = cost <= np.quantile(cost, CHEAPER)
        dear = np.flatnonzero(~cheap)
        if cheap.sum() < FEWEST or len(dear) < DEAR:
            return 1.0
        dear = dear[np.unique(np.linspace(0, len(dear) - 1, JUDGED).astype(int))]
        half = refit_some(fit, cheap)
        told = Outlook(half if fit.delta is None else with_huber(half),
                       cluster_numbers(int(cheap.sum()), self.clusters[cheap])).as_fitted(fit.log_x[:, dear])
        missed = fit.log_y[dear] - told.y
        reach = np.abs(told.run - told.y[:, None])[np.arange(len(dear)), (missed > 0).astype(int)]
        return max(1.0, float(np.quantile(np.abs(missed) / reach, LEVEL)))

    def at(self, log_at: np.ndarray) -> Foretold:
        """At sizes log_at (size, place). Ends are infinite where no degree of freedom is left."""
        told = self.as_fitted(log_at)
        curve, run = (told.y[:, None] + self.widened * (ends - told.y[:, None]) for ends in (told.curve, told.run))
        return replace(told, curve=curve, run=run)

    def as_fitted(self, log_at: np.ndarray) -> Foretold:
        """The same before intervals are widened."""
        law = self.fit.law.log_curve(self.fit.theta, log_at)[0]
        made = profile(self.fit, log_at, self.clusters)
        if made is None:
            endless = np.repeat([[-np.inf, np.inf]], len(law), axis=0)
            return Foretold(law, endless, endless, law)
        if self.missed is None:
            return Foretold(law, made.curve, made.new_run(), law)
        y, spread = self.missed.log_predict(log_at)
        reach = np.maximum(np.abs(made.curve - law[:, None]),
                           HALF_WIDTH * np.sqrt(np.maximum(np.diag(spread), 0.0))[:, None])
        curve, run = (y[:, None] + np.array([-1, 1]) * half for half in (reach, np.hypot(reach, made.own_deviation())))
        return Foretold(y, curve, run, law)
