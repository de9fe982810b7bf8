"""What is missing is named with how to install it; what was fetched is checked before it runs."""


import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.pipeline.conftest import ROOT

TOOLS = ("bash", "env", "sed", "awk", "head", "dirname", "readlink", "mktemp", "mkdir", "mv", "rm", "sha256sum", "tr",
         "chmod", "cp", "cat")


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

    def run(script: str, *arguments: str, cwd: str | Path = tmp_path, **more: str) -> subprocess.CompletedProcess:
        place = {"PATH": str(folder), "HOME": str(tmp_path), "ECGSCALE_ENGINE": str(tmp_path / "engine"),
                 "ECGSCALE_JAVAS": ""} | more
        return subprocess.run(["bash", ROOT / script, *arguments], capture_output=True, text=True, env=place,
                              check=False, cwd=cwd, umask=0o022)

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
    assert f"java is Java {version.split('.')[0]}, and Nextflow needs 17 to 24" in done.stderr


def test_no_maven(machine):
    machine.add("java", 'openjdk version "17.0.15" 2025-04-15')
    done = machine("nextflow", "-v")
    assert done.returncode == 2
    assert "neither Nextflow (24.10 or later) nor Maven found. Install one of them" in done.stderr


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


NEXTFLOW = """#!/bin/bash
[ "$1" = -v ] && echo 'nextflow version {version}.5934' ||
echo "installed ran $* by $JAVA_CMD, JAVA_HOME ${{JAVA_HOME-unset}}"
"""


def install(folder, name: str, text: str) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)


@pytest.mark.parametrize(("version", "used"), [
    ("24.10.4", True), ("25.10.0", True), ("26.04.6", True), ("26.10.0", True), ("24.04.4", False), ("23.10.1", False)])
def test_an_installed_nextflow_that_fits_is_used(machine, tmp_path, version, used):
    install(tmp_path / "bin", "nextflow", NEXTFLOW.format(version=version))
    machine.add("java", 'openjdk version "17.0.15" 2025-04-15')
    done = machine("nextflow", "run", ".", "--outdir", "x")
    assert ("installed ran run . --outdir x" in done.stdout) == used
    assert ("24.10 or later is needed: not used" in done.stderr) != used


@pytest.mark.parametrize(("version", "java", "fits"), [
    ("24.10.0", 24, True), ("24.10.0", 25, False), ("25.10.0", 25, True), ("25.10.0", 26, False), ("26.04.6", 26, True),
    ("26.04.6", 27, False), ("26.04.6", 16, False)])
def test_the_java_that_a_nextflow_takes(machine, tmp_path, version, java, fits):
    install(tmp_path / "bin", "nextflow", NEXTFLOW.format(version=version))
    machine.add("java", f'openjdk version "{java}.0.1" 2026-04-15')
    assert (f"by {tmp_path}/bin/java, JAVA_HOME unset" in machine("nextflow", "run").stdout) == fits


def test_a_stale_java_home_gives_way_to_a_java_that_fits_and_it_is_said(machine, tmp_path):
    install(tmp_path / "bin", "nextflow", NEXTFLOW.format(version="24.10.4"))
    machine.add("java", 'openjdk version "17.0.15" 2025-04-15')
    done = machine("nextflow", "run", JAVA_HOME="/gone")
    assert f"installed ran run by {tmp_path}/bin/java, JAVA_HOME unset" in done.stdout
    assert f"JAVA_HOME does not lead to a Java from 17 to 24: {tmp_path}/bin/java is used" in done.stderr
    assert "JAVA_HOME does" not in machine("nextflow", "run").stderr


def fetched_by_maven(machine, tmp_path, meanwhile: str = "") -> None:
    """Java, and a Maven that copies the jars that are here; meanwhile: bash of what goes on beside it, where {jars} and
    {engine} stand for the folders."""
    jars = Path(os.environ.get("ECGSCALE_ENGINE", ROOT / ".engine/24.10.0"))
    if not jars.is_dir():
        pytest.skip("an installed Nextflow is used here: none was fetched")
    machine.add("java", 'openjdk version "17.0.15" 2025-04-15')
    install(tmp_path / "bin", "mvn", f"""#!/bin/bash
for word in "$@"; do case $word in -DoutputDirectory=*) cp '{jars}'/*.jar "${{word#*=}}";; esac; done
{meanwhile.format(jars=jars, engine=tmp_path / "engine")}
""")


def test_what_was_fetched_is_for_everyone_and_needs_no_maven_again(machine, tmp_path):
    """A shared installation: with umask 022 its folder is open to all, and the second start does not fetch."""
    fetched_by_maven(machine, tmp_path)
    assert "Fetching" in machine("nextflow", "-v").stderr
    assert (tmp_path / "engine").stat().st_mode & 0o777 == 0o755
    (tmp_path / "bin/mvn").unlink()
    assert "Launcher" in machine("nextflow", "-v").stderr


def test_two_that_fetch_at_once_leave_one_engine_to_both(machine, tmp_path):
    """The other is done first and runs already: without its jars Java finds no class half-way."""
    fetched_by_maven(machine, tmp_path,
                     "mkdir '{engine}'; cp '{jars}'/*.jar '{engine}'; echo mine > '{engine}/other'")
    assert "Launcher" in machine("nextflow", "-v").stderr
    assert (tmp_path / "engine/other").is_file()
    assert not list(tmp_path.glob("fetch.*"))


def test_text_stays_text_and_names_may_have_umlauts(machine, tmp_path):
    """What a run gets from the launcher where the locale is C, and where the home folder cannot be written."""
    install(tmp_path / "bin", "nextflow", "#!/bin/bash\n[ \"$1\" = -v ] && echo nextflow version 24.10.4.1 || "
            "echo $LC_ALL $NXF_DISABLE_PARAMS_TYPE_DETECTION $NXF_HOME\n")
    machine.add("java", 'openjdk version "17.0.15" 2025-04-15')
    said = machine("nextflow", "run", LC_ALL="C", HOME="/proc/none").stdout
    assert said == f"C.UTF-8 true {tmp_path}/.nextflow/home\n"
    assert (tmp_path / ".nextflow/home").is_dir()       # Nextflow makes the last folder only


def test_a_launch_folder_that_cannot_be_written_is_named_with_another_way(machine):
    """`nextflow run .` inside a read-only project: Nextflow alone prints a stack trace about its log."""
    machine.add("java", 'openjdk version "17.0.15" 2025-04-15')
    done = machine("nextflow", "run", ".", cwd="/proc")      # not even by root
    assert done.returncode == 2
    assert "/proc cannot be written" in done.stderr
    assert f"cd ~; '{ROOT}/nextflow' run '{ROOT}'" in done.stderr


def test_no_python(machine):
    machine.add("python3", "old", code=1)
    done = machine("conf/launcher/environment.sh")
    assert done.returncode == 2
    assert "no Python >= 3.11 found. Install one" in done.stderr
    assert (ROOT / ".venv").is_dir(), "an environment that was there is left alone"


def test_a_damaged_record_of_finished_tasks_is_named(machine, tmp_path):
    """Nextflow alone says "Can't open cache DB" and blames the file system."""
    machine.add("java", 'openjdk version "17.0.15" 2025-04-15')
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
