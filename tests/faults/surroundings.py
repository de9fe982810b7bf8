"""Every command where a machine is set up otherwise: its answer is that of an ordinary call. `make faults`: minutes.

An ordinary call is made twice; what is the same in both (files by their bytes, what is said on the terminal) has to be
the same in any surroundings. Times that were measured are not; there the names of files are compared.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Thread

import pytest

from tests.bin.test_foreign_files import SEVERAL
from tests.fuzz import bundles, commands, decisions, recordings, stages, tables
from tests.fuzz.target import Files
from tests.fuzz.test_fuzz import write
from tests.lib.ecg.test_download import Release

ROOT = Path(__file__).parents[2]
FUTURE, PAST = 2_200_000_000, 0
TIME = re.compile(r"\d+(\.\d+)? m?s\b")
Call = tuple[Callable[[], Files], Callable[[Path], None]]


def called(name: str, *arguments: str | Path) -> Callable[[Path], None]:
    return lambda folder: commands.run(name, *arguments, folder=folder)


def recorded() -> Files:
    told = {"people.csv": "record,patient\nA0001,Jürgen\n".encode(), "labels.csv": b"record,codes\nA0001,426783006\n"}
    return told | {f"source/{name}": content for name, content in recordings.record_files().items()}


@cache
def release() -> str:
    """The address of a server on this machine."""
    server = Release()
    Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/release"


def shards() -> Files:
    return {f"shard/{name.removeprefix('shard/')}": one for name, one in recordings.shard_files().items()}


CALLS: dict[str, Call] = SEVERAL | {
    "ecg-card": (shards, called("ecg-card", "--corpus", "shard")),
    "ecg-download": (lambda: {}, lambda folder: commands.run("ecg-download", "--sources", "georgia", "--from",
                                                             release(), folder=folder)),
    "ecg-export": (stages.trained, stages.export),
    "ecg-extrapolate": (lambda: {"curve.csv": tables.CURVES[0]}, called("ecg-extrapolate", "--curve", "curve.csv")),
    "ecg-kit": (stages.to_measure, bundles.make_kit),
    "ecg-prepare": (recorded, called("ecg-prepare", "--source", "any", "--folder", "source", "--study", commands.STUDY,
                                     "--patients", "people.csv", "--table", "labels.csv", "--cpus", "1")),
    "ecg-stream": (stages.to_measure, decisions.stream),
    "ecg-synth": (lambda: {}, called("ecg-synth", "--records", "8", "--cpus", "1")),
}


@dataclass(frozen=True)
class Answer:
    code: int
    files: dict[str, bytes]
    said: str
    told: str


def words_of(name: str, folder: Path) -> list[str]:
    """What a command is called with; paths begin with `folder`."""
    found: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        for room in (commands, decisions):
            patch.setattr(room, "main", lambda _: found.extend)
        CALLS[name][1](folder)
    return found


def answer(name: str, place: Path, inside: str = "case", seconds: int | None = None, umask: int = -1,
           closed: bool = False, **environment: str | None) -> Answer:
    """A call in a new folder `place`/`inside`. seconds: the time stamp of what it reads; closed: without stdin; None
    takes a variable away."""
    folder = place / inside
    write(folder, CALLS[name][0]())
    folder.mkdir(parents=True, exist_ok=True)
    words = words_of(name, folder)
    if seconds is not None:
        for path in (*folder.rglob("*"), folder):
            os.utime(path, (seconds, seconds))
    around = {**os.environ, "PYTHONPATH": str(ROOT / "lib"), **environment}
    here = place / "here"
    here.mkdir(exist_ok=True)
    done = subprocess.run([sys.executable, ROOT / "bin" / name, *words], cwd=here, umask=umask, capture_output=True,
                          env={key: value for key, value in around.items() if value is not None}, check=False,
                          preexec_fn=(lambda: os.close(0)) if closed else None)
    assert list(here.iterdir()) == []
    files = {file.relative_to(folder).as_posix(): file.read_bytes()
             for root in ("out", "kept") for file in (folder / root).rglob("*") if file.is_file()}
    if (folder / "out").is_file():
        files["out"] = (folder / "out").read_bytes()
    shutil.rmtree(folder)
    return Answer(done.returncode, files, *(
        TIME.sub("TIME", text.decode("utf-8", "replace").replace(str(folder), "HERE"))
        for text in (done.stdout, done.stderr)))


@pytest.fixture(scope="module")
def locales(tmp_path_factory) -> str:
    """A folder of locales, where they can be made; a name that is not in it gives C."""
    folder = tmp_path_factory.mktemp("locales")
    for name, codes in (("tr_TR", "UTF-8"), ("de_DE", "ISO-8859-1")):
        if shutil.which("localedef"):
            subprocess.run(["localedef", "-i", name, "-f", codes, folder / f"{name}.{codes}"], check=False,
                           capture_output=True)
    return str(folder)


def surroundings(place: Path, locales: str) -> dict[str, dict]:
    """By name; each holds several that do not touch each other."""
    (place / "file").write_text("")
    return {
        "clock and caches": {"TZ": "Pacific/Kiritimati", "seconds": FUTURE, "PYTHONHASHSEED": "1", "COLUMNS": "20",
                             "NO_COLOR": "1", "umask": 0o077, "HOME": str(place / "missing"), "closed": True,
                             "TMPDIR": str(place / "missing"), "OMP_NUM_THREADS": "0", "LOCPATH": locales,
                             "LC_ALL": "tr_TR.UTF-8"},
        "no UTF-8": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii", "PYTHONCOERCECLOCALE": "0",
                     "HOME": None, "TMPDIR": None, "TZ": ":bad", "seconds": PAST, "umask": 0, "PYTHONHASHSEED": "2",
                     "OMP_NUM_THREADS": "many"},
        "names": {"inside": f"a b/it's/Übung/-x/{'l' * 200}/%s $(touch x) [1]", "LOCPATH": locales,
                  "LC_ALL": "de_DE.ISO-8859-1", "HOME": str(place / "file"), "TMPDIR": str(place / "file")},
    }


@pytest.mark.parametrize("name", CALLS)
def test_the_answer_is_that_of_an_ordinary_call(name, tmp_path, locales):
    first, again = answer(name, tmp_path), answer(name, tmp_path)
    assert first.code == 0, first.told
    steady = {file for file in first.files if first.files[file] == again.files.get(file)}
    for where, around in surroundings(tmp_path, locales).items():
        found = answer(name, tmp_path, **around)
        assert found.code == 0, (where, found.told)
        assert found.files.keys() == first.files.keys(), where
        told = {"out/report.html"} if "inside" in around else set()     # it names the files that it was made of
        assert {file for file in steady - told if found.files[file] != first.files[file]} == set(), where
        for before, after, now in ((first.said, again.said, found.said), (first.told, again.told, found.told)):
            assert before != after or now == before, where


def test_every_command_is_called():
    assert {path.name for path in (ROOT / "bin").glob("ecg-*")} == CALLS.keys()
