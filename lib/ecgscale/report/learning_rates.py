"""Learning rates: the best of the table, the tuned ones, the laws of them, and a warning where one lies at an edge of
its range or far from what its law foretells."""

from __future__ import annotations

import pandas as pd

from ecgscale.analysis.rate_laws import each_law, was_tried_far
from ecgscale.numbers import number
from ecgscale.report.figures import words
from ecgscale.report.inputs import Inputs
from ecgscale.report.style import interval, label
from ecgscale.report.tables import DataTable, table

SETTINGS = {"lr": "learning rate", "weight_decay": "weight decay"}
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
    for group, setting, at, _ in each_law(inputs.rates):
        if was_tried_far(at):
            best = interval(at["best"], at["best_low"], at["best_high"], number)
            told.append(f"{named_group(group)}: the law of its runs puts the best {SETTINGS[setting]} of its largest "
                        f"network at {best}, and it was tried at {number(at['tried_low'])} to "
                        f"{number(at['tried_high'])}. Try it there before comparing sizes.")
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


def laws(inputs: Inputs) -> DataTable | None:
    """How the best setting moves with the sizes, for each family and optimizer that was tried at several."""
    rows = []
    for group, setting, at, of_sizes in each_law(inputs.rates):
        told = [f"{label(row.size)}: {interval(row.exponent, row.low, row.high, number)}"
                for row in of_sizes.itertuples()]
        moved = [label(name) for name in at["together"].split(";") if name]
        best, ahead = (interval(at[name], at[f"{name}_low"], at[f"{name}_high"], number) for name in ("best", "ahead"))
        answers = ("; ".join(told) or "the same everywhere", best, ahead) if at["told"] else ("not told", "–", "–")
        rows.append((f"{named_group(group)}, {SETTINGS[setting]}", at["runs"], *answers,
                     f"{number(at['tried_low'])} to {number(at['tried_high'])}", ", ".join(moved) or "–"))
    return table(
        "How the best setting moves with the sizes: exponents and settings, 90 % intervals by Fieller; “not told”: the "
        "losses do not rise on both sides", {
            "of": False, "n": True, "setting ∝ size^exponent": False, "best at the largest": False,
            "at ten times its parameters": False, "tried there": False, "sizes that move together": False}, rows)
