"""Nearly valid files of every kind: each is read or refused with a UserError, in time, in memory, in its folder.

60 cases a reader and fewer a command in `make test`, the same ones every time; `make fuzz` tries other ones for minutes
(ECGSCALE_FUZZ: how many times as many; FUZZ_OUT: where the first file of each fault is kept).
"""

import contextlib
import os
import shutil
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from tests.fuzz import bundles, commands, decisions, models, recordings, stages, tables
from tests.fuzz.judge import TooLong, judge
from tests.fuzz.target import Target

MANY = int(os.environ.get("ECGSCALE_FUZZ", "1"))
CASES = 60
TARGETS = (tables.TARGETS | recordings.TARGETS | models.TARGETS | commands.TARGETS | stages.TARGETS | bundles.TARGETS
           | decisions.TARGETS)
UNDAMAGED = stages.UNDAMAGED | bundles.UNDAMAGED | decisions.UNDAMAGED
EXAMPLES = {name: round(CASES * MANY * target.share) for name, target in TARGETS.items()}
OUTSIDE = b"0" * 4096


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """The case's own folder, beside files that it must not reach."""
    (tmp_path / "outside.dat").write_bytes(OUTSIDE)
    (tmp_path / "outside").write_bytes(OUTSIDE)
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    return tmp_path / "case"


@pytest.mark.parametrize("name", [name for name, count in EXAMPLES.items() if count])
def test_anything_is_read_or_refused(name, folder):
    target, faults, tried = TARGETS[name], {}, 0

    @settings(max_examples=EXAMPLES[name], deadline=None, database=None, derandomize=MANY == 1,
              suppress_health_check=list(HealthCheck))
    @given(target.files())
    def case(files: dict[str, bytes]) -> None:
        nonlocal tried
        tried += 1
        write(folder, files)
        fault = judge(target, folder)
        if fault and fault not in faults:
            faults[fault] = {file: content[:300] for file, content in files.items()}
            keep(folder, f"{name}-{len(faults)}", fault)

    started = time.process_time()
    case()
    print(f"{name}: {tried} cases, {1000 * (time.process_time() - started) / tried:.1f} ms each, {len(faults)} faults")
    assert not faults


@pytest.mark.parametrize("name", [name for name in UNDAMAGED if MANY > 1 or name != "ecg-export"])  # 9 s
def test_what_is_not_damaged_is_taken(name, folder):
    """Else the cases above would be refusals at the door."""
    write(folder, UNDAMAGED[name]())
    TARGETS[name].read(folder)
    assert (folder / "out").is_dir()


def test_what_is_interrupted_in_a_callback_took_too_long_and_is_no_defect(folder):
    """As numba's compiler, which swallows what is raised while it calls back, and ends with a RuntimeError later."""
    tries = []

    def read(_: Path) -> None:
        tries.append(1)
        if len(tries) <= slow:
            with contextlib.suppress(TooLong):
                while True:
                    pass
            raise RuntimeError("no compiled object yet")

    folder.mkdir()
    slow = 1
    assert judge(Target(lambda: None, read, seconds=0.05), folder) == ""
    assert len(tries) == 2
    slow = 4
    assert judge(Target(lambda: None, read, seconds=0.05), folder) == "takes more than 0.05 s"


def write(folder: Path, files: dict[str, bytes]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def keep(folder: Path, name: str, fault: str) -> None:
    if out := os.environ.get("FUZZ_OUT"):
        shutil.copytree(folder, Path(out) / name.replace(" ", "-"), dirs_exist_ok=True)
        (Path(out) / name.replace(" ", "-") / "FAULT").write_text(fault + "\n")
