"""Latencies measured on other machines: checked against the models at hand, then put beside those of this one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd

from ecgscale.contracts import (
    LATENCY,
    TIMES,
    Control,
    Environment,
    Export,
    Wrote,
    digest,
    joined,
    reading,
    refuse_foreign,
)
from ecgscale.contracts.run_table import NETWORK, best_of_networks
from ecgscale.deploy.kit import unpack
from ecgscale.deploy.runtimes import MODULES
from ecgscale.deploy.tabulate import Measured, tabulate
from ecgscale.errors import UserError

# of two rows that agree in these, one is a copy: times are not the same twice
SAME = ["run_id", "machine", "runtime", "device", "option", "artefact_digest", "scenario", "batch", "threads", "repeat",
        "count", "mean_ms", "min_ms", "p50_ms", "p99_ms"]

OF_A_RUN = ("model", "family", "params", "forward_flops")       # all rows of a run have the same


def merge(places: Iterable[Path], folders: Iterable[Path], out: Path, runs: pd.DataFrame | None = None) -> list[str]:
    """Results of several machines as one folder of latencies. `folders`: exported models that they must be of; `runs`:
    a run table, which may have the networks with other weights (`timed_apart`). Gives a line a machine, and what could
    not be placed. Raises UserError as `read` does."""
    exports = read_exports(folders)
    found, told = read(places, exports, set()), []
    if runs is not None and not exports:
        stands_for = timed_apart(beside(one.latency for one in found), runs)
        found = [replace(one, latency=of_other_weights(one.latency, stands_for),
                         times=renamed(one.times, stands_for)) for one in found]
        told = placed_in(found, runs, stands_for)
    refuse_foreign(out, files_of(found))
    latency = write_tables(found, out)
    for one in found:
        write_documents(one, out)
    return [*(f"{machine}: {counts}" for machine, counts in (
        (machine, ", ".join(f"{count} {status}" for status, count in rows["status"].value_counts().items()))
        for machine, rows in latency.groupby("machine", sort=False))), *lacking(found), *told]


def lacking(measured: list[Measured]) -> list[str]:
    """What a folder came without, in words."""
    said = {"single calls (times.parquet)": lambda one: not len(one.times), "A/A control": lambda one: not one.control}
    return [f"{one.environment.machine}: no {what}" for one in measured for what, lacks in said.items() if lacks(one)]


# ------------------------------------------------------------------------------------- networks with other weights


def timed_apart(latency: pd.DataFrame, runs: pd.DataFrame) -> dict[str, str]:
    """Runs that were timed and are not in the table -> the run of it that validation chose among those of the same
    network: of equal NETWORK. Time belongs to the network, so any weights of it tell it.

    Left out are networks of which a run of the table was timed itself, and tables that do not tell NETWORK.
    """
    if not {"run_id", *NETWORK} <= set(runs) or not {*NETWORK} <= set(latency):
        return {}
    known = best_of_networks(runs.assign(run_id=runs["run_id"].astype(str)))
    timed = latency[["run_id", *NETWORK]].drop_duplicates("run_id")
    both = timed.merge(known[["run_id", *NETWORK]], on=NETWORK, suffixes=("", "_there"))
    own = set(runs["run_id"].astype(str)) & set(timed["run_id"])
    taken = both[both["run_id"].isin(own)]["run_id_there"]
    free = both[~both["run_id"].isin(own) & ~both["run_id_there"].isin(own | set(taken))]
    return dict(free.drop_duplicates("run_id_there")[["run_id", "run_id_there"]].itertuples(index=False))


def of_other_weights(latency: pd.DataFrame, stands_for: dict[str, str]) -> pd.DataFrame:
    """The rows as those of the runs that they stand for, without what was measured of the other weights' scores."""
    moved = latency["run_id"].isin(stands_for)
    kept = latency.assign(weights_of=latency["run_id"].where(moved), run_id=renamed(latency, stands_for)["run_id"])
    of_the_weights = [name for name in ("artefact_status", "score_difference") if name in kept]
    kept[of_the_weights] = kept[of_the_weights].mask(moved)
    return kept


def renamed(rows: pd.DataFrame, stands_for: dict[str, str]) -> pd.DataFrame:
    return rows.assign(run_id=rows["run_id"].map(lambda run: stands_for.get(run, run)))


def placed_in(measured: list[Measured], runs: pd.DataFrame, stands_for: dict[str, str]) -> list[str]:
    """What is said of networks that the table has otherwise, or not at all."""
    timed = {run for one in measured for run in one.latency["run_id"]}
    unknown = len(timed - set(runs["run_id"].astype(str))) if "run_id" in runs else len(timed)
    told = [f"{len(stands_for)} of {len(timed)} networks were timed with other weights than the table's: each stands "
            "for the run that validation chose of it, without a score in int8"] if stands_for else []
    return told + [f"{unknown} of {len(timed)} networks are not in the run table, and not used with it"] * bool(unknown)


# ------------------------------------------------------------------------------------------------ reading and writing


def files_of(measured: Iterable[Measured]) -> dict[str, Wrote]:
    """What `write_tables` and `write_documents` write, and how it is known."""
    return {"latency.parquet": LATENCY.wrote, "times.parquet": TIMES.wrote} | {
        document_file(document): document.wrote for one in measured for document in documents(one)}


def write_tables(measured: list[Measured], out: Path) -> pd.DataFrame:
    """latency.parquet and times.parquet of several machines. Gives the latencies."""
    latency = beside(one.latency for one in measured)
    LATENCY.write(latency, out / "latency.parquet")
    TIMES.write(beside(one.times for one in measured), out / "times.parquet")
    return latency


def write_documents(one: Measured, out: Path) -> None:
    """What describes the machine, beside the documents of others; the tables are joined by the caller."""
    for document in documents(one):
        document.write(out / document_file(document))


def documents(one: Measured) -> list[Environment | Control]:
    return [document for document in (one.environment, one.control) if document]


def document_file(document: Environment | Control) -> str:
    return f"{document.NAME}-{file_name(document.machine)}.json"


def file_name(machine: str) -> str:
    """A machine's name as part of a file's; one that is written otherwise there keeps apart by its digest, and so does
    one with capitals: macOS and Windows take "Box" and "box" for one file."""
    plain = re.sub(r"[^A-Za-z0-9.-]+", "_", machine)[:100]
    return plain if plain == machine.lower() else f"{plain}-{digest(machine, 6)}"


def read(folders: Iterable[Path], exports: Iterable[Export], machines: set[str]) -> list[Measured]:
    """Results of other machines than `machines`: folders of ecg-bench, and bundles of kits, files or folders of such.

    Raises UserError for another schema, for a bundle that was changed, for a machine that is there already, and, given
    `exports`, for a file that is not one of theirs to the byte.
    """
    found, machines, exports = [], set(machines), list(exports)
    for place, one in ((place, one) for folder in folders for place, one in measured_in(folder)):
        check_machines(one.latency, machines, place)
        check_rows(one.latency, place)
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
        times = place / "times.parquet"     # a table that is passed on often comes without its single calls
        one = Measured(LATENCY.read(table), TIMES.read(times) if times.exists() else TIMES.empty(),
                       Environment.read(place / "environment.json"),
                       Control.read(control) if control.exists() else None)
        for document in documents(one):
            if document.machine not in set(one.latency["machine"]):
                raise UserError(f"is of {document.machine!r}, which latency.parquet beside it does not name",
                                file=place / f"{document.NAME}.json", field="machine",
                                remedy="Give the folder as ecg-bench wrote it")
        yield table, one
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


def check_rows(rows: pd.DataFrame, file: Path) -> None:
    """Raises UserError for rows of what is no runtime of ours, as a device that a test simulates, where a table calls
    one run by two names or tells two costs of it (columns or rows were exchanged), and for a measurement that stands
    there twice."""
    if foreign := sorted(set(map(str, rows["runtime"])) - set(MODULES)):
        raise UserError(f"{foreign[0]!r} is no runtime of ours", file=file, field="runtime",
                        remedy=f"Known: {', '.join(MODULES)}")
    for name in OF_A_RUN:
        told = rows[["run_id", name]].drop_duplicates()
        again = told["run_id"].duplicated()
        if again.any():
            run = told.loc[again, "run_id"].iloc[0]
            first, second = told.loc[told["run_id"].eq(run), name].head(2)
            raise UserError(f"of run {run} it is {first!r} and {second!r}", file=file, field=name,
                            remedy="Give the table as ecg-bench or ecg-merge wrote it")
    again = measured_before(rows)
    if again.any():
        raise UserError(f"a measurement that stands there before, to the last digit: row {int(again.argmax()) + 1}",
                        file=file, remedy="Give the table as ecg-bench or ecg-merge wrote it")


def measured_before(rows: pd.DataFrame) -> pd.Series:
    """(row,) bool: the copy of an earlier row, which would count twice."""
    return rows["p50_ms"].notna() & rows.duplicated(SAME)


def read_measured(files: Iterable[Path]) -> pd.DataFrame:
    """LATENCY of several files. Raises UserError as `check_rows` does, and for a measurement that stands in two of
    them: it would count twice."""
    tables: list[pd.DataFrame] = []
    origin: list[Path] = []
    for file in files:
        tables.append(LATENCY.read(file).fillna({"option": ""}))
        check_rows(tables[-1], file)
        origin += [file] * len(tables[-1])
    found = joined(LATENCY, tables)
    again = measured_before(found)
    if again.any():
        raise UserError("a measurement that was given before, to the last digit", file=origin[int(again.argmax())],
                        remedy="Give every table of latencies once")
    return found


def read_exports(folders: Iterable[Path]) -> list[Export]:
    """The exported models of some folders. Raises UserError for one that is given twice, by whatever name: its files
    would count twice, or one would silently stand for the other."""
    found: dict[str, Export] = {}
    for folder in folders:
        one = Export.read(folder / "export.json")
        if one.run_id in found:
            raise UserError(f"an exported model that was given before: run {one.run_id}", file=folder,
                            remedy="Give every model once")
        found[one.run_id] = one
    return list(found.values())


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
