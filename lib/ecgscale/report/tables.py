"""Tables of data, runs, latency and provenance: a caption, column heads, rows of text; numbers with interval and n."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from ecgscale import __version__
from ecgscale.analysis import distribution
from ecgscale.contracts.labels import read_label_set
from ecgscale.contracts.run_table import hyperparameters, on_part, part_of
from ecgscale.design.plan import lasting
from ecgscale.machine.provenance import code_digest
from ecgscale.numbers import number, percent
from ecgscale.report.figures import words as group_words
from ecgscale.report.inputs import Inputs
from ecgscale.report.style import interval, label, score

LOSSES = 3          # columns of losses in the list of the runs of a table without scores


@dataclass(frozen=True)
class DataTable:
    """Rows are texts; `numeric` says which columns are set flush right. More than `shown` rows fold away.

    `ours` is False for what others published: it is never synthetic. The page's script makes an `explorer` sort, filter
    and download.
    """

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[bool, ...]
    ours: bool = True
    shown: int = 15
    explorer: bool = False


def table(caption: str, head: dict[str, bool], rows: Iterable[Iterable], ours: bool = True) -> DataTable | None:
    """`head`: column -> numeric; remarks that no row has are left out. None without rows."""
    made = [["–" if cell is None else str(cell) for cell in row] for row in rows]
    told = [place for place, numeric in enumerate(head.values())
            if numeric or any(row[place] not in ("", "–") for row in made)]
    names = [list(head)[place] for place in told]
    return DataTable(caption, tuple(names), tuple(tuple(row[place] for place in told) for row in made),
                     tuple(head[name] for name in names), ours) if made else None


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


def classes(inputs: Inputs) -> DataTable | None:
    """Recordings of each class over all sources, beside those of the public release in the same sources."""
    counts = inputs.classes.groupby(["abbreviation", "name"], sort=False)[["recordings", "published"]]
    return table("Recordings of each class, and in the public release of the same sources", {
        "class": False, "name": False, "recordings": True, "public release": True}, [
        (*key, int(here), None if pd.isna(published) else int(published))
        for key, here, published in counts.sum(min_count=1).itertuples()])


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


def plan_times(inputs: Inputs) -> DataTable | None:
    return table("Estimated time of the study", {"device": False, "time": True, "by": False},
                 [(one["device"], lasting(one["hours"]), one["source"]) for one in inputs.plan.hours])


def statuses(inputs: Inputs) -> DataTable | None:
    keys = [name for name in ("family", "optimizer", "status", "reason") if name in inputs.runs]
    if not keys:
        return None
    counts = inputs.runs.fillna(dict.fromkeys(keys, "")).groupby(keys).size()
    return table("How the runs ended", {**dict.fromkeys(keys, False), "runs": True},
                 [(*(label(str(one)) for one in np.atleast_1d(key)), count) for key, count in counts.items()])


def costs(inputs: Inputs) -> DataTable | None:
    """What training took, by family and optimizer: FLOPs, hours, energy; beside what was planned for all."""
    sums = {name: column for name, column in (("training FLOPs", "train_flops"), ("hours", "seconds"),
                                              ("energy (kWh)", "energy_joules"))
            if column in inputs.runs and pd.api.types.is_numeric_dtype(inputs.runs[column])
            and inputs.runs[column].notna().any()}
    keys = [name for name in ("family", "optimizer") if name in inputs.runs]
    if not sums or not keys:
        return None
    scale = {"hours": 3600, "energy (kWh)": 3.6e6}
    rows = [(*(label(str(one)) for one in key), len(part), *(number(part[column].sum() / scale.get(name, 1))
                                                            for name, column in sums.items()))
            for key, part in inputs.runs.fillna(dict.fromkeys(keys, "–")).groupby(keys)]
    blank = [""] * (len(keys) - 1)
    rows.append(("all", *blank, len(inputs.runs), *(number(inputs.runs[column].sum() / scale.get(name, 1))
                                                   for name, column in sums.items())))
    if inputs.plan and inputs.plan.train_flops:
        planned = {"training FLOPs": number(inputs.plan.train_flops), "hours": planned_hours(inputs)}
        rows.append(("planned, with tuning" if inputs.plan.tuning_flops else "planned", *blank, inputs.plan.runs,
                     *(planned.get(name, "–") for name in sums)))
    return table("What training cost", {**dict.fromkeys(keys, False), "runs": True, **dict.fromkeys(sums, True)}, rows)


def planned_hours(inputs: Inputs) -> str:
    """Of the one device that trained the runs, where the plan reckoned for it."""
    trained_on = inputs.runs["device"].dropna().unique() if "device" in inputs.runs else ()
    return next((number(one["hours"]) for one in inputs.plan.hours
                 if len(trained_on) == 1 and str(trained_on[0]) in one["device"]), "–")


def runs(inputs: Inputs) -> DataTable | None:
    """Every run, best first; runs without a score last, with their status. Of a table without scores the lowest loss
    first, with the samples that belong to it."""
    frame, target = inputs.ranked, inputs.target
    shown = [name for name in ("train_records", "samples_seen") if inputs.losses and name in frame]
    shown += inputs.losses[:LOSSES]
    part = part_of(target) or "score"
    valid = on_part(target, "validation") if part == "test" else None
    hyper = varying_hyperparameters(frame)
    rows = []
    for row in frame.to_dict("records"):
        spec = ", ".join(f"{name.removeprefix('hp_')} {number(row[name])}" for name in hyper.get(row.get("family"), ())
                         if pd.notna(row[name]))
        value = interval(row.get(target), row.get(f"{target}_low"), row.get(f"{target}_high"))
        rows.append((str(row["run_id"]), label(str(row.get("family", "–"))), label(str(row.get("optimizer", "–"))),
                     number(row.get("lr")), number(row.get("params")), number(row.get("forward_flops")),
                     number(row.get("train_flops")), *(number(row[name], 4) for name in shown), score(row.get(valid)),
                     value, row.get("status", "–"), spec))
    head = {"run": False, "family": False, "optimizer": False, "learning rate": True, "params": True,
            "forward FLOPs": True, "training FLOPs": True, **{label(name): True for name in shown}, "chosen by": True,
            "judged by": True, "status": False, "hyperparameters that vary": False}
    told = [place for place in range(len(head)) if any(row[place] not in ("–", "") for row in rows)]
    names = {"chosen by": "validation", "judged by": part}
    made = table(f"Every run, lowest loss first ({label(inputs.losses[0])})" if inputs.losses
                 else f"Every run, best first ({label(target)}, 95 % interval)" if target in frame else "Every run",
                 {names.get(name, name): numeric for name, numeric in (list(head.items())[place] for place in told)},
                 [[row[place] for place in told] for row in rows])
    return made and replace(made, explorer=True)


def differences(inputs: Inputs) -> DataTable | None:
    """Every run against the one that validation chose, on the same recordings."""
    rows = inputs.differences.sort_values("difference", ascending=False)
    return table("Difference to the run that validation chose, paired on the test recordings (95 % interval)", {
        "run": False, "against": False, "metric": False, "difference": True,
        "probability of being at least as good": True, "recordings": True},
        [(row.run_id, row.reference, row.metric.replace("_", " "), interval(row.difference, row.low, row.high),
          f"{row.probability:.2f}", row.n) for row in rows.itertuples() if row.run_id != row.reference])


def noise(inputs: Inputs) -> DataTable | None:
    """Seed noise beside sampling noise."""
    return table("Noise: between seeds, and over patients", {
        "configuration": False, "family": False, "optimizer": False, "metric": False, "seeds": True, "mean score": True,
        "deviation between seeds": True, "standard error over patients": True},
        [(row.configuration or "all, pooled", label(row.family or "–"), label(row.optimizer or "–"),
          row.metric.replace("_", " "), row.seeds, score(row.mean), score(row.seed_deviation),
          score(row.sampling_error))
         for row in inputs.noise.fillna({"configuration": "", "family": "", "optimizer": ""}).itertuples()])


def sources(inputs: Inputs) -> DataTable | None:
    """What a model is worth on a source that its training knew, or did not."""
    return table("Score by source; a left-out source is a new hospital", {
        "run": False, "source": False, "in training": False, "metric": False, "score": True, "validation": True,
        "n": True, "note": False},
        [(row.run_id or "–", row.source, "no" if row.left_out else "yes", row.metric.replace("_", " "),
          interval(row.estimate, row.low, row.high), score(row.internal), "–" if pd.isna(row.n) else int(row.n),
          row.note or "") for row in inputs.sources.fillna(
              {"run_id": "", "source": "–", "note": ""}).itertuples()])


def varying_hyperparameters(frame: pd.DataFrame) -> dict[str | None, list[str]]:
    """family -> its hyperparameters that take more than one value; None -> those of a table without families."""
    parts = frame.groupby("family") if "family" in frame else [(None, frame)]
    return {family: [name for name in hyperparameters(frame) if len(part[name].drop_duplicates()) > 1]
            for family, part in parts}


def good_shares(inputs: Inputs) -> DataTable | None:
    threshold, frame = distribution.good_shares(inputs.runs, inputs.target)
    return table(f"Share of good models: at least {score(threshold)}, {percent(distribution.GOOD)} of the best score", {
        "design space": False, "models": True, "good": True, "share": True, "median score": True, "best score": True},
        [(group_words(row.group), row.n, row.good, interval(row.share, row.low, row.high, percent), score(row.median),
          score(row.best)) for row in frame.itertuples()])


def devices(inputs: Inputs) -> DataTable | None:
    rows = [(one.machine, label(str(device.get("runtime", "–"))), device.get("device", device.get("id", "–")),
             *(("yes", device.get("name")) if device.get("available") else
               ("no", device.get("reason") or device.get("name"))))
            for one in inputs.environments for device in one.devices]
    return table("Devices of the machines that measured", {
        "machine": False, "runtime": False, "device": False, "available": False, "name or reason": False}, rows)


def machines(inputs: Inputs) -> DataTable | None:
    rows = [(one.machine, one.cpu, one.cores, one.threads, number(one.memory_bytes), one.os, one.container or "none",
             one.started, words({name: value for name, value in one.state.items() if value is not None}))
            for one in inputs.environments]
    return table("Machines", {
        "machine": False, "processor": False, "cores": True, "threads": True, "memory (bytes)": True, "system": False,
        "container": False, "started": False, "state": False}, rows)


def versions(inputs: Inputs) -> DataTable | None:
    sources = {"analysis": inputs.laws or inputs.predictor, "data": inputs.shards[0] if inputs.shards else None}
    sources |= {f"latency on {one.machine}": one for one in inputs.environments}
    return table("Versions", {"stage": False, "versions": False},
                 [(name, ", ".join(f"{key} {value}" for key, value in sorted(one.versions.items())))
                  for name, one in sources.items() if one])


def rebuild(inputs: Inputs) -> str:
    """The commands that make this page again, and the whole run where the pipeline made it."""
    version = f"ecgscale {__version__}, code {code_digest()}"
    where = "; RESULTS: the folder that --outdir named"
    lines = [f"# this page, with {version}{where * ('RESULTS' in inputs.command)}",
             inputs.command] if inputs.command else []
    if inputs.plan:
        lines += [f"# the whole run, in a clone of {version}{where}",
                  "./nextflow run . -params-file $(ls -t RESULTS/pipeline_info/params_*.json | head -1) --outdir AGAIN"]
    return "\n".join(lines)


def digests(inputs: Inputs) -> DataTable | None:
    rows = [("file", name, value) for name, value in sorted(inputs.files.items())]
    for column in ("corpus_digest", "split_digest", "code_digest", "device", "seed", "recipe", "study"):
        if column in inputs.runs:
            values = sorted({str(value) for value in inputs.runs[column].dropna()})
            more = f" and {len(values) - 12} more" if len(values) > 12 else ""
            rows.append(("run table", column.replace("_", " "), ", ".join(values[:12]) + more))
    return table("Where the numbers come from", {"source": False, "what": False, "value": False}, rows)
