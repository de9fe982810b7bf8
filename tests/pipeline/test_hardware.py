"""Hardware profiles as Nextflow resolves them, alone and with an engine; none of this hardware is here."""

import json
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.pipeline.conftest import ROOT

PROFILES = {  # runtimes, devices, and whether BENCH runs in the engine's container
    "cpu": ("torch,onnxruntime,openvino", "cpu", True),
    "cuda": ("torch,onnxruntime", "cpu,cuda", True),
    "openvino_cpu": ("torch,openvino", "cpu", True),
    "openvino_gpu": ("torch,openvino", "cpu,gpu", True),
    "openvino_npu": ("torch,openvino", "cpu,npu", True),
    "openvino_auto": ("torch,openvino", "cpu,auto", True),
    "directml": ("torch,onnxruntime", "cpu,directml", False),
    "apple_m4": ("torch,onnxruntime,coreml", "cpu,mps,coreml,gpu,npu,all", False),
}


@pytest.fixture(scope="module")
def resolved(tmp_path_factory):
    """Each profile beside docker, as Nextflow resolves it: {profile: text}. Two are asked at a time."""
    def resolve(profile: str) -> str:
        return subprocess.run([ROOT / "nextflow", "config", "-flat", ROOT, "-profile", f"docker,{profile}"], text=True,
                              capture_output=True, check=True, cwd=tmp_path_factory.mktemp(profile)).stdout

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(PROFILES, pool.map(resolve, PROFILES), strict=True))


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_names_its_runtimes_and_devices_beside_an_engine(resolved, profile):
    text = resolved[profile]
    runtimes, devices, contained = PROFILES[profile]
    assert f"params.runtimes = '{runtimes}'" in text
    assert f"params.devices = '{devices}'" in text
    assert "docker.enabled = true" in text
    native = re.search(r"^process.'withName:BENCH'.beforeScript = .*task\.ext\.environment", text, re.MULTILINE)
    assert bool(native) != contained           # drivers of Windows and macOS are in no container


def test_images_follow_the_devices(tmp_path):
    done = subprocess.run([ROOT / "nextflow", "inspect", ROOT, "-profile", "test,podman,openvino_npu"], text=True,
                          capture_output=True, check=True, cwd=tmp_path)
    images = {one["name"]: one["container"] for one in json.loads(done.stdout[done.stdout.index("{"):])["processes"]}
    assert images["DEPLOY:BENCH"].endswith("-openvino")
