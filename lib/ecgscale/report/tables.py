"""Every table of the report: a caption, column heads, rows of text. Numbers carry their interval and their n."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ecgscale import distribution
from ecgscale.ecg.labels import read_label_set
from ecgscale.findings import front_order
from ecgscale.frontier import COSTS
from ecgscale.laws import LAWS
from ecgscale.report.figures import quantity, setting
from ecgscale.report.figures import words as group_words
from ecgscale.report.inputs import Inputs
from ecgscale.report.predictor_figures import published
from ecgscale.report.style import interval, label, number, score
from ecgscale.runtable import hyperparameters


@dataclass(frozen=True)
class DataTable:
    """Rows are texts; `numeric` says which columns are set flush right. More than `shown` rows fold away.

    `ours` is False for what others published: it is never synthetic.
    """

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[bool, ...]
    ours: bool = True
    shown: int = 15


def table(caption: str, head: dict[str, bool], rows: Iterable[Iterable], ours: bool = True) -> DataTable | None:
    """`head`: column -> numeric. None without rows."""
    made = tuple(tuple("–" if cell is None else str(cell) for cell in row) for row in rows)
    return DataTable(caption, tuple(head), made, tuple(head.values()), ours) if made else None


def shards(inputs: Inputs) -> DataTable | None:
    by_source: dict[str, list[int]] = {}
    for one in inputs.shards:
        counts = by_source.setdefault(one.source, [0, 0, 0, 0])
        for place, value in enumerate((1, one.found, one.accepted, one.rejected)):
            counts[place] += value
    return table("Recordings by source", {"source": False, "shards": True, "found": True, "accepted": True,
                                          "rejected": True},
                 [(name, *counts) for name, counts in by_source.items()])


def rejects(inputs: Inputs) -> DataTable | None:
    counts = inputs.rejects.groupby(["source", "reason"]).size()
    return table("Rejected recordings by reason", {"source": False, "reason": False, "recordings": True},
                 [(*key, count) for key, count in counts.items()])


def audit(inputs: Inputs) -> DataTable | None:
    if inputs.split is None:
        return None
    entries = [(f"recordings in {part}", number(count, 6)) for part, count in inputs.split.counts.items()]
    entries += [(name.replace("_", " "), words(value)) for name, value in inputs.split.audit.items()
                if not nested(value)]
    return table("Split and its audit", {"what": False, "value": False}, entries)


def nested(value) -> bool:
    """A table in a document: name -> (column -> value)."""
    return isinstance(value, dict) and bool(value) and all(isinstance(one, dict) for one in value.values())


def audit_tables(inputs: Inputs) -> list[DataTable | None]:
    """What the audit counts by source, by class, ..."""
    made = []
    names = class_names()
    for name, rows in (inputs.split.audit.items() if inputs.split else ()):
        if nested(rows):
            columns = list(dict.fromkeys(column for row in rows.values() for column in row))
            head = {"": False} | {column.replace("_", " "): True for column in columns}
            made.append(table(f"Split: {name.replace('_', ' ')}", head, [
                (names.get(key, key), *(words(row.get(column, "–")) for column in columns))
                for key, row in rows.items()]))
    return made


def class_names() -> dict[str, str]:
    """Code of a scored class -> "AF (164889003)"."""
    labels = read_label_set()
    return {code: f"{short} ({code})" for code, short in zip(labels.codes, labels.abbreviations, strict=True)}


def words(value) -> str:
    """A nested value of a document as one line."""
    if isinstance(value, dict):
        return "; ".join(f"{name}: {words(one)}" for name, one in value.items()) or "none"
    return number(value, 6) if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def statuses(inputs: Inputs) -> DataTable | None:
    keys = [name for name in ("family", "optimizer", "status", "reason") if name in inputs.runs]
    counts = inputs.runs.fillna(dict.fromkeys(keys, "")).groupby(keys).size()
    return table("How the runs ended", {**dict.fromkeys(keys, False), "runs": True},
                 [(*(label(str(one)) for one in np.atleast_1d(key)), count) for key, count in counts.items()])


def runs(inputs: Inputs) -> DataTable | None:
    """Every run, best first; runs without a score last, with their status."""
    frame, target = inputs.runs, inputs.target
    if target in frame:
        frame = frame.sort_values(target, ascending=False, na_position="last")
    hyper = varying_hyperparameters(frame)
    rows = []
    for row in frame.to_dict("records"):
        spec = ", ".join(f"{name.removeprefix('hp_')} {number(row[name])}" for name in hyper.get(row.get("family"), ())
                         if pd.notna(row[name]))
        value = interval(row.get(target), row.get(f"{target}_low"), row.get(f"{target}_high"))
        rows.append((str(row["run_id"]), label(str(row.get("family", "–"))), label(str(row.get("optimizer", "–"))),
                     number(row.get("lr")), number(row.get("params")), number(row.get("forward_flops")),
                     number(row.get("train_flops")), score(row.get(target.replace("test_", "valid_"))), value,
                     row.get("status", "–"), spec))
    return table(f"Every run, best test score first ({label(target)}, 95 % interval)", {
        "run": False, "family": False, "optimizer": False, "learning rate": True, "params": True,
        "forward FLOPs": True, "training FLOPs": True, "validation": True, "test": True, "status": False,
        "hyperparameters that vary": False}, rows)


def differences(inputs: Inputs) -> DataTable | None:
    """Every run against the one that validation chose, on the same recordings."""
    rows = inputs.differences.sort_values("difference", ascending=False)
    return table("Difference to the run that validation chose, paired on the test recordings (95 % interval)", {
        "run": False, "against": False, "metric": False, "difference": True, "probability of being at least as good": True,
        "recordings": True},
        [(row.run_id, row.reference, row.metric.replace("_", " "), interval(row.difference, row.low, row.high),
          f"{row.probability:.2f}", row.n) for row in rows.itertuples() if row.run_id != row.reference])


def noise(inputs: Inputs) -> DataTable | None:
    """Seed noise beside sampling noise."""
    return table("Noise: between seeds, and over patients", {
        "configuration": False, "family": False, "optimizer": False, "metric": False, "seeds": True, "mean score": True,
        "deviation between seeds": True, "standard error over patients": True},
        [(row.configuration or "all, pooled", label(row.family or "–"), label(row.optimizer or "–"),
          row.metric.replace("_", " "), row.seeds, score(row.mean), score(row.seed_deviation), score(row.sampling_error))
         for row in inputs.noise.fillna({"configuration": "", "family": "", "optimizer": ""}).itertuples()])


def sources(inputs: Inputs) -> DataTable | None:
    """What a model is worth on a source that its training knew, or did not."""
    return table("Score by source; a left-out source is a new hospital", {
        "run": False, "source": False, "in training": False, "metric": False, "score": True, "validation": True, "n": True,
        "note": False},
        [(row.run_id or "–", row.source, "no" if row.left_out else "yes", row.metric.replace("_", " "),
          interval(row.estimate, row.low, row.high), score(row.internal), "–" if pd.isna(row.n) else int(row.n),
          row.note or "") for row in inputs.sources.fillna({"run_id": "", "note": ""}).itertuples()])


def varying_hyperparameters(frame: pd.DataFrame) -> dict[str | None, list[str]]:
    """family -> its hyperparameters that take more than one value; None -> those of a table without families."""
    parts = frame.groupby("family") if "family" in frame else [(None, frame)]
    return {family: [name for name in hyperparameters(frame) if len(part[name].drop_duplicates()) > 1]
            for family, part in parts}


def findings(inputs: Inputs) -> DataTable | None:
    """The study's findings, asked of this table."""
    made = list(inputs.predictor.claims) if inputs.predictor else []
    if len(inputs.frontier):
        made.insert(0, front_order(inputs.frontier))
    return table("The study's findings, asked of these runs", {
        "finding": False, "here": False, "evidence (95 %)": False, "published": False},
        [(one["claim"], one["verdict"], one["evidence"], one["published"]) for one in made])


def good_shares(inputs: Inputs) -> DataTable | None:
    threshold, frame = distribution.good_shares(inputs.runs, inputs.target)
    return table(f"Share of good models: at least {score(threshold)}, {distribution.GOOD:.0%} of the best score", {
        "design space": False, "models": True, "good": True, "share": True, "median score": True, "best score": True},
        [(group_words(row.group), row.n, row.good, interval(row.share, row.low, row.high, percent), score(row.median),
          score(row.best)) for row in frame.itertuples()])


def percent(value: float) -> str:
    return f"{value:.0%}"


def law_answers(inputs: Inputs) -> DataTable | None:
    """One row a question: the law that the data prefer, its exponents, and what the average predicts."""
    asked: dict[tuple, list] = {}
    for fit in inputs.laws.fits if inputs.laws else ():
        asked.setdefault((fit.y, fit.x, fit.subset), []).append(fit)
    rows = []
    for (y, x, subset), fits in asked.items():
        average = next((fit for fit in fits if fit.law == "average"), None)
        single = [fit for fit in fits if fit.law != "average"] or fits
        best = max(single, key=lambda fit: (fit.verdict == "identified", fit.statistics.get("weight") or 0))
        names = LAWS[best.law].exponents if best.law in LAWS else best.estimates
        values = ((name, best.estimates.get(name), *best.intervals.get(name, (None, None))) for name in names)
        exponents = "; ".join(f"{name} = {interval(*value, number)}" for name, *value in values)
        ahead = (average.statistics.get("predictions") or [{}])[-1] if average else {}
        rows.append((quantity(y), ", ".join(x).replace("_", " "), label(subset), best.points, best.verdict,
                     best.law, exponents, interval(ahead.get("y"), ahead.get("run_low"), ahead.get("run_high")),
                     best.reason))
    return table("Laws, one row a question: the preferred form and its exponents (90 % run-level bootstrap)", {
        "of": False, "over": False, "runs": False, "n": True, "verdict": False, "form": False, "exponents": False,
        "at 10 × the largest": True, "why not": False}, rows)


def laws(inputs: Inputs) -> DataTable | None:
    rows = []
    for fit in inputs.laws.fits if inputs.laws else ():
        values = [f"{name} = {interval(value, *fit.intervals.get(name, (None, None)), number)}"
                  for name, value in fit.estimates.items()]
        rows.append((fit.verdict, fit.law, fit.formula, f"{fit.y} over {', '.join(fit.x)}", fit.subset, fit.points,
                     "; ".join(values), fit.reason))
    return table("Every fitted law: estimates with 90 % run-level bootstrap intervals", {
        "verdict": False, "law": False, "formula": False, "of": False, "runs": False, "n": True, "estimates": False,
        "why": False}, rows)


def front(inputs: Inputs, axes: str) -> DataTable | None:
    """The members of the front over all runs, cheapest first."""
    rows = inputs.frontier
    rows = rows[rows["axes"].eq(axes) & rows["group"].eq("all") & rows["on_front"]].sort_values("x")
    costs = axes.split("~")[1].split(",")
    head = {"run": False} | {f"{COSTS[cost].title}": True for cost in costs} | {
        "score": True, "probability of the front": True, "seeds": True, "setting": False}
    made = [(row.run_id, *(number(value) for value in (row.x, getattr(row, "z", None))[: len(costs)]),
             interval(row.y, getattr(row, "y_low", None), getattr(row, "y_high", None)),
             "unknown" if np.isnan(row.probability) else f"{row.probability:.2f}", getattr(row, "seeds", "–"),
             row.setting if isinstance(getattr(row, "setting", None), str) else "–") for row in rows.itertuples()]
    if all(row[-1] == "–" for row in made):
        head.pop("setting")
        made = [row[:-1] for row in made]
    return table(f"Front over all runs: score against {' and '.join(COSTS[cost].title for cost in costs)}", head, made)


def hypervolumes(inputs: Inputs) -> DataTable | None:
    rows = inputs.frontier
    if "hypervolume" not in rows:
        return None
    rows = rows[rows["group"].ne("published")].drop_duplicates(["axes", "group"])
    return table("Hypervolume of each front: larger is better; compare within one row of axes only", {
        "axes": False, "group": False, "hypervolume (score × decades)": True},
        [(row.axes.replace("~", " against "), label(row.group),
          interval(row.hypervolume, row.hypervolume_low, row.hypervolume_high)) for row in rows.itertuples()])


STATISTICS = {"pearson_fold_mean": "Pearson r, mean over folds (as published)", "pearson": "Pearson r",
              "kendall": "Kendall τ", "rmse": "RMSE", "rmse_over_group_mean": "RMSE over that of the group's mean",
              "rmse_over_seed_noise": "RMSE over seed noise", "seed_noise": "seed noise (standard deviation)",
              "recording_error": "standard error over recordings"}


def predictor(inputs: Inputs) -> DataTable | None:
    """Every statistic over all runs and within groups: a row a model and scheme."""
    found = {(entry["model"], entry["scheme"], entry["statistic"], entry["group"]): entry
             for entry in (inputs.predictor.results if inputs.predictor else ())}
    asked = (("pearson_fold_mean", "all"), ("pearson", "all"), ("pearson", "within"), ("kendall", "all"),
             ("kendall", "within"), ("rmse", "all"), ("rmse_over_group_mean", "all"), ("rmse_over_seed_noise", "all"))
    keys = dict.fromkeys((model, scheme) for model, scheme, _, _ in found if model)
    asked = [one for one in asked if any((*key, *one) in found for key in keys)]
    rows = [(*key, *(told(found.get((*key, *one))) for one in asked)) for key in keys]
    heads = {f"{STATISTICS[name]}, {'pooled' if group == 'all' else 'within groups'}": True for name, group in asked}
    return table("How well hyperparameters predict the score (95 % intervals over architectures)",
                 {"model": False, "cross-validation": False} | heads, rows)


def told(entry: dict | None) -> str:
    return "–" if entry is None else interval(entry["estimate"], entry["low"], entry["high"])


def predictor_results(inputs: Inputs) -> DataTable | None:
    results = inputs.predictor.results if inputs.predictor else []
    return table("Every statistic of the predictor, by group", {
        "model": False, "cross-validation": False, "statistic": False, "runs": False, "value": True, "n": True},
        [(entry["model"] or "–", entry["scheme"] or "–", STATISTICS.get(entry["statistic"], entry["statistic"]),
          {"all": "all, pooled", "within": "within groups"}.get(entry["group"], label(entry["group"])),
          told(entry), entry["n"]) for entry in results])


def importance(inputs: Inputs) -> DataTable | None:
    frame = inputs.importance.sort_values(["group", "model", "measure", "estimate"],
                                          ascending=[True, True, True, False])
    return table("Importance of every hyperparameter (95 % intervals)", {
        "runs": False, "model": False, "measure": False, "hyperparameter": False, "importance": True,
        "Spearman ρ": True, "note": False},
        [(label(row.group), row.model, row.measure, row.feature, interval(row.estimate, row.low, row.high),
          "–" if np.isnan(row.spearman) else f"{row.spearman:+.2f}", row.note or "") for row in frame.itertuples()])


def latency(inputs: Inputs) -> DataTable | None:
    rows = inputs.latency[inputs.latency["status"].eq("ok")].sort_values(["model", "p50_ms"])
    return table("Measured latency", {
        "model": False, "what ran": False, "scenario": False, "batch": True, "threads": True, "median ms": True,
        "p99 ms": True, "first ms": True, "10-s recording ms": True, "recordings/s": True, "n": True,
        "fallback": False},
        [(row.model, setting(row), row.scenario, row.batch, row.threads,
          interval(row.p50_ms, row.p50_low_ms, row.p50_high_ms, number), number(row.p99_ms), number(row.first_ms),
          number(row.per_recording_ms), number(row.records_per_s), row.count,
          f"yes: asked {row.device}, ran {row.ran_device}" if row.fallback else "no")
         for row in rows.itertuples(index=False)])


def unavailable(inputs: Inputs) -> DataTable | None:
    rows = inputs.latency[inputs.latency["status"].ne("ok")]
    keys = ["machine", "runtime", "device", "status", "reason"]
    counts = rows.fillna(dict.fromkeys(keys, "")).groupby(keys).size()
    return table("Not measured or void, and why", {**dict.fromkeys(keys, False), "settings": True},
                 [(machine, label(runtime), *rest, count) for (machine, runtime, *rest), count in counts.items()])


def published_findings(figure: int, caption: str) -> DataTable | None:
    return table(caption, {"quantity": False, "of": False, "value": True, "unit": False, "grade": False, "note": False},
                 [(row.quantity.replace("_", " "), label(row.group), row.value, row.unit, row.grade,
                   "" if pd.isna(row.note) else row.note) for row in published(figure).itertuples()], ours=False)


def devices(inputs: Inputs) -> DataTable | None:
    rows = [(one.machine, label(str(device.get("runtime", "–"))), device.get("device", device.get("id", "–")),
             *(("yes", device.get("name")) if device.get("available") else
               ("no", device.get("reason") or device.get("name"))))
            for one in inputs.environments for device in one.devices]
    return table("Devices of the machines that measured", {
        "machine": False, "runtime": False, "device": False, "available": False, "name or reason": False}, rows)


def machines(inputs: Inputs) -> DataTable | None:
    rows = [(one.machine, one.cpu, one.cores, one.threads, number(one.memory_bytes), one.os, one.container or "none",
             one.started, words(one.state)) for one in inputs.environments]
    return table("Machines", {
        "machine": False, "processor": False, "cores": True, "threads": True, "memory (bytes)": True, "system": False,
        "container": False, "started": False, "state": False}, rows)


def versions(inputs: Inputs) -> DataTable | None:
    sources = {"analysis": inputs.laws or inputs.predictor, "data": inputs.shards[0] if inputs.shards else None}
    sources |= {f"latency on {one.machine}": one for one in inputs.environments}
    return table("Versions", {"stage": False, "versions": False},
                 [(name, ", ".join(f"{key} {value}" for key, value in sorted(one.versions.items())))
                  for name, one in sources.items() if one])


def digests(inputs: Inputs) -> DataTable | None:
    rows = [("file", name, value) for name, value in sorted(inputs.files.items())]
    for column in ("corpus_digest", "split_digest", "code_digest", "device", "seed", "recipe", "study"):
        if column in inputs.runs:
            values = sorted({str(value) for value in inputs.runs[column].dropna()})
            more = f" and {len(values) - 12} more" if len(values) > 12 else ""
            rows.append(("run table", column.replace("_", " "), ", ".join(values[:12]) + more))
    return table("Where the numbers come from", {"source": False, "what": False, "value": False}, rows)
