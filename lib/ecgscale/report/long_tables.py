"""Tables of more rows or longer texts than anyone reads: the page shows where they begin, and all stands in a CSV."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from ecgscale.contracts import marked, whole_folder
from ecgscale.contracts.tables import write_csv
from ecgscale.report.tables import DataTable

KEPT, LONGEST = 300, 600        # rows; letters of a text
TABLES = {"README.md": marked(b"ecgscale"), "*.csv": None}


def shortened(parts: list, out: Path) -> dict[int, DataTable]:
    """Write each DataTable of more than KEPT rows, or of a text of more than LONGEST letters, to out/tables/; give what
    the page shows of it, by its id()."""
    long = [part for part in parts if isinstance(part, DataTable) and (
        len(part.rows) > KEPT or any(len(cell) > LONGEST for row in part.rows for cell in row))]
    if not long:
        return {}
    made = {}
    with whole_folder(out / "tables", TABLES) as folder:
        folder.mkdir()
        lines = ["Tables of the report that are longer than the page shows, written by ecgscale", ""]
        for place, part in enumerate(long, 1):
            name = f"{place:02d}-{slug(part.caption)}.csv"
            columns = zip(*part.rows, strict=True)
            write_csv(pa.table([list(column) for column in columns], names=list(part.head)), folder / name)
            lines.append(f"- {name}: {part.caption} ({len(part.rows)} rows)")
            rows = tuple(tuple(shorter(cell) for cell in row) for row in part.rows[:KEPT])
            told = f"the first {KEPT} of {len(part.rows)} rows" if len(part.rows) > KEPT else "long texts are cut"
            made[id(part)] = replace(part, rows=rows, caption=f"{part.caption}: {told}, all in tables/{name}")
        (folder / "README.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return made


def shorter(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def slug(caption: str) -> str:
    """ "Every run, best first (...)" -> "every-run-best-first"."""
    return "-".join(re.findall(r"[a-z0-9]+", caption.split("(")[0].lower())[:6]) or "table"
