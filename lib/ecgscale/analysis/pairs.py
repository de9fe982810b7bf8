"""Optimizers side by side: what one gains over another on the same network and data, where nothing else differs.

A front needs many configurations (findings.FEWEST). Pairs need few: three networks that were trained with each
optimizer tell an order already, where the gain is much the same on all of them.
"""

from __future__ import annotations

from itertools import combinations

import pandas as pd
from pandas.api.types import is_numeric_dtype
from scipy.stats import ttest_rel

from ecgscale.contracts.run_table import SPECIFICATION, finished, hyperparameters

LEAST = 3                   # pairs
OF_THE_OPTIMIZER = ("optimizer", "lr", "weight_decay")
LEVEL = 0.95


def optimizer_pairs(runs: pd.DataFrame, target: str, chosen_by: str = "valid_loss") -> pd.DataFrame:
    """better, worse, pairs, gain, low, high: mean gain in `target` with its interval by Student's t over the pairs.

    Runs are a pair that share all but optimizer, learning rate and weight decay; of several rates the one with the
    smallest `chosen_by` counts. Seeds of one network are averaged: they are no pairs of their own.
    """
    columns = {"better": str, "worse": str, "pairs": int, "gain": float, "low": float, "high": float}
    nothing = pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in columns.items()})
    if not {"optimizer", target, chosen_by} <= set(runs):
        return nothing
    measured = {"loss"} if "loss" in runs and is_numeric_dtype(runs["loss"]) else set()     # not the name of a setting
    same = [name for name in (*SPECIFICATION, *hyperparameters(runs))
            if name in runs and name not in {*OF_THE_OPTIMIZER, *measured}]
    if not same:
        return nothing
    rates = [name for name in OF_THE_OPTIMIZER if name in runs]
    mean = finished(runs, target).groupby([*same, *rates], dropna=False)[[target, chosen_by]].mean().reset_index()
    best = mean.sort_values(chosen_by).drop_duplicates([*same, "optimizer"])
    scores = best.pivot_table(index=best.groupby(same, dropna=False).ngroup(), columns="optimizer", values=target)
    rows = []
    for a, b in combinations(scores, 2):
        both = scores[[a, b]].dropna()
        if len(both) < LEAST:
            continue
        a, b = sorted((a, b), key=lambda name: -both[name].mean())
        low, high = ttest_rel(both[a], both[b]).confidence_interval(LEVEL)
        rows.append({"better": a, "worse": b, "pairs": len(both), "gain": (both[a] - both[b]).mean(), "low": low,
                     "high": high})
    return pd.DataFrame(rows).sort_values("gain", ascending=False, ignore_index=True) if rows else nothing
