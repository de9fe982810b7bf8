"""What intervals like a fit's were counted to hold: shares of planted tables, and where they fall short of the level.

assets/coverage.csv holds the counts, as `python -m ecgscale.laws.coverage --csv` prints them. A fit is compared with
the cells of its law whose number of runs is nearest; which noise a table has it seldom shows, so all kinds count.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from ecgscale.paths import ASSETS

COUNTS = ASSETS / "coverage.csv"
LEAST = 0.85        # a smaller share of a nominal 0.90 falls short
HELD = {"parameters": "parameters", "curve": "the curve", "run": "a new run"}
NOISES = {"normal": "normal noise", "growing": "noise that grows tenfold along a size", "tails": "Student's t noise",
          "outliers": "2 % outliers", "clustered": "seeds that share half their variance",
          "exponential": "few runs near the best", "rates": "learning rates around the best"}


@cache
def counts() -> pd.DataFrame:
    return pd.read_csv(COUNTS)


def shortfalls(law: str, runs: int, one_axis: bool = False, of: str = "runs") -> list[dict[str, Any]]:
    """Of parameters, curve and new run: the lowest counted share, where it is below LEAST.

    one_axis: of several sizes only one varies. of: what was counted; "runs": the law of all, "frontier": of the best of
    them, "foretold": what the law of all foretells with what it misses.
    """
    cells = counts()
    cells = cells[(cells["law"] == law) & ((cells["design"] == "one_axis") == one_axis)
                  & (cells["of"] == of)]
    if cells.empty:
        return []
    distance = np.abs(np.log(cells["runs"] / runs))
    cells = cells[distance == distance.min()]
    lowest = {held: cells.loc[cells[f"{held}_low"].idxmin()] for held in HELD if cells[f"{held}_low"].notna().any()}
    return [{"of": held, "law_of": row["of"], "share": float(row[f"{held}_low"]), "noise": row["noise"],
             "truth": row["truth"], "runs": int(row["runs"]), "tables": int(row["tables"])}
            for held, row in lowest.items() if row[f"{held}_low"] < LEAST]


def told_shortfalls(law: str, found: list[dict[str, Any]]) -> str:
    """ "of planted tables of about 20 runs, 90 % intervals of the power law held a new run in 0.81 (...)"."""
    truth = sorted({row["truth"] for row in found} - {law})
    shares = ", ".join(f"{HELD[row['of']]} in {row['share']:.2f} ({NOISES.get(row['noise'], row['noise'])})"
                       for row in found)
    name = "average of the laws" if law == "average" else f"{law.replace('_', '-')} law"
    name += {"frontier": " of a frontier", "foretold": " with what it misses"}.get(found[0]["law_of"], "")
    return (f"of planted tables of about {found[0]['runs']} runs{' that follow ' + ', '.join(truth) if truth else ''}, "
            f"90 % intervals of the {name} held, at the lowest, {shares}")
