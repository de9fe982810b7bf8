"""Planted truth: how often do nominal 90 % intervals hold it? Simulated runs with known laws and noise.

    PYTHONPATH=lib python -m ecgscale.laws.coverage --laws floor joint --runs 8 40 500 --noise 0.01 0.05 0.2

prints one row a law, number of runs and noise: the share of tables that tell the exponents, their coverage where they
are told, that of all parameters in all tables, how often these have no end but a bound, the coverage of the curve and
of a new run (given each table exactly, from the normal distribution of its noise), the largest bias of an exponent, and
the coverage of the bootstrap's percentiles, for comparison; each as the range over parameters or over predictions. With
--average, the coverage of the predictions that are averaged over all laws of one size. The whole
tables: docs/explanation/coverage.md.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.stats import norm

from ecgscale.laws.answer import AHEAD as AVERAGED_AT
from ecgscale.laws.answer import Question, average
from ecgscale.laws.columns import Response
from ecgscale.laws.fit import fit_law, information_weights
from ecgscale.laws.forms import CURVES, LAWS
from ecgscale.laws.profile import profile
from ecgscale.laws.uncertainty import bootstrap
from ecgscale.laws.verdict import SIMPLER, slope_p, why_not

LOW, HIGH = 1e4, 1e8        # sizes of the runs, uniform in logs
AHEAD = (0.1, 2.0, 10.0)    # sizes at which is predicted, in units of the largest
TRUTH = {
    "power": {"b": 2.0, "c": 0.3},
    "floor": {"E": 0.1, "b": 6.0, "c": 0.3},
    "shifted": {"b": 30.0, "g": 1e-6, "c": 0.4},
    "saturating": {"E": 0.1, "L0": 1.0, "alpha": 0.7, "b": 100.0, "c": 0.4},
    "broken1": {"a": 0.02, "b": 1.5, "c0": 0.05, "c1": 0.4, "d1": 3e5, "f1": 0.3},
    "broken2": {"a": 0.02, "b": 1.5, "c0": 0.05, "c1": 0.6, "d1": 1e5, "f1": 0.3, "c2": -0.5, "d2": 5e6, "f2": 0.3},
    "joint": {"E": 0.05, "A": 1.2, "alpha": 0.15, "B": 3.0, "beta": 0.25},
    "multi_epoch": {"E": 0.1, "L0": 1.0, "a": 20.0, "alpha": 0.3, "b": 100.0, "beta": 0.4, "c": 0.3, "gamma": 0.4,
                    "delta": 0.6},
}
KNOWN = {"multi_epoch": ("L0",)}        # random guessing's loss, which a run table knows


@dataclass(frozen=True)
class Coverage:
    """Of `tables` simulated run tables; shares are NaN where nothing was told. se of a share: sqrt(0.09 / tables)."""

    law: str
    runs: int
    noise: float
    tables: int
    identified: float
    exponents: dict[str, float]      # coverage where told
    parameters: dict[str, float]     # coverage in all tables
    curve: tuple[float, ...]         # at AHEAD
    new_run: tuple[float, ...]
    endless: dict[str, float]        # share of tables in which a parameter's interval ends at a bound or nowhere
    bias: dict[str, float]           # of the exponents' median, in standard deviations of the estimates
    bootstrap: dict[str, float]      # coverage of percentiles, all tables


def cover(law: str, runs: int, noise: float, tables: int, seed: int = 0, replicates: int = 0,
          repeats: int = 1) -> Coverage:
    """Simulate and count. repeats: runs a configuration (seeds), of which half the variance is the configuration's."""
    form, truth, random = LAWS[law], TRUTH[law], draws_of(law, runs, noise, seed)
    names = [name for name in form.names if name not in KNOWN.get(law, ())]
    told, ends, percentiles, endless, curve, new, estimates = [], [], [], [], [], [], []
    for table in range(tables):
        x = np.exp(random.uniform(np.log(LOW), np.log(HIGH), (len(form.sizes), runs // repeats)))
        x, clusters = np.repeat(x, repeats, axis=1), np.repeat(np.arange(runs // repeats), repeats)
        own, shared = random.standard_normal((2, runs))
        deviation = own if repeats == 1 else np.sqrt(0.5) * (own + shared[clusters])
        y = form(*x, **truth) * np.exp(noise * deviation)
        fit = fit_law(law, *x, y=y, given={name: truth[name] for name in KNOWN.get(law, ())}, polish=False)
        at = x.max(axis=1, keepdims=True) * np.array(AHEAD)
        made = profile(fit, np.log(at), clusters)
        simpler = fit_law(SIMPLER[law], *x, y=y, polish=False) if law in SIMPLER else None
        told.append(not why_not(fit, clusters, made, slope_p(fit.log_x, fit.log_y, clusters), simpler=simpler))
        ends.append([inside(truth[name], made.parameters()[name]) for name in names])
        endless.append(((made.theta[:, 0] <= fit.low + 1e-9) | (made.theta[:, 1] >= fit.high - 1e-9))[fit.free])
        here = np.log(form(*at, **truth))
        curve.append((made.curve[:, 0] <= here) & (here <= made.curve[:, 1]))
        low, high = made.new_run().T
        new.append(norm.cdf(high, here, noise) - norm.cdf(low, here, noise))
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


def cover_average(law: str, runs: int, noise: float, tables: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Coverage of the averaged curve and of the averaged new run, each (prediction,) at 1, 2, 4 and 10 times the
    largest size, where the truth is `law`, one of those that are averaged if the runs allow it."""
    random = draws_of(law, runs, noise, seed)
    curve, new = [], []
    for _ in range(tables):
        x = np.exp(random.uniform(np.log(LOW), np.log(HIGH), runs))
        y = LAWS[law](x, **TRUTH[law]) * np.exp(noise * random.standard_normal(runs))
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
        new.append(norm.cdf(high, np.log(here), noise) - norm.cdf(low, np.log(here), noise))
    return np.mean(curve, axis=0), np.mean(new, axis=0)


def draws_of(law: str, runs: int, noise: float, seed: int) -> np.random.Generator:
    """Of one cell's tables: no two cells share a draw."""
    return np.random.default_rng([seed, runs, list(TRUTH).index(law), round(noise * 1e6)])


def open_ends(row: dict[str, float | None], kind: str) -> tuple[float, float]:
    low, high = row[f"{kind}_low"], row[f"{kind}_high"]
    return 0.0 if low is None else low, np.inf if high is None else high


def inside(truth: float, ends: tuple[float, float]) -> bool:
    return ends[0] <= truth <= ends[1]


def told(shares: dict[str, float] | tuple[float, ...]) -> str:
    """Range of the shares as a table's cell; empty where nothing was told."""
    values = [share for share in (shares.values() if isinstance(shares, dict) else shares) if not np.isnan(share)]
    ends = sorted({f"{min(values):.2f}", f"{max(values):.2f}"}) if values else []
    return "–".join(ends)


def main() -> None:
    asked = argparse.ArgumentParser(description="Coverage of nominal 90 % intervals on planted tables")
    asked.add_argument("--laws", nargs="+", choices=TRUTH, default=list(TRUTH))
    asked.add_argument("--runs", nargs="+", type=int, default=[8, 20, 60, 200, 500])
    asked.add_argument("--noise", nargs="+", type=float, default=[0.01, 0.05, 0.2])
    asked.add_argument("--tables", type=int, default=200)
    asked.add_argument("--repeats", type=int, default=1)
    asked.add_argument("--replicates", type=int, default=0, help="of the bootstrap; 0: not counted")
    asked.add_argument("--seed", type=int, default=0)
    asked.add_argument("--average", action="store_true", help="count the average of all laws of one size instead")
    args = asked.parse_args()
    titles = (["averaged curve", "averaged new run"] if args.average else
              ["told", "exponents where told", "parameters", "endless", "curve", "new run", "bias",
               "bootstrap"])
    print(f"| {' | '.join(['law', 'runs', 'noise', 'tables', *titles])} |\n" + "| --- " * (4 + len(titles)) + "|")
    for law, runs, noise in product(args.laws, args.runs, args.noise):
        if not args.average and len(LAWS[law].parameters) - len(KNOWN.get(law, ())) >= runs // args.repeats:
            continue
        if args.average:
            cells = [told(tuple(shares)) for shares in cover_average(law, runs, noise, args.tables, args.seed)]
        else:
            one = cover(law, runs, noise, args.tables, args.seed, args.replicates, args.repeats)
            ranges = one.exponents, one.parameters, one.endless, one.curve, one.new_run
            cells = [f"{one.identified:.2f}", *map(told, ranges),
                     f"{max(map(abs, one.bias.values())):.2f}", told(one.bootstrap)]
        print("| " + " | ".join(map(str, [law, runs, noise, args.tables, *cells])) + " |", flush=True)


if __name__ == "__main__":
    main()
