"""What each device buys: the best model for each latency, measured and foretold."""

from __future__ import annotations

import matplotlib as mpl
import pandas as pd

from ecgscale.analysis.deployment import DEVICE, Options, Question, confirmed, staircase
from ecgscale.errors import UserError
from ecgscale.numbers import counted, number
from ecgscale.report.figures import plain_ticks
from ecgscale.report.inputs import Inputs
from ecgscale.report.style import INK, LOOKS, RC, Drawing, figure, interval, label
from ecgscale.report.tables import DataTable, table

ASKED = {"device": "Best model for a latency on each device, any runtime and precision",
         "setting": "Best model for a latency by runtime, precision and threads"}
READ = ("A step is the smallest round latency from which another model is the best that can be had: a window's median "
        "latency, its interval included, is at most so long. Validation chooses, {response} is told: with the 95 % "
        "interval over recordings where the model was measured, with the 90 % interval of one run where the laws of "
        "its family foretell a network that was not. ecg-deploy answers for one budget of ms and MB, and writes the "
        "study that confirms what is foretold.")


def chapter(inputs: Inputs) -> tuple[list[str], list[str], list[Drawing | DataTable | None]]:
    """Words, notices, and figure and tables."""
    if inputs.latency.empty:
        return [], ["Not shown: no latency was measured."], []
    try:
        options = Options.of(inputs.runs, inputs.latency, inputs.exports, asked=inputs.target)
    except UserError as error:
        return [], [f"Not shown: {error}."], []
    stairs = staircase(options, Question())
    judged = confirmed(inputs.promised, options)
    return ([READ.format(response=label(options.scores.judged.column)), *told(judged)],
            [f"{note}." for note in options.notes],
            [promised_beside_found(judged), drawing(stairs), *(listing(stairs, by) for by in ASKED)])


def told(judged: pd.DataFrame) -> list[str]:
    """How many of the promised models became what was promised; nothing where none was."""
    if judged.empty:
        return []
    whole, waits = judged["verdict"].eq("confirmed").sum(), judged["verdict"].str.startswith("waits").sum()
    return [f"Of {counted(len(judged), 'promise')} that ecg-deploy made of models before they were trained, {whole} "
            f"are confirmed, {len(judged) - whole - waits} refuted, {waits} wait: score (the mean of all its runs) and "
            "latency lie within the 90 % intervals of one run that were promised, and the budget is kept."]


def promised_beside_found(judged: pd.DataFrame) -> DataTable | None:
    rows = [(f"{row.machine} {row.device}", row.model, ran(row), row.verdict, label(row.response),
             interval(row.score, row.low, row.high), number(row.found), f"{row.inside} of {row.runs}",
             interval(row.ms, row.ms_low, row.ms_high, number),
             interval(row.found_ms, row.found_ms_low, row.found_ms_high, number), number(row.budget_ms),
             number(row.bytes / 1e6), number(row.found_bytes / 1e6), number(row.budget_bytes / 1e6))
            for row in judged.itertuples()]
    return table("Models that were promised, and what was found", {
        "on": False, "model": False, "runs as": False, "verdict": False, "score": False, "promised": True,
        "found": True, "runs inside": True, "ms promised": True, "ms found": True, "at most ms": True,
        "MB promised": True, "MB found": True, "at most MB": True}, rows)


def listing(stairs: pd.DataFrame, by: str) -> DataTable | None:
    rows = [(f"{row.machine} {row.device}", number(row.budget_ms), row.model, interval(row.score, row.low, row.high),
             interval(row.ms, row.ms_low, row.ms_high, number), ran(row), number(row.params), number(row.bytes / 1e6),
             row.kind, "–" if pd.isna(row.probability) else f"{row.probability:.2f}", row.note or "")
            for row in stairs[stairs["asked"].eq(by)].itertuples()]
    return table(ASKED[by], {
        "on": False, "at most ms": True, "model": False, "score": True, "ms a window": True, "runs as": False,
        "parameters": True, "MB": True, "how known": False, "better than the measured": True, "note": False}, rows)


def ran(row) -> str:
    options = [one for one in (row.option or "").split(";") if one and one != f"precision={row.precision}"]
    return f"{label(row.runtime)} {row.precision}" + (f" ({', '.join(options)})" if options else "") + (
        f", {counted(row.threads, 'thread')}")


@mpl.rc_context(RC)
def drawing(stairs: pd.DataFrame) -> Drawing | None:
    """The score that each device buys against the time of a window: measured models as steps, foretold ones beside."""
    rows = stairs[stairs["asked"].eq("device")]
    if rows.empty:
        return None
    fig = figure(9.0, 4.4)
    panel = fig.subplots()
    devices = list(rows.groupby(DEVICE, sort=True))
    for (device, own), (colour, marker, _) in zip(devices, LOOKS, strict=False):
        for kind, filled in (("measured", colour), ("foretold", "white")):
            part = own[own["kind"].eq(kind)]
            if part.empty:
                continue
            panel.errorbar(part["ms"], part["score"], [part["score"] - part["low"], part["high"] - part["score"]],
                           [part["ms"] - part["ms_low"], part["ms_high"] - part["ms"]], fmt=marker, color=colour,
                           markerfacecolor=filled, elinewidth=1, label=f"{' '.join(device)}, {kind}")
        steps = own[own["kind"].eq("measured")].sort_values("ms")
        panel.step(steps["ms"], steps["score"], where="post", color=colour, linewidth=1, alpha=0.6)
    panel.set_xscale("log")
    plain_ticks(panel)
    panel.set_xlabel("ms a window")
    panel.set_ylabel(label(rows["response"].iloc[0]), color=INK)
    fig.legend(loc="outside lower left", ncols=3)
    told = "; ".join(f"{row.machine} {row.device}, at most {number(row.budget_ms)} ms: {row.model} ({row.kind}) "
                     f"{interval(row.score, row.low, row.high)}" for row in rows.itertuples())
    more = f" The first {len(LOOKS)} of {len(devices)} devices are drawn." if len(devices) > len(LOOKS) else ""
    return Drawing("devices", "What each device buys",
                   "Filled: measured, with 95 % intervals of score and latency. Open: networks that nobody trained or "
                   f"measured, foretold with 90 % intervals.{more}", told, fig)
