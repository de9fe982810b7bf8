"""The workflow for a hosted CI, which cannot run here: its steps are the Makefile's, and name the images it builds."""

import os
import re
import subprocess
from pathlib import Path

import yaml

from ecgscale import __version__

ROOT = Path(__file__).parents[2]
WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
STEPS = [step for job in WORKFLOW["jobs"].values() for step in job["steps"]]


def test_steps_are_targets_of_the_makefile():
    makefile = (ROOT / "Makefile").read_text()
    asked = {word for step in STEPS
             for words in re.findall(r"^\s*make (?:--silent )?([a-z ]+)", step.get("run", ""), flags=re.MULTILINE)
             for word in words.split()}
    assert {"lint", "test", "dist", "docs", "images", "push", "manifest"} <= asked
    assert asked <= set(re.findall(r"^([a-z]+):", makefile, flags=re.MULTILINE))
    assert (ROOT / ".pre-commit-config.yaml").read_text().count("entry: make lint") == 1


def test_the_image_that_is_pushed_is_the_one_that_was_built_and_the_one_that_is_pulled(tmp_path):
    """The Makefile's commands, kept by an engine that does nothing else."""
    for engine in ("docker", "podman"):
        (tmp_path / engine).write_text(f"#!/bin/sh\necho \"$@\" >> {tmp_path}/asked\n")
        (tmp_path / engine).chmod(0o755)
    subprocess.run(["make", "images", "push", "manifest", "ENGINE=docker", "TARGETS=cpu", "REGISTRY=here.example/you"],
                   cwd=ROOT, check=True, capture_output=True,
                   env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"})
    asked = (tmp_path / "asked").read_text().splitlines()
    build, tag, push, _, joined = asked
    machine, pulled = os.uname().machine, f"here.example/you/ecgscale:{__version__}-cpu"
    assert f"-t localhost/ecgscale:{__version__}-cpu " in build
    assert tag == f"tag localhost/ecgscale:{__version__}-cpu {pulled}-{machine}"
    assert push == f"push {pulled}-{machine}"
    assert joined == f"buildx imagetools create --tag {pulled} {pulled}-x86_64 {pulled}-aarch64"
    for kind in ("oci", "sif"):
        assert "0.2.0-${'cuda' in wanted" in (ROOT / f"conf/{kind}.config").read_text()


def test_no_step_takes_text_of_others_into_its_shell():
    """A title or a branch's name between ${{ }} in a script would be run; they go through the environment."""
    assert not [step["run"] for step in STEPS if "${{" in step.get("run", "")]
