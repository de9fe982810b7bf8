"""What really ran, node by node, from ONNX Runtime's own profile."""

from ecgscale.deploy.runtimes import DeployedModel
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


def test_directml_takes_operator_set_17():
    model = DeployedModel.read(exported_model())
    assert model.artefact("onnx", "float32", 1, 17).opset == 17
    assert model.artefact("onnx", "float32").opset == 23
