"""Tables of latency: what was measured, what fell back, what could not be measured, laws, and the A/A control."""

from __future__ import annotations

import pandas as pd

from ecgscale.numbers import number, percent
from ecgscale.report.inputs import Inputs
from ecgscale.report.latency_figures import flagged, setting, settings
from ecgscale.report.style import interval, label
from ecgscale.report.tables import DataTable, table

LISTED = 2000           # measurements that are listed one by one
NEIGHBOURS = 0.2       # processors; more is said in the report


def latency(inputs: Inputs) -> DataTable | None:
    """Every measurement; of more than LISTED, one row a setting over all its networks."""
    if len(inputs.latency) > LISTED:
        return by_setting(inputs)
    rows = inputs.latency[inputs.latency["status"].eq("ok")].sort_values(["model", "p50_ms"])
    return table("Measured latency", {
        "model": False, "machine": False, "what ran": False, "scenario": False, "batch": True, "threads": True,
        "median ms": True, "p99 ms": True, "load ms": True, "compile ms": True, "first ms": True,
        "10-s recording ms": True, "recordings/s": True, "J a call": True, "n": True, "fallback": False},
        [(row.model, row.machine, setting(row), row.scenario, row.batch, row.threads,
          interval(row.p50_ms, row.p50_low_ms, row.p50_high_ms, number), number(row.p99_ms), number(row.load_ms),
          number(row.compile_ms), number(row.first_ms), number(row.per_recording_ms), number(row.records_per_s),
          number(row.energy_joules), row.count, f"FELL BACK: {differs(row)}" if flagged(row) else "no")
         for row in rows.itertuples(index=False)])


def by_setting(inputs: Inputs) -> DataTable | None:
    rows = inputs.latency[inputs.latency["status"].eq("ok")]
    rows = rows.assign(setting=settings(rows), fell=rows["fallback"].eq(True))
    found = rows.groupby(["setting", "machine", "scenario", "batch", "threads"], dropna=False).agg(
        n=("p50_ms", "size"), models=("model", "nunique"), median=("p50_ms", "median"),
        low=("p50_ms", lambda one: one.quantile(0.05)), high=("p50_ms", lambda one: one.quantile(0.95)),
        fell=("fell", "sum")).reset_index()
    return table(f"Measured latency by setting: median of the medians, and where 90 % of them lie; the {len(rows)} "
                 "rows stand in latency.parquet of each machine", {
        "what ran": False, "machine": False, "scenario": False, "batch": True, "threads": True, "models": True,
        "rows": True, "median ms [5 %, 95 %]": True, "fell back": True},
        [(row.setting, row.machine, row.scenario, row.batch, row.threads, row.models, row.n,
          interval(row.median, row.low, row.high, number), row.fell) for row in found.itertuples()])


def differs(row) -> str:
    """ "asked cpu precision=float16, ran cpu bf16 (100 % of compute layers)"."""
    asked = " ".join(one for one in (row.device, row.option) if isinstance(one, str) and one)
    ran = " ".join(one for one in (row.ran_device, row.ran_precision) if isinstance(one, str) and one) or "unknown"
    share = getattr(row, "fallback_share", None)
    return f"asked {asked}, ran {ran}" + ("" if pd.isna(share) else f" ({percent(share)} of compute layers)")


def fallbacks(inputs: Inputs) -> str:
    """What fell back, in one sentence; empty where nothing did."""
    rows = list(inputs.latency[inputs.latency["fallback"].eq(True)].itertuples())
    kinds = dict.fromkeys(f"{label(row.runtime)} on {row.machine}: {differs(row)}" for row in rows)
    more = f" and {len(kinds) - 6} more" if len(kinds) > 6 else ""
    return (f"{len(rows)} measurements fell back: what ran is not what was asked. They are marked in figure and table, "
            f"and take no part in the frontier or in speed-ups. {'; '.join(list(kinds)[:6])}{more}.") if rows else ""


def other_weights(inputs: Inputs) -> str:
    """Of networks that were timed with other weights than those of the runs they stand for; empty where none were."""
    if "weights_of" not in inputs.latency:
        return ""
    rows = inputs.latency.dropna(subset="weights_of")
    return (f"{rows['weights_of'].nunique()} networks were timed with other weights than those of the runs that they "
            "stand for, of each network the one that validation chose: the time is the network's. What int8 does to "
            "these runs' scores is not known.") if len(rows) else ""


def neighbours(inputs: Inputs) -> list[str]:
    """A sentence for each machine that had other work to do while it measured."""
    rows = inputs.latency
    if "neighbour_cpus" not in rows:
        return []
    busy = rows.dropna(subset="neighbour_cpus").groupby("machine")["neighbour_cpus"].median()
    return [f"Other programs kept {cpus:.1f} processors of {machine} busy in half of the measurements or more: "
            "latencies may be too long, though no control can tell."
            for machine, cpus in busy.items() if cpus > NEIGHBOURS]


def unavailable(inputs: Inputs) -> DataTable | None:
    rows = inputs.latency[inputs.latency["status"].ne("ok")]
    keys = ["machine", "runtime", "device", "status", "reason"]
    counts = rows.fillna(dict.fromkeys(keys, "")).groupby(keys).size()
    return table("Not measured or void, and why", {**dict.fromkeys(keys, False), "settings": True},
                 [(machine, label(runtime), *rest, count) for (machine, runtime, *rest), count in counts.items()])


def laws(inputs: Inputs) -> DataTable | None:
    """The laws of every machine's speed.json that there were networks enough for."""
    rows = []
    for law in (law for speed in inputs.speeds for law in speed.laws if law.estimates):
        values = [f"{name} = {interval(value, *law.intervals.get(name, (None, None)), number)}"
                  for name, value in law.estimates.items()]
        error = law.statistics.get("held_out_median_error")
        rows.append((law.subset, law.formula, law.verdict, law.points, "; ".join(values),
                     "–" if error is None else percent(error), law.reason))
    return table("Laws of latency (90 % bootstrap over networks; error: median over networks left out one by one)", {
        "setting": False, "law": False, "verdict": False, "n": True, "estimates": False, "held-out error": True,
        "why not": False}, rows)


def predictor(inputs: Inputs) -> DataTable | None:
    return table("Latency of networks that were not measured: relative error on networks held out", {
        "model": False, "scheme": False, "statistic": False, "error": True, "n": True},
        [(one["model"], one["scheme"], one["statistic"].removeprefix("held_out_").replace("_", " "),
          percent(one["estimate"]), one["n"]) for speed in inputs.speeds for one in speed.predictor])


def controls(inputs: Inputs) -> DataTable | None:
    return table("A/A control: the same model twice, blind, between all other measurements", {
        "machine": False, "model": False, "what": False, "looks": True, "disturbed": True, "second / first arm": True,
        "drift of the level": True, "verdict": False},
        [(one.machine, one.model, " ".join(filter(None, (label(one.runtime), one.device, one.option))),
          len(one.first_ms), one.disturbed, interval(one.ratio, one.ratio_low, one.ratio_high),
          "–" if one.drift is None else f"{100 * one.drift:+.1f} %", one.reason or "stands")
         for one in inputs.controls])
