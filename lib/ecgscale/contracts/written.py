"""What people write into tables and headers: rows of a CSV, codes in their many spellings, and words for "missing"."""

from __future__ import annotations

import csv
import re
from pathlib import Path

from ecgscale.contracts.reading import LARGEST_TEXT, plain_file, reading
from ecgscale.errors import UserError

MISSING = frozenset({"", "-", "--", "-1", "-1.0", ".", "?", "#n/a", "<na>", "n/a", "na", "nan", "nil", "none", "null",
                     "unk", "unknown", "missing", "not available"})
WHOLE_AS_REAL = re.compile(r"(\d+)\.0+")
ROUNDED = re.compile(r"[+-]?\d+([.,]\d+)?[eE][+-]?\d+")


def is_missing(text: str) -> bool:
    """Whether this is a word for "not known": never a patient, a class or a fold."""
    return text.strip().casefold() in MISSING


def canonical(code: str) -> str:
    """A code as codes are compared: without spaces around it, without the `.0` of a table of numbers, in one case."""
    return as_whole(code.strip()).casefold()


def as_whole(code: str) -> str:
    """A number without its `.0`."""
    whole = WHOLE_AS_REAL.fullmatch(code)
    return whole[1] if whole else code


def unmatchable(code: str) -> str:
    """Why no diagnosis can ever have this class code; "" where one can."""
    if is_missing(code):
        return f"code {code!r} is a word for a missing value"
    if ROUNDED.fullmatch(code):
        return f"code {code!r} was rounded by a spreadsheet"
    if re.search(r"[\s,;]", code):
        return f"code {code!r} has a space, comma or semicolon, which part the codes of a header"
    return ""


def read_rows(file: Path, required: tuple[str, ...]) -> list[dict[str, str]]:
    """Rows of a CSV written by a person: required columns checked, values stripped."""
    with (reading(plain_file(file, LARGEST_TEXT), "CSV in UTF-8 text"),
          open(file, newline="", encoding="utf-8-sig") as stream):
        reader = csv.DictReader(stream)
        missing = [name for name in required if name not in (reader.fieldnames or [])]
        if missing:
            raise UserError(f"column {missing[0]!r} is missing", file=file, line=1,
                            remedy=f"The first line must name {', '.join(required)}")
        rows = [{k: (v or "").strip() for k, v in row.items() if k is not None} for row in reader]
    if not rows:
        raise UserError("no rows", file=file)
    return rows
