"""Optimizers side by side: what one gains over another on the same network and data, where nothing else differs.

A front needs many configurations (findings.FEWEST). Pairs need few: three networks that were trained with each
optimizer tell an order already, where the gain is much the same on all of them.
"""

from __future__ import annotations

from itertools import combinations

import pandas as pd
from scipy.stats import ttest_rel

from ecgscale.contracts.run_table import finished, specification

LEAST = 3                   # pairs
OF_THE_OPTIMIZER = ("optimizer", "lr", "weight_decay")
LEVEL = 0.95


def optimizer_pairs(runs: pd.DataFrame, target: str, chosen_by: str = "valid_loss") -> pd.DataFrame:
    """better, worse, pairs, gain, low, high: mean gain in `target` with its interval by Student's t over the pairs.

    Runs are a pair that share all but optimizer, learning rate and weight decay; of several rates the one with the
    smallest `chosen_by` counts. Seeds of one network are averaged: they are no pairs of their own.
    """
    nothing = pd.DataFrame(columns=["better", "worse", "pairs", "gain", "low", "high"])
    if not {"optimizer", target, chosen_by} <= set(runs):
        return nothing
    keys = specification(runs)
    same = [name for name in keys if name not in OF_THE_OPTIMIZER]
    if not same:
        return nothing
    mean = finished(runs, target).groupby(keys, dropna=False)[[target, chosen_by]].mean().reset_index()
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
