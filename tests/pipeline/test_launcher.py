"""What is missing is named with how to install it; what was fetched is checked before it runs."""


import shutil
import subprocess

import pytest

from tests.pipeline.conftest import ROOT

TOOLS = ("bash", "env", "sed", "awk", "head", "dirname", "readlink", "mktemp", "mkdir", "mv", "rm", "sha256sum", "tr")


@pytest.fixture
def machine(tmp_path):
    """A PATH with nothing but basic tools; `add` puts a program there that prints a line."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in TOOLS:
        (folder / name).symlink_to(shutil.which(name))

    def add(name: str, line: str, code: int = 0) -> None:
        path = folder / name
        path.write_text(f"#!/bin/bash\nprintf '%s\\n' '{line}' \"$*\" >&2\nexit {code}\n")
        path.chmod(0o755)

    def run(script: str, *arguments: str) -> subprocess.CompletedProcess:
        place = {"PATH": str(folder), "HOME": str(tmp_path), "ECGSCALE_ENGINE": str(tmp_path / "engine")}
        return subprocess.run(["bash", ROOT / script, *arguments], capture_output=True, text=True, env=place,
                              check=False)

    run.add = add
    return run


def test_no_java(machine):
    done = machine("nextflow", "-v")
    assert done.returncode == 2
    assert "no Java found. Install one from 17 to 24, as in: apt install" in done.stderr


@pytest.mark.parametrize("version", ["11.0.2", "25"])
def test_another_java(machine, version):
    machine.add("java", f'openjdk version "{version}" 2025-09-16')
    done = machine("nextflow", "-v")
    assert done.returncode == 2
    assert f"is Java {version.split('.')[0]}, and Nextflow 24.10 needs 17 to 24" in done.stderr


def test_no_maven(machine):
    machine.add("java", 'openjdk version "17.0.15" 2025-04-15')
    done = machine("nextflow", "-v")
    assert done.returncode == 2
    assert "neither Nextflow 24.10 nor Maven found. Install one of them" in done.stderr


def test_maven_that_fails_is_heard(machine):
    machine.add("java", 'openjdk version "17.0.15" 2025-04-15')
    machine.add("mvn", "Could not transfer artifact", code=1)
    done = machine("nextflow", "-v")
    assert done.returncode == 2
    assert "Could not transfer artifact" in done.stderr


def test_jars_that_are_not_listed_never_run(machine, tmp_path):
    """Maven that brings nothing (or something else): the list of SHA-256 does not hold, and java is not started."""
    machine.add("java", 'openjdk version "17.0.15" 2025-04-15')
    machine.add("mvn", "done")
    done = machine("nextflow", "-v")
    assert done.returncode == 2
    assert "the fetched jars are not those of" in done.stderr
    assert "Launcher" not in done.stderr
    assert not (tmp_path / "engine").exists()


@pytest.mark.parametrize(("version", "used"), [("24.10.4", True), ("25.10.0", False), ("24.04.4", False)])
def test_an_installed_nextflow_that_fits_is_used(machine, tmp_path, version, used):
    path = tmp_path / "bin" / "nextflow"
    path.write_text(f"""#!/bin/bash
[ "$1" = -v ] && echo 'nextflow version {version}.5934' || echo "installed ran $*"
""")
    path.chmod(0o755)
    done = machine("nextflow", "run", ".", "--outdir", "x")
    assert ("installed ran run . --outdir x" in done.stdout) == used


def test_no_python(machine):
    machine.add("python3", "old", code=1)
    done = machine("conf/launcher/environment.sh")
    assert done.returncode == 2
    assert "no Python >= 3.11 found. Install one" in done.stderr
    assert (ROOT / ".venv").is_dir(), "an environment that was there is left alone"


def test_a_damaged_record_of_finished_tasks_is_named(machine, tmp_path, monkeypatch):
    """Nextflow alone says "Can't open cache DB" and blames the file system."""
    machine.add("java", 'openjdk version "17.0.15" 2025-04-15')
    monkeypatch.chdir(tmp_path)
    for session, manifest in (("whole", b"x"), ("broken", b"")):
        database = tmp_path / ".nextflow/cache" / session / "db"
        database.mkdir(parents=True)
        (database / "CURRENT").write_text("MANIFEST-000002\n")
        (database / "MANIFEST-000002").write_bytes(manifest)
    said = machine("nextflow", "run", ".", "-resume").stderr
    assert f"{tmp_path}/.nextflow/cache/broken is damaged" in said
    assert f"rm -r '{tmp_path}/.nextflow/cache/broken'" in said
    assert "cache/whole" not in said
    assert "damaged" not in machine("nextflow", "run", ".").stderr
