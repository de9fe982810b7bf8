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
from ecgscale.contracts.run_table import WHOLE_RUN, hyperparameters
from ecgscale.laws.answer import Answer
from ecgscale.laws.fit import HUBER
from ecgscale.numbers import number

numeric = pd.api.types.is_numeric_dtype

SETTINGS = ("family", "optimizer", "lr", "weight_decay", "batch_size", "window", "recipe", "leads", "loss", "augment",
            "precision", "taught")
COUNTS = ("params", "train_records", "samples_seen")
LOCKSTEP = 0.99         # rank correlation with a size from which a number is no setting of its own
ALONG = 0.3             # correlation of logs from which another size is said to go along with a law's
DIFFER = 0.01           # p value from which families are told apart
FRONTIER, FRONTIER_RUNS = 0.1, 4        # share of the runs that are better than the frontier's law, how many at least
STEPS = 30              # of weights on the way to Huber's line
APART = 0.08            # of log FLOPs, from which two runs are of two slices
SLICES = 3              # of them at least, and runs in each on average
MOMENT = 0.02           # share of the samples by which checkpoints of one moment may differ
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


def moves_apart(frame: pd.DataFrame, name: str, x: tuple[str, ...]) -> bool:
    """Whether a column of numbers is in lockstep with none of the sizes x."""
    return all(abs(stats.spearmanr(frame[name], frame[size], nan_policy="omit").statistic) < LOCKSTEP for size in x)


def observations(frame: pd.DataFrame, x: tuple[str, ...], labels: np.ndarray) -> np.ndarray:
    """(run,) numbers: runs that share one are one observation of a law over the sizes x.

    labels (run,): configurations, which they are, but for a law of one size in a table where another count varies too.
    What the other does to a run it does to all runs of the same sizes, however many settings were tried there.
    """
    counts = [name for name in COUNTS if len(x) == 1 and name in frame and name not in x
              and frame[name].nunique() >= 2 and moves_apart(frame, name, x)]
    if not counts:
        return labels
    place = frame.groupby([*x, *counts], dropna=False).ngroup().to_numpy()
    crossed = pd.Series(place).groupby(labels).nunique().max() > 1      # as of checkpoints of one run
    return labels if crossed else place


def others_beside(frame: pd.DataFrame, x: tuple[str, ...]) -> dict[str, np.ndarray]:
    """(row,) other counts by name that vary beside the sizes of a law of several, in lockstep with none of them: unique
    samples beside parameters and samples seen, where data is repeated."""
    if len(x) < 2:
        return {}
    return {name: frame[name].to_numpy(float) for name in COUNTS if name in frame and name not in x
            and (frame[name] > 0).all() and frame[name].nunique() >= 2 and moves_apart(frame, name, x)}


def slices_of(frame: pd.DataFrame, x: tuple[str, ...]) -> np.ndarray | None:
    """(row,) number of the slice of equal compute that a run of a law of several sizes belongs to; None of tables that
    are not made of such slices."""
    if len(x) != 2:
        return None
    spent = frame["train_flops"].to_numpy(float) if "train_flops" in frame else np.full(len(frame), np.nan)
    log_spent = (np.log(spent) if (spent > 0).all() and np.isfinite(spent).all()
                 else np.log(frame[list(x)].to_numpy(float)).sum(axis=1))
    order, slices = np.argsort(log_spent, kind="stable"), np.empty(len(frame), dtype=int)
    slices[order] = np.concatenate([[0], np.cumsum(np.diff(log_spent[order]) > APART)])
    count = int(slices.max()) + 1
    return slices if SLICES <= count <= len(frame) / SLICES else None


def whole_runs(frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray | None] | None:
    """(row,) name of the run that a row is a checkpoint of, and number of its moment, samples to MOMENT of them, where
    several runs share such moments; None where every row is a run."""
    if WHOLE_RUN not in frame or frame[WHOLE_RUN].is_unique:
        return None
    grew = next((name for name in ("samples_seen", "train_flops", "epochs") if name in frame
                 and (frame[name] > 0).all()), None)
    moments = None if grew is None else np.unique(np.round(np.log(frame[grew].to_numpy(float)) / MOMENT),
                                                  return_inverse=True)[1]
    shared = moments is not None and len(frame) >= 2 * (int(moments.max()) + 1)
    return frame[WHOLE_RUN].to_numpy(str), moments if shared else None


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
