"""From which size on is one group of runs better than another? Where their laws cross, with an interval."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats

from ecgscale.laws.differences import comparable
from ecgscale.laws.fit import Fit
from ecgscale.laws.uncertainty import LEVEL

OF_ONE_SIZE = ("power", "floor")
BEYOND = 100.0          # the runs' smallest and largest size over and times which a crossing is looked for
PLACES = 801


def crossings(fits: dict[str, Fit], x: tuple[str, ...], y: str) -> list[dict[str, Any]]:
    """One row a pair of subsets of one kind ("family=resnet" and "family=vit"): the size at which their laws meet.

    The interval is Fieller's (1954): all sizes at which the difference of the two laws' logs is within Student's t
    times its standard error, the subsets sharing no run. None for an end that lies farther than BEYOND from the runs,
    and for `estimate` where the laws do not meet before. `first`: the group with the smaller y below the crossing.
    """
    rows = []
    for one, other in comparable(fits):
        a, b = fits[one], fits[other]
        seen = np.concatenate([a.log_x[0], b.log_x[0]])
        log_x = np.linspace(seen.min() - np.log(BEYOND), seen.max() + np.log(BEYOND), PLACES)
        (curve_a, error_a), (curve_b, error_b) = curve_and_error(a, log_x), curve_and_error(b, log_x)
        apart, reach = curve_a - curve_b, stats.t.ppf((1 + LEVEL) / 2, min(a.freedom, b.freedom)) * np.hypot(
            error_a, error_b)
        row = {"law": a.law.name, "x": list(x), "y": y, "groups": [one, other]}
        meet = np.flatnonzero(np.diff(np.sign(apart)))
        if not len(meet):
            rows.append(row | {"estimate": None, "low": None, "high": None, "within": False,
                               "first": [one, other][int(apart[0] > 0)]})
            continue
        place = meet[np.argmin(np.abs(log_x[meet] - np.median(seen)))]
        at = log_x[place] - apart[place] * (log_x[place + 1] - log_x[place]) / (apart[place + 1] - apart[place])
        told = np.abs(apart) > reach
        below, above = np.flatnonzero(told[: place + 1]), place + 1 + np.flatnonzero(told[place + 1 :])
        rows.append(row | {
            "estimate": float(np.exp(at)), "low": float(np.exp(log_x[below[-1]])) if len(below) else None,
            "high": float(np.exp(log_x[above[0]])) if len(above) else None,
            "within": bool(seen.min() <= at <= seen.max()), "first": [one, other][int(apart[place] > 0)]})
    return rows


def curve_and_error(fit: Fit, log_x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """log y of the law and its standard error at log sizes (place,), to first order."""
    curve, slopes = (part[0] for part in fit.law.form(fit.theta[None], log_x[None, None]))
    return curve, np.sqrt(np.maximum((slopes * (fit.covariance @ slopes)).sum(axis=0), 0.0))
