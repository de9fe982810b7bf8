"""What really ran, node by node, from ONNX Runtime's own profile."""

from ecgscale.deploy.runtimes import DeployedModel, runtime_class
from tests.tiny_models import exported_model


def ran(option):
    runtime = runtime_class("onnxruntime")()
    runtime.load(DeployedModel.read(exported_model()), "cpu", option, 1, 1)
    runtime.compile()
    return runtime.ran(), runtime


def test_nodes_per_provider_are_counted():
    found, runtime = ran("")
    assert (found.device, found.precision, found.fallback, found.fallback_share) == ("cpu", "float32", False, 0)
    assert "Conv float32 on CPUExecutionProvider x" in found.detail
    assert "Gemm float32 on CPUExecutionProvider x 1" in found.detail
    assert runtime.session.get_providers() == ["CPUExecutionProvider"]


def test_a_float16_file_that_the_cpu_computes_in_float32_is_flagged():
    """The CPU provider has no float16 convolution: it casts at load, and says nothing."""
    found, runtime = ran("precision=float16")
    assert runtime.artefact.precision == "float16"
    assert (found.precision, found.fallback, found.fallback_share) == ("float32", True, 1.0)


def test_directml_takes_operator_set_17():
    model = DeployedModel.read(exported_model())
    assert model.artefact("onnx", "float32", 1, 17).opset == 17
    assert model.artefact("onnx", "float32").opset == 23
