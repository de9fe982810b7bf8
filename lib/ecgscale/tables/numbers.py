"""What a person means by the text of a cell: 1.4B, 7e9, "300 M", 85 %, 1,5 or 1.234.567, empty, inf."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ecgscale.errors import UserError
from ecgscale.tables.units import factor_of

MISSING = frozenset(("", "nan", "na", "n/a", "#n/a", "<na>", "null", "none", "nil", "-", "–", "—", "--", "?", "."))
LOST = frozenset(("diverged", "crashed", "failed", "oom", "error", "timeout", "killed", "#div/0!", "#num!", "#value!"))
INFINITE = {"inf": np.inf, "+inf": np.inf, "infinity": np.inf, "-inf": -np.inf, "-infinity": -np.inf, "∞": np.inf}
CELL = re.compile(r"(?P<number>[+-]?(?:\d[\d.,'’ \u00a0\u202f_]*)?[.,]?\d[.,]?(?:[eE][+-]?\d+)?)"
                  r"(?:\s*[x×*·]\s*10\s*\^?\s*(?P<power>[+-]?\d+))?\s*(?P<unit>\D.*)?")
SPREAD = re.compile(r"(?:\s*%(?=.*%))?\s*(?:±|\+/-|\+-)\s*[\d.,]+(?:[eE][+-]?\d+)?(?=\s*%?$)")      # behind a mean
LONGEST = 200           # characters of a number with its spread: the pattern takes the square of a cell's blanks
GROUPED = {mark: re.compile(rf"\d{{1,3}}(?:{re.escape(mark)}\d{{3}})+") for mark in ".,"}
SPACES = re.compile(r"['’ \u00a0\u202f_]")


@dataclass(frozen=True)
class Numbers:
    """values (row,): NaN where empty or not a number; `wrong` (row,) marks text that is neither; `lost` a run's end
    in words ("diverged") where a number should stand."""

    values: np.ndarray
    wrong: np.ndarray
    lost: np.ndarray


def decimal_marks(columns: Iterable[np.ndarray], delimiter: str) -> str | None:
    """The decimal mark of a table's text, "." or ","; None where its columns differ or cannot tell."""
    found = set().union(*(marks_of(cells) for cells in columns), set())
    if len(found) == 1:
        return found.pop()
    if found:
        return None
    return {",": ".", ";": ","}.get(delimiter)


def marks_of(cells: np.ndarray) -> set[str]:
    """Decimal marks that the cells of a column show beyond doubt; a cell such as 1,234 shows none."""
    if cells.dtype != object:
        return set()
    marked = {match["number"] for cell in set(cells) if isinstance(cell, str) and ("," in cell or "." in cell)
              and (match := CELL.fullmatch(mean_of(cell.strip()))) and is_unit(match["unit"])}
    return {mark for number in marked if (mark := decimal_mark(number))}


def mean_of(cell: str) -> str:
    """ "0.31 ± 0.02" -> "0.31", "85 % ± 2 %" -> "85 %"."""
    text = cell.replace("−", "-")
    return SPREAD.sub("", text) if len(text) <= LONGEST else text


def told_spreads(name: str, cells: np.ndarray) -> list[str]:
    """That spreads stand behind the means of a column, and are not read."""
    texts = [cell.strip() for cell in cells if isinstance(cell, str)]
    several = sum(mean_of(text) != text.replace("−", "-") for text in texts)
    return [f"{name}: the mean is read in {several} row(s), what is behind ± is not"] if several else []


def is_unit(text: str | None) -> bool:
    return text is None or text.strip() == "%" or factor_of(text) is not None


def decimal_mark(number: str) -> str | None:
    """ "1,5" -> ",", "1.234.567" -> ",", "1,234.5" -> ".", "1,234" -> None (either)."""
    mantissa = SPACES.sub("", re.split("[eE]", number)[0].lstrip("+-"))
    comma, point = mantissa.rfind(","), mantissa.rfind(".")
    if comma >= 0 and point >= 0:
        return "," if comma > point else "."
    mark, other = (",", ".") if comma >= 0 else (".", ",")
    if comma < 0 and point < 0:
        return None
    if mantissa.count(mark) > 1:
        return other if GROUPED[mark].fullmatch(mantissa) else None
    if GROUPED[mark].fullmatch(mantissa) and not mantissa.startswith("0") and "e" not in number.casefold():
        return None
    return mark


def as_numbers(cells: np.ndarray, decimal: str | None = ".", units: bool = False) -> Numbers:
    """The cells of a column. units: suffixes such as M and billion count; a percent sign always does.

    decimal: the table's mark; None: this column's own. Raises UserError where a column has both marks.
    """
    if cells.dtype != object:
        values = cells.astype(float)
        nothing = np.zeros(len(cells), dtype=bool)
        return Numbers(values, nothing, nothing)
    text = ["" if cell is None or cell is pd.NA or cell != cell else str(cell).strip() for cell in cells]
    decimal = decimal or own_mark(cells)
    plain = np.asarray(pd.to_numeric(np.array(text, dtype=object), errors="coerce"), dtype=float)
    odd = ~np.isfinite(plain)
    if decimal == ",":
        odd |= np.array(["." in cell for cell in text], dtype=bool)
    values, wrong, lost = plain.copy(), np.zeros(len(text), dtype=bool), np.zeros(len(text), dtype=bool)
    known: dict[str, tuple[float, str]] = {}
    for place in np.flatnonzero(odd).tolist():
        cell = text[place]
        if cell not in known:
            known[cell] = one_number(cell, decimal, units)
        values[place], kind = known[cell]
        wrong[place], lost[place] = kind == "wrong", kind == "lost"
    return Numbers(values, wrong, lost)


def own_mark(cells: np.ndarray) -> str:
    found = marks_of(cells)
    if len(found) > 1:
        raise UserError("numbers with decimal points and numbers with decimal commas in one column",
                        remedy="Write them in one way")
    if not found and any(isinstance(cell, str) and re.fullmatch(r"\s*\d{1,3},\d{3}\s*", cell) for cell in cells):
        raise UserError("1,234 may be a thousand or one and a bit", remedy="Write numbers without thousands separators")
    return found.pop() if found else "."


def one_number(cell: str, decimal: str, units: bool) -> tuple[float, str]:
    """(value, kind) of one cell: kind is "number", "missing", "lost" or "wrong"."""
    word = cell.casefold()
    if word in MISSING or word in LOST:
        return np.nan, "missing" if word in MISSING else "lost"
    if word in INFINITE:
        return INFINITE[word], "number"
    match = CELL.fullmatch(mean_of(cell))
    if not match:
        return np.nan, "wrong"
    unit = (match["unit"] or "").strip()
    factor = 1.0 if not unit else 0.01 if unit in ("%", "percent", "pct") else factor_of(unit) if units else None
    number = plain_number(match["number"], decimal)
    if factor is None or number is None:
        return np.nan, "wrong"
    return float(number) * factor * float(f"1e{match['power'] or 0}"), "number"


def plain_number(text: str, decimal: str) -> str | None:
    """The number as Python writes it: without thousands separators, with a decimal point; None where it is none."""
    mantissa, *exponent = re.split("[eE]", SPACES.sub("", text))
    whole, *rest = mantissa.split(decimal)
    group = "," if decimal == "." else "."
    sign, digits = (whole[:1], whole[1:]) if whole[:1] in "+-" and whole else ("", whole)
    if group in digits:
        if not GROUPED[group].fullmatch(digits):
            return None
        digits = digits.replace(group, "")
    if len(rest) > 1 or any(group in part for part in rest):
        return None
    return f"{sign}{digits or '0'}.{rest[0] if rest else ''}0{'e' + exponent[0] if exponent else ''}"
