"""What laws ask of a run table: sizes to scale in, and error-like responses y > 0.

A score that is bounded above by 1 becomes an error, 1 - score: it is positive, it falls as models get better, and its
power laws are those of error rates. Its value at random guessing, where known, is the ceiling of the bounded laws.
`transform="odds"` takes (1 - score) / score instead, the logit's exponential, for scores that come near 0 as well.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ecgscale.errors import UserError
from ecgscale.tables.names import SCORES, TUNED, is_response
from ecgscale.tables.names import SIZES as NAMED

SIZES = tuple(NAMED)
GROUPS = ("optimizer", "family")
PREPARATION = ("recipe", "window", "lead_names")
AXES = (*PREPARATION, "taught")     # laws by their values where they vary
LOSSES = ("test_loss", "valid_loss")
LEAST_Y, MOST_Y = 1e-8, 1e6         # medians of what is explained: beyond them fits lose digits of floors
AT_ONCE = "laws of all runs at once"       # not done of a table with more runs than a law is fitted to
GUESSING = {"challenge_score": 0.0, "auroc": 0.5}      # scores of a model that knows nothing


@dataclass(frozen=True)
class Response:
    """What is to be explained: y (row,) with NaN where a row has none, and y at random guessing where known."""

    name: str
    y: np.ndarray
    ceiling: float | None = None
    column: str = ""            # of the table

    @property
    def most(self) -> float:
        """The largest value that it can have: 1 for 1 - score and for rates of errors, or what a run has if that is
        more (a Challenge score may be negative); no end for a loss."""
        largest = float(np.nanmax(self.y, initial=0.0))
        rate = self.name.startswith("1 - ") or (self.name.endswith(("error", "err", "error_rate")) and largest <= 1)
        return max(1.0, largest) if rate else np.inf

    def in_column(self, y: float | np.ndarray) -> float | np.ndarray:
        """y as the column has it: a score is 1 less its error."""
        return 1 - y if self.name.startswith("1 - ") else y


def responses(frame: pd.DataFrame, target: str, transform: str = "error",
              asked: tuple[str, ...] = ()) -> list[Response]:
    """The columns asked for; else the target's error and the first loss there is; else every score and loss, those of
    training only where there are no others. Raises UserError for values in a unit far from theirs."""
    named = list(asked) or [name for name in (target, *LOSSES[:1]) if explains(frame, name)]
    if not asked and LOSSES[0] not in frame and explains(frame, LOSSES[1]):
        named.append(LOSSES[1])
    if not named:
        every = [name for name in frame if is_response(name) and explains(frame, name)]
        named = [name for name in every if not name.startswith("train")] or every
    found = [response(frame, name, transform) for name in named]
    found = [one for one in found if np.isfinite(one.y).any()]
    for one in found:
        check_unit(one)
    return found


def check_unit(one: Response) -> None:
    """Raises UserError for values so small or large that the laws' floors would be lost in rounding."""
    median = float(np.nanmedian(one.y))
    if not LEAST_Y <= median <= MOST_Y:
        raise UserError(f"values around {median:.0e}: laws are fitted to {LEAST_Y:g} to {MOST_Y:g}", field=one.name,
                        remedy=f"Give it in another unit, as by --derive 'scaled={one.column}*{1 / median:.0e}' "
                               "--response scaled, or another --response")


def explains(frame: pd.DataFrame, name: str) -> bool:
    return name in frame and pd.api.types.is_numeric_dtype(frame[name])


def response(frame: pd.DataFrame, name: str, transform: str = "error") -> Response:
    """One column as something positive that falls. A value without a logarithm becomes NaN."""
    values = frame[name].to_numpy(float)
    if not SCORES.search(name):
        return Response(name, np.where((values > 0) & np.isfinite(values), values, np.nan), column=name)
    score = name.removesuffix(TUNED)
    guess = next((value for ending, value in GUESSING.items() if score.endswith(ending)), None)
    error = np.where((values < 1) & np.isfinite(values), 1 - values, np.nan)
    if transform == "odds":
        odds = np.where(values > 0, error / np.where(values > 0, values, 1.0), np.nan)
        return Response(f"(1 - {name}) / {name}", odds, None if not guess else (1 - guess) / guess, name)
    return Response(f"1 - {name}", error, None if guess is None else 1 - guess, name)


def rows_used(frame: pd.DataFrame, one: Response, ended: np.ndarray) -> dict:
    """How many of the table's rows explain this response, and why the others do not: used + left out = rows.

    `lacking`: of the rows used, those without a size that the table has.
    """
    values, name = frame[one.column].to_numpy(float), one.column
    sizes = {size: frame[size].to_numpy(float) for size in SIZES if size in frame}
    good = {size: np.isfinite(x) & (x > 0) for size, x in sizes.items()}
    sized = np.logical_or.reduce([*good.values(), np.zeros(len(frame), dtype=bool)])
    status = frame["status"].fillna("unknown") if "status" in frame else pd.Series("finished", index=frame.index)
    bound = "1 or above" if SCORES.search(name) else "0 or below"
    reason = np.select(
        [~ended, np.isnan(values), np.isinf(values), ~np.isfinite(one.y), ~sized],
        [status.astype(str), f"no {name}", f"{name} infinite", f"{name} {bound}", "no size above 0"], "")
    left_out = pd.Series(reason[reason != ""]).value_counts()
    used = reason == ""
    lacking = {size: int((used & ~here).sum()) for size, here in good.items() if (used & ~here).any()}
    return {"y": one.name, "rows": len(frame), "used": int(used.sum()),
            "left_out": {str(why): int(count) for why, count in left_out.items()}, "lacking": lacking}


def told_rows(row: dict) -> str:
    """ "160 of 240 rows used for val_loss: 50 crashed, 30 no val_loss; 4 of them lack samples_seen"."""
    why = ", ".join(f"{count} {reason}" for reason, count in row["left_out"].items())
    lacking = ", ".join(f"{count} of them lack {size}" for size, count in row["lacking"].items())
    return (f"{row['used']} of {row['rows']} rows used for {row['y']}" + (f": left out {why}" if why else "")
            + (f"; {lacking}" if lacking else ""))


def with_latency(frame: pd.DataFrame, latency: pd.DataFrame | None) -> pd.DataFrame:
    """The table with `latency_ms`: median latency of one window, of the setting that measured the most runs."""
    if latency is None or "latency_ms" in frame:
        return frame
    setting = ["machine", "runtime", "device", "option", "threads"]
    kept = latency.loc[latency["status"].eq("ok") & latency["scenario"].eq("single") & latency["p50_ms"].notna(),
                       [*setting, "run_id", "p50_ms"]]
    if kept.empty:
        return frame
    counts = kept.groupby(setting, dropna=False)["run_id"].nunique()
    best = counts.index[counts.argmax()]
    same = np.logical_and.reduce([kept[name].eq(value) | (kept[name].isna() & pd.isna(value))
                                  for name, value in zip(setting, best, strict=True)])
    return frame.assign(latency_ms=frame["run_id"].map(kept[same].groupby("run_id")["p50_ms"].median()))
