"""Every figure of the report: a function of the inputs that gives a Drawing, or None where there is nothing to draw.

Units on every axis, the number of runs in every caption, intervals wherever the tables have them.
"""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize

from ecgscale.frontier import COSTS
from ecgscale.report.inputs import Inputs
from ecgscale.report.style import COLOURS, INK, LOOKS, MUTED, RC, Drawing, figure, interval, label, look

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
    if ours.empty or "," in cost:
        return None
    fig = figure(9.0, 4.4)
    panels = fig.subplots(1, 2, width_ratios=[2.2, 1]) if len(published) else [fig.subplots()]
    names = sorted(ours["group"].unique())
    for name in names:
        draw_front(panels[0], ours[ours["group"].eq(name)], name, names)
    score_axes(panels[0], cost, f"{label(inputs.target)}, test fold", "This table")
    panels[0].legend(loc="lower right", fontsize=8.5)
    if len(published):
        for row in published.itertuples():
            name = row.run_id.removeprefix("published-")
            colour, marker, _ = look(name, [name])
            panels[1].plot(row.x, row.y, marker, color=colour, markersize=8, label=label(name))
            panels[1].annotate(label(name), (row.x, row.y), xytext=(0, 9), textcoords="offset points", fontsize=8.5,
                               ha="center", color=INK)
        score_axes(panels[1], cost, "published score (another scale)", "Published networks")
        panels[1].margins(x=0.35, y=0.25)
    sure = ours["probability"].notna().any()
    note = "Opacity: probability of standing on the front. " if sure else \
        "How sure membership is cannot be told: the table has neither intervals nor repeated seeds. "
    note += OTHER_SCALE if len(published) else ""
    return Drawing(
        f"frontier-{cost.replace('_', '-')}", f"Score against {COSTS[cost].title}",
        f"One Pareto front per optimizer (lines, filled markers), {len(ours)} configurations; bars are 95 % intervals "
        f"of the score over recordings (and seeds, where repeated). {note}",
        "; ".join(front_words(ours[ours["group"].eq(name)], name, cost) for name in names), fig)


def draw_front(panel: Axes, rows: pd.DataFrame, name: str, names: list[str]) -> None:
    """All points of one group, those of the front filled and joined by the best score to be had at each cost."""
    colour, marker, line = look(label_key(name), [label_key(one) for one in names])
    rows = rows.sort_values("x")
    if "y_low" in rows and rows["y_low"].notna().any():
        error = np.nan_to_num(np.abs(rows[["y_low", "y_high"]].to_numpy(float).T - rows["y"].to_numpy()))
        panel.errorbar(rows["x"], rows["y"], error, fmt="none", ecolor=colour, elinewidth=0.9, alpha=0.35)
    members, others = rows[rows["on_front"]], rows[~rows["on_front"]]
    if len(others):
        shade = 0.25 + 0.75 * others["probability"].fillna(0.15)
        panel.scatter(others["x"], others["y"], s=26, marker=marker, facecolors="white", edgecolors=colour, alpha=shade)
    panel.step(members["x"], members["y"], where="post", color=colour, linestyle=line)
    panel.scatter(members["x"], members["y"], s=44, marker=marker, color=colour, zorder=3,
                  label=f"{label(name)} ({len(members)} of {len(rows)} on its front)")


def label_key(group: str) -> str:
    """ "optimizer=adamw" -> "adamw"."""
    return group.split("=", 1)[-1]


def score_axes(panel: Axes, cost: str, score: str, title: str) -> None:
    unit = COSTS[cost].unit
    named = f"{COSTS[cost].title} ({unit})" if unit and unit not in COSTS[cost].title else COSTS[cost].title
    panel.set_xscale("log")
    panel.set_xlabel(f"{named}, log scale")
    panel.set_ylabel(score)
    panel.set_title(title)


def front_words(rows: pd.DataFrame, name: str, cost: str) -> str:
    best = rows.loc[rows["y"].idxmax()]
    return f"{label(name)}: best score {best['y']:.3f} at {best['x']:.3g} {COSTS[cost].unit or cost}"


@mpl.rc_context(RC)
def true_against_predicted(inputs: Inputs, model: str = "random forest", scheme: str = "3-fold") -> Drawing | None:
    """Figure 2 of the study: one panel per fold; every r beside the r within optimizers."""
    rows = inputs.predicted
    rows = rows[rows["model"].eq(model) & rows["scheme"].eq(scheme)]
    if rows.empty:
        return None
    fig = figure(9.0, 3.6)
    folds = sorted(rows["fold"].unique())
    panels = fig.subplots(1, len(folds), sharex=True, sharey=True, squeeze=False)[0]
    names = sorted(rows["group"].unique())
    ends = [rows[["truth", "prediction"]].min().min(), rows[["truth", "prediction"]].max().max()]
    for panel, fold in zip(panels, folds, strict=True):
        part = rows[rows["fold"].eq(fold)]
        panel.plot(ends, ends, color=MUTED, linewidth=1, linestyle=":")
        for name in names:
            colour, marker, _ = look(label_key(name), [label_key(one) for one in names])
            chosen = part[part["group"].eq(name)]
            panel.plot(chosen["truth"], chosen["prediction"], marker, color=colour, markersize=4.5, alpha=0.75,
                       markeredgewidth=0, label=label(name))
        r = part["truth"].corr(part["prediction"]) if len(part) > 2 else np.nan
        panel.set_title(f"fold {fold + 1}: r = {r:.2f}, n = {len(part)}")
        panel.set_xlabel("true score")
    panels[0].set_ylabel("predicted score (out of fold)")
    if len(names) > 1:
        panels[-1].legend(loc="lower right", fontsize=8.5, handletextpad=0.2)
    pooled, within = (statistic(inputs, model, scheme, "pearson", group) for group in ("all", "within"))
    return Drawing(
        f"predicted-{model.replace(' ', '-')}", f"True against predicted score, {model}",
        f"{scheme} cross-validation, {len(rows)} runs. r pooled over all runs {pooled}"
        + (f", r within optimizers {within}: groups of different means lift the pooled r" if len(names) > 1 else "")
        + ". The dotted line is perfect prediction. Published: mean r 0.94 over folds, pooled; within optimizers about "
          "0.90 (SGD), 0.87 (SGD-momentum), 0.45 (AdamW), read off a plot.",
        f"Scatter plots of true and predicted score for {len(folds)} folds; pooled r {pooled}, within {within}.", fig)


def statistic(inputs: Inputs, model: str, scheme: str, name: str, group: str) -> str:
    """One result of the predictor with its interval, as text."""
    for entry in inputs.predictor.results if inputs.predictor else ():
        if (entry["model"], entry["scheme"], entry["statistic"], entry["group"]) == (model, scheme, name, group):
            return interval(entry["estimate"], entry["low"], entry["high"], correlation)
    return "–"


def correlation(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


MEASURES = {"gini": "Gini importance (share of impurity decrease)",
            "permutation": "permutation importance (loss of R²)", "shap": "mean |SHAP| (score)"}


@mpl.rc_context(RC)
def importance(inputs: Inputs, measure: str, model: str = "random forest") -> Drawing | None:
    """Figure 3 of the study: bars per optimizer, coloured by Spearman's rank correlation with the score."""
    rows = inputs.importance
    rows = rows[rows["model"].eq(model) & rows["measure"].eq(measure)]
    if rows.empty:
        return None
    names = [name for name in sorted(rows["group"].unique()) if name != "all"] or ["all"]
    features = rows.groupby("feature")["estimate"].mean().sort_values().index
    fig = figure(9.0, 1.5 + 0.26 * len(features))
    panels = fig.subplots(1, len(names), sharey=True, squeeze=False)[0]
    colours, scale = mpl.colormaps["PuOr"], Normalize(-1, 1)
    for panel, name in zip(panels, names, strict=True):
        part = rows[rows["group"].eq(name)].set_index("feature").reindex(features)
        error = np.nan_to_num(np.abs(part[["low", "high"]].to_numpy(float).T - part["estimate"].to_numpy()))
        panel.barh(np.arange(len(features)), part["estimate"].fillna(0), xerr=error, edgecolor=MUTED, linewidth=0.6,
                   color=colours(scale(part["spearman"].fillna(0))),
                   error_kw={"elinewidth": 1, "ecolor": INK, "capsize": 2})
        panel.set_yticks(np.arange(len(features)), features)
        panel.set_title("all runs" if name == "all" else label(name))
        panel.axvline(0, color=MUTED, linewidth=0.8)
        panel.grid(visible=False, axis="y")
    panels[len(panels) // 2].set_xlabel(MEASURES[measure])
    bar = fig.colorbar(ScalarMappable(scale, colours), ax=panels, fraction=0.025, pad=0.01)
    bar.set_label("Spearman ρ with score", fontsize=8.5)
    correlated = sum(bool(note) for note in rows["note"].fillna(""))
    return Drawing(
        f"importance-{measure}", f"What matters: {MEASURES[measure].split(' (')[0]}, {model}",
        f"Bars: {MEASURES[measure]} with 95 % interval; colour: rank correlation of the hyperparameter with the score "
        "(orange falls, purple rises)."
        + (" Some hyperparameters are correlated and share their importance: see the table." if correlated else ""),
        "; ".join(f"{label(name)}: first {top(rows, name)}" for name in names), fig)


def top(rows: pd.DataFrame, group: str) -> str:
    part = rows[rows["group"].eq(group)]
    return part.loc[part["estimate"].idxmax(), "feature"]


@mpl.rc_context(RC)
def latency(inputs: Inputs) -> Drawing | None:
    """Median latency of one window with interval, a row a setting, a panel a model."""
    rows = inputs.latency
    rows = rows[rows["status"].eq("ok") & rows["p50_ms"].notna() & rows["scenario"].eq("single")]
    if rows.empty:
        return None
    rows = rows.assign(setting=[setting(row) for row in rows.itertuples()])
    settings = sorted(rows["setting"].unique(), key=lambda one: -rows.loc[rows["setting"].eq(one), "p50_ms"].median())
    models = list(rows.drop_duplicates("model").sort_values("forward_flops")["model"])
    fig = figure(9.0, 1.5 + 0.3 * len(settings))
    panels = fig.subplots(1, len(models), sharey=True, squeeze=False)[0]
    runtimes = sorted(rows["runtime"].unique())
    for panel, model in zip(panels, models, strict=True):
        for row in rows[rows["model"].eq(model)].itertuples():
            colour, marker, _ = LOOKS[runtimes.index(row.runtime) % len(LOOKS)]
            height = settings.index(row.setting)
            ends = [row.p50_low_ms, row.p50_high_ms]
            panel.plot([row.p50_ms, row.p99_ms], [height] * 2, color=colour, linewidth=1, alpha=0.45)
            panel.plot(ends, [height] * 2, color=colour, linewidth=4, alpha=0.45, solid_capstyle="butt")
            panel.plot(row.p50_ms, height, marker, color=colour, markersize=6,
                       markerfacecolor="white" if row.fallback else colour)
        panel.set_xscale("log")
        panel.set_title(model, fontsize=9.5)
        panel.set_yticks(np.arange(len(settings)), settings, fontsize=8.5)
    fig.supxlabel("latency of one window (ms), log scale", fontsize=9.5)
    return Drawing(
        "latency", "Latency by runtime",
        "Marker: median; thick bar: its 95 % interval; thin line: to the 99th percentile where enough samples lie "
        f"beyond it. One marker a repeat, {len(rows)} measurements. A hollow marker fell back: what ran was not asked.",
        "; ".join(f"{model}: fastest {fastest(rows, model)}" for model in models), fig)


def setting(row) -> str:
    """What was measured, in one line: "OpenVINO cpu bf16 · 1 thread"."""
    asked = f" ({row.option})" if row.option else ""
    precision = f" {row.ran_precision}" if row.ran_precision else ""
    return f"{label(row.runtime)} · {row.device}{precision}{asked} · {row.machine}"


def fastest(rows: pd.DataFrame, model: str) -> str:
    best = rows[rows["model"].eq(model)].nsmallest(1, "p50_ms").iloc[0]
    return f"{best['setting']}, {best['p50_ms']:.3g} ms"


@mpl.rc_context(RC)
def published_latency(published: pd.DataFrame) -> Drawing:
    """Figure 4 of the study, as read off: a figure of its own, since its unit is doubtful."""
    rows = published[::-1]
    fig = figure(9.0, 2.8)
    panel = fig.subplots()
    panel.barh(rows["group"], rows["value"].astype(float), color=COLOURS["sky"], edgecolor=MUTED, linewidth=0.6)
    panel.set_xlabel("published median inference time (“seconds”, unit doubtful)")
    panel.grid(visible=False, axis="y")
    return Drawing(
        "published-latency", "Published inference times (read off the study's figure 4)",
        "Approximate. Warm-up, batch and iterations are undocumented, AUTO switches devices without saying so, and the "
        "Apple column was PyTorch MPS. Compare orders within this panel only.",
        "; ".join(f"{row.group} {row.value}" for row in published.itertuples()), fig)


@mpl.rc_context(RC)
def law(inputs: Inputs, subset: str = "all") -> Drawing | None:
    """The runs and the laws of one size fitted to them; a law that is not identified is dotted and named so."""
    from ecgscale.laws.forms import LAWS  # numba compiles there: only when laws are drawn

    fits = [fit for fit in (inputs.laws.fits if inputs.laws else ()) if len(fit.x) == 1 and fit.subset == subset]
    sizes = list(dict.fromkeys((fit.x[0], fit.y) for fit in fits))
    sizes = [(x, y) for x, y in sizes if x in inputs.scored and y in inputs.scored][:3]
    if not sizes:
        return None
    fig = figure(9.0, 4.0)
    panels = fig.subplots(1, len(sizes), squeeze=False)[0]
    for panel, (x, y) in zip(panels, sizes, strict=True):
        rows = inputs.scored[[x, y]].dropna()
        rows = rows[rows[x] > 0]
        panel.plot(rows[x], rows[y], "o", color=MUTED, markersize=4, alpha=0.6, markeredgewidth=0,
                   label=f"n = {len(rows)}")
        grid = np.geomspace(rows[x].min(), rows[x].max(), 200)
        for place, fit in enumerate(one for one in fits if (one.x[0], one.y) == (x, y)):
            values = {name: value for name, value in fit.estimates.items() if value is not None}
            if fit.law not in LAWS or not set(LAWS[fit.law].names) <= set(values):
                continue
            colour = LOOKS[place % len(LOOKS)][0]
            sure = fit.verdict == "identified"
            panel.plot(grid, LAWS[fit.law](grid, **{name: values[name] for name in LAWS[fit.law].names}), color=colour,
                       linestyle="-" if sure else ":", label=fit.law + ("" if sure else " (not identifiable)"))
        panel.set_xscale("log")
        panel.set_xlabel(f"{x.replace('_', ' ')}, log scale")
        panel.set_ylabel(y.replace("_", " "))
        panel.legend(fontsize=8.5)
    return Drawing("laws", "Scaling laws and the runs they were fitted to",
                   "Solid: identified by the data. Dotted: the data cannot tell the parameters, so the curve is one of "
                   "many that fit.",
                   "; ".join(f"{fit.law} of {fit.y} over {fit.x[0]}: {fit.verdict}" for fit in fits), fig)


