"""Figures of the predictor in the form that the study gave them: true against predicted, importance."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize

from ecgscale.paths import ASSETS
from ecgscale.report.inputs import Inputs
from ecgscale.report.style import INK, MUTED, RC, Drawing, figure, interval, label, look

MEASURES = {"gini": "Gini importance (share of impurity decrease)",
            "permutation": "permutation importance (loss of R²)", "shap": "mean |SHAP| (score)"}


def published(number: int) -> pd.DataFrame:
    """The published findings of one of the study's four figures, or of its text and its siblings (0), of
    assets/published/findings.csv."""
    frame = pd.read_csv(ASSETS / "published" / "findings.csv")
    return frame[frame["figure"].eq(number)]


@mpl.rc_context(RC)
def true_against_predicted(inputs: Inputs, model: str, scheme: str = "3-fold") -> Drawing | None:
    """Figure 2 of the study: one panel per fold, and every r beside the published one."""
    rows = inputs.predicted
    rows = rows[rows["model"].eq(model) & rows["scheme"].eq(scheme)]
    if rows.empty:
        return None
    folds, names = sorted(rows["fold"].unique()), sorted(rows["group"].unique())
    fig = figure(9.6, 3.7)
    whole = fig.subplots(1, len(folds) + 1, width_ratios=[1] * len(folds) + [1.1])
    panels = whole[:-1]
    ends = [rows[["truth", "prediction"]].min().min(), rows[["truth", "prediction"]].max().max()]
    for panel, fold in zip(panels, folds, strict=True):
        part = rows[rows["fold"].eq(fold)]
        panel.plot(ends, ends, color=MUTED, linewidth=1, linestyle=":")
        for name in names:
            colour, marker, _ = look(name, names)
            chosen = part[part["group"].eq(name)]
            panel.plot(chosen["truth"], chosen["prediction"], marker, color=colour, markersize=4.5, alpha=0.75,
                       markeredgewidth=0, label=label(name))
        r = part["truth"].corr(part["prediction"]) if len(part) > 2 else np.nan
        panel.set_title(f"fold {fold + 1}: r = {r:.2f}, n = {len(part)}", fontsize=9.5)
        panel.set_xlabel("true score")
        panel.sharex(panels[0])
        panel.sharey(panels[0])
        panel.tick_params(labelleft=fold == folds[0])
    panels[0].set_ylabel("predicted score (out of fold)")
    compare_r(whole[-1], inputs, model, scheme)
    handles, labels = panels[0].get_legend_handles_labels()
    more = whole[-1].get_legend_handles_labels()
    fig.legend(handles + more[0], labels + more[1], loc="outside lower left", ncols=6, handletextpad=0.3)
    pooled, within = (statistic(inputs, model, scheme, "pearson", group) for group in ("all", "within"))
    several = f"; within optimizers {within}: groups of different means lift the pooled r" if len(names) > 1 else ""
    return Drawing(
        f"predicted-{model.replace(' ', '-')}", f"True against predicted score, {model}",
        f"{scheme} cross-validation of {len(rows)} runs. r pooled over all runs {pooled}{several}. Dotted: perfect "
        "prediction. Right: r with 95 % interval beside the published r (mean over folds, pooled; within optimizers "
        "read off a plot); r has no scale, so these may be compared.",
        f"Scatter plots of true and predicted score for {len(folds)} folds; pooled r {pooled}, within {within}.", fig)


def compare_r(panel: Axes, inputs: Inputs, model: str, scheme: str) -> None:
    """r of each group with its interval, and the published value where there is one."""
    results = inputs.predictor.results if inputs.predictor else ()
    ours = {entry["group"]: entry for entry in results if entry["statistic"] == "pearson"
            and entry["estimate"] is not None and (entry["model"], entry["scheme"]) == (model, scheme)}
    theirs = {row.group: float(row.value) for row in published(2).itertuples()}
    names = [name for name in ("all", "within") if name in ours] + sorted(set(ours) - {"all", "within"})
    for place, name in enumerate(reversed(names)):
        entry = ours[name]
        if entry["low"] is not None:
            panel.plot([entry["low"], entry["high"]], [place] * 2, color=INK, linewidth=1.4)
        panel.plot(entry["estimate"], place, "o", color=INK, markersize=5.5, label="r here" if place == 0 else None)
        if name in theirs:
            panel.plot(theirs[name], place, "x", color="#D55E00", markersize=7, markeredgewidth=2,
                       label="r published" if name == "all" else None)
    words = {"all": "pooled", "within": "within"}
    panel.set_yticks(np.arange(len(names)), [words.get(name, label(name)) for name in reversed(names)])
    panel.set_ylim(-0.6, len(names) - 0.4)
    panel.set_title("r, here and published", fontsize=9.5)
    panel.set_xlabel("Pearson r")


def statistic(inputs: Inputs, model: str, scheme: str, name: str, group: str) -> str:
    """One result of the predictor with its interval, as text."""
    for entry in inputs.predictor.results if inputs.predictor else ():
        if (entry["model"], entry["scheme"], entry["statistic"], entry["group"]) == (model, scheme, name, group):
            return interval(entry["estimate"], entry["low"], entry["high"], correlation)
    return "–"


def correlation(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


@mpl.rc_context(RC)
def importance(inputs: Inputs, measure: str, model: str = "random forest") -> Drawing | None:
    """Figure 3 of the study: bars per optimizer, coloured by Spearman's rank correlation with the score."""
    rows = inputs.importance
    rows = rows[rows["model"].eq(model) & rows["measure"].eq(measure)]
    names = [name for name in sorted(rows["group"].unique()) if name != "all"] or ["all"]
    rows = rows[rows["group"].isin(names)]
    if rows.empty:
        return None
    features = rows.groupby("feature")["estimate"].mean().sort_values().index
    fig = figure(9.0, 1.7 + 0.26 * len(features))
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
    fig.supxlabel(MEASURES[measure], fontsize=9.5)
    fig.colorbar(ScalarMappable(scale, colours), ax=panels, fraction=0.025, pad=0.01).set_label(
        "Spearman ρ with score", fontsize=8.5)
    correlated = rows["note"].fillna("").ne("").any()
    return Drawing(
        f"importance-{measure}", f"What matters: {MEASURES[measure].split(' (')[0]}, {model}",
        f"Bars: {MEASURES[measure]} with 95 % interval; colour: rank correlation of the hyperparameter with the score "
        "(orange falls, purple rises)."
        + (" Some hyperparameters are correlated and share their importance: see the table." if correlated else "")
        + (" Published (figure 3): stages first for every optimizer." if measure == "gini" else ""),
        "; ".join(f"{label(name)}: first {top(rows, name)}" for name in names), fig)


def top(rows: pd.DataFrame, group: str) -> str:
    part = rows[rows["group"].eq(group)]
    return part.loc[part["estimate"].idxmax(), "feature"]
