"""Do two groups of runs scale differently? Differences of their exponents and floors, with intervals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations
from typing import Any

import numpy as np

from ecgscale.laws.profile import Profile

COMPARED = ("power", "floor", "joint")
FLOOR = "E"         # of the laws that have one, not a logarithm


def exponent_differences(ends: dict[str, Profile], x: tuple[str, ...], y: str) -> list[dict[str, Any]]:
    """One row a pair of subsets of one kind ("optimizer=adamw" and "optimizer=sgd") and exponent or floor; profiles by
    subset.

    The subsets share no run, so their errors are independent: the distances from each estimate to its interval's ends
    add in quadrature, each on its own side (MOVER: Zou and Donner 2008, doi:10.1002/sim.3095). `differs`: the 90 %
    interval leaves out zero. Runs that were scored on the same recordings share some of their error: then the interval
    is too wide rather than too narrow.
    """
    rows = []
    for one, other in comparable(ends):
        a, b = ends[one], ends[other]
        for exponent in (*a.fit.law.exponents, *({FLOOR} & set(a.fit.law.names))):
            place = a.fit.law.names.index(exponent)
            (low_a, high_a), (low_b, high_b) = a.theta[place], b.theta[place]
            at_a, at_b = a.fit.theta[place], b.fit.theta[place]
            estimate = float(at_a - at_b)
            low = estimate - float(np.hypot(at_a - low_a, high_b - at_b))
            high = estimate + float(np.hypot(high_a - at_a, at_b - low_b))
            if np.isfinite([low, high]).all():
                rows.append({"law": a.fit.law.name, "x": list(x), "y": y, "exponent": exponent, "groups": [one, other],
                             "estimate": estimate, "low": low, "high": high, "differs": bool(low > 0 or high < 0)})
    return rows


def comparable(subsets: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Pairs of one kind, both of all runs or both of the frontier."""
    for one, other in combinations(sorted(subsets), 2):
        if one.split("=")[0] == other.split("=")[0] and ("frontier" in one) == ("frontier" in other):
            yield one, other
