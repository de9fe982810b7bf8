"""MIMIC-IV-ECG: record_list.csv, machine_measurements.csv and WFDB records below files/.

Gow B et al., PhysioNet, doi:10.13026/4nqg-sb35 (2023). Patients are `subject_id`. It has no diagnoses: the codes are
the lines `report_0` to `report_17` of the machine's report, which a mapping makes classes of, and a table of labels by
`study_id`, the record's name, goes before them. The headers' lead order (aVF before aVL) is put right by name.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow.csv

from ecgscale.contracts.reading import plain_file, reading
from ecgscale.contracts.written import is_missing
from ecgscale.ecg.datasets import Asked, Dataset
from ecgscale.ecg.datasets.wfdb_headers import headers_below, reader
from ecgscale.ecg.facts import Facts, FactTable
from ecgscale.errors import UserError

PATTERN, EACH = "files/**.hea", 1
LICENCE = "ODbL 1.0"
REPORT = tuple(f"report_{number}" for number in range(18))


def open_folder(folder: Path, asked: Asked) -> Dataset:
    places = [f"files/{name.removesuffix('.hea')}" for name in headers_below(folder / "files")]
    return Dataset(places, reader(folder, asked), read_records(folder, set(places)),
                   LICENCE)


def read_records(folder: Path, places: set[str]) -> FactTable:
    """Facts of the records that are here; the tables list 800,000."""
    file = folder / "record_list.csv"
    rows = columns(file, ("subject_id", "study_id", "path"))
    reports = {}
    if (folder / "machine_measurements.csv").is_file():
        here = {study for study, path in zip(rows["study_id"], rows["path"], strict=True) if path in places}
        told = columns(folder / "machine_measurements.csv", ("study_id", *REPORT), some=True)
        lines = zip(*(told[name] for name in REPORT if name in told), strict=True)
        reports = {study: tuple(line.strip().replace(";", ",") for line in report if not is_missing(line))
                   for study, report in zip(told["study_id"], lines, strict=True) if study in here}
    found = {path: Facts(subject, None, reports.get(study)) for subject, study, path in
             zip(rows["subject_id"], rows["study_id"], rows["path"], strict=True)}
    return FactTable(found, file, what="dataset's own table")


def columns(file: Path, names: tuple[str, ...], some: bool = False) -> dict[str, list[str]]:
    """Columns of a large CSV as text. Raises UserError where one is missing, or with `some` the first."""
    convert = pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(names, pyarrow.string()), strings_can_be_null=False)
    with reading(plain_file(file), "CSV"):
        table = pyarrow.csv.read_csv(file, convert_options=convert)
    missing = [name for name in (names[:1] if some else names) if name not in table.column_names]
    if missing:
        raise UserError(f"column {missing[0]!r} is missing", file=file, line=1)
    return {name: table[name].to_pylist() for name in names if name in table.column_names}
