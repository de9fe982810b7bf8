"""Laws of one size with the runs that they were fitted to, as a figure that answers to the reader."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ecgscale.contracts import LawFit
from ecgscale.laws import LAWS
from ecgscale.laws.columns import responses
from ecgscale.laws.summary import by_question, preferred
from ecgscale.report.charts import THINNED, Chart, View, axis, colour, layered, points
from ecgscale.report.figures import POOLED, quantity
from ecgscale.report.inputs import Inputs
from ecgscale.report.plots import grouped_by, groups, look_places
from ecgscale.report.possible import possible
from ecgscale.report.style import label

GRID = 60
WIDEST = 10             # least and most of a foretold run: what spans more is not told
LETTER, HIGH, GAP, EDGE = 0.011, 0.05, 0.015, 0.008     # a bold letter's width, height, distance, shares of a panel


def law(inputs: Inputs) -> Chart | None:
    """The runs, the laws identified on all of them and on each family or optimizer with their bands, and what lies
    beyond."""
    ranked = inputs.ranked
    by = grouped_by(ranked)
    fits = [fit for fit in (inputs.laws.fits if inputs.laws else ()) if len(fit.x) == 1]
    fits = [fit for fit in fits if fit.subset in POOLED or (fit.subset.startswith(f"{by}=") and "," not in fit.subset)]
    ys = {one.name: one.y for one in responses(ranked, inputs.asked, asked=inputs.explained)}
    sizes = [key for key in dict.fromkeys((fit.x[0], fit.y) for fit in fits) if key[0] in ranked and key[1] in ys]
    views, rows, told = [], {}, []
    sizes.sort(key=lambda one: inputs.asked not in one[1])      # what was asked stands first
    for x, y in sizes:
        chosen = [fit for fit in fits if (fit.x[0], fit.y) == (x, y)]
        spec = law_view(ranked, x, y, ys[y], chosen, rows)
        if spec:
            sure = [fit for fit in chosen if fit.verdict == "identified" and fit.law in LAWS]
            view = View(f"{x}-{y}".replace("_", "-").replace(" ", ""), f"{quantity(y)} over {quantity(x)}", spec)
            headline = any(fit.statistics.get("headline") for fit in sure)
            views.append(((not headline, not sure, len(spec["layer"]) == 1), view))
            told += [f"{fit.law} over {x} of {label(fit.subset)}" for fit in sure]
    views = [view for _, view in sorted(views, key=lambda one: one[0])]     # the headline's first, without a law last
    return Chart(
        "laws", "Scaling laws",
        "Points: runs. Lines: the preferred of the laws that the data identify, for all runs (ink), their frontier "
        f"(dashed) and each {by}, with the pointwise 90 % band of the fitted curve (profile likelihood); none is drawn "
        "where none is identified. Squares and bars: the laws' weighted average at 1, 2, 4 and 10 times the largest "
        "size with the 90 % interval of a new run; none where it spans more than tenfold."
        + (f" One run in {-(-len(ranked) // THINNED)} is drawn." if len(ranked) > THINNED else ""),
        "Identified: " + ("; ".join(told) or "none"), tuple(views), rows) if views else None


def law_view(ranked: pd.DataFrame, x: str, y: str, values: np.ndarray, fits: list[LawFit], rows: dict) -> dict | None:
    """One size: runs by group, the preferred identified law of each subset, the average beyond; adds to `rows`."""
    size = ranked[x].to_numpy(float)
    kept = np.isfinite(size) & np.isfinite(values) & (size > 0) & (values > 0)
    if not kept.any():
        return None
    group, by = groups(ranked).to_numpy(), grouped_by(ranked)
    names = sorted(set(group[kept]))
    key = f"{x}~{y}"
    step = -(-int(kept.sum()) // THINNED)               # the table's order is that of the score
    rows[f"runs {key}"] = [{"run": int(i), "x": size[i], "y": values[i], "group": label(group[i])}
                           for i in np.flatnonzero(kept)[::step]]
    looks = colour("group", [label(name) for name in names], look_places(names))
    across, up = axis("x", quantity(x), log=True), axis("y", quantity(y), log=True)
    up["axis"] = {"format": "~g", "tickCount": 6}
    up["scale"]["clamp"] = True
    lines = []
    for sure in by_question(fit for fit in fits if fit.verdict == "identified" and fit.law in LAWS):
        fit = preferred(sure)
        among = kept if fit.subset in POOLED else kept & (group == fit.subset.removeprefix(f"{by}="))
        if not among.any():
            continue
        data = f"law {key} {fit.subset}"
        rows[data] = curve(fit, np.geomspace(size[among].min(), size[among].max(), GRID))
        ink = "currentColor" if fit.subset in POOLED else looks["color"]["scale"]["range"][
            names.index(fit.subset.removeprefix(f"{by}="))]
        lines.append((data, ink, fit.subset == "frontier", POOLED.get(fit.subset) or f"law of {label(fit.subset)}"))
    runs = np.column_stack([size[kept], values[kept]])
    ahead = [one for fit in fits if fit.subset == "all" for one in fit.statistics.get("predictions") or ()
             if one.get("run_low") and one.get("run_high") is not None and one["run_high"] <= WIDEST * one["run_low"]]
    seen = np.vstack([runs, *([[one["x"], one["y"]]] for one in ahead)])
    up["scale"]["domain"] = [float(seen[:, 1].min()), float(seen[:, 1].max())]
    curves = [np.array([[row["x"], row["y"]] for row in rows[data]]) for data, *_ in lines]
    sides = name_sides(curves, [name for *_, name in lines], runs, np.array([seen.min(axis=0), seen.max(axis=0)]))
    drawn = []
    for (data, ink, dashed, name), (place, side) in zip(lines, sides, strict=True):
        rows[data][place]["named"] = True
        drawn += law_layers(data, across, up, ink, dashed, name, side)
    if ahead:
        least, most = possible(y)
        rows[f"ahead {key}"] = [{"x": one["x"], "y": one["y"], "low": max(one["run_low"], least),
                                 "high": min(one["run_high"], most)} for one in ahead]
        for mark, encoding in ((("rule", {"y": {"field": "low", "type": "quantitative"}, "y2": {"field": "high"}})),
                               ("square", {"y": up})):
            drawn.append({"data": {"name": f"ahead {key}"}, "mark": {"type": mark, "color": "#CC79A7", "clip": True},
                          "encoding": {"x": across, **encoding}})
    return layered(points(f"runs {key}", across, up, looks, size=22), *drawn)


def name_sides(curves: list[np.ndarray], names: list[str], runs: np.ndarray, ends: np.ndarray
               ) -> list[tuple[int, int]]:
    """For each curve (of (point, 2) x and y) the point at which its name begins, and the side of the line it stands on:
    where it overlaps no other name and hides the fewest points of curves and runs. runs: (run, 2); ends: (2, 2) least
    and largest x and y that are drawn."""
    low, high = np.log(ends)
    spans = np.where(high > low, high - low, 1.0)
    at = [(np.log(curve) - low) / spans for curve in [*curves, runs]]
    hidden, taken, found = np.concatenate(at), [], []
    for curve, name in zip(at[:-1], names, strict=True):
        wide, room = len(name) * LETTER, []
        for place in range(0, len(curve), 2):
            for side in (1, -1):
                left, line = curve[place]
                bottom = line + (GAP if side > 0 else -GAP - HIGH)
                box = np.array([[left, bottom], [left + wide, bottom + HIGH]])
                outside = max(0, *(box[1] - 1), *-box[0])
                others = sum((box[0] < one[1]).all() and (one[0] < box[1]).all() for one in taken)
                crossed = ((box[0] - EDGE < hidden) & (hidden < box[1] + EDGE)).all(axis=1).sum()
                room.append(((others, outside > 0, crossed, outside), place, side, box))
        _, place, side, box = min(room, key=lambda one: one[0])
        taken.append(box)
        found.append((place, side))
    return found


def law_layers(data: str, x: dict, y: dict, ink: str, dashed: bool, name: str, side: int) -> list[dict]:
    """Band, line, and its name above (side 1) or below (-1) it."""
    line = {"type": "line", "color": ink, "strokeWidth": 2.2, "clip": True} | ({"strokeDash": [6, 4]} if dashed else {})
    band = {"type": "area", "color": ink, "opacity": 0.15, "clip": True}
    return [{"data": {"name": data}, "mark": band, "transform": [{"filter": "isValid(datum.low)"}],
             "encoding": {"x": x, "y": {"field": "low", "type": "quantitative"}, "y2": {"field": "high"}}},
            {"data": {"name": data}, "mark": line, "encoding": {"x": x, "y": y}},
            {"data": {"name": data}, "transform": [{"filter": "datum.named"}],
             "mark": {"type": "text", "align": "left", "dy": -9 if side > 0 else 14, "color": ink, "text": name,
                      "fontWeight": "bold"},
             "encoding": {"x": x, "y": y}}]


def curve(fit: LawFit, grid: np.ndarray) -> list[dict]:
    """A law on a grid of sizes with its pointwise 90 % band, which earlier versions did not tell."""
    y, ends = LAWS[fit.law](grid, **fit.estimates), np.full((2, len(grid)), np.nan)
    if told := fit.statistics.get("band"):
        x, *known = np.log(np.array([told[name] for name in ("x", "low", "high")], float))
        ends = np.clip(np.exp([np.interp(np.log(grid), x, end) for end in known]), *possible(fit.y))
    return [dict(zip(("x", "y", "low", "high"), map(float, row), strict=True))
            for row in zip(grid, y, *ends, strict=True)]
