"""How well a score is told of runs unlike those it is learned from: larger or newer ones, another family's, another
source's.

A forest cannot leave the range that it has seen, and cross-validation never asks it to. Here the largest runs are held
out, or the newest, one family, or one source that runs were tested on, and a law of the sizes, the law with trees on
what it misses, and the law with a Gaussian process for it stand beside the forest. Intervals are conformal (Lei et al.
2018, doi:10.1080/01621459.2017.1307116): the 90 % quantile of the errors of the same forecast made a step before,
within the runs that are learned from, the wider of two such steps; of the run's own family (Mondrian: Vovk et al.
2005) where that has errors enough for a quantile, since noise differs. The Gaussian process has an interval of its own,
which knows how far a run is from those learned from: it is never told narrower than that. Where there are too few
errors for any quantile, that one is told, and the others tell none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.base import RegressorMixin, clone

from ecgscale.analysis.agreement import cluster_weights, pearson, result, rmse, summarize
from ecgscale.evaluation.shares import effective_count, wilson
from ecgscale.laws.columns import SIZES, Response
from ecgscale.laws.fit import fit_law
from ecgscale.laws.forms import LAWS, Law
from ecgscale.laws.kriging import krige
from ecgscale.laws.uncertainty import LEVEL

LARGEST = 0.2           # share of the runs that "largest held out" foretells
GROUPS = 8              # of families or sources that are held out in turn
LEVELS = 3              # values of a size from which a law of it is asked
FEWEST = 12             # runs to learn from
STEPS = 2               # before the one that is asked, each a fifth smaller or older
FEWEST_CLUSTERS = 5     # to draw from: fewer make too few different draws for the ends of an interval
NEAREST = 200           # runs that a Gaussian process learns from: the largest
TREES = 50              # of the forests here, of which there are many
DATA = ("train_records", "samples_seen")
PROCESS = "law and miss"
ENOUGH = int(np.ceil(LEVEL / (1 - LEVEL) - 1e-9))      # errors of which the largest is a quantile at LEVEL
DATES = ("ended", "ended_at", "end_time", "finished_at", "created", "created_at", "started_at", "start_time",
         "timestamp", "date")

Split = tuple[np.ndarray, np.ndarray]           # rows learned from, rows foretold


@dataclass(frozen=True)
class Table:
    """X: features of every run. response: what the laws explain, y > 0. sizes: columns of a law, by name."""

    runs: pd.DataFrame
    X: pd.DataFrame
    response: Response
    sizes: tuple[str, ...]

    @property
    def law(self) -> Law:
        return LAWS["joint" if len(self.sizes) > 1 else "floor"]

    @property
    def log_y(self) -> np.ndarray:
        return np.log(self.response.y)

    @property
    def family(self) -> np.ndarray:
        return named(self.runs, "family")


def named(runs: pd.DataFrame, column: str) -> np.ndarray:
    """(run,) text of a column; "" where there is none."""
    return runs[column].fillna("").to_numpy(str) if column in runs else np.full(len(runs), "")


def largest(table: Table, rows: np.ndarray) -> Iterator[Split]:
    """The dearest runs to train, or else those of the most parameters; runs of one size stay together."""
    size = next((name for name in ("train_flops", *SIZES) if name in table.runs), None)
    values = table.runs[size].to_numpy(float)[rows] if size else np.zeros(len(rows))
    above = values > np.nanquantile(values, 1 - LARGEST, method="lower")
    if above.any() and not above.all():
        yield rows[~above], rows[above]


def other_family(table: Table, rows: np.ndarray) -> Iterator[Split]:
    yield from each_apart(rows, table.family[rows])


def newest(table: Table, rows: np.ndarray) -> Iterator[Split]:
    """The last fifth by the first column of dates, those of one time together; where all rows have one."""
    when = dates(table.runs)
    if when is not None and np.isfinite(when[rows]).all():
        late = when[rows] > np.quantile(when[rows], 1 - LARGEST, method="lower")
        if late.any() and not late.all():
            yield rows[~late], rows[late]


def other_source(table: Table, rows: np.ndarray) -> Iterator[Split]:
    yield from each_apart(rows, named(table.runs, "source")[rows])


def each_apart(rows: np.ndarray, kinds: np.ndarray) -> Iterator[Split]:
    """Each of several kinds (run,) held out; more than GROUPS of them in so many groups, alike in runs: within each,
    others are held out in turn, and that grows with the square."""
    names, kind, runs = np.unique(kinds, return_inverse=True, return_counts=True)
    group = np.arange(len(names))
    if len(names) > GROUPS:
        group[np.argsort(-runs, kind="stable")] = np.arange(len(names)) % GROUPS
    for one in range(group.max() + 1) if len(names) > 1 else ():
        yield rows[group[kind] != one], rows[group[kind] == one]


def dates(runs: pd.DataFrame) -> np.ndarray | None:
    """(run,) seconds or whatever a column of numbers counts, NaN where a row has none; None without such a column."""
    for name in (name for name in DATES if name in runs and runs[name].notna().any()):
        if pd.api.types.is_numeric_dtype(runs[name]):
            return runs[name].to_numpy(float)
        read = pd.to_datetime(runs[name], errors="coerce", utc=True, format="ISO8601")
        if read.notna().any():
            return (read - pd.Timestamp(0, tz="UTC")).dt.total_seconds().to_numpy()
    return None


WAYS: dict[str, Callable[[Table, np.ndarray], Iterator[Split]]] = {
    "largest held out": largest, "newest held out": newest, "family held out": other_family,
    "source held out": other_source}
ORDERED = (largest, newest)
NOT_ASKED = {largest: "all runs are of one size", newest: "no column tells when every run was made, or all at once",
             other_family: "all runs are of one family", other_source: "all runs were tested on one source"}


def by_law(table: Table, learned: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """(asked run,) log y by the law of each family's own runs, of all runs where it has too few."""
    return by_family(table, learned, asked, lambda rows, x, at: np.log(fit_law(
        table.law, *x, y=table.response.y[rows], polish=False).predict(*at)))[0]


def by_process(table: Table, learned: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """(2, asked run): log y by the law with its miss, and half the width of a new run's interval on it."""
    def tell(rows: np.ndarray, x: np.ndarray, at: np.ndarray) -> np.ndarray:
        told = krige(table.law, *x[:, :NEAREST], y=table.response.y[rows[:NEAREST]]).predict(*at)
        return np.log([told["y"], np.sqrt(told["run_high"] / told["run_low"])])

    return by_family(table, learned, asked, tell)


def by_family(table: Table, learned: np.ndarray, asked: np.ndarray,
              tell: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray:
    """(2, asked run), of what `tell` gives, one or two values a run, for rows learned from, their sizes, sizes asked
    for: of a family's own rows, of all together for the families that have too few."""
    sizes, family = table.runs[list(table.sizes)].to_numpy(float).T, table.family
    names, kind = np.unique(family[asked], return_inverse=True)
    known = [learned[family[learned] == name] for name in names]
    enough = np.array([len(own) >= len(table.law.parameters) + 3 for own in known])
    asking = [(known[place], kind == place) for place in np.flatnonzero(enough)] + [(learned, ~enough[kind])]
    out = np.empty((2, len(asked)))
    for rows, here in asking:
        if here.any():
            rows = rows[np.argsort(-np.log(sizes[:, rows]).sum(axis=0), kind="stable")]     # the largest first
            out[:, here] = tell(rows, sizes[:, rows], sizes[:, asked[here]])
    return out


def by_trees(table: Table, learned: np.ndarray, asked: np.ndarray, trees: RegressorMixin) -> np.ndarray:
    return clone(trees).fit(table.X.iloc[learned], table.log_y[learned]).predict(table.X.iloc[asked])


def by_law_and_trees(table: Table, learned: np.ndarray, asked: np.ndarray, trees: RegressorMixin) -> np.ndarray:
    told = by_law(table, learned, np.concatenate([learned, asked]))
    missed = table.log_y[learned] - told[: len(learned)]
    return told[len(learned):] + clone(trees).fit(table.X.iloc[learned], missed).predict(table.X.iloc[asked])


def tellers(table: Table, forest: RegressorMixin) -> dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]]:
    """(2, asked run): log y of the rows asked for, learned from others, and the half width that the model itself knows
    (0: none); trees where a hyperparameter varies, laws where a size does."""
    forest = clone(forest).set_params(n_estimators=TREES)
    models = {"random forest": lambda *split: alone(by_trees(table, *split, forest)),
              "law": lambda *split: alone(by_law(table, *split)),
              PROCESS: lambda *split: by_process(table, *split),
              "law and trees": lambda *split: alone(by_law_and_trees(table, *split, forest))}
    lacking = set() if table.sizes else {"law", PROCESS, "law and trees"}
    lacking |= set() if len(table.X.columns) else {"random forest", "law and trees"}
    return {name: tell for name, tell in models.items() if name not in lacking}


def alone(log_y: np.ndarray) -> np.ndarray:
    return np.array([log_y, np.zeros_like(log_y)])


def foretold(runs: pd.DataFrame, X: pd.DataFrame, response: Response,
             forest: RegressorMixin) -> tuple[pd.DataFrame, dict[str, str]]:
    """Rows model, scheme, fold, row, truth, prediction, low, high in the scale of the response's column; and what could
    not be asked, with the reason."""
    sizes, why = sizes_of(runs)
    table = Table(runs, X, response, sizes)
    models = tellers(table, forest)
    parts, disabled = [], {"laws beyond the table": why} if why else {}
    usable = np.flatnonzero(np.isfinite(response.y) & (runs[list(sizes)] > 0).all(axis=1).to_numpy())
    for scheme, way in WAYS.items():
        splits = [(learned, asked) for learned, asked in way(table, usable) if len(learned) >= FEWEST]
        if not splits:
            disabled[scheme] = f"{NOT_ASKED[way]}, or fewer than {FEWEST} are left to learn from"
        for fold, (learned, asked) in enumerate(splits):
            for name, tell in models.items():
                told, reach = forecast(table, learned, asked, way, tell)
                parts.append(in_column(response, table.response.y[asked], told, reach).assign(
                    model=name, scheme=scheme, fold=fold, row=asked))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(), disabled


def sizes_of(runs: pd.DataFrame) -> tuple[tuple[str, ...], str]:
    """The columns of a law: params and the first size of data, of those that hold LEVELS values or more."""
    several = [name for name in ("params", *DATA) if name in runs and runs[name].gt(0).all()
               and runs[name].nunique() >= LEVELS]
    sizes = tuple(name for name in several if name == "params") + tuple(name for name in several if name in DATA)[:1]
    return sizes, "" if sizes else f"no size has {LEVELS} values"


def forecast(table: Table, learned: np.ndarray, asked: np.ndarray, way: Callable,
             tell: Callable) -> tuple[np.ndarray, np.ndarray]:
    """(asked run,) log y and the half width of its interval: conformal, and never less than the model's own."""
    told, own = tell(learned, asked)
    reach = conformal(table, learned, asked, way, lambda *split: tell(*split)[0])
    reach = np.where(np.isfinite(reach) | (own == 0), np.maximum(reach, own), own)
    return np.minimum(told, np.log(table.response.most)), reach


def conformal(table: Table, learned: np.ndarray, asked: np.ndarray, way: Callable, tell: Callable) -> np.ndarray:
    """(asked run,) half widths on log y: of the errors of the same forecast within the runs that are learned from, of
    the run's own family where that has ENOUGH of them. Where runs have an order, the wider of STEPS such steps, each
    within the last: one step is seldom as hard as the next."""
    family = table.family[asked]
    widths: dict[str, list[float]] = {name: [] for name in np.unique(family)}
    alike: list[float] = []
    for _ in range(STEPS if way in ORDERED else 1):
        splits = [(known, rows) for known, rows in way(table, learned) if len(known) >= FEWEST]
        if not splits:
            break
        rows = np.concatenate([rows for _, rows in splits])
        errors = np.abs(table.log_y[rows] - np.concatenate([tell(*split) for split in splits]))
        alike += [quantile(errors)] if len(errors) >= ENOUGH else []
        for name, own in widths.items():
            of_family = errors[table.family[rows] == name]
            own += [quantile(of_family)] if len(of_family) >= ENOUGH else []
        learned = splits[0][0]
    return np.array([max(widths[name] or alike, default=np.inf) for name in family])


def quantile(errors: np.ndarray) -> float:
    """That one more error stays below with probability LEVEL; infinite of too few."""
    place = int(np.ceil((len(errors) + 1) * LEVEL - 1e-9)) - 1
    return float(np.sort(errors)[place]) if place < len(errors) else np.inf


def in_column(response: Response, y: np.ndarray, told: np.ndarray, reach: np.ndarray) -> pd.DataFrame:
    """Of log y: the values of the column itself, where it is a score 1 - y."""
    most = np.log(response.most)
    prediction, one, other = (response.in_column(np.exp(np.minimum(log_y, most)))
                              for log_y in (told, told + reach, told - reach))
    return pd.DataFrame({"truth": response.in_column(y), "prediction": prediction, "low": np.minimum(one, other),
                         "high": np.maximum(one, other)})


def judged(ahead: pd.DataFrame, family: np.ndarray, cluster: np.ndarray, bootstrap: int, seed: int) -> list[dict]:
    """Error, correlation and share inside the interval of runs unlike those learned from, by model and scheme; that
    share by family (run,) too.

    Errors and correlations have percentile intervals over draws of clusters, none where there are fewer than
    FEWEST_CLUSTERS; shares have Wilson's, each worth as many runs as its clusters tell.
    """
    weights, found = cluster_weights(cluster, bootstrap, np.random.default_rng(seed)), []
    for (scheme, model), part in ahead.groupby(["scheme", "model"], sort=False) if len(ahead) else ():
        every, of, own = [np.arange(len(part))], family[part["row"].to_numpy()], cluster[part["row"].to_numpy()]
        drawn = weights if len(np.unique(own)) >= FEWEST_CLUSTERS else weights[:1]
        found += [summarize(model, scheme, name, "all", statistic(part, every, drawn), len(part))
                  for name, statistic in (("rmse", rmse), ("pearson", pearson))]
        inside = (part["low"].le(part["truth"]) & part["truth"].le(part["high"])).to_numpy()
        found.append(share(model, scheme, "all", inside, own))
        families = np.unique(of)
        found += [share(model, scheme, f"family={name}", inside[of == name], own[of == name])
                  for name in (families if len(families) > 1 else ())]
        width = (part["high"] - part["low"]).median()
        found.append(result(model, scheme, "width_90", "all", width, None, None, len(part)))
    return found


def share(model: str, scheme: str, group: str, inside: np.ndarray, cluster: np.ndarray) -> dict:
    """Of runs (run,) the share inside, with its 95 % interval."""
    place = np.unique(cluster, return_inverse=True)[1]
    one = np.zeros(place.max() + 1, int)
    worth = effective_count(np.bincount(place, inside), np.bincount(place), one)[0]
    low, high = wilson(inside.mean(), worth)
    return result(model, scheme, "inside_90", group, inside.mean(), low, high, len(inside))
