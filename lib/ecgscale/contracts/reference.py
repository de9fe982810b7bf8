"""The reference pages of the files between stages, written from their declarations (docs/reference/files/)."""

from __future__ import annotations

import importlib
import inspect
import itertools
import re
import textwrap
from collections.abc import Iterable, Iterator

from ecgscale import contracts
from ecgscale.contracts.files import Document, Part
from ecgscale.contracts.tables import SYNTHETIC, Column, Table

CHAPTERS = ("corpus", "plan", "runs", "evaluation", "collected", "export", "latency", "deploy", "laws", "analysis",
            "rounds")       # modules, in the order of the data: a page each
TABLE_HEAD = ("column", "type", "unit", "meaning", "since")
DOCUMENT_HEAD = ("member", "type", "meaning")


def page(chapter: str) -> str:
    """Every column of every table and every member of every document of a chapter, as Markdown."""
    tables = [one for one in declared(chapter) if isinstance(one, Table)]
    parts = [one for one in declared(chapter) if not isinstance(one, Table)]
    sections = {
        "Tables": [list(of_table(one)) for one in tables],
        "Documents": [list(of_part(one)) for one in parts if issubclass(one, Document)],
        "Parts of documents": [list(of_part(one)) for one in parts if not issubclass(one, Document)],
    }
    lines = [line for title, told in sections.items() if told
             for line in (f"## {title}", "", *itertools.chain.from_iterable(sorted(told)))]
    return "\n".join(lines).rstrip() + "\n"


def declared(chapter: str) -> list[Table | type[Part]]:
    """What is public and no earlier chapter has: a chapter imports what it needs of those before it."""
    *earlier, own = (vars(importlib.import_module(f"{contracts.__name__}.{name}")).values()
                     for name in CHAPTERS[: CHAPTERS.index(chapter) + 1])
    known = {id(one) for one in own} - {id(one) for names in earlier for one in names}
    named = [getattr(contracts, name) for name in contracts.__all__]
    return [one for one in named if id(one) in known and (
        isinstance(one, Table) or (inspect.isclass(one) and issubclass(one, Part) and one not in (Part, Document)))]


def of_table(table: Table) -> Iterator[str]:
    yield from heading(f"{table.schema_id()}", table.place, table.about)
    rows = [row(name, column) for name, column in table.columns.items()]
    rows += [row(name, column, "optional: ") for name, column in table.optional.items()]
    rows += [row(f"{prefix}...", column, "any number of: ") for prefix, column in table.prefixes.items()]
    if table.column("synthetic") is SYNTHETIC and "synthetic" not in {**table.columns, **table.optional}:
        rows.append(row("synthetic", SYNTHETIC, "optional: "))
    yield from grid(TABLE_HEAD, rows)


def row(name: str, column: Column, how: str = "") -> tuple[str, ...]:
    meaning = how + column.meaning + ("; may be infinite" if column.endless else "")
    return f"`{name}`", column.kind.name, column.unit, meaning, str(column.since)


def of_part(part: type[Part]) -> Iterator[str]:
    about = " ".join((part.__doc__ or "").split()) if part.__doc__ != Part.__doc__ else ""
    document = issubclass(part, Document)
    yield from heading(part.schema_id() if document else part.__name__, part.PLACE if document else "", about)
    yield from grid(DOCUMENT_HEAD, [(f"`{name}`", kind(member.annotation), member.description or "")
                                    for name, member in part.model_fields.items()])


def kind(annotation: object) -> str:
    """A member's type as it is declared, without the modules' names."""
    text = annotation.__name__ if inspect.isclass(annotation) and "[" not in str(annotation) else str(annotation)
    return f"`{re.sub(r'(?:[a-z_]+[.])+', '', text)}`".replace("NoneType", "None")


def heading(name: str, place: str, about: str) -> Iterator[str]:
    yield f"### {name}"
    yield ""
    yield from textwrap.wrap(". ".join(part.rstrip(".") for part in (f"`{place}`" if place else "", about) if part)
                             + ".", 100)
    yield ""


def grid(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """A Markdown table. Its lines are as long as its cells: Markdown knows no other."""
    for cells in (head, ("---",) * len(head), *rows):
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
    yield ""
