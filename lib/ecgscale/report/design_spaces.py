"""Which share of a design space is good: the distribution of the scores of each family and optimizer."""

from __future__ import annotations

import numpy as np

from ecgscale.analysis import distribution
from ecgscale.numbers import percent
from ecgscale.report.charts import Chart, View, axis, colour, layered
from ecgscale.report.figures import words
from ecgscale.report.inputs import Inputs
from ecgscale.report.style import label

FEWEST = 5      # models of the largest group


def scores(inputs: Inputs) -> Chart | None:
    """Share of models with at least a score, per family and optimizer, as in the RegNet papers."""
    groups = distribution.groups(inputs.runs, inputs.target)
    if not groups or max(map(len, groups.values())) < FEWEST:
        return None
    threshold, _ = distribution.good_shares(inputs.runs, inputs.target)
    low, rows = min(values[0] for values in groups.values()), []
    for name, values in groups.items():
        x = np.concatenate([[low], values, values[-1:]])
        share = np.concatenate([[1.0], distribution.share_at_least(values, values), [0.0]])
        half = distribution.band(len(values))
        rows += [{"x": at, "y": y, "low": max(0.0, y - half), "high": min(1.0, y + half), "n": len(values),
                  "group": words(name)} for at, y in zip(x, share, strict=True)]
    looks = colour("group", [words(name) for name in groups])["color"]
    x, y = axis("x", label(inputs.target)), axis("y", "share of models with at least this score")
    step = {"interpolate": "step-before", "tooltip": {"content": "data"}}
    band = {"data": {"name": "shares"}, "mark": {"type": "area", "opacity": 0.08} | step,
            "encoding": {"x": x, "y": {"field": "low", "type": "quantitative"}, "y2": {"field": "high"},
                         "color": looks}}
    line = {"data": {"name": "shares"}, "mark": {"type": "line", "strokeWidth": 2} | step,
            "encoding": {"x": x, "y": y, "color": looks}}
    good = {"data": {"name": "good"}, "mark": {"type": "rule", "strokeDash": [2, 3], "color": "currentColor"},
            "encoding": {"x": {"field": "x", "type": "quantitative"}}}
    return Chart("scores", "Which share of each design space is good",
                 "Empirical distribution of the score of each family and optimizer; a curve further right is a better "
                 "design space. Bands hold the whole curve with 95 % (Dvoretzky-Kiefer-Wolfowitz). Dotted: "
                 f"{percent(distribution.GOOD)} of the best score.",
                 "; ".join(f"{words(name)}: median {np.median(values):.3f}, best {values[-1]:.3f}"
                           for name, values in groups.items()),
                 (View("all", "all", layered(band, line, good)),),
                 {"shares": rows, "good": [{"x": threshold}] if threshold else []})
