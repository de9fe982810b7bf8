"""The wall around every file that comes in: what is checked before a library opens it, and how its errors are told.

Nobody knows all that a library raises for a damaged file. So each reader opens a file in `reading`, which turns
whatever comes out of the library into a ContractError that names the file; only calls of the library stand in it.
"""

from __future__ import annotations

import contextlib
import json
import math
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from ecgscale.errors import UserError

MEBI = 1 << 20
LARGEST_TEXT = 256 * MEBI       # bytes of a table or of lines of JSON that are text
LARGEST_DOCUMENT = 32 * MEBI    # bytes of one JSON document
LARGEST_ARRAYS = 1024 * MEBI    # bytes of what an NPZ file holds, unpacked
MOST_CELLS = 200_000_000        # rows x columns of a Parquet file
MOST_COLUMNS = 2_000            # of a table of others: names are held against each other


class ContractError(UserError):
    """A file that is not what its name promises: another schema, another version, a missing or foreign column."""


def plain_file(path: Path | str, largest: int | None = None) -> Path:
    """This path, of a file that is there and no folder, pipe or device. Raises ContractError."""
    path = Path(path)
    try:
        if not path.is_file():
            raise ContractError("a folder, not a file" if path.is_dir() else
                                "no plain file" if path.exists() else "no such file", file=path)
        size = path.stat().st_size
    except (OSError, ValueError) as error:      # a name that no file system takes
        raise ContractError(f"cannot be opened ({error})", file=str(path)[:200]) from None
    if largest is not None and size > largest:
        raise ContractError(f"has {size} bytes, at most {largest} are read", file=path)
    return path


@contextlib.contextmanager
def reading(path: Path | str, form: str, *, remedy: str = "", passing: tuple[type[Exception], ...] = ()
            ) -> Iterator[None]:
    """Around the calls of a library that reads `form`: what it raises becomes a ContractError, but a UserError and
    what is in `passing`."""
    try:
        yield
    except (UserError, *passing):
        raise
    except Exception as error:
        told = " ".join(str(error).split())[:300]
        raise ContractError(f"not a readable {form} ({type(error).__name__}{': ' + told if told else ''})", file=path,
                            remedy=remedy) from None


def check_width(columns: int, path: Path | str) -> None:
    """Raises ContractError where a table of others has more columns than are read."""
    if columns > MOST_COLUMNS:
        raise ContractError(f"has {columns} columns, at most {MOST_COLUMNS} are read", file=path,
                            remedy="Leave out those that are not needed")


def read_text(path: Path | str, largest: int = LARGEST_DOCUMENT) -> str:
    with reading(plain_file(path, largest), "UTF-8 text"):
        return Path(path).read_text(encoding="utf-8-sig")


def read_json(text: str, path: Path | str, line: int | None = None) -> Any:
    """A JSON value of finite numbers and of text that can be written again. Raises ContractError with its line."""
    try:
        value = json.loads(text, parse_constant=refuse_number, parse_float=finite, parse_int=whole_number)
        if "\\ud" in text or "\\uD" in text:
            json.dumps(value, ensure_ascii=False).encode()      # half of a character, which no file takes
        return value
    except json.JSONDecodeError as error:
        raise ContractError(f"not valid JSON ({error.msg})", file=path, line=line or error.lineno) from None
    except (ValueError, RecursionError) as error:
        raise ContractError(f"not valid JSON ({error})", file=path, line=line) from None


def finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else refuse_number(text)


def whole_number(text: str) -> int:
    """Of 64 bits, as tables hold it."""
    value = int(text)
    if abs(value) >= 1 << 63:
        raise ValueError(f"{text[:40]} does not fit into 64 bits")
    return value


def refuse_number(text: str) -> NoReturn:
    raise ValueError(f"{text[:40]} is not a finite number")


def read_array(path: Path | str) -> np.ndarray:
    """A .npy file, mapped into memory: nothing is allocated by what its header says, nothing pickled is read."""
    with reading(plain_file(path), "NPY array"):
        return np.lib.format.open_memmap(path, mode="r")


def read_arrays(path: Path | str, names: Iterable[str]) -> dict[str, np.ndarray]:
    """Those of these arrays that a .npz file holds. Each is unpacked to no more bytes than the file's list announces,
    and all to no more than LARGEST_ARRAYS; nothing pickled is read."""
    found = {}
    with reading(plain_file(path), "NPZ file without pickled objects"), zipfile.ZipFile(path) as archive:
        members = {info.filename: info for info in archive.infolist()}
        if len(members) < len(archive.infolist()):
            raise ContractError("holds two arrays of one name", file=path)
        wanted = {name: members[f"{name}.npy"] for name in names if f"{name}.npy" in members}
        size = sum(info.file_size for info in wanted.values())
        if size > LARGEST_ARRAYS:
            raise ContractError(f"its arrays take {size} bytes, at most {LARGEST_ARRAYS} are read", file=path)
        for name, info in wanted.items():
            with archive.open(info) as stream:
                shape, order, kind = array_header(stream)
                held = info.file_size - stream.tell()
                if kind.hasobject or math.prod(shape) * kind.itemsize != held:
                    raise ContractError(f"{held} bytes for {kind} of shape {shape}", file=path, field=name)
                values = np.frombuffer(stream.read(), dtype=kind)
                found[name] = values.reshape(shape, order="F" if order else "C")
    return found


def array_header(stream) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = np.lib.format.read_magic(stream)
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
    return read(stream)
