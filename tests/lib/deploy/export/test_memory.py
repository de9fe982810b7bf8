"""The peak of activations: against counts by hand, of planted graphs and of an exported network."""

import onnx
import pytest
from onnx import TensorProto, helper

from ecgscale.contracts import Export
from ecgscale.deploy.export.memory import peak_activations
from tests.tiny_models import WINDOW, exported_model


def graph(*nodes: onnx.NodeProto, output: str, channels: int, length: int) -> onnx.ModelProto:
    """From x (1, 2, 8); the weights w (4, 2, 1) and v (1, 4, 1) are there."""
    weights = [helper.make_tensor("w", TensorProto.FLOAT, (4, 2, 1), [0.0] * 8),
               helper.make_tensor("v", TensorProto.FLOAT, (1, 4, 1), [0.0] * 4)]
    ends = [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 2, 8)),
            helper.make_tensor_value_info(output, TensorProto.FLOAT, (1, channels, length))]
    return helper.make_model(helper.make_graph(nodes, "g", ends[:1], ends[1:], weights),
                             opset_imports=[helper.make_opsetid("", 17)])


CONV = helper.make_node("Conv", ["x", "w"], ["a"])
RELU = helper.make_node("Relu", ["a"], ["b"])


@pytest.mark.parametrize(("nodes", "output", "channels", "elements"), [
    ((CONV,), "a", 4, 16 + 32),                                                         # x and a
    ((CONV, RELU), "b", 4, 16 + 32),                                                    # b takes the place of a
    ((CONV, RELU, helper.make_node("Add", ["a", "b"], ["c"])), "c", 4, 32 + 32),        # a is read again: b beside it
    ((CONV, RELU, helper.make_node("Conv", ["b", "v"], ["c"])), "c", 1, 16 + 32),       # then b and c: 32 + 8
    ((CONV, RELU, helper.make_node("Concat", ["b", "x"], ["c"], axis=1)), "c", 6, 32 + 16 + 48),    # x was kept
])
def test_counted_by_hand(nodes, output, channels, elements):
    assert peak_activations(graph(*nodes, output=output, channels=channels, length=8)) == elements


def test_of_an_exported_network():
    """ResNet of width 16 on 12 leads: the stem, which reads the whole input and writes 16 channels of half its length,
    holds most."""
    export = Export.read(exported_model("resnet") / "export.json")
    assert export.peak_activations == 12 * WINDOW + 16 * WINDOW // 2
