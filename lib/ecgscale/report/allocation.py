"""Where the next budget of compute would go: the best sizes for each budget, and the view along its iso-FLOP lines."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np

from ecgscale.report.figures import plain_ticks, quantity
from ecgscale.report.inputs import Inputs
from ecgscale.report.style import INK, RC, Drawing, figure, interval, label, look, number
from ecgscale.report.tables import DataTable, table

PANELS = 4


def rows_of(inputs: Inputs) -> list[dict]:
    return list(inputs.laws.allocation) if inputs.laws else []


def budget(row: dict) -> str:
    return row.get("budget") or f"{number(row['budget_flops'])} FLOPs"


def optima(inputs: Inputs) -> DataTable | None:
    """One row a budget, response, group of runs and law."""
    made = [(budget(row), number(row["budget_flops"]), quantity(row["y_column"]), label(row["subset"]), row["law"],
             *(interval(row.get(name), row.get(f"{name}_low"), row.get(f"{name}_high"), number)
               for name in ("params", "samples", "epochs", "y")),
             "–" if row["probability_best"] is None else f"{row['probability_best']:.2f}",
             "; ".join(f"{number(hours)} h on {device}" for device, hours in row["hours"].items()) or "–",
             row["note"]) for row in rows_of(inputs)]
    return table("Where the next budget would go: best parameters, samples and epochs (90 %), and the probability that "
                 "the group is the best one", {
        "budget": False, "FLOPs": True, "of": False, "runs": False, "law": False, "parameters": True, "samples": True,
        "epochs": True, "expected": True, "probability best": True, "hours": False, "note": False}, made)


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
                                           for one in row["isoflop"]]).T
            panel.fill_between(size, low, high, color=colour, alpha=0.15, linewidth=0)
            panel.plot(size, y, color=colour, linestyle=line, label=label(row["subset"]))
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
            if budget(row) in budgets]
    return Drawing("isoflop", "Iso-FLOP view",
                   "Each point of a line spends the same budget: larger models see fewer samples. Bands: 90 % "
                   f"intervals over run-level bootstrap refits of the {first['law']} law; markers: the optimum. Beyond "
                   f"the table's {len(inputs.runs)} runs this is extrapolation.", "; ".join(told), fig)
