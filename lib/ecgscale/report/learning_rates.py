"""Learning rates: the best of the table, the tuned ones, and a warning where one lies at an edge of its range."""

from __future__ import annotations

import pandas as pd

from ecgscale.report.figures import words
from ecgscale.report.inputs import Inputs
from ecgscale.report.style import number
from ecgscale.report.tables import DataTable, table

SHOWN = 8       # groups named in a warning


def alarm(inputs: Inputs) -> list[str]:
    """A warning for optima and tuned rates that lie at an edge, and for ranges of which no trial finished; or none."""
    lost = sorted(set(inputs.tuning["group"]) - set(chosen(inputs.tuning)["group"]))
    told = []
    if lost:
        told.append(f"No learning rate tried trains {', '.join(lost)}: these runs kept the middle of the range.")
    for what, rows in (("Best", inputs.optima), ("Tuned", chosen(inputs.tuning))):
        at_edge = rows[rows["edge"].isin(["low", "high"])]
        named = [f"{named_group(row.group)}: {number(row.lr)}, {row.edge} end of {number(row.low)} to "
                 f"{number(row.high)}"
                 for row in at_edge.head(SHOWN).itertuples()]
        more = f"; and {len(at_edge) - SHOWN} more" if len(at_edge) > SHOWN else ""
        if named:
            told.append(f"{what} learning rates within 5 % of an end of their (logarithmic) range, so that better ones "
                        f"may lie beyond it: {'; '.join(named)}{more}. Widen the range before comparing optimizers.")
    return told


def named_group(group: str) -> str:
    """ "family=regnet, optimizer=adamw" -> "RegNet with AdamW"; a group of trials keeps its name."""
    return words(group.replace(", ", ","))


def chosen(trials: pd.DataFrame) -> pd.DataFrame:
    """The winning trial of each group: the best of the last round of which any was kept."""
    kept = trials[trials["kept"].eq(True)].sort_values(["round", "valid_loss"], ascending=[True, False])
    return kept.drop_duplicates("group", keep="last")


def rates(inputs: Inputs) -> DataTable | None:
    counts = inputs.tuning.groupby("group").size()
    best = chosen(inputs.tuning)
    found = (inputs.optima.assign(of="runs of the study"),
             best.assign(of="trials, on validation", runs=best["group"].map(counts)))
    rows = [(named_group(row.group), row.of, row.runs, number(row.lr), f"{number(row.low)} to {number(row.high)}",
             row.edge or "no") for part in found for row in part.fillna({"edge": ""}).itertuples()]
    return table("Learning rates: the best by validation loss, and whether it lies within 5 % of an end of its range", {
        "group": False, "of": False, "n": True, "learning rate": True, "range": True, "at an end": False}, rows)
