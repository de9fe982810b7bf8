"""A run table held against the run folders that it was collected from: rounds of scaling read both, and a table that
lost rows, or whose columns were exchanged, scaled or moved, is told from them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ecgscale.contracts import RunResult, SplitInfo, read_results
from ecgscale.contracts.run_table import SPECIFICATION
from ecgscale.design.plan import records_used
from ecgscale.errors import UserError
from ecgscale.evaluation.collect import row_of

COLLECTED = "Give the run table as ecg-collect wrote it"
UNLIKE = {"loss", "taught", "precision", "forward_flops"}      # `loss` may be measured; who taught, no folder tells
HELD = ("status", "seed", *(name for name in SPECIFICATION if name not in UNLIKE), "lr_low", "lr_high", "valid_loss")
ROUNDING = 1e-6     # relative: what a program leaves of a number that keeps 32 bits of it
NAMED = 5           # runs in a line


def read_trained(frame: pd.DataFrame, folders: list[Path], split: SplitInfo) -> tuple[dict[str, RunResult], list[str]]:
    """The results by run_id, and which runs the table leaves out, in words. frame: of read_runs.

    Raises UserError for a run of the table without a folder, with another value than its folder has, or of another
    split, and for a column that the table lacks and its runs differ in.
    """
    runs = {one.spec.run_id: one for one in read_results(folders)}
    if missing := sorted(set(frame["run_id"]) - set(runs)):
        raise UserError(f"run {missing[0]} of the run table has no folder there", field="--trained",
                        remedy="Give all run folders that the table was collected from")
    for run_id, one in runs.items():
        wanted = records_used(one, split.train_records)
        if one.split_digest != split.digest or (one.status == "finished" and one.train_records != wanted):
            on = "another split" if one.split_digest != split.digest else (
                f"{one.train_records} recordings, which of this split would be {wanted}")
            raise UserError(f"run {run_id} was trained on {on}", field="--split",
                            remedy="Give the split and the run folders of one results folder")
    if len(frame):
        compare(frame.set_index("run_id"), runs)
    left = sorted(set(runs) - set(frame["run_id"]))
    more = f" and {len(left) - NAMED} more" if len(left) > NAMED else ""
    return runs, [f"{len(left)} of {len(runs)} trained runs are not in the run table: {', '.join(left[:NAMED])}{more}"
                  ] * bool(left)


def compare(table: pd.DataFrame, runs: dict[str, RunResult]) -> None:
    """Raises UserError where a run of the table (index: run_id) is not as its folder says."""
    kept = pd.DataFrame([row_of(runs[run_id]) for run_id in table.index], index=table.index)
    taught = [runs[run_id].spec.taught is not None for run_id in table.index]
    for name in [*HELD, *(name for name in kept if name.startswith("hp_"))]:
        if name not in kept:
            continue
        if name not in table:
            if name in HELD and len(kept[name].unique()) > 1:
                raise UserError("the run table has no such column, or no numbers in it, and its runs differ in it",
                                field=name, remedy=COLLECTED)
            continue
        wrong = differ(table[name], kept[name])
        if name == "status":        # a run that finished may not have been evaluated
            wrong &= ~(table[name].eq("unevaluated") & kept[name].eq("finished"))
        if name == "train_flops":   # of a run that is taught with a share of its teacher's
            wrong &= ~pd.Series(taught, index=table.index)
        if wrong.any():
            run_id = wrong.idxmax()
            raise UserError(f"run {run_id} has {table[name][run_id]}, and its folder {kept[name][run_id]}",
                            field=name, remedy=COLLECTED)


def differ(table: pd.Series, kept: pd.Series) -> pd.Series:
    """(run,) whether two columns tell another thing. A size of 0 is no size in a table."""
    if kept.map(lambda value: isinstance(value, str)).any():
        return table.fillna("").astype(str) != kept.fillna("").astype(str)
    told, wanted = pd.to_numeric(table, errors="coerce"), pd.to_numeric(kept, errors="coerce")
    none = told.isna() & (wanted.isna() | wanted.eq(0))
    return ~none & ~((told - wanted).abs() <= ROUNDING * wanted.abs())
