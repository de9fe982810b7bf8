"""nextflow_schema.json describes exactly the parameters of nextflow.config."""

import json
import re
import subprocess

import pytest

from tests.pipeline.conftest import ROOT, nextflow

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
        elif name != "trace_report_suffix":         # date and time
            assert value == default, name


def test_devices_may_have_a_number():
    for devices in ("cpu,gpu.1", "cuda.0,cuda.1"):
        assert re.search(PROPERTIES["devices"]["pattern"], devices), devices
    for devices in ("gpu.", "gpu.x", "1", "gpu.1;ls"):
        assert not re.search(PROPERTIES["devices"]["pattern"], devices), devices


WRONG = {       # as typed: what is said of it
    ("--inptu", "a.csv"): "--inptu: unknown parameter. Did you mean --input?",
    ("--train-batch", "3"): "--train-batch: unknown parameter. Did you mean --train_batch?",
    ("--device", "tpu"): "--device: 'tpu' is not one of auto, cpu, cuda, mps",
    ("--array", "2.5"): "--array: '2.5' is not a whole number",
    ("--synthetic_difficulty", "2"): "--synthetic_difficulty: 2 is more than the maximum of 1",
    ("--runtimes", "torch;ls"): "--runtimes: 'torch;ls' does not match",
    ("--image", "x$(touch PWNED)"): "--image: 'x$(touch PWNED)' does not match",
    ("--queue", "a\nb"): "--queue: a line break or another control character",
    ("--account", "0012"): "--account: Nextflow has read the number 12, and text is meant. Put it in quotes",
    ("--latency",): "--latency: its value is missing",
}


def test_wrong_parameters_are_named_before_anything_is_done(tmp_path):
    """All of them at once, a line each, those of a file of parameters too; an installed Nextflow 24.10 makes a number
    of what looks like one."""
    (tmp_path / "params.json").write_text('{"shard_size": 0}')
    run = nextflow(tmp_path, "-params-file", "params.json", *(word for words in WRONG for word in words), environment={
        "NXF_DISABLE_PARAMS_TYPE_DETECTION": ""})
    assert run.code != 0
    for words in WRONG.values():
        assert words in run.text
    assert "--shard_size: 0 is less than the minimum of 1" in run.text
    assert run.text.count("unknown parameter") == 2         # Nextflow adds trainBatch by itself
    assert run.tasks() == []
    assert [name for name in run.files() if "execution_trace" not in name] == []        # that one is Nextflow's own


def test_numbers_and_switches_are_read_by_their_type(tmp_path):
    """A folder 2024, an account 12345 and --help false are what they look like; a foreign name is told of. A file of
    parameters is read beside the command line."""
    (tmp_path / "params.json").write_text('{"shard_size": 7}')
    run = nextflow(tmp_path, "-params-file", "params.json", "--account", "12345", "--help", "false",
                   "--validate_params", "false", "--genome", "x", "-profile", "test", "-stub-run", "--train_batch", "1",
                   outdir="2024")
    assert run.code == 0, run.text
    assert "--genome: unknown parameter" in run.text
    told = json.loads(next((tmp_path / "2024/pipeline_info").glob("params_*.json")).read_text())
    assert (told["account"], told["outdir"], told["help"], told["train_batch"]) == ("12345", "2024", False, 1)
    assert told["shard_size"] == 7
    assert run.tasks().count("TRAIN") == 4
