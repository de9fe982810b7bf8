"""LiteRT: against the trained network, its own graph and what the file was quantized to, where the wheels are; what is
said where they are not."""

import sys
from importlib.util import find_spec

import numpy as np
import pytest

from ecgscale.deploy import session
from ecgscale.deploy.block import Configuration, measure
from ecgscale.deploy.kit.make import make
from ecgscale.deploy.runtimes import DeployedModel, Unavailable, runtime_class
from ecgscale.deploy.runtimes.litert_runtime import inside, told, why_not
from ecgscale.design.study import Deploy
from tests.tiny_models import LABELS, assert_requests_answer_alone, export_one, exported_model

here = pytest.mark.skipif(bool(why_not()) or not find_spec("litert_torch"), reason=why_not() or "no litert_torch")


def op(index, name, inputs, outputs):
    return {"index": index, "op_name": name, "inputs": np.array(inputs), "outputs": np.array(outputs)}


# as 2.3.0 tells a graph of which the delegate took two parts: 0 -> quantize, convolution -> 3 -> pad, outside -> 4 ->
# convolution (weights 9, or -1 where there are none), linear layer -> 7; one node that nothing needs
GRAPH = [op(0, "QUANTIZE", [0], [1]), op(1, "CONV_2D", [1, 8, -1], [3]), op(2, "PADV2", [3], [4]),
         op(3, "CONV_2D", [4, 9], [5]), op(4, "FULLY_CONNECTED", [5, 10], [7]), op(5, "CONV_2D", [4, 9], [6]),
         op(6, "DELEGATE", [0, 8], [3]), op(7, "DELEGATE", [4, 9, 10], [7])]
KINDS = {0: "float32", 1: "int8", 3: "int8", 4: "int8", 5: "float32"}


def test_the_graph_tells_what_the_delegate_took():
    assert inside(GRAPH) == {0, 1, 3, 4}
    ran = told(GRAPH, KINDS, "int8")
    assert (ran.device, ran.precision, ran.fallback, ran.fallback_share) == ("cpu", "int8", False, 0.5)
    assert ran.detail.startswith("4 of 6 operators in XNNPACK: ")
    assert "PADV2 outside XNNPACK x 1" in ran.detail
    assert "FULLY_CONNECTED float32 x 1" in ran.detail
    assert told(GRAPH, KINDS, "float32").fallback
    without = told(GRAPH[:6], KINDS, "int8")
    assert (without.fallback, without.fallback_share) == (True, 1)
    assert told(GRAPH[2:3], KINDS, "int8").precision is None


@pytest.fixture
def absent(monkeypatch):
    """As where neither wheel is installed."""
    for name in ("ai_edge_litert", "litert_torch"):
        for one in [one for one in sys.modules if one.split(".")[0] == name]:
            monkeypatch.delitem(sys.modules, one)
        monkeypatch.setitem(sys.modules, name, None)


def test_a_row_says_that_the_wheel_is_missing_and_how_to_get_it(absent):
    model = DeployedModel.read(exported_model())
    wanted, [(configuration, reason)], _ = session.plan("litert", [model], ["cpu"], Deploy(), 1)
    assert not wanted
    assert configuration.runtime == "litert"
    assert "ModuleNotFoundError" in reason
    assert "pip install ai-edge-litert" in reason


def exported(folder, precisions, batch=(1,)):
    model, made = export_one(folder, Deploy(formats=("tflite",), precisions=precisions, margin=1.0, batch=batch))
    return model, {(one.precision, one.batch): one for one in made.artefacts if one.format == "tflite"}


def test_without_the_converter_the_file_is_a_failed_artefact(tmp_path, absent):
    _, files = exported(tmp_path, ("float32",))
    assert files["float32", 1].status == "failed"
    assert "pip install 'ecgscale[litert]'" in files["float32", 1].reason


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return exported(tmp_path_factory.mktemp("litert"), ("float32", "float16", "int8"), batch=(1, 3))


@here
def test_files_are_checked_against_the_network_and_say_what_they_are(model):
    folder, files = model
    assert set(files) == {(precision, batch) for precision in ("float32", "int8") for batch in (1, 3)}
    assert {one.status for one in files.values()} == {"ok"}
    assert max(files["float32", batch].max_logit_difference for batch in (1, 3)) < 1e-5
    assert 1e-4 < files["int8", 1].max_logit_difference < 0.5          # of logits up to 4
    assert files["int8", 1].checked_on == "litert cpu int8"
    assert files["int8", 1].bytes < 0.5 * files["float32", 1].bytes
    from ai_edge_litert.interpreter import Interpreter
    from ai_edge_litert.tools.flatbuffer_utils import read_model

    for one in files.values():
        path = folder / one.file
        told = {each.name: bytes(read_model(path).buffers[each.buffer].data).decode()
                for each in read_model(path).metadata if each.name.startswith(b"ecgscale.")}
        assert told[b"ecgscale.classes"].split(";") == list(LABELS.codes)
        [ends] = Interpreter(model_path=str(path)).get_signature_list().values()
        assert ends == {"inputs": ["ecg"], "outputs": ["logits"]}


@here
def test_requests_answer_alone(model):
    deployed = DeployedModel.read(model[0])
    runtime = runtime_class("litert")()
    runtime.load(deployed, "cpu", "", 1, 2)
    runtime.compile()
    assert_requests_answer_alone(runtime, deployed)


@here
@pytest.mark.parametrize(("option", "precision", "others"), [("", "float32", 0), ("precision=int8", "int8", 2)])
def test_a_block_of_the_protocol_tells_what_ran(model, option, precision, others):
    """Twelve convolutions and a linear layer, as in the network; the first and the last are no INT8."""
    deployed = DeployedModel.read(model[0])
    columns = measure(Configuration(deployed, "litert", "cpu", option, "single", 1, 1),
                      Deploy(min_count=3, min_seconds=0)).columns
    assert (columns["ran_device"], columns["ran_precision"], columns["fallback"]) == ("cpu", precision, False)
    assert columns["fallback_share"] == pytest.approx(others / deployed.layers)
    assert f"CONV_2D {precision} x {deployed.layers - 1 - others // 2}" in columns["ran_detail"]


@here
def test_a_cut_file_is_unavailable_not_a_crash(model):
    deployed = DeployedModel.read(model[0])
    runtime = runtime_class("litert")()
    runtime.load(deployed, "cpu", "", 1, 1)
    runtime.content = runtime.content[:1000]
    with pytest.raises(Unavailable):
        runtime.compile()


@here
def test_a_kit_takes_the_file_along(model, tmp_path):
    kit = make([model[0]], Deploy(), tmp_path / "kit", ("tflite",))
    assert {name.rpartition(".")[2] for name in kit.files if "tflite-" in name} == {"tflite"}
