"""Recordings in arrays of millivolts, NPY and HDF5 files among them: no header, so the dataset says the rest.

Files are not trusted: an HDF5 file that leads to another one (external or soft links, external or virtual storage) is
refused, and what an array announces is checked before it is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from ecgscale.contracts import LEADS
from ecgscale.contracts.reading import plain_file, read_array, reading
from ecgscale.ecg.guards import MOST_VALUES, Rejected, check_length, check_rate
from ecgscale.ecg.leads import choose
from ecgscale.ecg.wfdb_record import NO_MARK, Recording
from ecgscale.errors import UserError

STEPS = 10_000          # a millivolt: values are kept to 0.1 uV
LARGEST = 100_000.0     # mV: above, no step of an int32 is left
MOST_UNPACKED, FREELY_UNPACKED = 100, 1 << 24   # times the bytes stored, and bytes more: 12 leads pack five times


def recording_of(millivolts: np.ndarray, rate: float, wanted: Sequence[str], names: Sequence[str] = LEADS) -> Recording:
    """A recording from (samples, signals) millivolts with the signals' names. Raises Rejected."""
    check_rate(rate)
    check_length(rate, len(millivolts))
    if len(names) != millivolts.shape[1]:
        raise Rejected("header", f"{millivolts.shape[1]} signals, and {len(names)} leads are named for them")
    order, held, flags = choose(names, wanted)
    values = np.asarray(millivolts[:, order], dtype=np.float64)
    if not np.isfinite(values).all():
        raise Rejected("invalid-samples", f"{int((~np.isfinite(values)).sum())} values are no numbers")
    if np.abs(values).max(initial=0) > LARGEST:
        raise Rejected("amplitude", f"{np.abs(values).max():.4g} mV")
    each = np.ones(len(order))
    return Recording(rate=rate, digital=np.rint(values * STEPS).astype(np.int32, order="C"), gain=STEPS * each,
                     baseline=0 * each, factor=each, invalid=np.full(len(order), NO_MARK), sums=(),
                     flags=frozenset(flags | {"no-checksum"}), comments={}, leads=held)


def by_time(values: np.ndarray, leads: int = len(LEADS)) -> np.ndarray:
    """(samples, leads) of an array that has its leads along one of two axes; one lead needs none. Raises Rejected."""
    values = values[:, None] if values.ndim == leads == 1 else values
    if values.ndim != 2 or (values.shape[0] == leads) == (values.shape[1] == leads):
        raise Rejected("header", f"an array of shape {values.shape}: {leads} lead{'s' * (leads > 1)} along one axis "
                                 "are read; the sheet's column `leads` names others")
    return values if values.shape[1] == leads else values.T


def read_npy(file: Path) -> np.ndarray:
    """A NPY file of numbers. Raises Rejected."""
    try:
        mapped = read_array(file)
    except UserError as error:
        raise Rejected("unreadable", f"{file.name}: {error.problem}"[:200]) from None
    check_values(mapped.shape, mapped.dtype)
    return np.asarray(mapped)


def check_values(shape: tuple[int, ...], dtype: np.dtype) -> None:
    if prod(shape) > MOST_VALUES:
        raise Rejected("too-long", f"{prod(shape)} values are announced, at most {MOST_VALUES} are read")
    if dtype.kind not in "fiu":
        raise Rejected("unreadable", f"an array of {dtype}, not of numbers")


@contextmanager
def opened_hdf5(file: Path) -> Iterator[Any]:
    """An HDF5 file for reading. Raises UserError."""
    import h5py  # slow to import, and only these datasets need it

    with reading(plain_file(file), "HDF5 file", passing=(Rejected,)), h5py.File(file, "r") as opened:
        yield opened


def hdf5_array(group: Any, name: str, file: Path) -> Any:
    """A dataset that lies in this very file and whose pieces can be held. Raises UserError."""
    import h5py

    found = group.get(name) if isinstance(group.get(name, getlink=True), h5py.HardLink) else None
    if not isinstance(found, h5py.Dataset):
        raise UserError(f"no dataset {name!r} in this file", file=file, field=name)
    if found.external or found.is_virtual:
        raise UserError("its values lie in another file", file=file, field=name)
    if found.dtype.kind not in "fiu" or (found.chunks and prod(found.chunks) > MOST_VALUES):
        raise UserError(f"{found.dtype} in pieces of {found.chunks}: not numbers, or too many at once", file=file,
                        field=name)
    if found.nbytes > MOST_UNPACKED * found.id.get_storage_size() + FREELY_UNPACKED:
        raise UserError(f"announces {found.nbytes} bytes and stores {found.id.get_storage_size()}: no signals pack "
                        "like that", file=file, field=name)
    return found


def read_hdf5(file: Path, name: str | None = None) -> np.ndarray:
    """The dataset `name` of a file of one recording, or the only one in it. Raises Rejected."""
    try:
        with opened_hdf5(file) as opened:
            names = [name] if name else list(opened)
            if len(names) != 1:
                raise Rejected("header", f"{file.name}: {len(names)} arrays, one is read")
            found = hdf5_array(opened, names[0], file)
            check_values(found.shape, found.dtype)
            return found[()]
    except UserError as error:
        raise Rejected("unreadable" if file.is_file() else "missing-file", str(error)[:200]) from None
