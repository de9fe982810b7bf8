"""The study's findings, asked of any run table: each holds, does not hold, or cannot be told from these runs.

A finding holds when its 95 % bootstrap interval (or probability) is on its side, does not hold when it is on the other,
and cannot be told otherwise. Effects of single hyperparameters are partial rank correlations with the score, given all
other hyperparameters: the study's plain ones mix, for example, w_m with the number of stages that it determines.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import rankdata

SURE = 0.95
FEWEST = 20  # runs in a group; with fewer, its front or an effect in it is that of the sample, not of the optimizer
HOLDS, FAILS, OPEN = "holds", "does not hold", "cannot be told"
SLOW = ("optimizer=sgd", "optimizer=sgdm")
NAMES = {"optimizer=adamw": "AdamW", "optimizer=sgdm": "SGD-momentum", "optimizer=sgd": "SGD"}


def claims(X: pd.DataFrame, truth: np.ndarray, group: np.ndarray, importance: pd.DataFrame, results: list[dict],
           weights: np.ndarray) -> list[dict]:
    """The study's findings on hyperparameters. `weights` (draw, run): bootstrap counts, the first draw all ones."""
    made = [predictable(results)]
    made += [stages_first(importance, name) for name in sorted(set(group))]
    effects = {(name, feature): effect(X, truth, group == name, feature, weights)
               for name in NAMES for feature in ("w_m", "depth")}
    for other in SLOW:
        made.append(claim(
            f"AdamW gains more from a large w_m than {NAMES[other]} does", "AdamW is needed to use large w_m",
            difference(effects["optimizer=adamw", "w_m"], effects[other, "w_m"]),
            "difference of partial rank correlations"))
        made.append(claim(
            f"{NAMES[other]} does badly with a large depth", "SGD and SGD-momentum do badly at large depth",
            negated(effects[other, "depth"]), "partial rank correlation with falling depth"))
    return made


def few_runs(runs: int) -> dict:
    """What stands in place of the findings on hyperparameters when the table is too small for them."""
    return entry("The findings on hyperparameters", OPEN, f"{runs} runs are too few",
                 "stages first; w_m for AdamW; depth against SGD; r = 0.94")


def claim(text: str, published: str, draws: np.ndarray | None, measure: str) -> dict:
    """`draws`: first the estimate, then bootstrap draws of something that is positive where the claim is true."""
    if draws is None or not np.isfinite(draws).all():
        return entry(text, OPEN, "these runs do not hold what it takes", published)
    low, high = np.percentile(draws[1:], [2.5, 97.5])
    verdict = HOLDS if low > 0 else FAILS if high < 0 else OPEN
    return entry(text, verdict, f"{measure} {draws[0]:+.2f} [{low:+.2f}, {high:+.2f}]", published)


def entry(text: str, verdict: str, evidence: str, published: str) -> dict:
    return {"claim": text, "verdict": verdict, "evidence": evidence, "published": published}


def predictable(results: list[dict]) -> dict:
    """Whether hyperparameters tell more than the group's mean, on architectures that were not fitted to."""
    text, published = "Hyperparameters predict the score better than each optimizer's mean does", \
        "mean r = 0.94 over three folds, pooled over optimizers"
    found = {one["statistic"]: one for one in results if one["group"] == "all" and one["model"] == "random forest"
             and one["scheme"] == "grouped 3-fold"}
    ratio = found.get("rmse_over_group_mean")
    if not ratio or ratio["low"] is None:
        return entry(text, OPEN, "no predictor was fitted", published)
    verdict = HOLDS if ratio["high"] < 1 else FAILS if ratio["low"] > 1 else OPEN
    return entry(text, verdict, f"error {ratio['estimate']:.2f} [{ratio['low']:.2f}, {ratio['high']:.2f}] of the "
                 f"mean's; pooled r {found['pearson']['estimate']:.2f}", published)


def stages_first(importance: pd.DataFrame, group: str) -> dict:
    """Whether the number of stages has the largest permutation importance in a group."""
    text = f"The number of stages matters most ({NAMES.get(group, group)})"
    published = "stages matter most for every optimizer (Gini importance)"
    rows = importance[importance["group"].eq(group) & importance["model"].eq("random forest")
                      & importance["measure"].eq("permutation")].set_index("feature")
    if "stages" not in rows.index:
        return entry(text, OPEN, "the number of stages does not vary, or there are too few runs", published)
    sure = rows[rows["low"].gt(0) & rows["first"].ge(SURE)]
    verdict = OPEN if sure.empty else HOLDS if sure.index[0] == "stages" else FAILS
    leader = rows.loc[rows["estimate"].idxmax()]
    share = rows.loc["stages", "first"]
    return entry(text, verdict, f"first in {share:.0%} of bootstrap draws; largest is {leader.name}, "
                 f"loss of R² {leader['estimate']:.2f} [{leader['low']:.2f}, {leader['high']:.2f}]", published)


def effect(X: pd.DataFrame, truth: np.ndarray, chosen: np.ndarray, feature: str,
           weights: np.ndarray) -> np.ndarray | None:
    """(draw,) partial rank correlation of a feature with the score within the chosen runs; None where it cannot be."""
    part = X[chosen]
    part = part.loc[:, (part != part.iloc[:1].to_numpy()).any()] if len(part) else part
    if feature not in part or len(part) < max(FEWEST, part.shape[1] + 4):
        return None
    others = part.drop(columns=feature)
    return partial_rank_correlation(part[feature].to_numpy(), truth[chosen], others.to_numpy(), weights[:, chosen])


def partial_rank_correlation(x: np.ndarray, y: np.ndarray, others: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(draw,) correlation of the ranks of x and y, given those of the others, from the inverse of their covariance."""
    ranks = np.column_stack([rankdata(column) for column in (x, y, *others.T)])
    ranks = (ranks - ranks.mean(axis=0)) / ranks.std(axis=0)
    share = weights / np.maximum(weights.sum(axis=1, keepdims=True), 1)
    mean = share @ ranks
    covariance = np.einsum("bn,np,nq->bpq", share, ranks, ranks, optimize=True) - mean[:, :, None] * mean[:, None, :]
    precision = np.linalg.pinv(covariance, rcond=1e-8, hermitian=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return -precision[:, 0, 1] / np.sqrt(precision[:, 0, 0] * precision[:, 1, 1])


def difference(first: np.ndarray | None, second: np.ndarray | None) -> np.ndarray | None:
    return None if first is None or second is None else first - second


def negated(draws: np.ndarray | None) -> np.ndarray | None:
    return None if draws is None else -draws


def front_order(frontier: pd.DataFrame) -> dict:
    """Whether the fronts of score against forward FLOPs stand in the published order, by hypervolume."""
    text, published = "The fronts stand in the order AdamW > SGD-momentum > SGD", \
        "AdamW > SGD-momentum > SGD, all at one range of learning rates"
    rows = frontier[frontier["axes"].eq("score~forward_flops") & frontier["group"].isin(list(NAMES))]
    if "hypervolume" not in rows or rows["group"].nunique() < len(NAMES) or rows["hypervolume_low"].isna().any():
        return entry(text, OPEN, "it takes fronts of the three optimizers, with intervals", published)
    fewest = rows.groupby("group").size().min()
    if fewest < FEWEST:
        return entry(text, OPEN, f"{fewest} configurations of an optimizer are too few, {FEWEST} would do", published)
    volumes = rows.drop_duplicates("group").set_index("group")
    pairs = [("optimizer=adamw", "optimizer=sgdm"), ("optimizer=sgdm", "optimizer=sgd")]
    above = [volumes.loc[a, "hypervolume_low"] > volumes.loc[b, "hypervolume_high"] for a, b in pairs]
    below = [volumes.loc[a, "hypervolume_high"] < volumes.loc[b, "hypervolume_low"] for a, b in pairs]
    verdict = HOLDS if all(above) else FAILS if any(below) else OPEN
    evidence = ", ".join(f"{NAMES[row.Index]} {row.hypervolume:.2f} [{row.hypervolume_low:.2f}, "
                         f"{row.hypervolume_high:.2f}]" for row in volumes.loc[list(NAMES)].itertuples())
    return entry(text, verdict, f"hypervolume {evidence}", published)
