"""The first answer: the best model for a budget of FLOPs, parameters, and latency on each device."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from ecgscale.analysis.frontier import COSTS
from ecgscale.numbers import number
from ecgscale.report.inputs import Inputs
from ecgscale.report.style import interval, label, network
from ecgscale.report.tables import DataTable, table

ASKED = ("forward_flops", "params", "train_flops", "latency")
STEPS = (1, 2, 5)       # of a decade
OPEN = 40               # rows that are seen without a click: it is what was asked


def best_for_budgets(inputs: Inputs) -> DataTable | None:
    """One row a cost, device and winner, with the smallest round budget that it wins."""
    known = {str(run["run_id"]): run for run in inputs.scored.to_dict("records")} if "run_id" in inputs.scored else {}
    made = []
    for cost in ASKED:
        rows = inputs.frontier[inputs.frontier["axes"].eq(f"score~{cost}") & inputs.frontier["on_front"].eq(True)]
        groups = rows[rows["group"].str.startswith("runtime=")] if cost == "latency" else rows
        if cost != "latency" or groups.empty:
            groups = rows[rows["group"].eq("all")]
        for group, front in groups.groupby("group"):
            where = "" if group == "all" else " on " + " · ".join(label(one) for one in group.split(","))
            made += [(f"{COSTS[cost].title}{where}", f"{number(budget)} {COSTS[cost].unit}".strip(),
                      network(known.get(str(row.run_id), {})) or "–", str(row.run_id),
                      interval(row.y, getattr(row, "y_low", None), getattr(row, "y_high", None)), number(row.x),
                      "unknown" if pd.isna(row.probability) else f"{row.probability:.2f}")
                     for budget, row in winners(front)]
    found = table(f"Best model for a budget: {label(inputs.target)} with 95 % interval", {
        "budget of": False, "at most": True, "model": False, "run": False, "score": True, "it costs": True,
        "probability of the front": True}, made)
    return found and replace(found, shown=OPEN)


def winners(front: pd.DataFrame) -> list[tuple[float, tuple]]:
    """(budget, row) for each round budget from which another model is the best one that can be had."""
    front = front.sort_values("x")
    costs = front["x"].to_numpy(float)
    decades = range(int(np.floor(np.log10(costs[0]))), int(np.ceil(np.log10(costs[-1]))) + 1)
    made: list[tuple[float, tuple]] = []
    rows = list(front.itertuples())
    for budget in (step * 10.0**decade for decade in decades for step in STEPS):
        place = int(np.searchsorted(costs, budget * (1 + 1e-9))) - 1
        if place >= 0 and (not made or made[-1][1].run_id != rows[place].run_id):
            made.append((budget, rows[place]))
    return made
