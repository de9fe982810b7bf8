"""How much memory a network's values need at once: what a small device must have besides room for the weights.

Counted on the ONNX graph, node after node in its order, as an interpreter with one arena works (TensorFlow Lite Micro):
while a node runs, its inputs and outputs are there, and whatever a later node reads. Reshaping moves nothing, and an
element-wise node writes over an input that nobody reads afterwards. An interpreter that fuses more needs less; one
whose convolutions unfold their input needs a buffer more.
"""

from __future__ import annotations

import math

IN_PLACE = frozenset({  # operators whose output can take the place of an input of its size
    "Relu", "Clip", "Sigmoid", "HardSigmoid", "Tanh", "Erf", "Gelu", "Sqrt", "Neg", "Exp", "Cast", "Add", "Sub", "Mul",
    "Div", "Pow", "Softmax", "BatchNormalization", "LayerNormalization", "Dropout", "Identity", "Reshape", "Flatten",
    "Squeeze", "Unsqueeze"})


def peak_activations(model) -> int:
    """Elements of an onnx.ModelProto of static shapes that are alive at once, at most; weights are not among them."""
    import onnx

    graph = onnx.shape_inference.infer_shapes(model).graph
    sizes = {value.name: math.prod(axis.dim_value for axis in value.type.tensor_type.shape.dim)
             for value in (*graph.input, *graph.value_info, *graph.output)
             if value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT}
    kept = {value.name for value in graph.output}
    last = {name: place for place, node in enumerate(graph.node) for name in node.input}
    alive = {value.name: sizes[value.name] for value in graph.input if value.name in sizes}
    most = sum(alive.values())
    for place, node in enumerate(graph.node):
        if node.op_type == "Constant":
            continue
        made = {name: sizes[name] for name in node.output if name in sizes}
        dying = [name for name in dict.fromkeys(node.input)
                 if name in alive and last[name] == place and name not in kept]
        taken = next((alive[name] for name in dying if node.op_type in IN_PLACE and alive[name] in made.values()), 0)
        most = max(most, sum(alive.values()) + sum(made.values()) - taken)
        for name in dying:
            del alive[name]
        alive |= {name: size for name, size in made.items() if name in last or name in kept}
    return most
