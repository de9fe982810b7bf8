"""Any folder of WFDB records, one by one or in pieces; the headers' comments say the rest.

Comments as PhysioNet/CinC 2020 and 2021 write them: `# Age: 61`, `# Sex: Female`, `# Dx: 426783006,164889003`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from ecgscale.ecg.datasets import Asked, Dataset
from ecgscale.ecg.guards import Rejected
from ecgscale.ecg.wfdb_header import read_header
from ecgscale.ecg.wfdb_record import Recording, read_recording
from ecgscale.errors import UserError

PATTERN, EACH = "**.hea", 1
FRUITLESS = 10_000                  # folders in which no header was found: whoever goes on looks through a disk
KERNEL = ("/proc/", "/sys/")        # Linux' own folders, of which nothing lies on a disk
NEARER = "Give the folder of the recordings itself"


def open_folder(folder: Path, asked: Asked) -> Dataset:
    found = headers_below(folder)
    if not found:
        raise UserError("no .hea file below this folder", file=folder,
                        remedy="Give the folder of a source's records. Another layout is said by `dataset` in the "
                               "sample sheet: docs/reference/inputs.md")
    return Dataset([name.removesuffix(".hea") for name in found], reader(folder, asked))


def reader(folder: Path, asked: Asked) -> Callable[[str], Recording]:
    return lambda place: read_recording(folder / f"{place}.hea", asked.leads, asked.names)


def headers_below(folder: Path, fruitless: int | None = FRUITLESS) -> list[str]:
    """Paths below a folder of every record's .hea file, sorted. Linked folders are followed, each once, but none
    of the kernel's, whose links lead to the whole disk. Hidden files and folders (a Mac's "._A0001.hea") are no
    records, nor are the pieces of a record of several segments. Raises UserError for the root of a disk, and after so
    many folders without one (None: never)."""
    if os.path.realpath(folder) == Path(os.path.realpath(folder)).anchor:
        raise UserError("the root of a disk, through which nobody looks", file=folder, remedy=NEARER)
    found, seen = [], set()
    for place, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in seen or f"{real}/".startswith(KERNEL):
            folders.clear()
            continue
        seen.add(real)
        if not found and fruitless is not None and len(seen) > fruitless:
            raise UserError(f"no .hea file in the first {fruitless:,} folders below it", file=folder, remedy=NEARER)
        folders[:] = [name for name in folders if not name.startswith(".")]
        below, present = os.path.relpath(place, folder).replace(os.sep, "/"), set(files)
        headers = {name for name in files if name.endswith(".hea") and not name.startswith(".")}
        alone = [name for name in headers if not {name[:-4] + ".mat", name[:-4] + ".dat"} & present]
        # a piece without samples of its own shares those of the record: then the record may be any of the headers
        headers -= {piece for name in (headers if alone else ()) for piece in pieces_of(Path(place, name))}
        found += [name if below == "." else f"{below}/{name}" for name in headers]
    return sorted(found)


def pieces_of(file: Path) -> set[str]:
    """Names of the header files that a record of several segments is made of; none of any other record."""
    try:
        return {f"{name}.hea" for name, _ in read_header(file).segments} - {file.name}
    except Rejected:
        return set()
