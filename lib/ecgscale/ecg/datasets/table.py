"""Any folder of signals, one file a recording: WFDB (.hea), NPY (.npy) or HDF5 (.h5, .hdf5), with labels by table.

NPY and HDF5 files hold one array of millivolts at the sample sheet's `rate`, with the leads along one axis: those that
its column `leads` names, else the twelve standard ones.
"""

from __future__ import annotations

import os
from pathlib import Path

from ecgscale.contracts import LEADS
from ecgscale.ecg.arrays import by_time, read_hdf5, read_npy, recording_of
from ecgscale.ecg.datasets import Asked, Dataset
from ecgscale.ecg.datasets.wfdb_headers import headers_below
from ecgscale.ecg.wfdb_record import Recording, read_recording
from ecgscale.errors import UserError

PATTERN, EACH = "**.{hea,npy,h5,hdf5}", 1
ENDINGS = (".npy", ".h5", ".hdf5")


def open_folder(folder: Path, asked: Asked) -> Dataset:
    files = {name.removesuffix(".hea"): name for name in headers_below(folder, None)}
    for name in arrays_below(folder):
        place = name.rsplit(".", 1)[0]
        if place in files:
            raise UserError(f"two files of one recording: {files[place]} and {name}", file=folder, field="record",
                            remedy="Leave one of them")
        files[place] = name
    if any(name.endswith(ENDINGS) for name in files.values()) and not asked.rate:
        raise UserError("arrays do not say their sampling rate", file=folder, field="rate",
                        remedy="Give the column `rate` of the sample sheet (--rate)")
    return Dataset(sorted(files), lambda place: read_file(folder / files[place], asked))


def arrays_below(folder: Path) -> list[str]:
    """Paths below a folder of every array, hidden ones left out; links to folders are not followed."""
    return sorted(os.path.relpath(os.path.join(place, name), folder).replace(os.sep, "/")
                  for place, folders, names in os.walk(folder) for name in names
                  if name.endswith(ENDINGS) and not name.startswith("."))


def read_file(file: Path, asked: Asked) -> Recording:
    if file.suffix == ".hea":
        return read_recording(file, asked.leads, asked.names)
    names = asked.names or LEADS
    values = by_time(read_npy(file) if file.suffix == ".npy" else read_hdf5(file), len(names))
    return recording_of(values, asked.rate, asked.leads, names)
