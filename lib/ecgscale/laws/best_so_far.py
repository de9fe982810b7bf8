"""Curves of best values so far: at each size the best value that was met up to it, as many curves are published.

They never rise, and a value is repeated until a better one comes. The repeats are no measurements of their own: counted
as points, they make the noise look smaller than it is. What a plateau tells stands at its two ends. The next value
comes by a fall, so how far the later falls went is noise of a new measurement.
"""

from __future__ import annotations

import numpy as np

TIES = 0.1          # share of the steps without a change from which a curve that never rises is one of best values
LEAST = 6           # ends of plateaus; with fewer all points are kept


def best_so_far(log_y: np.ndarray) -> bool:
    """Whether log_y (point,), in rising order of size, never rises and repeats its values."""
    steps = np.diff(log_y)
    return bool((steps <= 0).all() and np.mean(steps == 0) >= TIES)


def plateau_ends(log_y: np.ndarray) -> np.ndarray:
    """(point,) whether a point is the first or the last of its value; all where the ends are few."""
    falls = np.diff(log_y) < 0
    ends = np.append(True, falls) | np.append(falls, True)
    return ends if ends.sum() >= LEAST else np.ones(len(log_y), dtype=bool)


def later_fall(log_y: np.ndarray) -> float:
    """Root mean square of the falls among the later half of the steps; 0 without any."""
    falls = -np.diff(log_y)
    later = falls[len(falls) // 2 :]
    return float(np.sqrt(np.mean(later[later > 0] ** 2))) if (later > 0).any() else 0.0
