"""Several devices side by side: ranking, fronts, where INT8 pays, what money and watts buy, the published medians."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ecgscale.analysis import prices, side_by_side
from ecgscale.analysis.deployable import measured, scores_of, standing
from ecgscale.numbers import counted, number
from ecgscale.report.charts import Chart, View, axis, colour, layered, points
from ecgscale.report.inputs import Inputs
from ecgscale.report.plots import places
from ecgscale.report.predictor_figures import published
from ecgscale.report.style import interval, label, score
from ecgscale.report.tables import DataTable, table

DRAWN = 60              # models that have a line each
COLUMNS = {             # of the study's figure 4, and the runtime and device that would measure it again
    "DirectML": ("onnxruntime", "directml"), "OpenVINO on an Intel GPU": ("openvino", "gpu"),
    "CUDA on an RTX 3070 Ti": ("torch", "cuda"), "Apple M4 Pro": ("torch", "mps"), "OpenVINO NPU": ("openvino", "npu"),
    "OpenVINO AUTO": ("openvino", "auto"), "OpenVINO CPU (Core i7)": ("openvino", "cpu")}
REFERENCE = "OpenVINO CPU (Core i7)"
ORDER = ("Each model counts on a device with its fastest setting of 16 bits or more, one window a call. Two models "
         "are told apart on a device where the intervals of their latencies, over all repeats, have nothing in common. "
         "A front is that of score against latency; validation chooses, so the score that is told need not rise along "
         "it.")
UNPRICED = ("Not known, so left empty: {what}. Give a table of your own with a line a device (columns machine, "
            "device, price, currency, watts, source) as ecg-report --prices FILE; this project brings no price and no "
            "wattage.")


def chapter(inputs: Inputs) -> tuple[list[str], list[str], list[Chart | DataTable | None]]:
    """Words, notices, and figures and tables."""
    if inputs.latency.empty:
        return [], ["Not shown: no latency was measured."], []
    scores, ratios = scores_of(inputs.runs, inputs.target), side_by_side.quantized(inputs.latency, inputs.exports)
    known, notes = measured(inputs.runs, inputs.latency, inputs.exports, scores) if scores else (pd.DataFrame(), [])
    parts: list[Chart | DataTable | None] = []
    text, notices = [], [f"{note}." for note in notes if "no run" in note]
    if known.empty:
        notices.append("Ranking, fronts, money and watts are not shown: no model has both a score and a latency.")
    else:
        best = side_by_side.fastest(known)
        counts = side_by_side.everywhere(best)
        bought = prices.bought(inputs.latency, compared(best, counts), inputs.prices)
        text, alone = [ORDER], alone_in(best)
        notices += alone
        parts += [] if alone else [orders(inputs, best, counts), agreement(best), on_fronts(inputs, best, counts)]
        parts += [worth(bought)]
        notices += unpriced(inputs, bought)
    return text, notices, [*parts, gains(ratios), paying(ratios), each_ratio(ratios)]


def alone_in(best: pd.DataFrame) -> list[str]:
    """A notice where only one device was measured."""
    names = best["on"].unique()
    return [] if len(names) > 1 else [
        f"Only {names[0]} was measured, so nothing can be ranked between devices: ecg-kit packs these models for "
        "others, and what comes back is put beside it by --latency FOLDER."]


def orders(inputs: Inputs, best: pd.DataFrame, counts: pd.DataFrame) -> Chart:
    """A line a model from device to device: lines that cross are orders that change."""
    run, devices = places(inputs), list(best.groupby("on")["ms"].median().sort_values(kind="stable").index)
    shared = counts[counts["measured"].gt(1)]
    drawn = best[best["run_id"].isin(shared["run_id"].head(DRAWN))]
    rows = [{"run": run.get(str(row.run_id)), "x": row.on, "y": row.ms, "low": row.ms_low, "high": row.ms_high,
             "group": label(row.family), "model": row.model, "rank": row.rank, "front": bool(row.on_front)}
            for row in drawn.itertuples()]
    looks = colour("group", sorted({row["group"] for row in rows}))
    x, y = axis("x", None, "nominal", sort=devices, axis={"labelAngle": 0}), axis("y", "ms a window", log=True)
    y["axis"]["format"] = "~g"
    lines = {"data": {"name": "orders"}, "mark": {"type": "line", "strokeWidth": 1.2, "opacity": 0.5},
             "encoding": {"x": x, "y": y, "detail": {"field": "model", "type": "nominal"}, "color": looks["color"]}}
    left = f" {len(shared) - DRAWN} of {len(shared)} models are not drawn." if len(shared) > DRAWN else ""
    ranks = "; ".join(f"{on}: fastest {own['model'].iloc[0]}, {own['ms'].iloc[0]:.3g} ms"
                      for on, own in best.groupby("on", sort=False))
    return Chart("device-orders", "The order of models from device to device",
                 "A line a model, at its fastest setting of 16 bits or more; lines that cross change their order. "
                 f"Filled: on the device's own front of score against latency.{left}", ranks,
                 (View("all", "all models", layered(lines, points("orders", x, y, looks, "datum.front"))),),
                 {"orders": rows})


def agreement(best: pd.DataFrame) -> DataTable | None:
    return table("Do models rank alike? Kendall's τ of their latencies on two devices (95 %, models drawn again; none "
                 f"of fewer than {side_by_side.FEWEST}; {side_by_side.MOST:,} models where there are more)", {
        "one": False, "other": False, "models": True, "τ": True, "pairs told apart on both": True,
        "of them in the other order": True, "for example": False},
        [(row.one, row.other, row.models, interval(row.tau, row.low, row.high), row.apart, row.swapped, row.example)
         for row in side_by_side.agreements(best).itertuples()])


def on_fronts(inputs: Inputs, best: pd.DataFrame, counts: pd.DataFrame) -> DataTable | None:
    """Every model that stands on a front, and its latency and rank on each device."""
    devices = sorted(best["on"].unique())
    cells = {(row.run_id, row.on): f"{interval(row.ms, row.ms_low, row.ms_high, number)} (rank {row.rank}"
             f"{', front' if row.on_front else ''})" for row in best.itertuples()}
    on_one = counts[counts["fronts"].gt(0)]
    total = len(devices)
    every = on_one["fronts"].eq(total).sum()
    return table(
        f"On the devices' fronts: {every} of {len(counts)} models on every one of {total}; {label(inputs.target)} and "
        "ms a window", {
            "model": False, "family": False, "score": True, "on the front of": True, "measured on": True,
            **dict.fromkeys(devices, True)},
        [(row.model, label(row.family), interval(row.score, row.low, row.high),
          f"every device ({total})" if row.fronts == total else f"{row.fronts} of {row.measured}", row.measured,
          *(cells.get((row.run_id, on), "not measured") for on in devices)) for row in on_one.itertuples()])


# ---------------------------------------------------------------------------------------------------------------- INT8


def gains(ratios: pd.DataFrame) -> Chart | None:
    """How many times as fast INT8 is, a marker a model."""
    own = ratios[ratios["runtime"].ne(side_by_side.ANY)]
    if own.empty:
        return None
    rows = [{"x": row.ratio, "low": row.low, "high": row.high, "y": setting(row), "group": label(row.runtime),
             "model": row.model, "faster than": row.full} for row in own.itertuples()]
    looks, x = colour("group", sorted({row["group"] for row in rows})), axis("x", "times as fast as in floating point",
                                                                             log=True)
    x["axis"]["format"] = "~g"
    y = axis("y", None, "nominal", sort=sorted({row["y"] for row in rows}), axis={"grid": True})
    even = {"data": {"values": [{"x": 1}]}, "mark": {"type": "rule", "opacity": 0.6},
            "encoding": {"x": {"field": "x", "type": "quantitative"}}}
    spans = {"data": {"name": "int8"}, "mark": {"type": "rule", "strokeWidth": 2, "opacity": 0.4},
             "encoding": {"x": {"field": "low", "type": "quantitative"}, "x2": {"field": "high"}, "y": y,
                          "color": looks["color"]}}
    settings = len({row["y"] for row in rows})
    return Chart("int8-pays", "Where INT8 pays", f"INT8 against the same runtime's fastest setting of 16 bits or more; "
                 f"one marker a model, {len(rows)} ratios. Bars: 95 % by Welch's t over repeats, or the ends of both "
                 "medians' intervals where a setting has one repeat. Right of the line INT8 is faster.",
                 "; ".join(f"{row.on}, {label(row.runtime)}: {interval(row.ratio, row.low, row.high, number)} times"
                           for row in side_by_side.paying(own).itertuples()),
                 (View("all", "all models", layered(even, spans, points("int8", x, y, looks),
                                                    height=60 + 34 * settings)),), {"int8": rows})


def setting(row) -> str:
    return f"{row.on} · {label(row.runtime)} · {counted(row.threads, 'thread')}"


def paying(ratios: pd.DataFrame) -> DataTable | None:
    return table("Where INT8 pays: times as fast as 16 bits or more, geometric mean over models (95 % by Student's t, "
                 "none of fewer than 3), and models that are told from 1", {
        "on": False, "runtime": False, "threads": True, "models": True, "times as fast": True, "faster": True,
        "slower": True, "not told apart": True, "most score lost": True},
        [(row.on, label(row.runtime), row.threads, row.models, interval(row.ratio, row.low, row.high, number),
          row.faster, row.slower, row.models - row.faster - row.slower,
          "not checked" if pd.isna(row.least) else score(max(0.0, -row.least)))
         for row in side_by_side.paying(ratios).itertuples()])


def each_ratio(ratios: pd.DataFrame) -> DataTable | None:
    return table("INT8 of each model", {
        "on": False, "threads": True, "model": False, "INT8 in": False, "against": False, "times as fast": True,
        "interval by": False, "repeats": True, "score, file minus network": True},
        [(row.on, row.threads, row.model, row.small, row.full, interval(row.ratio, row.low, row.high, number), row.by,
          row.repeats, interval(row.difference, row.difference_low, row.difference_high)
          if pd.notna(row.difference) else "not checked")
         for row in ratios.sort_values(["on", "threads", "model"], kind="stable").drop_duplicates(
             ["on", "threads", "run_id", "small", "full"]).itertuples()])


# ----------------------------------------------------------------------------------------------------- money and watts


def compared(best: pd.DataFrame, counts: pd.DataFrame) -> list[str]:
    """run_ids whose price is told: on the front of every device, at most three by validation; else the best of those
    that most devices measured."""
    every = counts[counts["fronts"].eq(best["on"].nunique())].head(3)
    widest = counts[counts["measured"].eq(counts["measured"].max())].sort_values("log_y", kind="stable").head(1)
    return list(dict.fromkeys([*every["run_id"].astype(str), *widest["run_id"].astype(str)]))


def worth(bought: pd.DataFrame) -> DataTable | None:
    """None where neither a price nor a wattage is known."""
    if bought[["price", "watts"]].isna().all(axis=None):
        return None
    return table("What money and watts buy: 10-second recordings of the same model, and their range over repeats", {
        "model": False, "on": False, "runs as": False, "repeats": True, "recordings/s": True, "price": True,
        "recordings/s for 1,000 of it": True, "watts": True, "recordings a joule": True, "energy by": False,
        "source of price and watts": False},
        [(row.model, row.on, row.runs_as, row.repeats, interval(row.rate, row.rate_low, row.rate_high, number),
          "not known" if pd.isna(row.price) else f"{row.price:,.10g} {row.currency}",
          "not known" if pd.isna(row.a_thousand) else number(row.a_thousand),
          "not known" if pd.isna(row.watts) else number(row.watts),
          "not known" if pd.isna(row.a_joule) else number(row.a_joule), row.energy_by or "–", row.source or "–")
         for row in bought.sort_values(["model", "on"]).itertuples()])


def unpriced(inputs: Inputs, bought: pd.DataFrame) -> list[str]:
    """What of money and watts is not known, and what of the user's table was not used."""
    what = [f"{name} of {', '.join(gone)}" for name, column in (("the price", "price"), ("the energy", "a_joule"))
            if (gone := sorted(bought.loc[bought[column].isna(), "on"].unique()))]
    measured_there = set(zip(inputs.latency["machine"], inputs.latency["device"], strict=True))
    machines = {machine for machine, _ in measured_there}
    foreign = [" ".join(where).strip() for where in inputs.prices.known
               if where not in measured_there and not (where[1] == "" and where[0] in machines)]
    return [*([UNPRICED.format(what="; ".join(what))] if what else []), *(f"{one}." for one in inputs.prices.unused), *(
        [f"Priced but not measured here: {', '.join(sorted(foreign))}."] if foreign else [])]


# ----------------------------------------------------------------------------------------------------------- published


def beside_published(inputs: Inputs) -> DataTable:
    """The study's figure 4 beside what was measured here in the same runtime and device, and what its columns were."""
    rows, _ = standing(inputs.latency, "p50")
    rows = rows.assign(one=rows["runtime"] + " " + rows["device"].str.split(".").str[0])
    told = published(4).set_index("group")
    base = float(told.loc[REFERENCE, "value"])
    reference = rows[rows["one"].eq(" ".join(COLUMNS[REFERENCE]))].groupby(["machine", "run_id"])["p50_ms"].median()
    made = []
    for group, row in told.iterrows():
        own = rows[rows["one"].eq(" ".join(COLUMNS[group]))]
        medians = own.groupby(["machine", "run_id"])["p50_ms"].median()
        ratios = np.log((medians / reference).dropna())
        made.append((
            group, row["value"], number(float(row["value"]) / base),
            row["note"] if isinstance(row["note"], str) else "nothing more is said",
            " on ".join((label(COLUMNS[group][0]), COLUMNS[group][1])),
            interval(medians.median(), medians.min(), medians.max(), number) if len(medians) else "not measured here",
            number(float(np.exp(ratios.mean()))) if len(ratios) else "–", own["run_id"].nunique(),
            ", ".join(sorted(own["machine"].unique())) or "–"))
    return table(
        "Published medians (figure 4 of the study, read off, “seconds”, unit doubtful) beside ours: median over models "
        "of one window, and their range. Other networks, unknown batch and warm-up: only the orders and the ratios to "
        "OpenVINO on the CPU of the same machine compare", {
            "published column": False, "published": True, "to its CPU": True, "what the column was": False,
            "here": False, "our ms": True, "to our CPU": True, "models": True, "machines": False}, made)
