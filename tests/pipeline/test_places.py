"""Where people start a run and have it written: by a link, on another file system, with a read-only home."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.pipeline.conftest import ROOT, copy_project, nextflow

MEMORY = Path("/dev/shm")       # a file system of its own, on Linux


def state(project: Path) -> dict[Path, int]:
    """Every file of the project, and when it was changed; without what Python keeps compiled, where it may."""
    return {path: path.stat().st_mtime_ns for path in project.rglob("*")
            if path.is_file() and path.parent.name != "__pycache__"}


@pytest.fixture
def elsewhere(tmp_path):
    """A folder on another file system than the launch folder; on this one where there is no other."""
    if not os.access(MEMORY, os.W_OK):
        yield tmp_path / "elsewhere"
        return
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        yield Path(folder)


def test_a_project_by_a_link_started_elsewhere_with_a_home_that_cannot_be_written(tmp_path, elsewhere):
    """Nothing is written below the project, so it may be read-only; all paths are relative to the launch folder. No
    network knows the machine's name, as in many a container."""
    project = copy_project(tmp_path)
    (tmp_path / "link").symlink_to(project)
    launch = tmp_path / "mine/deep"
    (launch / "../recordings").resolve().mkdir(parents=True)
    launch.mkdir()
    (tmp_path / "mine/recordings/a.hea").touch()
    (tmp_path / "mine/sheet.csv").write_text("source,path\nmine,recordings\n")      # relative to the sheet
    (tmp_path / "mine/study.yaml").write_text((ROOT / "assets/studies/test.yaml").read_text())
    (tmp_path / "hosts").touch()
    before = state(project)
    run = nextflow(launch, "--input", "../sheet.csv", "--study", "../study.yaml", "-work-dir", "../work",
                   "--checkpoints", "../points", "-stub-run", project=Path("../../link"), outdir=f"{elsewhere}/results",
                   environment={"HOME": "/proc/none", "NXF_OPTS": f"-Djdk.net.hosts.file={tmp_path}/hosts"})
    assert run.code == 0, run.text
    assert (elsewhere / "results/report/report.html").is_file()
    assert (elsewhere / "results/corpus/mine-1of1/records.parquet").is_file()
    assert (tmp_path / "mine/points").is_dir()
    assert state(project) == before


def test_results_that_cannot_be_linked_are_told_of_before_any_task(tmp_path, elsewhere):
    if not os.access(MEMORY, os.W_OK):
        pytest.skip(f"no second file system at {MEMORY}")
    run = nextflow(tmp_path, "-profile", "test", "-stub-run", "--publish_mode", "link", outdir=f"{elsewhere}/results")
    assert run.code != 0
    assert "--publish_mode link: " in run.text
    assert "Take copy, or put both on one file system" in run.text
    assert run.tasks() == []
    assert list((tmp_path / "work").iterdir()) == []


def test_without_an_environment_and_without_a_container_it_is_said_how(tmp_path, project):
    """A clone as it comes, on a machine whose python3 lacks the packages."""
    (project / ".venv").unlink()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python3").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "bin/python3").chmod(0o755)
    run = nextflow(tmp_path, "-profile", "test", project=project,
                   environment={"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"})
    assert run.code != 0
    assert f"No Python environment: {project}/.venv is missing" in run.text
    assert "make .venv/.ready; or take containers, as in -profile docker, podman, apptainer or singular" in run.text
    assert "or start Nextflow where ecgscale[export,bench] is installed by pip" in run.text
    assert run.tasks() == []


def test_a_tag_of_a_repository_runs_by_its_name_without_a_clone(tmp_path):
    """As `nextflow run OWNER/ecgscale -r 0.2.0`, from a repository on this disk, with the Python that is on PATH."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: there is no repository to name")
    repository = tmp_path / "hub/ecgscale"
    subprocess.run(["git", "clone", "--quiet", "--bare", ROOT, repository], check=True)
    subprocess.run(["git", "-C", repository, "tag", "0.2.0", "HEAD"], check=True)
    (tmp_path / "scm").write_text(f"providers {{ here {{ platform = 'file'; path = '{tmp_path}/hub' }} }}\n")
    (tmp_path / "started").mkdir()
    run = nextflow(tmp_path / "started", "-hub", "here", "-r", "0.2.0", "-profile", "test", "-stub-run",
                   name="owner/ecgscale", environment={
        "NXF_HOME": f"{tmp_path}/home", "NXF_SCM_FILE": f"{tmp_path}/scm", "NXF_OFFLINE": "false",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"})
    assert run.code == 0, run.text
    assert "[0.2.0]" in run.text
    assert "report/report.html" in run.files()
