"""How the scores of a group of models are distributed: which share of a design space is good.

The RegNet papers compare design spaces by the empirical distribution function of their models' errors, not by their
best model (Radosavovic et al. 2019, arXiv:1905.13214, section 3; 2020, arXiv:2003.13678, equation 1). Here it is
the share of models with at least a given score; the models of a group are a sample of its design space, so shares
have intervals.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from ecgscale.analysis.frontier import configuration_points
from ecgscale.contracts.run_table import finished
from ecgscale.evaluation.shares import wilson

GOOD = 0.9  # of the table's best score: what counts as a good model


def groups(runs: pd.DataFrame, target: str) -> dict[str, np.ndarray]:
    """Scores of the configurations of each family and optimizer, sorted; a name as "family=regnet,optimizer=adamw"."""
    ended = finished(runs, target)
    if ended.empty:
        return {}
    points = configuration_points(ended, target)
    keys = [name for name in ("family", "optimizer") if name in points]
    if not keys:
        return {"all": np.sort(points["y"].to_numpy())}
    return {",".join(f"{name}={value}" for name, value in zip(keys, np.atleast_1d(key), strict=True)):
            np.sort(part["y"].to_numpy()) for key, part in points.groupby(keys)}


def share_at_least(scores: np.ndarray, threshold: np.ndarray | float) -> np.ndarray:
    """Share of the (sorted) scores that reach each threshold: 1 - EDF just below it."""
    return 1 - np.searchsorted(scores, threshold, side="left") / len(scores)


def band(count: int, level: float = 0.95) -> float:
    """Half width of the band that holds a whole distribution function (Dvoretzky-Kiefer-Wolfowitz, Massart 1990)."""
    return float(np.sqrt(np.log(2 / (1 - level)) / (2 * count)))


def good_shares(runs: pd.DataFrame, target: str) -> tuple[float | None, pd.DataFrame]:
    """(threshold, one row a group): the share of models that reach GOOD of the best score, with interval.

    The threshold is None, and the table empty, where no score is above 0.
    """
    by_group = groups(runs, target)
    best = max((scores[-1] for scores in by_group.values()), default=0.0)
    if best <= 0:
        return None, pd.DataFrame()
    rows = []
    for name, scores in by_group.items():
        good = int((scores >= GOOD * best).sum())
        low, high = wilson(good / len(scores), len(scores))
        rows.append({"group": name, "n": len(scores), "good": good, "share": good / len(scores),
                     "low": float(low), "high": float(high), "median": float(np.median(scores)),
                     "best": float(scores[-1])})
    return float(GOOD * best), pd.DataFrame(rows)
