"""INT8 by post-training quantization: of the OpenVINO model by NNCF, in a setting that was chosen on validation, of
the ONNX model by ONNX Runtime, of the program for ExecuTorch by torchao, and of the TFLite model by AI Edge Quantizer.

In an ECG the extremes are the QRS complexes: NNCF's default ranges (the mean of each window's extremes) clip them. The
first and the last layer are kept in floating point: they meet the raw signal and the logits. `settings.py` compares
SETTINGS; docs/explanation/int8.md has its table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    import torch

MULTIPLYING = ("Convolution", "GroupConvolution", "MatMul")
ONNX_MULTIPLYING = ("Conv", "Gemm", "MatMul")
ONNX_BETWEEN = ("Add", "MaxPool", "Relu")      # between convolutions: else each of these has a way to float32 and back
TFLITE_MULTIPLYING = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
OUTLIERS = 1e-4          # share of values beyond a quantile range


@dataclass(frozen=True)
class Setting:
    """How a network is quantized.

    `samples`: calibration windows. `ranges` of activations: each window's extremes averaged, the extremes over all
    windows, the same without OUTLIERS, or the best fit to a histogram. `bias`: how the mean error of each layer is
    taken off its bias: not at all, from each layer alone, or layer after layer with the earlier ones quantized.
    `floating`: layers that stay in floating point.
    """

    name: str
    samples: int = 300
    preset: Literal["mixed", "performance"] = "mixed"        # activations asymmetric or symmetric
    ranges: Literal["mean", "extremes", "quantile", "histogram"] = "extremes"
    bias: Literal["none", "fast", "full"] = "fast"
    floating: Literal["", "first", "last", "first and last"] = ""


SETTINGS = (
    Setting("NNCF's default ranges", ranges="mean"),
    Setting("extremes"),
    Setting("extremes, 100 windows", samples=100),
    Setting("extremes, 1,000 windows", samples=1000),
    Setting("extremes, symmetric", preset="performance"),
    Setting("quantiles", ranges="quantile"),
    Setting("histogram", samples=100, ranges="histogram"),
    Setting("extremes, no bias correction", bias="none"),
    Setting("extremes, full bias correction", bias="full"),
    Setting("extremes, first layer float", floating="first"),
    Setting("extremes, last layer float", floating="last"),
    Setting("extremes, first and last layer float", floating="first and last"),
    Setting("extremes, both float, full bias correction", bias="full", floating="first and last"),
)
CHOSEN = SETTINGS[-1]


def quantized(model, calibration: np.ndarray, transformer: bool, setting: Setting = CHOSEN):
    """A quantized copy of an openvino.Model of static batch, from windows (windows, leads, samples).

    `transformer`: the network normalizes layers, which NNCF then keeps in floating point.
    """
    import nncf

    batch = model.inputs[0].get_shape()[0]
    windows = calibration[: setting.samples]
    calls = [windows[i : i + batch] for i in range(0, len(windows) - batch + 1, batch)]
    return nncf.quantize(
        model.clone(), nncf.Dataset(calls), subset_size=len(calls),
        preset=nncf.QuantizationPreset(setting.preset), model_type=nncf.ModelType.TRANSFORMER if transformer else None,
        ignored_scope=nncf.IgnoredScope(names=floating_layers(model, setting.floating)),
        fast_bias_correction=setting.bias != "full",
        advanced_parameters=nncf.AdvancedQuantizationParameters(
            activations_range_estimator_params=range_estimator(setting.ranges),
            disable_bias_correction=setting.bias == "none"))


def floating_layers(model, which: str) -> list[str]:
    """Names of the layers that a setting keeps in floating point."""
    names = [node.get_friendly_name() for node in model.get_ordered_ops() if node.get_type_name() in MULTIPLYING]
    return {"": [], "first": names[:1], "last": names[-1:], "first and last": [names[0], names[-1]]}[which]


def range_estimator(ranges: str):
    from nncf.quantization import range_estimator as nncf_ranges

    known = nncf_ranges.RangeEstimatorParametersSet
    if ranges != "quantile":
        return {"mean": known.MEAN_MINMAX, "extremes": known.MINMAX, "histogram": known.HISTOGRAM}[ranges]
    ends = [nncf_ranges.StatisticsCollectorParameters(nncf_ranges.StatisticsType.QUANTILE, over_windows,
                                                      quantile_outlier_prob=OUTLIERS)
            for over_windows in (nncf_ranges.AggregatorType.MIN, nncf_ranges.AggregatorType.MAX)]
    return nncf_ranges.RangeEstimatorParameters(*ends)


def write_quantized_onnx(model, calibration: np.ndarray, transformer: bool, path: Path) -> None:
    """An onnx.ModelProto of static shapes with a quantize and a dequantize node (QDQ) around what is computed in INT8.

    Ranges are the extremes over the calibration windows (windows, leads, samples); the first and the last layer stay in
    floating point, as in the OpenVINO model. Activations are unsigned and weights signed, a scale a channel: of ONNX
    Runtime's kernels those for this pair are there for every convolution, those for two signed ones are not.
    `transformer`: its sums are parts of normalizations and GELUs, which ONNX Runtime fuses in floating point.
    """
    from onnxruntime import quantization

    value = model.graph.input[0]
    batch, windows = value.type.tensor_type.shape.dim[0].dim_value, calibration[: CHOSEN.samples]
    calls = iter([{value.name: windows[i : i + batch]} for i in range(0, len(windows) - batch + 1, batch)])
    layers = [node.name for node in model.graph.node if node.op_type in ONNX_MULTIPLYING]
    quantization.quantize_static(
        model, str(path), Calls(calls), quant_format=quantization.QuantFormat.QDQ, per_channel=True,
        activation_type=quantization.QuantType.QUInt8, weight_type=quantization.QuantType.QInt8,
        op_types_to_quantize=[*ONNX_MULTIPLYING, *(() if transformer else ONNX_BETWEEN)],
        nodes_to_exclude=[layers[0], layers[-1]], calibrate_method=quantization.CalibrationMethod.MinMax)


def quantized_for_xnnpack(program: torch.export.ExportedProgram, calibration: np.ndarray,
                          batch: int) -> torch.fx.GraphModule:
    """The network of a program of static batch with quantized and dequantized values around what XNNPACK computes in
    INT8: weights with a scale a channel, ranges of activations by histograms over windows (windows, leads, samples)."""
    import torch
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
        XNNPACKQuantizer,
        get_symmetric_quantization_config,
    )
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    quantizer = XNNPACKQuantizer().set_global(get_symmetric_quantization_config(is_per_channel=True))
    observed, windows = prepare_pt2e(program.module(), quantizer), calibration[: CHOSEN.samples]
    with torch.no_grad():
        for i in range(0, len(windows) - batch + 1, batch):
            observed(torch.from_numpy(np.ascontiguousarray(windows[i : i + batch])))
    return convert_pt2e(observed)


def quantized_tflite(content: bytes, calibration: np.ndarray) -> bytes:
    """A TFLite file of static batch with its convolutions and linear layers in INT8, but for the first and the last.

    Ranges are the extremes over the calibration windows (windows, leads, samples); the quantizer's own ranges forget
    them (a moving average). What lies between stays in floating point: quantized too, it costs two to ten times the
    difference, and what XNNPACK does not take in INT8 cuts the graph into pieces (docs/explanation/int8.md).
    """
    from ai_edge_litert.interpreter import Interpreter
    from ai_edge_quantizer import calibrator, quantizer, recipe_manager
    from ai_edge_quantizer.utils.qsv_utils import min_max_update

    model = Interpreter(model_content=content)
    given, names = model.get_input_details()[0], {one["index"]: one["name"] for one in model.get_tensor_details()}
    layers = [one for one in model._get_ops_details() if one["op_name"] in TFLITE_MULTIPLYING]
    recipe = recipe_manager.RecipeManager()
    for kind in TFLITE_MULTIPLYING:
        recipe.add_static_config(".*", kind, activation_num_bits=8, weight_num_bits=8)
    for layer in (layers[0], layers[-1]):
        recipe.add_quantization_config(f"^{re.escape(names[layer['outputs'][0]])};?$", layer["op_name"],
                                       algorithm_key="no_quantize")
    batch, windows = given["shape"][0], calibration[: CHOSEN.samples]
    calls = [windows[i : i + batch] for i in range(0, len(windows) - batch + 1, batch)]
    [(signature, ends)] = model.get_signature_list().items()
    seen = calibrator.Calibrator(content, num_threads=1, qsv_update_func=min_max_update)
    seen.calibrate({signature: [{ends["inputs"][0]: np.ascontiguousarray(call)} for call in calls]}, recipe)
    made = quantizer.Quantizer(content, recipe.get_quantization_recipe())
    return bytes(made.quantize(seen.get_model_qsvs()).quantized_model)


class Calls:
    """Inputs of a network, one call after the other, as ONNX Runtime asks for calibration data."""

    def __init__(self, calls: Iterator[dict[str, np.ndarray]]):
        self.calls = calls

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self.calls, None)
