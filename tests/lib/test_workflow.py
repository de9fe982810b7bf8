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


ENGINE = """#!/bin/sh
printf '%s\\n' "$*" >> {asked}
while [ $# -gt 0 ]; do [ "$1" = --digestfile ] && printf sha256:packed > "$2"; shift; done
{inspected}
"""


def through(engine: str, folder: Path) -> tuple[list[str], list[str]]:
    """What `make images push manifest` asks of an engine that does nothing else, and what it prints."""
    held = "printf 'localhost/ecgscale@sha256:built\nhere.example/you/ecgscale@sha256:pushed\n'"
    (folder / engine).write_text(ENGINE.format(asked=folder / "asked", inspected=held if engine == "docker" else ""))
    (folder / engine).chmod(0o755)
    made = subprocess.run(["make", "--silent", "images", "push", "manifest", f"ENGINE={folder / engine}", "TARGETS=cpu",
                           "REGISTRY=here.example/you"], cwd=ROOT, check=True, capture_output=True, text=True)
    return (folder / "asked").read_text().splitlines(), made.stdout.splitlines()


MACHINE, PULLED = os.uname().machine, f"here.example/you/ecgscale:{__version__}-cpu"


def test_the_image_that_is_pushed_is_the_one_that_was_built_and_the_one_that_is_pulled(tmp_path):
    (build, tag, push, _, joined), _ = through("docker", tmp_path)
    assert f"-t localhost/ecgscale:{__version__}-cpu " in build
    assert tag == f"tag localhost/ecgscale:{__version__}-cpu {PULLED}-{MACHINE}"
    assert push == f"push {PULLED}-{MACHINE}"
    assert joined == f"buildx imagetools create --tag {PULLED} {PULLED}-x86_64 {PULLED}-aarch64"
    for kind in ("oci", "sif"):
        assert "0.2.0-${'cuda' in wanted" in (ROOT / f"conf/{kind}.config").read_text()


def test_podman_joins_what_was_pushed_without_docker(tmp_path):
    (_, _, push, created, joined), _ = through("podman", tmp_path)
    assert push.split()[-1] == f"{PULLED}-{MACHINE}"
    assert created == f"manifest create --amend {PULLED} docker://{PULLED}-x86_64 docker://{PULLED}-aarch64"
    assert joined == f"manifest push --all --rm {PULLED} docker://{PULLED}"


def test_the_digest_that_push_tells_is_the_one_that_the_registry_has(tmp_path):
    """Podman names an image's digests by what lies here, and packs it anew when it pushes: a registry on loopback had
    sha256:460d63... of an image that `podman image inspect` called sha256:f740a1..."""
    for engine, digest in (("podman", "packed"), ("docker", "pushed")):
        (tmp_path / engine).mkdir()
        _, printed = through(engine, tmp_path / engine)
        assert [line for line in printed if "@" in line and "here.example" in line][-1] == (
            f"here.example/you/ecgscale@sha256:{digest}")


def test_no_step_takes_text_of_others_into_its_shell():
    """A title or a branch's name between ${{ }} in a script would be run; they go through the environment."""
    assert not [step["run"] for step in STEPS if "${{" in step.get("run", "")]
