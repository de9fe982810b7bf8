"""Replays planted tables whose noise grows towards small runs: how the next runs chosen fare beside chance and grids.

    PYTHONPATH=lib .venv/bin/python docs/explanation/growing_noise.py --growth 0.25 --tables 40

A table has 110 runs, sizes and recordings drawn evenly in logs, a joint law, and noise of 0.01 (Student's t of 4
degrees of freedom) at its dearest run, times (cost / dearest)^-growth. A tenth of its cost is spent; the curve at four
times the largest network is foretold. Printed: the median over tables of the error of log y with the range of their
middle half, its root mean square, and how often the 90 % interval held.
"""

import argparse
import runpy
from pathlib import Path

import numpy as np

from ecgscale.laws.forms import LAWS
from ecgscale.laws.kriging import krige

RUNS, NOISE, SHARE, LAW = 110, 0.01, 0.1, LAWS["joint"]
CHOSEN = runpy.run_path(str(Path(__file__).with_name("next_runs.py")))["chosen"]


def curve(log_x: np.ndarray) -> np.ndarray:
    return np.log(0.05 + 3 * np.exp(-0.3 * log_x[0]) + 2 * np.exp(-0.4 * log_x[1]))


def planted(seed: int, growth: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """log_x (size, run), log_y (run,) and costs (run,)."""
    random = np.random.default_rng(seed)
    log_x = np.array([random.uniform(*np.log(ends), RUNS) for ends in ((2e4, 2e6), (500, 16_000))])
    size = log_x.sum(axis=0)
    noise = NOISE * np.exp(growth * (size.max() - size)) * random.standard_t(4, RUNS) / np.sqrt(2)
    return log_x, curve(log_x) + noise, 6 * np.exp(size)


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--growth", type=float, default=0.25)
    made.add_argument("--tables", type=int, default=40)
    args = made.parse_args()
    log_at = np.log([[8e6], [16_000.0]])
    for way in ("ecg-next", "random", "grid", "cheapest"):
        rows = []
        for seed in range(args.tables):
            log_x, log_y, costs = planted(seed, args.growth)
            budget, random = SHARE * costs.sum(), np.random.default_rng(seed)
            taken = CHOSEN(way, LAW, log_x, log_y, costs, log_at, budget, random)
            told = krige(LAW, *np.exp(log_x[:, taken]), y=np.exp(log_y[taken])).predict(*np.exp(log_at))
            truth = curve(log_at)
            rows.append((np.log(told["y"][0]) - truth[0], told["y_low"][0] <= np.exp(truth[0]) <= told["y_high"][0],
                         taken.sum()))
        off, inside, used = np.array(rows, float).T
        low, middle, high = np.quantile(np.abs(off), [0.25, 0.5, 0.75])
        print(f"{way:10} error {middle:.4f} [{low:.4f}, {high:.4f}]  root mean square {np.sqrt(np.mean(off**2)):.4f}"
              f"  inside {inside.mean():.2f}  runs {np.median(used):.0f}", flush=True)


if __name__ == "__main__":
    main()
