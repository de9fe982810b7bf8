"""How often does the next scale fall inside its interval? Rounds of scaling over laws that are known, and in hindsight.

    PYTHONPATH=lib OMP_NUM_THREADS=1 .venv/bin/python docs/explanation/rounds.py
    PYTHONPATH=lib OMP_NUM_THREADS=1 .venv/bin/python docs/explanation/rounds.py assets/examples/ptbxl/runs.csv

Without a table: for each planted truth the share of rounds inside their 90 % interval with its own interval (Wilson,
95 %), the same for the first, second and third round, and why studies ended before. With one: each size of network of
each family, from the fourth on, foretold from the smaller ones, on the most recordings.
"""

import sys
from collections import Counter
from pathlib import Path

import numpy as np
from scipy import stats

from ecgscale.analysis.next_scale import family_of
from ecgscale.analysis.planted_rounds import play
from ecgscale.analysis.proposal import best_of_cells
from ecgscale.analysis.rounds import USED, of_place, response_of
from ecgscale.contracts.run_table import finished
from ecgscale.design.scale import Scale
from ecgscale.laws.planted import Noise
from ecgscale.tables.runs import read_runs

NOISES = ("normal", "tails", "outliers", "clustered", "growing")
KEPT = (1.0, 0.6)       # share of the grid that a study trained: the whole, or a ragged part
STUDIES, ROUNDS, NOISE = 4, 3, 0.02
RESPONSES = ("valid_loss", "test_auroc")


def law(n, d):
    return 0.04 + 1.5 * n**-0.2 + 2.0 * d**-0.3


TRUTHS = {
    "the law itself": law,
    "the exponent in data grows with size": lambda n, d: (
        0.04 + 1.5 * n**-0.2 + 2.0 * d ** (-0.3 - 0.01 * np.log(n / 1e5))),
    "data help more from 2,000 recordings on": lambda n, d: (
        0.05 + 1.2 * n**-0.15 + 3.0 * d**-0.1 * (1 + (d / 2000) ** 3) ** -0.08),
    "2 % of waves along both sizes": lambda n, d: law(n, d) * (1 + 0.02 * np.sin(np.log(n)) + 0.02 * np.sin(np.log(d))),
}


def share(inside: list[bool]) -> str:
    low, high = stats.binomtest(sum(inside), len(inside)).proportion_ci(method="wilson")
    return f"{sum(inside)} of {len(inside)}, {np.mean(inside):.2f} [{low:.2f}, {high:.2f}]"


def over_planted_laws() -> None:
    scale, every = Scale(train_flops=1e20), []
    for name, truth in TRUTHS.items():
        games = [play({"resnet": truth}, Noise(NOISE, kind), np.random.default_rng(seed), scale, kept=kept, most=ROUNDS)
                 for kind in NOISES for kept in KEPT for seed in range(STUDIES)]
        every += [hit for game in games for hit in game.inside]
        rounds = [[game.inside[k] for game in games if len(game.inside) > k] for k in range(ROUNDS)]
        ended = Counter(game.last.stop for game in games if game.last.stop)
        print(f"{name}: {share([hit for one in rounds for hit in one])};",
              "by round", ", ".join(f"{np.mean(one):.2f}" for one in rounds if one), dict(ended), flush=True)
    print("all:", share(every))


def in_hindsight(table: Path) -> None:
    frame = read_runs(table).frame
    for column in RESPONSES:
        made = response_of(frame, column)
        usable = finished(frame.assign(y=made.y), column)
        for name in sorted(set(usable["family"])):
            runs, _ = best_of_cells(usable, USED, made.name, name)
            whole = runs[runs["train_records"].eq(runs["train_records"].max())]
            for params in sorted(set(runs["params"]))[3:]:
                family = family_of(name, runs[runs["params"].lt(params)].reset_index(drop=True))
                ahead = whole[whole["params"].eq(params)]
                if family.told is None or ahead.empty:
                    print(f"{column} {name} {params:.0f}: {family.reason or 'not trained on all recordings'}")
                    continue
                mean, _, sd = family.told.ahead(family.log_at(ahead.iloc[:1]), len(ahead))
                told = of_place(made, column, {"mean": mean[0], "sd": sd[0]})
                found = float(np.median(ahead[column]))
                step = ahead["train_flops"].mean() / family.seen["train_flops"].max()
                print(f"{column} {name} {params:.0f} ({step:.1f} times the FLOPs): {told.value:.3g} [{told.low:.3g}, "
                      f"{told.high:.3g}], found {found:.3g}, "
                      f"{'inside' if told.low <= found <= told.high else 'outside'}")


if __name__ == "__main__":
    in_hindsight(Path(sys.argv[1])) if sys.argv[1:] else over_planted_laws()
