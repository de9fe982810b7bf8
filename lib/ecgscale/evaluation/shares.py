"""Intervals of a share: Wilson's, which stays between 0 and 1 and has a width where nothing or everything was found."""

from __future__ import annotations

import numpy as np

from ecgscale.contracts.run_table import Z95


def wilson(share: np.ndarray | float, count: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
    """95 % score interval of shares of `count` each (Wilson 1927)."""
    share, count = np.asarray(share, dtype=float), np.asarray(count, dtype=float)
    middle = (share + Z95 ** 2 / (2 * count)) / (1 + Z95 ** 2 / count)
    half = Z95 / (1 + Z95 ** 2 / count) * np.sqrt(share * (1 - share) / count + Z95 ** 2 / (4 * count ** 2))
    return np.maximum(0.0, middle - half), np.minimum(1.0, middle + half)


def effective_count(found: np.ndarray, count: np.ndarray, place: np.ndarray) -> np.ndarray:
    """(share,) how many independent recordings tell as much of a share as these do, whose patients come again.

    Of each patient of a share, (row,): how many of the patient's `count` recordings were `found`, and the `place` of
    the share, 0.. without gaps. It is s (1 - s) over the variance of the share between patients (Kish's design effect,
    as for proportions of a survey in Korn and Graubard 1998), never more than there are recordings. Where patients do
    not differ at all, each of them counts once.
    """
    n, people = np.bincount(place, count), np.bincount(place)
    share = np.bincount(place, found) / n
    variance = np.bincount(place, (found - share[place] * count) ** 2) / n ** 2
    alike = variance <= 1e-15
    return np.where(alike, people, np.minimum(n, share * (1 - share) / np.where(alike, 1.0, variance)))
