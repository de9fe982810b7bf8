"""Run tables as the laws read them: ours or a foreign CSV, sizes to scale in, and error-like responses y > 0.

A score that is bounded above by 1 becomes an error, 1 - score: it is positive, it falls as models get better, and its
power laws are those of error rates. Its value at random guessing, where known, is the ceiling of the bounded laws.
`transform="odds"` takes (1 - score) / score instead, the logit's exponential, for scores that come near 0 as well.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ecgscale.contracts import RUNS
from ecgscale.errors import UserError

SIZES = ("params", "forward_flops", "train_flops", "train_records", "samples_seen", "latency_ms")
GROUPS = ("optimizer", "family")
LOSSES = ("test_loss", "valid_loss")
ALIASES = {     # other people's names -> ours
    "n": "params", "parameters": "params", "n_params": "params", "num_params": "params", "model_size": "params",
    "flops": "forward_flops", "inference_flops": "forward_flops",
    "compute": "train_flops", "training_flops": "train_flops", "c": "train_flops",
    "train_size": "train_records", "dataset_size": "train_records", "unique_samples": "train_records",
    "d": "train_records", "n_train": "train_records",
    "seen_examples": "samples_seen", "examples_seen": "samples_seen", "samples": "samples_seen",
    "tokens": "samples_seen", "t": "samples_seen", "latency": "latency_ms",
}
SCORES = re.compile(r"(score|accuracy|acc|auroc|auc|auprc|f1|top_?1|top_?5)$")
ERRORS = re.compile(r"(loss|error|err|error_rate|perplexity)$")
GUESSING = {"challenge_score": 0.0, "auroc": 0.5}      # scores of a model that knows nothing


@dataclass(frozen=True)
class Response:
    """What is to be explained: y (row,) with NaN where a row has none, and y at random guessing where known."""

    name: str
    y: np.ndarray
    ceiling: float | None = None


def read_runs(path: Path | str) -> pd.DataFrame:
    """A RUNS table, or any CSV with a score or loss and a size. Raises UserError with line and field."""
    path = Path(path)
    if path.suffix == ".parquet":
        return RUNS.read(path)
    return RUNS.read(path) if RUNS.recognises(path) else read_foreign(path)


def read_foreign(path: Path) -> pd.DataFrame:
    """A CSV of others: names brought to ours, numbers checked, run_id added where there is none."""
    try:
        frame = pd.read_csv(path, comment="#", encoding="utf-8-sig", skip_blank_lines=False).dropna(how="all")
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise UserError(f"not a readable CSV ({str(error).splitlines()[0]})", file=path) from None
    plain = {name: re.sub(r"[^a-z0-9]+", "_", str(name).strip().lower()).strip("_") for name in frame}
    frame = frame.rename(columns={name: ALIASES.get(short, short) for name, short in plain.items()})
    if frame.columns.has_duplicates:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise UserError("two columns mean the same", file=path, line=1, field=twice, remedy="Keep one of them")
    numeric = [name for name in frame if name in SIZES or SCORES.search(name) or ERRORS.search(name)]
    for name in numeric:
        numbers = pd.to_numeric(frame[name], errors="coerce")
        wrong = frame.index[numbers.isna() & frame[name].notna()]
        if len(wrong):
            raise UserError(f"{frame[name][wrong[0]]!r} is not a number", file=path, line=int(wrong[0]) + 2, field=name)
        frame[name] = numbers.astype(float)
    if "run_id" not in frame:
        frame.insert(0, "run_id", [f"row-{index + 2}" for index in frame.index])
    sizes = [name for name in SIZES if name in frame]
    if not sizes or len(numeric) == len(sizes):
        missing = "size" if not sizes else "score or loss"
        raise UserError(f"no column is a {missing} that is known here", file=path, line=1,
                        remedy=f"Name a size ({', '.join(SIZES[:5])}) and a score or loss (..._score, accuracy, loss);"
                               " a bare learning curve goes to ecg-extrapolate")
    return frame.assign(run_id=frame["run_id"].astype(str)).reset_index(drop=True)


def responses(frame: pd.DataFrame, target: str, transform: str = "error") -> list[Response]:
    """The target's error and the first loss there is; in a foreign table every score and loss."""
    named = [name for name in (target, *LOSSES[:1]) if name in frame]
    if LOSSES[0] not in frame and LOSSES[1] in frame:
        named.append(LOSSES[1])
    if not named:
        named = [name for name in frame if SCORES.search(name) or ERRORS.search(name)]
    found = [response(frame, name, transform) for name in named]
    return [one for one in found if np.isfinite(one.y).any()]


def response(frame: pd.DataFrame, name: str, transform: str = "error") -> Response:
    """One column as something positive that falls. A value without a logarithm becomes NaN."""
    values = frame[name].to_numpy(float)
    if ERRORS.search(name):
        return Response(name, np.where(values > 0, values, np.nan))
    guess = next((value for ending, value in GUESSING.items() if name.endswith(ending)), None)
    error = np.where(values < 1, 1 - values, np.nan)
    if transform == "odds":
        odds = np.where(values > 0, error / np.where(values > 0, values, 1.0), np.nan)
        return Response(f"(1 - {name}) / {name}", odds, None if not guess else (1 - guess) / guess)
    return Response(f"1 - {name}", error, None if guess is None else 1 - guess)


def with_latency(frame: pd.DataFrame, latency: pd.DataFrame | None) -> pd.DataFrame:
    """The table with `latency_ms`: median latency of one window, of the setting that measured the most runs."""
    if latency is None or "latency_ms" in frame:
        return frame
    kept = latency[latency["status"].eq("ok") & latency["scenario"].eq("single") & latency["p50_ms"].notna()]
    if kept.empty:
        return frame
    setting = ["machine", "runtime", "device", "option", "threads"]
    counts = kept.groupby(setting, dropna=False)["run_id"].nunique()
    best = counts.index[counts.argmax()]
    same = np.logical_and.reduce([kept[name].eq(value) | (kept[name].isna() & pd.isna(value))
                                  for name, value in zip(setting, best, strict=True)])
    return frame.assign(latency_ms=frame["run_id"].map(kept[same].groupby("run_id")["p50_ms"].median()))
