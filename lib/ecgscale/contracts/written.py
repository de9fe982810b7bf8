"""What people write into tables and headers: rows of a CSV, codes in their many spellings, and words for "missing"."""

from __future__ import annotations

import csv
import re
import sys
import unicodedata
from collections import Counter
from itertools import zip_longest
from pathlib import Path

from ecgscale.contracts.reading import LARGEST_TEXT, plain_file, reading
from ecgscale.errors import UserError

MISSING = frozenset({"", "-", "--", "-1", "-1.0", ".", "?", "#n/a", "<na>", "n/a", "na", "nan", "nil", "none", "null",
                     "unk", "unknown", "missing", "not available", "n.a.", "not known", "not recorded", "not given",
                     "none given", "unspecified", "undefined", "anonymous", "anonymized", "anonymised", "xxx"})
WHOLE_AS_REAL = re.compile(r"(\d+)\.0+")
ROUNDED = re.compile(r"[+-]?\d+([.,]\d+)?[eE][+-]?\d+")


def is_missing(text: str) -> bool:
    """Whether this is a word for "not known": never a patient, a class or a fold."""
    return text.strip().casefold() in MISSING


def composed(text: str) -> str:
    """A name as names are compared: in one Unicode form (NFC). macOS and spreadsheets write an accent apart (NFD)."""
    return unicodedata.normalize("NFC", text)


def canonical(code: str) -> str:
    """A code as codes are compared: without spaces around it, without the `.0` of a table of numbers, in one case and
    one Unicode form."""
    return composed(as_whole(code.strip()).casefold())


def as_whole(code: str) -> str:
    """A number without its `.0`."""
    whole = WHOLE_AS_REAL.fullmatch(code)
    return whole[1] if whole else code


def unmatchable(code: str, member: bool = False) -> str:
    """Why no diagnosis can ever have this class code; "" where one can. A `member` of a class may be a text of a
    dataset's own, as `Old MI`."""
    if is_missing(code):
        return f"code {code!r} is a word for a missing value"
    if ROUNDED.fullmatch(code):
        return f"code {code!r} was rounded by a spreadsheet"
    if ";" in code or (not member and re.search(r"[\s,]", code)):
        return f"code {code!r} has a space, comma or semicolon, which part the codes of a header"
    return ""


SMALL = 1_000_000       # cells that lines may leave out


def read_rows(file: Path, required: tuple[str, ...], known: tuple[str, ...] = ()) -> list[dict[str, str]]:
    """Rows of a CSV written by a person, parted by `,`, `;` or tabs, values stripped.

    Columns that are required, or `known`, are found in any case. Raises UserError where one is missing, a name stands
    twice, or a line has more fields than the first one names. Says how many lines have fewer.
    """
    with (reading(plain_file(file, LARGEST_TEXT), "CSV in UTF-8 text"),
          open(file, newline="", encoding="utf-8-sig") as stream):
        delimiter = delimiter_of(stream.readline(), required)
        stream.seek(0)
        reader = csv.reader(stream, delimiter=delimiter)
        spelled = {name.casefold(): name for name in (*required, *known)}
        head = [spelled.get(name.strip().casefold(), name.strip()) for name in next(reader, [])]
        missing = [name for name in required if name not in head]
        if missing:
            raise UserError(f"column {missing[0]!r} is missing", file=file, line=1,
                            remedy=f"The first line must name {', '.join(required)}")
        twice = next((name for name, count in Counter(head).items() if name and count > 1), None)
        if twice:
            raise UserError(f"column {twice!r} stands twice", file=file, line=1, remedy="Leave one of them")
        rows, short, room = [], [], file.stat().st_size + SMALL
        for fields in filter(None, reader):
            if (room := room - len(head)) < 0:      # an honest cell takes a byte, if only for the comma behind it
                raise UserError(f"the first line names {len(head)} columns, and the lines below are shorter", file=file,
                                line=reader.line_num, remedy="Give each line a field for each column")
            if any(field.strip() for field in fields[len(head) :]):
                raise UserError(f"{len(fields)} fields, and the first line names {len(head)}", file=file,
                                line=reader.line_num, remedy=f"Put quotes around a field that holds {delimiter!r}")
            if 1 < len(fields) < len(head):
                short.append(reader.line_num)
            rows.append(dict(zip_longest(head, map(str.strip, fields[: len(head)]), fillvalue="")))
    if not rows:
        raise UserError("no rows", file=file)
    if short:
        print(f"{file}: {len(short)} of {len(rows)} lines have fewer fields than the first line names, the first of "
              f"them line {short[0]}: what they lack is read as empty", file=sys.stderr)
    return rows


def delimiter_of(first: str, required: tuple[str, ...]) -> str:
    """By which sign a table's first line parts the required names; a comma where none does."""
    for delimiter in ",;\t":
        names = {name.strip(' "\r\n').casefold() for name in first.split(delimiter)}
        if {name.casefold() for name in required} <= names:
            return delimiter
    return ","


def unused(file: Path, rows: list[dict[str, str]], used: tuple[str, ...]) -> tuple[str, ...]:
    """In words: the columns of a table that are not read."""
    others = [name for name in rows[0] if name and name not in used]        # "": pandas' index
    return (f"{file}: columns that are not used: {', '.join(map(repr, others))}",) if others else ()
