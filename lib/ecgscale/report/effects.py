"""What hyperparameters do to the score: SHAP values as a swarm of runs, and squeeze-and-excitation by itself."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ecgscale.report.charts import THINNED, Chart, View, axis, colour, layered, points
from ecgscale.report.inputs import Inputs
from ecgscale.report.plots import look_places, places
from ecgscale.report.style import label

MODEL = "random forest"         # the study's
FEATURES, BINS = 12, 60         # drawn, the most important first; columns in which the points of a feature are stacked


def swarm(inputs: Inputs) -> Chart | None:
    """A view for all runs and one for each optimizer."""
    rows, run = inputs.effects[inputs.effects["model"].eq(MODEL)], places(inputs)
    views, drawn, told, less = [], {}, [], ""
    for group in sorted(rows["group"].unique(), key=lambda name: (name != "all", name)):
        part = rows[rows["group"].eq(group)]
        order = part["shap"].abs().groupby(part["feature"]).mean().sort_values(ascending=False).index
        shown = part[part["feature"].isin(order[:FEATURES])]
        step = -(-len(shown) // (THINNED * 2))
        runs = shown["run_id"].unique()
        if step > 1:
            shown = shown[shown["run_id"].isin(runs[::step])]
            less = f" One run in {step} is drawn."
        shown = shown.assign(level=shown.groupby("feature")["value"].rank(pct=True), offset=stacked(shown))
        name = "all runs" if group == "all" else label(group)
        drawn[name] = [{"run": run.get(str(row.run_id)), "x": row.shap, "y": row.feature, "value": row.value,
                        "level": row.level, "offset": row.offset} for row in shown.itertuples()]
        y = axis("y", None, "nominal", sort=list(order[:FEATURES]), axis={"labelLimit": 200, "grid": True})
        level = {"field": "level", "type": "quantitative", "scale": {"scheme": "cividis", "domain": [0, 1]},
                 "legend": {"title": "rank of the value", "gradientLength": 180, "format": "%"}}
        made = points(name, axis("x", "SHAP value: what it adds to the predicted score"), y, {"color": level}, size=22)
        made["encoding"]["yOffset"] = {"field": "offset", "type": "quantitative", "scale": {"domain": [-1, 1]}}
        zero = {"data": {"values": [{"x": 0}]}, "mark": {"type": "rule", "opacity": 0.5},
                "encoding": {"x": {"field": "x", "type": "quantitative"}}}
        views.append(View(group.split("=")[-1], name, layered(zero, made, height=60 + 44 * min(len(order), FEATURES))))
        told.append(f"{name}: first {order[0]}")
    return Chart("effects", f"What each hyperparameter does to the score of each run, {MODEL}",
                 "A point a run, by hyperparameter; right: its value raises the predicted score. Colour: the value's "
                 "rank among the runs, yellow the highest. They explain the prediction, and no cause." + less,
                 "; ".join(told), tuple(views), drawn) if views else None


def squeezed(inputs: Inputs) -> Chart | None:
    """Score of the networks with squeeze-and-excitation beside those without, of each optimizer; RegNets only."""
    runs = inputs.ranked
    if not {"hp_se_ratio", "family"} <= set(runs) or inputs.target not in runs:
        return None
    kept = runs[runs["family"].eq("regnet") & runs[inputs.target].notna()]
    ratio = kept["hp_se_ratio"].fillna(0)
    if ratio.nunique() < 2:
        return None
    names = ratio.map(lambda one: f"ratio {one:g}" if one else "none")
    group = kept["optimizer"].map(lambda one: label(str(one))) if "optimizer" in kept else names.map(lambda _: "runs")
    frame = pd.DataFrame({"run": kept.index, "x": names, "y": kept[inputs.target], "group": group})
    order, groups = sorted(names.unique(), key=lambda name: (name != "none", name)), sorted(group.unique())
    means = frame.groupby(["x", "group"])["y"].agg(["mean", "std", "size"]).reset_index()
    keys = kept["optimizer"].fillna("–").astype(str) if "optimizer" in kept else group
    looks = colour("group", groups, look_places(sorted(keys.unique(), key=label)))
    x = axis("x", "squeeze-and-excitation", "nominal", scale={"domain": order}, axis={"labelAngle": 0})
    y, offset = axis("y", label(inputs.target)), {
        "xOffset": {"field": "group", "type": "nominal", "scale": {"domain": groups}}}
    made = points("runs", x, y, looks, size=30)
    made["encoding"] |= offset
    line = {"data": {"name": "means"}, "mark": {"type": "tick", "thickness": 3, "size": 36, "color": "currentColor"},
            "encoding": {"x": x, "y": {"field": "y", "type": "quantitative"}, **offset}}
    drawn = {"runs": frame.to_dict("records"),
             "means": [{"x": row["x"], "group": row["group"], "y": row["mean"]} for row in means.to_dict("records")]}
    told = "; ".join(f"{row['group']}, {row['x']}: {row['mean']:.3f} ± {row['std']:.3f} (n = {row['size']})"
                     for row in means.to_dict("records"))
    return Chart("squeeze", "Squeeze-and-excitation", "A point a RegNet; bars: means. They also differ in what else "
                 "the study drew: the findings above hold the other hyperparameters still. Mean ± standard deviation: "
                 f"{told}.", told, (View("all", "all", layered(made, line)),), drawn)


def stacked(rows: pd.DataFrame) -> np.ndarray:
    """(row,) heights within -1 and 1: points of a feature that would cover each other lie above and below its line."""
    shap = rows["shap"]
    width = max(float(np.ptp(shap)) / BINS, 1e-12)
    column = np.floor((shap - shap.min()) / width)
    place = rows.groupby([rows["feature"], column]).cumcount()
    side = np.where(place % 2, 1, -1) * -(-place // 2)
    return (side / max(1, np.abs(side).max())).to_numpy() * 0.9
