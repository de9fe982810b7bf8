"""Run tables with a known law: where their runs lie (designs) and how they miss the law (noises)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from ecgscale.laws.forms import LAWS

LOW, HIGH = np.log(1e4), np.log(1e8)        # of the log sizes
TENFOLD = 10.0              # of the noise's standard deviation, from the smallest to the largest first size
OUTLIERS, WILD = 0.02, 10.0  # share of the runs, and their noise in units of the others'
TAILS = 3                   # degrees of freedom of Student's t, scaled to the standard deviation of the others
SEEDS = 4                   # runs a configuration where seeds come in clusters, half of whose variance is shared
TRUTH = {name: law.truth for name, law in LAWS.items() if law.truth}


def scattered(sizes: int, runs: int, random: np.random.Generator) -> np.ndarray:
    return random.uniform(LOW, HIGH, (sizes, runs))


def factorial(sizes: int, runs: int, random: np.random.Generator) -> np.ndarray:
    """Every combination of a few levels of each size, in turn until all runs are placed: one size has repeats."""
    levels = int(np.clip(np.round(runs ** (1 / sizes)), 3, 12))
    axes = np.meshgrid(*[np.linspace(LOW, HIGH, levels)] * sizes, indexing="ij")
    grid = np.array([axis.ravel() for axis in axes])
    return grid[:, random.permutation(grid.shape[1])[np.arange(runs) % grid.shape[1]]]


def iso_flop(sizes: int, runs: int, random: np.random.Generator) -> np.ndarray:
    """Slices of fixed compute, the first size times the last: within a slice one grows as the other falls."""
    slices = int(np.clip(np.round(np.sqrt(runs)), 2, 9))
    of_slice = np.linspace(0.0, 1.0, slices)[np.arange(runs) % slices]
    within = random.uniform(-0.5, 0.5, runs)
    middle = (LOW + HIGH) / 2
    way = (HIGH - LOW) * np.array([(of_slice - 0.5) / 2 + within / 2, (of_slice - 0.5) / 2 - within / 2])
    between = random.choice(np.linspace(LOW, HIGH, 3), (sizes - 2, runs)) if sizes > 2 else np.zeros((0, runs))
    return np.vstack([middle + way[:1], between, middle + way[1:]])


def star(sizes: int, runs: int, random: np.random.Generator) -> np.ndarray:
    """One size varies at a time, the others at the middle of their range."""
    x = np.full((sizes, runs), (LOW + HIGH) / 2)
    arm = np.arange(runs) % sizes
    x[arm, np.arange(runs)] = random.uniform(LOW, HIGH, runs)
    return x


def one_axis(sizes: int, runs: int, random: np.random.Generator) -> np.ndarray:
    """The first size varies, the others hardly: what they do cannot be told."""
    x = np.full((sizes, runs), (LOW + HIGH) / 2)
    x[0] = random.uniform(LOW, HIGH, runs)
    return x


EXCESS: dict[str, Callable[[int, np.random.Generator], np.ndarray]] = {
    "exponential": lambda runs, random: 0.6 * random.standard_exponential(runs) + 0.02 * random.standard_normal(runs),
    "rates": lambda runs, random: 0.3 * np.abs(random.uniform(-1.5, 1.5, runs)) + 0.01 * random.standard_normal(runs),
    "normal": lambda runs, random: 0.2 * random.standard_normal(runs)}
"""By how much log y of runs of all kinds of settings lies above the law: few good ones; learning rates around the
best one; nothing but noise."""
DESIGNS: dict[str, Callable[[int, int, np.random.Generator], np.ndarray]] = {
    one.__name__: one for one in (scattered, factorial, iso_flop, star, one_axis)}
OF_SEVERAL_SIZES = ("iso_flop", "star", "one_axis")     # with one size they are no designs of their own


@dataclass(frozen=True)
class Noise:
    """log y less the law has the standard deviation `spread(log_x)` times the named noise's own unit."""

    size: float
    kind: str = "normal"

    def spread(self, log_x: np.ndarray) -> np.ndarray:
        """(point,) of log_x (size, point)."""
        way = (log_x[0] - LOW) / (HIGH - LOW) - 0.5
        return self.size * (TENFOLD**way if self.kind == "growing" else np.ones_like(way))

    def draw(self, log_x: np.ndarray, clusters: np.ndarray, random: np.random.Generator) -> np.ndarray:
        runs = log_x.shape[1]
        own = random.standard_normal(runs)
        if self.kind == "tails":
            own = random.standard_t(TAILS, runs) / np.sqrt(TAILS / (TAILS - 2))
        if self.kind == "outliers":
            own = own * np.where(random.random(runs) < OUTLIERS, WILD, 1.0)
        if self.kind == "clustered":
            own = np.sqrt(0.5) * (own + random.standard_normal(clusters.max() + 1)[clusters])
        return self.spread(log_x) * own

    def share(self, log_x: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """(point,) probability that a new run's deviation at log_x (size, point) lies between low and high."""
        def below(ends):
            z = ends / self.spread(log_x)
            if self.kind == "tails":
                return stats.t.cdf(z * np.sqrt(TAILS / (TAILS - 2)), TAILS)
            if self.kind == "outliers":
                return (1 - OUTLIERS) * stats.norm.cdf(z) + OUTLIERS * stats.norm.cdf(z / WILD)
            return stats.norm.cdf(z)

        return below(high) - below(low)


NOISES = ("normal", "growing", "tails", "outliers", "clustered")


@dataclass(frozen=True)
class Planted:
    """One table: log_x (size, run), log_y (run,), clusters (run,)."""

    log_x: np.ndarray
    log_y: np.ndarray
    clusters: np.ndarray


def planted(law: str, runs: int, noise: Noise, random: np.random.Generator, design: str = "scattered") -> Planted:
    form = LAWS[law]
    repeats = SEEDS if noise.kind == "clustered" else 1
    configurations = max(1, runs // repeats)
    log_x = np.repeat(DESIGNS[design](len(form.sizes), configurations, random), repeats, axis=1)
    clusters = np.repeat(np.arange(configurations), repeats)
    log_y = np.log(form(*np.exp(log_x), **TRUTH[law])) + noise.draw(log_x, clusters, random)
    return Planted(log_x, log_y, clusters)
