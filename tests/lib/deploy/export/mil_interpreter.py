"""A saved Core ML package, run operation by operation in torch: graph and weights checked off Apple hardware.

Knows the operations that our networks become and no other. Values of type fp16 are computed in float32 and rounded to
float16, so what is seen is the program's own rounding, not that of a device.
"""

from pathlib import Path

import coremltools as ct
import numpy as np
import torch
from coremltools.converters.mil.frontend.milproto.load import load
from coremltools.converters.mil.mil import types
from torch.nn import functional

HALF = {types.fp16}


def run(package: Path, windows: np.ndarray) -> np.ndarray:
    """The package's output for one input array. Raises KeyError for an operation that is not known."""
    model = ct.models.MLModel(str(package), skip_model_load=True)
    spec = model.get_spec()
    program = load(spec, specification_version=spec.specificationVersion, file_weights_dir=model.weights_dir)
    main = program.functions["main"]
    (name,) = main.inputs
    values = {main.inputs[name].name: torch.from_numpy(windows)}
    for operation in main.operations:
        made = outputs_of(operation, values)
        for variable, value in zip(operation.outputs, made, strict=True):
            half = value.is_floating_point() and variable.dtype in HALF
            values[variable.name] = value.half().float() if half else value
    return values[main.outputs[0].name].numpy()


def outputs_of(operation, values) -> tuple:
    if operation.op_type == "const":
        return (torch.as_tensor(np.array(operation.val.val)),) if is_array(operation.val.val) else (Setting(
            operation.val.val),)
    given = {name: value_of(variable, values) for name, variable in operation.inputs.items() if variable is not None}
    made = OPERATIONS[operation.op_type](**given)
    return made if isinstance(made, tuple) else (made,)


class Setting:
    """A constant that is no tensor: a string or a truth value."""

    def __init__(self, value):
        self.value = value

    def is_floating_point(self) -> bool:
        return False


def is_array(value) -> bool:
    return isinstance(value, np.ndarray | np.number | int | float) and not isinstance(value, bool | np.bool_)


def value_of(variable, values):
    if isinstance(variable, list | tuple):
        return [value_of(one, values) for one in variable]
    value = values[variable.name]
    if isinstance(value, Setting):
        return value.value
    return value.float() if value.is_floating_point() else value


def numbers(tensor: torch.Tensor) -> list[int]:
    return [int(number) for number in tensor.reshape(-1)]


def conv(x, weight, bias=None, strides=None, pad_type="valid", pad=None, dilations=None, groups=1):
    before, after = numbers(pad) if pad_type == "custom" else (0, 0)
    assert pad_type in ("valid", "custom")
    return functional.conv1d(functional.pad(x, (before, after)), weight, bias, numbers(strides), 0, numbers(dilations),
                             int(groups))


def max_pool(x, kernel_sizes, strides, pad_type, pad, ceil_mode=False):
    before, after = numbers(pad) if pad_type == "custom" else (0, 0)
    padded = functional.pad(x, (before, after), value=-torch.inf)
    return functional.max_pool1d(padded, numbers(kernel_sizes), numbers(strides), ceil_mode=bool(ceil_mode))


def gelu(x, mode):
    return functional.gelu(x, approximate={"EXACT": "none", "TANH_APPROXIMATION": "tanh"}[mode])


def layer_norm(x, axes, gamma=None, beta=None, epsilon=1e-5):
    assert [axis % x.ndim for axis in numbers(axes)] == [x.ndim - 1]
    return functional.layer_norm(x, x.shape[-1:], gamma, beta, float(epsilon))


def matmul(x, y, transpose_x=False, transpose_y=False):
    return (x.mT if transpose_x else x) @ (y.mT if transpose_y else y)


def slice_by_index(x, begin, end, stride=None, begin_mask=None, end_mask=None, squeeze_mask=None):
    index = []
    for axis, (first, last) in enumerate(zip(numbers(begin), numbers(end), strict=True)):
        step = 1 if stride is None else numbers(stride)[axis]
        if squeeze_mask is not None and bool(squeeze_mask[axis]):
            index.append(first)
            continue
        open_start = begin_mask is not None and bool(begin_mask[axis])
        open_end = end_mask is not None and bool(end_mask[axis])
        index.append(slice(None if open_start else first, None if open_end else last, step))
    return x[tuple(index)]


def split(x, num_splits=None, split_sizes=None, axis=0):
    sizes = x.shape[int(axis)] // int(num_splits) if split_sizes is None else numbers(split_sizes)
    return torch.split(x, sizes, int(axis))


def dequantize(quantized_data, zero_point, scale, axis):
    """coremltools: scale * (data - zero point) along one axis."""
    shape = [1] * quantized_data.ndim
    shape[int(axis)] = -1
    return (quantized_data.float() - zero_point.float().reshape(shape)) * scale.reshape(shape)


OPERATIONS = {
    "cast": lambda x, dtype: x.half().float() if dtype == "fp16" else x.float(),
    "conv": conv, "max_pool": max_pool, "gelu": gelu, "layer_norm": layer_norm, "matmul": matmul, "split": split,
    "slice_by_index": slice_by_index, "constexpr_affine_dequantize": dequantize,
    "relu": torch.relu, "sigmoid": torch.sigmoid, "add": lambda x, y: x + y, "mul": lambda x, y: x * y,
    "linear": lambda x, weight, bias=None: functional.linear(x, weight, bias),
    "reduce_mean": lambda x, axes, keep_dims: x.mean(numbers(axes), keepdim=bool(keep_dims)),
    "transpose": lambda x, perm: x.permute(numbers(perm)),
    "reshape": lambda x, shape: x.reshape(numbers(shape)),
    "expand_dims": lambda x, axes: x.unsqueeze(*numbers(axes)),
    "squeeze": lambda x, axes: x.squeeze(numbers(axes)),
    "concat": lambda values, axis, interleave=False: torch.cat(values, int(axis)),
    "softmax": lambda x, axis: torch.softmax(x, int(axis)),
    "scaled_dot_product_attention": functional.scaled_dot_product_attention,
}
