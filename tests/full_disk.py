"""A command on a disk that is full when it writes its first file, its second one, and so on.

    unshare --map-root-user --mount python -m tests.full_disk DISK MOST COMMAND ARGUMENT...

runs a command of bin/ with `--out DISK/out`, where DISK is a file system in memory: first with room enough, then once
for each file that it left (MOST of them, first and last among them), with room for those before it only, then there
again with room enough. Prints a line of JSON
for each: what ended it, what it said, and what lies on the disk.
"""

import hashlib
import json
import os
import runpy
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ENOUGH, PAGE = 1 << 28, 4096
LOADED = {      # before a fork
    "ecg-prepare": "ecgscale.ecg.prepare", "ecg-split": "ecgscale.ecg.split",
    "ecg-evaluate": "ecgscale.evaluation.evaluate", "ecg-collect": "ecgscale.evaluation.comparisons",
    "ecg-fit": "ecgscale.analysis.analyse", "ecg-export": "ecgscale.deploy.export",
    "ecg-bench": "ecgscale.deploy.bench", "ecg-report": "ecgscale.report.page"}
APART = ("unshare", "--map-root-user", "--mount")


def mount(disk: Path, size: int, *again: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join([*again, f"size={size}"]), "tmpfs", disk], check=True)


def files(disk: Path) -> list[Path]:
    """In the order in which they were written."""
    return sorted((file for file in disk.rglob("*") if file.is_file()), key=lambda file: file.stat().st_mtime_ns)


def run(command: str, arguments: list[str], disk: Path, said: Path) -> dict:
    """The command in a child; what it says goes into a file of another disk."""
    child = os.fork()
    if not child:
        with open(said, "w") as stream:
            os.dup2(stream.fileno(), 1)
            os.dup2(stream.fileno(), 2)
        sys.argv = [command, *arguments, "--out", str(disk / "out")]
        try:
            runpy.run_path(str(ROOT / "bin" / command), run_name="__main__")
        except SystemExit as end:
            sys.stdout.flush()
            os._exit(end.code if isinstance(end.code, int) else int(end.code is not None))
        except BaseException:
            sys.excepthook(*sys.exc_info())
            sys.stderr.flush()
            os._exit(1)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    held = {file.relative_to(disk).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest() for file in files(disk)}
    return {"code": status, "said": said.read_text(), "files": held}


def main(disk: Path, most: int, command: str, *arguments: str) -> None:
    from ecgscale.machine.confined import confine
    confine()
    __import__(LOADED[command])
    said = disk.with_name("said.txt")
    mount(disk, ENOUGH)
    print(json.dumps(run(command, list(arguments), disk, said)))
    ends, total = [], 0
    for file in files(disk):
        total += -(-file.stat().st_size // PAGE) * PAGE
        ends.append(total)
    for end in sorted({ends[place * (len(ends) - 1) // max(min(most, len(ends)) - 1, 1)] for place in range(most)
                       if place < len(ends)}):
        mount(disk, end - PAGE or 1)       # over the one before: an empty disk; size=0 would be without limit
        print(json.dumps(run(command, list(arguments), disk, said)))
        mount(disk, ENOUGH, "remount")
        print(json.dumps(run(command, list(arguments), disk, said)))


def sweep(command: str, arguments: Iterable, most: int, folder: Path) -> list[dict]:
    """What main prints of a command, on a disk in `folder`. Skips the test where no disk can be made."""
    if not shutil.which(APART[0]):
        pytest.skip("no unshare here: it is Linux's")
    disk = folder / "disk"
    disk.mkdir()
    mounted = subprocess.run([*APART, "mount", "-t", "tmpfs", "tmpfs", disk], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode().strip()}")
    done = subprocess.run([*APART, sys.executable, "-m", "tests.full_disk", disk, str(most), command,
                           *map(str, arguments)], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT / "lib")},
                          text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return list(map(json.loads, done.stdout.splitlines()))


def survived(whole: dict, full: dict, again: dict, timed: tuple[str, ...] = ()) -> None:
    """A message, whole files only, and the same files with room again, to the byte; but for names that end as `timed`:
    they tell how long something took."""
    assert full["code"] == 2, full["said"]
    assert "No space left on device. Make room there and run again" in full["said"]
    assert "Traceback" not in full["said"]
    assert again["code"] == whole["code"], again["said"]
    whole, full, again = ({name: "" if name.endswith(timed) else digest for name, digest in one["files"].items()}
                          for one in (whole, full, again))
    assert {item for item in full.items() if not item[0].endswith("datapackage.json")} <= whole.items()
    assert again == whole           # a package describes what is there so far


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
