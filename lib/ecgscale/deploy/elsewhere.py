"""Latencies measured on other machines: checked against the models at hand, then put beside those of this one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pandas as pd

from ecgscale.contracts import LATENCY, TIMES, Control, Environment, Export, digest, joined, reading
from ecgscale.deploy.kit import unpack
from ecgscale.deploy.runtimes import MODULES
from ecgscale.deploy.tabulate import Measured, tabulate
from ecgscale.errors import UserError


def merge(places: Iterable[Path], folders: Iterable[Path], out: Path) -> list[str]:
    """Results of several machines as one folder of latencies. `folders`: exported models that they must be of. Gives a
    line a machine. Raises UserError as `read` does."""
    exports = [Export.read(folder / "export.json") for folder in folders]
    found = read(places, exports, set())
    latency = write_tables(found, out)
    for one in found:
        write_documents(one, out)
    return [f"{machine}: {counts}" for machine, counts in (
        (machine, ", ".join(f"{count} {status}" for status, count in rows["status"].value_counts().items()))
        for machine, rows in latency.groupby("machine", sort=False))]


def write_tables(measured: list[Measured], out: Path) -> pd.DataFrame:
    """latency.parquet and times.parquet of several machines. Gives the latencies."""
    latency = beside(one.latency for one in measured)
    LATENCY.write(latency, out / "latency.parquet")
    TIMES.write(beside(one.times for one in measured), out / "times.parquet")
    return latency


def write_documents(one: Measured, out: Path) -> None:
    """What describes the machine, beside the documents of others; the tables are joined by the caller."""
    for document in filter(None, (one.environment, one.control)):
        document.write(out / f"{document.NAME}-{file_name(document.machine)}.json")


def file_name(machine: str) -> str:
    """A machine's name as part of a file's; one that is written otherwise there keeps apart by its digest."""
    plain = re.sub(r"[^A-Za-z0-9.-]+", "_", machine)[:100]
    return plain if plain == machine else f"{plain}-{digest(machine, 6)}"


def read(folders: Iterable[Path], exports: Iterable[Export], machines: set[str]) -> list[Measured]:
    """Results of other machines than `machines`: folders of ecg-bench, and bundles of kits, files or folders of such.

    Raises UserError for another schema, for a bundle that was changed, for a machine that is there already, and, given
    `exports`, for a file that is not one of theirs to the byte.
    """
    found, machines, exports = [], set(machines), list(exports)
    for place, one in ((place, one) for folder in folders for place, one in measured_in(folder)):
        check_machines(one.latency, machines, place)
        check_runtimes(one.latency, place)
        if exports:
            check_models(one.latency, exports, place)
        found.append(one)
    return found


def measured_in(place: Path) -> Iterator[tuple[Path, Measured]]:
    """What lies there, with its file. Raises UserError where there is nothing."""
    if place.is_file():
        yield place, checked(place)
        return
    table, control = place / "latency.parquet", place / "control.json"
    if table.is_file():
        yield table, Measured(LATENCY.read(table), TIMES.read(place / "times.parquet"),
                              Environment.read(place / "environment.json"),
                              Control.read(control) if control.exists() else None)
        return
    bundles = sorted(place.glob("*.zip"))
    if not bundles:
        raise UserError("no latencies here", file=place,
                        remedy="Give a folder that ecg-bench wrote, or bundles of kits (bundle-NAME.zip)")
    for file in bundles:
        yield file, checked(file)


def checked(bundle: Path) -> Measured:
    """What a bundle tells, as rows. Raises UserError where they are none of LATENCY."""
    one = tabulate(unpack.read(bundle))
    with reading(bundle, "bundle of a kit"):        # numbers that no column takes
        LATENCY.arrow(one.latency, bundle)
    return one


def check_machines(rows: pd.DataFrame, known: set[str], file: Path) -> None:
    """Add the machines of a table to `known`. Raises UserError for one that is there already."""
    machines = set(rows["machine"])
    if again := sorted(known & machines):
        raise UserError(f"machine {again[0]!r} was measured already", file=file, field="machine",
                        remedy="Give every machine a name of its own (ecg-bench --machine)")
    known |= machines


def check_runtimes(rows: pd.DataFrame, file: Path) -> None:
    """Raises UserError for rows of what is no runtime of ours, as a device that a test simulates."""
    if foreign := sorted(set(map(str, rows["runtime"])) - set(MODULES)):
        raise UserError(f"{foreign[0]!r} is no runtime of ours", file=file, field="runtime",
                        remedy=f"Known: {', '.join(MODULES)}")


def read_measured(files: Iterable[Path]) -> pd.DataFrame:
    """LATENCY of several files. Raises UserError as `check_runtimes` does."""
    tables = []
    for file in files:
        tables.append(LATENCY.read(file))
        check_runtimes(tables[-1], file)
    return joined(LATENCY, tables)


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
    tables = list(tables)
    filled = [table for table in tables if len(table)] or tables[:1]
    columns = list(dict.fromkeys(name for table in filled for name in table))
    return pd.concat([table.dropna(axis=1, how="all") for table in filled], ignore_index=True).reindex(columns=columns)
