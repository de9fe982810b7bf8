"""Rounds of scaling: what was foretold before each was trained, what was found, and what comes next."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd

from ecgscale.numbers import number
from ecgscale.report.inputs import Inputs
from ecgscale.report.style import INK, MUTED, RC, Drawing, figure, interval, label
from ecgscale.report.tables import DataTable, table


def words(inputs: Inputs) -> list[str]:
    """What a reader has to know of the figures, and the decision."""
    one = inputs.decision
    if one is None:
        return ["This study asks for no larger scales: they follow from a section scale in its file."]
    spent = f"{number(one.spent)} of {number(one.budget)} FLOPs are spent"
    after = ("The next round is foretold below; the same command again trains it." if one.go_on else
             f"No further round, {one.stop}: {one.reason}.")
    return ["Each round was foretold from the runs before it, with a 90 % interval for the mean over its seeds, and "
            "trained afterwards. Validation chooses family, network and settings; what is foretold of the test part "
            "chooses nothing.", f"{share(inputs)}; {spent}. {after}"]


def remedies(inputs: Inputs) -> list[str]:
    """What would make a prediction that can be trusted."""
    return [f"To go on: {remedy}." for remedy in inputs.decision.remedy] if inputs.decision else []


def share(inputs: Inputs) -> str:
    one = inputs.decision
    return f"{one.inside} of {one.judged} rounds fell into their intervals" if one.judged else "No round is trained yet"


def listing(inputs: Inputs) -> DataTable | None:
    rows = [(row.round, row.made, label(row.family), row.model, number(row.train_records), row.epochs,
             f"{label(row.optimizer)} at {number(row.lr)}", f"{row.finished} of {row.seeds}", number(row.train_flops),
             label(row.response), interval(row.foretold, row.low, row.high, number), number(row.found),
             fell(row.inside), row.settings) for row in inputs.rounds.itertuples()]
    return table("Rounds: foretold with 90 % interval, and found", {
        "round": True, "foretold at": False, "family": False, "network": False, "recordings": True, "epochs": True,
        "trained with": False, "seeds": True, "FLOPs": True, "of": False, "foretold": True, "found": True,
        "inside": False, "settings from": False}, rows)


def fell(inside: object) -> str:
    return "not trained yet" if pd.isna(inside) else "yes" if inside else "no"


@mpl.rc_context(RC)
def drawing(inputs: Inputs) -> Drawing | None:
    """A panel a quantity: the interval of each round, and what was found in it."""
    rows = inputs.rounds
    if rows.empty:
        return None
    quantities = list(dict.fromkeys(rows["response"]))
    fig = figure(4.2 * len(quantities) + 0.6, 3.4)
    for panel, name in zip(fig.subplots(1, len(quantities), squeeze=False)[0], quantities, strict=True):
        part = rows[rows["response"].eq(name)]
        panel.vlines(part["round"], part["low"], part["high"], color=MUTED, linewidth=5, alpha=0.6,
                     label="foretold, 90 % interval")
        panel.plot(part["round"], part["foretold"], "_", color=INK, markersize=11, label="foretold")
        for hit, colour in ((True, "#0072B2"), (False, "#D55E00")):
            of = part[part["inside"].eq(hit) & part["found"].notna()]
            if len(of):
                panel.plot(of["round"], of["found"], "o", color=colour, markersize=6,
                           label=f"found, {'inside' if hit else 'outside'}")
        panel.set_xticks(part["round"], [f"{row.round}\n{row.model}" for row in part.itertuples()])
        panel.set_xlim(part["round"].min() - 0.6, part["round"].max() + 0.6)
        panel.set_ylabel(label(name))
    handles, labels = panel.get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower left", ncols=4, handletextpad=0.3)
    first = rows[rows["response"].eq(quantities[0])]
    told = "; ".join(f"round {row.round} {row.model}: {interval(row.foretold, row.low, row.high, number)}, found "
                     f"{number(row.found)}" for row in first.replace({np.nan: None}).itertuples())
    return Drawing("rounds", "Rounds of scaling, foretold and found",
                   f"{share(inputs)} ({label(quantities[0])}). Grey: 90 % interval of the mean over seeds, written "
                   "down before the round was trained. Points: that mean.",
                   f"Intervals of each round and the means found. {label(quantities[0])}: {told}.", fig)
