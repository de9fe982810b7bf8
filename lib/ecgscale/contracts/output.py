"""How a result takes its place: whole or not at all, and never in the place of what ecgscale did not write.

A writer says how its own files are known: by name and schema. What stands at the place already is replaced only if it
is such a file, or a folder that holds nothing else; anything else is refused and stays as it is.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

import numpy as np

from ecgscale.errors import FULL, UserError

Wrote = Callable[[Path], bool]      # whether this file was written as one of ours
PACKAGE = "datapackage.json"        # beside the tables of a folder
MARK_WITHIN = 1 << 16               # bytes at either end of a file in which its mark stands


def marked(mark: bytes) -> Wrote:
    """Files are known by these bytes near their beginning or their end."""
    def wrote(path: Path) -> bool:
        with open(path, "rb") as stream:
            if mark in stream.read(MARK_WITHIN):
                return True
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - MARK_WITHIN))
            return mark in stream.read()
    return wrote


def never(path: Path) -> bool:
    """Nothing that stands there already is replaced."""
    return False


@contextlib.contextmanager
def whole(path: Path | str, wrote: Wrote) -> Iterator[Path]:
    """Give a temporary path beside the file `path`; rename it into place on success, remove it on failure.

    Raises UserError, before and after the work, where `path` holds something that is not known by `wrote`.
    """
    path = Path(os.path.realpath(path))
    refuse_foreign_file(path, wrote)
    with beside(path) as temporary:
        yield temporary
        refuse_foreign_file(path, wrote)
        os.replace(temporary, path)


@contextlib.contextmanager
def whole_folder(path: Path | str, members: Mapping[str, Wrote | None]) -> Iterator[Path]:
    """`whole` for a folder: the writer makes it at the temporary path.

    `members`: what the writer puts there, by patterns of the path below the folder. None: a file without a mark, known
    by the marked ones beside it. An older folder gives way as a whole, if it holds members only.
    """
    path = Path(os.path.realpath(path))
    refuse_foreign_folder(path, members, path)
    with beside(path) as temporary:
        yield temporary
        older = temporary.with_name("older")
        if path.exists():
            os.rename(path, older)
            try:
                refuse_foreign_folder(older, members, path)      # what came while we worked
            except BaseException:
                os.rename(older, path)
                raise
        os.rename(temporary, path)


@contextlib.contextmanager
def beside(path: Path) -> Iterator[Path]:
    """A path of the same file system that is gone afterwards, with all that is beside it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".ecgscale.", dir=path.parent))
    except (FileExistsError, NotADirectoryError):
        raise UserError("a folder above it is a file", file=path, remedy="Name another place") from None
    except OSError as error:
        if error.errno in FULL:
            raise
        raise UserError(f"nothing can be written there ({error.strerror})", file=str(path)[:300],
                        remedy="Name another place") from None
    try:
        yield temporary / path.name
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def remove_folder(path: Path, members: Mapping[str, Wrote | None]) -> None:
    """Remove a folder of ours. Raises UserError where it holds anything else."""
    refuse_foreign_folder(path, members, path)
    shutil.rmtree(path)


def refuse_foreign_file(path: Path, wrote: Wrote) -> None:
    if path.is_dir():
        raise UserError("is a folder, where a file is to be written", file=path, remedy="Name another place")
    if path.exists() and not (path.is_file() and (path.stat().st_size == 0 or wrote(path))):
        raise UserError("stands there already and was not written as this result: it is not replaced", file=path,
                        remedy="Move it away, or name another place")


def refuse_foreign_folder(path: Path, members: Mapping[str, Wrote | None], told: Path) -> None:
    """Raises UserError naming a file or folder that is no member. An empty folder holds nothing foreign."""
    if path.exists() and not path.is_dir():
        raise UserError("is a file, where a folder is to be written", file=told, remedy="Name another place")
    members, vouched, doubtful = {PACKAGE: marked(b'"ecgscale.'), **members}, False, []
    for place, folders, files in os.walk(path):
        inside = PurePosixPath(os.path.relpath(place, path).replace(os.sep, "/"))
        for name in files:
            file, kinds = Path(place, name), kinds_of(inside / name, members)
            known = not file.is_symlink() and any(wrote is not None and wrote(file) for wrote in kinds)
            vouched |= known
            if not known:
                doubtful += [(inside / name, None in kinds and not file.is_symlink())]
        doubtful += [(inside / name, False) for name in folders
                     if Path(place, name).is_symlink() or not kinds_of(inside / name / "*", members, folder=True)]
    foreign = [name for name, by_its_fellows in doubtful if not (by_its_fellows and vouched)]
    if foreign:
        raise UserError(f"holds {str(min(foreign))!r}, which this command did not write: nothing in it is replaced",
                        file=told, remedy="Name a new folder, or one that holds an earlier result only")


def kinds_of(place: PurePosixPath, members: Mapping[str, Wrote | None], folder: bool = False) -> list[Wrote | None]:
    """How the members are known whose pattern fits; of a folder: those that may lie somewhere below it."""
    def fits(pattern: str) -> bool:
        if folder:
            return len(PurePosixPath(pattern).parts) > 1 and fnmatchcase(place.parts[0], pattern.split("/")[0])
        return fnmatchcase(str(place), pattern)
    return [wrote for pattern, wrote in members.items() if fits(pattern)]


def write_text(path: Path | str, text: str, wrote: Wrote = never) -> None:
    with whole(path, wrote) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_array(path: Path, values: np.ndarray) -> None:
    """A small .npy file. NumPy itself, given a path, tells nobody that the disk is full: its error has no number."""
    content = io.BytesIO()
    np.save(content, values, allow_pickle=False)
    path.write_bytes(content.getbuffer())
