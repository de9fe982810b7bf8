"""Do two groups of runs scale differently? Differences of their exponents, with bootstrap intervals."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np

from ecgscale.laws.uncertainty import Bootstrap, expanded_tail

COMPARED = ("power", "floor", "joint")


def exponent_differences(boots: dict[str, Bootstrap], x: tuple[str, ...], y: str) -> list[dict[str, Any]]:
    """One row a pair of subsets of one kind ("optimizer=adamw" and "optimizer=sgd") and exponent; boots by subset.

    The subsets share no run, so their replicates are independent. `differs`: the 90 % interval leaves out zero.
    """
    rows = []
    for one, other in combinations(sorted(boots), 2):
        if one.split("=")[0] != other.split("=")[0] or ("tuned" in one) != ("tuned" in other):
            continue
        a, b = boots[one], boots[other]
        for exponent in a.fit.law.exponents:
            place = a.fit.law.names.index(exponent)
            freedom = min(a.freedom, b.freedom)
            if freedom < 1:
                continue
            tail = expanded_tail(min(a.count, b.count), freedom)
            low, high = np.quantile(a.theta[:, place] - b.theta[:, place], [tail, 1 - tail])
            rows.append({"law": a.fit.law.name, "x": list(x), "y": y, "exponent": exponent, "groups": [one, other],
                         "estimate": float(a.fit.theta[place] - b.fit.theta[place]), "low": float(low),
                         "high": float(high), "differs": bool(low > 0 or high < 0)})
    return rows
