"""What really ran, read back from OpenVINO's compiled graph and held against what the processor can do."""

import openvino
import pytest

from tests.tiny_models import compiled, computes_bfloat16


def test_float32_runs_in_float32():
    runtime = compiled("openvino", "precision=float32")
    found = runtime.ran()
    assert (found.device, found.precision, found.fallback, found.fallback_share) == ("cpu", "float32", False, 0)
    assert runtime.compiled.get_property("INFERENCE_PRECISION_HINT") == openvino.Type.f32
    assert runtime.compiled.get_property("INFERENCE_NUM_THREADS") == 1
    assert runtime.compiled.get_property("NUM_STREAMS") == 1


def test_weights_stored_in_float16_do_not_pass_for_float16_arithmetic():
    """OpenVINO 2026.4 reports runtimePrecision f16 here, while the kernels (and the hint) are float32."""
    runtime = compiled("openvino", "precision=float32;weights=float16")
    found = runtime.ran()
    assert (found.precision, found.fallback) == ("float32", False)
    assert runtime.artefact.precision == "float16"


@pytest.mark.skipif(not computes_bfloat16(), reason="this processor has no bfloat16 arithmetic")
def test_the_default_and_a_float16_hint_become_bfloat16_and_are_seen():
    assert compiled("openvino", "").ran().precision == "bf16"
    asked_for_it = compiled("openvino", "precision=bf16").ran()
    assert (asked_for_it.precision, asked_for_it.fallback) == ("bf16", False)
    silent = compiled("openvino", "precision=float16").ran()
    assert (silent.precision, silent.fallback, silent.fallback_share) == ("bf16", True, 1.0)
    assert "bf16" in silent.detail


def test_int8_runs_in_int8_for_the_most_part():
    found = compiled("openvino", "precision=int8").ran()
    assert (found.precision, found.fallback) == ("int8", False)
    assert 0 <= found.fallback_share < 0.5


def test_auto_tells_the_device_that_it_took():
    found = compiled("openvino", "hint=latency", "auto").ran()
    assert found.device == "cpu" or "gpu" in found.device or "npu" in found.device
    assert not found.fallback       # nothing in particular was asked for
