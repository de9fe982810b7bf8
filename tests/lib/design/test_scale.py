"""The table of docs/scale.md is what docs/scale.py computes from the planner."""

import runpy
from pathlib import Path

DOCS = Path(__file__).parents[3] / "docs"


def test_the_documented_table_is_computed():
    table = runpy.run_path(str(DOCS / "scale.py"))["table"]()
    assert table in (DOCS / "scale.md").read_text(encoding="utf-8")
