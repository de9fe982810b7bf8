"""Where the next budget of compute would go: the best sizes for each budget, and the view along its iso-FLOP lines."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np

from ecgscale.laws import LAWS
from ecgscale.report.figures import plain_ticks, quantity
from ecgscale.report.inputs import Inputs
from ecgscale.report.style import INK, RC, Drawing, figure, interval, label, look, number
from ecgscale.report.tables import DataTable, table

PANELS, CONTOURS = 4, 9
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


def answers(inputs: Inputs) -> DataTable | None:
    """What was asked with --at and --loss."""
    made = []
    for row in inputs.laws.answers if inputs.laws else ():
        inverse = row["asked"] == "sizes for y"
        asked = f"cheapest sizes for {number(row['y'])}" if inverse else ", ".join(
            f"{name.replace('_', ' ')} {number(row[name])}" for name in row["over"])
        told = "; ".join(f"{name} {interval(row[name], row[f'{name}_low'], row[f'{name}_high'], number)}"
                         for name in (("params", "samples", "flops") if inverse else ("y",)))
        made.append((quantity(row["of"]), asked, told, "–" if inverse else interval(
            row["y"], row["run_low"], row["run_high"], number), row["law"], row["note"]))
    return table("Answers at chosen sizes and for chosen losses (90 %)", {
        "of": False, "asked": False, "answer": False, "a new run": False, "law": False, "note": False}, made)


@mpl.rc_context(RC)
def iso_loss(inputs: Inputs) -> Drawing | None:
    """Contours of the joint law of all runs: which sizes and samples reach the same loss; the runs as points."""
    fits = [fit for fit in (inputs.laws.fits if inputs.laws else ()) if fit.law == "joint" and fit.subset == "all"
            and fit.verdict == "identified" and set(fit.x) <= set(inputs.runs)]
    if not fits:
        return None
    fit = fits[0]
    runs = inputs.runs[(inputs.runs[list(fit.x)] > 0).all(axis=1)]
    axes = [np.geomspace(runs[name].min() / BEYOND, runs[name].max() * BEYOND, 80) for name in fit.x]
    n, d = np.meshgrid(*axes)
    y = LAWS["joint"](n, d, **fit.estimates)
    fig = figure(9.0, 3.8)
    panel = fig.subplots()
    lines = panel.contour(n, d, y, levels=np.geomspace(y.min() * 1.02, y.max() * 0.98, CONTOURS), cmap="cividis")
    panel.clabel(lines, fmt=number, fontsize=8)
    panel.plot(runs[fit.x[0]], runs[fit.x[1]], "o", color=INK, markersize=2.5, alpha=0.5)
    panel.set_xscale("log")
    panel.set_yscale("log")
    plain_ticks(panel)
    plain_ticks(panel, "y")
    panel.set_xlabel("parameters")
    panel.set_ylabel(fit.x[1].replace("_", " "))
    return Drawing("isoloss", f"Iso-loss contours of {quantity(fit.y)}",
                   f"Sizes and samples of one contour reach the same value by the joint law of all {fit.points} runs "
                   "(points); away from them this is extrapolation.",
                   f"{CONTOURS} contours from {number(y.min())} to {number(y.max())}", fig)


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


@mpl.rc_context(RC)
def iso_flop(inputs: Inputs) -> Drawing | None:
    """What a model of each size reaches when the whole budget is spent on it: one panel a budget, one line a group."""
    rows = rows_of(inputs)
    if not rows:
        return None
    first = rows[0]
    rows = [row for row in rows if (row["y_column"], row["law"]) == (first["y_column"], first["law"])]
    names = sorted({row["subset"] for row in rows})
    budgets = list(dict.fromkeys(map(budget, rows)))[:PANELS]
    fig = figure(9.0, 3.6)
    for panel, name in zip(fig.subplots(1, len(budgets), sharey=True, squeeze=False)[0], budgets, strict=True):
        for row in (row for row in rows if budget(row) == name):
            colour, marker, line = (INK, "o", "-") if row["subset"] == "all" else look(row["subset"], names)
            size, y, low, high = np.array([[one[key] for key in ("params", "y", "low", "high")]
                                           for one in row["isoflop"]], dtype=float).T
            panel.fill_between(size, low, high, color=colour, alpha=0.15, linewidth=0)
            panel.plot(size, y, color=colour, linestyle=line, label=label(row["subset"]))
            if row["params"] is not None:
                panel.plot(row["params"], row["y"], marker, color=colour, markersize=6)
        panel.set_xscale("log")
        panel.set_yscale("log")
        plain_ticks(panel)
        plain_ticks(panel, "y")
        panel.set_title(f"{name}\n({number(row['budget_flops'])} FLOPs)", fontsize=8.5, fontweight="normal")
        panel.set_xlabel("parameters")
    fig.axes[0].set_ylabel(quantity(first["y_column"]))
    handles = dict(zip(*reversed(fig.axes[0].get_legend_handles_labels()), strict=True))
    fig.legend(handles.values(), handles.keys(), loc="outside lower left", ncols=4)
    told = [f"{label(row['subset'])}, {budget(row)}: {number(row['params'])} parameters" for row in rows
            if budget(row) in budgets and row["params"] is not None]
    return Drawing("isoflop", "Iso-FLOP view",
                   "Each point of a line spends the same budget: larger models see fewer samples. Bands: 90 % "
                   f"intervals over run-level bootstrap refits of the {first['law']} law; markers: the optimum. Beyond "
                   f"the table's {len(inputs.runs)} runs this is extrapolation.", "; ".join(told), fig)
