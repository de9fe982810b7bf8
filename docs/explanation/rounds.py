"""How often does the next scale fall inside its interval? Rounds of scaling played over laws that are known.

    PYTHONPATH=lib OMP_NUM_THREADS=1 .venv/bin/python docs/explanation/rounds.py

For each truth: the share of rounds inside their 90 % interval with its own interval (Wilson, 95 %), the same for the
first, second and third round, and why studies ended before.
"""

from collections import Counter

import numpy as np
from scipy import stats

from ecgscale.analysis.planted_rounds import play
from ecgscale.design.scale import Scale
from ecgscale.laws.planted import Noise

NOISES = ("normal", "tails", "outliers", "clustered", "growing")
KEPT = (1.0, 0.6)       # share of the grid that a study trained: the whole, or a ragged part
STUDIES, ROUNDS, NOISE = 8, 3, 0.02


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


def main() -> None:
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


if __name__ == "__main__":
    main()
