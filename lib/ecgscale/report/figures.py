"""The study's figure of scores against a cost, and the words that other figures use: a Drawing, or None.

Units on every axis, the number of runs in every caption, intervals wherever the tables have them.
"""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from ecgscale.analysis.frontier import COSTS
from ecgscale.numbers import number
from ecgscale.report.inputs import Inputs
from ecgscale.report.style import INK, RC, Drawing, figure, label, look

POOLED = {"all": "law of all runs", "frontier": "law of the frontier"}
OTHER_SCALE = ("Published scores stand on a scale of their own (averaged over batches, another label order, maximum "
               "over epochs): compare shapes and orders, never heights, with ours.")


@mpl.rc_context(RC)
def front(inputs: Inputs, axes: str) -> Drawing | None:
    """Score with interval against a cost, one front per optimizer; the published points on axes of their own."""
    rows = inputs.frontier[inputs.frontier["axes"].eq(axes)]
    grouped = rows[rows["group"].str.startswith("optimizer=")]
    ours = grouped if len(grouped) else rows[rows["group"].eq("all")]
    published = rows[rows["group"].eq("published")]
    cost = axes.split("~")[1]
    if ours.empty:
        return None
    fig = figure(9.0, 4.6)
    panels = fig.subplots(1, 2, width_ratios=[2.1, 1]) if len(published) else [fig.subplots()]
    names = sorted(ours["group"].unique())
    for name in names:
        draw_front(panels[0], ours[ours["group"].eq(name)], name, names)
    score_axes(panels[0], cost, label(inputs.target), f"This table, n = {len(ours)}")
    fig.legend(loc="outside lower left", ncols=len(names))
    if len(published):
        draw_published(panels[1], published, cost)
    sure = ours["probability"].notna().any()
    note = "Opacity of hollow markers: probability of standing on the front. " if sure else \
        "How sure membership is cannot be told: the table has neither intervals nor repeated seeds. "
    note += OTHER_SCALE if len(published) else ""
    return Drawing(
        f"frontier-{cost.replace('_', '-')}", f"Score against {COSTS[cost].title}",
        f"One Pareto front per optimizer (lines, filled markers) of {len(ours)} configurations; bars are 95 % "
        f"intervals of the score over recordings (and seeds, where repeated). {note}",
        "; ".join(front_words(ours[ours["group"].eq(name)], name, cost) for name in names), fig)


def draw_front(panel: Axes, rows: pd.DataFrame, name: str, names: list[str]) -> None:
    """All points of one group, those of the front filled and joined by the best score to be had at each cost."""
    colour, marker, line = look(name, names)
    rows = rows.sort_values("x")
    if "y_low" in rows and rows["y_low"].notna().any():
        error = np.nan_to_num(np.abs(rows[["y_low", "y_high"]].to_numpy(float).T - rows["y"].to_numpy()))
        panel.errorbar(rows["x"], rows["y"], error, fmt="none", ecolor=colour, elinewidth=0.9, alpha=0.35)
    members, others = rows[rows["on_front"]], rows[~rows["on_front"]]
    if len(others):
        shade = 0.3 + 0.7 * others["probability"].fillna(0.15)
        panel.scatter(others["x"], others["y"], 26, marker=marker, facecolors="white", edgecolors=colour, alpha=shade)
    panel.step(members["x"], members["y"], where="post", color=colour, linestyle=line, marker=marker, markersize=6.5,
               label=f"{label(name)}: {len(members)} of {len(rows)} on its front")


def draw_published(panel: Axes, rows: pd.DataFrame, cost: str) -> None:
    for row in rows.itertuples():
        name = row.run_id.removeprefix("published-")
        colour, marker, _ = look(name, [name])
        panel.plot(row.x, row.y, marker, color=colour, markersize=8)
        panel.annotate(label(name), (row.x, row.y), xytext=(0, 9), textcoords="offset points", fontsize=8.5,
                       ha="center", color=INK)
    score_axes(panel, cost, "published score (another scale)", "Published best networks")
    panel.margins(x=0.35, y=0.25)


def score_axes(panel: Axes, cost: str, score: str, title: str) -> None:
    panel.set_xscale("log")
    panel.set_xlabel(axis_title(cost))
    panel.set_ylabel(score)
    panel.set_title(title)
    plain_ticks(panel)


def axis_title(cost: str) -> str:
    """ "latency" -> "median latency of one window (ms)"."""
    title, unit = COSTS[cost].title, COSTS[cost].unit
    return f"{title} ({unit})" if unit and unit not in title else title


def plain_ticks(panel: Axes, axis: str = "x") -> None:
    """Ticks of a log axis as people read them: 20 M, 0.5; 1, 2 and 5 of a decade where the axis is short."""
    low, high = getattr(panel, f"get_{axis}lim")()
    decades = np.log10(high / low)
    chosen = getattr(panel, f"{axis}axis")
    if decades < 2.5:
        steps = (1, 3) if decades > 1.5 else (1, 2, 5) if decades > 0.8 else (1, 1.5, 2, 3, 4, 5, 6, 8)
        chosen.set_major_locator(LogLocator(subs=steps, numticks=20))
    chosen.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    chosen.set_minor_formatter(NullFormatter())


def front_words(rows: pd.DataFrame, name: str, cost: str) -> str:
    best = rows.loc[rows["y"].idxmax()]
    return f"{label(name)}: best score {best['y']:.3f} at {number(best['x'])} {COSTS[cost].unit or cost}"


def words(group: str) -> str:
    """ "family=regnet,optimizer=adamw" -> "RegNet with AdamW"."""
    return " with ".join(label(part) for part in group.split(","))


def quantity(name: str) -> str:
    """ "1 - test_challenge_score" -> "1 − Challenge score (test)"."""
    return " ".join(label(word) for word in name.replace("1 - ", "1 − ").split(" ")).replace("_", " ")
