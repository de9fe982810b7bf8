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
from pathlib import Path
from typing import Any, ClassVar, Self

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


def concatenated_digest(parts: Iterable[str]) -> str:
    """Digest of a corpus from the digests of its shards: independent of their order."""
    return digest(sorted(parts))


def file_digest(path: Path | str, length: int = 16) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:length]


# ------------------------------------------------------------------------------------------------------- documents


class Part(BaseModel):
    """A nested value of a document: immutable, unknown members refused, each described by the text below it."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="null", use_attribute_docstrings=True)


class Document(Part):
    """A JSON file with a schema name and version. Subclasses set NAME, VERSION and PLACE, its files in the results."""

    NAME: ClassVar[str]
    PLACE: ClassVar[str]
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
