"""Laws source by source and class by class: do models scale alike on every hospital and every diagnosis?

Every run is scored on every source and class, so two groups share their runs and their errors move together. The
difference of two exponents is therefore not taken from two fits: the ratio of two power laws is a power law whose
exponent is the difference, and it is fitted to the ratio of the errors, run by run. Each group is compared with the
geometric mean of all.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ecgscale.contracts import LawFit
from ecgscale.laws.answer import Asking, Question
from ecgscale.laws.columns import Response, response
from ecgscale.laws.fit import fit_law
from ecgscale.laws.profile import profile
from ecgscale.laws.uncertainty import cluster_numbers
from ecgscale.laws.verdict import slope_p
from ecgscale.numbers import percent

KINDS = ("source", "class")
METRIC = "auroc"
FORMS = ("power", "floor")
SIZES = ("params", "train_flops", "train_records")
RUNS = 16               # from which groups are asked for: with fewer, a group's AUROC is mostly its own noise
COMPLETE = 0.8          # share of the runs that must have a group's score, else the group is left out


def group_laws(frame: pd.DataFrame, labels: np.ndarray, scores: pd.DataFrame | None, replicates: int, seed: int,
               ask: Asking) -> tuple[list[LawFit], list[dict[str, Any]], dict[str, str]]:
    """Fits of each source and class, differences of exponents, and what could not be asked, with the reason.

    frame: runs that ended well; labels (run,): configuration of each; scores: METRICS rows of the test part; ask:
    answers to these tasks of `answer`.
    """
    tasks, rows, disabled = [], [], {}
    for kind in KINDS:
        errors, reason = errors_of(frame, scores, kind)
        if reason:
            disabled[f"laws by {kind}"] = reason
            continue
        whole = in_every_run(errors)
        if len(whole) < len(errors):
            lacking = ", ".join(sorted(set(errors) - set(whole)))
            disabled[f"differences of exponents by {kind}: {lacking}"] = "some run has no error above 0 there"
        for size in SIZES:
            x = frame[size].to_numpy(float) if size in frame else np.full(len(frame), np.nan)
            kept = np.flatnonzero(np.isfinite(x) & (x > 0))
            if len(kept) < RUNS or len(np.unique(x[kept])) < 2:
                continue
            clusters = cluster_numbers(len(kept), labels[kept])
            tasks += [task(f"{kind}={value}", size, y, x, labels, replicates, seed, 0.05 / len(errors))
                      for value, y in errors.items()]
            rows += differences(kind, size, x[kept], {value: y[kept] for value, y in whole.items()}, clusters)
    return [fit for one in ask(tasks) for fit in one.fits], rows, disabled


def errors_of(frame: pd.DataFrame, scores: pd.DataFrame | None, kind: str) -> tuple[dict[str, np.ndarray], str]:
    """1 - AUROC (run,) by source or class, NaN where a run has none; or why there is none."""
    if scores is None:
        return {}, "scores.parquet of ecg-collect was not given"
    if len(frame) < RUNS:
        return {}, f"{len(frame)} runs; {RUNS} are needed"
    rows = scores[scores["group"].eq(kind) & scores["metric"].eq(METRIC) & scores["run_id"].isin(frame["run_id"])]
    wide = rows.pivot_table(index="run_id", columns="value", values="estimate").reindex(frame["run_id"])
    errors = {value: response(pd.DataFrame({f"test_{METRIC}": wide[value].to_numpy(float)}), f"test_{METRIC}").y
              for value in wide}
    errors = {value: y for value, y in errors.items() if np.isfinite(y).mean() >= COMPLETE}
    return errors, "" if errors else f"no {kind} has {METRIC} in {percent(COMPLETE)} of the runs"


def in_every_run(errors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The groups with an error in every run that has any: only they are compared, since a group of few cases, with an
    AUROC of 1 in some runs, would otherwise take those runs from all."""
    scored = np.isfinite(list(errors.values())).any(axis=0)
    return {value: y for value, y in errors.items() if np.isfinite(y[scored]).all()}


def task(subset: str, size: str, y: np.ndarray, x: np.ndarray, labels: np.ndarray, replicates: int, seed: int,
         alpha: float) -> tuple:
    """Arguments of `answer`."""
    rows = np.flatnonzero(np.isfinite(y) & np.isfinite(x) & (x > 0))
    question = Question(subset, (size,), Response(f"1 - test_{METRIC}", y, 0.5), rows)
    return question, [x[rows]], labels[rows], replicates, seed, alpha, FORMS


def differences(kind: str, size: str, x: np.ndarray, errors: dict[str, np.ndarray],
                clusters: np.ndarray) -> list[dict[str, Any]]:
    """Exponent of each group less that of the groups' geometric mean, 90 % interval. `differs` allows for the number
    of groups asked (Bonferroni)."""
    logs = {value: np.log(y) for value, y in errors.items()}
    common = np.isfinite(list(logs.values())).all(axis=0)
    if len(errors) < 2 or common.sum() < RUNS:
        return []
    mean = np.mean(list(logs.values()), axis=0)
    rows = []
    for value, log_y in logs.items():
        ratio = (log_y - mean)[common]
        fit = fit_law("power", x[common], y=np.exp(ratio), polish=False)
        within = cluster_numbers(len(ratio), clusters[common])
        made = profile(fit, clusters=within)
        if made is not None:
            low, high = made.parameters()["c"]
            p = slope_p(np.log(x[common])[None], ratio, within)
            rows.append({"law": "power", "x": [size], "y": f"1 - test_{METRIC}", "exponent": "c",
                         "groups": [f"{kind}={value}", f"mean of {len(logs)} {kind} values"],
                         "estimate": fit.values["c"], "low": low, "high": high, "differs": bool(p < 0.1 / len(logs))})
    return rows
