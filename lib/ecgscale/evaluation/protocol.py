"""The protocol of evaluation: validation chooses thresholds and recalibration, then both parts are measured alike."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from ecgscale.contracts import METRICS, RELIABILITY
from ecgscale.contracts.labels import LabelSet
from ecgscale.evaluation import calibration
from ecgscale.evaluation.fold import Fold, Judged
from ecgscale.evaluation.thresholds import DEFAULT, at_specificity, tune

SPECIFICITY = 0.95
LEFT_OUT = "source not in training"     # note of metrics on such a source
Tables = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]


def measure(judged: Judged, parts: np.ndarray, label_set: LabelSet, replicates: int, seed: int = 0,
            specificity: float = SPECIFICITY) -> Tables:
    """METRICS, RELIABILITY and RECALIBRATION rows (without run_id) of the parts "valid" and "test".

    Thresholds: 0.5; one a class tuned on validation; and one a class with this `specificity` on validation. Their
    values are rows of metric "threshold", the fitted temperature a row of metric "temperature". The metrics ending
    _temperature and _isotonic are those of recalibrated probabilities; validation itself is not judged by them, because
    they were fitted to it. Without a validation part there is 0.5 only.
    """
    thresholds: dict[str, np.ndarray | float] = {"0.5": DEFAULT}
    valid, test, codes = judged.of(parts == "valid"), judged.of(parts == "test"), label_set.codes
    tables, knots = [], pd.DataFrame({"value": [], "probability": [], "calibrated": []}).astype({"value": str})
    if len(valid.labels):
        thresholds["tuned"] = tune(valid.labels, valid.probabilities, label_set)
        thresholds[f"specificity {specificity:g}"] = at_specificity(valid.labels, valid.probabilities, specificity)
        knots = calibration.isotonic(valid.labels, valid.probabilities, codes)
        temperature = calibration.temperature(valid.labels, valid.probabilities)
        tables.append(chosen_rows(valid, thresholds, temperature, label_set))
        test = replace(test, recalibrated={
            "temperature": calibration.tempered(test.probabilities, temperature),
            "isotonic": calibration.recalibrated(test.probabilities, codes, knots)})
    curves = []
    for part, fold in (("valid", valid), ("test", test)):
        if len(fold.labels):
            tables.append(Fold(fold, label_set, thresholds).table(replicates, seed).assign(part=part))
            curves.append(calibration.reliability(
                fold.labels, fold.probabilities, codes, fold.patients).assign(part=part))
    metrics, reliability = pd.concat(tables, ignore_index=True), pd.concat(curves, ignore_index=True)
    return (metrics[[name for name in METRICS.columns if name != "run_id"]],
            reliability[[name for name in (*RELIABILITY.columns, *RELIABILITY.optional) if name != "run_id"]], knots)


def chosen_rows(valid: Judged, thresholds: dict[str, np.ndarray | float], temperature: float,
                label_set: LabelSet) -> pd.DataFrame:
    """What validation chose, as rows of the metrics table."""
    count = {"part": "valid", "n": len(valid.labels), "note": ""}
    rows = [pd.DataFrame({"threshold": name, "group": "class", "value": label_set.codes, "metric": "threshold",
                          "estimate": chosen, "positives": valid.labels.sum(axis=0), **count})
            for name, chosen in thresholds.items() if np.ndim(chosen)]
    single = {"threshold": "", "group": "all", "value": "", "metric": "temperature", "estimate": temperature}
    return pd.concat([*rows, pd.DataFrame([{**single, **count}])], ignore_index=True)
