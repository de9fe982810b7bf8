"""Anyone's predictions against anyone's truth: the same metrics, without the rest of the pipeline.

A table is a CSV with a first column `record` and one column for each class, named by its code, or an NPZ file with the
arrays `records`, `classes` and `values` (recording, class). Truth holds 0 and 1, predictions hold probabilities (or 0
and 1). Truth may name `patient`, `source`, `sex` and `age` of a recording (CSV columns, or NPZ arrays). Rows and
columns may stand in any order: recordings are matched by name, classes by code. Two columns that are codes of one class
(733534002 and 164909002) become one as in the official scorer: true if one is, and the mean of the probabilities.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from ecgscale.contracts import DIFFERENCES, METRICS, RELIABILITY
from ecgscale.contracts.labels import LabelSet, read_label_set
from ecgscale.contracts.reading import LARGEST_TEXT, plain_file, read_arrays, reading
from ecgscale.errors import UserError
from ecgscale.evaluation.bootstrap import interval
from ecgscale.evaluation.fold import Fold, Judged, age_bands
from ecgscale.evaluation.protocol import Tables, measure
from ecgscale.evaluation.thresholds import DEFAULT

LOWER_IS_BETTER = ("brier", "ece", "loss", "critical_miss_rate")
KNOWN = ("patient", "source", "sex", "age")


def score_files(truth: Path, predictions: Path, out: Path, label_set: LabelSet, replicates: int,
                valid: tuple[Path, Path] | None = None, against: Path | None = None) -> pd.DataFrame:
    """Read the tables, write `out`/metrics.csv, reliability.csv and, with `against`, differences.csv.

    Gives the METRICS rows.
    """
    known, guessed, name = read_table(truth), read_table(predictions), predictions.stem
    tuning = (read_table(valid[0]), read_table(valid[1])) if valid else None
    metrics, reliability, _ = tables(known, guessed, label_set, replicates, valid=tuning)
    if against is not None:
        apart = compare(known, guessed, read_table(against), label_set, replicates, names=(name, against.stem))
        DIFFERENCES.write(apart, out / "differences.csv")
    RELIABILITY.write(reliability.assign(run_id=name)[list(RELIABILITY.columns)], out / "reliability.csv")
    metrics = metrics.assign(run_id=name)[list(METRICS.columns)]
    METRICS.write(metrics, out / "metrics.csv")
    return metrics


def score(truth: pd.DataFrame, predictions: pd.DataFrame, label_set: LabelSet | None = None, replicates: int = 1000,
          seed: int = 0, name: str = "", valid: tuple[pd.DataFrame, pd.DataFrame] | None = None) -> pd.DataFrame:
    """METRICS rows of predictions for the recordings of `truth`; both indexed by record, columns named by class code.

    Decisions are probabilities at or above 0.5. With `valid` (truth and predictions of other recordings) also at
    thresholds tuned there, and recalibrated. Intervals resample patients where `truth` names them. Raises UserError
    when recordings differ, a class is missing, or a value is neither a label nor a probability.
    """
    metrics = tables(truth, predictions, label_set or read_label_set(), replicates, seed, valid)[0]
    return metrics.assign(run_id=name)[list(METRICS.columns)]


def tables(truth: pd.DataFrame, predictions: pd.DataFrame, label_set: LabelSet, replicates: int, seed: int = 0,
           valid: tuple[pd.DataFrame, pd.DataFrame] | None = None) -> Tables:
    """The tables of `protocol.measure`: METRICS, RELIABILITY and RECALIBRATION rows without run_id."""
    judged, parts = judge(truth, predictions, label_set), np.repeat("test", len(truth))
    if valid is not None:
        shared = truth.index.intersection(valid[0].index)
        if len(shared):
            raise UserError(f"{shared[0]!r} stands in test and in validation", field="record")
        chosen = judge(*valid, label_set)
        judged, parts = joined(chosen, judged), np.r_[np.repeat("valid", len(chosen.labels)), parts]
    return measure(judged, parts, label_set, replicates, seed)


def compare(truth: pd.DataFrame, one: pd.DataFrame, other: pd.DataFrame, label_set: LabelSet | None = None,
            replicates: int = 1000, seed: int = 0, names: tuple[str, str] = ("one", "other")) -> pd.DataFrame:
    """DIFFERENCES rows: each metric of the whole fold, `one` minus `other`, scored on the same draws of patients."""
    label_set = label_set or read_label_set()
    folds = [Fold(replace(judge(truth, table, label_set), groups={}), label_set, {"0.5": DEFAULT})
             for table in (one, other)]
    estimates, drawn = ([fold.values(np.ones((len(truth), 1))) for fold in folds],
                        [fold.replicates(replicates, seed) for fold in folds])
    rows = []
    for key in (key for key in estimates[0] if key[1] == "all"):
        apart = drawn[0][key] - drawn[1][key]
        low, high = interval(apart)
        better = (apart <= 0 if key[3].startswith(LOWER_IS_BETTER) else apart >= 0)[np.isfinite(apart)]
        rows.append({"run_id": names[0], "reference": names[1], "metric": key[3],
                     "difference": float(estimates[0][key][0] - estimates[1][key][0]), "low": float(low),
                     "high": float(high), "probability": better.mean() if len(better) else np.nan, "n": len(truth)})
    return pd.DataFrame(rows)


def judge(truth: pd.DataFrame, predictions: pd.DataFrame, label_set: LabelSet) -> Judged:
    """Two tables as the recordings of a fold, matched by record and by code."""
    labels = by_class(truth, label_set, "truth")
    if not np.isin(labels, (0, 1)).all():
        raise UserError("a label is neither 0 nor 1", field="truth")
    missing = truth.index.difference(predictions.index)
    if len(missing) or len(predictions) != len(truth):
        problem = f"no prediction for {missing[0]!r}" if len(missing) else "predictions for recordings without truth"
        raise UserError(f"{problem} ({len(truth)} recordings in truth, {len(predictions)} predicted)", field="record")
    probabilities = by_class(predictions.loc[truth.index], label_set, "predictions")
    if not ((probabilities >= 0) & (probabilities <= 1)).all():
        raise UserError("a prediction is missing or not between 0 and 1", field="predictions",
                        remedy="Give probabilities, or decisions as 0 and 1")
    groups = {kind: truth[kind].to_numpy(dtype=object) for kind in ("source", "sex") if kind in truth}
    if "age" in truth:
        groups["age"] = age_bands(pd.to_numeric(truth["age"], errors="coerce"))
    patients = truth["patient"].to_numpy(dtype=object) if "patient" in truth else None
    return Judged(labels.astype(bool), probabilities, patients, None, groups)


def joined(one: Judged, other: Judged) -> Judged:
    """The recordings of both; groups and patients where both name them."""
    both = one.patients is not None and other.patients is not None
    kinds = [kind for kind in one.groups if kind in other.groups]
    return Judged(
        np.concatenate([one.labels, other.labels]), np.concatenate([one.probabilities, other.probabilities]),
        np.concatenate([one.patients, other.patients]) if both else None, None,
        {kind: np.concatenate([one.groups[kind], other.groups[kind]]) for kind in kinds})


def by_class(table: pd.DataFrame, label_set: LabelSet, what: str) -> np.ndarray:
    """(recording, class) float in the label set's order, columns found by code. Raises UserError if one is missing."""
    if not len(table):
        raise UserError("no recordings", field=what)
    if table.index.has_duplicates:
        raise UserError(f"record {table.index[table.index.duplicated()][0]!r} stands twice", field=what)
    index, columns = label_set.index(), [[] for _ in label_set.codes]
    for place, name in enumerate(table.columns):
        classes = {index[code] for code in str(name).split("|") if code in index}
        if len(classes) > 1:
            raise UserError(f"column {name!r} names codes of two classes", field=what)
        for number in classes:
            columns[number].append(place)
    missing = [code for code, places in zip(label_set.codes, columns, strict=True) if not places]
    if missing:
        raise UserError(f"no column for the class {', '.join(missing)}", field=what,
                        remedy="Name one column for each class of the label set by its code")
    joined = np.max if what == "truth" else np.mean
    try:
        parts = [joined(table.iloc[:, places].to_numpy(dtype=float), axis=1) for places in columns]
    except (TypeError, ValueError) as error:
        raise UserError(f"not a number ({error})", field=what) from None
    return np.stack(parts, axis=1)


def read_table(path: Path | str) -> pd.DataFrame:
    """A truth or prediction table from CSV or NPZ, indexed by record. Nothing pickled is read."""
    path = Path(path)
    frame = read_npz(path) if path.suffix == ".npz" else read_csv(path)
    return frame.set_index("record")


def read_csv(path: Path) -> pd.DataFrame:
    text = {"record": str, "patient": str, "source": str, "sex": str}
    with reading(plain_file(path, LARGEST_TEXT), "CSV"):
        with open(path, encoding="utf-8-sig") as stream:
            commented = stream.readline().startswith("#")
        frame = pd.read_csv(path, dtype=text, skiprows=int(commented), encoding="utf-8-sig")
    if not len(frame.columns) or frame.columns[0] != "record":
        raise UserError("the first column is not 'record'", file=path, line=1, remedy="Name it so in the first line")
    return frame


def read_npz(path: Path) -> pd.DataFrame:
    found = read_arrays(path, ("records", "classes", "values", *KNOWN))
    for name in ("records", "classes", "values"):
        if name not in found:
            raise UserError(f"array {name!r} is missing", file=path, remedy="It holds records, classes and values")
    records, classes, values = found["records"], found["classes"], found["values"]
    if records.ndim != 1 or classes.ndim != 1:
        raise UserError("records and classes are not lists", file=path, remedy="Give arrays of one dimension")
    if values.shape != (records.size, classes.size) or values.dtype.kind not in "fiub":
        raise UserError(f"{values.dtype} of shape {values.shape} for {records.size} records and {classes.size} classes",
                        file=path, field="values", remedy="Give numbers of shape (records, classes)")
    for name in KNOWN:
        if name in found and found[name].shape != (records.size,):
            raise UserError(f"shape {found[name].shape} for {records.size} records", file=path, field=name)
    frame = pd.DataFrame(values, columns=[str(code) for code in classes])
    frame.insert(0, "record", [str(record) for record in records])
    for name in KNOWN:
        if name in found:
            frame[name] = found[name]
    return frame


def as_text(table: pd.DataFrame, label_set: LabelSet) -> str:
    """For a terminal: the metrics of the whole test fold, and how often each critical class is found."""
    test = table[table["part"] == "test"]
    whole = test[test["group"] == "all"]
    whole = whole.assign(interval=intervals(whole))[["metric", "threshold", "estimate", "interval", "n", "note"]]
    codes = [code for code, critical in zip(label_set.codes, label_set.critical, strict=True) if critical]
    found = test[(test["group"] == "class") & test["value"].isin(codes) & (test["metric"] == "recall")]
    names = dict(zip(label_set.codes, label_set.names, strict=True))
    found = found.assign(interval=intervals(found), name=found["value"].map(names), sensitivity=found["estimate"])
    found = found[["name", "threshold", "sensitivity", "interval", "positives", "note"]]
    texts = [frame.to_string(index=False, float_format="{:.4f}".format) for frame in (whole, found) if len(frame)]
    return "\n\nCritical classes\n".join(texts)


def intervals(rows: pd.DataFrame) -> list[str]:
    return [f"[{row.low:.4f}, {row.high:.4f}]" if np.isfinite(row.low) else "" for row in rows.itertuples()]
