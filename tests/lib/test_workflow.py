"""The workflow for a hosted CI, which cannot run here: its steps are the Makefile's, and name the images it builds."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
STEPS = [step for job in WORKFLOW["jobs"].values() for step in job["steps"]]


def test_steps_are_targets_of_the_makefile():
    makefile = (ROOT / "Makefile").read_text()
    asked = {word for step in STEPS for words in re.findall(r"^make ([a-z ]+)", step.get("run", ""), flags=re.MULTILINE)
             for word in words.split()}
    assert {"lint", "test", "dist", "docs", "images"} <= asked
    assert asked <= set(re.findall(r"^([a-z]+):", makefile, flags=re.MULTILINE))
    assert (ROOT / ".pre-commit-config.yaml").read_text().count("entry: make lint") == 1


def test_the_image_that_is_pushed_is_the_one_that_was_built():
    (push,) = [step["run"] for step in STEPS if step.get("id") == "push"]
    assert 'built="localhost/ecgscale:$GITHUB_REF_NAME-$TARGET"' in push
    assert "-t localhost/ecgscale:$(VERSION)-$$target" in (ROOT / "Makefile").read_text()


def test_no_step_takes_text_of_others_into_its_shell():
    """A title or a branch's name between ${{ }} in a script would be run; they go through the environment."""
    assert not [step["run"] for step in STEPS if "${{" in step.get("run", "")]
