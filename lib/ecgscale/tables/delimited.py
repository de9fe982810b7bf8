"""Delimited text as it stands: delimiter, encoding, header, rows that do not fit. Cells stay text, `#` is text.

Written by hand rather than left to pandas, which moves columns by one where lines end in a delimiter, takes a first
line of numbers for a header, and fills short lines without a word.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ecgscale.contracts.reading import check_width, plain_file, reading
from ecgscale.contracts.tables import OLD_FORM, check_cells
from ecgscale.contracts.written import composed
from ecgscale.errors import UserError

DELIMITERS = (",", ";", "\t", "|")
LOOKED_AT = 200             # lines that tell the delimiter
MOST_BYTES = 1 << 30
NUMBER = re.compile(r"\s*[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?\s*%?\s*")
RULE = re.compile(r"(:?-+:?)?")      # a cell of the line below a header in Markdown
JSON = re.compile(r'\s*\[?\s*\{\s*"')
WORKBOOK, PARQUET = b"PK\x03\x04", b"PAR1"
BYTES = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary, pa.types.is_binary_view)


@dataclass(frozen=True)
class Sheet:
    """Columns of cells: text, or numbers where the file had types. `names` are as written and may repeat; they and
    texts are in one Unicode form."""

    names: list[str]
    columns: list[np.ndarray]        # (row,) each
    lines: np.ndarray                # (row,) line of the file that the row begins in
    delimiter: str = ""              # "" where the file had types
    header: bool = True
    notices: tuple[str, ...] = ()

    @classmethod
    def of(cls, frame: pd.DataFrame, notices: tuple[str, ...] = ()) -> Sheet:
        """A frame's columns, and the levels of its index that have names: `set_index` hides no size. Several levels of
        columns are one name, ("val", "loss") "val/loss"; columns of lists or dictionaries have no cells."""
        levels = [name for name in frame.index.names if name is not None and name not in frame]
        if levels:
            frame = frame.reset_index(levels)
        names = [composed("/".join(str(one) for one in name if str(one)) if isinstance(name, tuple) else str(name))
                 for name in frame]
        columns = [frame.iloc[:, i].to_numpy() for i in range(frame.shape[1])]
        kept = [i for i, column in enumerate(columns) if not holds_containers(column)]
        if len(kept) < len(columns):
            notices += (told_left_out(name for i, name in enumerate(names) if i not in kept),)
        return cls([names[i] for i in kept], [in_one_form(columns[i]) for i in kept], np.arange(len(frame)) + 2,
                   notices=notices)


def holds_containers(column: np.ndarray) -> bool:
    return column.dtype == object and any(isinstance(cell, (list, tuple, set, dict, bytes, np.ndarray))
                                          for cell in column)


def in_one_form(column: np.ndarray) -> np.ndarray:
    """The column, its texts composed: one family is one, whoever wrote its accent."""
    if column.dtype != object:
        return column
    other = {cell: composed(cell) for cell in pd.unique(column) if isinstance(cell, str) and not cell.isascii()}
    return np.array([other.get(cell, cell) for cell in column], dtype=object) if other else column


def told_left_out(names: Iterable[str]) -> str:
    return f"columns of lists, structures or bytes left out: {', '.join(map(repr, names))}"


def read_sheet(path: Path) -> Sheet:
    """A CSV of any common delimiter and encoding, or a Parquet file. Raises UserError with file and line."""
    content = plain_file(path, MOST_BYTES).read_bytes()
    if content.startswith(PARQUET):
        with reading(path, "Parquet file"), pq.ParquetFile(io.BytesIO(content)) as file:
            check_cells(file.metadata, path)
            check_width(file.metadata.num_columns, path)
            return typed(file.read())
    text, notices = decoded(content, path)
    return parsed(text, path, notices)


def typed(table: pa.Table) -> Sheet:
    """Columns of numbers, texts, flags and times; of anything else, as lists, there is no cell."""
    left_out = [place for place, column in enumerate(table.schema)
                if pa.types.is_nested(column.type) or any(known(column.type) for known in BYTES)]
    said = told_left_out(table.column_names[place] for place in left_out)
    kept = table.select([place for place in range(table.num_columns) if place not in left_out])
    return Sheet.of(kept.to_pandas(), (said,) * bool(left_out))


def decoded(content: bytes, path: Path) -> tuple[str, list[str]]:
    if content.startswith(WORKBOOK):
        raise UserError("a workbook or an archive, not text", file=path, remedy="Save the sheet as CSV")
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16", errors="replace"), ["encoding: UTF-16"]
    if b"\0" in content[:4096]:
        raise UserError("neither Parquet nor text", file=path, remedy="Save the table as CSV")
    try:
        return content.decode("utf-8-sig"), []
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace"), ["encoding: Windows 1252, since it is not UTF-8"]


def parsed(text: str, path: Path, notices: list[str]) -> Sheet:
    """The text as columns; what was left out is in `notices`."""
    if JSON.match(text):
        raise UserError("JSON, not a table", file=path, remedy="Make one of it, here of a record a line: "
                        f"pandas.json_normalize([json.loads(line) for line in open({path.name!r})]).to_csv('runs.csv')")
    skipped, told = preamble(text)
    notices += [OLD_FORM] if skipped and not told else []
    body = text.split("\n", skipped)[skipped] if skipped else text
    delimiter = told or delimiter_of(body)
    rows, lines = records(body, delimiter, path, skipped)
    if not unicodedata.is_normalized("NFC", body):      # a whole file is quickly looked at
        rows = [[composed(cell) for cell in row] for row in rows]
    if not rows:
        raise UserError("not a readable CSV: it holds no line", file=path)
    check_width(max(map(len, rows)), path)
    comments = {i for i, row in enumerate(rows) if len(row) == 1 and row[0].lstrip().startswith("#")}
    if len(comments) < len(rows) and max(map(len, rows)) > 1:
        rows = [row for i, row in enumerate(rows) if i not in comments]
        lines = [line for i, line in enumerate(lines) if i not in comments]
        notices += [f"{len(comments)} line(s) of comment left out"] if comments else []
    if delimiter == "|":
        rules = {i for i, row in enumerate(rows) if all(RULE.fullmatch(cell.strip()) for cell in row)}
        rows, lines = ([one for i, one in enumerate(all_of) if i not in rules] for all_of in (rows, lines))
    rows, lines = levels_joined(rows, lines, notices)
    header = not all(NUMBER.fullmatch(cell) for cell in rows[0] if cell.strip())
    names = [cell.strip() for cell in rows.pop(0)] if header else []
    lines = lines[1:] if header else lines
    if header and names[0] == "#" and rows and len(rows[0]) < len(names):
        names = names[1:]                           # as numpy.savetxt writes a header
    rows, names = aligned(rows, names, lines, path, notices)
    if header and names and names[0].startswith("#") and len(names[0]) > 1:
        names[0] = names[0].lstrip("# ")             # the same, with a delimiter
    if not header:
        names = [f"column {i + 1}" for i in range(len(rows[0]))]
    columns = [np.array(column, dtype=object) for column in zip(*rows, strict=True)] if rows else [
        np.empty(0, dtype=object) for _ in names]
    return Sheet(names, columns, np.array(lines, dtype=int), delimiter, header, tuple(notices))


def levels_joined(rows: list[list[str]], lines: list[int], notices: list[str]) -> tuple[list[list[str]], list[int]]:
    """The rows with one header where pandas wrote several levels of columns, one a line with nothing above its index,
    and below them, where the index has names, a line of those: ("val", "loss") is "val/loss", as of a frame, and
    the mean of a loss is the loss."""
    index = next((place for place, cell in enumerate(rows[0]) if cell.strip()), 0)

    def is_level(row: list[str]) -> bool:
        return len(row) == len(rows[0]) and not any(map(str.strip, row[:index])) and all(
            cell.strip() and not NUMBER.fullmatch(cell) for cell in row[index:])

    levels = 1
    while index and levels < len(rows) and is_level(rows[levels]):
        levels += 1
    if levels == 1:
        return rows, lines
    names = ["/".join(part.strip() for part in parts if part.strip() not in ("", "mean"))
             for parts in zip(*rows[:levels], strict=True)]
    notices.append(f"{levels} lines of header are joined: {', '.join(names[index:][:3])}")
    below = rows[levels] if levels < len(rows) else []
    if len(below) == len(names) and all(map(str.strip, below[:index])) and not any(map(str.strip, below[index:])):
        names, levels = [*below[:index], *names[index:]], levels + 1
    return [names, *rows[levels:]], [lines[0], *lines[levels:]]


def preamble(text: str) -> tuple[int, str]:
    """Number of lines before the table (our schema's, Excel's "sep=;"), and the delimiter that one of them names."""
    first = text.split("\n", 1)[0].strip()
    if first.startswith("# ecgscale."):
        return 1, ""
    if match := re.fullmatch(r'"?sep=(.)"?', first, re.IGNORECASE):
        return 1, match[1]
    return 0, ""


def delimiter_of(text: str) -> str:
    """The delimiter that cuts the lines into the same number of fields, more than one; a space where none does."""
    lines = [line for line in text.split("\n", LOOKED_AT)[:LOOKED_AT] if line.strip()]
    best, score = ",", (0.0, 0)
    for delimiter in DELIMITERS:
        try:        # a lone carriage return ends a line too
            counts = [len(row) for row in csv.reader(io.StringIO("\n".join(lines), newline=""), delimiter=delimiter)]
        except csv.Error:       # said with its line once the rows are read
            continue
        fields = counts[0] if counts else 1
        same = sum(count in (fields, fields + 1) for count in counts) / max(len(counts), 1)
        if fields > 1 and (same, fields) > score and same > 0.5:
            best, score = delimiter, (same, fields)
    if score[1] == 0 and lines and len(lines[0].split()) > 1 and not any("," in line for line in lines):
        return " "
    return best


def records(text: str, delimiter: str, path: Path, skipped: int) -> tuple[list[list[str]], list[int]]:
    """Fields of each line that holds any, and the number of the line it begins in."""
    if delimiter == " ":
        text = re.sub(r"(?m)^ | $", "", re.sub(r"[ \t]+", " ", text))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    rows, lines, line = [], [], 0
    try:
        for row in reader:
            if any(map(str.strip, row)):
                rows.append(row)
                lines.append(line + 1 + skipped)
            line = reader.line_num
    except csv.Error as error:
        raise UserError(f"not a readable CSV ({error})", file=path, line=reader.line_num + skipped) from None
    return rows, lines


def aligned(rows: list[list[str]], names: list[str], lines: list[int], path: Path,
            notices: list[str]) -> tuple[list[list[str]], list[str]]:
    """Rows of one length, under the header's names. Raises UserError for a line that does not fit.

    Every line longer than the header by one is either ended by a delimiter (its last field is empty) or begins with
    R's row names, which have no name in the header.
    """
    if not rows:
        return rows, names
    width = len(names) or max(map(len, rows))
    if all(len(row) == width + 1 for row in rows):
        if not any(row[-1].strip() for row in rows):
            notices.append("every line ends with a delimiter: the empty field behind it is left out")
            rows = [row[:-1] for row in rows]
        else:
            notices.append("the lines have one field more than the header: the first one is taken for row names")
            names, width = ["", *names], width + 1
    for place, row in enumerate(rows):
        while len(row) > width and not row[-1].strip():
            row.pop()
        if len(row) != width:
            raise UserError(f"{len(row)} fields, but the {'header' if names else 'longest line'} has {width}",
                            file=path, line=lines[place],
                            remedy="Quote text that holds the delimiter, or mend the line")
    return rows, names
