"""One learning curve in a CSV of anyone's: which column is the size and which the loss is told by names, or asked; and
which curve, where a file holds several."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ecgscale.errors import UserError
from ecgscale.tables.delimited import NUMBER, Sheet, read_sheet
from ecgscale.tables.names import PROGRESS, ROLES, SCORES, SIZES, is_response, names_response, understand
from ecgscale.tables.numbers import as_numbers, decimal_marks, told_spreads
from ecgscale.tables.roles import is_index
from ecgscale.tables.rows import listed, narrowed, place_of, told_cell, told_cells

DONE = frozenset((*PROGRESS, "trainer_global_step", "iters", "epochs", "n_steps", "num_steps", "batch", "batches"))
STEPS = DONE | {"size", "sizes", "x", "scale", "budget", "timestep", "anchor", "anchors", "shots", "n_shots"}
LOSSES = frozenset(("y", "value"))
NEITHER = frozenset(("seed", "random_seed", "random_state", "run", "run_id", "id", "name", "wall_time", "time",
                     "timestamp", "relative_time", "runtime", "date", "lr", "learning_rate", "number", "trial",
                     "relative", "elapsed", "seconds"))
REPEATS = frozenset(("seed", "fold", "cv_fold", "repeat", "rep"))        # what tells repeats of one curve apart
PERCENT = 100.0
KINDS = ("loss", "score")


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


@dataclass(frozen=True)
class Asked:
    """What the user said of a file of curves: names of columns as they stand there, or in our spelling.

    holds: "loss" or "score", what y is, whatever its name says. where: a column's name -> the value of the rows that
    are the curve. seed: what alone differs between repeats of the curve.
    """

    x: str | None = None
    y: str | None = None
    holds: str | None = None
    where: Mapping[str, str] = field(default_factory=dict)
    seed: str | None = None


def read_curve(path: Path, asked: Asked | None = None) -> Curve:
    """The columns that are named, else those whose names say size and loss or score. Rows without both are left out
    and counted. Raises UserError with file, line and field; in doubt, and for several curves, it lists the choices."""
    try:
        return curve(read_sheet(path), asked)
    except UserError as error:
        raise UserError(error.problem, file=error.file or path, line=error.line, field=error.field,
                        remedy=error.remedy) from None


def curve(sheet: Sheet, asked: Asked | None = None) -> Curve:
    asked = asked or Asked()
    if not sheet.header:
        raise UserError("the first line holds numbers: there is no header", line=1,
                        remedy="Name the columns in the first line, such as size,loss")
    sheet = narrowed(long(sheet), asked.where)
    decimal = decimal_marks(sheet.columns, sheet.delimiter)
    x, y = (place_of(sheet, name) if name is not None else None for name in (asked.x, asked.y))
    mostly = [place for place in range(len(sheet.names))
              if place in (x, y) or holds_mostly_numbers(sheet.columns[place], decimal)]
    kinds = {place: kind(sheet.names[place]) for place in mostly}
    kinds = {place: "neither" if one == "size" and len(set(told_cells(sheet.columns[place]))) == 1 < len(sheet.lines)
             else one for place, one in kinds.items()}      # the model's parameters beside each step
    at_x = chosen(sheet, kinds, "size", y, "--x") if x is None else x
    at_y = chosen(sheet, kinds, "loss", at_x, "--y") if y is None else y
    return points(sheet, at_x, at_y, decimal, asked)


def long(sheet: Sheet) -> Sheet:
    """A table of a row a curve, whose columns are named by sizes (learner,16,32,64), as one of a row a point."""
    sizes = [place for place, name in enumerate(sheet.names) if NUMBER.fullmatch(name)]
    if len(sizes) < 3 or len(sheet.lines) == 0:
        return sheet
    rows = np.repeat(np.arange(len(sheet.lines)), len(sizes))
    others = [place for place in range(len(sheet.names)) if place not in sizes]
    columns = [sheet.columns[place][rows] for place in others]
    columns += [np.tile(np.array([sheet.names[place] for place in sizes], dtype=object), len(sheet.lines)),
                np.stack([sheet.columns[place].astype(object) for place in sizes], axis=1).ravel()]
    return replace(sheet, names=[*(sheet.names[place] for place in others), "size", "value"], columns=columns,
                   lines=sheet.lines[rows],
                   notices=(*sheet.notices, f"a row a curve: sizes are the names of {len(sizes)} columns"))


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
        if wanted == "loss":
            known = [place for place in known if names_response(sheet.names[place])] or known
    if len(known) == 1:
        return known[0]
    names = [sheet.names[place] for place in (known or kinds)]
    if len(kinds) < 2:
        raise UserError("fewer than two columns of numbers", line=1,
                        remedy="Give sizes in one column and losses or error rates in another")
    raise UserError(f"which column is the {wanted}? " + (f"It may be {' or '.join(names)}" if known else
                    f"No name says it; columns of numbers: {', '.join(names)}"), line=1,
                    remedy=f"Say so: {option} {quoted(names[0])}")


def points(sheet: Sheet, at_x: int, at_y: int, decimal: str | None, asked: Asked) -> Curve:
    """The rows that have both, as errors; what was left out, converted and taken is told."""
    named_x, named_y = sheet.names[at_x], sheet.names[at_y]
    name = understand(named_y)
    score = asked.holds == "score" if asked.holds else bool(SCORES.search(name.plain))
    unit = PERCENT if name.factor == 1 / PERCENT else 1.0
    x, y = sizes_of(sheet, at_x, decimal), values_of(sheet, at_y, decimal, score)
    both = np.isfinite(x) & (x > 0) & np.isfinite(y)
    what = [f"size <- {named_x}, {'score' if score else 'loss'} <- {named_y}"]
    if not both.all():
        starts = int(((x == 0) & np.isfinite(y)).sum())
        lacking = len(both) - both.sum() - starts
        why = [f"{starts} at {named_x} 0, which has no logarithm (where 0 is the first one done, add 1 to all)"] * (
            starts > 0) + [f"{lacking} without one of them"] * bool(lacking)
        what.append(f"{both.sum()} of {len(both)} rows used: {'; '.join(why)}")
    if {understand(named_x).plain, understand(named_x).role} & DONE:
        what.append("taken for the log of one run: where its learning rate falls later, it ends "
                    f"{'above' if score else 'below'} what is foretold (of 246 public logs that were cut at half, "
                    "210 ended beyond their interval of 90%)")
    what += [told for at in (at_x, at_y) for told in told_spreads(sheet.names[at], sheet.columns[at])]
    what += left_out(sheet, at_x, at_y)
    sheet = replace(sheet, columns=[column[both] for column in sheet.columns], lines=sheet.lines[both])
    what += repeats(sheet, at_x, at_y, asked)
    x, y = x[both], y[both]
    if unit == PERCENT:
        y = y * PERCENT
    elif score and len(y) and 1.5 < y.max() <= PERCENT:
        unit = PERCENT
        what.append(f"{named_y}: taken for percent")
    if score:
        if len(y) and y.max() >= unit:
            place = int(np.argmax(y >= unit))
            raise UserError(f"{y[place]:g} is no score below {unit:g}", line=int(sheet.lines[place]), field=named_y,
                            remedy="A curve of scores is continued as 1 - score, which must be above 0: leave out the "
                                   "rows that reached the top. If less of it is better: --as loss")
        y = 1 - y / unit
        what.append(f"continued as 1 - {named_y}")
    elif unit == PERCENT:
        y = y / unit
    if rises(x, y):
        raise UserError(f"{'falls' if score else 'rises'} with {named_x}: is it {'an error' if score else 'a score'}?",
                        line=1, field=named_y,
                        remedy=f"A {'score rises' if score else 'loss falls'}. If it is the other: "
                               f"--y {quoted(named_y)} --as {'loss' if score else 'score'}")
    return Curve(x, y, score, unit, (*sheet.notices, *what))


def left_out(sheet: Sheet, at_x: int, at_y: int) -> list[str]:
    """The columns that are not read."""
    others = [repr(name) for place, name in enumerate(sheet.names) if name and place not in (at_x, at_y)]
    return [f"columns that are not used: {', '.join(others)}"] if others else []


def repeats(sheet: Sheet, at_x: int, at_y: int, asked: Asked) -> list[str]:
    """Several rows of one size are repeats of the curve where a seed, or nothing, tells them apart; where a name or a
    setting does, they are several curves, and the user is asked for one."""
    groups: dict[str, list[int]] = {}
    for row, cell in enumerate(sheet.columns[at_x]):
        groups.setdefault(told_cell(cell), []).append(row)
    again = [rows for rows in groups.values() if len(rows) > 1]
    if not again:
        return []
    seed = place_of(sheet, asked.seed) if asked.seed is not None else None
    apart = {place: cells for place in range(len(sheet.names)) if place not in (at_x, at_y)
             and (cells := tells_apart(sheet, place, again)) is not None}
    curves = {place: cells for place, cells in apart.items() if place != seed and not is_repeat(sheet.names[place])}
    if curves:
        some = list(curves)[:4]
        raise UserError(
            f"holds several curves: rows of one {sheet.names[at_x]} differ in "
            + ", ".join(f"{sheet.names[place]} ({listed(curves[place], 3)})" for place in some)
            + (f", and {len(curves) - 4} more columns" if len(curves) > 4 else ""), line=int(sheet.lines[0]),
            remedy="Say which one: --where " + " ".join(quoted(f"{sheet.names[place]}={curves[place][0]}")
                                                        for place in some)
            + f". If they are repeats of one curve: --seed-column {quoted(sheet.names[some[0]])}")
    told = ", ".join(sheet.names[place] for place in apart)
    return [f"{len(sheet.lines)} rows at {len(groups)} sizes, taken for repeats of one curve"
            + (f" that differ in {told}" if told else "")]


def tells_apart(sheet: Sheet, place: int, again: list[list[int]]) -> np.ndarray | None:
    """(row,) texts of a column that tells rows of one size apart and is no measurement: words, whole numbers or a
    setting, of which there are fewer than a third of the rows."""
    name = understand(sheet.names[place])
    if (kind(sheet.names[place]) in ("loss", "size") and name.role is None) or is_index(sheet.names[place]):
        return None
    cells = told_cells(sheet.columns[place])
    few = 2 <= len(set(cells)) <= max(2, len(cells) / 3)
    if not few or (name.role not in ROLES and any(is_fraction(cell) for cell in set(cells))):
        return None
    return cells if any(len({cells[row] for row in rows}) > 1 for rows in again) else None


def is_fraction(cell: str) -> bool:
    try:
        return not float(cell).is_integer()
    except (ValueError, OverflowError):
        return False


def is_repeat(written: str) -> bool:
    name = understand(written)
    return name.role == "seed" or name.plain in REPEATS


def quoted(written: str) -> str:
    return written if re.fullmatch(r"[\w=./:+-]+", written) else f"'{written}'"


def sizes_of(sheet: Sheet, place: int, decimal: str | None) -> np.ndarray:
    """(row,) sizes, 0 where a log begins before the first step, NaN where empty. Raises UserError by the line."""
    name = understand(sheet.names[place])
    values = numbers_of(sheet, place, decimal, units=name.role in SIZES or name.plain in STEPS)
    refuse(sheet, place, values < 0, "is not a positive number", "Give sizes above 0")
    return values * name.factor


def values_of(sheet: Sheet, place: int, decimal: str | None, score: bool) -> np.ndarray:
    """(row,) scores, or losses above 0; NaN where empty. Raises UserError by the line."""
    values = numbers_of(sheet, place, decimal, units=False)
    refuse(sheet, place, np.zeros(len(values), bool) if score else values <= 0, "is not a positive number",
           "Give a loss or an error rate above 0; a score is continued as 1 - score: --as score")
    return values * understand(sheet.names[place]).factor


def numbers_of(sheet: Sheet, place: int, decimal: str | None, units: bool) -> np.ndarray:
    try:
        found = as_numbers(sheet.columns[place], decimal, units=units)
    except UserError as error:
        raise UserError(error.problem, field=sheet.names[place], remedy=error.remedy) from None
    refuse(sheet, place, found.wrong | np.isinf(found.values), "is not a number",
           "Give numbers, or leave the cell empty")
    return found.values


def refuse(sheet: Sheet, place: int, bad: np.ndarray, problem: str, remedy: str) -> None:
    rows = np.flatnonzero(bad)
    if len(rows):
        raise UserError(f"{str(sheet.columns[place][rows[0]]).strip()} {problem}", line=int(sheet.lines[rows[0]]),
                        field=sheet.names[place], remedy=remedy)


def rises(x: np.ndarray, y: np.ndarray) -> bool:
    """Whether a curve goes up from its first half to its second, by more than it varies within either."""
    if len(y) < 6:
        return bool(len(y) > 2 and (np.diff(y[np.argsort(x, kind="stable")]) > 0).all())
    first, second = np.array_split(y[np.argsort(x, kind="stable")], 2)
    return bool(np.median(second) > np.max(first))
