"""Fronts, laws, predictions and latency as figures that answer to the reader (Charts), or None without rows."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ecgscale.analysis.frontier import COSTS, parse
from ecgscale.numbers import number
from ecgscale.report.charts import THINNED, Chart, View, axis, bars, colour, layered, points
from ecgscale.report.figures import OTHER_SCALE, axis_title, quantity
from ecgscale.report.inputs import Inputs
from ecgscale.report.latency_figures import flagged, order, single_streams, subset
from ecgscale.report.style import KNOWN, label

FOREMOST = ("random forest",)       # of the models that predict: the study's


def places(inputs: Inputs) -> dict[str, int]:
    """run_id -> its place in the page's table of runs."""
    found = {}
    for place, run in enumerate(inputs.ranked["run_id"].astype(str)) if "run_id" in inputs.ranked else ():
        found.setdefault(run, place)
    return found


def look_places(names: list[str]) -> list[int]:
    """Known optimizers have colours of their own, whichever of them a table holds."""
    own = [name.split("=", 1)[-1] for name in names]
    if not set(own) & set(KNOWN):
        return list(range(len(names)))
    order = [*KNOWN, *sorted(set(own) - set(KNOWN))]
    return [order.index(name) for name in own]


def grouped_by(ranked: pd.DataFrame) -> str:
    """The fact that figures paint runs by: the family where a table has several, else the optimizer."""
    return "family" if "family" in ranked and len(set(ranked["family"].dropna())) > 1 else "optimizer"


def groups(ranked: pd.DataFrame) -> pd.Series:
    """That fact of each run, as the table writes it: "–" where it does not tell, "runs" in a table without any."""
    by = grouped_by(ranked)
    return ranked[by].fillna("–").astype(str) if by in ranked else pd.Series("runs", ranked.index)


def thinned(rows: pd.DataFrame, kept: pd.Series) -> tuple[pd.DataFrame, str]:
    """All rows that are to be kept and every so-manieth of the others; what was left out, in words."""
    if len(rows) <= THINNED:
        return rows, ""
    step = -(-int((~kept).sum()) // THINNED)
    chosen = kept | (np.cumsum(~kept) % step == 0)
    return rows[chosen], f" {len(rows) - chosen.sum()} of {len(rows)} points off the front are not drawn."


def every_so_many(rows: pd.DataFrame, by: str) -> tuple[pd.DataFrame, str]:
    """At most THINNED rows of a still figure, evenly over each group and along their order; what was left out, in
    words. What the page has room for is another question (compact.py)."""
    if len(rows) <= THINNED:
        return rows, ""
    step = -(-len(rows) // THINNED)
    chosen = rows[rows.groupby(by, dropna=False).cumcount() % step == 0]
    return chosen, f" One point in {step} is drawn, {len(chosen)} of {len(rows)}."


def fronts(inputs: Inputs) -> Chart | None:
    """Score against every cost, a front of each family or optimizer; two costs at once; the published points by
    themselves."""
    run, views, rows, told, left = places(inputs), [], {}, [], ""
    by = next((by for by in (grouped_by(inputs.ranked), "optimizer")        # earlier versions had none of families
               if inputs.frontier["group"].str.startswith(f"{by}=").any()), "optimizer")
    for axes in dict.fromkeys(inputs.frontier["axes"]):
        found = inputs.frontier[inputs.frontier["axes"].eq(axes)]
        costs = parse(axes)
        grouped = found[found["group"].str.startswith(f"{by}=")] if len(costs) == 1 else found.iloc[:0]
        ours = grouped if len(grouped) else found[found["group"].eq("all")]
        if ours.empty:
            continue
        ours, less = thinned(ours, ours["on_front"].astype(bool))
        left = left or less
        names = sorted(ours["group"].unique())
        rows[axes] = [{
            "run": run.get(str(row.run_id)), "x": row.x, "y": row.y, "z": getattr(row, "z", None),
            "low": getattr(row, "y_low", None), "high": getattr(row, "y_high", None), "front": bool(row.on_front),
            "probability": row.probability, "group": label(row.group)} for row in ours.sort_values("x").itertuples()]
        key = "-".join(costs).replace("_", "-")
        views.append(View(key, " and ".join(COSTS[cost].title for cost in costs), two_costs(axes, costs, inputs)
                          if len(costs) == 2 else one_cost(axes, costs[0], names, inputs)))
        best = ours.loc[ours["y"].idxmax()]
        cost = COSTS[costs[0]]
        told.append(f"{cost.title}: best score {best['y']:.3f} at {number(best['x'])} {cost.unit}")
    published = inputs.frontier[inputs.frontier["group"].eq("published")
                                & inputs.frontier["axes"].eq("score~forward_flops")]
    if views and len(published):
        rows["published"] = [{"x": row.x, "y": row.y, "group": label(row.run_id.removeprefix("published-"))}
                             for row in published.itertuples()]
        views.append(View("published", "published best networks, on a scale of their own", published_points(
            [row["group"] for row in rows["published"]])))
    if not views:
        return None
    sure = inputs.frontier["probability"].notna().any()
    return Chart(
        "fronts", "The best score for each cost",
        f"Filled and joined: the Pareto front of each {by}, or of what another colour stands for; bars: 95 % intervals "
        "of the score over recordings (and seeds, where repeated). " + (
            "Hover tells the probability of standing on the front. " if sure else
            "How sure membership is cannot be told: the table has neither intervals nor repeated seeds. ")
        + (OTHER_SCALE if len(published) else "") + left, "; ".join(told), tuple(views), rows)


QUALITIES = ("auroc", "auprc", "f1_tuned", "ece", "brier", "critical_miss_rate", "loss")


def qualities(inputs: Inputs) -> Chart | None:
    """Every other measure of quality against forward FLOPs: ranking, calibration, what is missed."""
    ranked, part = inputs.ranked, "test"
    if "forward_flops" not in ranked or not pd.api.types.is_numeric_dtype(ranked["forward_flops"]):
        return None
    of_run, views, rows, told = groups(ranked), [], {}, []
    keys, group = sorted(of_run.unique()), of_run.map(label)
    looks = colour("group", list(map(label, keys)), look_places(keys))
    for name in QUALITIES:
        column = f"{part}_{name}"
        if column == inputs.target or column not in ranked or not pd.api.types.is_numeric_dtype(ranked[column]):
            continue
        found = pd.DataFrame({"run": ranked.index, "x": ranked["forward_flops"], "y": ranked[column], "group": group,
                              "low": ranked.get(f"{column}_low"), "high": ranked.get(f"{column}_high")})
        found = found[found["x"].gt(0) & found["y"].notna()]
        if found.empty:
            continue
        shown, less = every_so_many(found, "group")
        rows[column] = shown.to_dict("records")
        x, y = axis("x", axis_title("forward_flops"), log=True), axis("y", quantity(column))
        views.append(View(name.replace("_", "-"), quantity(column), layered(
            bars(column, x, "low", "high", looks), points(column, x, y, looks))))
        told.append(f"{quantity(column)} from {number(found['y'].min())} to {number(found['y'].max())}{less}")
    return Chart("qualities", "Other measures of quality against forward FLOPs",
                 "Runs on the test part, bars: 95 % intervals over recordings. ECE is the expected calibration error "
                 "of the probabilities; smaller is better for it, Brier score, critical misses and loss.",
                 "; ".join(told), tuple(views), rows) if views else None


def one_cost(axes: str, cost: str, names: list[str], inputs: Inputs) -> dict:
    looks = colour("group", [label(name) for name in names], look_places(names))
    x = axis("x", axis_title(cost), log=True)
    y = axis("y", f"{label(inputs.target)}")
    line = {"data": {"name": axes}, "transform": [{"filter": "datum.front"}],
            "mark": {"type": "line", "interpolate": "step-after", "strokeWidth": 1.8},
            "encoding": {"x": x, "y": y, "color": looks["color"]}}
    return layered(bars(axes, x, "low", "high", looks), line, points(axes, x, y, looks, "datum.front"))


def two_costs(axes: str, costs: list[str], inputs: Inputs) -> dict:
    """Two costs on log axes, the score as colour, the members of the front ringed."""
    score = {"field": "y", "type": "quantitative", "scale": {"scheme": "cividis"},
             "legend": {"title": label(inputs.target), "gradientLength": 180}}
    layer = points(axes, axis("x", axis_title(costs[0]), log=True), axis("z", axis_title(costs[1]), log=True),
                   {"color": score}, "true")
    layer["encoding"]["fill"] = layer["encoding"].pop("color")
    layer["encoding"]["stroke"] = {"condition": {"test": "datum.front", "value": "currentColor"},
                                   "value": "transparent"}
    return layered(layer)


def published_points(names: list[str]) -> dict:
    looks = colour("group", names, look_places([{"AdamW": "adamw", "SGD-momentum": "sgdm", "SGD": "sgd"}.get(one, one)
                                                for one in names]))
    return layered(points("published", axis("x", axis_title("forward_flops"), log=True),
                          axis("y", "published score (another scale)"), looks, size=90))


def predicted(inputs: Inputs, scheme: str = "3-fold") -> Chart | None:
    """True against predicted score out of fold, a view a model."""
    frame, run, of_run = inputs.predicted[inputs.predicted["scheme"].eq(scheme)], places(inputs), groups(inputs.ranked)
    frame = frame.assign(group=[of_run[run[name]] if name in run else group for name, group in zip(
        frame["run_id"].astype(str), frame["group"], strict=True)])
    views, rows, told, less = [], {}, [], ""
    for model in sorted(frame["model"].unique(), key=lambda name: (name not in FOREMOST, name)):
        found, less = every_so_many(frame[frame["model"].eq(model)], "group")
        names = sorted(found["group"].unique())
        rows[model] = [{"run": run.get(str(row.run_id)), "x": row.truth, "y": row.prediction, "fold": row.fold + 1,
                        "group": label(row.group)} for row in found.itertuples()]
        ends = [float(found[["truth", "prediction"]].min().min()), float(found[["truth", "prediction"]].max().max())]
        rows[f"{model} equal"] = [{"x": end, "y": end} for end in ends]
        x, y = axis("x", f"true {label(inputs.target)}"), axis("y", "predicted, out of fold")
        views.append(View(model.replace(" ", "-"), model, layered(
            {"data": {"name": f"{model} equal"}, "encoding": {"x": x, "y": y},
             "mark": {"type": "line", "color": "currentColor", "opacity": 0.5, "strokeDash": [2, 3]}},
            points(model, x, y, colour("group", [label(name) for name in names], look_places(names))))))
        told.append(f"{model}: {len(found)} runs, r = {found['truth'].corr(found['prediction']):.2f} pooled")
    return Chart("predictions", "True against predicted score",
                 f"{scheme} cross-validation. Dotted: perfect prediction. Groups of different means lift the pooled "
                 "r: the table tells r within them." + less, "; ".join(told), tuple(views), rows) if views else None


def latency_by_size(inputs: Inputs) -> Chart | None:
    """Median latency against FLOPs and parameters, a colour a setting, with the power laws that are identified."""
    frame = single_streams(inputs)
    frame = frame[~frame["fallback"].eq(True)]
    if frame["model"].nunique() < 2:
        return None
    run, settings = places(inputs), order(frame, "p50_ms")
    powers = {(one.subset, one.x[0]): one for speed in inputs.speeds for one in speed.laws
              if one.law == "power" and one.verdict == "identified"}
    shown, less = every_so_many(frame.sort_values("params", kind="stable"), "setting")
    looks, views, rows = colour("group", settings), [], {}
    for cost in ("forward_flops", "params"):
        rows[cost] = [{"run": run.get(str(row.run_id)), "x": getattr(row, cost), "y": row.p50_ms, "group": row.setting,
                       "low": row.p50_low_ms, "high": row.p50_high_ms, "on": f"{row.machine} · {row.device}"}
                      for row in shown.itertuples()]
        x, y = axis("x", COSTS[cost].title, log=True), axis("y", "median latency of one window (ms)", log=True)
        y["axis"]["format"] = "~g"
        lines = []
        for name in settings:
            chosen = frame[frame["setting"].eq(name)]
            if one := powers.get((subset(chosen.iloc[0]), cost)):
                grid = np.geomspace(chosen[cost].min(), chosen[cost].max(), 2)
                lines += [{"x": float(at), "y": float(one.estimates["factor"] * at ** one.estimates["exponent"]),
                           "group": name} for at in grid]
        rows[f"{cost} laws"] = lines
        views.append(View(cost.replace("_", "-"), COSTS[cost].title, layered(
            bars(cost, x, "low", "high", looks), {"data": {"name": f"{cost} laws"}, "mark": "line", "encoding": {
                "x": x, "y": y, "color": looks["color"]}}, points(cost, x, y, looks, size=35))))
    told = "; ".join(f"{one}: ms ~ {cost} ^ {found.estimates['exponent']:.2f}" for (one, cost), found in powers.items())
    return Chart("latency-size", "Latency against FLOPs and parameters",
                 f"One point a repeat of each of {frame['model'].nunique()} networks; bars: 95 % interval of the "
                 "median. Lines: fitted powers of the cost, where their exponent is identified; the table has their "
                 "intervals and the error on networks left out." + less, told or "No law is identified",
                 tuple(views), rows)


def latency_by_setting(inputs: Inputs) -> Chart | None:
    """Median latency of one window of every model on every runtime, with interval and 99th percentile."""
    frame = single_streams(inputs)
    if frame.empty:
        return None
    run, settings = places(inputs), order(frame, "p50_ms")
    shown, less = every_so_many(frame.sort_values("params", kind="stable"), "setting")
    rows = [{"run": run.get(str(row.run_id)), "x": row.p50_ms, "y": row.setting, "low": row.p50_low_ms,
             "high": row.p50_high_ms, "p99": row.p99_ms, "group": label(row.runtime), "model": row.model,
             "fell": flagged(row), "on": f"{row.machine} · {row.device}"} for row in shown.itertuples()]
    looks = colour("group", sorted({row["group"] for row in rows}))
    x = axis("x", "latency of one window (ms)", log=True)
    x["axis"]["format"] = "~g"
    y = axis("y", None, "nominal", sort=settings, axis={"grid": True})
    made = points("latency", x, y, looks, "!datum.fell")
    made["encoding"]["fill"] = {"condition": {"test": "datum.fell", "value": "transparent"}, **made["encoding"]["fill"]}
    spans = [{"data": {"name": "latency"}, "mark": {"type": "rule", "strokeWidth": width, "opacity": 0.4},
              "encoding": {"x": {"field": low, "type": "quantitative"}, "x2": {"field": high}, "y": y,
                           "color": looks["color"]}} for low, high, width in (("x", "p99", 1), ("low", "high", 4))]
    crosses = {"data": {"name": "latency"}, "transform": [{"filter": "datum.fell"}], "encoding": {"x": x, "y": y},
               "mark": {"type": "point", "shape": "M-1,-1L1,1M-1,1L1,-1", "size": 90, "color": "currentColor"}}
    fastest = frame.loc[frame["p50_ms"].idxmin()]
    return Chart("latency-runtime", "Latency by runtime",
                 "Marker: median of one model; thick bar: its 95 % interval; thin line: to the 99th percentile where "
                 f"enough samples lie beyond it; {len(frame)} measurements. A crossed hollow marker fell back: what "
                 "ran was not what was asked." + less,
                 f"Fastest: {fastest['model']} on {fastest['setting']}, {number(fastest['p50_ms'])} ms",
                 (View("all", "all models", layered(*spans, made, crosses, height=60 + 34 * len(settings))),),
                 {"latency": rows})
