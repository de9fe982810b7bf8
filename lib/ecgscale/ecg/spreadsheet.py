"""The first sheet of an .xlsx file as rows of text (ECMA-376: a zip of XML). Nothing in it is computed or followed."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from xml.etree import ElementTree

from ecgscale.contracts.reading import plain_file, reading
from ecgscale.errors import UserError

MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
LARGEST = 1 << 25       # bytes of an unpacked part; a tree of it takes ten times as many
PLACE = re.compile(r"([A-Z]{1,3})\d+")


def read_spreadsheet(file: Path, required: tuple[str, ...]) -> list[dict[str, str]]:
    """Rows under the names in the first line. Raises UserError."""
    with (reading(plain_file(file), ".xlsx", remedy="Save it as CSV and give that"),
          zipfile.ZipFile(file) as archive):
        strings = [text_of(one) for one in part(archive, "xl/sharedStrings.xml", file).iter(f"{MAIN}si")] \
            if "xl/sharedStrings.xml" in archive.namelist() else []
        rows = [cells(row, strings) for row in part(archive, "xl/worksheets/sheet1.xml", file).iter(f"{MAIN}row")]
    head = {column: name.strip() for column, name in rows[0].items()} if rows else {}
    missing = [name for name in required if name not in head.values()]
    if missing:
        raise UserError(f"column {missing[0]!r} is missing", file=file, line=1)
    return [{name: row.get(column, "").strip() for column, name in head.items()} for row in rows[1:] if row]


def part(archive: zipfile.ZipFile, name: str, file: Path) -> ElementTree.Element:
    if archive.getinfo(name).file_size > LARGEST:
        raise UserError(f"{name} is larger than {LARGEST >> 20} MiB", file=file)
    text = archive.read(name)
    if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
        raise UserError(f"{name} declares entities", file=file)
    return ElementTree.fromstring(text)


def cells(row: ElementTree.Element, strings: list[str]) -> dict[str, str]:
    """Column letters -> text."""
    found = {}
    for cell in row.iter(f"{MAIN}c"):
        place, value = PLACE.fullmatch(cell.get("r", "")), cell.find(f"{MAIN}v")
        if cell.get("t") == "s" and value is not None:
            text = strings[int(value.text)]
        else:
            text = text_of(cell) if cell.get("t") == "inlineStr" else (value.text if value is not None else "")
        if place and text:
            found[place[1]] = text
    return found


def text_of(element: ElementTree.Element) -> str:
    return "".join(part.text or "" for part in element.iter(f"{MAIN}t"))
