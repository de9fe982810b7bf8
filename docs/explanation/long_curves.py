"""How often `ecg-extrapolate`'s nominal 90 % intervals hold a new measurement of a planted curve of many points.

    PYTHONPATH=lib python docs/explanation/long_curves.py 60

Loss = floor + b x^-c from 1,000 steps on (three shapes, in turn), logged evenly in steps or in their logarithm (in
turn), with errors of log y of 2 % in six kinds; continued to 1.5, 2 and 4 times the last size. One row a kind and
number of points: the share of new measurements that are inside, logged in steps and in logarithms, and by distance.
"""

from __future__ import annotations

import sys

import numpy as np

from ecgscale.laws import extrapolate

POINTS, AHEAD = (50, 200, 1000, 5000), np.array([1.5, 2.0, 4.0])
SHAPES = ((0.0, 30.0, 0.3), (1.5, 60.0, 0.5), (0.3, 5.0, 0.2))     # floor, b, c
FIRST, LAST, SIZE, TAILS = 1e3, 1e6, 0.02, 3
DECADES = np.log(LAST / FIRST)


def errors(kind: str, way: np.ndarray, points: int, random: np.random.Generator) -> np.ndarray:
    """(point,) of log y at `way`, logs of size over the first; the last are those of new measurements."""
    normal = random.standard_normal(len(way))
    if kind == "t(3)":
        return SIZE * random.standard_t(TAILS, len(way)) / np.sqrt(TAILS)
    if kind == "growing":
        return SIZE * normal * 10 ** (way / DECADES - 1)
    if kind == "shrinking":
        return SIZE * normal * 10 ** (-way / DECADES)
    if kind == "autocorrelated":            # from point to point: 0.9
        return ornstein(np.arange(len(way)) + 50.0 * (np.arange(len(way)) >= points), 10.0, random)
    if kind == "drifting":                  # along the size: half of the variance turns over within a factor of e
        return np.sqrt(0.5) * (SIZE * normal + ornstein(way, 1.0, random))
    return SIZE * normal


def ornstein(place: np.ndarray, length: float, random: np.random.Generator) -> np.ndarray:
    """(point,) a stationary process of Ornstein and Uhlenbeck of standard deviation SIZE at rising places."""
    kept, out = np.exp(-np.diff(place) / length), random.standard_normal(len(place))
    for i, share in enumerate(kept, start=1):
        out[i] = share * out[i - 1] + np.sqrt(1 - share**2) * out[i]
    return SIZE * out


def held(kind: str, points: int, table: int) -> np.ndarray:
    """(ahead,) whether the interval holds the new measurement of one planted curve."""
    random = np.random.default_rng([table, points, sum(map(ord, kind))])
    floor, b, c = SHAPES[table // 2 % len(SHAPES)]
    x = (np.linspace if table % 2 else np.geomspace)(FIRST, LAST, points)
    ahead = AHEAD * x[-1]
    every = np.concatenate([x, ahead])
    y = (floor + b * every**-c) * np.exp(errors(kind, np.log(every / FIRST), points, random))
    told = extrapolate(x, y[:points], ahead)
    return (told.low <= y[points:]) & (y[points:] <= told.high)


def main(tables: int) -> None:
    for kind in ("even", "growing", "shrinking", "t(3)", "drifting", "autocorrelated"):
        for points in POINTS:
            rows = np.array([held(kind, points, table) for table in range(tables)])
            shares = [rows.mean(), rows[1::2].mean(), rows[::2].mean(), *rows.mean(axis=0)]
            print(f"| {kind} | {points:,} | " + " | ".join(f"{share:.2f}" for share in shares) + " |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
