"""The table of docs/how-to/scale.md is what scale.py there computes from the planner; a public source is one task."""

import json
import math
import runpy
from pathlib import Path

from ecgscale.ecg.synthetic import SOURCES

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs" / "how-to"


def test_the_documented_table_is_computed():
    table = runpy.run_path(str(DOCS / "scale.py"))["table"]()
    assert table in (DOCS / "scale.md").read_text(encoding="utf-8")


def test_recordings_move_once_into_a_cloud():
    """A PREPARE task fetches its whole source; the numbers of recordings are those of the public release."""
    groups = json.loads((ROOT / "nextflow_schema.json").read_text())["$defs"].values()
    size = next(group["properties"]["shard_size"]["default"] for group in groups if "shard_size" in group["properties"])
    sources = [source.published for source in SOURCES.values()]
    assert sum(sources) == 88_253
    assert sum(count * math.ceil(count / size) for count in sources) == 88_253
    moved = sum(count * math.ceil(count / 2000) for count in sources) * 12 * 5000 * 2 / 1e9
    assert f"it would be {moved:.0f} GB" in (DOCS / "scale.md").read_text()
