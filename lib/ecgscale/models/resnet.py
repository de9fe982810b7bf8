"""ResNet-1D, the plain baseline (He et al., CVPR 2016, basic blocks in one dimension): hyperparameters and cost.

Stem convolution with stride 2 and max pooling; four stages of basic blocks whose widths double and whose lengths halve
from the second on.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from ecgscale.models.architecture import STRICT, RejectedError
from ecgscale.models.convnext import Blocks
from ecgscale.models.cost import Cost, conv, linear, norm, strided, times, total

if TYPE_CHECKING:
    from torch import nn

OddKernel = Annotated[int, Field(ge=1, le=255)]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ResNet:
    """Width of the first stage, basic blocks of the four stages."""

    width: Annotated[int, Field(ge=1, le=8192)]
    """Channels of the first stage; each further stage has twice as many."""
    depth_1: Blocks = 2
    """Blocks of the first stage."""
    depth_2: Blocks = 2
    """Of the second."""
    depth_3: Blocks = 2
    """Of the third."""
    depth_4: Blocks = 2
    """Of the last."""
    kernel_size: OddKernel = 3
    """Kernel of a block's convolutions, in samples: odd."""
    init_kernel_size: OddKernel = 7
    """Kernel of the stem, in samples: odd."""

    def __post_init__(self) -> None:
        if self.kernel_size % 2 == 0 or self.init_kernel_size % 2 == 0:
            raise RejectedError("even kernel")

    @property
    def depths(self) -> tuple[int, int, int, int]:
        return self.depth_1, self.depth_2, self.depth_3, self.depth_4

    def cost(self, leads: int, window: int, classes: int) -> Cost:
        length, width = strided(window, self.init_kernel_size, 2, self.init_kernel_size // 2), self.width
        parts = [conv(leads, width, self.init_kernel_size, length, first=True), norm(width)]
        length = strided(length, 3, 2, 1)
        for place, depth in enumerate(self.depths):
            stride, outputs = (2, 2 * width) if place else (1, width)
            length = strided(length, 1, stride, 0)
            parts.append(block_cost(width, outputs, stride, self.kernel_size, length))
            parts.append(times(depth - 1, block_cost(outputs, outputs, 1, self.kernel_size, length)))
            width = outputs
        return total([*parts, linear(width, classes)])

    def stage_count(self, window: int) -> int:
        return len(self.depths)

    def network(self, leads: int, window: int, classes: int) -> nn.Module:
        """Stem, max pooling, four stages of basic blocks, mean over time, linear."""
        from torch import nn

        from ecgscale.models.blocks import BasicBlock, Blocks, MeanOverTime, chain, conv_norm, convolutional_init

        blocks, width = [], self.width
        for stage, depth in enumerate(self.depths):
            for place in range(depth):
                outputs = self.width * 2**stage
                blocks.append(BasicBlock(width, outputs, self.kernel_size, stride=2 if stage and not place else 1))
                width = outputs
        return chain(stem=conv_norm(leads, self.width, self.init_kernel_size, stride=2), relu=nn.ReLU(inplace=True),
                     pool=nn.MaxPool1d(3, stride=2, padding=1), blocks=Blocks(*blocks), mean=MeanOverTime(),
                     head=nn.Linear(width, classes)).apply(convolutional_init)


@lru_cache(maxsize=1 << 14)
def block_cost(inputs: int, outputs: int, stride: int, kernel: int, after: int) -> Cost:
    """A basic block that writes `after` positions."""
    parts = [conv(inputs, outputs, kernel, after), norm(outputs),
             conv(outputs, outputs, kernel, after), norm(outputs)]
    if stride != 1 or inputs != outputs:
        parts += [conv(inputs, outputs, 1, after), norm(outputs)]
    return total(parts)


def size(width: int, depth: int) -> ResNet:
    """A row of SIZES: the same number of blocks in every stage."""
    return ResNet(width=width, depth_1=depth, depth_2=depth, depth_3=depth, depth_4=depth)


# Compound scaling by parameters N: blocks = 4 (N / 20,000)^(1/4), alike in all stages; the width takes the rest.
# The names count parameters for 12 leads and 26 classes.
SIZES = {
    "resnet-20k": size(6, 1),
    "resnet-60k": size(11, 1),
    "resnet-200k": size(14, 2),
    "resnet-600k": size(25, 2),
    "resnet-2m": size(37, 3),
    "resnet-6m": size(55, 4),
    "resnet-20m": size(82, 6),
    "resnet-60m": size(131, 7),
    "resnet-200m": size(200, 10),
}

FAMILY = ResNet
