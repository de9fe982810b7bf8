"""Planted truth: how often do nominal 90 % intervals hold it? Simulated runs with known laws, designs and noises.

    PYTHONPATH=lib python -m ecgscale.laws.coverage --laws floor joint --runs 8 40 500 --noise 0.01 0.05 0.2 \\
        --kinds normal growing tails outliers clustered --designs scattered factorial

prints one row a law, design, kind of noise (`laws/planted.py`), number of runs and noise, fitted as the command does it
(`laws/robust.py` chooses the loss): the share of tables that tell the exponents, their coverage where they
are told, that of all parameters in all tables, how often these have no end but a bound, the coverage of the curve and
of a new run (given each table exactly, from the normal distribution of its noise), the largest bias of an exponent, and
the coverage of the bootstrap's percentiles, for comparison; each as the range over parameters or over predictions. With
--average, the coverage of the predictions that are averaged over all laws of one size; with --bands, that of the bands
that the report draws; with --frontier, that of the laws of a frontier; with --foretold, that of what the joint law
foretells (`laws/foretold.py`). The whole tables: docs/explanation/coverage.md.
With --csv, the lines of assets/coverage.csv, from which every fit says where intervals like its own fall short
(`laws/counted.py`).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain, product

import numpy as np

from ecgscale.laws.answer import AHEAD as AVERAGED_AT
from ecgscale.laws.answer import Question, average, band
from ecgscale.laws.columns import Response
from ecgscale.laws.fit import Fit, at_quantile, fit_law, information_weights
from ecgscale.laws.foretold import Outlook
from ecgscale.laws.forms import CURVES, LAWS
from ecgscale.laws.headline import FRONTIER, FRONTIER_RUNS
from ecgscale.laws.heldout import moved_in_better_half
from ecgscale.laws.planted import (
    DESIGNS,
    EXCESS,
    NOISES,
    OF_SEVERAL_SIZES,
    SEEDS,
    TRUTH,
    Noise,
    planted,
    scattered,
)
from ecgscale.laws.profile import profile
from ecgscale.laws.robust import choose_loss
from ecgscale.laws.uncertainty import bootstrap
from ecgscale.laws.verdict import SIMPLER, slope_p, why_not

AHEAD = (0.1, 2.0, 10.0)    # sizes at which is predicted, in units of the largest
LEVELS = {name: law.levels for name, law in LAWS.items() if law.levels}     # of those that can be a frontier's
COLUMNS = ("law", "truth", "of", "design", "noise", "noise_size", "runs", "tables", "told", "parameters_low",
           "parameters_high", "curve_low", "curve_high", "run_low", "run_high")


@dataclass(frozen=True)
class Coverage:
    """Of `tables` simulated run tables; shares are NaN where nothing was told. se of a share: sqrt(0.09 / tables)."""

    law: str
    runs: int
    noise: Noise
    tables: int
    identified: float
    exponents: dict[str, float]      # coverage where told
    parameters: dict[str, float]     # coverage in all tables
    curve: tuple[float, ...]         # at AHEAD
    new_run: tuple[float, ...]
    endless: dict[str, float]        # share of tables in which a parameter's interval ends at a bound or nowhere
    bias: dict[str, float]           # of the exponents' median, in standard deviations of the estimates
    bootstrap: dict[str, float]      # coverage of percentiles, all tables


@dataclass(frozen=True)
class Frontier:
    """Coverage of a law of a frontier. No new run: of all kinds of settings, it lies where it likes above."""

    parameters: dict[str, float]
    band: np.ndarray                 # (size,) at sizes from the smallest run's to the largest's; (0,) of several sizes
    ahead: np.ndarray                # at AHEAD


def cover(law: str, runs: int, noise: Noise, tables: int, seed: int = 0, replicates: int = 0,
          design: str = "scattered") -> Coverage:
    """Simulate and count."""
    form, truth, random = LAWS[law], TRUTH[law], draws_of(law, runs, noise, seed, design)
    names = [name for name in form.names if name not in form.known]
    told, ends, percentiles, endless, curve, new, estimates = [], [], [], [], [], [], []
    for table in range(tables):
        drawn = planted(law, runs, noise, random, design)
        x, y, clusters = np.exp(drawn.log_x), np.exp(drawn.log_y), drawn.clusters
        fit = fit_law(law, *x, y=y, given={name: truth[name] for name in form.known}, polish=False)
        simpler = fit_law(SIMPLER[law], *x, y=y, polish=False) if law in SIMPLER else None
        loss = choose_loss([fit])
        fit, simpler = loss.lead(fit), simpler and loss.lead(simpler)
        at = x.max(axis=1, keepdims=True) * np.array(AHEAD)
        made = profile(fit, np.log(at), clusters)
        moved = moved_in_better_half(fit, loss, clusters) if len(form.sizes) > 1 else None
        told.append(not why_not(fit, clusters, made, slope_p(fit.log_x, fit.log_y, clusters), simpler=simpler,
                                moved=moved).text)
        ends.append([inside(truth[name], made.parameters()[name]) for name in names])
        endless.append(((made.theta[:, 0] <= fit.low + 1e-9) | (made.theta[:, 1] >= fit.high - 1e-9))[fit.free])
        here = np.log(form(*at, **truth))
        curve.append((made.curve[:, 0] <= here) & (here <= made.curve[:, 1]))
        new.append(noise.share(np.log(at), *(made.new_run().T - here)))
        estimates.append([fit.values[name] for name in form.exponents])
        if replicates:
            found = bootstrap(fit, replicates, table, clusters).parameters()
            percentiles.append([inside(truth[name], found[name]) for name in names])
    ends, told = np.array(ends), np.array(told)
    every = dict(zip(names, ends.mean(axis=0).tolist(), strict=True))
    where = dict(zip(names, ends[told].mean(axis=0).tolist(), strict=True)) if told.any() else {}
    off = np.median(estimates, axis=0) - [truth[name] for name in form.exponents]
    return Coverage(
        law, runs, noise, tables, float(told.mean()), {name: where.get(name, np.nan) for name in form.exponents}, every,
        tuple(np.mean(curve, axis=0).tolist()), tuple(np.mean(new, axis=0).tolist()),
        dict(zip(names, np.mean(endless, axis=0).tolist(), strict=True)),
        dict(zip(form.exponents, (off / np.std(estimates, axis=0)).tolist(), strict=True)),
        dict(zip(names, np.mean(percentiles, axis=0).tolist(), strict=True)) if replicates else {})


def cover_average(law: str, runs: int, noise: Noise, tables: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Coverage of the averaged curve and of the averaged new run, each (prediction,) at 1, 2, 4 and 10 times the
    largest size, where the truth is `law`, one of those that are averaged if the runs allow it."""
    random = draws_of(law, runs, noise, seed, "scattered")
    curve, new = [], []
    for _ in range(tables):
        drawn = planted(law, runs, noise, random)
        x, y = np.exp(drawn.log_x[0]), np.exp(drawn.log_y)
        fits = {name: fit_law(name, x, y=y, polish=False) for name in CURVES
                if len(LAWS[name].parameters) + 3 <= runs}
        weights = information_weights([*fits.values(), fit_law("constant", x, y=y)])[:-1]
        at = x.max() * np.array(AVERAGED_AT)
        question = Question("planted", ("params",), Response("y", y), np.arange(runs))
        profiles = {name: profile(fit, np.log(at)[None]) for name, fit in fits.items()}
        ahead = average(question, profiles, dict(zip(fits, weights, strict=True)), at, None).statistics["predictions"]
        here = LAWS[law](at, **TRUTH[law])
        curve.append([inside(value, open_ends(row, "curve")) for value, row in zip(here, ahead, strict=True)])
        with np.errstate(divide="ignore"):
            low, high = np.log([open_ends(row, "run") for row in ahead]).T
        new.append(noise.share(np.log(at)[None], low - np.log(here), high - np.log(here)))
    return np.mean(curve, axis=0), np.mean(new, axis=0)


def cover_band(law: str, runs: int, noise: Noise, tables: int, seed: int = 0) -> np.ndarray:
    """(size,) coverage of the band that the report draws, at sizes from the smallest run's to the largest's."""
    random, held = draws_of(law, runs, noise, seed, "scattered"), []
    for _ in range(tables):
        drawn = planted(law, runs, noise, random)
        fit = fit_law(law, np.exp(drawn.log_x[0]), y=np.exp(drawn.log_y), polish=False)
        held.append(within_band(choose_loss([fit]).lead(fit), drawn.clusters, TRUTH[law]))
    return np.mean(held, axis=0)


def cover_frontier(law: str, runs: int, excess: str, tables: int, seed: int = 0) -> Frontier:
    """Coverage of a frontier's law. Its truth is the quantile that it is of: the law times that of the planted excess,
    which moves the law's LEVELS and no other parameter. Laws of several sizes have no band."""
    random = np.random.default_rng([seed, runs, list(TRUTH).index(law), list(EXCESS).index(excess)])
    share, ends, bands, ahead = max(FRONTIER, FRONTIER_RUNS / runs), [], [], []
    above = float(np.quantile(EXCESS[excess](1_000_000, random), share))
    truth = {name: value * np.exp(above) if name in LEVELS[law] else value for name, value in TRUTH[law].items()}
    for _ in range(tables):
        x = np.exp(scattered(len(LAWS[law].sizes), runs, random))
        y = LAWS[law](*x, **TRUTH[law]) * np.exp(EXCESS[excess](runs, random))
        fit = at_quantile(fit_law(law, *x, y=y, polish=False), share)
        at = x.max(axis=1, keepdims=True) * np.array(AHEAD)
        made, here = profile(fit, np.log(at)), np.log(LAWS[law](*at, **truth))
        ends.append([inside(truth[name], pair) for name, pair in made.parameters().items()])
        bands.append(within_band(fit, np.arange(runs), truth) if len(x) == 1 else ())
        ahead.append((made.curve[:, 0] <= here) & (here <= made.curve[:, 1]))
    return Frontier(dict(zip(truth, np.mean(ends, axis=0).tolist(), strict=True)), np.mean(bands, axis=0),
                    np.mean(ahead, axis=0))


def cover_foretold(law: str, runs: int, noise: Noise, tables: int, seed: int,
                   design: str) -> tuple[np.ndarray, np.ndarray]:
    """Coverage of the curve and of a new run that a law of several sizes foretells, each (prediction,) at AHEAD."""
    random, curve, new = draws_of(law, runs, noise, seed, design), [], []
    for _ in range(tables):
        drawn = planted(law, runs, noise, random, design)
        fit = fit_law(law, *np.exp(drawn.log_x), y=np.exp(drawn.log_y), polish=False)
        at = drawn.log_x.max(axis=1, keepdims=True) + np.log(AHEAD)
        told = Outlook(choose_loss([fit]).lead(fit), drawn.clusters).at(at)
        here = np.log(LAWS[law](*np.exp(at), **TRUTH[law]))
        curve.append((told.curve[:, 0] <= here) & (here <= told.curve[:, 1]))
        new.append(noise.share(at, *(told.run.T - here)))
    return np.mean(curve, axis=0), np.mean(new, axis=0)


def within_band(fit: Fit, clusters: np.ndarray, truth: dict[str, float]) -> np.ndarray:
    """(size,) whether the band holds the law."""
    x, low, high = (np.array(ends, float) for ends in band(fit, clusters).values())
    here = fit.law(x, **truth)
    return (low <= here) & (here <= high)


def draws_of(law: str, runs: int, noise: Noise, seed: int, design: str) -> np.random.Generator:
    """Of one cell's tables: no two cells share a draw."""
    return np.random.default_rng([seed, runs, list(TRUTH).index(law), round(noise.size * 1e6),
                                  NOISES.index(noise.kind), list(DESIGNS).index(design)])


def open_ends(row: dict[str, float | None], kind: str) -> tuple[float, float]:
    low, high = row[f"{kind}_low"], row[f"{kind}_high"]
    return 0.0 if low is None else low, np.inf if high is None else high


def inside(truth: float, ends: tuple[float, float]) -> bool:
    return ends[0] <= truth <= ends[1]


def ends_of(shares: dict[str, float] | Iterable[float]) -> tuple[str, str]:
    """The lowest and the highest share; empty where nothing was told."""
    values = [share for share in (shares.values() if isinstance(shares, dict) else shares) if not np.isnan(share)]
    return (f"{min(values):.2f}", f"{max(values):.2f}") if values else ("", "")


def told(shares: dict[str, float] | Iterable[float]) -> str:
    """Range of the shares as a table's cell."""
    return "–".join(sorted({*ends_of(shares)}))


def print_bands(args: argparse.Namespace) -> None:
    """A row a law, noise and number of runs: the lowest, mean and highest share over the sizes."""
    print("| law | noise | runs | tables | lowest | mean | highest |\n" + "| --- " * 7 + "|")
    for law, runs, kind, size in product(args.laws, args.runs, args.kinds, args.noise):
        held = cover_band(law, runs, Noise(size, kind), args.tables, args.seed)
        shares = [f"{value:.2f}" for value in (held.min(), held.mean(), held.max())]
        print("| " + " | ".join([law, f"{kind}, {size:g}", str(runs), str(args.tables), *shares]) + " |", flush=True)


def print_frontiers(args: argparse.Namespace) -> None:
    """A row a law, kind of misses and number of runs: parameters, and the curve over the runs and at AHEAD."""
    titles = ["law", "misses are", "runs", "tables", "parameters", "curve"]
    print(",".join(COLUMNS) if args.csv else f"| {' | '.join(titles)} |\n" + "| --- " * len(titles) + "|")
    for law, runs, kind in product((law for law in args.laws if law in LEVELS), args.runs, EXCESS):
        one = cover_frontier(law, runs, kind, args.tables, args.seed)
        curve = *one.band, *one.ahead
        row = ([law, law, "frontier", "scattered", kind, "", runs, args.tables, "", *ends_of(one.parameters),
                *ends_of(curve), "", ""] if args.csv else
               [law, kind, runs, args.tables, told(one.parameters), told(curve)])
        print(",".join(map(str, row)) if args.csv else f"| {' | '.join(map(str, row))} |", flush=True)


def main() -> None:
    asked = argparse.ArgumentParser(description="Coverage of nominal 90 % intervals on planted tables")
    asked.add_argument("--laws", nargs="+", choices=TRUTH, default=list(TRUTH))
    asked.add_argument("--runs", nargs="+", type=int, default=[8, 20, 60, 200, 500])
    asked.add_argument("--noise", nargs="+", type=float, default=[0.01, 0.05, 0.2])
    asked.add_argument("--tables", type=int, default=200)
    asked.add_argument("--kinds", nargs="+", choices=NOISES, default=["normal"])
    asked.add_argument("--designs", nargs="+", choices=DESIGNS, default=["scattered"])
    asked.add_argument("--replicates", type=int, default=0, help="of the bootstrap; 0: not counted")
    asked.add_argument("--seed", type=int, default=0)
    asked.add_argument("--average", action="store_true", help="count the average of all laws of one size instead")
    asked.add_argument("--bands", action="store_true", help="count the bands that the report draws")
    asked.add_argument("--csv", action="store_true", help="lines of assets/coverage.csv instead of Markdown")
    asked.add_argument("--frontier", action="store_true", help="count the laws of a frontier instead")
    asked.add_argument("--foretold", action="store_true", help="count what the joint law foretells instead")
    args = asked.parse_args()
    if args.bands or args.frontier:
        return print_bands(args) if args.bands else print_frontiers(args)
    ahead = "averaged" if args.average else "foretold" if args.foretold else None
    titles = ([f"{ahead} curve", f"{ahead} new run"] if ahead else
              ["told", "exponents where told", "parameters", "endless", "curve", "new run", "bias",
               "bootstrap"])
    first = ["law", "design", "noise is", "runs", "noise", "tables"]
    print(",".join(COLUMNS) if args.csv else
          f"| {' | '.join([*first, *titles])} |\n" + "| --- " * (len(first) + len(titles)) + "|")
    for law, design, kind, runs, size in product(args.laws, args.designs, args.kinds, args.runs, args.noise):
        noise = Noise(size, kind)
        configurations = runs // SEEDS if kind == "clustered" else runs
        if design in OF_SEVERAL_SIZES and len(LAWS[law].sizes) == 1:
            continue
        if not args.average and len(LAWS[law].parameters) - len(LAWS[law].known) >= configurations:
            continue
        if ahead:
            found = (cover_average(law, runs, noise, args.tables, args.seed) if args.average else
                     cover_foretold(law, runs, noise, args.tables, args.seed, design))
            ranges, cells = ((), *found), list(map(told, found))
        else:
            one = cover(law, runs, noise, args.tables, args.seed, args.replicates, design)
            ranges = one.parameters, one.curve, one.new_run
            cells = [f"{one.identified:.2f}", *map(told, (one.exponents, one.parameters, one.endless, one.curve,
                     one.new_run)), f"{max(map(abs, one.bias.values())):.2f}", told(one.bootstrap)]
        if args.csv:
            print(",".join(map(str, [
                "average" if args.average else law, law, "foretold" if args.foretold else "runs", design, kind, size,
                runs, args.tables, "" if ahead else cells[0], *chain(*map(ends_of, ranges))])), flush=True)
            continue
        print("| " + " | ".join(map(str, [law, design, kind, runs, size, args.tables, *cells])) + " |", flush=True)


if __name__ == "__main__":
    main()
