"""How a file between stages is written and read: whole or not at all, by name and version."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from ecgscale.contracts import datapackage
from ecgscale.contracts.digests import digest
from ecgscale.contracts.output import marked, whole, write_text
from ecgscale.contracts.reading import LARGEST_TEXT, ContractError, read_json, read_text, reading

# ------------------------------------------------------------------------------------------------------- documents

DIGEST = "sha256"       # the member of a document that holds the digest of all others, as values


class Part(BaseModel):
    """A nested value of a document: immutable, unknown members refused, each described by the text below it."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="null", use_attribute_docstrings=True)


class Document(Part):
    """A JSON file with a schema name, a version and the digest of its own content. Subclasses set NAME, VERSION and
    PLACE, its files in the results."""

    NAME: ClassVar[str]
    PLACE: ClassVar[str]
    VERSION: ClassVar[int] = 1

    @classmethod
    def schema_id(cls) -> str:
        return f"ecgscale.{cls.NAME}/{cls.VERSION}"

    @classmethod
    def wrote(cls, path: Path) -> bool:
        """Whether this file holds a document of this name, of any version."""
        return marked(f'"schema": "ecgscale.{cls.NAME}/'.encode())(path)

    def body(self) -> dict[str, Any]:
        """What its file holds."""
        told = self.model_dump(mode="json")
        return {"schema": self.schema_id(), DIGEST: digest(told), **told}

    def to_line(self) -> str:
        return json.dumps(self.body(), allow_nan=False)

    def write(self, path: Path | str) -> None:
        write_text(path, json.dumps(self.body(), indent=2, allow_nan=False) + "\n", self.wrote)

    @classmethod
    def from_text(cls, text: str, file: Path | str, line: int | None = None) -> Self:
        body = read_json(text, file, line)
        found = body.pop("schema", None) if isinstance(body, dict) else None
        if found != cls.schema_id():
            raise wrong_schema(found, cls.schema_id(), file, line)
        with reading(file, "JSON document"):        # one nested too deeply for a digest
            same = DIGEST not in body or body.pop(DIGEST) == digest(body)       # none: of an earlier version
        if not same:
            raise ContractError(f"its {DIGEST} is not that of its content: it was changed or damaged", file=file,
                                line=line, remedy=f"Make it again, or leave out its {DIGEST} where the change is meant")
        try:
            document = cls.model_validate(body)
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(step) for step in first["loc"])
            raise ContractError(first["msg"], file=file, line=line, field=name) from None
        for field in endless(document.model_dump()):        # a text of 400 digits is taken for a number
            raise ContractError("is not a finite number", file=file, line=line, field=field)
        return document

    @classmethod
    def read(cls, path: Path | str) -> Self:
        return cls.from_text(read_text(path), path)

    # --------------------------------------------------------------------------------------------------- JSON Lines

    @classmethod
    def write_lines(cls, documents: Iterable[Self], path: Path | str) -> None:
        """One document a line; and the file's entry in the datapackage.json beside it, whose digest alone tells that a
        line is missing."""
        path = Path(path)
        with whole(path, cls.wrote) as temporary:
            temporary.write_text("".join(document.to_line() + "\n" for document in documents), encoding="utf-8")
            datapackage.enter(cls.resource(path), temporary, path.parent)

    @classmethod
    def resource(cls, path: Path) -> dict[str, Any]:
        """A file of lines as a resource of a Data Package."""
        told = {"schema": "name and version of what a line holds", DIGEST: "digest of the other members"}
        told |= {name: member.description or "" for name, member in cls.model_fields.items()}
        return {
            "name": datapackage.name_of(path), "path": path.name, "description": (cls.__doc__ or "").partition("\n")[0],
            "format": "jsonl", "mediatype": "application/jsonl", "encoding": "utf-8",
            "schema": {"name": f"ecgscale.{cls.NAME}", "version": str(cls.VERSION), "fields": [
                {"name": name, "type": "any", "description": text} for name, text in told.items()]},
        }

    @classmethod
    def read_lines(cls, path: Path | str) -> list[Self]:
        """Raises ContractError also where the file is not the one that the package beside it keeps a digest of."""
        text, resource = read_text(path, LARGEST_TEXT), datapackage.described(Path(path))
        datapackage.check_unchanged(Path(path), resource)
        lines = [cls.from_text(line, path, number) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
        if resource is None:
            cls.check_alone(lines, Path(path))
        return lines

    @classmethod
    def check_alone(cls, lines: list[Self], path: Path) -> None:
        """Of a file that no package describes: says that nothing tells whether lines are missing."""
        print(f"{path}: {len(lines)} lines, and no {datapackage.NAME} beside it that tells whether any is missing",
              file=sys.stderr)


def endless(value: Any, place: str = "") -> Iterator[str]:
    """Where in a document's values a number is not finite: "second_ms.10"."""
    if isinstance(value, float) and not math.isfinite(value):
        yield place
    elif isinstance(value, dict | list | tuple):
        for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from endless(inner, f"{place}.{name}" if place else str(name))


def wrong_schema(found: str | None, expected: str, file: Path | str, line: int | None = None) -> ContractError:
    problem = f"holds {str(found)[:80]!r}" if found else "names no schema"
    return ContractError(f"{problem}, but {expected!r} is read here", file=file, line=line,
                         remedy="Make the file again with this version of ecgscale")
