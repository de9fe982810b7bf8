"""How well predictions agree with the truth: statistics of weighted rows, all draws of a bootstrap at once.

`one` holds columns row, truth, prediction; `subsets` are lists of positions: sums run within each and are added, so
several subsets give the value within groups. weights: (draw, run), the first draw the table itself.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from ecgscale.machine.compiled import compiled


def result(model: str, scheme: str, statistic: str, group: str, estimate, low, high, n: int) -> dict:
    """One entry of Predictor.results; what is not finite is null."""
    values = {"estimate": estimate, "low": low, "high": high}
    clean = {name: float(value) if value is not None and np.isfinite(value) else None for name, value in values.items()}
    return {"model": model, "scheme": scheme, "statistic": statistic, "group": group, **clean, "n": int(n)}


def summarize(model: str, scheme: str, statistic: str, group: str, draws: np.ndarray, n: int) -> dict:
    """First draw is the table itself, the others are bootstrap draws."""
    usable = draws[1:][np.isfinite(draws[1:])]
    low, high = np.percentile(usable, [2.5, 97.5]) if len(usable) > 1 else (None, None)
    return result(model, scheme, statistic, group, draws[0], low, high, n)


def cluster_weights(cluster: np.ndarray, bootstrap: int, random: np.random.Generator) -> np.ndarray:
    """(1 + bootstrap, run) how often each run is drawn when whole clusters are drawn; first row: once each."""
    count = cluster.max() + 1
    drawn = random.multinomial(count, np.full(count, 1 / count), size=bootstrap)
    return np.vstack([np.ones(len(cluster)), drawn[:, cluster]])


def rmse(one: pd.DataFrame, subsets: list[np.ndarray], weights: np.ndarray) -> np.ndarray:
    """(draw,) root mean square error."""
    one = one.iloc[np.concatenate(subsets)]
    chosen = weights[:, one["row"].to_numpy()]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.sqrt(chosen @ (one["truth"] - one["prediction"]).to_numpy() ** 2 / chosen.sum(axis=1))


def pearson(one: pd.DataFrame, subsets: list[np.ndarray], weights: np.ndarray) -> np.ndarray:
    """(draw,) Pearson r, each subset about its own mean."""
    sums = np.zeros((3, len(weights)))
    for rows in subsets:
        part = one.iloc[rows]
        chosen = weights[:, part["row"].to_numpy()]
        x, y = (part[name].to_numpy() - part[name].mean() for name in ("truth", "prediction"))
        total = np.maximum(chosen.sum(axis=1), 1)
        mean_x, mean_y = chosen @ x / total, chosen @ y / total
        sums += [chosen @ (x * x) - total * mean_x ** 2, chosen @ (y * y) - total * mean_y ** 2,
                 chosen @ (x * y) - total * mean_x * mean_y]
    sums[np.abs(sums) < 1e-15] = 0
    with np.errstate(invalid="ignore", divide="ignore"):
        return sums[2] / np.sqrt(sums[0] * sums[1])


def kendall(one: pd.DataFrame, subsets: list[np.ndarray], weights: np.ndarray) -> np.ndarray:
    """(draw,) Kendall tau-b over the pairs within subsets."""
    sums = np.zeros((3, len(weights)))
    for rows in subsets:
        part = one.iloc[rows]
        chosen = weights[:, part["row"].to_numpy()]
        truth, prediction = (np.unique(part[name], return_inverse=True)[1] for name in ("truth", "prediction"))
        order = np.argsort(truth, kind="stable")
        apart = [chosen.sum(axis=1) ** 2 - (np.array([np.bincount(rank, weights=w) for w in chosen]) ** 2).sum(axis=1)
                 for rank in (truth, prediction)]
        sums += [*apart, concordance(truth[order], prediction[order], np.ascontiguousarray(chosen[:, order]))]
    with np.errstate(invalid="ignore", divide="ignore"):
        return sums[2] / np.sqrt(sums[0] * sums[1])


@compiled
def concordance(truth, prediction, weights):
    """(draw,) weighted concordant pairs less discordant ones, each pair in both orders; truth (run,) and prediction are
    ranks from 0, truth ascending. A tree of partial sums tells the weight below a rank in log time (Fenwick 1994)."""
    found, size = np.zeros(len(weights)), prediction.max() + 1
    for draw in range(len(weights)):
        below, total, start = np.zeros(size + 1), 0.0, 0
        for i in range(len(truth)):
            if truth[i] != truth[start]:        # what had one truth enters together: ties are no pairs
                for j in range(start, i):
                    place, total = prediction[j] + 1, total + weights[draw, j]
                    while place <= size:
                        below[place] += weights[draw, j]
                        place += place & -place
                start = i
            less, up_to, place = 0.0, 0.0, prediction[i]
            while place > 0:
                less += below[place]
                place -= place & -place
            place = prediction[i] + 1
            while place > 0:
                up_to += below[place]
                place -= place & -place
            found[draw] += 2 * weights[draw, i] * (less - (total - up_to))
    return found
