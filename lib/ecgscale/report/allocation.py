"""Where the next budget of compute would go: the best sizes for each budget, and the view along its iso-FLOP lines."""

from __future__ import annotations

import numpy as np

from ecgscale.contracts import LawFit
from ecgscale.laws import LAWS
from ecgscale.numbers import alike, number
from ecgscale.report.charts import Chart, View, axis, colour, layered, points
from ecgscale.report.figures import quantity
from ecgscale.report.inputs import Inputs
from ecgscale.report.plots import every_so_many, look_places
from ecgscale.report.style import interval, label
from ecgscale.report.tables import DataTable, table

BUDGETS, CONTOURS = 4, 9
GRID = 60               # sizes of a contour
BEYOND = 3.0            # how far iso-loss contours go beyond the runs, as a factor


def rows_of(inputs: Inputs) -> list[dict]:
    return list(inputs.laws.allocation) if inputs.laws else []


def budget(row: dict) -> str:
    return row.get("budget") or f"{number(row['budget_flops'])} FLOPs"


def optima(inputs: Inputs) -> DataTable | None:
    """One row a budget, response, group of runs and law."""
    made = [(budget(row), number(row["budget_flops"]), quantity(row["y_column"]), label(row["subset"]), row["law"],
             *(interval(row.get(name), row.get(f"{name}_low"), row.get(f"{name}_high"), number)
               for name in ("params", "samples", "samples_per_param", "epochs", "y")),
             "–" if row["probability_best"] is None else f"{row['probability_best']:.2f}",
             "; ".join(f"{number(hours)} h on {device}" for device, hours in row["hours"].items()) or "–",
             row["note"]) for row in rows_of(inputs)]
    return table("Where the next budget would go: best parameters, samples and epochs (90 %), and the probability that "
                 "the group is the best one", {
        "budget": False, "FLOPs": True, "of": False, "runs": False, "law": False, "parameters": True, "samples": True,
        "samples a parameter": True, "epochs": True, "expected": True, "probability best": True, "hours": False,
        "note": False}, made)


def bounds(inputs: Inputs) -> DataTable | None:
    """Where no best sizes can be told: how far the joint laws of all runs and of the frontier are known, and what runs
    would identify them. The optimum of N^-alpha and D^-beta at N D = C grows as C^a, a = beta / (alpha + beta)."""
    made = []
    for fit in inputs.laws.fits if inputs.laws and not inputs.laws.allocation else ():
        alpha, beta = (fit.intervals.get(name, (None, None)) for name in ("alpha", "beta"))
        if fit.law == "joint" and "=" not in fit.subset and None not in (*alpha, *beta) and min(*alpha, *beta) > 0:
            least, most = (b / (a + b) for a, b in ((alpha[1], beta[0]), (alpha[0], beta[1])))
            made.append((quantity(fit.y), label(fit.subset), fit.points, *(" to ".join(alike(one, 2)) for one in (
                alpha, beta, (least, most))), would_identify(fit)))
    return table("Compute-optimal split: not identifiable; how far it is known (90 %), and what would identify it", {
        "of": False, "runs": False, "n": True, "α, of parameters": True, "β, of samples": True,
        "so best parameters grow as the budget to the power": True, "what would identify it": False}, made)


def would_identify(fit: LawFit) -> str:
    """First and last design: "81 runs of 3786 to 2.04 M parameters and 6528 to 105 k samples, or 25 runs ..."."""
    told = fit.statistics.get("would_identify") or []
    what = "places" if fit.statistics.get("by_place") else "runs"
    return ", or ".join(f"{one['runs']} {what} of " + " and ".join(
        f"{number(low)} to {number(high)} {name}"
        for low, high, name in zip(one["low"], one["high"], ("parameters", "samples"), strict=True))
        for one in told[:: max(1, len(told) - 1)]) or "–"


def answers(inputs: Inputs) -> DataTable | None:
    """What was asked with --at and --loss."""
    made = []
    for row in inputs.laws.answers if inputs.laws else ():
        inverse = row["asked"] == "sizes for y"
        asked = f"cheapest sizes for {number(row['y'])}" if inverse else ", ".join(
            f"{name.replace('_', ' ')} {number(row[name])}" for name in row["over"])
        told = "; ".join(f"{name} {interval(row[name], row[f'{name}_low'], row[f'{name}_high'], number)}"
                         for name in (("params", "samples", "flops") if inverse else ("y",)))
        alone = row.get("law_y")
        made.append((quantity(row["of"]), asked, told, "–" if inverse else interval(
            row["y"], row["run_low"], row["run_high"], number), "–" if alone is None else number(alone), row["law"],
            label(row.get("subset", "all")), row["note"]))
    return table("Answers at chosen sizes and for chosen losses (90 %)", {
        "of": False, "asked": False, "answer": False, "a new run": False, "the equation alone": True, "law": False,
        "runs": False, "note": False}, made)


def iso_loss(inputs: Inputs) -> Chart | None:
    """Contours of the joint law of all runs: which sizes and samples reach the same loss; the runs as points."""
    fits = [fit for fit in (inputs.laws.fits if inputs.laws else ()) if fit.law == "joint" and fit.subset == "all"
            and fit.verdict == "identified" and set(fit.x) <= set(inputs.ranked)]
    if not fits:
        return None
    fit = fits[0]
    runs = inputs.ranked[(inputs.ranked[list(fit.x)] > 0).all(axis=1)]
    n, d = (np.geomspace(runs[name].min() / BEYOND, runs[name].max() * BEYOND, GRID) for name in fit.x)
    y = LAWS["joint"](n[:, None], d, **fit.estimates)                       # falls along both
    levels = np.geomspace(y.min() * 1.02, y.max() * 0.98, CONTOURS)
    samples = np.exp([np.interp(-levels, -row, np.log(d), left=np.nan, right=np.nan) for row in y])
    lines = []
    for level, found in zip(levels, samples.T, strict=True):
        line = [{"parameters": float(at), "samples": float(needed), "level": float(level)}
                for at, needed in zip(n, found, strict=True) if np.isfinite(needed)]
        if line:
            line[len(line) // 2]["named"] = number(level)
        lines += line
    shown, less = every_so_many(runs.assign(one=0), "one")
    rows = {"contours": lines, "runs": [{"run": int(place), "parameters": row[fit.x[0]], "samples": row[fit.x[1]]}
                                        for place, row in shown.iterrows()]}
    x, up = axis("parameters", "parameters", log=True), axis("samples", quantity(fit.x[1]), log=True)
    shade = {"field": "level", "type": "quantitative", "scale": {"type": "log", "scheme": "viridis"},
             "legend": None}
    drawn = [{"data": {"name": "contours"}, "mark": {"type": "line", "strokeWidth": 1.8},
              "encoding": {"x": x, "y": up, "color": shade, "detail": {"field": "level"}}},
             {"data": {"name": "contours"}, "transform": [{"filter": "isValid(datum.named)"}],
              "mark": {"type": "text", "dy": -7, "color": "currentColor"},
              "encoding": {"x": x, "y": up, "text": {"field": "named"}}}]
    return Chart("isoloss", f"Iso-loss contours of {quantity(fit.y)}",
                 f"Sizes and samples of one contour reach the same value by the joint law of all {fit.points} runs "
                 "(points); away from them this is extrapolation." + less,
                 f"{CONTOURS} contours from {number(levels[0])} to {number(levels[-1])}",
                 (View("all", "all runs", layered(*drawn, points("runs", x, up, {"color": {"value": "currentColor"}},
                                                                 size=18))),), rows)


def prices(inputs: Inputs) -> DataTable | None:
    """Exponents of the best sizes in the budget, and what it costs to train half or twice the best size."""
    made = [(quantity(row["y_column"]), label(row["subset"]), budget(row),
             *(interval(row[name], row[f"{name}_low"], row[f"{name}_high"], number)
               for name in ("size_exponent", "samples_exponent")),
             *(interval(off["budget_ratio"], off["budget_ratio_low"], off["budget_ratio_high"], number)
               for off in row["off_by_2"].values())) for row in rows_of(inputs) if "off_by_2" in row]
    return table("How best sizes grow with the budget C, N ~ C^a and D ~ C^b, and how many times the budget makes up "
                 "for half or twice the best size (90 %)", {
        "of": False, "runs": False, "budget": False, "a": True, "b": True, "half the size": True,
        "twice the size": True}, made)


def iso_flop(inputs: Inputs) -> Chart | None:
    """What a model of each size reaches when the whole budget is spent on it: a view a budget, a line a group."""
    rows = rows_of(inputs)
    if not rows:
        return None
    first = rows[0]
    rows = [row for row in rows if (row["y_column"], row["law"]) == (first["y_column"], first["law"])]
    subsets = sorted({row["subset"] for row in rows})
    budgets = list(dict.fromkeys(map(budget, rows)))[:BUDGETS]
    looks = colour("group", [label(one) for one in subsets], look_places(subsets))
    views, data, told = [], {}, []
    for place, name in enumerate(budgets):
        lines, best = f"budget {place}", f"budget {place} best"
        data[lines], data[best] = [], []
        for row in (row for row in rows if budget(row) == name):
            group = label(row["subset"])
            data[lines] += [{"parameters": one["params"], "samples": one["samples"], "expected": one["y"],
                             "low": one["low"], "high": one["high"], "group": group} for one in row["isoflop"]]
            if row["params"] is not None:
                data[best].append({"parameters": row["params"], "samples": row["samples"], "expected": row["y"],
                                   "low": row["y_low"], "high": row["y_high"], "group": group})
                told.append(f"{group}, {name}: {number(row['params'])} parameters")
        flops = number(next(row["budget_flops"] for row in rows if budget(row) == name))
        views.append(View(f"budget-{place + 1}", name if flops in name else f"{name} ({flops} FLOPs)",
                          spent(lines, best, quantity(first["y_column"]), looks)))
    return Chart("isoflop", "Iso-FLOP view",
                 "Each point of a line spends the same budget: larger models see fewer samples. Bands: 90 % "
                 f"intervals over run-level bootstrap refits of the {first['law']} law; large markers: the optimum. "
                 f"Beyond the table's {len(inputs.runs)} runs this is extrapolation.", "; ".join(told), tuple(views),
                 data)


def spent(lines: str, best: str, title: str, looks: dict) -> dict:
    """One budget: bands, lines whose points tell their facts, and the best size of each group."""
    x, y = axis("parameters", "parameters", log=True), axis("expected", title, log=True)
    y["axis"] = {"format": "~g", "tickCount": 6}
    told = {"type": "point", "filled": True, "tooltip": {"content": "data"}}
    band = {"x": x, "y": {"field": "low", "type": "quantitative"}, "y2": {"field": "high"}, "color": looks["color"]}
    return layered(
        {"data": {"name": lines}, "mark": {"type": "area", "opacity": 0.15}, "encoding": band},
        {"data": {"name": lines}, "mark": {"type": "line", "strokeWidth": 1.8},
         "encoding": {"x": x, "y": y, "color": looks["color"]}},
        {"data": {"name": lines}, "mark": told | {"size": 14}, "encoding": {"x": x, "y": y, "color": looks["color"]}},
        {"data": {"name": best}, "mark": told | {"size": 110}, "encoding": {"x": x, "y": y, **looks}})
