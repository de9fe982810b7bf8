"""Figures of latency: by runtime, against size, and as speed-up; the published ones on axes of their own."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd

from ecgscale.numbers import number
from ecgscale.report.figures import plain_ticks
from ecgscale.report.inputs import Inputs
from ecgscale.report.style import COLOURS, INK, LOOKS, MUTED, RC, Drawing, figure, label


def single_streams(inputs: Inputs) -> pd.DataFrame:
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
        "; ".join(f"{one}: {number(found.loc[found['setting'].eq(one), 'ratio'].median(), 2)} times"
                  for one in settings), fig)


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
