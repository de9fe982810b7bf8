"""Loops compiled by numba: one decorator, so that all are kept on disk and packed into vector registers alike."""

from functools import cache
from pathlib import Path

from numba import config, njit

from ecgscale.paths import PACKAGE

config.SLP_VECTORIZE = 1        # lets the compiler pack alike statements into vector registers


def compiled(function):
    """numba.njit, kept on disk where the installation or the user's cache folder can be written; divides as numpy.

    numba looks at the function's own file to know whether what it kept is still right, though compiled code of other
    files may be in it: here every file of the room has to be as it was.
    """
    options = {"nogil": True, "error_model": "numpy"}
    try:
        made = njit(cache=True, **options)(function)
    except RuntimeError:        # no folder to keep it in: compile it in every process
        return njit(**options)(function)
    made._cache._cache_file._source_stamp = stamp(room(Path(function.__code__.co_filename)))
    return made


def room(file: Path) -> Path:
    """The first folder below the package: lib/ecgscale/laws/forms/floor.py -> lib/ecgscale/laws."""
    return PACKAGE / file.relative_to(PACKAGE).parts[0] if file.is_relative_to(PACKAGE) else file.parent


@cache
def stamp(folder: Path) -> tuple[int, int]:
    """Newest time of change, in ns, and bytes of the sources below a folder."""
    facts = [file.stat() for file in folder.rglob("*.py")]
    return max(fact.st_mtime_ns for fact in facts), sum(fact.st_size for fact in facts)
