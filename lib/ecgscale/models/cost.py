"""What one layer costs, counted from its shape. Imports no torch, so a plan can be made anywhere.

Conventions: one window (batch 1); 2 FLOPs a multiply-add; only products with weights (convolution, linear) and the two
products of attention are counted, as torch's FlopCounterMode does, and as the published tables of the field do.
Normalization, activation, pooling and element-wise work are left out.

Backward: every product costs as much again for the gradient of its weights (of its left factor, in attention) and once
more for the gradient of its input (its right factor). The first layer of a network needs no gradient of its input.
"""

from collections.abc import Iterable
from typing import NamedTuple


class Cost(NamedTuple):
    """Cost of a layer, a block or a network for one window."""

    params: int = 0
    products: int = 0        # weights of convolutions and linear layers: half the FLOPs on an input of length 1
    activations: int = 0     # elements that convolutions, linear layers and attention products write
    forward: int = 0         # FLOPs
    backward: int = 0        # FLOPs


def total(costs: Iterable[Cost]) -> Cost:
    return Cost(*map(sum, zip(*costs, strict=True)))


def times(count: int, cost: Cost) -> Cost:
    params, products, activations, forward, backward = cost
    return Cost(count * params, count * products, count * activations, count * forward, count * backward)


def strided(length: int, kernel: int, stride: int, padding: int) -> int:
    """Positions that a convolution or pooling leaves of `length`."""
    return (length + 2 * padding - kernel) // stride + 1


def conv(inputs: int, outputs: int, kernel: int, length: int, groups: int = 1, bias: bool = False,
         first: bool = False) -> Cost:
    """A convolution that writes `outputs` channels at `length` positions."""
    weights = inputs // groups * outputs * kernel
    flops = 2 * weights * length
    return Cost(weights + bias * outputs, weights, outputs * length, flops, flops if first else 2 * flops)


def linear(inputs: int, outputs: int, length: int = 1, bias: bool = True) -> Cost:
    """A linear layer applied at `length` positions: a convolution with kernel 1."""
    return conv(inputs, outputs, 1, length, bias=bias)


def norm(channels: int) -> Cost:
    """Batch or layer normalization: scale and shift."""
    return Cost(params=2 * channels)


def attention(tokens: int, dim: int, heads: int) -> Cost:
    """Queries with keys, and weights with values: (heads, tokens, tokens) and (tokens, dim)."""
    flops = 2 * 2 * tokens * tokens * dim
    return Cost(activations=heads * tokens * tokens + tokens * dim, forward=flops, backward=2 * flops)
