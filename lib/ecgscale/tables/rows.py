"""Rows of a table that holds several things: those that the user asks for, by the value of a column."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from ecgscale.contracts.written import composed
from ecgscale.errors import UserError
from ecgscale.tables.delimited import Sheet
from ecgscale.tables.names import spelled

MOST_LISTED = 8


def narrowed(sheet: Sheet, where: Mapping[str, str]) -> Sheet:
    """The rows whose cells are as the user said: a column's name -> its value there. Raises UserError where none is."""
    for name, value in where.items():
        cells = told_cells(sheet.columns[place_of(sheet, name)])
        kept = cells == told_cell(value)
        if not kept.any():
            raise UserError(f"no row holds {value!r}", field=name, remedy=f"There are: {listed(cells)}")
        said = f"{kept.sum()} of {len(kept)} rows have {name} {value}: the others were not asked for"
        sheet = replace(sheet, columns=[column[kept] for column in sheet.columns], lines=sheet.lines[kept],
                        notices=(*sheet.notices, *([] if kept.all() else [said])))
    return sheet


def place_of(sheet: Sheet, name: str) -> int:
    """A column's place by its name as it stands in the file, or in our spelling. Raises UserError where none is."""
    name = composed(name)
    places = [place for place, written in enumerate(sheet.names) if written == name] or [
        place for place, written in enumerate(sheet.names) if spelled(written) == spelled(name)]
    if not places:
        raise UserError("no such column", line=1, field=name, remedy=f"There are: {', '.join(sheet.names)}")
    return places[0]


def told_cells(cells: Iterable[object]) -> np.ndarray:
    return np.array([told_cell(cell) for cell in cells], dtype=object)


def told_cell(cell: object) -> str:
    """A cell's text; numbers alike however they are written ("1", "1.0", 1), and letters in either Unicode form."""
    text = composed(str(cell).strip())
    try:
        return f"{float(text):.12g}"
    except ValueError:
        return text


def listed(cells: Iterable[str], most: int = MOST_LISTED) -> str:
    several = list(dict.fromkeys(cells))
    return ", ".join(several[:most]) + (f", ... ({len(several)})" if len(several) > most else "")
