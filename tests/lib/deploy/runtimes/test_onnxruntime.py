"""What really ran, node by node, from ONNX Runtime's own profile."""

import onnxruntime
import pytest

from ecgscale.deploy.runtimes import DeployedModel, Unavailable, runtime_class
from tests.tiny_models import compiled, exported_model


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


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_provider_that_is_built_in_but_does_not_start_is_unavailable(monkeypatch):
    """As recorded of onnxruntime-gpu 1.31.1 without a driver: CUDA is offered, the session comes with the CPU alone."""
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [
        "TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"])
    runtime = runtime_class("onnxruntime")()
    runtime.load(DeployedModel.read(exported_model()), "cuda", "", 1, 1)
    with pytest.raises(Unavailable, match=r"CUDAExecutionProvider .* did not start"):
        runtime.compile()


def test_directml_takes_operator_set_17():
    model = DeployedModel.read(exported_model())
    assert model.artefact("onnx", "float32", 1, 17).opset == 17
    assert model.artefact("onnx", "float32").opset == 23
