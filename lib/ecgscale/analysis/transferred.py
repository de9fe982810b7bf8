"""The settings that a larger network is trained with, from those that validation chose for smaller ones."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from ecgscale.contracts.run_table import finished
from ecgscale.laws.uncertainty import LEVEL
from ecgscale.numbers import number

RATES = 3       # that a network was tried with, and networks tried so, from which a trend is looked for


def rate_for(seen: pd.DataFrame, rung: pd.Series, frame: pd.DataFrame, response: str) -> tuple[str, float, str]:
    """run_id of the run whose settings are taken, the learning rate, and where it comes from.

    The run is the nearest in parameters and recordings of those that validation chose. Its rate is taken, or, where
    networks that were each tried with several rates show that the best rate changes with size, the trend's.
    """
    log_at = np.log(rung[["params", "train_records"]].to_numpy(float))
    apart = ((np.log(seen[["params", "train_records"]].to_numpy(float)) - log_at) ** 2).sum(axis=1)
    near = seen[apart <= apart.min() + 1e-9]
    like = near.loc[near["y"].idxmin()]
    told = (f"optimizer, rate and other settings of run {like['run_id']}, the best by validation of the nearest "
            f"trained size ({number(like['params'], 4)} parameters, {like['train_records']:.0f} recordings)")
    best = best_rates(frame, like["family"], like["optimizer"], response)
    if len(best) < RATES:
        return like["run_id"], float(like["lr"]), told
    line = stats.linregress(np.log(best["params"]), np.log(best["lr"]))
    reach = stats.t.ppf((1 + LEVEL) / 2, len(best) - 2) * line.stderr
    if not abs(line.slope) > reach:     # neither where all rates are one
        return like["run_id"], float(like["lr"]), told
    rate = np.exp(line.intercept + line.slope * log_at[0])
    return like["run_id"], float(f"{rate:.4g}"), (
        f"{told}; but the rate by the trend of the best rates of {len(best)} sizes, params^{line.slope:.2f} "
        f"[{line.slope - reach:.2f}, {line.slope + reach:.2f}], instead of {number(like['lr'], 4)}")


def best_rates(frame: pd.DataFrame, family: str, optimizer: str, response: str) -> pd.DataFrame:
    """params and lr: the best rate, by the mean over its runs, of each network that was tried with RATES of them, or
    tuned, on its most recordings."""
    runs = finished(frame, response)
    runs = runs[runs["family"].eq(family) & runs["optimizer"].eq(optimizer)]
    runs = runs[runs["train_records"].eq(runs.groupby("params")["train_records"].transform("max"))]
    tuned = runs["lr_low"].notna() if "lr_low" in runs else False
    runs = runs[tuned | (runs.groupby("params")["lr"].transform("nunique") >= RATES)]
    sign = -1 if "loss" not in response else 1
    means = (sign * runs[response]).groupby([runs["params"], runs["lr"]]).mean()
    return pd.DataFrame(means.groupby("params").idxmin().tolist(), columns=["params", "lr"])
