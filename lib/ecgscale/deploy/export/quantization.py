"""INT8 by NNCF's post-training quantization of the OpenVINO model, in a setting that was chosen on validation.

In an ECG the extremes are the QRS complexes: NNCF's default ranges (the mean of each window's extremes) clip them. The
first and the last layer are kept in floating point: they meet the raw signal and the logits. `settings.py` compares
SETTINGS; docs/explanation/export.md has its table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

MULTIPLYING = ("Convolution", "GroupConvolution", "MatMul")
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
