"""Laws of the best learning rate and the best weight decay: how they move with the network, the batch and the data.

In each cell (runs that are equal but for the setting s) log y is a parabola of log s near its best, of one curvature
in all cells of a family and optimizer:

    log y = level(cell) + k (log s - log best)^2,   log best = a + b_1 log z_1 + b_2 log z_2 + ...

with the sizes z. That is linear in the levels, k, k a and k b, so it is solved by least squares; exponents and rates
are ratios of its coefficients, with Fieller's interval (1954), which is endless where the curvature is not told. A
cell that was tried at two rates only tells of it, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from ecgscale.contracts import RATES
from ecgscale.contracts.run_table import finished, specification
from ecgscale.laws.columns import response as explained
from ecgscale.laws.uncertainty import LEVEL
from ecgscale.numbers import number

SETTINGS = ("lr", "weight_decay")
SIZES = ("params", "batch_size", "train_records", "samples_seen", "depth")
UNLIKE = ("precision", "train_flops")           # may differ in a cell: the machine's choice, and what it costs
REACH = 10.0            # times a cell's best tried setting: beyond it a parabola does not hold
TOGETHER = 0.8          # R^2 of a size on those before it, from which what it does is not told apart from them
FEWEST = 3              # cells, and degrees of freedom
WIDEST = 100.0          # times the lower end of a best setting's interval, its upper end: more tells nothing
AHEAD = 10.0            # times the largest network, of which the best setting is foretold


@dataclass(frozen=True)
class RateLaw:
    """largest: each size of the law with the largest value that was tried. runs, averaged over seeds, of so many cells.
    together: sizes that move with those of the law. The regression's zero is at `middle` (size -> its log) and
    `log_setting`; coefficients: k, -2 k a, -2 k b ..."""

    setting: str
    largest: dict[str, float]
    together: tuple[str, ...]
    runs: int
    cells: int
    tried: tuple[float, float]              # ends of the settings that the largest network was tried with
    middle: dict[str, float]
    log_setting: float
    coefficients: np.ndarray
    covariance: np.ndarray
    freedom: int

    @property
    def exponents(self) -> dict[str, tuple[float, float, float]]:
        """Size -> its exponent and the ends of the 90 % interval."""
        return {name: self.ratio(of) for name, of in zip(self.largest, np.eye(len(self.largest) + 1)[1:], strict=True)}

    @property
    def told(self) -> bool:
        """Whether the runs show a best setting: a curvature above zero, and an end on both sides."""
        _, low, high = self.at(self.largest)
        return bool(low > 0 and high <= WIDEST * low)

    def at(self, sizes: dict[str, float]) -> tuple[float, float, float]:
        """The best setting there and the ends of its 90 % interval."""
        at = np.array([1.0, *(np.log(sizes[name]) - self.middle[name] for name in self.largest)])
        with np.errstate(over="ignore"):
            return tuple(np.exp(self.log_setting + np.array(self.ratio(at))))

    def ratio(self, of: np.ndarray) -> tuple[float, float, float]:
        """-of·(coefficients without k) / 2k, with Fieller's interval; endless where k is not told from 0 or below."""
        share = np.concatenate([[0.0], of]) / -2
        k, top = self.coefficients[0], share @ self.coefficients
        t = stats.t.ppf((1 + LEVEL) / 2, self.freedom)
        spread = t**2 * np.array([self.covariance[0, 0], share @ self.covariance[0], share @ self.covariance @ share])
        square, mixed, rest = k**2 - spread[0], k * top - spread[1], top**2 - spread[2]
        if k <= 0 or square <= 0:
            return (top / k if k > 0 else np.nan), -np.inf, np.inf
        root = np.sqrt(max(mixed**2 - square * rest, 0.0))
        return top / k, (mixed - root) / square, (mixed + root) / square


def rate_law(runs: pd.DataFrame, setting: str = "lr", response: str = "valid_loss") -> RateLaw | None:
    """Of the finished runs of one family and optimizer; None where fewer than FEWEST cells were tried at two settings,
    or what is left does not tell the law's numbers. A response that is no loss is taken as 1 - response."""
    tried = cells_of(runs, setting, response)
    if tried["cell"].nunique() < FEWEST:
        return None
    sizes, together = told_apart(tried)
    logs = np.log(tried[list(sizes)].to_numpy(float))
    log_setting = np.log(tried[setting].to_numpy(float))
    middle, centre = logs.mean(axis=0), log_setting.mean()
    off = log_setting - centre
    own = np.column_stack([off**2, off, off[:, None] * (logs - middle)])
    y = np.log(tried["y"].to_numpy(float))
    within = [one - pd.DataFrame(one).groupby(tried["cell"].to_numpy()).transform("mean").to_numpy()
              for one in (own, y[:, None])]
    freedom = len(y) - tried["cell"].nunique() - own.shape[1]
    if freedom < FEWEST or np.linalg.matrix_rank(within[0]) < own.shape[1]:
        return None
    inverse = np.linalg.inv(within[0].T @ within[0])
    coefficients = inverse @ within[0].T @ within[1][:, 0]
    left = within[1][:, 0] - within[0] @ coefficients
    return RateLaw(setting, tried[list(sizes)].max().to_dict(), together, int(tried["runs"].sum()),
                   tried["cell"].nunique(), ends_of(tried, setting), dict(zip(sizes, middle, strict=True)), centre,
                   coefficients, inverse * (left @ left) / freedom, freedom)


def cells_of(runs: pd.DataFrame, setting: str, response: str) -> pd.DataFrame:
    """A row a cell and setting, averaged over seeds: cell, the setting, y, runs, and SIZES; cells with two settings or
    more, within REACH of the cell's best."""
    runs = finished(runs, response)
    if setting not in runs:
        return pd.DataFrame(columns=["cell", setting, "y", "runs", *SIZES])
    runs = runs[runs[setting] > 0]
    blocks = [name for name in runs if name == "hp_depth" or name.startswith("hp_depth_")]
    runs = runs.assign(y=explained(runs, response).y, depth=runs[blocks].sum(axis=1).replace(0, np.nan))
    keys = [name for name in specification(runs) if name not in (setting, *UNLIKE)]
    runs = runs[(runs["y"] > 0)].assign(cell=lambda own: own.groupby(keys, dropna=False, sort=False).ngroup())
    means = runs.groupby(["cell", setting], as_index=False).agg(
        y=("y", "mean"), runs=("y", "size"), **{name: (name, "first") for name in SIZES if name in runs})
    best = means.loc[means.groupby("cell")["y"].idxmin()].set_index("cell")[setting]
    away = np.abs(np.log(means[setting] / means["cell"].map(best)))
    near = means[away <= np.log(REACH) + 1e-9]
    return near[near.groupby("cell")[setting].transform("size") >= 2].reset_index(drop=True)


def ends_of(tried: pd.DataFrame, setting: str) -> tuple[float, float]:
    largest = tried[tried["params"].eq(tried["params"].max())] if "params" in tried else tried
    return float(largest[setting].min()), float(largest[setting].max())


def told_apart(tried: pd.DataFrame) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The sizes that vary and are told from those before them, and those that vary and are not."""
    kept, together = [], []
    logs = np.log(tried.drop_duplicates("cell").reindex(columns=list(SIZES)).astype(float))
    for name in SIZES:
        column = logs[name].to_numpy()
        if not np.isfinite(column).all() or np.ptp(column) == 0:
            continue
        others = np.column_stack([np.ones(len(column)), logs[kept]])
        left = column - others @ np.linalg.lstsq(others, column, rcond=None)[0]
        (together if 1 - left.var() / column.var() > TOGETHER else kept).append(name)
    return tuple(kept), tuple(together)


def rate_laws(runs: pd.DataFrame, response: str = "valid_loss") -> pd.DataFrame:
    """RATES: for each family, optimizer and setting that was varied a row a size, and one (`size` empty) with the best
    setting at the largest network on the most data, and at AHEAD times its parameters."""
    rows = []
    for (family, optimizer), own in runs.groupby(["family", "optimizer"]):
        for setting in (name for name in SETTINGS if name in own):
            law = rate_law(own, setting, response)
            if law is None:
                continue
            shared = {"group": f"family={family}, optimizer={optimizer}", "setting": setting, "metric": response,
                      "level": LEVEL, "runs": law.runs, "cells": law.cells, "together": ";".join(law.together)}
            best = law.at(law.largest)
            ahead = law.at(law.largest | {"params": AHEAD * law.largest["params"]}) if "params" in law.largest \
                else (np.nan,) * 3
            rows.append(shared | dict(zip(("best", "best_low", "best_high"), best, strict=True)) | dict(
                zip(("ahead", "ahead_low", "ahead_high", "tried_low", "tried_high"), (*ahead, *law.tried), strict=True)
                ) | {"size": "", "told": law.told})
            rows += [shared | {"size": name, "largest": law.largest[name], "told": law.told}
                     | dict(zip(("exponent", "low", "high"), exponent, strict=True))
                     for name, exponent in law.exponents.items()]
    return pd.DataFrame(rows) if rows else RATES.empty()


def each_law(rates: pd.DataFrame) -> Iterator[tuple[str, str, pd.Series, pd.DataFrame]]:
    """Of RATES, law by law: its group, its setting, the row of its best settings, the rows of its exponents."""
    for (group, setting), own in rates.groupby(["group", "setting"], sort=False):
        yield group, setting, own[own["size"].eq("")].iloc[0], own[own["size"].ne("")]


def was_tried_far(at: pd.Series) -> bool:
    """Whether the largest network was tried nowhere within the interval of its best setting."""
    return bool(at["told"] and (at["best_high"] < at["tried_low"] or at["best_low"] > at["tried_high"]))


def summary(rates: pd.DataFrame) -> list[str]:
    """A line a law that is told: exponents, and the best setting of the largest network beside those it was tried with.
    """
    lines = []
    for group, setting, at, of_sizes in each_law(rates[rates["told"].eq(True)]):
        who = group.replace("family=", "").replace(", optimizer=", " with ")
        powers = ", ".join(f"{row.size}^{row.exponent:.2f} [{row.low:.2f}, {row.high:.2f}]"
                           for row in of_sizes.itertuples())
        best = [number(at[name], 2) for name in ("best", "best_low", "best_high", "tried_low", "tried_high")]
        untried = ": none was near" if was_tried_far(at) else ""
        lines.append(f"best {setting} of {who}: ~ {powers or 'the same everywhere'}; of the largest network "
                     f"{best[0]} [{best[1]}, {best[2]}], tried {best[3]} to {best[4]}{untried} (n = {at['runs']})")
    return lines
