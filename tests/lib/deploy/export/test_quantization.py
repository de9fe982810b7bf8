"""INT8 keeps the extremes of the signal: held against NNCF's default ranges on signals with rare high peaks."""

import nncf
import numpy as np
import openvino
import pytest
import torch

from ecgscale.deploy.export.formats import Exporter, quiet
from ecgscale.models.networks import load
from tests.tiny_models import WINDOW, trained_run


def peaked(count: int, seed: int) -> np.ndarray:
    """Windows like a z-scored ECG: little noise, and a few narrow complexes of ten standard deviations."""
    rng = np.random.default_rng(seed)
    windows = 0.3 * rng.standard_normal((count, 12, WINDOW))
    for window in windows:
        for place in rng.integers(8, WINDOW - 8, rng.integers(1, 5)):
            window[:, place - 3 : place + 4] += rng.uniform(5, 15) * np.hanning(7)
    return windows.astype(np.float32)


def logits(file_or_model, windows):
    compiled = openvino.Core().compile_model(file_or_model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.concatenate([compiled(window[None])[0] for window in windows])


@pytest.mark.parametrize("family", ["regnet", "convnext"])
def test_extremes_are_not_clipped(tmp_path, family):
    result = trained_run(tmp_path, family)
    _, network = load(tmp_path / result.spec.run_id)
    calibration, fresh = peaked(60, 1), peaked(40, 2)
    exporter = Exporter(network, (1, 12, WINDOW), {"description": "", "license": ""}, calibration)
    exporter.write("openvino", "int8", tmp_path / "ours.xml")
    with quiet():
        default = nncf.quantize(exporter.openvino_model.clone(), nncf.Dataset(list(calibration[:, None])))
    with torch.inference_mode():
        truth = network(torch.from_numpy(fresh)).numpy()
    ours, theirs = (np.abs(logits(model, fresh) - truth).max() for model in (tmp_path / "ours.xml", default))
    assert ours < 0.5 * theirs
