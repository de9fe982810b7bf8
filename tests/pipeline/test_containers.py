"""Container profiles: which image, which options, on which process. The engine is a stand-in that runs the command in
this environment; `make engines` runs the real ones."""

import os
import re
import shutil

import pytest

from ecgscale import __version__
from ecgscale.machine.provenance import code_digest
from tests.pipeline.conftest import ROOT, configurations, nextflow, with_defaults

PROCESSES = {folder.name.upper() for folder in (ROOT / "modules").iterdir()}
STAND_IN = """#!/bin/bash
case $1 in image) echo sha256:0123456789abcdef; exit;; run) ;; *) exit;; esac
until [[ $1 == localhost/* ]]; do shift; done; shift
exec env PATH={root}/.venv/bin:$PATH PYTHONPATH={lib} "$@"
"""


def run_by_stand_in(folder, lib, *arguments):
    """A stub run of podman, whose image holds the library `lib`."""
    engine = folder / "podman"
    engine.write_text(STAND_IN.format(root=ROOT, lib=lib))
    engine.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        return nextflow(folder, "-stub-run", *arguments)


@pytest.fixture(scope="module")
def podman_run(tmp_path_factory):
    """It trains on CUDA and measures on the processor."""
    folder = tmp_path_factory.mktemp("podman")
    run = run_by_stand_in(folder, ROOT / "lib", "-profile", "test,podman,cuda", "--devices", "cpu")
    assert run.code == 0, run.text
    return run


def calls(run):
    """How the engine was called, by the process that called it."""
    found = {}
    for script in (run.folder / "work").glob("*/*/.command.run"):
        text = script.read_text()
        name = re.search(r"name: .(?:\w+:)?(\w+)", text)[1]
        found[name] = next(line.strip() for line in text.splitlines() if line.strip().startswith("podman run"))
    return found


def test_devices_and_checkpoints_go_to_those_that_use_them(podman_run):
    by_process = calls(podman_run)
    assert by_process.keys() == PROCESSES - {"MERGE"}      # it runs where --latency is given
    for name, call in by_process.items():
        assert (" --device nvidia.com/gpu=all" in call) == (name in ("TUNE", "TRAIN", "EVALUATE")), name
        assert (".ecgscale/checkpoints':'/" in call) == (name in ("TUNE", "TRAIN")), name
        assert f"localhost/ecgscale:{__version__}-cuda" in call


def test_nothing_is_warned_of(podman_run):
    assert "WARN" not in podman_run.text


def test_versions_name_engine_and_image(podman_run):
    text = (podman_run.results / "pipeline_info/ecgscale_software_versions.yml").read_text()
    assert '  engine: "podman"\n' in text
    assert f'  image: "localhost/ecgscale:{__version__}-cuda"\n  image_id: "0123456789abcdef"\n' in text


def test_an_image_of_other_code_stops_the_run(tmp_path):
    """Before any work, and not with what the old code thinks of a newer study."""
    old = tmp_path / "lib"
    shutil.copytree(ROOT / "lib", old, ignore=shutil.ignore_patterns("__pycache__"))
    (old.parent / "assets").symlink_to(ROOT / "assets")
    study = old / "ecgscale/design/study.py"
    text = study.read_text()
    assert "    budget: Budget" in text
    study.write_text(text.replace("    budget: Budget", "    budget_then: Budget"))
    (tmp_path / "study.yaml").write_text(f"{(ROOT / 'assets/studies/test.yaml').read_text()}budget: {{}}\n")
    run = run_by_stand_in(tmp_path, old, "-profile", "test,podman", "--study", "study.yaml")
    assert run.code != 0
    assert run.tasks() == ["CHECK"]
    assert f"container image: it holds ecgscale {__version__}, code " in run.text
    assert f"and this folder is ecgscale {__version__}, code {code_digest()}. Build the image again (make" in run.text
    assert "budget" not in run.text


IMAGES = {      # profiles, parameters: the image, where {here} stands for the project
    ("apptainer,openvino_gpu",): f"{{here}}/containers/ecgscale-{__version__}-openvino.sif",
    ("podman", ("registry", "there/you")): f"there/you/ecgscale:{__version__}-cpu",
    ("singularity,cuda", ("registry", "there/you")): f"docker://there/you/ecgscale:{__version__}-cuda",
    ("charliecloud",): f"{{here}}/containers/ecgscale-{__version__}-cpu",
    ("singularity", ("image", "/images/ours.sif")): "/images/ours.sif"}


def test_image_of_each_engine_or_one_that_is_given(tmp_path):
    """It follows the devices, and is one setting for all processes, as the stub run has it of those that ran."""
    projects = {profiles: with_defaults(tmp_path / profiles, **dict(given)) for profiles, *given in IMAGES}
    found = configurations(tmp_path, {name: f"{folder} -profile {name}" for name, folder in projects.items()})
    for (profiles, *_), image in IMAGES.items():
        images = {name: value for name, value in found[profiles].items() if name.endswith(".container")}
        assert images == {"process.container": f"'{image.format(here=projects[profiles])}'"}, profiles
