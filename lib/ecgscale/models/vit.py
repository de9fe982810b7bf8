"""ViT-1D (Dosovitskiy et al., ICLR 2021, with patches over time): hyperparameters, shapes and cost.

A patch is `patch` samples of all leads; a window that patches do not fill is padded with zeros at its end. Learned
position encoding, so a network is built for one window.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from ecgscale.models.architecture import STRICT, RejectedError
from ecgscale.models.cost import Cost, attention, conv, linear, norm, times, total

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ViT:
    """Pre-norm Transformer encoder over patches."""

    dim: Annotated[int, Field(ge=2, le=8192)] = 256
    """Numbers that describe a patch."""
    depth: Annotated[int, Field(ge=1, le=200)] = 6
    """Blocks."""
    heads: Annotated[int, Field(ge=1, le=128)] = 8
    """Heads of the attention; they divide `dim`."""
    patch: Annotated[int, Field(ge=1, le=4096)] = 64
    """Samples of a patch."""
    mlp_ratio: Annotated[float, Field(gt=0, le=16)] = 4.0
    """Width of the hidden layer of a block, as a multiple of `dim`."""
    pooling: Literal["cls", "mean"] = "cls"
    """What is classified: the class token, or the mean over the patches."""

    def __post_init__(self) -> None:
        if self.dim % self.heads:
            raise RejectedError("heads do not divide dim")

    @property
    def hidden(self) -> int:
        return round(self.mlp_ratio * self.dim)

    def tokens(self, window: int) -> int:
        """Patches of a window, and the class token where there is one."""
        return math.ceil(window / self.patch) + (self.pooling == "cls")

    def cost(self, leads: int, window: int, classes: int) -> Cost:
        tokens, patches = self.tokens(window), math.ceil(window / self.patch)
        learned = Cost(params=tokens * self.dim + (self.dim if self.pooling == "cls" else 0))
        return total([
            conv(leads, self.dim, self.patch, patches, bias=True, first=True), learned,
            times(self.depth, block_cost(self.dim, self.heads, self.hidden, tokens)),
            norm(self.dim), linear(self.dim, classes),
        ])

    def stage_count(self, window: int) -> None:
        """A Transformer has no stages."""

    def network(self, leads: int, window: int, classes: int) -> nn.Module:
        """Patches, encoder blocks, class token or mean over tokens, linear."""
        from ecgscale.models.blocks import Encoder

        return Encoder(self, leads, window, classes)


@lru_cache(maxsize=1 << 14)
def block_cost(dim: int, heads: int, hidden: int, tokens: int) -> Cost:
    return total([
        norm(dim), linear(dim, 3 * dim, tokens), attention(tokens, dim, heads),
        linear(dim, dim, tokens), norm(dim), linear(dim, hidden, tokens),
        linear(hidden, dim, tokens),
    ])


# Compound scaling by parameters N: depth = 2 (N / 20,000)^(1/4); dim takes the rest, about 32 of it a head. The study's
# smallest ViT (dim 256, depth 6, heads 8) is ViT() itself. The names count parameters for 12 leads and 26 classes.
SIZES = {
    "vit-20k": ViT(dim=16, depth=2, heads=2),
    "vit-60k": ViT(dim=32, depth=3, heads=2),
    "vit-200k": ViT(dim=56, depth=4, heads=2),
    "vit-600k": ViT(dim=93, depth=5, heads=3),
    "vit-2m": ViT(dim=160, depth=6, heads=5),
    "vit-6m": ViT(dim=248, depth=8, heads=8),
    "vit-20m": ViT(dim=384, depth=11, heads=12),
    "vit-60m": ViT(dim=576, depth=15, heads=18),
    "vit-200m": ViT(dim=896, depth=20, heads=28),
}

FAMILY = ViT
