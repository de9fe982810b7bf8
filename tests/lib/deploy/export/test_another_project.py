"""A folder that was exported serves a project that has none of our code: checked in a process that cannot import it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ecgscale.contracts import Export
from ecgscale.design.study import Deploy
from tests.tiny_models import WINDOW, computes_bfloat16, export_one

SCRIPT = Path(__file__).with_name("another_project.py")
TOLERANCE = {"float32": 1e-4, "float16": 2e-2, "int8": 1.0}
FILES = {"onnx": 5, "openvino": 3, "coreml": 3, "torch": 1}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A network in every format, for three windows a call."""
    return export_one(tmp_path_factory.mktemp("exported"), Deploy(batch=(3,), margin=1.0), "regnet")[0]


@pytest.fixture(scope="module", params=FILES)
def found(request, folder, tmp_path_factory) -> dict:
    home = tmp_path_factory.mktemp("home-of-others")        # the runtimes themselves keep ids of their usage there
    done = subprocess.run([sys.executable, "-I", SCRIPT, folder, request.param], capture_output=True, text=True,
                          env={**os.environ, "HOME": str(home)})
    assert done.returncode == 0, done.stderr
    files = json.loads(done.stdout.splitlines()[-1])
    assert len(files) == FILES[request.param]
    return files


def test_every_file_gives_the_expected_output(found):
    for file, seen in found.items():
        assert seen["difference"] < TOLERANCE[seen["precision"]], file


def test_every_file_says_what_it_is(found, folder):
    about = Export.read(folder / "export.json")
    for file, seen in found.items():
        said = seen["said"]
        assert said["classes"].split(";") == list(about.classes), file
        assert said["class_names"].split(";") == list(about.class_names)
        assert said["input"] == f"ecg: float32, leads {' '.join(about.spec.leads)}"
        assert said["input_shape"] == f"{seen['batch'] or 1} x 12 x {WINDOW}"
        assert (said["unit"], said["rate_hz"], said["synthetic"]) == ("z", "100", "true")
        assert json.loads(said["recipe"]) == about.recipe
        assert said["license"] == about.license
        assert said.get("checked") == ("not run on Apple hardware" if "coreml" in file else None)


def test_three_windows_a_call_are_checked_like_one(folder):
    """32 windows of eight held-out recordings in calls of three: the last call is filled up."""
    for artefact in Export.read(folder / "export.json").artefacts:
        if artefact.precision == "bf16" and not computes_bfloat16():
            assert (artefact.checked_records, "bfloat16" in artefact.reason) == (0, True)
        elif artefact.format != "coreml":
            assert (artefact.status, artefact.batch) == ("ok", None if artefact.format == "torch" else 3)
            assert artefact.checked_records == 8
            assert artefact.max_logit_difference < TOLERANCE.get(artefact.precision, 0.1)
