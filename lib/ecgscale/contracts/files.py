"""How a file between stages is written and read: whole or not at all, by name and version."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, ValidationError

from ecgscale.errors import UserError


class ContractError(UserError):
    """A file that is not what its name promises: another schema, another version, a missing or foreign column."""


# ---------------------------------------------------------------------------------------------- whole or not at all


@contextlib.contextmanager
def whole(path: Path | str) -> Iterator[Path]:
    """Give a temporary path beside `path`; rename it into place on success, remove it on failure. File or folder."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent)) / path.name
    try:
        yield temporary
        if path.is_dir() and temporary.is_dir():
            shutil.rmtree(path)
        os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary.parent, ignore_errors=True)


def write_text(path: Path | str, text: str) -> None:
    with whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_tensors(path: Path | str, tensors: dict[str, Any], metadata: dict[str, str]) -> None:
    """A safetensors file of torch's tensors. Who may read the folder may read it: the library keeps it to its owner.

    Raises OSError where the disk is full, which the library tells in words alone.
    """
    import safetensors.torch  # with torch

    path = Path(path)
    with whole(path) as temporary:
        try:
            safetensors.torch.save_file(tensors, temporary, metadata=metadata)
        except safetensors.SafetensorError as error:
            number = re.search(r"os error (\d+)", str(error))
            if not number:
                raise
            raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from None
        temporary.chmod(path.parent.stat().st_mode & 0o666)


def digest(value: Any, length: int = 16) -> str:
    """SHA-256 of a value's canonical JSON, first `length` hex digits: the identity of specs, recipes and tables."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def file_digest(path: Path | str, length: int = 16) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:length]


# ------------------------------------------------------------------------------------------------------- documents


class Part(BaseModel):
    """A nested value of a document: immutable, unknown members refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="null")


class Document(Part):
    """A JSON file with a schema name and version. Subclasses set NAME and VERSION."""

    NAME: ClassVar[str]
    VERSION: ClassVar[int] = 1

    @classmethod
    def schema_id(cls) -> str:
        return f"ecgscale.{cls.NAME}/{cls.VERSION}"

    def to_line(self) -> str:
        return json.dumps({"schema": self.schema_id(), **self.model_dump(mode="json")}, allow_nan=False)

    def write(self, path: Path | str) -> None:
        body = {"schema": self.schema_id(), **self.model_dump(mode="json")}
        write_text(path, json.dumps(body, indent=2, allow_nan=False) + "\n")

    @classmethod
    def from_text(cls, text: str, file: Path | str, line: int | None = None) -> Self:
        try:
            body = json.loads(text)
        except json.JSONDecodeError as error:
            raise ContractError(f"not valid JSON ({error.msg})", file=file, line=line or error.lineno) from None
        found = body.pop("schema", None) if isinstance(body, dict) else None
        if found != cls.schema_id():
            raise wrong_schema(found, cls.schema_id(), file, line)
        try:
            return cls.model_validate(body)
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(step) for step in first["loc"])
            raise ContractError(first["msg"], file=file, line=line, field=name) from None

    @classmethod
    def read(cls, path: Path | str) -> Self:
        try:
            return cls.from_text(Path(path).read_text(encoding="utf-8"), path)
        except FileNotFoundError:
            raise ContractError("no such file", file=path) from None

    @classmethod
    def write_lines(cls, documents: Iterable[Self], path: Path | str) -> None:
        """JSON Lines: one document a line."""
        write_text(path, "".join(document.to_line() + "\n" for document in documents))

    @classmethod
    def read_lines(cls, path: Path | str) -> list[Self]:
        with open(path, encoding="utf-8") as lines:
            return [cls.from_text(line, path, number) for number, line in enumerate(lines, 1) if line.strip()]


def wrong_schema(found: str | None, expected: str, file: Path | str, line: int | None = None) -> ContractError:
    problem = f"holds {found!r}" if found else "names no schema"
    return ContractError(f"{problem}, but {expected!r} is read here", file=file, line=line,
                         remedy="Make the file again with this version of ecgscale")


# ---------------------------------------------------------------------------------------------------------- tables


@dataclass(frozen=True)
class Table:
    """A table file: required and optional columns by Arrow type, and families of columns that share a prefix.

    Every table may have a column `synthetic`: its rows come from synthetic recordings.
    """

    name: str
    version: int
    columns: dict[str, pa.DataType]
    optional: dict[str, pa.DataType] = field(default_factory=dict)
    prefixes: dict[str, pa.DataType] = field(default_factory=dict)

    def schema_id(self) -> str:
        return f"ecgscale.{self.name}/{self.version}"

    def type_of(self, column: str) -> pa.DataType | None:
        known = self.columns.get(column) or self.optional.get(column) or (FLAG if column == "synthetic" else None)
        return known or next((kind for prefix, kind in self.prefixes.items() if column.startswith(prefix)), None)

    def arrow(self, frame: pd.DataFrame, file: Path | str) -> pa.Table:
        missing = [name for name in self.columns if name not in frame]
        foreign = [name for name in frame if self.type_of(name) is None]
        if missing or foreign:
            what = [f"{name!r} is missing" for name in missing] + [f"{name!r} is unknown" for name in foreign]
            raise ContractError("column " + ", ".join(what), file=file, field=self.schema_id())
        schema = pa.schema([(name, self.type_of(name)) for name in frame])
        try:
            table = pa.Table.from_pandas(frame, schema=schema, preserve_index=False)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise ContractError(str(error.args[0]), file=file, field=self.schema_id()) from None
        return table.replace_schema_metadata({"ecgscale": self.schema_id()})

    def empty(self) -> pd.DataFrame:
        return pa.schema(list(self.columns.items())).empty_table().to_pandas()

    def write(self, frame: pd.DataFrame, path: Path | str) -> None:
        path = Path(path)
        table = self.arrow(frame, path)
        with whole(path) as temporary:
            if path.suffix == ".csv":
                with open(temporary, "wb") as stream:
                    stream.write(f"# {self.schema_id()}\n".encode())
                    pyarrow.csv.write_csv(table, stream)
            else:
                pq.write_table(table, temporary, compression="zstd")

    def read(self, path: Path | str, columns: list[str] | None = None) -> pd.DataFrame:
        path = Path(path)
        if not path.is_file():
            raise ContractError("no such file", file=path)
        if path.suffix == ".csv":
            with open(path, encoding="utf-8") as stream:
                first = stream.readline()
            found = first[1:].strip() if first.startswith("#") else None
            if found != self.schema_id():
                raise wrong_schema(found, self.schema_id(), path, line=1)
            with open(path, "rb") as stream:
                stream.seek(-1, os.SEEK_END)
                if stream.read(1) != b"\n":
                    raise ContractError("ends within a line", file=path, remedy="It was cut off: make it again")
            header = pd.read_csv(path, comment="#", nrows=0).columns
            kinds = {name: self.type_of(name) for name in header if self.type_of(name) is not None}
            convert = pyarrow.csv.ConvertOptions(column_types=kinds, strings_can_be_null=True,
                                                 quoted_strings_can_be_null=False, include_columns=columns)
            try:
                table = pyarrow.csv.read_csv(path, pyarrow.csv.ReadOptions(skip_rows=1), convert_options=convert)
            except pa.ArrowInvalid as error:
                raise ContractError(str(error.args[0]), file=path, field=self.schema_id()) from None
        else:
            try:
                table = pq.read_table(path, columns=columns)
            except pa.ArrowInvalid as error:
                raise ContractError(f"not a readable Parquet file ({error.args[0]})", file=path) from None
            found = (table.schema.metadata or {}).get(b"ecgscale", b"").decode() or None
            if found != self.schema_id():
                raise wrong_schema(found, self.schema_id(), path)
        frame = table.to_pandas()
        if columns is None:
            self.arrow(frame, path)
        return frame


def read_all(table: Table, paths: Iterable[Path | str]) -> pd.DataFrame:
    """Several files of one schema as one frame, rows in the order of the paths."""
    frames = [table.read(path) for path in paths]
    frames = [frame for frame in frames if len(frame)] or frames[:1] or [table.empty()]
    return pd.concat(frames, ignore_index=True)


TEXT, FLAG, WHOLE, REAL = pa.string(), pa.bool_(), pa.int64(), pa.float64()


def concatenated_digest(parts: Iterable[str]) -> str:
    """Digest of a corpus from the digests of its shards: independent of their order."""
    return digest(sorted(parts))


