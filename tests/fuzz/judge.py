"""What a reader may do with a file of anybody's: read it, or end with a UserError, in time, memory and its folder."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path

import matplotlib

import ecgscale
from ecgscale.ecg.guards import Rejected
from ecgscale.errors import UserError
from ecgscale.machine.confined import cache_folder, confine
from tests.fuzz.target import Target

confine()       # as every command begins: what libraries keep lies in one folder
MOST_WAITING = 600                  # seconds by the clock, for what sleeps as before a pipe
A_MIB = 0.5                         # seconds more for each MiB of a case: reading a long table is work, not a hang
MOST_BYTES = 512 << 20              # that a case may make the process grow by
EXPECTED = (UserError, Rejected, SystemExit)
ROOT = Path(__file__).parents[2]
assert Path(ecgscale.__file__).is_relative_to(ROOT), f"{ecgscale.__file__} would be judged, not {ROOT}: PYTHONPATH=lib"
ELSEWHERE = tuple(os.path.realpath(place) for place in (
    *{sys.prefix, sys.base_prefix}, *filter(None, sys.path), ROOT / "lib", ROOT / "bin", ROOT / "assets", "/proc",
    "/sys", "/dev", "/usr", "/etc/mime.types", matplotlib.get_cachedir(),
    os.fspath(cache_folder())))
"""What the interpreter, the package and the compilers of libraries open for themselves."""


class TooLong(BaseException):
    """A case that took its time."""


opened: list[str] | None = None     # paths that Python opens, while a case is judged


def audit(event: str, arguments: tuple) -> None:
    if opened is not None and event == "open" and isinstance(arguments[0], str | bytes):
        opened.append(os.fsdecode(arguments[0]))


sys.addaudithook(audit)


def judge(target: Target, folder: Path) -> str:
    """What is wrong with how the target took the files of this folder, "" where nothing is. One fault, the same words.

    What takes too long is tried again: the first case may have loaded a library.
    """
    fault = judged(target, folder)
    return judged(target, folder) if fault.startswith("takes more") else fault


def judged(target: Target, folder: Path) -> str:
    global opened
    before = beside(folder)
    resident = start_of_growth()
    seconds = target.seconds + A_MIB * sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 2**20
    opened, rung = [], []
    try:
        with within(seconds, rung):
            target.check(target.read(folder))
    except EXPECTED as error:
        fault = "" if str(error).strip() else f"an empty message of {type(error).__name__}"
    except TooLong:
        fault = ""
    except Exception as error:
        fault = f"{type(error).__name__} at {place_of(error)}"
    else:
        fault = ""
    finally:
        paths, opened = opened, None
    if rung:        # whatever came of it: a compiler that calls back swallows TooLong, and fails later
        fault = f"takes more than {seconds:.2g} s"
    grown = peak() - resident
    if not fault and grown > MOST_BYTES:
        fault = f"takes more than {MOST_BYTES >> 20} MiB"
    outside = sorted({path for path in paths if is_outside(path, folder)})
    if not fault and outside:
        fault = f"opens {outside[0]}"
    if beside(folder) != before:
        fault = fault or "leaves a file outside its folder"
    return fault


def beside(folder: Path) -> list[str]:
    """What lies beside the case's folder and in the folder for passing files."""
    return sorted((*os.listdir(folder.parent), *os.listdir(tempfile.gettempdir())))


def is_outside(path: str, folder: Path) -> bool:
    real, own = os.path.realpath(path), (os.path.realpath(folder), os.path.realpath(tempfile.gettempdir()))
    return not real.startswith(tuple(place + os.sep for place in (*own, *ELSEWHERE)))


def place_of(error: BaseException) -> str:
    """File and line of ours that the error went through last."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "ecgscale" in frame.filename
              or ("/tests/fuzz/" in frame.filename and not frame.filename.endswith("judge.py"))]
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "no line of ours"


@contextlib.contextmanager
def within(seconds: float, rung: list) -> Iterator[None]:
    """Raises TooLong inside after that much CPU, so that a busy machine makes no fault, or MOST_WAITING; and adds to
    `rung` that it did."""
    def stop(*_):
        rung.append(seconds)
        raise TooLong

    old = signal.signal(signal.SIGVTALRM, stop), signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    signal.setitimer(signal.ITIMER_REAL, MOST_WAITING)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGVTALRM, old[0])
        signal.signal(signal.SIGALRM, old[1])


def start_of_growth() -> int:
    """Bytes that are resident now; the peak counts from here on. Linux alone tells: elsewhere memory is not judged."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return sys.maxsize
    return peak()


def peak() -> int:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
