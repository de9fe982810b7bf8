"""Latencies measured on other machines: checked against the models at hand, then put beside those of this one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ecgscale.contracts import LATENCY, TIMES, Control, Environment, Export, digest
from ecgscale.deploy.runtimes import DeployedModel
from ecgscale.errors import UserError


@dataclass(frozen=True)
class Elsewhere:
    """What one other machine measured."""

    latency: pd.DataFrame
    times: pd.DataFrame
    environment: Environment
    control: Control | None          # a machine of an older version had none

    def write(self, out: Path) -> None:
        """What describes the machine, beside the documents of this one; the tables are joined by the caller."""
        for document in filter(None, (self.environment, self.control)):
            document.write(out / f"{document.NAME}-{file_name(document.machine)}.json")


def file_name(machine: str) -> str:
    """A machine's name as part of a file's; one that is written otherwise there keeps apart by its digest."""
    plain = re.sub(r"[^A-Za-z0-9.-]+", "_", machine)[:100]
    return plain if plain == machine else f"{plain}-{digest(machine, 6)}"


def read(folders: Iterable[Path], models: Iterable[DeployedModel], machine: str) -> list[Elsewhere]:
    """Results of other machines than `machine`.

    Raises UserError for another schema, for a file that is not one of `models` to the byte, and for a machine that is
    there already.
    """
    found, machines, exports = [], {machine}, [model.export for model in models]
    for folder in folders:
        latency = LATENCY.read(folder / "latency.parquet")
        check_machines(latency, machines, folder / "latency.parquet")
        check_models(latency, exports, folder / "latency.parquet")
        control = folder / "control.json"
        found.append(Elsewhere(latency, TIMES.read(folder / "times.parquet"),
                               Environment.read(folder / "environment.json"),
                               Control.read(control) if control.exists() else None))
    return found


def check_machines(rows: pd.DataFrame, known: set[str], file: Path) -> None:
    """Add the machines of a table to `known`. Raises UserError for one that is there already."""
    machines = set(rows["machine"])
    if again := sorted(known & machines):
        raise UserError(f"machine {again[0]!r} was measured already", file=file, field="machine",
                        remedy="Give every machine a name of its own (ecg-bench --machine)")
    known |= machines


def check_models(rows: pd.DataFrame, exports: Iterable[Export], file: Path) -> None:
    """Raises UserError for a row of another model, or of a file that differs from the exported one by a byte."""
    digests = {export.run_id: {artefact.digest for artefact in export.artefacts} for export in exports}
    for row in rows.itertuples():
        if row.run_id not in digests:
            raise UserError(f"{row.model!r} is not one of the models given", file=file, field="run_id",
                            remedy="Measure the models of this run there")
        if pd.notna(row.artefact_digest) and row.artefact_digest not in digests[row.run_id]:
            raise UserError(f"{row.model!r} on {row.runtime} was measured with another file (digest "
                            f"{row.artefact_digest})", file=file, field="artefact_digest",
                            remedy="Copy the exported models to that machine and measure again")


def beside(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Rows of all tables, with the columns that any of them has."""
    filled = [table for table in tables if len(table)]
    columns = list(dict.fromkeys(name for table in filled for name in table))
    return pd.concat([table.dropna(axis=1, how="all") for table in filled], ignore_index=True).reindex(columns=columns)
