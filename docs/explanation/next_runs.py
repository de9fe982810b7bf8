"""Replays a finished table of runs: what would the largest have been told to be, had only some of the others been run?

    PYTHONPATH=lib .venv/bin/python docs/explanation/next_runs.py runs.csv params train_records --response valid_loss
    PYTHONPATH=lib .venv/bin/python docs/explanation/next_runs.py train.parquet N D --ahead test.parquet --response loss

The dearest tenth of the runs (or the runs of another table) is what is to be foretold. Costs are the table's
train_flops, else 6 N D. Each replay draws four fifths of the other runs. Printed: the median over replays of the error
(root mean square of log y) with the range of their middle half, R2 of y, and how often the 90 % interval of a run held.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import r2_score

from ecgscale.laws.forms import LAWS
from ecgscale.laws.kriging import krige
from ecgscale.laws.next_batch import replay

SHARES, REPLAYS, DEAREST = (0.01, 0.05, 0.1), 12, 0.1
WAYS = ("ecg-next", "random", "cheap by chance", "cheapest", "grid")
LAW_OF = {1: "floor", 2: "joint", 3: "multi_epoch"}


def read(path: Path, keep: str) -> pd.DataFrame:
    table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    return table.query(keep) if keep else table


def within(order: np.ndarray, costs: np.ndarray, budget: float) -> np.ndarray:
    """The runs of an order that are paid for, those too dear left out."""
    taken = np.zeros(len(costs), dtype=bool)
    for place in order:
        taken[place] = costs[taken].sum() + costs[place] <= budget
    return taken


def grid(log_x: np.ndarray, costs: np.ndarray, budget: float) -> np.ndarray:
    """The runs nearest to the nodes of an even grid from the smallest sizes on: the one with most runs that is paid."""
    best, low, high = np.zeros(len(costs), dtype=bool), log_x.min(axis=1), log_x.max(axis=1)
    for reach in np.linspace(1, 0.5, 11):
        for side in range(2, 8):
            axes = np.linspace(low, low + reach * (high - low), side).T
            nodes = np.array([axis.ravel() for axis in np.meshgrid(*axes)])
            near = np.unique(((log_x[:, None, :] - nodes[:, :, None]) ** 2).sum(axis=0).argmin(axis=1))
            if costs[near].sum() <= budget and len(near) > best.sum():
                best = np.isin(np.arange(len(costs)), near)
    return best


def chosen(way: str, law, log_x, log_y, costs, log_at, budget, random) -> np.ndarray:
    if way == "ecg-next":
        return replay(law, log_x, log_y, costs, log_at, budget)
    if way == "grid":
        return grid(log_x, costs, budget)
    orders = {"random": lambda: random.permutation(len(costs)), "cheapest": lambda: np.argsort(costs, kind="stable"),
              "cheap by chance": lambda: random.choice(len(costs), len(costs), False, (1 / costs) / (1 / costs).sum()),
              "all": lambda: np.arange(len(costs))}
    return within(orders[way](), costs, budget)


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("table", type=Path)
    made.add_argument("sizes", nargs="+")
    made.add_argument("--response", required=True)
    made.add_argument("--ahead", type=Path, help="table of the runs to be foretold")
    made.add_argument("--keep", default="", help="rows: \"family == 'regnet'\"")
    made.add_argument("--shares", nargs="+", type=float, default=SHARES, help="of the cost that are spent")
    made.add_argument("--replays", type=int, default=REPLAYS)
    args = made.parse_args()
    runs = read(args.table, args.keep)
    costs = runs["train_flops"] if "train_flops" in runs else 6 * runs[args.sizes[0]] * runs[args.sizes[-1]]
    last = costs >= costs.quantile(1 - DEAREST)
    ahead = read(args.ahead, args.keep) if args.ahead else runs[last]
    runs, costs = (runs, costs.to_numpy(float)) if args.ahead else (runs[~last], costs[~last].to_numpy(float))
    log_x, log_at = (np.log(table[args.sizes].to_numpy(float).T) for table in (runs, ahead))
    log_y, truth = (np.log(table[args.response].to_numpy(float)) for table in (runs, ahead))
    law = LAWS[LAW_OF[len(args.sizes)]]
    for share in (*args.shares, 1.0):
        for way in WAYS if share < 1 else ("all",):
            rows = []
            for seed in range(args.replays):
                random = np.random.default_rng(seed)
                drawn = np.sort(random.permutation(len(costs))[: round(0.8 * len(costs))])
                x, y, cost = log_x[:, drawn], log_y[drawn], costs[drawn]
                taken = chosen(way, law, x, y, cost, log_at, share * cost.sum(), random)
                if taken.sum() < 3:
                    continue
                told = krige(law, *np.exp(x[:, taken]), y=np.exp(y[taken])).predict(*np.exp(log_at))
                off = np.log(told["y"]) - truth
                inside = (told["run_low"] <= np.exp(truth)) & (np.exp(truth) <= told["run_high"])
                rows.append((np.sqrt(np.mean(off**2)), max(r2_score(np.exp(truth), told["y"]), -1), inside.mean(),
                             taken.sum()))
            if rows:
                error, r2, inside, used = np.array(rows).T
                low, high = np.quantile(error, [0.25, 0.75])
                print(f"{share:5.0%} {way:16} error {np.median(error):.4f} [{low:.4f}, {high:.4f}]", end="")
                print(f"  R2 {r2.mean():5.2f} +- {r2.std():.2f}  inside {inside.mean():.2f}", end="")
                print(f"  runs {np.median(used):.0f}", flush=True)


if __name__ == "__main__":
    main()
