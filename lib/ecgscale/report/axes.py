"""Preparation: whether recipe, rate, window and leads move the score, the laws' floors and exponents."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd

from ecgscale.laws.columns import PREPARATION
from ecgscale.numbers import number
from ecgscale.report.inputs import Inputs
from ecgscale.report.style import COLOURS, INK, MUTED, RC, Drawing, figure, interval, label
from ecgscale.report.tables import DataTable, table

BY_AXIS = tuple(f"{name}=" for name in PREPARATION)


def words(inputs: Inputs) -> list[str]:
    """What a reader has to know of the figures."""
    if inputs.axes.empty:
        return ["No two runs of this table differ in recipe, window or leads alone: a study varies them with recipe, "
                "window and leads of a group of runs."]
    return ["Each value is compared with the one that most runs have, over pairs of runs that differ in nothing else, "
            "each trained at its own best rate. Both runs of a pair are scored on the same test recordings and the "
            "same draws of patients; the 95 % interval holds the patients and the spread between pairs. Floors and "
            "exponents come from a law of each value; their intervals take the errors for independent, which those of "
            "shared recordings are not: they are too wide rather than too narrow."]


def moved(row: pd.Series) -> str:
    """What an interval says of a difference. Of a loss, less is better."""
    if not (row["low"] > 0 or row["high"] < 0):
        return "not told apart"
    return "better" if (row["low"] > 0) == (row["metric"] != "loss") else "worse"


def levels(inputs: Inputs) -> DataTable | None:
    """Differences of the scores, over all networks and by size."""
    return table("Does it move the score? Difference to the reference at equal networks (95 %)", {
        "axis": False, "value": False, "against": False, "networks": False, "metric": False, "difference": True,
        "": False, "pairs": True, "recordings": True, "note": False},
        [(row["axis"], row["value"], row["reference"],
          "all" if pd.isna(row["params"]) else f"{number(row['params'])} parameters",
          row["metric"].replace("_", " "), interval(row["difference"], row["low"], row["high"]), moved(row),
          row["pairs"], row["n"], row["note"]) for _, row in inputs.axes.fillna({"note": ""}).iterrows()])


def laws(inputs: Inputs) -> DataTable | None:
    """Differences of floors and exponents between the laws of two values."""
    return table("Does it move the floor or the exponent? Differences between laws (90 %)", {
        "one": False, "other": False, "law": False, "of": False, "over": False, "": False, "difference": True,
        "differs": False},
        [(*map(label, row["groups"]), row["law"], label(row["y"]), ", ".join(row["x"]).replace("_", " "),
          "floor" if row["exponent"] == "E" else f"exponent {row['exponent']}",
          interval(row["estimate"], row["low"], row["high"], number), "yes" if row["differs"] else "no")
         for row in (inputs.laws.differences if inputs.laws else ()) if row["groups"][0].startswith(BY_AXIS)])


@mpl.rc_context(RC)
def drawing(inputs: Inputs) -> Drawing | None:
    """A line a value: its difference with the interval, a panel a metric."""
    rows = inputs.axes[inputs.axes["params"].isna()]
    if rows.empty:
        return None
    metrics = list(dict.fromkeys(rows["metric"]))
    fig = figure(4.4 * len(metrics) + 0.6, 1.4 + 0.4 * rows["metric"].eq(metrics[-1]).sum())
    for panel, metric in zip(fig.subplots(1, len(metrics), squeeze=False)[0], metrics, strict=True):
        some = rows[rows["metric"].eq(metric)][::-1]
        place = np.arange(len(some))
        panel.axvline(0, color=MUTED, linewidth=1)
        panel.errorbar(some["difference"], place, fmt="o", color=COLOURS["blue"], ecolor=INK, capsize=3,
                       xerr=[some["difference"] - some["low"], some["high"] - some["difference"]])
        panel.set_yticks(place, [f"{one} against {other}" for one, other in zip(some["value"], some["reference"],
                                                                               strict=True)])
        panel.set_ylim(-0.6, len(some) - 0.4)
        panel.set_xlabel(f"{metric.replace('_', ' ')}, difference")
    told = "; ".join(f"{row['value']} against {row['reference']} {row['metric'].replace('_', ' ')} "
                     f"{interval(row['difference'], row['low'], row['high'])}" for _, row in rows.iterrows())
    return Drawing("axes", "Recipe, window and leads: what they gain or lose",
                   "Mean over pairs of runs that differ in nothing else, with 95 % intervals.", told, fig)
