"""How errors on a source that training did not know follow those on sources that it knew, and which family needs fewer
parameters or recordings for the same error, in and out of the source.

Loss to loss (Brandfonbrener et al. 2024, arXiv:2411.12925): log error outside = a of the source + kappa log error
inside. Both errors are noisy, a seed may be lucky in both, and noise grows towards small runs, so that least squares of
one on the other are wrong. What the sizes of networks and data say of the inner error stands for it instead
(instrumental variables, two-stage least squares): sizes move both errors, noise does not follow them.

Efficiency: one law E + A / N^alpha + B / D^beta of both families, in which one family's N, or D, counts rho times. The
law bends alike for both, so that rho is told where families were trained at different sizes, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from ecgscale.contracts.run_table import configurations
from ecgscale.laws.fit import Fit, fit_law
from ecgscale.laws.solve import minimise
from ecgscale.laws.uncertainty import LEVEL, cluster_numbers, without_own_pull
from ecgscale.numbers import number

METRIC = "auroc"
SIZES = ("params", "train_records")
FEWEST = 12             # runs of a family
LEVELS = 3              # sizes of a family's networks, or of its data
WEAK = 10.0             # F of the sizes on the inner error, below which they tell too little of it (Stock, Yogo 2005)
RATIOS = np.linspace(-np.log(50), np.log(50), 61)       # rho that is looked at


@dataclass(frozen=True)
class Told:
    """One number with what each cluster of runs pulls it by (cluster,), from which intervals follow."""

    estimate: float
    pulls: np.ndarray
    freedom: int

    def ends(self) -> tuple[float, float]:
        """Interval at LEVEL by Student's t; infinite without degrees of freedom."""
        if self.freedom < 1:
            return -np.inf, np.inf
        reach = stats.t.ppf((1 + LEVEL) / 2, self.freedom) * np.sqrt((self.pulls**2).sum())
        return self.estimate - reach, self.estimate + reach


def out_of_source(runs: pd.DataFrame, sources: pd.DataFrame | None) -> tuple[list[dict], list[dict], dict[str, str]]:
    """Rows of loss-to-loss laws and of efficiencies for laws.json, and what cannot be told, with the reason.

    runs: run table; sources: SOURCES of ecg-collect, of runs that each left out a source.
    """
    table, why = joined(runs, sources)
    if why:
        return [], [], {"out of the source": why}
    slopes, disabled = [], {}
    groups = {f"family={name}": part for name, part in table.groupby("family")}
    if len(groups) > 1:
        groups["all"] = table
    for subset, part in groups.items():
        names = sorted(part["source"].unique())
        for source in ["all", *names] if len(names) > 1 else ["all"]:
            own = part if source == "all" else part[part["source"].eq(source)]
            row, reason = loss_to_loss(own)
            if reason:
                disabled[f"loss to loss: {subset}, source {source}"] = reason
            else:
                slopes.append({"subset": subset, "source": source, "y": f"1 - test_{METRIC}",
                               "x": f"1 - valid_{METRIC}"} | row)
    ratios, lacking = efficiencies(table)
    return slopes, ratios, disabled | lacking


def joined(runs: pd.DataFrame, sources: pd.DataFrame | None) -> tuple[pd.DataFrame, str]:
    """A row a run and source that its training did not know: log_out, log_in, family, sizes and cell; or why none."""
    if sources is None or sources.empty:
        return pd.DataFrame(), "sources.csv of ecg-collect was not given"
    own = sources[sources["left_out"].eq(True) & sources["metric"].eq(METRIC) & sources["run_id"].isin(runs["run_id"])]
    if own.empty:
        return pd.DataFrame(), ("no run was tested on a source that its training did not know: split: {method: "
                                "leave-source-out, held_out: NAME} of the study, once for each source")
    lacking = [name for name in ("family", *SIZES) if name not in runs]
    if lacking:
        return pd.DataFrame(), f"the run table has no {', '.join(lacking)}"
    known = runs.assign(cell=configurations(runs))[["run_id", "family", *SIZES, "cell"]]
    table = own[["run_id", "source", "estimate", "internal"]].merge(known, on="run_id")
    good = table[["estimate", "internal"]].lt(1).all(axis=1) & table[list(SIZES)].gt(0).all(axis=1)
    table = table[good].assign(log_out=lambda one: np.log(1 - one["estimate"]),
                               log_in=lambda one: np.log(1 - one["internal"])).reset_index(drop=True)
    return table, "" if len(table) >= FEWEST else f"{len(table)} runs with both errors; {FEWEST} are needed"


# --------------------------------------------------------------------------------------------------------- loss to loss


def loss_to_loss(table: pd.DataFrame) -> tuple[dict[str, Any], str]:
    """kappa and, at the middle of the inner errors, how many times as large the outer one is; or why not."""
    effects = pd.get_dummies(table["source"]).to_numpy(float)
    design = np.column_stack([effects, instruments(table)])
    freedom = table["cell"].nunique() - design.shape[1]
    if len(table) < FEWEST or freedom < 2:
        return {}, f"{len(table)} runs of {table['cell'].nunique()} configurations are too few"
    inner, outer = table["log_in"].to_numpy(), table["log_out"].to_numpy()
    told = design @ np.linalg.lstsq(design, inner, rcond=None)[0]
    bare = effects @ np.linalg.lstsq(effects, inner, rcond=None)[0]
    strength = (((told - bare) ** 2).sum() / (design.shape[1] - effects.shape[1])
                / (((inner - told) ** 2).sum() / (len(inner) - design.shape[1])))
    if not strength > WEAK:
        return {}, (f"the sizes of its runs hardly move the error inside (F = {number(strength, 2)}, {WEAK:g} is "
                    "needed)")
    middle = inner.mean()
    second = np.column_stack([effects, told - middle])
    found = np.linalg.lstsq(second, outer, rcond=None)[0]
    residuals = outer - np.column_stack([effects, inner - middle]) @ found
    share = np.append(effects.mean(axis=0), 0.0)        # of the sources: the gap of the runs as they are
    kappa = linear(second, residuals, table["cell"], np.eye(len(found))[-1], found[-1])
    gap = linear(second, residuals, table["cell"], share, share @ found - middle)
    low, high = kappa.ends()
    return {"runs": len(table), "configurations": int(table["cell"].nunique()), "estimate": float(found[-1]),
            "low": low, "high": high, "at": float(np.exp(middle)), "gap": float(np.exp(gap.estimate)),
            "gap_low": float(np.exp(gap.ends()[0])), "gap_high": float(np.exp(gap.ends()[1])),
            "strength": float(strength), "beyond": {name: float(np.exp(value)) for name, value in
                                                    zip(sorted(table["source"].unique()), found, strict=False)}}, ""


def instruments(table: pd.DataFrame) -> np.ndarray:
    """What the inner error is told from: logs of the sizes that vary, their squares and product, by family."""
    logs = np.log(table[list(SIZES)].to_numpy(float))
    logs = logs[:, np.ptp(logs, axis=0) > np.log(1.5)]
    logs = (logs - logs.mean(axis=0)) / logs.std(axis=0)
    columns = [logs, logs**2, logs[:, :1] * logs[:, 1:]]
    families = pd.get_dummies(table["family"]).to_numpy(float)[:, 1:]
    return np.column_stack([*columns, families, *(families * logs[:, [place]] for place in range(logs.shape[1]))])


def linear(design: np.ndarray, residuals: np.ndarray, cells: pd.Series, of: np.ndarray, estimate: float) -> Told:
    """A linear combination `of` the coefficients of a least-squares fit, with its pull by cluster (CR3)."""
    clusters = cluster_numbers(len(cells), cells.to_numpy())
    basis, root = np.linalg.qr(design)
    freed = without_own_pull(basis.T, residuals, clusters)
    pulls = (basis @ np.linalg.solve(root.T, of)) * freed
    return Told(float(estimate), np.bincount(clusters, pulls), int(clusters.max()) + 1 - design.shape[1])


# ----------------------------------------------------------------------------------------------------------- efficiency


def efficiencies(table: pd.DataFrame) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """A row a pair of families and size: rho in and out of the source, and out over in, with intervals."""
    rows, disabled = [], {}
    for one, other in combinations(sorted(table["family"].unique()), 2):
        pair = table[table["family"].isin([one, other])].reset_index(drop=True)
        few = [name for name, part in pair.groupby("family") if len(part) < FEWEST or part["params"].nunique() < LEVELS]
        if few:
            disabled[f"efficiency of {one} and {other}"] = (
                f"{' and '.join(few)} has fewer than {FEWEST} runs, or than {LEVELS} sizes of network")
            continue
        varied = [size for size in SIZES if np.ptp(np.log(pair[size].astype(float))) > np.log(1.5)]
        for size in varied:
            told = {where: ratio(pair, without_source(pair, f"log_{where}"), varied, size, one) for where in
                    ("in", "out")}
            if not all(told.values()):
                disabled[f"efficiency of {one} and {other} in {size}"] = (
                    f"no ratio of {np.exp(RATIOS[-1]):g} or less makes one law of both families")
                continue
            apart = Told(told["out"].estimate - told["in"].estimate, told["out"].pulls - told["in"].pulls,
                         told["in"].freedom)
            row: dict[str, Any] = {"families": [one, other], "size": size, "runs": len(pair)}
            for name, made in (*told.items(), ("apart", apart)):
                values = np.exp([made.estimate, *made.ends()])
                row |= dict(zip((name, f"{name}_low", f"{name}_high"), map(float, values), strict=True))
            rows.append(row)
    return rows, disabled


def without_source(table: pd.DataFrame, name: str) -> np.ndarray:
    """log error with what its source alone adds taken off: of a fit of cells and sources, which need not be crossed."""
    sources = pd.get_dummies(table["source"]).to_numpy(float)
    cells = pd.get_dummies(table["cell"]).to_numpy(float)
    values = table[name].to_numpy(float)
    effects = np.linalg.lstsq(np.column_stack([sources, cells]), values, rcond=None)[0][: sources.shape[1]]
    effects = sources @ (effects - effects.mean())
    return values - effects


def ratio(pair: pd.DataFrame, log_y: np.ndarray, varied: list[str], size: str, first: str) -> Told | None:
    """log rho: each of the first family's `size` counts as rho of the other's. None at the end of RATIOS."""
    law = "joint" if len(varied) > 1 else "floor"
    own = pair["family"].eq(first).to_numpy(float)
    place = varied.index(size)
    base = fit_law(law, *pair[varied].to_numpy(float).T, y=np.exp(log_y), polish=False)
    found = profile(base, own, place, RATIOS)
    best = int(np.argmin(found[1]))
    if best in (0, len(RATIOS) - 1):
        return None
    finer = np.linspace(RATIOS[best - 1], RATIOS[best + 1], 61)
    theta, cost = profile(base, own, place, finer)
    best = int(np.argmin(cost))
    log_x = shifted(base.log_x, own, place, finer[[best]])
    curve, slopes = base.law.form(theta[[best]], log_x)
    step = 1e-4
    ahead = base.law.form(theta[[best]], shifted(base.log_x, own, place, finer[[best]] + step))[0]
    inner = (theta[best] > base.low + 1e-7) & (theta[best] < base.high - 1e-7)
    design = np.column_stack([slopes[0][inner].T, (ahead[0] - curve[0]) / step])
    scale = np.linalg.norm(design, axis=0)
    return linear(design / scale, base.log_y - curve[0], pair["cell"], np.eye(len(scale))[-1] / scale[-1],
                  float(finer[best]))


def profile(base: Fit, own: np.ndarray, place: int, ratios: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """theta (ratio, parameter) and cost (ratio,) of the common law at each ratio."""
    start = np.repeat(base.theta[None], len(ratios), axis=0)
    return minimise(base.law, start, shifted(base.log_x, own, place, ratios), base.log_y[None], base.low, base.high)


def shifted(log_x: np.ndarray, own: np.ndarray, place: int, ratios: np.ndarray) -> np.ndarray:
    """(size, ratio, point) log sizes, those of the first family larger by each ratio."""
    many = np.repeat(log_x[:, None, :], len(ratios), axis=1)
    many[place] += ratios[:, None] * own
    return many
