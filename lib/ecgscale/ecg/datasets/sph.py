"""Shandong Provincial Hospital: metadata.csv and records/<ECG_ID>.h5 (dataset `ecg`, leads by samples, 500 Hz, mV).

Liu H et al., Scientific Data 9:272 (2022). Codes are the AHA/ACC/HRS statements of `AHA_Code`: `22;60+310` is 22, and
60 with the modifier 310, which counts as 60 and as 60+310.
"""

from __future__ import annotations

from pathlib import Path

from ecgscale.contracts import LEADS
from ecgscale.contracts.written import as_whole, read_rows
from ecgscale.ecg.arrays import by_time, read_hdf5, recording_of
from ecgscale.ecg.datasets import Asked, Dataset
from ecgscale.ecg.facts import Facts, FactTable
from ecgscale.ecg.wfdb_record import Recording

PATTERN, EACH = "records/*.h5", 1
LICENCE = "CC BY 4.0"
RATE = 500.0


def open_folder(folder: Path, asked: Asked) -> Dataset:
    places = sorted(f"records/{file.stem}" for file in (folder / "records").glob("*.h5"))

    def read(place: str) -> Recording:
        values = by_time(read_hdf5(folder / f"{place}.h5", "ecg"))
        return recording_of(values, RATE, asked.leads, asked.names or LEADS)

    return Dataset(places, read, read_metadata(folder / "metadata.csv"), LICENCE)


def read_metadata(file: Path) -> FactTable:
    rows = read_rows(file, ("ECG_ID", "AHA_Code", "Patient_ID", "Age", "Sex"))
    return FactTable({row["ECG_ID"]: Facts(row["Patient_ID"] or None, None, statements(row["AHA_Code"]),
                                           row["Age"], row["Sex"]) for row in rows}, file, what="dataset's own table")


def statements(text: str) -> tuple[str, ...]:
    """"22;60+310" -> 22, 60, 60+310."""
    given = [as_whole(part.strip()) for part in text.split(";")]
    return tuple(code for part in given for code in dict.fromkeys((part.split("+")[0], part)))
