"""Figures of laws, fronts, distributions and latency: functions of the inputs that give a Drawing, or None.

Units on every axis, the number of runs in every caption, intervals wherever the tables have them.
"""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from ecgscale.analysis import distribution
from ecgscale.analysis.frontier import COSTS
from ecgscale.report.inputs import Inputs
from ecgscale.report.style import INK, LOOKS, MUTED, RC, Drawing, figure, label, look, number

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
    score_axes(panels[0], cost, f"{label(inputs.target)}, test part", f"This table, n = {len(ours)}")
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
    return f"{label(name)}: best score {best['y']:.3f} at {best['x']:.3g} {COSTS[cost].unit or cost}"


@mpl.rc_context(RC)
def scores(inputs: Inputs) -> Drawing | None:
    """Share of models with at least a score, per family and optimizer, as in the RegNet papers."""
    groups = distribution.groups(inputs.runs, inputs.target)
    if not groups or max(map(len, groups.values())) < 5:
        return None
    threshold, _ = distribution.good_shares(inputs.runs, inputs.target)
    fig = figure(9.0, 4.2)
    panel = fig.subplots()
    low = min(values[0] for values in groups.values())
    families, optimizers = ([name.split(",")[place] for name in groups] for place in (0, -1))
    for name, family, optimizer in zip(groups, families, optimizers, strict=True):
        values = groups[name]
        colour, _, line = look(optimizer, optimizers)
        line = LOOKS[sorted(set(families)).index(family) % len(LOOKS)][2] if len(set(families)) > 1 else line
        x = np.concatenate([[low], values, values[-1:]])
        share = np.concatenate([[1.0], distribution.share_at_least(values, values), [0.0]])
        half = distribution.band(len(values))
        panel.step(x, share, where="pre", color=colour, linestyle=line, label=f"{words(name)}, n = {len(values)}")
        ends = np.clip([share - half, share + half], 0, 1)
        panel.fill_between(x, *ends, step="pre", color=colour, alpha=0.08)
    if threshold:
        panel.axvline(threshold, color=MUTED, linewidth=1, linestyle=":")
        panel.annotate("good", (threshold, 1.0), xytext=(4, -4), textcoords="offset points", color=MUTED, fontsize=8.5)
    panel.set_xlabel(f"{label(inputs.target)}, test part")
    panel.set_ylabel("share of models with at least this score")
    panel.set_ylim(0, 1.02)
    fig.legend(loc="outside lower left", ncols=3)
    return Drawing("scores", "Which share of each design space is good",
                   "Empirical distribution of the score of each family and optimizer; a curve further right is a "
                   "better design space. Bands hold the whole curve with 95 % (Dvoretzky-Kiefer-Wolfowitz). Dotted: "
                   f"{distribution.GOOD:.0%} of the best score.",
                   "; ".join(f"{words(name)}: median {np.median(values):.3f}, best {values[-1]:.3f}"
                             for name, values in groups.items()), fig)


def words(group: str) -> str:
    """ "family=regnet,optimizer=adamw" -> "RegNet with AdamW"."""
    return " with ".join(label(part) for part in group.split(","))


def quantity(name: str) -> str:
    """ "1 - test_challenge_score" -> "1 - Challenge score"."""
    return " ".join(label(word) for word in name.split(" ")).replace("_", " ")
