"""ConvNeXt-1D (Liu et al., CVPR 2022, in one dimension): hyperparameters, shapes and cost.

Stem convolution 4 with stride 4; four stages of inverted bottlenecks whose widths double; between them a convolution 2
with stride 2.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from ecgscale.models.architecture import STRICT
from ecgscale.models.cost import Cost, conv, linear, norm, strided, times, total

if TYPE_CHECKING:
    from torch import nn

STEM_KERNEL, STEM_PADDING = 4, 4     # the study pads by 4: 1024 samples become 258 positions
KERNEL, EXPANSION = 7, 4
Blocks = Annotated[int, Field(ge=1, le=200)]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ConvNeXt:
    """Width of the first stage, blocks of the four stages."""

    width: Annotated[int, Field(ge=1, le=8192)]
    """Channels of the first stage; each further stage has twice as many."""
    depth_1: Blocks
    """Blocks of the first stage."""
    depth_2: Blocks
    """Of the second."""
    depth_3: Blocks
    """Of the third."""
    depth_4: Blocks
    """Of the last."""
    layer_scale: Annotated[float, Field(gt=0, le=10)] = 1e-6
    """Initial value of the learned scale of a block."""
    stochastic_depth: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of training steps that skip the last block; it rises linearly from 0 at the first."""

    @property
    def depths(self) -> tuple[int, int, int, int]:
        return self.depth_1, self.depth_2, self.depth_3, self.depth_4

    def cost(self, leads: int, window: int, classes: int) -> Cost:
        length, width = strided(window, STEM_KERNEL, STEM_KERNEL, STEM_PADDING), self.width
        parts = [conv(leads, width, STEM_KERNEL, length, bias=True, first=True), norm(width)]
        for place, depth in enumerate(self.depths):
            if place:
                length = strided(length, 2, 2, 0)
                parts += [norm(width), conv(width, 2 * width, 2, length, bias=True)]
                width *= 2
            parts.append(times(depth, block_cost(width, length)))
        return total([*parts, norm(width), linear(width, classes)])

    def stage_count(self, window: int) -> int:
        return len(self.depths)

    def network(self, leads: int, window: int, classes: int) -> nn.Module:
        """Stem, four stages of inverted bottlenecks with halvings between them, mean over time, LayerNorm, linear."""
        import numpy as np
        from torch import nn

        from ecgscale.models import blocks

        width, drops = self.width, np.linspace(0, self.stochastic_depth, sum(self.depths)).tolist()
        layers = [nn.Conv1d(leads, width, STEM_KERNEL, STEM_KERNEL, STEM_PADDING),
                  blocks.TimeLayerNorm(width, eps=1e-6)]
        for place, depth in enumerate(self.depths):
            if place:
                layers += [blocks.TimeLayerNorm(width, eps=1e-6), nn.Conv1d(width, 2 * width, 2, 2)]
                width *= 2
            layers += [blocks.InvertedBottleneck(width, self.layer_scale, drops.pop(0)) for _ in range(depth)]
        return blocks.chain(layers=blocks.Blocks(*layers), mean=blocks.MeanOverTime(),
                            norm=nn.LayerNorm(width, eps=1e-6), head=nn.Linear(width, classes),
                            ).apply(blocks.truncated_init)


@lru_cache(maxsize=1 << 14)
def block_cost(width: int, length: int) -> Cost:
    scale = Cost(params=width)
    return total([
        conv(width, width, KERNEL, length, groups=width, bias=True), norm(width),
        linear(width, EXPANSION * width, length), linear(EXPANSION * width, width, length), scale,
    ])


def size(width: int, *depths: int) -> ConvNeXt:
    """A row of SIZES."""
    return ConvNeXt(width=width, **{f"depth_{stage}": depth for stage, depth in enumerate(depths, 1)})


# Compound scaling by parameters N: blocks = 4 (N / 20,000)^(1/4), parted 1 : 1 : 3 : 1; the width takes the rest.
# The names count parameters for 12 leads and 26 classes.
SIZES = {
    "convnext-20k": size(4, 1, 1, 2, 1),
    "convnext-60k": size(7, 1, 1, 3, 1),
    "convnext-200k": size(13, 1, 1, 4, 1),
    "convnext-600k": size(18, 2, 2, 5, 2),
    "convnext-2m": size(32, 2, 2, 6, 2),
    "convnext-6m": size(46, 3, 3, 8, 3),
    "convnext-20m": size(73, 4, 4, 11, 4),
    "convnext-60m": size(112, 5, 5, 15, 5),
    "convnext-200m": size(175, 7, 7, 20, 7),
}

FAMILY = ConvNeXt
