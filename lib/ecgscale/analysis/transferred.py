"""The settings that a larger network is trained with, from those that validation chose for smaller ones."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from ecgscale.analysis.rate_laws import WIDEST, rate_law
from ecgscale.contracts.run_table import finished
from ecgscale.laws.uncertainty import LEVEL
from ecgscale.numbers import number

TUNED = 3       # networks whose rate was tuned, from which a trend is looked for


def rate_for(seen: pd.DataFrame, rung: pd.Series, frame: pd.DataFrame, response: str) -> tuple[str, float, str]:
    """run_id of the run whose settings are taken, the learning rate, and where it comes from.

    The run is the nearest in parameters and recordings of those that validation chose. Its rate is taken, or, where
    the runs of its family and optimizer show that the best rate moves with a size, the one that they foretell.
    """
    log_at = np.log(rung[["params", "train_records"]].to_numpy(float))
    apart = ((np.log(seen[["params", "train_records"]].to_numpy(float)) - log_at) ** 2).sum(axis=1)
    near = seen[apart <= apart.min() + 1e-9]
    like = near.loc[near["y"].idxmin()]
    told = (f"optimizer, rate and other settings of run {like['run_id']}, the best by validation of the nearest "
            f"trained size ({number(like['params'], 4)} parameters, {like['train_records']:.0f} recordings)")
    own = frame[frame["family"].eq(like["family"]) & frame["optimizer"].eq(like["optimizer"])]
    moved = by_law(own, rung, like, response) or by_tuned_networks(own, rung, response)
    if moved is None:
        return like["run_id"], float(like["lr"]), told
    return like["run_id"], float(f"{moved[0]:.4g}"), f"{told}; but the rate by {moved[1]}, not {number(like['lr'], 4)}"


def by_law(own: pd.DataFrame, rung: pd.Series, like: pd.Series, response: str) -> tuple[float, str] | None:
    """The best rate of the network by the law of rates (rate_laws), in words, too; None where runs at several rates
    show no best one, or not that it moves, or where the network has a size that is not known before it is built."""
    law = rate_law(own, "lr", response)
    if law is None or not law.told or not any(low > 0 or high < 0 for _, low, high in law.exponents.values()):
        return None
    at = {name: rung.get(name, like.get(name)) for name in law.largest}
    if None in at.values():
        return None
    best, low, high = law.at(at)
    powers = ", ".join(f"{name}^{one:.2f} [{least:.2f}, {most:.2f}]"
                       for name, (one, least, most) in law.exponents.items())
    return (best, f"the law of the best rates of {law.cells} cells, {powers}") if 0 < high <= WIDEST * low else None


def by_tuned_networks(own: pd.DataFrame, rung: pd.Series, response: str) -> tuple[float, str] | None:
    """The trend of tuned rates with parameters, of each network on its most recordings; None where none shows."""
    if "lr_low" not in own:
        return None
    runs = finished(own[own["lr_low"].notna()], response)
    runs = runs[runs["train_records"].eq(runs.groupby("params")["train_records"].transform("max"))]
    means = ((1 if "loss" in response else -1) * runs[response]).groupby([runs["params"], runs["lr"]]).mean()
    best = pd.DataFrame(means.groupby("params").idxmin().tolist(), columns=["params", "lr"])
    if len(best) < TUNED:
        return None
    line = stats.linregress(np.log(best["params"]), np.log(best["lr"]))
    reach = stats.t.ppf((1 + LEVEL) / 2, len(best) - 2) * line.stderr
    if not abs(line.slope) > reach:     # neither where all rates are one
        return None
    return np.exp(line.intercept + line.slope * np.log(rung["params"])), (
        f"the trend of {len(best)} tuned networks, params^{line.slope:.2f} "
        f"[{line.slope - reach:.2f}, {line.slope + reach:.2f}]")
