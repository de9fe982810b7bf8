"""Loops compiled by numba: one decorator, so that all are kept on disk and packed into vector registers alike."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from numba import config, njit
from numba.core.caching import IndexDataCacheFile

from ecgscale.paths import PACKAGE

config.SLP_VECTORIZE = 1        # lets the compiler pack alike statements into vector registers


def compiled(function):
    """numba.njit, kept on disk where the installation or the user's cache folder can be written; divides as numpy.

    What is kept beside the code is read there too where nobody may write it, as in an image; what was compiled there
    for another processor is passed over. numba looks at the function's own file to know whether what it kept is still
    right, though compiled code of other files may be in it: here every file of the room has to be as it was.
    """
    options = {"nogil": True, "error_model": "numpy"}
    try:
        made = njit(cache=True, **options)(function)
    except RuntimeError:        # no folder to keep it in: compile it in every process
        return njit(**options)(function)
    file = Path(function.__code__.co_filename)
    own, beside = made._cache._cache_file, file.parent / "__pycache__"
    own._source_stamp = stamp(room(file))
    if Path(made._cache.cache_path) != beside:
        made._cache._cache_file = KeptTwice(
            IndexDataCacheFile(str(beside), made._cache._impl.filename_base, own._source_stamp), own)
    return made


@dataclass(frozen=True)
class KeptTwice:
    """Of one function, what came with the installation, only read, before what this user compiled; as numba's cache."""
    installed: IndexDataCacheFile
    own: IndexDataCacheFile

    def load(self, key):
        return self.installed.load(key) or self.own.load(key)

    def save(self, key, data) -> None:
        self.own.save(key, data)

    def flush(self) -> None:
        self.own.flush()


def room(file: Path) -> Path:
    """The first folder below the package: lib/ecgscale/laws/forms/floor.py -> lib/ecgscale/laws."""
    return PACKAGE / file.relative_to(PACKAGE).parts[0] if file.is_relative_to(PACKAGE) else file.parent


@cache
def stamp(folder: Path) -> tuple[int, int]:
    """Newest time of change, in ns, and bytes of the sources below a folder."""
    facts = [file.stat() for file in folder.rglob("*.py")]
    return max(fact.st_mtime_ns for fact in facts), sum(fact.st_size for fact in facts)
