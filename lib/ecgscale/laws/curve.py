"""One learning curve in a CSV of anyone's, and what follows it."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from ecgscale.contracts import AHEAD
from ecgscale.errors import UserError
from ecgscale.laws.average import Extrapolation, extrapolate
from ecgscale.laws.thinning import DENSE
from ecgscale.tables.curves import Asked, Curve, read_curve

ALONG = 0.5         # correlation from which errors are said to go along: of ten points' memory and more


def continue_curve(path: Path, at: list[float], out: Path | None, *, asked: Asked | None = None,
                   ceiling: float | None = None) -> pd.DataFrame:
    """The AHEAD table of the curve in a CSV at sizes `at`, or at 2, 4 and 10 times its largest; written where asked.

    A curve of scores is continued as 1 - score and told in its own scale. What was taken for what goes to stderr.
    ceiling: the error of random guessing, in the scale of 1 - score where the curve holds scores.
    """
    curve = read_curve(path, asked)
    print(*curve.what, sep="\n", file=sys.stderr)
    if len(curve.x) > DENSE:
        print(f"{len(curve.x)} points are summarised by at most {DENSE}, evenly spaced in log size", file=sys.stderr)
    beyond = np.array(at) if at else curve.x.max(initial=0.0) * np.array([2.0, 4.0, 10.0])
    try:
        ahead = extrapolate(curve.x, curve.y, beyond, ceiling=ceiling)
    except UserError as error:
        raise UserError(error.problem, file=path, field=error.field, remedy=error.remedy) from None
    if ahead.best_so_far:
        print("the curve never gets worse and repeats its values: it is taken for one of best values so far, told by "
              "the ends of its plateaus, and so is what is foretold", file=sys.stderr)
    if ahead.along > ALONG:
        print(f"errors go along from one point to the next (correlation {ahead.along:.2f}), so these points tell too "
              f"little noise: soon after the curve's end an interval of {ahead.level:.0%} holds less (0.8 of 0.9 in "
              "planted curves of 50 such points)", file=sys.stderr)
    table = as_table(beyond, ahead, curve)
    if out is not None:
        AHEAD.write(table, out)
    return table


def as_table(at: np.ndarray, ahead: Extrapolation, curve: Curve) -> pd.DataFrame:
    ends = np.sort([curve.told(ahead.low), curve.told(ahead.high)], axis=0)
    return pd.DataFrame({"x": at.astype(float), "y": curve.told(ahead.y), "low": ends[0], "high": ends[1],
                         "level": ahead.level} | {f"y_{law}": curve.told(y) for law, y in ahead.by_law.items()}
                        | {f"weight_{law}": weight for law, weight in ahead.weights.items()})
