"""Hardware profiles as Nextflow resolves them, beside an engine; none of this hardware is here."""

import pytest

from ecgscale import __version__
from tests.pipeline.conftest import ROOT, configurations

PROFILES = {  # runtimes, devices, the image, and whether BENCH runs in the engine's container
    "cpu": ("torch,onnxruntime,openvino", "cpu", "cpu", True),
    "cuda": ("torch,onnxruntime", "cpu,cuda", "cuda", True),
    "openvino_cpu": ("torch,openvino", "cpu", "cpu", True),
    "openvino_gpu": ("torch,openvino", "cpu,gpu", "openvino", True),
    "openvino_npu": ("torch,openvino", "cpu,npu", "openvino", True),
    "openvino_auto": ("torch,openvino", "cpu,auto", "cpu", True),
    "directml": ("torch,onnxruntime", "cpu,directml", "cpu", False),
    "apple_m4": ("torch,onnxruntime,coreml", "cpu,mps,coreml,gpu,npu,all", "openvino", False),
}


@pytest.fixture(scope="module")
def resolved(tmp_path_factory):
    """Each profile beside docker, as Nextflow resolves it."""
    return configurations(tmp_path_factory.mktemp("resolved"),
                          {profile: f"{ROOT} -profile docker,{profile}" for profile in PROFILES})


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_names_its_runtimes_devices_and_image_beside_an_engine(resolved, profile):
    found = resolved[profile]
    runtimes, devices, image, contained = PROFILES[profile]
    assert found["params.runtimes"] == f"'{runtimes}'"
    assert found["params.devices"] == f"'{devices}'"
    assert found["docker.enabled"] == "true"
    assert found["process.container"] == f"'localhost/ecgscale:{__version__}-{image}'"
    native = "task.ext.environment" in found.get("process.'withName:BENCH'.beforeScript", "")
    assert native != contained           # drivers of Windows and macOS are in no container
