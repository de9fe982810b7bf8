"""The first answer: the best model for a budget of FLOPs, parameters, and latency on each device.

Validation chooses and the test part is told: what the test score itself chose would be flattered.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from ecgscale.analysis.frontier import COSTS
from ecgscale.contracts.run_table import configurations
from ecgscale.numbers import number
from ecgscale.report.headlines import chosen_by
from ecgscale.report.inputs import Inputs
from ecgscale.report.style import interval, label, network
from ecgscale.report.tables import DataTable, table

ASKED = ("forward_flops", "params", "train_flops", "latency")
COARSE, FINE = (1,), (1, 2, 5)      # steps of a decade
FEWEST = 3              # winners: where there are fewer, the steps are fine
OPEN = 40               # rows that are seen without a click: it is what was asked
SAID = 2                # budgets of a cost on the terminal: the last


@dataclass(frozen=True)
class Winner:
    """The best model from a budget on."""

    cost: str           # of COSTS
    where: str          # "" or "ONNX Runtime · cpu"
    budget: float
    model: str          # in words
    name: str           # in fewer: "RegNet 591 k"
    run_id: str
    score: str          # with its interval
    spent: float

    @property
    def most(self) -> str:
        return f"{number(self.budget)} {COSTS[self.cost].unit}".strip()


def best_for_budgets(inputs: Inputs) -> DataTable | None:
    """One row a cost, device and winner, with the smallest round budget that it wins."""
    flattered = chosen_by(inputs) == inputs.target
    how = "chosen by the same score, so it is flattered" if flattered else "chosen on validation"
    found = table(f"Best model for a budget, {how}: {label(inputs.target)}, 95 % over recordings and seeds", {
        "budget of": False, "at most": True, "model": False, "score": True, "it costs": True, "run": False},
        [(COSTS[one.cost].title + (f" on {one.where}" if one.where else ""), one.most, one.model, one.score,
          number(one.spent), one.run_id) for one in winners(inputs)])
    return found and replace(found, shown=OPEN)


def spoken(inputs: Inputs) -> str:
    """For a terminal: a line a cost and device, of its last budgets."""
    lines: dict[tuple[str, str], list[str]] = {}
    for one in winners(inputs):
        lines.setdefault((COSTS[one.cost].title, one.where), []).append(f"at most {one.most}, {one.name}: {one.score}")
    return "".join(f"Which model for a budget of {title}{where and ' on '}{where}? {'; '.join(told[-SAID:])}\n"
                   for (title, where), told in lines.items())


def winners(inputs: Inputs) -> Iterator[Winner]:
    known = {str(run["run_id"]): run for run in inputs.scored.to_dict("records")} if "run_id" in inputs.scored else {}
    points, worth = inputs.frontier, chosen_scores(inputs)
    for cost in ASKED:
        rows = points[points["axes"].eq(f"score~{cost}")]
        rows = rows.assign(worth=rows["run_id"].astype(str).map(worth)).dropna(subset=["worth"])
        groups = rows[rows["group"].str.startswith("runtime=")] if cost == "latency" else rows.iloc[:0]
        groups = groups if len(groups) else rows[rows["group"].eq("all")]
        for group, found in groups.groupby("group"):
            where = "" if group == "all" else " · ".join(label(one) for one in group.split(","))
            for budget, row in steps(found, FINE if cost == "latency" else COARSE):
                run = known.get(str(row.run_id), {})
                short = f"{label(run['family'])} {number(run.get('params'))}" if run.get("family") else str(row.run_id)
                yield Winner(cost, where, budget, network(run), short, str(row.run_id), interval(
                    row.y, getattr(row, "y_low", None), getattr(row, "y_high", None)), row.x)


def chosen_scores(inputs: Inputs) -> dict[str, float]:
    """run_id -> what chooses its configuration: the mean over the seeds."""
    runs = inputs.scored
    if "run_id" not in runs or runs.empty:
        return {}
    means = runs[chosen_by(inputs)].groupby(configurations(runs)).transform("mean")
    return dict(zip(runs["run_id"].astype(str), means, strict=True))


def steps(points: pd.DataFrame, of_decade: tuple[int, ...]) -> list[tuple[float, tuple]]:
    """(budget, row) for each round budget from which another model has the best `worth` that can be had for x."""
    points = points.sort_values(["x", "worth"], ascending=[True, False], kind="stable")
    stairs = points[points["worth"] > points["worth"].cummax().shift(fill_value=-np.inf)]
    costs, rows = stairs["x"].to_numpy(float), list(stairs.itertuples())
    decades = range(int(np.floor(np.log10(costs[0]))), int(np.ceil(np.log10(costs[-1]))) + 1)
    made: list[tuple[float, tuple]] = []
    for budget in (step * 10.0**decade for decade in decades for step in of_decade):
        place = int(np.searchsorted(costs, budget * (1 + 1e-9))) - 1
        if place >= 0 and (not made or made[-1][1].run_id != rows[place].run_id):
            made.append((budget, rows[place]))
    return made if len(made) >= FEWEST or of_decade == FINE else steps(points, FINE)
