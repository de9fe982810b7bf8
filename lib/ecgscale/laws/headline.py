"""Which law of a response over a size comes first: the frontier's where settings vary, by family where those differ.

A law over all runs of a table of good and bad settings is a law of the settings as well. The frontier, a tenth of the
runs being better at any size, is what a reader asks for; where nothing but the size varies there is no other frontier
than the runs themselves.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from ecgscale.contracts import LawFit
from ecgscale.contracts.run_table import COUNTS, hyperparameters
from ecgscale.laws.answer import Answer
from ecgscale.laws.fit import HUBER
from ecgscale.laws.layout import LOCKSTEP, moves_apart
from ecgscale.numbers import number

numeric = pd.api.types.is_numeric_dtype

SETTINGS = ("family", "optimizer", "lr", "weight_decay", "batch_size", "window", "recipe", "leads", "loss", "augment",
            "precision", "taught")
ALONG = 0.3             # correlation of logs from which another size is said to go along with a law's
DIFFER = 0.01           # p value from which families are told apart
FRONTIER, FRONTIER_RUNS = 0.1, 4        # share of the runs that are better than the frontier's law, how many at least
STEPS = 30              # of weights on the way to Huber's line
LEAST = 20              # runs from which a frontier is asked for


def frontier_of(subset: str) -> str:
    """The name of the frontier of a subset."""
    return "frontier" if subset == "all" else f"{subset}, frontier"


def frontier_share(frame: pd.DataFrame, x: tuple[str, ...]) -> float | None:
    """The share of the runs (the rows of `frame`) that are better than the law of the frontier over the sizes x: a
    tenth, or four of few; None of fewer, or where no setting varies at a size.

    A quantile is not a minimum: it does not fall with the number of runs, so nothing is won by selection.
    """
    return max(FRONTIER, FRONTIER_RUNS / len(frame)) if len(frame) >= LEAST and settings_vary(frame, x) else None


def settings_vary(frame: pd.DataFrame, x: tuple[str, ...]) -> bool:
    """Whether anything that defines a run moves otherwise than its size does, other counts of it among them."""
    others = [name for name in COUNTS if name not in x] if len(x) == 1 else []
    for name in (*SETTINGS, *others, *hyperparameters(frame)):
        if name not in frame or frame[name].nunique() < 2 or (name == "loss" and numeric(frame[name])):
            continue                        # numbers called loss are what is explained, not what was trained with
        if not numeric(frame[name]):
            return True
        if moves_apart(frame, name, x):
            return True
    return False


def families_differ(families: np.ndarray, log_x: np.ndarray, log_y: np.ndarray) -> float:
    """p value of "one straight line in logs holds for every family": F test of levels and slopes of their own, of runs
    that pull no more than Huber's loss lets them: a few that diverged would hide what sets families apart."""
    names, number = np.unique(families.astype(str), return_inverse=True)
    shared = np.vstack([np.ones_like(log_y), log_x - log_x.mean(axis=1, keepdims=True)])
    own = np.vstack([shared * (number == i) for i in range(len(names))])
    rank = np.linalg.matrix_rank(own)
    freedom, more = len(log_y) - rank, rank - np.linalg.matrix_rank(shared)
    if len(names) < 2 or freedom < 1 or more < 1:
        return 1.0
    log_y = held_back(shared, log_y)
    costs = [float(np.sum((log_y - np.linalg.lstsq(design.T, log_y, rcond=None)[0] @ design) ** 2))
             for design in (shared, own)]
    return float(stats.f.sf((costs[0] - costs[1]) / more / max(costs[1] / freedom, 1e-300), more, freedom))


def held_back(design: np.ndarray, log_y: np.ndarray) -> np.ndarray:
    """log y (point,) whose distances from a line (design: column, point) end at Huber's threshold (Huber 1981, section
    7.10: pseudo-values)."""
    weights = np.ones_like(log_y)
    for _ in range(STEPS):
        root = np.sqrt(weights)
        line = np.linalg.lstsq((design * root).T, log_y * root, rcond=None)[0] @ design
        apart = log_y - line
        most = HUBER * max(1.4826 * float(np.median(np.abs(apart))), 1e-12)
        weights = np.minimum(1.0, most / np.maximum(np.abs(apart), 1e-300))
    return line + np.clip(apart, -most, most)


def with_headlines(answers: list[Answer], frame: pd.DataFrame) -> list[LawFit]:
    """All fits in the order of the answers; `headline` in the statistics of one law a response and size, or of one a
    family where those differ, which is said of the law that pools them (`pooled`)."""
    groups: dict[tuple, dict[str, Answer]] = {}
    for one in answers:
        groups.setdefault((one.question.response.name, one.question.x), {})[one.question.subset] = one
    said: dict[tuple, dict] = {}
    for key, found in groups.items():
        pooled = found.get("frontier") or found.get("all")
        if pooled is None:
            continue
        p = 1.0
        if "family" in frame:
            rows = pooled.question.rows
            log_x = np.log(frame.iloc[rows][list(key[1])].to_numpy(float).T)
            p = families_differ(frame["family"].to_numpy()[rows], log_x, np.log(pooled.question.response.y[rows]))
        apart = [one for subset, one in found.items() if subset.startswith("family=")
                 and (one.question.quantile is not None or frontier_of(subset) not in found)]
        heads = apart if p < DIFFER and apart else [pooled]
        for one in heads:
            said[(*key, one.question.subset)] = {"headline": True}
        if heads is apart:
            said[(*key, pooled.question.subset)] = {"pooled": f"families differ (p = {number(p, 2)})"}
    for one in answers:
        if along := goes_along(frame.iloc[one.question.rows], one.question.x):
            key = (one.question.response.name, one.question.x, one.question.subset)
            said[key] = said.get(key, {}) | {"goes_along": along}
    return [fit for one in answers for fit in marked(one, said)]


def goes_along(frame: pd.DataFrame, x: tuple[str, ...]) -> dict[str, float]:
    """Other sizes that vary with the one of a law, though not in step with it -> correlation of logs. What they do to
    the response is in the law's exponent too: over tokens seen, where only small models saw many, it is too small."""
    if len(x) > 1 or x[0] not in COUNTS:
        return {}
    found = {}
    for name in COUNTS:
        logs = np.log(frame[[x[0], name]].astype(float)).replace(-np.inf, np.nan).dropna() if (
            name != x[0] and name in frame) else pd.DataFrame()
        if len(logs) > 2 and np.ptp(logs, axis=0).min() > np.log(2):
            r = float(np.corrcoef(logs.to_numpy().T)[0, 1])
            found |= {name: r} if ALONG <= abs(r) < LOCKSTEP else {}
    return found


def marked(one: Answer, said: dict[tuple, dict]) -> list[LawFit]:
    """The answer's fits, what is said of it in the statistics of the preferred one."""
    what = said.get((one.question.response.name, one.question.x, one.question.subset))
    laws = [fit for fit in one.fits if fit.law != "average"]
    if what is None or not laws:
        return one.fits
    best = max(laws, key=lambda fit: (fit.verdict == "identified", fit.statistics.get("weight") or 0))
    return [fit.model_copy(update={"statistics": fit.statistics | what}) if fit is best else fit for fit in one.fits]
