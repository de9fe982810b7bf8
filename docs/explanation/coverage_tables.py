"""The tables of coverage.md, coverage-short.md, coverage-drawn.md and foretold.md from assets/coverage.csv, with which
every fit is compared.

PYTHONPATH=lib python docs/explanation/coverage_tables.py
"""

import pandas as pd

from ecgscale.laws.counted import COUNTS, HELD, LEAST, NOISES
from ecgscale.laws.planted import TRUTH

AS_MADE = ("scattered", "factorial")
LAWS = {"broken1": "one break", "broken2": "two breaks", "multi_epoch": "multi-epoch"}
NAMES = {"parameters": "parameters", "curve": "curve", "run": "new run"}


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *([LAWS.get(cell, cell.replace("_", " ")) for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def by(cells: pd.DataFrame, *keys: str) -> str:
    """A row a group: the lowest and the highest share of its cells, of what was counted."""
    counted = [held for held in HELD if cells[f"{held}_low"].notna().any()]
    told = cells["told"].notna().any()
    ordered = cells.assign(truth=pd.Categorical(cells["truth"], list(TRUTH)),
                           noise=pd.Categorical(cells["noise"], list(NOISES)))
    rows = []
    for key, own in ordered.groupby([*keys], observed=True, sort=True):
        ends = [("told", "told")] if told else []
        ends += [(f"{held}_low", f"{held}_high") for held in counted]
        rows.append([*key, f"{own['runs'].min()}–{own['runs'].max()}", str(len(own)),
                     *(f"{own[low].min():.2f}–{own[high].max():.2f}" for low, high in ends)])
    head = ["law" if key == "truth" else key for key in keys]
    return table([*head, "runs", "cells", *(["told"] if told else []), *(NAMES[held] for held in counted)], rows)


def short_of(cells: pd.DataFrame) -> str:
    """A row a cell that falls short of LEAST in what it holds."""
    rows = []
    for row in cells.itertuples():
        lows = [getattr(row, f"{held}_low") for held in HELD]
        if min(lows) < LEAST:
            rows.append([row.law, row.design, f"{row.noise}, {row.noise_size:g}", str(row.runs),
                         *("" if low >= LEAST else f"{low:.2f}" for low in lows)])
    return table(["law", "design", "noise", "runs", *NAMES.values()], rows)


def tables() -> list[str]:
    counts = pd.read_csv(COUNTS)
    average = counts["law"].eq("average")
    runs = counts[counts["of"].eq("runs") & ~average]
    made = runs["design"].isin(AS_MADE)
    return [by(runs[made], "truth", "noise"), by(runs[~made], "truth", "design", "noise"),
            short_of(runs[runs["design"].ne("one_axis")]), by(counts[average], "truth"),
            by(counts[counts["of"].eq("frontier")], "truth", "noise"),
            by(counts[counts["of"].eq("foretold")], "design", "noise")]


if __name__ == "__main__":
    print(*tables(), sep="\n\n")
