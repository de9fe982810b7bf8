"""The best learning rate of each family and optimizer in a run table, and an alarm where its range was too short."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from ecgscale.contracts import OPTIMA
from ecgscale.contracts.run_table import finished
from ecgscale.design.tuning import edge

HIGHER_IS_BETTER = ("score", "auroc", "auprc", "f1", "accuracy")

Bounds = tuple[float, float]


def optima(runs: pd.DataFrame, metric: str = "valid_loss", bounds: dict[tuple[str, str], Bounds] | None = None,
           least: int = 4) -> pd.DataFrame:
    """OPTIMA: the best run of each family and optimizer, and whether its rate lies at an edge of the rates tried.

    The range is that of the best run's tuning where it was tuned, else that of `bounds`, else the smallest and largest
    rate in the table. Groups of fewer than `least` rates of which none was tuned say nothing and are left out.
    """
    rows = []
    for (family, optimizer), group in finished(runs, metric).groupby(["family", "optimizer"]):
        best = group.loc[group[metric].idxmax() if metric.endswith(HIGHER_IS_BETTER) else group[metric].idxmin()]
        low, high = (bounds or {}).get((family, optimizer), (group["lr"].min(), group["lr"].max()))
        tuned = np.isfinite(best.get("lr_low", math.nan))
        if tuned:
            low, high = best["lr_low"], best["lr_high"]
        elif group["lr"].nunique() < least or low >= high:
            continue
        rows.append({"group": f"family={family}, optimizer={optimizer}", "metric": metric, "runs": len(group),
                     "run_id": best["run_id"], "value": best[metric], "lr": best["lr"], "low": low, "high": high,
                     "edge": edge(best["lr"], low, high)})
    return pd.DataFrame(rows, columns=list(OPTIMA.columns))
