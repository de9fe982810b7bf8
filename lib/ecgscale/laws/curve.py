"""One learning curve in a CSV of anyone's, and what follows it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from ecgscale.contracts import AHEAD
from ecgscale.errors import UserError
from ecgscale.laws.average import Extrapolation, extrapolate


def read_curve(path: Path, x: str | None = None, y: str | None = None) -> tuple[np.ndarray, np.ndarray]:
    """(point,) sizes and losses or error rates: the named columns, else the first two that hold mostly numbers.

    Rows without both are left out. Raises UserError with file, line and field.
    """
    try:
        frame = pd.read_csv(path, comment="#", encoding="utf-8-sig", skip_blank_lines=False).dropna(how="all")
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError, OSError) as error:
        raise UserError(f"not a readable CSV ({str(error).splitlines()[0]})", file=path) from None
    missing = next((name for name in (x, y) if name is not None and name not in frame), None)
    if missing is not None:
        raise UserError("no such column", file=path, line=1, field=missing, remedy=f"There are: {', '.join(frame)}")
    numeric = [name for name in frame if name not in (x, y)
               and pd.to_numeric(frame[name], errors="coerce").notna().sum() > frame[name].notna().sum() / 2]
    names = [name if name is not None else numeric.pop(0) if numeric else None for name in (x, y)]
    if None in names:
        raise UserError("fewer than two columns of numbers", file=path, line=1,
                        remedy="Give sizes in one column and losses or error rates in another")
    for name in names:
        numbers = pd.to_numeric(frame[name], errors="coerce")
        wrong = frame.index[frame[name].notna() & ~(np.isfinite(numbers) & (numbers > 0))]
        if len(wrong):
            raise UserError(f"{frame[name][wrong[0]]} is not a positive number", file=path, line=int(wrong[0]) + 2,
                            field=name, remedy="Give a loss or an error rate above 0; turn a score into 1 - score")
    points = frame[names].dropna().astype(float)
    return points[names[0]].to_numpy(), points[names[1]].to_numpy()


def continue_curve(path: Path, at: list[float], out: Path | None, *, x: str | None = None, y: str | None = None,
                   ceiling: float | None = None) -> pd.DataFrame:
    """The AHEAD table of the curve in a CSV at sizes `at`, or at 2, 4 and 10 times its largest; written where asked."""
    sizes, losses = read_curve(path, x, y)
    beyond = np.array(at) if at else sizes.max(initial=0.0) * np.array([2.0, 4.0, 10.0])
    try:
        table = as_table(beyond, extrapolate(sizes, losses, beyond, ceiling=ceiling))
    except UserError as error:
        raise UserError(error.problem, file=path, field=error.field, remedy=error.remedy) from None
    if out is not None:
        AHEAD.write(table, out)
    return table


def as_table(at: np.ndarray, ahead: Extrapolation) -> pd.DataFrame:
    return pd.DataFrame({"x": at.astype(float), "y": ahead.y, "low": ahead.low, "high": ahead.high,
                         "level": ahead.level} | {f"y_{law}": y for law, y in ahead.by_law.items()}
                        | {f"weight_{law}": weight for law, weight in ahead.weights.items()})
