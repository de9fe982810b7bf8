"""Tables of more rows than anyone reads: the page shows the first, and all stand in a CSV beside it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from ecgscale.contracts import marked, whole_folder
from ecgscale.contracts.tables import write_csv
from ecgscale.report.tables import DataTable

KEPT = 300
TABLES = {"README.md": marked(b"ecgscale"), "*.csv": None}


def shortened(parts: list, out: Path) -> dict[int, DataTable]:
    """Write each DataTable of more than KEPT rows to out/tables/; give what the page shows of it, by its id()."""
    long = [part for part in parts if isinstance(part, DataTable) and len(part.rows) > KEPT]
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
            made[id(part)] = replace(part, rows=part.rows[:KEPT], caption=(
                f"{part.caption}: the first {KEPT} of {len(part.rows)} rows, all in tables/{name}"))
        (folder / "README.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return made


def slug(caption: str) -> str:
    """ "Every run, best first (...)" -> "every-run-best-first"."""
    return "-".join(re.findall(r"[a-z0-9]+", caption.split("(")[0].lower())[:6]) or "table"
