"""One learning curve in a CSV of anyone's: which column is the size and which the loss is told by names, or asked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ecgscale.errors import UserError
from ecgscale.tables.delimited import Sheet, read_sheet
from ecgscale.tables.names import SCORES, SIZES, is_response, spelled, understand
from ecgscale.tables.numbers import as_numbers, decimal_marks
from ecgscale.tables.roles import is_index

STEPS = frozenset(("step", "steps", "global_step", "trainer_global_step", "iteration", "iterations", "iter", "iters",
                   "epoch", "epochs", "update", "updates", "n_steps", "num_steps", "batch", "batches", "train_step",
                   "size", "sizes", "x", "scale", "budget"))
LOSSES = frozenset(("y", "value"))
NEITHER = frozenset(("seed", "random_seed", "random_state", "run", "run_id", "id", "name", "wall_time", "time",
                     "timestamp", "relative_time", "runtime", "date", "lr", "learning_rate", "number", "trial",
                     "relative", "elapsed", "seconds"))
PERCENT = 100.0


@dataclass(frozen=True)
class Curve:
    """Sizes and errors (point,) above 0. A score is held as 1 - score; `told` brings predictions back to its own scale.

    what: what was taken for what, for people.
    """

    x: np.ndarray
    y: np.ndarray
    score: bool
    unit: float                  # 100 where the table's values are percent
    what: tuple[str, ...]

    def told(self, y: np.ndarray) -> np.ndarray:
        return self.unit * (1 - y if self.score else y)


def read_curve(path: Path, x: str | None = None, y: str | None = None) -> Curve:
    """The columns that are named, else those whose names say size and loss or score. Rows without both are left out
    and counted. Raises UserError with file, line and field; in doubt it lists the choices."""
    try:
        return curve(read_sheet(path), x, y)
    except UserError as error:
        raise UserError(error.problem, file=error.file or path, line=error.line, field=error.field,
                        remedy=error.remedy) from None


def curve(sheet: Sheet, x: str | None = None, y: str | None = None) -> Curve:
    if not sheet.header:
        raise UserError("the first line holds numbers: there is no header", line=1,
                        remedy="Name the columns in the first line, such as size,loss")
    decimal = decimal_marks(sheet.columns, sheet.delimiter)
    asked = {place_of(sheet, name): name for name in (x, y) if name is not None}
    mostly = [place for place in range(len(sheet.names))
              if place in asked or holds_mostly_numbers(sheet.columns[place], decimal)]
    kinds = {place: kind(sheet.names[place]) for place in mostly}
    at_x = place_of(sheet, x) if x is not None else None
    at_y = place_of(sheet, y) if y is not None else None
    at_x = chosen(sheet, kinds, "size", at_y, "--x") if at_x is None else at_x
    at_y = chosen(sheet, kinds, "loss", at_x, "--y") if at_y is None else at_y
    return points(sheet, at_x, at_y, decimal)


def place_of(sheet: Sheet, name: str) -> int:
    places = [place for place, written in enumerate(sheet.names) if written == name] or [
        place for place, written in enumerate(sheet.names) if spelled(written) == spelled(name)]
    if not places:
        raise UserError("no such column", line=1, field=name, remedy=f"There are: {', '.join(sheet.names)}")
    return places[0]


def holds_mostly_numbers(cells: np.ndarray, decimal: str | None) -> bool:
    try:
        found = as_numbers(cells, decimal, units=True)
    except UserError:
        return True
    return bool(np.isfinite(found.values).sum() > found.wrong.sum())


def kind(written: str) -> str:
    """ "size", "loss", "neither" (a seed, an index, a clock), or "" for a name that is not known."""
    name = understand(written)
    if name.role in SIZES or name.plain in STEPS:
        return "size"
    if is_response(name.plain) or name.plain in LOSSES:
        return "loss"
    return "neither" if name.plain in NEITHER or is_index(written) else ""


def chosen(sheet: Sheet, kinds: dict[int, str], wanted: str, other: int | None, option: str) -> int:
    """The one column of the wanted kind; where none is known by name, the one column of numbers that is left."""
    known = [place for place, one in kinds.items() if one == wanted and place != other]
    if not known and (other is not None or "loss" in kinds.values() or wanted == "loss"):
        known = [place for place, one in kinds.items() if one == "" and place != other]
    if len(known) == 1:
        return known[0]
    names = [sheet.names[place] for place in (known or kinds)]
    if len(kinds) < 2:
        raise UserError("fewer than two columns of numbers", line=1,
                        remedy="Give sizes in one column and losses or error rates in another")
    raise UserError(f"which column is the {wanted}? " + (f"It may be {' or '.join(names)}" if known else
                    f"No name says it; columns of numbers: {', '.join(names)}"), line=1,
                    remedy=f"Say so: {option} {names[0]!r}" if " " in names[0] else f"Say so: {option} {names[0]}")


def points(sheet: Sheet, at_x: int, at_y: int, decimal: str | None) -> Curve:
    """The rows that have both, as errors; what was left out, converted and taken is told."""
    x, y = (positive_column(sheet, place, decimal) for place in (at_x, at_y))
    name = understand(sheet.names[at_y])
    score, unit = bool(SCORES.search(name.plain)), PERCENT if name.factor == 1 / PERCENT else 1.0
    both = np.isfinite(x) & np.isfinite(y)
    what = [f"size <- {sheet.names[at_x]}, {'score' if score else 'loss'} <- {sheet.names[at_y]}"]
    what += [f"{both.sum()} of {len(both)} rows used: the others lack one of them"] if not both.all() else []
    what += left_out(sheet, at_x, at_y)
    x, y, lines = x[both], y[both], sheet.lines[both]
    repeated = len(x) - len(np.unique(x))
    what += [f"{repeated} of {len(x)} rows repeat a size: taken as one curve, measured more than once"] * bool(repeated)
    if unit == PERCENT:
        y = y * PERCENT
    elif score and len(y) and 1.5 < y.max() <= PERCENT:
        unit = PERCENT
        what.append(f"{sheet.names[at_y]}: taken for percent")
    if score:
        if len(y) and y.max() >= unit:
            place = int(np.argmax(y >= unit))
            raise UserError(f"{y[place]:g} is no score below 1", line=int(lines[place]), field=sheet.names[at_y],
                            remedy="A curve of scores is continued as 1 - score, which must be above 0")
        y = 1 - y / unit
        what.append(f"continued as 1 - {sheet.names[at_y]}")
    elif unit == PERCENT:
        y = y / unit
    if not score and rises(x, y):
        raise UserError(f"rises with {sheet.names[at_x]}: is it a score?", line=1, field=sheet.names[at_y],
                        remedy="A loss falls. Name a score as one (..._accuracy, ..._score), or give 1 - score")
    return Curve(x, y, score, unit, (*sheet.notices, *what))


def left_out(sheet: Sheet, at_x: int, at_y: int) -> list[str]:
    """The columns that are not read, a run's name among them: two curves in one file would be taken for one."""
    others = [repr(name) for place, name in enumerate(sheet.names) if name and place not in (at_x, at_y)]
    return [f"columns that are not used: {', '.join(others)}"] if others else []


def positive_column(sheet: Sheet, place: int, decimal: str | None) -> np.ndarray:
    """(row,) numbers above 0, NaN where empty. Raises UserError for anything else, by its line."""
    name = understand(sheet.names[place])
    try:
        found = as_numbers(sheet.columns[place], decimal, units=name.role in SIZES or name.plain in STEPS)
    except UserError as error:
        raise UserError(error.problem, field=sheet.names[place], remedy=error.remedy) from None
    start = kind(sheet.names[place]) == "size" and name.role is None       # step 0 has no logarithm and no curve
    values = np.where(found.values == 0, np.nan, found.values) if start else found.values
    bad = np.flatnonzero(found.wrong | np.isinf(values) | (values <= 0))
    if len(bad):
        cell = str(sheet.columns[place][bad[0]]).strip()
        raise UserError(f"{cell} is not a positive number", line=int(sheet.lines[bad[0]]), field=sheet.names[place],
                        remedy="Give a loss or an error rate above 0; turn a score into 1 - score")
    return values * name.factor


def rises(x: np.ndarray, y: np.ndarray) -> bool:
    """Whether a curve goes up from its first half to its second, by more than it varies within either."""
    if len(y) < 6:
        return bool(len(y) > 2 and (np.diff(y[np.argsort(x, kind="stable")]) > 0).all())
    first, second = np.array_split(y[np.argsort(x, kind="stable")], 2)
    return bool(np.median(second) > np.max(first))
