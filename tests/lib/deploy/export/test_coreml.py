"""Core ML packages, built here, held against the network by interpreting the saved program."""

import coremltools as ct
import numpy as np
import pytest
import torch

from ecgscale.deploy.export.formats import Exporter
from ecgscale.models.networks import load
from ecgscale.training.data import windows
from tests.lib.deploy.export import mil_interpreter
from tests.tiny_models import WINDOW, trained_run

CASES = [(family, "float32", 1e-4) for family in ("regnet", "convnext", "vit", "resnet")]
CASES += [("regnet", "float16", 0.02), ("convnext", "float16", 0.02), ("vit", "float16", 0.02),
          ("resnet", "float16", 0.02), ("regnet", "int8", 0.3), ("vit", "int8", 0.3)]


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """(family, precision) -> network and package, converted once."""
    folder, made = tmp_path_factory.mktemp("coreml"), {}
    for family in dict.fromkeys(family for family, _, _ in CASES):
        result = trained_run(folder / family, family)
        _, network = load(folder / family / result.spec.run_id)
        exporter = Exporter(network, (1, 12, WINDOW), {"description": "a network", "license": "MIT"}, np.empty(0))
        for precision in [p for f, p, _ in CASES if f == family]:
            path = folder / f"{family}-{precision}.mlpackage"
            exporter.write("coreml", precision, path)
            made[family, precision] = network, path
    return made


def gap(packages, case, inputs):
    network, path = packages[case]
    with torch.inference_mode():
        expected = network(torch.from_numpy(inputs)).numpy()
    found = mil_interpreter.run(path, inputs)
    assert found.shape == expected.shape
    return np.abs(found - expected).max() / max(1.0, np.abs(expected).max())


@pytest.mark.parametrize(("family", "precision", "tolerance"), CASES)
def test_the_saved_program_computes_the_network(packages, family, precision, tolerance):
    rng = np.random.default_rng(0)
    for scale in (1.0, 5.0):
        inputs = (scale * rng.normal(size=(1, 12, WINDOW))).astype(np.float32)
        assert gap(packages, (family, precision), inputs) < tolerance


@pytest.fixture(scope="module")
def real_windows(shared) -> list[np.ndarray]:
    """Windows of six recordings of the PhysioNet/CinC Challenge 2021 from three sources, by the study's recipe."""
    from ecgscale.ecg.recipe import prepare, recipe_named
    from ecgscale.ecg.wfdb_record import read_recording

    found = []
    for source in ("ptb-xl", "georgia", "ningbo"):
        for header in sorted((shared / "data/physionet2021" / source).rglob("*.hea"))[:2]:
            recording = read_recording(header)
            signal = prepare(recording.millivolts(), recording.rate, recipe_named("study"))
            found.append(windows(np.ascontiguousarray(signal), WINDOW)[:1])
    return found


@pytest.mark.parametrize(("family", "precision", "tolerance"), CASES)
def test_on_real_recordings(packages, real_windows, family, precision, tolerance):
    assert len(real_windows) == 6
    for window in real_windows:
        assert gap(packages, (family, precision), window) < tolerance


def test_the_interpreter_sees_a_changed_weight(packages, tmp_path):
    """A check that cannot fail would be none: one byte of the weight file differs."""
    import shutil

    network, path = packages["regnet", "float32"]
    copy = shutil.copytree(path, tmp_path / "copy.mlpackage")
    weights = next(copy.rglob("weight.bin"))
    content = bytearray(weights.read_bytes())
    for position in range(len(content) // 2, len(content), 64):
        content[position + 3] ^= 0x40
    weights.write_bytes(content)
    inputs = np.random.default_rng(0).normal(size=(1, 12, WINDOW)).astype(np.float32)
    assert not gap({"changed": (network, copy)}, "changed", inputs) < 1e-2


def test_packages_describe_themselves(packages):
    for (_, precision), (_, path) in packages.items():
        spec = ct.models.MLModel(str(path), skip_model_load=True).get_spec()
        assert spec.WhichOneof("Type") == "mlProgram"
        (given,), (made,) = spec.description.input, spec.description.output
        assert (given.name, list(given.type.multiArrayType.shape)) == ("ecg", [1, 12, WINDOW])
        assert made.name == "logits"
        float32 = ct.proto.FeatureTypes_pb2.ArrayFeatureType.FLOAT32
        assert given.type.multiArrayType.dataType == made.type.multiArrayType.dataType == float32, precision
        assert spec.description.metadata.license == "MIT"
        assert spec.description.metadata.userDefined["ecgscale.description"] == "a network"


def test_weights_shrink_with_precision(packages):
    sizes = {precision: next(packages["regnet", precision][1].rglob("weight.bin")).stat().st_size
             for precision in ("float32", "float16", "int8")}
    assert sizes["float16"] < 0.6 * sizes["float32"]
    assert sizes["int8"] < 0.8 * sizes["float16"]
