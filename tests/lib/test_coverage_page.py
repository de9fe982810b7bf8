"""The tables of the pages on coverage are those of the counts that every fit is compared with."""

import runpy
from pathlib import Path

import pandas as pd

from ecgscale.laws.counted import COUNTS

PAGES = Path(__file__).parents[2] / "docs" / "explanation"


def test_the_pages_have_the_tables_of_the_counts():
    pages = [(PAGES / f"{name}.md").read_text(encoding="utf-8")
             for name in ("coverage", "coverage-short", "coverage-drawn", "foretold")]
    made = runpy.run_path(str(PAGES / "coverage_tables.py"))["tables"]()
    assert [[table in page for page in pages].index(True) for table in made] == [0, 0, 1, 2, 2, 3]


def test_every_cell_is_counted_once():
    counts = pd.read_csv(COUNTS)
    keys = ["law", "truth", "of", "design", "noise", "noise_size", "runs"]
    assert not counts.duplicated(keys).any()
    for held in ("parameters", "curve", "run"):
        assert (counts[f"{held}_low"].dropna() <= counts[f"{held}_high"].dropna()).all()
