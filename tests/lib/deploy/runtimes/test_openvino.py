"""What really ran, read back from OpenVINO's compiled graph and held against what the processor can do."""

import openvino
import pytest

from ecgscale.deploy.runtimes import DeployedModel, runtime_class
from tests.tiny_models import exported_model

CAPABLE = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def ran(option):
    runtime = runtime_class("openvino")()
    runtime.load(DeployedModel.read(exported_model()), "cpu", option, 1, 1)
    runtime.compile()
    return runtime.ran(), runtime


def test_float32_runs_in_float32():
    found, runtime = ran("precision=float32")
    assert (found.device, found.precision, found.fallback, found.fallback_share) == ("cpu", "float32", False, 0)
    assert runtime.compiled.get_property("INFERENCE_PRECISION_HINT") == openvino.Type.f32
    assert runtime.compiled.get_property("INFERENCE_NUM_THREADS") == 1
    assert runtime.compiled.get_property("NUM_STREAMS") == 1


def test_weights_stored_in_float16_do_not_pass_for_float16_arithmetic():
    """OpenVINO 2026.4 reports runtimePrecision f16 here, while the kernels (and the hint) are float32."""
    found, runtime = ran("precision=float32;weights=float16")
    assert (found.precision, found.fallback) == ("float32", False)
    assert runtime.artefact.precision == "float16"


@pytest.mark.skipif("BF16" not in CAPABLE, reason="this processor has no bfloat16 arithmetic")
def test_the_default_and_a_float16_hint_become_bfloat16_and_are_seen():
    assert ran("")[0].precision == "bf16"
    asked_for_it, _ = ran("precision=bf16")
    assert (asked_for_it.precision, asked_for_it.fallback) == ("bf16", False)
    silent, _ = ran("precision=float16")
    assert (silent.precision, silent.fallback, silent.fallback_share) == ("bf16", True, 1.0)
    assert "bf16" in silent.detail


def test_int8_runs_in_int8_for_the_most_part():
    found, _ = ran("precision=int8")
    assert (found.precision, found.fallback) == ("int8", False)
    assert 0 <= found.fallback_share < 0.5


def test_auto_tells_the_device_that_it_took():
    runtime = runtime_class("openvino")()
    runtime.load(DeployedModel.read(exported_model()), "auto", "hint=latency", 1, 1)
    runtime.compile()
    found = runtime.ran()
    assert found.device == "cpu" or "gpu" in found.device or "npu" in found.device
    assert not found.fallback       # nothing in particular was asked for
