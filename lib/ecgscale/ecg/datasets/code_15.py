"""CODE-15 %: exams.csv and the HDF5 parts exams_part0.hdf5 to exams_part17.hdf5 (`exam_id`, `tracings`).

Ribeiro A H et al., zenodo.4916206 (2021). 400 Hz; recordings of 7 or 10 s stand in the middle of 4096 samples, and the
zeros around them are cut off. Values are taken as millivolts, as PhysioNet/CinC 2025 takes them; the dataset's page
speaks of 1e-4 V. Codes are the names of its six classes, and `normal_ecg`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ecgscale.contracts import LEADS
from ecgscale.contracts.written import read_rows
from ecgscale.ecg.arrays import hdf5_array, opened_hdf5, recording_of
from ecgscale.ecg.datasets import Asked, Dataset
from ecgscale.ecg.facts import Facts, FactTable
from ecgscale.ecg.guards import Rejected
from ecgscale.ecg.wfdb_record import Recording
from ecgscale.errors import UserError

PATTERN, EACH = "exams_part*.hdf5", 20_000
LICENCE = "CC BY 4.0"
RATE, SAMPLES = 400.0, 4096
CLASSES = ("1dAVb", "RBBB", "LBBB", "SB", "AF", "ST", "normal_ecg")
TRUE, FALSE = ("true", "1", "1.0"), ("false", "0", "0.0", "")


def open_folder(folder: Path, asked: Asked) -> Dataset:
    facts = read_exams(folder / "exams.csv")
    rows: dict[str, int] = {}       # place -> row of its part
    empty = 0
    for file in sorted(folder.glob(PATTERN)):
        with opened_hdf5(file) as part:
            tracings, exams = hdf5_array(part, "tracings", file), hdf5_array(part, "exam_id", file)
            if tracings.shape != (len(exams), SAMPLES, len(LEADS)):
                raise UserError(f"shape {tracings.shape} for {len(exams)} exams", file=file, field="tracings")
            numbers = exams[()].tolist()
        empty += numbers.count(0)
        rows |= {f"{file.stem}/{int(number)}": row for row, number in enumerate(numbers) if number}
    notes = (f"CODE-15: {empty} rows of the parts have no exam and are left out",) if empty else ()
    return Dataset(sorted(rows), lambda place: read_row(folder, place, rows[place], asked), facts, LICENCE, notes)


def read_row(folder: Path, place: str, row: int, asked: Asked) -> Recording:
    file = folder / f"{place.split('/')[0]}.hdf5"
    with opened_hdf5(file) as part:
        padded = hdf5_array(part, "tracings", file)[row]
    inside = np.flatnonzero((padded != 0).any(axis=1))
    if not len(inside):
        raise Rejected("no-signal", "every sample is 0")
    return recording_of(padded[inside[0] : inside[-1] + 1], RATE, asked.leads, asked.names or LEADS)


def read_exams(file: Path) -> FactTable:
    found = {}
    for line, row in enumerate(read_rows(file, ("exam_id", "age", "is_male", "patient_id", *CLASSES[:-1])), 2):
        codes = []
        for name in CLASSES:
            value = row.get(name, "").lower()
            if value not in TRUE + FALSE:
                raise UserError(f"{value!r} is neither True nor False", file=file, line=line, field=name)
            codes += [name] if value in TRUE else []
        sex = "male" if row["is_male"].lower() in TRUE else "female" if row["is_male"].lower() in FALSE[:-1] else ""
        found[row["exam_id"]] = Facts(row["patient_id"] or None, None, tuple(codes), row["age"], sex)
    return FactTable(found, file, what="dataset's own table")
