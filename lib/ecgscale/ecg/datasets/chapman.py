"""Chapman-Shaoxing as on figshare: ECGData/<FileName>.csv (leads as columns, 500 Hz, uV) and Diagnostics.xlsx or .csv.

The files of ECGDataDenoised, read where the others are not there, do not name their leads: the order is the same.
Zheng J et al., Scientific Data 7:48 (2020). Codes are `Rhythm` and those of `Beat` (`RBBB TWC`; NONE is none). Its AF
is atrial flutter, AFIB atrial fibrillation. Each recording is of another patient.
"""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow.csv

from ecgscale.contracts import LEADS
from ecgscale.contracts.reading import plain_file, reading
from ecgscale.contracts.written import read_rows
from ecgscale.ecg.arrays import recording_of
from ecgscale.ecg.datasets import Asked, Dataset
from ecgscale.ecg.facts import Facts, FactTable
from ecgscale.ecg.spreadsheet import read_spreadsheet
from ecgscale.ecg.wfdb_record import Recording
from ecgscale.errors import UserError

FOLDERS = ("ECGData", "ECGDataDenoised")
PATTERN, EACH = "ECGData*/*.csv", 1
LICENCE = "CC BY 4.0"
RATE, MICROVOLT = 500.0, 1e-3
LARGEST = 1 << 26       # bytes of a recording
REMEDY = "Give the folder that holds ECGData and the diagnoses"
COLUMNS = ("FileName", "Rhythm", "Beat", "PatientAge", "Gender")


def open_folder(folder: Path, asked: Asked) -> Dataset:
    there = [name for name in FOLDERS if (folder / name).is_dir()]
    if not there:
        raise UserError(f"no folder {' or '.join(FOLDERS)}", file=folder, field="path", remedy=REMEDY)
    places = sorted(f"{there[0]}/{file.stem}" for file in (folder / there[0]).glob("*.csv"))
    return Dataset(places, lambda place: read_csv(folder / f"{place}.csv", asked), read_diagnostics(folder), LICENCE,
                   (f"Chapman: {there[0]} of {' and '.join(there)}",) if len(there) > 1 else ())


def read_csv(file: Path, asked: Asked) -> Recording:
    with reading(plain_file(file, LARGEST), "CSV"):
        with open(file, encoding="latin-1") as stream:
            named = not re.fullmatch(r"[\d\s.,eE+-]+", stream.readline(10_000))
        table = pyarrow.csv.read_csv(file, read_options=pyarrow.csv.ReadOptions(autogenerate_column_names=not named))
        values = table.to_pandas().to_numpy(dtype=float)
    return recording_of(values * MICROVOLT, RATE, asked.leads, asked.names or (table.column_names if named else LEADS))


def read_diagnostics(folder: Path) -> FactTable:
    file = next((folder / name for name in ("Diagnostics.xlsx", "Diagnostics.csv") if (folder / name).is_file()), None)
    if file is None:
        raise UserError("no Diagnostics.xlsx or Diagnostics.csv", file=folder, remedy=REMEDY)
    rows = read_spreadsheet(file, COLUMNS) if file.suffix == ".xlsx" else read_rows(file, COLUMNS)
    return FactTable({row["FileName"]: Facts(row["FileName"], None, (row["Rhythm"], *row["Beat"].split()),
                                             row["PatientAge"], row["Gender"]) for row in rows}, file,
                     what="dataset's own table")
