"""Figures of latency: by runtime, against size, and as speed-up; the published ones on axes of their own."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd

from ecgscale.analysis.frontier import COSTS
from ecgscale.report.figures import plain_ticks
from ecgscale.report.inputs import Inputs
from ecgscale.report.style import COLOURS, INK, LOOKS, MUTED, RC, Drawing, figure, label

FLAG = INK      # what ran is not what was asked: a hollow marker and a cross, both black


def standing(inputs: Inputs) -> pd.DataFrame:
    """Single-stream rows that stand, with what was measured in words. Rows of several machines name theirs."""
    rows = inputs.latency
    rows = rows[rows["status"].eq("ok") & rows["p50_ms"].notna() & rows["scenario"].eq("single")]
    return rows.assign(setting=settings(rows, len(inputs.latency["machine"].unique()) > 1))


def settings(rows: pd.DataFrame, several: bool = False) -> pd.Series:
    """What each row measured, in words; with its machine where there are `several`."""
    keys = ["runtime", "device", "ran_precision", "option", "machine"]
    which = rows.groupby(keys, dropna=False, sort=False).ngroup()
    names = {group: setting(row) + (f" · {row.machine}" if several else "") for group, row in
             zip(which[~which.duplicated()], rows[~which.duplicated()].itertuples(), strict=True)}
    return which.map(names)


def setting(row) -> str:
    """What was measured, in one line: "OpenVINO · cpu bf16 (hint=latency)". What ran as asked is not said twice."""
    precision = row.ran_precision if isinstance(row.ran_precision, str) else ""
    options = [one for one in (row.option or "").split(";") if one and one != f"precision={precision}"]
    asked = f" ({', '.join(options)})" if options else ""
    return f"{label(row.runtime)} · {row.device} {precision}".rstrip() + asked


def flagged(row) -> bool:
    """Whether a row fell back; a runtime that cannot tell is not flagged."""
    return pd.notna(row.fallback) and bool(row.fallback)


def order(rows: pd.DataFrame, value: str) -> list[str]:
    """Settings by their median, the slowest first."""
    return list(rows.groupby("setting")[value].median().sort_values(ascending=False, kind="stable").index)


@mpl.rc_context(RC)
def latency(inputs: Inputs) -> Drawing | None:
    """Median latency of one window with interval, a row a setting, a panel a model."""
    rows = standing(inputs)
    if rows.empty:
        return None
    settings = order(rows, "p50_ms")
    models = list(rows.drop_duplicates("model").sort_values("forward_flops")["model"])
    columns = min(4, len(models))
    lines = -(-len(models) // columns)
    fig = figure(9.0, 0.8 + lines * (0.8 + 0.28 * len(settings)))
    panels = fig.subplots(lines, columns, sharey=True, sharex=True, squeeze=False).ravel()
    for panel in panels[len(models):]:
        panel.set_axis_off()
    runtimes = sorted(rows["runtime"].unique())
    for panel, model in zip(panels, models, strict=False):
        for row in rows[rows["model"].eq(model)].itertuples():
            colour, marker, _ = LOOKS[runtimes.index(row.runtime) % len(LOOKS)]
            height = settings.index(row.setting)
            panel.plot([row.p50_ms, row.p99_ms], [height] * 2, color=colour, linewidth=1, alpha=0.45)
            panel.plot([row.p50_low_ms, row.p50_high_ms], [height] * 2, color=colour, linewidth=4, alpha=0.45,
                       solid_capstyle="butt")
            fell = flagged(row)
            panel.plot(row.p50_ms, height, marker, color=FLAG if fell else colour, markersize=6,
                       markerfacecolor="white" if fell else colour)
            if fell:
                panel.plot(row.p50_ms, height, "x", color=FLAG, markersize=9, markeredgewidth=1.2)
        panel.set_xscale("log")
        panel.set_title(two_lines(model), fontsize=9)
        panel.set_yticks(np.arange(len(settings)), settings, fontsize=8.5)
    plain_ticks(panels[0])
    fig.supxlabel("latency of one window (ms)", fontsize=9.5)
    return Drawing(
        "latency", "Latency by runtime",
        "Marker: median; thick bar: its 95 % interval; thin line: to the 99th percentile where enough samples lie "
        f"beyond it. One marker a repeat, {len(rows)} measurements. A crossed hollow marker fell back: what ran was "
        "not what was asked.",
        "; ".join(f"{model}: fastest {fastest(rows, model)}" for model in models), fig)


def two_lines(model: str) -> str:
    """ "regnet-28.6k-adamw-637f21" in two lines of two parts."""
    parts = model.split("-")
    return "-".join(parts[:len(parts) // 2]) + "\n" + "-".join(parts[len(parts) // 2:])


def fastest(rows: pd.DataFrame, model: str) -> str:
    best = rows[rows["model"].eq(model)].nsmallest(1, "p50_ms").iloc[0]
    return f"{best['setting']}, {best['p50_ms']:.3g} ms"


@mpl.rc_context(RC)
def against_size(inputs: Inputs) -> Drawing | None:
    """Median latency against FLOPs and parameters, a colour a setting, with the power laws that are identified."""
    rows = standing(inputs)
    rows = rows[~rows["fallback"].eq(True)]
    if rows["model"].nunique() < 2:
        return None
    laws = {(law.subset, law.x[0]): law for speed in inputs.speeds for law in speed.laws
            if law.law == "power" and law.verdict == "identified"}
    settings = order(rows, "p50_ms")
    fig = figure(9.0, 4.2 + 0.2 * -(-len(settings) // 3))
    panels = fig.subplots(1, 2, sharey=True)
    for place, name in enumerate(settings):
        colour, marker, line = LOOKS[place % len(LOOKS)]
        chosen = rows[rows["setting"].eq(name)]
        for panel, cost in zip(panels, ("forward_flops", "params"), strict=True):
            panel.plot(chosen[cost], chosen["p50_ms"], marker, color=colour, markersize=4.5, alpha=0.8,
                       markerfacecolor=colour if place < len(LOOKS) else "white", label=name)
            law = laws.get((subset(chosen.iloc[0]), cost))
            if law:
                grid = np.geomspace(chosen[cost].min(), chosen[cost].max(), 50)
                panel.plot(grid, law.estimates["factor"] * grid ** law.estimates["exponent"], line, color=colour,
                           linewidth=1.2)
    for panel, cost in zip(panels, ("forward_flops", "params"), strict=True):
        panel.set_xscale("log")
        panel.set_yscale("log")
        panel.set_xlabel(COSTS[cost].title)
        plain_ticks(panel)
        plain_ticks(panel, "y")
    panels[0].set_ylabel("median latency of one window (ms)")
    fig.legend(*panels[0].get_legend_handles_labels(), loc="outside lower left", ncols=3, fontsize=8)
    nets = rows["model"].nunique()
    told = "; ".join(f"{one}: ms ~ {cost} ^ {law.estimates['exponent']:.2f}" for (one, cost), law in laws.items())
    return Drawing(
        "latency-size", "Latency against FLOPs and parameters",
        f"One point a repeat of each of {nets} networks. Lines: fitted powers of the cost (drawn where their exponent "
        "is identified; the table has exponents, intervals and the error on networks left out).",
        told or "No law is identified: too few networks", fig)


def subset(row) -> str:
    """The name of a row's setting in speed.json."""
    option = row["option"] if isinstance(row["option"], str) else ""
    return f"machine={row['machine']}, runtime={row['runtime']}, device={row['device']}, option={option}"


@mpl.rc_context(RC)
def speedup(inputs: Inputs) -> Drawing | None:
    """How many times as fast as PyTorch eager on the same machine's CPU: the study's fourth figure, as ratios."""
    found = pd.DataFrame([one for speed in inputs.speeds for one in speed.speedups])
    if found.empty:
        return None
    several = len(found["machine"].unique()) > 1
    found["setting"] = [
        f"{label(row.runtime)} · {row.device}" + (f" ({row.option.replace(';', ', ')})" if row.option else "")
        + (f" · {row.machine}" if several else "") for row in found.itertuples()]
    found = found.drop_duplicates(["model", "setting"])
    settings, models = order(found, "ratio")[::-1], list(dict.fromkeys(found["model"]))
    drawn = models[:len(LOOKS)]
    fig = figure(9.0, 1.5 + 0.3 * len(settings) + 0.2 * -(-len(drawn) // 3))
    panel = fig.subplots()
    panel.axvline(1, color=INK, linewidth=1)
    for place, model in enumerate(drawn):
        colour, marker, _ = LOOKS[place]
        rows = found[found["model"].eq(model)]
        height = np.array([settings.index(one) for one in rows["setting"]]) + 0.08 * (place - (len(drawn) - 1) / 2)
        panel.hlines(height, rows["low"], rows["high"], color=colour, linewidth=1.5, alpha=0.6)
        panel.plot(rows["ratio"], height, marker, color=colour, markersize=5, label=model)
    panel.set_yticks(np.arange(len(settings)), settings, fontsize=8.5)
    panel.set_xscale("log")
    plain_ticks(panel)
    panel.set_xlabel("times as fast as PyTorch eager on the CPU of the same machine")
    fig.legend(loc="outside lower left", ncols=3, fontsize=8)
    more = f" The first {len(drawn)} of {len(models)} models are drawn." if len(models) > len(drawn) else ""
    return Drawing(
        "latency-speedup", "Speed-up over PyTorch eager",
        "One window. Bars divide opposite ends of both medians' 95 % intervals, so they are wider than 95 %. What fell "
        f"back is left out.{more}",
        "; ".join(f"{one}: {found.loc[found['setting'].eq(one), 'ratio'].median():.2g} times" for one in settings), fig)


@mpl.rc_context(RC)
def published_latency(published: pd.DataFrame) -> Drawing:
    """Figure 4 of the study, as read off: a figure of its own, since its unit is doubtful."""
    rows = published[::-1]
    fig = figure(9.0, 2.8)
    panel = fig.subplots()
    panel.barh(rows["group"], rows["value"].astype(float), color=COLOURS["sky"], edgecolor=MUTED, linewidth=0.6)
    panel.set_xlabel("published median inference time (“seconds”, unit doubtful)")
    panel.grid(visible=False, axis="y")
    return Drawing(
        "published-latency", "Published inference times, read off figure 4 of the study",
        "Approximate. Warm-up, batch and iterations are undocumented, AUTO switches devices without saying so, and the "
        "Apple column was PyTorch MPS. Compare orders within this panel only.",
        "; ".join(f"{row.group} {row.value}" for row in published.itertuples()), fig, ours=False)
