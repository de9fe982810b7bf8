"""All laws on a whole run table: every size, every response, all runs and each optimizer and family."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ecgscale.analysis.runtable import configurations
from ecgscale.contracts import LawFit, Laws, digest
from ecgscale.laws.allocation import allocate
from ecgscale.laws.columns import GROUPS, SIZES, Response, responses
from ecgscale.laws.differences import COMPARED, exponent_differences
from ecgscale.laws.fit import Fit, diagnostics, finite, fit_law, information_weights, with_huber
from ecgscale.laws.forms import CURVES, LAWS, Law
from ecgscale.laws.heldout import held_out_errors
from ecgscale.laws.profile import profile_intervals
from ecgscale.laws.uncertainty import LEVEL, Bootstrap, bootstrap, cluster_numbers
from ecgscale.laws.verdict import slope_p, why_not
from ecgscale.provenance import versions

ALLOCATION = "compute-optimal allocation"
ALLOCATING = {("params", "samples_seen"): "joint", ("params", "train_records", "samples_seen"): "multi_epoch"}
TUNED_BINS, TUNED_RUNS, LEAST_BINS = 12, 4, 8       # bins at most, runs in each at least, bins at least
AHEAD = (1.0, 2.0, 4.0, 10.0)       # sizes at which the average predicts, in units of the largest size
LEAST = 6                           # runs below which nothing is fitted


@dataclass(frozen=True)
class Question:
    """One subset of runs, one response, and the sizes that may explain it."""

    subset: str
    x: tuple[str, ...]
    response: Response
    rows: np.ndarray             # (run,) positions in the table


@dataclass(frozen=True)
class Answer:
    """What was fitted to a question, as the contract has it and as it can be computed with, by law."""

    question: Question
    fits: list[LawFit]
    boots: dict[str, Bootstrap]

    def identified(self, law: str) -> bool:
        return any(fit.law == law and fit.verdict == "identified" for fit in self.fits)


def fit_run_table(frame: pd.DataFrame, *, target: str = "test_challenge_score", replicates: int = 300, seed: int = 1,
                  cpus: int = 1) -> Laws:
    """Every law that the table's columns allow, with intervals and verdicts; `disabled` names what they do not.

    Raises nothing for a poor table: it says so in verdicts.
    """
    asked, disabled = list(questions(frame, target)), missing(frame, target)
    labels = configurations(frame)
    alpha = 0.05 / max(1, len(asked))
    with ThreadPoolExecutor(max(1, cpus)) as pool:
        answers = list(pool.map(lambda item: answer(frame, item[1], labels, replicates, seed + item[0], alpha),
                                enumerate(asked)))
    allocation, reasons = allocations(frame, answers)
    return Laws(table_digest=table_digest(frame), synthetic=is_synthetic(frame), runs=len(frame),
                fits=tuple(fit for one in answers for fit in one.fits), disabled=disabled | reasons,
                allocation=allocation, differences=differences(answers), versions=versions())


def differences(answers: list[Answer]) -> list[dict[str, Any]]:
    """Differences of exponents between the subsets of each response, sizes and law."""
    grouped: dict[tuple, dict[str, Bootstrap]] = {}
    for one in answers:
        for law, boot in one.boots.items():
            if law in COMPARED and "=" in one.question.subset:
                key = (law, one.question.x, one.question.response.name)
                grouped.setdefault(key, {})[one.question.subset] = boot
    return [row for (_, x, y), boots in grouped.items() for row in exponent_differences(boots, x, y)]


def allocations(frame: pd.DataFrame, answers: list[Answer]) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Compute-optimal rows for the laws that are identified, and why there are none."""
    lacking = [name for name in ("params", "samples_seen", "train_flops") if name not in frame]
    if lacking:
        return [], {ALLOCATION: f"column {lacking[0]!r} is missing"}
    rows, reason = [], "too few runs for a law of model size and samples"
    by_law: dict[tuple[str, str], dict[str, Answer]] = {}
    for one in answers:
        law = ALLOCATING.get(one.question.x)
        if law in one.boots and "tuned" not in one.question.subset and not one.question.subset.startswith("family"):
            by_law.setdefault((law, one.question.response.name), {})[one.question.subset] = one
    for (law, response), found in by_law.items():
        boots = {subset: one.boots[law] for subset, one in found.items() if one.identified(law)}
        if boots:
            runs = frame.iloc[np.unique(np.concatenate([found[subset].question.rows for subset in boots]))]
            rows += [{"y_column": response, **row} for row in allocate(boots, runs)]
        else:
            reason = f"no law of model size and samples is identifiable ({next(iter(found.values())).fits[0].reason})"
    return rows, {} if rows else {ALLOCATION: reason}


def usable(frame: pd.DataFrame) -> np.ndarray:
    """(row,) runs that ended well."""
    return frame["status"].eq("finished").to_numpy() if "status" in frame else np.ones(len(frame), dtype=bool)


def is_synthetic(frame: pd.DataFrame) -> bool:
    return bool(frame["synthetic"].fillna(False).any()) if "synthetic" in frame else False


def table_digest(frame: pd.DataFrame) -> str:
    """Of what the laws read, whatever the order of rows and columns."""
    names = sorted(name for name in frame if name in SIZES or name in GROUPS or name.startswith(("test_", "valid_")))
    rows = frame.sort_values("run_id")[["run_id", *names]].astype(str).fillna("").to_numpy().tolist()
    return digest([names, rows])


def subsets(frame: pd.DataFrame, rows: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    yield "all", rows
    for column in GROUPS:
        groups = frame.iloc[rows].groupby(column).indices if column in frame else {}
        if len(groups) > 1:
            yield from ((f"{column}={value}", rows[positions]) for value, positions in groups.items())


def tuned(size: np.ndarray, y: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The best run in each of up to 12 bins of equally many runs by size: laws may show only at tuned settings.

    Bins of equal count, because the best of many beats the best of few. Too few runs for 8 bins of 4: none.
    """
    bins = min(TUNED_BINS, len(rows) // TUNED_RUNS)
    if bins < LEAST_BINS:
        return rows[:0]
    order = rows[np.argsort(size[rows], kind="stable")]
    return np.array([part[np.argmin(y[part])] for part in np.array_split(order, bins)])


def questions(frame: pd.DataFrame, target: str) -> Iterator[Question]:
    ended = usable(frame)
    for response in responses(frame, target):
        for x in (*((size,) for size in SIZES), *ALLOCATING):
            if not set(x) <= set(frame):
                continue
            sizes = frame[list(x)].to_numpy(float)
            rows = np.flatnonzero(ended & np.isfinite(response.y) & (np.isfinite(sizes) & (sizes > 0)).all(axis=1))
            for subset, chosen in subsets(frame, rows):
                if len(chosen) < LEAST or any(len(np.unique(size[chosen])) < 2 for size in sizes.T):
                    continue
                yield Question(subset, x, response, chosen)
                best = tuned(sizes[:, 0], response.y, chosen) if len(x) == 1 else chosen[:0]
                if len(best) and not subset.startswith("family"):
                    yield Question("tuned" if subset == "all" else f"{subset}, tuned", x, response, best)


def missing(frame: pd.DataFrame, target: str) -> dict[str, str]:
    """Analyses that the table does not allow, by name, with the reason."""
    out = {f"laws in {size}": f"column {size!r} is missing" for size in SIZES if size not in frame}
    ended = usable(frame)
    for size in SIZES:
        if size in frame and frame.loc[ended, size].dropna().nunique() < 2:
            out[f"laws in {size}"] = f"column {size!r} has fewer than two values"
    if not responses(frame, target):
        out["laws"] = f"neither {target!r} nor a loss is in the table"
    elif target not in frame:
        out[f"laws of {target}"] = f"column {target!r} is missing"
    for x in ALLOCATING:
        lacking = [name for name in x if name not in frame]
        if lacking:
            out[f"law of {', '.join(x)}"] = f"column {lacking[0]!r} is missing"
    out |= {f"laws by {group}": f"column {group!r} is missing" for group in GROUPS if group not in frame}
    return out


def answer(frame: pd.DataFrame, question: Question, labels: np.ndarray, replicates: int, seed: int,
           alpha: float) -> Answer:
    """Every law of one question, each with intervals and verdict, and for a single size the average of them."""
    sizes = [frame[name].to_numpy(float)[question.rows] for name in question.x]
    y = question.response.y[question.rows]
    clusters = labels[question.rows]
    laws = CURVES if len(sizes) == 1 else (ALLOCATING[question.x],)
    names = [name for name in laws if len(LAWS[name].parameters) + 3 <= len(y)]
    given = {name: known(LAWS[name], question.response, y) for name in names}
    fits = {name: fit_law(name, *sizes, y=y, given=given[name]) for name in names}
    plain = fit_law("constant", sizes[0], y=y)
    weights = dict(zip(fits, information_weights([*fits.values(), plain])[:-1], strict=True))
    effect = slope_p(np.log(sizes), np.log(y), cluster_numbers(len(y), clusters))
    boots = {name: bootstrap(fits[name], replicates, seed, clusters) for name in names}
    errors = held_out_errors(names, sizes, y)
    out = [describe(question, fits[name], boots[name], weights[name], max(weights.values()), effect, alpha,
                    errors.get(name))
           for name in names]
    if len(sizes) == 1 and names:
        out.append(average(question, boots, weights, sizes, errors))
    return Answer(question, out, boots)


def known(law: Law, response: Response, y: np.ndarray) -> dict[str, float]:
    """The ceiling at random guessing, where the response has one and no run lies above it."""
    has = "L0" in law.names and response.ceiling is not None and y.max() < response.ceiling
    return {"L0": response.ceiling} if has else {}


def described(question: Question, **values: Any) -> LawFit:
    return LawFit(subset=question.subset, x=question.x, y=question.response.name, points=len(question.rows),
                  level=LEVEL, **values)


def describe(question: Question, fit: Fit, boot: Bootstrap, weight: float, best: float, effect: float,
             alpha: float, held_out: dict | None) -> LawFit:
    """One law as the contract has it. An exponent that the data do not tell is null; its interval stays."""
    reason = why_not(fit, boot, effect, alpha, weight / best if best > 0 else 1.0)
    names = fit.law.names
    hidden = set(fit.law.exponents) if reason else set()
    spread = np.sqrt(np.diag(natural_covariance(fit)))
    huber = with_huber(fit)
    return described(
        question, law=fit.law.name, formula=fit.law.formula,
        verdict="not identifiable" if reason else "identified", reason=reason,
        estimates={name: None if name in hidden else finite(fit.values[name]) for name in names},
        errors=dict(zip(names, map(finite, spread), strict=True)),
        intervals={name: (finite(low), finite(high)) for name, (low, high) in boot.parameters().items()},
        covariance=[[finite(value) for value in row] for row in natural_covariance(fit)],
        statistics=diagnostics(fit) | {
            "aicc": finite(fit.aicc), "weight": float(weight), "effect_p": effect, "effect_p_needed": alpha,
            "runs": boot.count, "huber": {name: huber.values[name] for name in fit.law.exponents},
            "at_bound": [name for name, at in zip(names, fit.at_bound, strict=True) if at],
            "source": fit.law.source, "x_low": [float(np.exp(size.min())) for size in fit.log_x],
            "x_high": [float(np.exp(size.max())) for size in fit.log_x], "held_out": held_out,
            "profile": {name: [finite(low), finite(high)] for name, (low, high) in profile_intervals(fit).items()},
        })


def natural_covariance(fit: Fit) -> np.ndarray:
    """Covariance of the natural values, to first order."""
    logs = np.array([parameter.log for parameter in fit.law.parameters])
    rate = np.where(logs, fit.law.natural(fit.theta), 1.0)
    return fit.covariance * rate * rate[:, None]


def average(question: Question, boots: dict[str, Bootstrap], weights: dict[str, float], sizes: list[np.ndarray],
            errors: dict[str, dict]) -> LawFit:
    """Prediction averaged over forms by information weight, in logs, with the spread between forms in its interval."""
    at = np.max(sizes[0]) * np.array(AHEAD)
    names = list(boots)
    share = np.array([weights[name] for name in names])
    share = share / share.sum() if share.sum() > 0 else np.full(len(names), 1 / len(names))
    curves = np.array([boot.fit.law.log_curve(boot.fit.theta, np.log(at)[None])[0] for boot in boots.values()])
    center = share @ curves
    tails = {}
    for kind in ("curve", "run"):
        draws = [boot.log_curves(at) if kind == "curve" else boot.new_runs(at) for boot in boots.values()]
        tails[kind] = np.array([boot.interval(draw) for boot, draw in zip(boots.values(), draws, strict=True)])
    predictions = []
    for i, place in enumerate(at):
        row = {"x": float(place), "y": float(np.exp(center[i]))}
        for kind, bounds in tails.items():
            low, high = mixed(curves[:, i], bounds[:, 0, i], bounds[:, 1, i], share)
            row |= {f"{kind}_low": finite(np.exp(low)), f"{kind}_high": finite(np.exp(high))}
        predictions.append(row)
    return described(question, law="average", formula="weighted geometric mean of the laws", verdict="identified",
                     estimates={}, statistics={"weights": dict(zip(names, share.tolist(), strict=True)),
                                               "predictions": predictions, "held_out": errors.get("average")})


def mixed(center: np.ndarray, low: np.ndarray, high: np.ndarray, share: np.ndarray) -> tuple[float, float]:
    """Interval of an average: each form's half widths and its distance from the average, both weighted (Buckland,
    Burnham and Augustin 1997, doi:10.2307/2533961)."""
    middle = float(share @ center)
    down = share @ np.hypot(np.where(share > 0, center - low, 0.0), center - middle)
    up = share @ np.hypot(np.where(share > 0, high - center, 0.0), center - middle)
    return middle - float(down), middle + float(up)
