"""What is told of the one run that validation chose: its metrics, its calibration, and recordings to look at."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from ecgscale.contracts import METRICS, RELIABILITY, STRIPS, Examples, remove_folder, whole_folder
from ecgscale.contracts.run_table import chosen_by

CHOSEN_FILES = {"metrics.csv": METRICS.wrote, "reliability.csv": RELIABILITY.wrote, "examples.json": Examples.wrote,
                "strips.parquet": STRIPS.wrote}


def chosen(runs: pd.DataFrame) -> str | None:
    """run_id of the finished run that is best on validation; None where no run has a validation score."""
    score = chosen_by(runs)
    ended = runs[runs["status"].eq("finished") & runs[score].notna()] if score else runs.iloc[:0]
    return None if ended.empty else ended.loc[ended[score].idxmax(), "run_id"]


def write_chosen(runs: pd.DataFrame, folders: Mapping[str, Path], out: Path) -> None:
    """Copy what EVALUATE wrote of the chosen run into the folder `out`, which is gone where no run can be chosen.
    `folders`: of ecg-evaluate, by run_id."""
    folder = folders.get(chosen(runs))
    if folder is None:
        print("no run has a validation score: none is shown by class, person and recording", file=sys.stderr)
        if out.exists():
            remove_folder(out, CHOSEN_FILES)
        return
    with whole_folder(out, CHOSEN_FILES) as temporary:
        temporary.mkdir()
        for table, name in ((METRICS, "metrics.csv"), (RELIABILITY, "reliability.csv")):
            table.write(table.read(folder / name), temporary / name)
        if not (folder / "examples.json").is_file():
            print(f"{folder}: no examples.json, as of earlier versions: the report draws no ECG", file=sys.stderr)
            return
        Examples.read(folder / "examples.json").write(temporary / "examples.json")
        STRIPS.write(STRIPS.read(folder / "strips.parquet"), temporary / "strips.parquet")
