"""nextflow_schema.json describes exactly the parameters of nextflow.config."""

import json
import re
import subprocess

import pytest

from ecgscale.check import params_problems
from tests.pipeline.conftest import ROOT

SCHEMA = json.loads((ROOT / "nextflow_schema.json").read_text())
PROPERTIES = {name: rule for group in SCHEMA["$defs"].values() for name, rule in group["properties"].items()}


@pytest.fixture(scope="module")
def configured():
    """Parameters as Nextflow resolves them."""
    done = subprocess.run([ROOT / "nextflow", "config", "-flat", ROOT], text=True, capture_output=True, check=True)
    pairs = re.findall(r"^params\.(\w+) = (.*)$", done.stdout, re.MULTILINE)
    return {name: None if value == "null" else json.loads(value.replace("'", '"')) for name, value in pairs}


def test_schema_equals_configuration(configured):
    assert set(PROPERTIES) == set(configured)
    for name, value in configured.items():
        default = PROPERTIES[name].get("default")
        if name in ("study", "checkpoints"):
            assert value.endswith(default.split("}")[1])
        elif name != "max_cpus":                    # all of this machine
            assert value == default, name


def test_defaults_are_valid(configured):
    assert params_problems(configured, SCHEMA) == []


@pytest.mark.parametrize(("name", "value", "words"), [
    ("inptu", "a.csv", "Did you mean --input?"), ("train-batch", 3, "Did you mean --train_batch?"),
    ("device", "tpu", "is not one of"), ("shard_size", 0, "less than the minimum"),
    ("checkpoints", "a';rm -rf b", "does not match"), ("runtimes", "torch;ls", "does not match"),
])
def test_wrong_parameters_are_named(name, value, words):
    [problem] = params_problems({name: value}, SCHEMA)
    assert problem.startswith(f"--{name}: ")
    assert words in problem
