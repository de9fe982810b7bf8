"""A results folder of the pipeline as it is: of a run that has ended, or of one that goes on."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ecgscale.contracts import HISTORY, METRICS, PREDICTIONS, RELIABILITY, RunResult
from ecgscale.errors import UserError
from ecgscale.evaluation.collect import write_tables
from ecgscale.report import inputs
from ecgscale.report.inputs import Inputs

Reader = Callable[[Path], Any]
TRAINED: dict[str, Reader] = {"run.json": RunResult.read, "history.csv": HISTORY.read}
EVALUATED: dict[str, Reader] = {"metrics.csv": METRICS.read, "reliability.csv": RELIABILITY.read,
                                "predictions.parquet": lambda path: PREDICTIONS.read(path, ["record"])}


def read(folder: Path, command: str = "", promised: Iterable[Path] = (), prices: Path | None = None) -> Inputs:
    """What lies in the folder that --outdir named. Without a table of this run, one is made of the runs that are there.
    promised: deployment.csv of earlier calls of ecg-deploy; prices: the user's table of devices.

    Raises UserError where there is neither.
    """
    latency, plan = folder / "latency", folder / "plan" / "plan.json"
    found = {
        "latency": [latency] if (latency / "latency.parquet").is_file() else [],
        "models": sorted(path.parent for path in folder.glob("models/*/export.json")),
        "split": folder / "corpus" / "split", "card": folder / "corpus" / "card", "plan": plan,
        "shards": sorted(folder.glob("corpus/*/shard.json")), "command": command, "promised": promised,
        "prices": prices,
        "rounds": folder / "rounds" if (folder / "rounds" / "decision.json").is_file() else None}
    if is_of_this_run(folder / "table" / "runs.parquet", folder):
        return inputs.read(folder / "table" / "runs.parquet", folder / "fit", comparisons=folder / "table", **found)
    trained, torn = legible(sorted(folder.glob("trained/*/run.json")), TRAINED)
    evaluated, unread = legible(sorted(folder.glob("evaluated/*/metrics.csv")), EVALUATED)
    if not trained:
        raise UserError("no run lies there yet", file=folder,
                        remedy="Name the --outdir of a run of the pipeline, and wait for its first runs")
    names = {path.name for path in trained}
    with tempfile.TemporaryDirectory() as made:
        table = Path(made, "table")
        write_tables(trained, [path for path in evaluated if path.name in names], [], table)
        read_so_far = inputs.read(table / "runs.parquet", folder / "none", comparisons=table, **found | {
            "latency": [], "models": []})
    planned = f" of {read_so_far.plan.runs} planned" if read_so_far.plan else ""
    return replace(read_so_far, so_far=(
        f"{len(trained)}{planned} runs are trained, {len(names & {path.name for path in evaluated})} of them evaluated"
        + (f"; {torn + unread} folders are being written or damaged and left out" if torn + unread else "")))


def is_of_this_run(table: Path, folder: Path) -> bool:
    """Whether the table was written after the last run began, which made the lock anew."""
    lock = folder / "pipeline_info" / ".lock"
    return table.is_file() and (not lock.is_file() or table.stat().st_mtime >= lock.stat().st_mtime)


def legible(files: Iterable[Path], readers: dict[str, Reader]) -> tuple[list[Path], int]:
    """Folders all of whose files can be read, and the number of others: one that is being copied is not whole yet."""
    whole, others = [], 0
    for folder in (file.parent for file in files):
        try:
            for name, read_it in readers.items():
                read_it(folder / name)
            whole.append(folder)
        except (UserError, FileNotFoundError):
            others += 1
    return whole, others
