"""What really ran, node by node, from ONNX Runtime's own profile."""

import importlib.machinery
import json
import sys
import types

import onnx
import onnxruntime
import pytest

from ecgscale.contracts import Export
from ecgscale.deploy.runtimes import DeployedModel, Unavailable, onnxruntime_runtime, runtime_class, tree_digest
from ecgscale.deploy.runtimes.onnxruntime_runtime import IDENTITY, PROVIDERS, OnnxRuntime
from tests.documents import editable
from tests.tiny_models import compiled, copy_of_exported, exported_model


def test_nodes_per_provider_are_counted():
    runtime = compiled("onnxruntime", "")
    found = runtime.ran()
    assert (found.device, found.precision, found.fallback, found.fallback_share) == ("cpu", "float32", False, 0)
    assert "Conv float32 on CPUExecutionProvider x" in found.detail
    assert "Gemm float32 on CPUExecutionProvider x 1" in found.detail
    assert runtime.session.get_providers() == ["CPUExecutionProvider"]


def test_a_float16_file_that_the_cpu_computes_in_float32_is_flagged():
    """The CPU provider has no float16 convolution: it casts at load, and says nothing."""
    runtime = compiled("onnxruntime", "precision=float16")
    found = runtime.ran()
    assert runtime.artefact.precision == "float16"
    assert (found.precision, found.fallback, found.fallback_share) == ("float32", True, 1.0)


def test_a_quantized_file_runs_in_int8_for_the_most_part():
    """Of the convolutions; the first and the last layer are left in floating point by design, and that is counted."""
    found = compiled("onnxruntime", "precision=int8").ran()
    assert (found.precision, found.fallback) == ("int8", False)
    assert 0 < found.fallback_share < 0.4
    assert "QLinearConv int8" in found.detail


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_provider_that_is_built_in_but_does_not_start_is_unavailable(monkeypatch):
    """As recorded of onnxruntime-gpu 1.31.1 without a driver: CUDA is offered, the session comes with the CPU alone."""
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [
        "TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"])
    runtime = runtime_class("onnxruntime")()
    found = {device.device: device for device in runtime.devices()}
    assert found["cpu"].available
    assert not found["cuda"].available
    assert "did not start" in found["cuda"].reason
    runtime.load(DeployedModel.read(exported_model()), "cuda", "", 1, 1)
    with pytest.raises(Unavailable, match="did not start"):
        runtime.compile()


@pytest.fixture
def plugin(monkeypatch):
    """The WebGPU wheel planted: what it registers, and the devices that it offers, are kept and given here."""
    module = types.ModuleType("onnxruntime_ep_webgpu")
    module.__spec__ = importlib.machinery.ModuleSpec(module.__name__, None)
    module.get_library_path = lambda: "libwebgpu.so"
    monkeypatch.setitem(sys.modules, module.__name__, module)
    planted = types.SimpleNamespace(registered=[], devices=[])
    monkeypatch.setattr(onnxruntime, "register_execution_provider_library",
                        lambda *names: planted.registered.append(names))
    monkeypatch.setattr(onnxruntime, "get_ep_devices", lambda: planted.devices)
    onnxruntime_runtime.register.cache_clear()
    yield planted
    onnxruntime_runtime.register.cache_clear()


def test_a_provider_s_own_wheel_that_offers_no_device_is_unavailable(plugin):
    """As recorded of onnxruntime-ep-webgpu 0.4.0 without a GPU, and of onnxruntime-ep-openvino 1.8.1 on an AMD
    processor: the library loads, and offers nothing."""
    found = {device.device: device for device in OnnxRuntime.devices()}
    assert not found["webgpu"].available
    assert "onnxruntime-ep-webgpu offers 0 device(s) here" in found["webgpu"].reason
    assert plugin.registered == [("ecgscale.webgpu", "libwebgpu.so")]


def test_a_device_of_a_provider_s_own_wheel_is_taken_by_its_number(monkeypatch):
    """The processor's own device in the place of a GPU: a session starts on it, and what ran is read back."""
    (cpu,) = (device for device in onnxruntime.get_ep_devices() if device.ep_name == PROVIDERS["cpu"])
    monkeypatch.setitem(PROVIDERS, "webgpu", PROVIDERS["cpu"])
    monkeypatch.setattr(onnxruntime_runtime, "devices_of_plugin", lambda kind: [cpu] if kind == "webgpu" else None)
    runtime = OnnxRuntime()
    runtime.load(DeployedModel.read(exported_model()), "webgpu", "", 1, 1)
    runtime.compile()
    assert (runtime.ran().device, runtime.ran().precision) == ("webgpu", "float32")
    runtime.device = "webgpu.1"
    with pytest.raises(Unavailable, match="offers 1 device"):
        runtime.compile()


def test_the_network_that_devices_are_tried_with():
    x, y = (onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in "xy")
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["x"], ["y"])], "g", [x], [y])
    opsets = [onnx.helper.make_opsetid("", 17)]
    model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8)
    assert model == onnx.load_from_string(IDENTITY)


@pytest.mark.parametrize("device", PROVIDERS)
def test_each_option_of_a_device_has_a_file_in_the_operator_set_that_it_takes(device):
    """DirectML takes 17, all others the newest that there is. What is offered there must have been written."""
    model, runtime = DeployedModel.read(exported_model()), OnnxRuntime()
    offered = {option for levels in ("few", "all") for option in OnnxRuntime.options(device, levels, "stream")}
    for option in offered:
        runtime.load(model, device, option, 1, 1)
        quantized = option == "precision=int8"
        assert runtime.artefact.opset == (17 if device == "directml" or quantized else 23), option


@pytest.mark.parametrize("place", ["../outside.dat", "beside.dat", "link.dat", "absolute"])
def test_tensors_whose_data_lie_outside_the_file_are_refused(tmp_path, monkeypatch, place):
    """Also where they lie beside it or in the folder of the process: no digest covers them."""
    folder = copy_of_exported(tmp_path)
    artefact = next(one for one in Export.read(folder / "export.json").artefacts
                    if (one.format, one.precision, one.status) == ("onnx", "float32", "ok"))
    file = folder / artefact.file
    model = onnx.load(file)
    tensor = next(one for one in model.graph.initializer if len(one.raw_data) > 64)
    for name in ("../outside.dat", "beside.dat"):
        (file.parent / name).write_bytes(tensor.raw_data)
    (file.parent / "link.dat").symlink_to(file.parent / "../outside.dat")
    where = str(file.parent / "beside.dat") if place == "absolute" else place
    onnx.external_data_helper.set_external_data(tensor, where, offset=0, length=len(tensor.raw_data))
    tensor.ClearField("raw_data")
    file.write_bytes(model.SerializeToString())
    body = editable(folder / "export.json")
    next(one for one in body["artefacts"] if one["file"] == artefact.file)["digest"] = tree_digest(file)
    (folder / "export.json").write_text(json.dumps(body))
    monkeypatch.chdir(file.parent)
    runtime = runtime_class("onnxruntime")()
    runtime.load(DeployedModel.read(folder), "cpu", "", 1, 1)
    with pytest.raises(Unavailable, match=r"[Ee]xternal data"):
        runtime.compile()
