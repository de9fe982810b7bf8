"""Out of the source: the error at a new hospital against that at known ones, and who needs less for the same error."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd

from ecgscale.analysis.out_of_source import joined
from ecgscale.numbers import number
from ecgscale.report.figures import plain_ticks
from ecgscale.report.inputs import Inputs
from ecgscale.report.style import LOOKS, MUTED, RC, Drawing, figure, interval, label
from ecgscale.report.tables import DataTable, table

PARTS = ("out of the source", "loss to loss", "efficiency of")       # beginnings of what laws.json says is not done
PUBLISHED = ("Published (arXiv:2605.17276, more than 120 ECG models of 20 thousand to 200 million parameters): out of "
             "distribution ResNets need 1.3 to 2.5 times fewer parameters than Transformers for the same loss. Theirs "
             "are other data, losses and sizes.")


def words(inputs: Inputs) -> list[str]:
    if not inputs.laws or not inputs.laws.loss_to_loss:
        return []
    return ["Each run was tested on a source of which training had no recording. The power says how the error there "
            "follows the error on validation, from known sources: 1 is in step, below 1 the new hospital gains less "
            "than the known ones. It is told from what sizes do to both errors, so that the noise of single runs "
            "does not bend it. Intervals are 90 %, by Student's t over configurations.", PUBLISHED]


def notices(inputs: Inputs) -> list[str]:
    """Why something is not told."""
    if not inputs.laws:
        return []
    why = {name: reason for name, reason in inputs.laws.disabled.items()
           if name.startswith(PARTS)}
    return [f"Not done: {'; '.join(f'{name} ({reason})' for name, reason in why.items())}."] if why else []


def slopes(inputs: Inputs) -> DataTable | None:
    rows = [(label(one["subset"]), one["source"], one["runs"],
             interval(one["estimate"], one["low"], one["high"], number),
             interval(one["gap"], one["gap_low"], one["gap_high"], number), number(one["at"]))
            for one in (inputs.laws.loss_to_loss if inputs.laws else ())]
    return table("Loss to loss: error at the left-out source as a power of the error at known ones (90 % intervals)", {
        "runs of": False, "left-out source": False, "n": True, "power": True,
        "outer over inner error": True, "at inner error": True}, rows)


def ratios(inputs: Inputs) -> DataTable | None:
    rows = [(label(one["families"][0]), label(one["families"][1]), label(one["size"]).replace("_", " "), one["runs"],
             *(interval(one[name], one[f"{name}_low"], one[f"{name}_high"], number) for name in ("in", "out", "apart")))
            for one in (inputs.laws.efficiency if inputs.laws else ())]
    return table("Efficiency: how many times a size of the first family counts in the law of the second, if it differs "
                 "in that size alone; above 1 the first needs less (90 % intervals)", {
        "first": False, "second": False, "in": False, "n": True, "known sources": True, "left-out source": True,
        "left-out over known": True}, rows)


@mpl.rc_context(RC)
def drawing(inputs: Inputs) -> Drawing | None:
    """A panel a left-out source: outer against inner error, a look a family, with its power law."""
    told = pd.DataFrame(inputs.laws.loss_to_loss if inputs.laws else [])
    points, why = joined(inputs.runs, inputs.sources)
    if why or told.empty:
        return None
    sources = sorted(points["source"].unique())[:6]
    families = sorted(points["family"].unique())
    fig = figure(3.4 * min(len(sources), 3) + 0.6, 3.2 * (1 + (len(sources) > 3)))
    panels = fig.subplots(1 + (len(sources) > 3), min(len(sources), 3), squeeze=False).ravel()
    for panel, source in zip(panels, sources, strict=False):
        for family, (colour, marker, line) in zip(families, LOOKS, strict=False):
            own = points[points["source"].eq(source) & points["family"].eq(family)]
            panel.plot(np.exp(own["log_in"]), np.exp(own["log_out"]), marker, color=colour, markersize=4, alpha=0.7,
                       label=label(family))
            law = told[told["subset"].eq(f"family={family}") & told["source"].eq(source if len(sources) > 1 else "all")]
            for one in law.itertuples():
                inner = np.exp([own["log_in"].min(), own["log_in"].max()])
                panel.plot(inner, one.gap * one.at * (inner / one.at) ** one.estimate, line, color=colour)
        panel.axline((1.0, 1.0), slope=1, color=MUTED, linewidth=0.8, linestyle=":")
        panel.set(xscale="log", yscale="log", title=source, xlabel="1 − macro AUROC, known sources")
        panel.set_xlim(np.exp(points["log_in"].min()) * 0.9, np.exp(points["log_in"].max()) * 1.1)
        panel.set_ylim(np.exp(points["log_out"].min()) * 0.9, np.exp(points["log_out"].max()) * 1.1)
        plain_ticks(panel)
    panels[0].set_ylabel("1 − macro AUROC, left-out source")
    for panel in panels[len(sources):]:
        panel.set_visible(False)
    handles, names = panels[0].get_legend_handles_labels()
    fig.legend(handles, names, loc="outside lower left", ncols=4)
    more = points["source"].nunique() - len(sources)
    alt = "; ".join(f"{label(one.subset)}, {one.source}: power {interval(one.estimate, one.low, one.high, number)}"
                    for one in told.itertuples())
    return Drawing("out-of-source", "Error at a new hospital against the error at known ones",
                   "A point is a run, a line a family's power law at that source; dotted: both errors alike."
                   + (f" {more} more sources are not drawn." if more else ""), alt, fig)
