"""What a quantity can be: an interval of it ends there, and how many did not is told.

Such ends come of estimates plus and minus some standard errors. The tables that were read keep them as they were.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

SHARES = ("auroc", "auprc", "f1", "accuracy", "recall", "precision", "specificity", "ece", "brier", "miss_rate")


def possible(name: str) -> tuple[float, float]:
    """Ends of what a quantity can be, by its name: a share 0 and 1, an error "1 - test_challenge_score" 0 and none."""
    inside = name.removeprefix("1 - ")
    low, high = (0.0, 1.0) if any(share in inside for share in SHARES) else (
        -np.inf, 1.0) if "challenge_score" in inside else (0.0, np.inf) if "loss" in inside else (-np.inf, np.inf)
    return (1 - high, 1 - low) if inside != name else (low, high)


@dataclass
class Ends:
    """Cuts intervals; `beyond` counts those that were cut, by quantity."""

    beyond: Counter[str] = field(default_factory=Counter)

    def runs(self, table: pd.DataFrame) -> pd.DataFrame:
        """A run table: test_auroc, test_auroc_low, test_auroc_high, ..."""
        for name in [one for one in table if {f"{one}_low", f"{one}_high"} <= set(table)]:
            table = self.of(table, name, f"{name}_low", f"{name}_high", name)
        return table

    def metrics(self, table: pd.DataFrame) -> pd.DataFrame:
        """Rows of estimate, low and high, whose quantity stands in `metric`."""
        return self.of(table, "estimate", "low", "high", table["metric"])

    def of(self, table: pd.DataFrame, estimate: str, low: str, high: str, names: str | pd.Series) -> pd.DataFrame:
        """One interval a row. An estimate that is itself beyond is another quantity than its name says, as an accuracy
        in percent is: its interval is left alone."""
        if table.empty or not {estimate, low, high} <= set(table) or not all(
                pd.api.types.is_numeric_dtype(table[name]) for name in (estimate, low, high)):
            return table
        names = pd.Series(names, table.index)
        least, most = (names.map({name: possible(name)[side] for name in names.unique()}) for side in (0, 1))
        over = table[estimate].between(least, most) & (table[low].lt(least) | table[high].gt(most))
        if not over.any():
            return table
        self.beyond.update(names[over])
        return table.assign(**{low: table[low].mask(over, table[low].clip(lower=least)),
                               high: table[high].mask(over, table[high].clip(upper=most))})

    def told(self) -> str:
        """ "3 intervals of test_auroc reached ..."; empty where none did."""
        each = ", ".join(f"{count} of {name}" for name, count in sorted(self.beyond.items()))
        return (f"Intervals that reached beyond what their quantity can be ({each}): they end there on this page. An "
                "estimate plus and minus some standard errors does that; the tables have them as they were given."
                ) if each else ""
