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
from ecgscale.laws import LAWS
from ecgscale.laws.columns import responses
from ecgscale.laws.summary import by_question, preferred
from ecgscale.report.inputs import Inputs
from ecgscale.report.style import COLOURS, INK, LOOKS, MUTED, RC, Drawing, figure, label, look, number

BEYOND = 5.0        # how far a panel of laws reaches beyond its runs and predictions, as a factor
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
def front_of_two_costs(inputs: Inputs, axes: str) -> Drawing | None:
    """Two costs on log axes, the score as colour, the members of the front ringed."""
    rows = inputs.frontier[inputs.frontier["axes"].eq(axes) & inputs.frontier["group"].eq("all")].sort_values("y")
    first, second = axes.split("~")[1].split(",")
    if rows.empty:
        return None
    fig = figure(9.0, 4.6)
    panel = fig.subplots()
    ringed = rows["on_front"].to_numpy()
    drawn = panel.scatter(rows["x"], rows["z"], c=rows["y"], s=np.where(ringed, 70, 26), cmap="cividis",
                          edgecolors=np.where(ringed, INK, "none"), linewidths=1.4)
    score_axes(panel, first, "", f"n = {len(rows)}, {ringed.sum()} on the front")
    panel.set_yscale("log")
    plain_ticks(panel, "y")
    panel.set_ylabel(axis_title(second))
    fig.colorbar(drawn, ax=panel, label=label(inputs.target), fraction=0.05)
    return Drawing(f"frontier-{first}-{second}".replace("_", "-"),
                   f"Score against {COSTS[first].title} and {COSTS[second].title}",
                   "Colour: score. Large ringed markers stand on the front of all three: nothing is at least as good "
                   "on score and both costs, and better on one.",
                   f"{ringed.sum()} of {len(rows)} configurations stand on the front of three axes.", fig)


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


@mpl.rc_context(RC)
def law(inputs: Inputs) -> Drawing | None:
    """The runs, the laws identified on all of them and on each optimizer, and what is predicted beyond the largest."""
    fits = [fit for fit in (inputs.laws.fits if inputs.laws else ()) if len(fit.x) == 1]
    fits = [fit for fit in fits
            if fit.subset in POOLED or (fit.subset.startswith("optimizer=") and "," not in fit.subset)]
    ys = {one.name: one.y for one in responses(inputs.runs, inputs.asked, asked=inputs.explained)}
    sizes = [key for key in dict.fromkeys((fit.x[0], fit.y) for fit in fits) if key[0] in inputs.runs and key[1] in ys]
    sizes = [key for key in sizes if key[1] == sizes[0][1]][:6]
    if not sizes:
        return None
    columns = min(3, len(sizes))
    fig = figure(9.0, 0.9 + 3.0 * -(-len(sizes) // columns))
    panels = fig.subplots(-(-len(sizes) // columns), columns, squeeze=False).ravel()
    for panel in panels[len(sizes):]:
        panel.set_axis_off()
    for panel, (x, y) in zip(panels, sizes, strict=False):
        draw_law(panel, inputs.runs, x, y, ys[y], [fit for fit in fits if (fit.x[0], fit.y) == (x, y)])
    legend = {name: handle for panel in panels for handle, name in zip(*panel.get_legend_handles_labels(), strict=True)}
    fig.legend(legend.values(), legend.keys(), loc="outside lower left", ncols=4)
    told = [f"{fit.law} over {fit.x[0]} of {label(fit.subset)}" for fit in fits
            if fit.verdict == "identified" and fit.law in LAWS]
    return Drawing("laws", f"Scaling laws of {quantity(sizes[0][1])}",
                   "Points: runs. Lines: the preferred of the laws that the data identify, for all runs (black) and "
                   "for an optimizer; none is drawn where none is identified. Squares: the laws' weighted average over "
                   "all runs at 1, 2, 4 and 10 times the largest size, where the interval of a new run has ends; "
                   "one that leaves the frame goes on.",
                   "Identified: " + ("; ".join(told) or "none"), fig)


def draw_law(panel: Axes, runs: pd.DataFrame, x: str, y: str, values: np.ndarray, fits: list) -> None:
    """One size: runs by optimizer, the preferred identified law of each subset, the average beyond."""
    size = runs[x].to_numpy(float)
    kept = np.isfinite(size) & np.isfinite(values) & (size > 0)
    optimizer = runs["optimizer"].to_numpy() if "optimizer" in runs else np.full(len(runs), "runs")
    names = sorted(set(optimizer[kept]))
    for name in names:
        colour, marker, _ = look(name, names)
        chosen = kept & (optimizer == name)
        panel.plot(size[chosen], values[chosen], marker, color=colour, markersize=3.5, alpha=0.5, markeredgewidth=0,
                   label=label(name))
    for sure in by_question(fit for fit in fits if fit.verdict == "identified" and fit.law in LAWS):
        fit = preferred(sure)
        among = kept if fit.subset in POOLED else kept & (optimizer == fit.subset.removeprefix("optimizer="))
        grid = np.geomspace(size[among].min(), size[among].max(), 100)
        panel.plot(grid, LAWS[fit.law](grid, **fit.estimates), "--" if fit.subset == "frontier" else "-", linewidth=2,
                   color=INK if fit.subset in POOLED else look(fit.subset, names)[0],
                   label=POOLED.get(fit.subset) or f"law of {label(fit.subset)}")
    foretold = draw_average(panel, [fit for fit in fits if fit.subset == "all"])
    panel.set_xscale("log")
    panel.set_yscale("log")
    seen = np.array([*values[kept][values[kept] > 0], *foretold])
    low, high = panel.get_ylim()            # a few runs can leave an interval of many decades
    panel.set_ylim(max(low, seen.min() / BEYOND), min(high, seen.max() * BEYOND))
    plain_ticks(panel)
    plain_ticks(panel, "y")
    panel.set_title(f"n = {kept.sum()}", fontsize=9, fontweight="normal")
    panel.set_xlabel(x.replace("_", " "))
    panel.set_ylabel(quantity(y))


def draw_average(panel: Axes, fits: list) -> list[float]:
    """What the average of the laws predicts for new runs, with interval; nothing where that has no end.

    Returns the predictions.
    """
    rows = [one for fit in fits for one in fit.statistics.get("predictions") or ()
            if one.get("run_low") and one.get("run_high") is not None]
    for one in rows:
        panel.plot([one["x"]] * 2, [one["run_low"], one["run_high"]], color=COLOURS["purple"], linewidth=1.2)
        panel.plot(one["x"], one["y"], "s", color=COLOURS["purple"], markersize=4.5, markerfacecolor="white",
                   label="average law, new run" if one is rows[0] else None)
    return [one["y"] for one in rows]


def quantity(name: str) -> str:
    """ "1 - test_challenge_score" -> "1 - Challenge score"."""
    return " ".join(label(word) for word in name.split(" ")).replace("_", " ")
