"""Which runs to train next, so that what they cost tells most of a place beyond them.

A run's worth is by how much it is expected to lower the variance of log y at the places asked for (V-optimal design),
over a power of its cost; after each choice the variances are those that will hold once it is trained. The same
question for language models: Li et al. 2026, arXiv:2604.22753. docs/explanation/next-runs.md compares.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ecgscale.laws.forms import Law
from ecgscale.laws.kriging import Kriged, krige

COST_POWER = 0.4        # of a run's cost that its worth is divided by: 1 buys many small runs, 0 only the largest
SHARE = 1 / 3           # of what is left of a budget that one batch may spend, so that the next one learns from it
PILOT_SHARE = 0.1       # of the budget that the first runs may spend
WORTHLESS = 0.003       # of the spread at first: what lowers it by less ends a batch


@dataclass(frozen=True)
class Batch:
    """places: of the candidates, in order of choice. spread: standard deviation of log y at the places asked for, root
    mean square, before the first and after each choice."""

    places: list[int]
    spread: list[float]


def next_batch(made: Kriged, log_x: np.ndarray, costs: np.ndarray, log_at: np.ndarray, budget: float,
               most: int) -> Batch:
    """At most `most` candidates log_x (size, candidate) that the budget pays for; log_at (size, place): where y is
    wanted. A candidate is taken once: to have repeats, name it as often."""
    count, noise = len(costs), made.noise**2
    spread = made.log_predict(np.hstack([log_x, log_at]))[1]
    chosen, told = [], [asked(spread, count)]
    free = np.ones(count, dtype=bool)
    while len(chosen) < most:
        free &= costs <= budget
        if not free.any():
            break
        worth = (spread[:count, count:] ** 2).mean(axis=1) / (np.diag(spread)[:count] + noise) / costs**COST_POWER
        best = int(np.argmax(np.where(free, worth, -np.inf)))
        spread = spread - np.outer(spread[:, best], spread[best]) / (spread[best, best] + noise)
        now = asked(spread, count)
        if chosen and told[-1] - now < WORTHLESS * told[0]:
            break
        chosen.append(best)
        told.append(now)
        free[best], budget = False, budget - costs[best]
    return Batch(chosen, told)


def asked(spread: np.ndarray, count: int) -> float:
    return float(np.sqrt(np.maximum(np.diag(spread)[count:], 0.0).mean()))


def pilot(law: Law, log_x: np.ndarray, costs: np.ndarray, budget: float) -> list[int]:
    """The first runs, before anything can be fitted: one more than the law has parameters, as far from each other as
    candidates lie that PILOT_SHARE of the budget pays for, from the cheapest on."""
    count = min(len(law.parameters) + 1, len(costs))
    paid = np.flatnonzero(costs <= PILOT_SHARE * budget / count)
    paid = paid if len(paid) >= count else np.argsort(costs, kind="stable")[:count]
    scaled = log_x[:, paid] / np.maximum(np.ptp(log_x[:, paid], axis=1, keepdims=True), 1e-9)
    chosen = [int(np.argmin(costs[paid]))]
    while len(chosen) < count:
        apart = ((scaled[:, :, None] - scaled[:, None, chosen]) ** 2).sum(axis=0).min(axis=1)
        apart[chosen] = -1.0
        chosen.append(int(np.argmax(apart)))
    return paid[chosen].tolist()


def replay(law: Law, log_x: np.ndarray, log_y: np.ndarray, costs: np.ndarray, log_at: np.ndarray,
           budget: float) -> np.ndarray:
    """(run,) True: the runs of a finished table that would have been trained within the budget, batch by batch."""
    taken = np.zeros(len(costs), dtype=bool)
    taken[pilot(law, log_x, costs, budget)] = True
    while True:
        rest = np.flatnonzero(~taken)
        made = krige(law, *np.exp(log_x[:, taken]), y=np.exp(log_y[taken]))
        left = budget - costs[taken].sum()
        batch = next_batch(made, log_x[:, rest], costs[rest], log_at, left, batch_size(int(taken.sum())))
        if not batch.places:
            return taken
        taken[rest[within(batch, costs[rest], left)]] = True


def batch_size(runs: int) -> int:
    """How many runs a batch may hold, after so many: what is known must not be outweighed by what is guessed."""
    return max(3, int(0.4 * runs))


def within(batch: Batch, costs: np.ndarray, left: float) -> list[int]:
    """The first of the batch that SHARE of what is left pays for, at least one."""
    spent = np.cumsum(costs[batch.places])
    return batch.places[: max(1, int(np.searchsorted(spent, SHARE * left, side="right")))]
