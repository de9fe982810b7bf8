"""Every runtime that is here gives the trained network's logits; every device that is not says so itself."""

import os
import sys

import numpy as np
import pytest

from ecgscale.deploy.runtimes import MODULES, DeployedModel, Unavailable, one_line, read_option, runtime_class
from ecgscale.errors import UserError
from tests.tiny_models import exported_model

CASES = [
    ("torch", "mode=eager", 1e-6), ("torch", "mode=frozen", 1e-5), ("torch", "mode=eager;precision=bf16", 0.1),
    ("onnxruntime", "", 1e-5), ("onnxruntime", "precision=float16", 1e-2), ("onnxruntime", "precision=int8", 0.2),
    ("openvino", "precision=float32", 1e-5), ("openvino", "precision=float32;weights=float16", 1e-2),
    ("openvino", "hint=latency", 0.1), ("openvino", "hint=throughput;precision=float32", 1e-5),
]


@pytest.fixture(scope="module")
def model():
    return DeployedModel.read(exported_model())


def opened(model, name, option, device="cpu"):
    runtime = runtime_class(name)()
    runtime.load(model, device, option, 1, 1)
    runtime.compile()
    return runtime


@pytest.mark.parametrize(("name", "option", "tolerance"), CASES, ids=lambda value: str(value).replace(";", ","))
def test_logits_are_those_of_the_network(model, name, option, tolerance):
    request = opened(model, name, option).request()
    calls = ((model.sample, model.expected), (-2 * model.sample, None), (model.sample, model.expected))
    for windows, expected in calls:
        request.put(windows)
        request.execute()
        found = request.get()
        assert found.shape == model.expected.shape
        assert found.dtype == np.float32
        if expected is not None:        # the second time: nothing is left of the call between
            assert np.abs(found - expected).max() <= tolerance


def test_two_requests_do_not_share_their_memory(model):
    for name, option in (("openvino", "precision=float32"), ("onnxruntime", ""), ("torch", "mode=eager")):
        runtime = opened(model, name, option)
        one, two = runtime.request(), runtime.request()
        one.put(model.sample)
        two.put(3 * model.sample)
        one.execute()
        first = one.get()
        two.execute()
        assert np.abs(first - model.expected).max() < 1e-5
        assert np.abs(two.get() - model.expected).max() > 1e-3


@pytest.mark.parametrize("name", MODULES)
def test_a_missing_device_is_told_by_the_runtime_itself(model, name):
    for device in runtime_class(name).devices():
        if device.available:
            assert device.name
            continue
        assert device.reason
        with pytest.raises(Unavailable) as caught:
            opened(model, name, "", device.device)
        assert str(caught.value) == device.reason


@pytest.mark.parametrize(("name", "device"), [
    ("openvino", "gpu.77"), ("openvino", "npu.77"), ("torch", "cuda.77"), ("onnxruntime", "cuda.77"),
    ("onnxruntime", "directml.77")])
def test_one_of_several_alike_is_asked_for_by_its_number(model, name, device):
    """gpu.1 is the second. No machine has 78: the runtime itself says so, and no other device stands in."""
    found = {each.device: each for each in runtime_class(name).devices([device, "cpu.1", "gpu.", "cuda.x", "gpu.-1"])}
    assert not found[device].available
    assert not {"cpu.1", "gpu.", "cuda.x", "gpu.-1"} & set(found)       # nobody counts those
    with pytest.raises(Unavailable) as caught:
        opened(model, name, "", device)
    assert str(caught.value) == found[device].reason
    assert runtime_class(name).options(device, "all", "stream") == runtime_class(name).options(
        device.partition(".")[0], "all", "stream")


def test_onnxruntime_never_falls_back_in_silence(model):
    """Asked for CUDA without CUDA, ONNX Runtime alone would warn and run on the CPU."""
    device = next(d for d in runtime_class("onnxruntime").devices() if d.device == "cuda")
    if device.available:
        pytest.skip("CUDA is here")
    with pytest.raises(Unavailable, match="CUDAExecutionProvider"):
        opened(model, "onnxruntime", "", "cuda")


@pytest.mark.parametrize("name", ["torch", "onnxruntime", "openvino"])
def test_unknown_options_are_refused_with_the_known_ones(model, name):
    runtime = runtime_class(name)()
    with pytest.raises(UserError, match="is unknown"):
        runtime.load(model, "cpu", "speed=warp", 1, 1)


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize("levels", ["few", "all"])
def test_offered_options_are_readable(name, levels):
    runtime = runtime_class(name)
    for device in runtime.DEVICES:
        for option in (*runtime.options(device, levels, "stream"), *runtime.options(device, levels, "throughput")):
            read_option(option, __import__(runtime.__module__, fromlist=["OPTIONS"]).OPTIONS)


def test_an_unknown_runtime():
    with pytest.raises(UserError, match="Known: torch, onnxruntime, openvino, coreml"):
        runtime_class("tensorflow")


def test_a_kind_that_was_not_exported(model):
    with pytest.raises(Unavailable, match="no export of coreml float16"):
        model.artefact("coreml", "float16")
    with pytest.raises(Unavailable, match="no export of onnx float32 for batch 8"):
        model.artefact("onnx", "float32", 8)


def test_what_a_library_says_of_a_path_can_be_written_into_a_file():
    """Linux takes any bytes as a name; a file of ours is UTF-8."""
    said = "cannot read " + os.fsdecode(b"out/\xff") + "\n  Exception from a.cpp"
    assert one_line(OSError(said)) == "cannot read out/\\udcff"


@pytest.mark.parametrize("name", ["openvino", "onnxruntime"])
def test_a_missing_wheel_is_told_with_its_name(monkeypatch, name):
    monkeypatch.delitem(sys.modules, f"ecgscale.deploy.runtimes.{name}_runtime", raising=False)
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(Unavailable, match=rf"^ModuleNotFoundError: .*{name}.*: pip install {name}$"):
        runtime_class(name)
