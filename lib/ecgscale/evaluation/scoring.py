"""Anyone's predictions against anyone's truth: the same metrics, without the rest of the pipeline.

Truth holds 0 and 1, predictions hold probabilities (or 0 and 1). Rows and columns may stand in any order: recordings
are matched by name, classes by code. Columns that are codes of one class (733534002 and 164909002), or one code given
twice, become one as in the official scorer: true or decided where one of them is, and the mean of the probabilities.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from ecgscale.contracts import DIFFERENCES, METRICS, RELIABILITY, refuse_foreign
from ecgscale.contracts.labels import LabelSet, read_label_set
from ecgscale.errors import UserError
from ecgscale.evaluation.bootstrap import interval
from ecgscale.evaluation.fold import Fold, Judged, age_bands
from ecgscale.evaluation.others import DECISION, KNOWN, read_table, read_truth
from ecgscale.evaluation.protocol import Tables, measure
from ecgscale.evaluation.thresholds import DEFAULT

LOWER_IS_BETTER = ("brier", "ece", "loss", "critical_miss_rate")


def score_files(truth: Path, predictions: Path, out: Path, label_set: LabelSet, replicates: int,
                valid: tuple[Path, Path] | None = None, against: Path | None = None) -> pd.DataFrame:
    """Read the tables, write `out`/metrics.csv, reliability.csv and, with `against`, differences.csv.

    Gives the METRICS rows. Raises UserError where the truth holds no positive: every score of it would be 0.
    """
    files = {"metrics.csv": METRICS.wrote, "reliability.csv": RELIABILITY.wrote}
    refuse_foreign(out, files | ({"differences.csv": DIFFERENCES.wrote} if against else {}))
    known, guessed, name = read_truth(truth, label_set), read_table(predictions, label_set), predictions.stem
    if not by_class(known, label_set, "truth", np.max).any():
        raise UserError(f"none of the {len(known)} recordings belongs to a class of the label set", file=truth,
                        field="truth", remedy="Give the label set that its codes belong to (--labels)")
    tell_constant(guessed, predictions)
    tuning = (read_truth(valid[0], label_set), read_table(valid[1], label_set)) if valid else None
    metrics, reliability, _ = tables(known, guessed, label_set, replicates, valid=tuning)
    if against is not None:
        other = read_table(against, label_set)
        apart = compare(known, guessed, other, label_set, replicates, names=(name, against.stem))
        DIFFERENCES.write(apart, out / "differences.csv")
    RELIABILITY.write(reliability.assign(run_id=name)[[*RELIABILITY.columns, *RELIABILITY.optional]],
                      out / "reliability.csv")
    metrics = metrics.assign(run_id=name)[list(METRICS.columns)]
    METRICS.write(metrics, out / "metrics.csv")
    return metrics


def tell_constant(predictions: pd.DataFrame, file: Path) -> None:
    """Says which columns hold one value for all recordings: they rank nothing, as where a table was rounded."""
    values = predictions.nunique(dropna=False)      # by place: a class may stand twice
    same = [str(name) for name, count in values.items() if count < min(2, len(predictions)) and name not in KNOWN]
    if same:
        print(f"{file}: one and the same prediction for all recordings in {len(same)} of {len(predictions.columns)} "
              f"columns: {', '.join(same[:8])}{', ...' * (len(same) > 8)}", file=sys.stderr)


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
    """Two tables as the recordings of a fold, matched by record and by code, in the order of their names: the draws of
    a bootstrap fall by place, and an interval is the same however the rows stand."""
    truth = truth.sort_index(key=lambda names: names.astype(str), kind="stable")
    labels = by_class(truth, label_set, "truth", np.max)
    if not np.isin(labels, (0, 1)).all():
        raise UserError("a label is neither 0 nor 1", field="truth")
    missing = truth.index.difference(predictions.index)
    if len(missing) or len(predictions) != len(truth):
        problem = f"no prediction for {missing[0]!r}" if len(missing) else "predictions for recordings without truth"
        raise UserError(f"{problem} ({len(truth)} recordings in truth, {len(predictions)} predicted)", field="record")
    predictions = predictions.loc[truth.index]
    given = [name for name in predictions if str(name).startswith(DECISION)]
    probabilities = by_class(predictions.drop(columns=given), label_set, "predictions")
    if not ((probabilities >= 0) & (probabilities <= 1)).all():
        raise UserError("a prediction is missing or not between 0 and 1", field="predictions",
                        remedy="Give probabilities, or decisions as 0 and 1")
    decisions = {"0.5": by_class(predictions.drop(columns=given), label_set, "predictions", np.max) >= DEFAULT}
    if given:
        decided = predictions[given].rename(columns=lambda name: name.removeprefix(DECISION))
        decisions = {"given": by_class(decided, label_set, "predictions", np.max) >= DEFAULT}
    groups = {kind: truth[kind].to_numpy(dtype=object) for kind in ("source", "sex") if kind in truth}
    if "age" in truth:
        groups["age"] = age_bands(pd.to_numeric(truth["age"], errors="coerce"))
    patients = truth["patient"].to_numpy(dtype=object) if "patient" in truth else None
    return Judged(labels.astype(bool), probabilities, patients, None, groups, decisions=decisions)


def joined(one: Judged, other: Judged) -> Judged:
    """The recordings of both; groups and patients where both name them."""
    both = one.patients is not None and other.patients is not None
    kinds = [kind for kind in one.groups if kind in other.groups]
    return Judged(
        np.concatenate([one.labels, other.labels]), np.concatenate([one.probabilities, other.probabilities]),
        np.concatenate([one.patients, other.patients]) if both else None, None,
        {kind: np.concatenate([one.groups[kind], other.groups[kind]]) for kind in kinds},
        decisions={name: np.concatenate([made, other.decisions[name]]) for name, made in one.decisions.items()
                   if name in other.decisions})


def by_class(table: pd.DataFrame, label_set: LabelSet, what: str, join: Callable = np.mean) -> np.ndarray:
    """(recording, class) float in the label set's order, columns found by code, those of one class joined by `join`.

    Raises UserError where one is missing."""
    if not len(table):
        raise UserError("no recordings", field=what)
    if table.index.has_duplicates:
        raise UserError(f"record {table.index[table.index.duplicated()][0]!r} stands twice", field=what)
    columns: list[list[int]] = [[] for _ in label_set.codes]
    for place, name in enumerate(table.columns):
        classes = {label_set.place_of(code) for code in str(name).split("|")} - {None}
        if len(classes) > 1:
            raise UserError(f"column {name!r} names codes of two classes", field=what)
        for number in classes:
            columns[number].append(place)
    missing = [code for code, places in zip(label_set.codes, columns, strict=True) if not places]
    if missing:
        raise UserError(f"no column for the class {', '.join(missing)}", field=what,
                        remedy="Name one column for each class of the label set by its code")
    try:
        parts = [join(table.iloc[:, places].to_numpy(dtype=float), axis=1) for places in columns]
    except (TypeError, ValueError, OverflowError) as error:
        raise UserError(f"not a number ({error})", field=what) from None
    return np.stack(parts, axis=1)


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
