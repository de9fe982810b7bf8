"""Counts how often 90 % intervals hold the truth where the settings tried at one place of the sizes share an error.

    PYTHONPATH=lib .venv/bin/python docs/explanation/places.py --tables 100

A table has learning rates around the best one (`EXCESS["rates"]`) at each place of a grid of sizes or of scattered
ones, and an error that all runs of a place share: normal, its standard deviation in units of the noise that the runs
have of their own. Printed: the share of exponents held where intervals count runs, and where they count what the
command counts (`answer.counted_as`); how often that is places; the median width of the latter over the former.
"""

import argparse
from itertools import product

import numpy as np

from ecgscale.laws.answer import counted_as
from ecgscale.laws.fit import at_quantile, fit_law
from ecgscale.laws.forms import LAWS
from ecgscale.laws.layout import Layout
from ecgscale.laws.planted import EXCESS, TRUTH, factorial, scattered
from ecgscale.laws.profile import profile
from ecgscale.laws.robust import choose_loss

SWEEPS = {"joint": ((16, 30), (30, 20)), "power": ((10, 30), (20, 20)), "floor": ((12, 30), (24, 20))}
SHARE = 0.1             # of a frontier
OWN = 0.05              # deviation of the best runs from the frontier, near enough: the unit of what is shared


def swept(law: str, places: int, settings: int, shared: float, random: np.random.Generator,
          grid: bool) -> tuple[np.ndarray, np.ndarray]:
    """log_x (size, run) and log_y (run,) of `settings` runs at each of so many places."""
    log_x = (factorial if grid else scattered)(len(LAWS[law].sizes), places, random)
    at = np.repeat(np.arange(places), settings)
    errors = EXCESS["rates"](len(at), random) + shared * OWN * random.standard_normal(places)[at]
    return log_x[:, at], np.log(LAWS[law](*np.exp(log_x[:, at]), **TRUTH[law])) + errors


def held(law: str, log_x: np.ndarray, log_y: np.ndarray, frontier: bool) -> tuple[list[list[bool]], bool, float]:
    """Whether each exponent is held, counting runs and as the command counts; whether that is places; the widths'
    ratio."""
    squared = fit_law(law, *np.exp(log_x), y=np.exp(log_y), polish=False)
    fit = at_quantile(squared, SHARE) if frontier else choose_loss([squared]).lead(squared)
    runs = np.arange(fit.points)
    clusters, by_place, _ = counted_as([fit], runs, Layout())
    ends = [profile(fit, clusters=one).parameters() for one in (runs, clusters)]
    inside = [[one[name][0] <= TRUTH[law][name] <= one[name][1] for name in fit.law.exponents] for one in ends]
    widths = [sum(one[name][1] - one[name][0] for name in fit.law.exponents) for one in ends]
    return inside, by_place, widths[1] / widths[0]


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--tables", type=int, default=100)
    made.add_argument("--shared", type=float, nargs="+", default=[0.0, 0.5, 1.0, 2.0])
    args = made.parse_args()
    print("| law | of | sizes | places × settings | shared | runs counted | as counted | by place | width |")
    print("| --- " * 9 + "|")
    for law, frontier, grid, shared in product(SWEEPS, (True, False), (True, False), args.shared):
        for places, settings in SWEEPS[law]:
            random = np.random.default_rng([places, round(shared * 10), grid])
            rows = [held(law, *swept(law, places, settings, shared, random, grid), frontier)
                    for _ in range(args.tables)]
            inside = np.mean([row[0] for row in rows], axis=(0, 2))
            print(f"| {law} | {'frontier' if frontier else 'all runs'} | {'grid' if grid else 'scattered'} | "
                  f"{places} × {settings} | {shared:g} | {inside[0]:.2f} | {inside[1]:.2f} | "
                  f"{np.mean([row[1] for row in rows]):.2f} | {np.median([row[2] for row in rows]):.2f} |", flush=True)


if __name__ == "__main__":
    main()
