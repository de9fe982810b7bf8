"""RegNet-1D: nine numbers that generate a convolutional network (Radosavovic et al., CVPR 2020, in one dimension).

The parameterization is that of the
ECG scaling study: block j of `depth` wants the width u_j = w_0 + w_a j; widths are quantized to w_0 w_m^s_j with whole
s_j, rounded to multiples of 8; blocks of equal width form a stage, and each stage halves the length.
"""

from __future__ import annotations

import math
from collections import Counter
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, NamedTuple

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from ecgscale.models.architecture import STRICT, RejectedError
from ecgscale.models.cost import Cost, conv, linear, norm, strided, times, total

if TYPE_CHECKING:
    from torch import nn

MOST_STAGES = 7
QUANTUM = 8                # widths are multiples of it before groups are made to fit
LEAST_POSITIONS_LOG2 = 3   # the quantized exponent stays below log2(window) - 3


class Stage(NamedTuple):
    """Residual bottleneck blocks of one width. The first one has stride 2."""

    depth: int
    width: int
    bottleneck: int        # channels of the grouped convolution
    group_width: int
    se_ratio: float | None


@dataclass(frozen=True, kw_only=True, config=STRICT)
class RegNet:
    """Hyperparameters by the names of the paper and of the study."""

    depth: Annotated[int, Field(ge=1, le=200)]
    """Blocks."""
    w_0: Annotated[int, Field(ge=8, le=8192, multiple_of=8)]
    """Width of the first block, raised to `w_init` where it is less."""
    w_a: Annotated[float, Field(ge=0, le=8192)]
    """By how much the wanted width grows from block to block."""
    w_m: Annotated[float, Field(gt=1, le=16)]
    """Ratio of the widths of two neighbouring stages."""
    group_width: Annotated[int, Field(ge=1, le=8192)]
    """Channels of a group of the grouped convolution."""
    bottleneck_multiplier: Annotated[float, Field(ge=0.125, le=16)] = 1.0
    """Channels of the grouped convolution, as a multiple of the block's width."""
    se_ratio: Annotated[float, Field(gt=0, le=4)] | None = None
    """Channels of squeeze-and-excitation, as a multiple of the block's input. null: none."""
    w_init: Annotated[int, Field(ge=1, le=8192)] = 32
    """Channels of the stem."""
    init_kernel_size: Annotated[int, Field(ge=1, le=255)] = 3
    """Kernel of the stem, in samples."""

    def __post_init__(self) -> None:
        if self.se_ratio is not None and squeeze_width(self.se_ratio, min(self.w_init, QUANTUM)) < 1:
            raise RejectedError("squeeze without channels")
        if self.w_init > self.w_0 and self.w_init % QUANTUM:
            raise RejectedError("w_0 no multiple of 8")
        object.__setattr__(self, "w_0", max(self.w_0, self.w_init))

    def stages(self, window: int = 1024) -> tuple[Stage, ...]:
        """The network's stages for an input of `window` samples. Raises RejectedError beyond seven distinct widths."""
        return generate(self, window)

    def block_widths(self, window: int) -> np.ndarray:
        """(depth,) quantized widths, not decreasing.

        All in float32 with halves rounded to even, as the study did: 0.4 % of its space differ in float64.
        """
        real = np.float32
        w_0, w_m = real(self.w_0), real(self.w_m)
        wanted = w_0 + real(self.w_a) * np.arange(self.depth, dtype=real)
        exponents = np.rint(np.log(wanted / w_0) / real(math.log(self.w_m)))
        exponents = np.minimum(exponents, real(math.log2(window) - LEAST_POSITIONS_LOG2))    # the limit stays unrounded
        return (np.rint(w_0 * np.power(w_m, exponents) / real(QUANTUM)) * QUANTUM).astype(int)

    def cost(self, leads: int, window: int, classes: int) -> Cost:
        length, width = strided(window, self.init_kernel_size, 2, (self.init_kernel_size - 1) // 2), self.w_init
        parts = [conv(leads, width, self.init_kernel_size, length, first=True), norm(width)]
        for stage in self.stages(window):
            for stride, count in ((2, 1), (1, stage.depth - 1)):
                parts.append(times(count, block_cost(width, stage, stride, length)))
                length, width = strided(length, 3, stride, 1), stage.width
        return total([*parts, linear(width, classes)])

    def stage_count(self, window: int) -> int:
        return len(self.stages(window))

    def network(self, leads: int, window: int, classes: int) -> nn.Module:
        """Stem, generated stages, mean over time, linear."""
        from torch import nn

        from ecgscale.models.blocks import Blocks, Bottleneck, MeanOverTime, chain, conv_norm, convolutional_init

        blocks, width = [], self.w_init
        for stage in self.stages(window):
            for place in range(stage.depth):
                blocks.append(Bottleneck(width, stage, stride=1 if place else 2))
                width = stage.width
        return chain(stem=conv_norm(leads, self.w_init, self.init_kernel_size, stride=2), relu=nn.ReLU(inplace=True),
                     blocks=Blocks(*blocks), mean=MeanOverTime(), head=nn.Linear(width, classes),
                     ).apply(convolutional_init)


@lru_cache(maxsize=256)
def generate(made: RegNet, window: int) -> tuple[Stage, ...]:
    depths = Counter(made.block_widths(window).tolist())      # in the order of the blocks
    if len(depths) > MOST_STAGES:
        raise RejectedError("more than 7 stages")
    fitted = [fit_groups(width, made.bottleneck_multiplier, made.group_width) for width in depths]
    return tuple(Stage(depth, *shape, made.se_ratio) for depth, shape in zip(depths.values(), fitted, strict=True))


@lru_cache(maxsize=1 << 14)
def fit_groups(width: int, multiplier: float, group_width: int) -> tuple[int, int, int]:
    """(width, bottleneck width, group width) of a stage, the width raised until groups divide the bottleneck width.

    The bottleneck width becomes a multiple of the group width and of the multiplier's numerator, so that it belongs to
    a whole width.
    """
    bottleneck = int(width * multiplier)
    group_width = min(group_width, bottleneck)
    step = math.lcm(group_width, Fraction(multiplier).limit_denominator().numerator)
    bottleneck = math.ceil(bottleneck / step) * step
    width = round(bottleneck / multiplier)
    return width, bottleneck, group_width


def squeeze_width(se_ratio: float, inputs: int) -> int:
    """Channels of the squeeze: a share of the block's input channels, not of its bottleneck."""
    return round(se_ratio * inputs)


def block_cost(inputs: int, stage: Stage, stride: int, length: int) -> Cost:
    """One residual bottleneck block on `length` positions.

    Summed by hand instead of layer by layer: a design space is counted block by block, tens of thousands a second.
    """
    after, inner, outputs = strided(length, 3, stride, 1), stage.bottleneck, stage.width
    projected = outputs if stride != 1 or inputs != outputs else 0          # channels of a projection shortcut
    squeeze = 0 if stage.se_ratio is None else squeeze_width(stage.se_ratio, inputs)
    excite = inner if squeeze else 0
    before_stride = inputs * inner                                          # weights that act on `length` positions,
    after_stride = inner * (3 * stage.group_width + outputs) + inputs * projected    # on `after` positions,
    on_mean = 2 * inner * squeeze                                           # and on the mean over time
    products = before_stride + after_stride + on_mean
    norms = 2 * (2 * inner + outputs + projected)
    written = inner * length + (inner + outputs + projected) * after + squeeze + excite
    forward = 2 * (before_stride * length + after_stride * after + on_mean)
    return Cost(products + norms + squeeze + excite, products, written, forward, 2 * forward)


def size(depth: int, w_0: int, w_a: int, group_width: int = 16) -> RegNet:
    """A row of SIZES: widths double from stage to stage over a factor of about 8, as in ResNet."""
    return RegNet(depth=depth, w_0=w_0, w_a=w_a, w_m=2.0, group_width=group_width, w_init=min(w_0, 64))


# Compound scaling by parameters N: depth = 4 (N / 20,000)^(1/4), w_a = 7 w_0 / (depth - 1), w_0 takes the rest.
# The names count parameters for 12 leads and 26 classes.
SIZES = {
    "regnet-20k": size(4, 8, 18, group_width=8),
    "regnet-60k": size(5, 16, 24, group_width=8),
    "regnet-200k": size(7, 24, 22, group_width=8),
    "regnet-600k": size(9, 32, 28),
    "regnet-2m": size(13, 48, 28),
    "regnet-6m": size(17, 80, 33),
    "regnet-20m": size(22, 120, 40),
    "regnet-60m": size(30, 192, 43),
    "regnet-200m": size(40, 296, 53),
}

FAMILY = RegNet
