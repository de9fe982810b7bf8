"""Foretells the dearest runs of a table from the others: by the joint law alone, and with what it misses.

    PYTHONPATH=lib python docs/explanation/foretold.py runs.csv more.csv --share 0.75 --by family

Dear is a run of many parameters times samples; `--share` of the runs is learned from, and those that cost 2 % more than
the dearest of these are foretold. Printed for each table, or each value of a column in it (`--by`): how often nominal
90 % intervals of a new run held, their median half width and the root mean square error, both of log y.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from ecgscale.errors import UserError
from ecgscale.laws import fit
from ecgscale.laws.columns import responses
from ecgscale.laws.profile import profile
from ecgscale.tables.runs import read_any

OVER = ("params", "samples_seen")
FEWEST, BEYOND = 3, 1.02        # runs to foretell; how much dearer than all that is learned from
HEAD = ("table", "runs", "foretold", "compute", "held, law", "with miss", "width, law", "with miss", "error, law",
        "with miss")


def judged(told: np.ndarray, ends: np.ndarray, log_y: np.ndarray) -> tuple[float, float, float]:
    """Share inside, median half width and root mean square error."""
    inside = (ends[:, 0] <= log_y) & (log_y <= ends[:, 1])
    return inside.mean(), np.median(np.diff(ends)) / 2, np.sqrt(np.mean((told - log_y) ** 2))


def foretold(runs: pd.DataFrame, share: float) -> tuple | None:
    """Runs learned from and foretold, how many times the compute, and each judgement by the law and with its miss."""
    found = responses(runs, "test_challenge_score")[0]
    runs = runs.assign(y=found.y)[np.isfinite(found.y) & (runs[list(OVER)] > 0).all(axis=1)]
    cost = runs[list(OVER)].prod(axis=1)
    cut = np.exp(np.quantile(np.log(cost), share))
    below, above = runs[cost <= cut], runs[cost > BEYOND * cut]
    if len(above) < FEWEST:
        return None
    law = fit(below.drop(columns="y"), response=found.column, over=OVER, replicates=0)
    at, log_y = np.log(above[list(OVER)].to_numpy().T), np.log(above["y"].to_numpy())
    told = law.ahead.at(at)
    alone = profile(law.boot.fit, at, law.clusters)
    ways = judged(told.law, alone.new_run(), log_y), judged(told.y, told.run, log_y)
    return len(below), len(above), cost.max() / cut, *(one for both in zip(*ways, strict=True) for one in both)


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("tables", nargs="+", type=Path)
    made.add_argument("--share", type=float, default=0.75)
    made.add_argument("--by")
    args = made.parse_args()
    print(f"| {' | '.join(HEAD)} |\n" + "| --- " * len(HEAD) + "|")
    rows = []
    for path in args.tables:
        whole = read_any(path).frame
        for name, part in whole.groupby(args.by) if args.by in whole else [("", whole)]:
            try:
                row = foretold(part, args.share)
            except UserError as error:
                print(f"{path.stem} {name}: {error}")
                continue
            if row:
                rows.append(row)
                print(f"| {path.stem} {name} | {row[0]} | {row[1]} | {row[2]:.0f} | "
                      + " | ".join(f"{value:.2f}" for value in row[3:5]) + " | "
                      + " | ".join(f"{value:.4f}" for value in row[5:]) + " |", flush=True)
    if not rows:
        return
    held, width, error = (np.mean(np.array(rows)[:, place : place + 2], axis=0) for place in (3, 5, 7))
    print(f"mean of {len(rows)}: held {held.round(2)}, half width {width.round(4)}, error {error.round(4)}")


if __name__ == "__main__":
    main()
