"""Which hyperparameters matter, by each measure of importance, and what the prediction does along the leading ones."""

from __future__ import annotations

import pandas as pd

from ecgscale.report.charts import Chart, View, axis, colour, layered
from ecgscale.report.effects import MODEL
from ecgscale.report.inputs import Inputs
from ecgscale.report.plots import look_places
from ecgscale.report.predictor_figures import MEASURES, top
from ecgscale.report.style import label

LEADING = 4     # hyperparameters whose dependence is drawn


def importance(inputs: Inputs) -> Chart | None:
    """A view a measure and optimizer, but for Gini's, which stands with the study's figures."""
    found = inputs.importance[inputs.importance["model"].eq(MODEL)]
    views, drawn, told = [], {}, []
    for measure in (one for one in MEASURES if one != "gini"):
        of_measure = found[found["measure"].eq(measure)]
        for group in sorted(of_measure["group"].unique(), key=lambda name: (name != "all", name)):
            part = of_measure[of_measure["group"].eq(group)].sort_values("estimate", ascending=False)
            name = f"{MEASURES[measure].split(' (')[0]}, {'all runs' if group == 'all' else label(group)}"
            drawn[name] = [{"x": row.estimate, "y": row.feature, "low": row.low, "high": row.high,
                            "spearman": row.spearman, "note": row.note or ""} for row in part.itertuples()]
            views.append(View(f"{measure}-{group.split('=')[-1]}", name,
                              bars(name, MEASURES[measure], part["feature"].tolist())))
            told.append(f"{name}: first {top(part, group)}")
    correlated = found["note"].fillna("").ne("").any()
    return Chart("importance", f"What matters, {MODEL}",
                 "Bars: importance with its 95 % interval; colour: rank correlation of the hyperparameter with the "
                 "score (orange falls, purple rises)."
                 + (" Some hyperparameters are correlated and share their importance: hover, or see the table."
                    if correlated else ""), "; ".join(told), tuple(views), drawn) if views else None


def bars(data: str, title: str, features: list[str]) -> dict:
    """One view, the most important on top."""
    y = axis("y", None, "nominal", sort=features, axis={"labelLimit": 200})
    rho = {"field": "spearman", "type": "quantitative",
           "scale": {"scheme": "purpleorange", "domain": [-1, 1], "reverse": True},
           "legend": {"title": "Spearman ρ with the score", "gradientLength": 180}}
    bar = {"data": {"name": data}, "mark": {"type": "bar", "stroke": "currentColor", "strokeWidth": 0.5,
                                            "tooltip": {"content": "data"}},
           "encoding": {"x": axis("x", title, scale={"zero": True}), "y": y, "color": rho}}
    ends = {"data": {"name": data}, "mark": {"type": "rule", "color": "currentColor"},
            "encoding": {"x": {"field": "low", "type": "quantitative"}, "x2": {"field": "high"}, "y": y}}
    return layered(bar, ends, height=40 + 24 * len(features))


def dependence(inputs: Inputs) -> Chart | None:
    """Partial dependence of the leading hyperparameters, a view each, one line per optimizer."""
    curves = [one for one in (inputs.predictor.dependence if inputs.predictor else ()) if one["model"] == MODEL]
    names = sorted({one["group"] for one in curves} - {"all"}) or ["all"]
    curves = [one for one in curves if one["group"] in names]
    features = pd.Series([one["feature"] for one in curves], dtype=object).value_counts().index[:LEADING]
    titles = {name: "all runs" if name == "all" else label(name) for name in names}
    looks = colour("group", list(titles.values()), look_places(names))
    views, drawn = [], {}
    for feature in features:
        rows, kind = [], "quantitative"
        for one in (one for one in curves if one["feature"] == feature):
            grid = [label(name) for name in one["labels"]] if "labels" in one else one["grid"]
            kind = "nominal" if "labels" in one else kind
            rows += [{"x": x, "y": y, "low": low, "high": high, "group": titles[one["group"]]} for x, y, low, high
                     in zip(grid, one["estimate"], one["low"], one["high"], strict=True)]
        drawn[feature] = rows
        x, y = axis("x", feature, kind), axis("y", "mean predicted score")
        of = {"x": x, "color": looks["color"]}
        views.append(View(feature.replace("_", "-"), feature, layered(
            {"data": {"name": feature}, "mark": {"type": "rule" if kind == "nominal" else "area", "opacity": 0.2},
             "encoding": of | {"y": {"field": "low", "type": "quantitative"}, "y2": {"field": "high"}}},
            {"data": {"name": feature}, "mark": {"type": "line"}, "encoding": of | {"y": y}},
            {"data": {"name": feature}, "mark": {"type": "point", "filled": True, "opacity": 1,
                                                 "tooltip": {"content": "data"}},
             "encoding": of | {"y": y, "shape": looks["shape"]}})))
    return Chart("dependence", f"Partial dependence of the leading hyperparameters, {MODEL}",
                 "Mean prediction when one hyperparameter is set to a value and the others stay as they are; bands are "
                 "95 % intervals over refits. A line is missing where a hyperparameter is not among an optimizer's "
                 "leading four.",
                 "; ".join(f"{titles[one['group']]}, {one['feature']}: from {one['estimate'][0]:.3f} to "
                           f"{one['estimate'][-1]:.3f}" for one in curves if one["feature"] in set(features)),
                 tuple(views), drawn) if views else None
