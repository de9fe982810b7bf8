"""Tables between stages: every column is declared with its type, unit and meaning; one writer, one reader.

A table is Parquet, or CSV where a person opens it first. Parquet carries schema and version in its metadata, CSV in the
datapackage.json beside it, which describes the columns of both. A CSV is plain: its first line names the columns.
"""

from __future__ import annotations

import csv
import os
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from ecgscale.contracts import datapackage
from ecgscale.contracts.files import wrong_schema
from ecgscale.contracts.output import marked, whole
from ecgscale.contracts.reading import LARGEST_TEXT, MOST_CELLS, ContractError, plain_file, reading

SPOILED = r"^\d(\.\d+)?E[+-]\d+$"     # as spreadsheets write a name of digits, or of digits and one e
ROUNDING = 1e-9         # relative, of two numbers that were computed apart
OLD_FORM = "of the old form, which names its schema in the first line: delete that line to renew it"
SHARE = re.compile(r"(^|_)(probability|share|fraction|level)$")      # columns from 0 to 1
MEDIA = {"csv": "text/csv", "parquet": "application/vnd.apache.parquet"}
COUNTED = frozenset({"FLOP", "J", "byte", "calls", "elements", "epochs", "layers", "leads", "ms", "pairs", "parameters",
                     "predictions", "processors", "recordings", "recordings/s", "requests", "runs", "s", "samples",
                     "threads", "us", "windows", "of the cost"})     # units of what is never below 0


@dataclass(frozen=True)
class Kind:
    """The type of a column, for Arrow and by its name in Table Schema. Called, it declares a column of this type."""

    arrow: pa.DataType
    name: str

    def __call__(self, meaning: str, unit: str = "", since: int = 1, endless: bool = False) -> Column:
        return Column(self, meaning, unit, since, endless)


TEXT, FLAG = Kind(pa.string(), "string"), Kind(pa.bool_(), "boolean")
WHOLE, REAL = Kind(pa.int64(), "integer"), Kind(pa.float64(), "number")


@dataclass(frozen=True)
class Column:
    """What a column holds. `unit`: "1" for a plain number, "" for text and flags; `since`: first version with it;
    `endless`: its numbers may be infinite, as the open end of an interval is."""

    kind: Kind
    meaning: str
    unit: str
    since: int
    endless: bool

    def field(self, name: str) -> dict[str, str]:
        """As a field of Table Schema."""
        unit = {"unit": self.unit} if self.unit else {}
        return {"name": name, "type": self.kind.name, **unit, "description": self.meaning}


SYNTHETIC = FLAG("comes from synthetic recordings")


@dataclass(frozen=True)
class Table:
    """A table file: required and optional columns, and families of columns that share a prefix.

    `place`: its files in the results tree; `about`: what a row is; `filled`: columns with a value in every row;
    `rising`: columns whose values never fall from one to the next in a row, besides the two ends of an interval;
    `keys`: columns that tell every row from every other. Every table may have a column `synthetic`.
    """

    name: str
    version: int
    place: str
    about: str
    columns: dict[str, Column]
    optional: dict[str, Column] = field(default_factory=dict)
    prefixes: dict[str, Column] = field(default_factory=dict)
    filled: tuple[str, ...] = ()
    rising: tuple[tuple[str, ...], ...] = ()
    keys: tuple[str, ...] = ()

    def schema_id(self) -> str:
        return f"ecgscale.{self.name}/{self.version}"

    def column(self, name: str) -> Column | None:
        known = self.columns.get(name) or self.optional.get(name) or (SYNTHETIC if name == "synthetic" else None)
        return known or next((one for prefix, one in self.prefixes.items() if name.startswith(prefix)), None)

    def type_of(self, name: str) -> Kind | None:
        column = self.column(name)
        return column.kind if column else None

    def check(self, names: Iterable[str], file: Path | str) -> None:
        """Raises ContractError where a required column is missing, one is unknown or stands there twice."""
        names = list(names)
        missing = [name for name in self.columns if name not in names]
        foreign = [name for name in names if self.column(name) is None]
        twice = sorted({name for name in names if names.count(name) > 1})
        if missing or foreign or twice:
            what = [f"{name!r} {problem}" for found, problem in ((missing, "is missing"), (foreign, "is unknown"),
                                                                 (twice, "stands there twice")) for name in found]
            raise ContractError("column " + ", ".join(what), file=file, field=self.schema_id())

    def arrow(self, frame: pd.DataFrame, file: Path | str) -> pa.Table:
        self.check(frame, file)
        schema = pa.schema([(name, self.type_of(name).arrow) for name in frame])
        try:
            table = pa.Table.from_pandas(frame, schema=schema, preserve_index=False)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise ContractError(str(error.args[0]), file=file, field=self.schema_id()) from None
        return table.replace_schema_metadata({"ecgscale": self.schema_id()})

    def empty(self) -> pd.DataFrame:
        return pa.schema([(name, column.kind.arrow) for name, column in self.columns.items()]).empty_table().to_pandas()

    # ------------------------------------------------------------------------------------------------------- writing

    def write(self, frame: pd.DataFrame, path: Path | str) -> None:
        """The file, and its entry in the datapackage.json beside it, with its digest."""
        path = Path(path)
        table = self.arrow(frame, path)
        with whole(path, self.wrote) as temporary:
            if path.suffix == ".csv":
                write_csv(table, temporary)
            else:
                with open(temporary, "wb") as stream:       # given the path, Arrow wants one that is UTF-8
                    pq.write_table(table, stream, compression="zstd", write_page_checksum=True)
            datapackage.enter(self.resource(path, table.schema.names), temporary, path.parent)

    def resource(self, path: Path, names: Iterable[str]) -> dict[str, Any]:
        """The file as a resource of a Data Package."""
        form = path.suffix.lstrip(".")
        return {
            "name": datapackage.name_of(path), "path": path.name, "description": self.about,
            "format": form, "mediatype": MEDIA.get(form, "application/octet-stream"),
            **({"encoding": "utf-8"} if form == "csv" else {}),
            "schema": {"name": f"ecgscale.{self.name}", "version": str(self.version),
                       "fields": [self.column(name).field(name) for name in names]},
        }

    def wrote(self, path: Path) -> bool:
        """Whether this file is a table of this name: Parquet by its metadata, of any version; a CSV by what is said of
        it beside it or in its old first line, and by its columns."""
        name = f"ecgscale.{self.name}/"
        if path.suffix != ".csv":
            return marked(name.encode())(path)
        said = named_in(path, datapackage.described(path)) or ""
        return said.startswith(name) and bool(set(header(path)) & set(self.columns))

    # ------------------------------------------------------------------------------------------------------- reading

    def read(self, path: Path | str, columns: list[str] | None = None) -> pd.DataFrame:
        """The table, or some of its columns. Raises ContractError where the file is of another schema or version (as
        far as it says), is not the one that the package beside it keeps a digest of, is damaged, or a column is
        missing, unknown or of another type, or where values are not what is declared (`check_values`)."""
        path = plain_file(path, LARGEST_TEXT if Path(path).suffix == ".csv" else None)
        resource = datapackage.described(path)
        datapackage.check_unchanged(path, resource)
        said = datapackage.schema_of(resource)
        with reading(path, "CSV file" if path.suffix == ".csv" else "Parquet file"):
            table = (self.from_csv if path.suffix == ".csv" else self.from_parquet)(path, columns, said)
            frame = table.to_pandas()
            if columns is None:
                self.check(table.schema.names, path)
                if any(column.type != self.type_of(column.name).arrow for column in table.schema):
                    frame = self.arrow(frame, path).to_pandas()     # a whole number that another program kept as 3.0
            self.check_values(frame, path)
        return frame

    def check_values(self, frame: pd.DataFrame, path: Path) -> None:
        """Raises ContractError where a column is infinite that is not declared to be, is empty that has a value in
        every row, is below 0 by a unit that is never, or is a share that is none; where columns fall that are declared
        to rise; and where a row stands there twice. So columns that were exchanged, shifted against each other or
        scaled alone are met, and rows that would count twice."""
        self.check_finite(frame, path)
        for name in self.filled:
            if name in frame:
                refuse(frame[name].isna(), "is empty", name, path)
        for name in frame.select_dtypes("number"):
            if self.column(name).unit in COUNTED:
                refuse(frame[name].lt(0), "is below 0", name, path)
            if SHARE.search(name):
                refuse(frame[name].lt(0) | frame[name].gt(1), "is not from 0 to 1", name, path)
        for lower, upper in [*(pair for names in self.rising for pair in pairwise(names)), *ends_of(frame)]:
            if lower in frame and upper in frame:
                refuse(above(frame[lower], frame[upper]), f"is above {upper}", lower, path)
        if self.keys and {*self.keys} <= set(frame):
            refuse(frame.duplicated(list(self.keys)), "stands there before", self.keys[-1], path)

    def check_finite(self, frame: pd.DataFrame, path: Path) -> None:
        """Raises ContractError where a column holds an infinite number that is not declared to."""
        for name in frame.select_dtypes("float"):
            column = self.column(name)
            endless = np.isinf(frame[name].to_numpy(float, na_value=np.nan))
            if endless.any() and not (column and column.endless):
                raise ContractError(f"is infinite in row {int(np.argmax(endless)) + 1}", file=path, field=name,
                                    remedy="Only the open end of an interval may be: make the file again")

    def from_parquet(self, path: Path, columns: list[str] | None, said: str | None) -> pa.Table:
        with open(path, "rb") as stream, pq.ParquetFile(stream, page_checksum_verification=True) as file:
            check_cells(file.metadata, path)
            table = file.read(columns)
        found = (table.schema.metadata or {}).get(b"ecgscale", b"").decode() or said
        if found not in (None, self.schema_id()):
            raise wrong_schema(found, self.schema_id(), path)
        return table

    def from_csv(self, path: Path, columns: list[str] | None, said: str | None) -> pa.Table:
        """Also one that another program saved: whole numbers as 3.0, NA, TRUE, a column of row numbers without name.
        `said`: the schema that the package beside it gives it."""
        old = old_form(path)
        found = old or said
        if found not in (None, self.schema_id()):
            raise wrong_schema(found, self.schema_id(), path, line=1 if old else None)
        if old:
            print(f"{path}: {OLD_FORM}", file=sys.stderr)
        if not whole_lines(path):
            raise ContractError("ends within a line", file=path, remedy="It was cut off: make it again")
        names = header(path)
        if columns is None:
            self.check([name for name in names if name], path)
        kinds = {name: self.type_of(name).arrow for name in names if self.column(name)}
        try:
            try:
                table = read_csv(path, int(bool(old)), kinds, columns)
            except pa.ArrowInvalid:
                real = {name: pa.float64() if kind == pa.int64() else kind for name, kind in kinds.items()}
                table = read_csv(path, int(bool(old)), real, columns)
                table = table.cast(pa.schema([(name, kinds.get(name, table.schema.field(name).type))
                                              for name in table.schema.names]))
        except pa.ArrowInvalid as error:
            raise ContractError(str(error.args[0]), file=path, field=self.schema_id()) from None
        tell_spoiled(table, path)
        return plainly(table.drop_columns([name for name in table.schema.names if not name]))


def ends_of(frame: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """The columns of both ends of each interval, by their names: low and high, x_low and x_high, x_low_ms and
    x_high_ms."""
    for name in frame.select_dtypes("number"):
        if re.search(r"(^|_)low(_ms)?$", name):
            yield name, re.sub(r"low(_ms)?$", r"high\1", name)


def above(one: pd.Series, other: pd.Series) -> pd.Series:
    """Where `one` is above `other` by more than what rounding leaves."""
    one, other = (values.to_numpy(float, na_value=np.nan) for values in (one, other))
    with np.errstate(invalid="ignore"):
        return pd.Series(one - other > ROUNDING * np.maximum(np.abs(one), np.abs(other)))


def refuse(wrong: pd.Series, problem: str, column: str, path: Path) -> None:
    if wrong.any():
        raise ContractError(f"{problem} in row {int(np.argmax(wrong)) + 1}", file=path, field=column,
                            remedy="Make the file again")


def check_cells(announced: pq.FileMetaData, path: Path) -> None:
    """Raises ContractError where a Parquet file announces more cells than are read."""
    cells = announced.num_rows * announced.num_columns
    if cells > MOST_CELLS:
        raise ContractError(f"announces {cells} cells, at most {MOST_CELLS} are read", file=path)


def read_all(table: Table, paths: Iterable[Path | str]) -> pd.DataFrame:
    """Several files of one schema as one frame, rows in the order of the paths."""
    return joined(table, [table.read(path) for path in paths])


def joined(table: Table, frames: list[pd.DataFrame]) -> pd.DataFrame:
    """Several frames of one schema as one."""
    frames = [frame for frame in frames if len(frame)] or frames[:1] or [table.empty()]
    return pd.concat(frames, ignore_index=True)


# -------------------------------------------------------------------------------------------------------------- CSV


def write_csv(table: pa.Table, path: Path) -> None:
    """Plain CSV: text quoted, null as nothing between the commas, UTF-8. Text that a spreadsheet would run as a formula
    begins with an apostrophe, which `plainly` takes away again."""
    with open(path, "wb") as stream:
        pyarrow.csv.write_csv(each_text(table, r"\A('*[=+\-@\t\r])", r"'\1"), stream)


def plainly(table: pa.Table) -> pa.Table:
    return each_text(table, r"\A'('*[=+\-@\t\r])", r"\1")


def each_text(table: pa.Table, pattern: str, replacement: str) -> pa.Table:
    """The table with a regular expression replaced in its columns of text."""
    for place, column in enumerate(table.schema):
        if pa.types.is_string(column.type):
            changed = pc.replace_substring_regex(table.column(place), pattern, replacement)
            table = table.set_column(place, column, changed)
    return table


def read_csv(path: Path, skip: int, kinds: dict[str, pa.DataType], columns: list[str] | None) -> pa.Table:
    convert = pyarrow.csv.ConvertOptions(column_types=kinds, strings_can_be_null=True,
                                         quoted_strings_can_be_null=False, include_columns=columns)
    with open(path, "rb") as stream:
        return pyarrow.csv.read_csv(stream, pyarrow.csv.ReadOptions(skip_rows=skip),
                                    pyarrow.csv.ParseOptions(newlines_in_values=True), convert)


def tell_spoiled(table: pa.Table, path: Path) -> None:
    """Says which text a spreadsheet made a number: 123456789e12 may be a run_id, and 1.23E+20 no longer names it."""
    for name, column in zip(table.schema.names, table.columns, strict=True):
        if pa.types.is_string(column.type):
            spoiled = column.filter(pc.match_substring_regex(column, SPOILED))
            if len(spoiled):
                print(f"{path}: {name}: {spoiled[0]} is what a spreadsheet made of a name ({len(spoiled)} of "
                      f"{len(column)} rows): nothing finds these rows by it", file=sys.stderr)


def header(path: Path) -> list[str]:
    """The names of a CSV's columns. Raises ContractError where it is no text."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as stream:
            if old_form(path):
                stream.readline()
            return next(csv.reader(stream), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise ContractError(f"not a readable CSV ({error})", file=path) from None


def whole_lines(path: Path) -> bool:
    """Whether a file ends with the end of a line."""
    with open(path, "rb") as stream:
        stream.seek(-min(1, path.stat().st_size), os.SEEK_END)
        return stream.read(1) == b"\n"


def old_form(path: Path) -> str | None:
    """The schema that the first line of a CSV names ("# ecgscale.runs/1"), as CSVs did before they had a package."""
    with open(path, "rb") as stream:
        found = re.match(rb"\s*#\s*(ecgscale\.[a-z-]+/\d+)\s*$", stream.readline(200))
    return found[1].decode() if found else None


def named_in(path: Path, resource: dict[str, Any] | None) -> str | None:
    """The schema that a CSV is said to have: by its old first line, else by its resource in the package beside it."""
    return old_form(path) or datapackage.schema_of(resource)
