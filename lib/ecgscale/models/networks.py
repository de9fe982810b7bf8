"""One network a family, built from its hyperparameters: (batch, lead, time) float32 -> logits (batch, class).

Each one sets its own weights by its family's published initialization.
"""

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ecgscale.models.blocks import (
    BasicBlock,
    Blocks,
    Bottleneck,
    EncoderBlock,
    InvertedBottleneck,
    TimeLayerNorm,
    conv_norm,
    relu,
)
from ecgscale.models.convnext import STEM_KERNEL, STEM_PADDING, ConvNeXt
from ecgscale.models.regnet import RegNet
from ecgscale.models.resnet import ResNet
from ecgscale.models.vit import ViT


class RegNetNetwork(nn.Module):
    """Stem, generated stages, mean over time, linear."""

    def __init__(self, made: RegNet, leads: int, window: int, classes: int):
        super().__init__()
        self.stem = conv_norm(leads, made.w_init, made.init_kernel_size, stride=2)
        blocks, width = [], made.w_init
        for stage in made.stages(window):
            for place in range(stage.depth):
                blocks.append(Bottleneck(width, stage, stride=1 if place else 2))
                width = stage.width
        self.blocks = Blocks(*blocks)
        self.head = nn.Linear(width, classes)
        self.apply(convolutional_init)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(relu(self.stem(x))).mean(2))


class ResNetNetwork(nn.Module):
    """Stem, max pooling, four stages of basic blocks, mean over time, linear."""

    def __init__(self, made: ResNet, leads: int, window: int, classes: int):
        super().__init__()
        self.stem = conv_norm(leads, made.width, made.init_kernel_size, stride=2)
        blocks, width = [], made.width
        for stage, depth in enumerate(made.depths):
            for place in range(depth):
                outputs = made.width * 2**stage
                blocks.append(BasicBlock(width, outputs, made.kernel_size, stride=2 if stage and not place else 1))
                width = outputs
        self.blocks = Blocks(*blocks)
        self.head = nn.Linear(width, classes)
        self.apply(convolutional_init)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.max_pool1d(relu(self.stem(x)), 3, stride=2, padding=1)
        return self.head(self.blocks(x).mean(2))


class ConvNeXtNetwork(nn.Module):
    """Stem, four stages of inverted bottlenecks with halvings between them, mean over time, LayerNorm, linear."""

    def __init__(self, made: ConvNeXt, leads: int, window: int, classes: int):
        super().__init__()
        width, drops = made.width, np.linspace(0, made.stochastic_depth, sum(made.depths)).tolist()
        layers = [nn.Conv1d(leads, width, STEM_KERNEL, STEM_KERNEL, STEM_PADDING), TimeLayerNorm(width, eps=1e-6)]
        for place, depth in enumerate(made.depths):
            if place:
                layers += [TimeLayerNorm(width, eps=1e-6), nn.Conv1d(width, 2 * width, 2, 2)]
                width *= 2
            layers += [InvertedBottleneck(width, made.layer_scale, drops.pop(0)) for _ in range(depth)]
        self.layers = Blocks(*layers)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.head = nn.Linear(width, classes)
        self.apply(truncated_init)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.layers(x).mean(2)))


class ViTNetwork(nn.Module):
    """Patches, position encoding, encoder blocks, LayerNorm, class token or mean over tokens, linear."""

    def __init__(self, made: ViT, leads: int, window: int, classes: int):
        super().__init__()
        self.padding = -window % made.patch
        self.patches = nn.Conv1d(leads, made.dim, made.patch, made.patch)
        self.class_token = nn.Parameter(torch.zeros(1, 1, made.dim)) if made.pooling == "cls" else None
        self.position = nn.Parameter(torch.empty(1, made.tokens(window), made.dim))
        self.blocks = Blocks(*(EncoderBlock(made.dim, made.heads, made.hidden) for _ in range(made.depth)))
        self.norm = nn.LayerNorm(made.dim, eps=1e-6)
        self.head = nn.Linear(made.dim, classes)
        self.apply(truncated_init)
        nn.init.trunc_normal_(self.position, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        if self.padding:
            x = functional.pad(x, (0, self.padding))
        x = self.patches(x).transpose(1, 2)                        # (batch, patch, dim)
        if self.class_token is not None:
            x = torch.cat([self.class_token.expand(x.shape[0], -1, -1), x], dim=1)
        x = self.norm(self.blocks(x + self.position))              # (batch, token, dim)
        return self.head(x.mean(1) if self.class_token is None else x[:, 0])


def recomputing(network: nn.Module) -> nn.Module:
    """The network, whose blocks keep no activations in training."""
    for layer in network.modules():
        if isinstance(layer, Blocks):
            layer.recompute = True
    return network


NETWORKS = {RegNet: RegNetNetwork, ConvNeXt: ConvNeXtNetwork, ViT: ViTNetwork, ResNet: ResNetNetwork}


def convolutional_init(layer: nn.Module) -> None:
    """The study's RegNet: convolutions normal with sqrt(2 / (kernel x outputs)), linear normal with 0.01, biases 0."""
    if isinstance(layer, nn.Conv1d):
        nn.init.normal_(layer.weight, std=math.sqrt(2 / (layer.kernel_size[0] * layer.out_channels)))
    elif isinstance(layer, nn.Linear):
        nn.init.normal_(layer.weight, std=0.01)
    if isinstance(layer, nn.Conv1d | nn.Linear) and layer.bias is not None:
        nn.init.zeros_(layer.bias)


def truncated_init(layer: nn.Module) -> None:
    """ConvNeXt and ViT: weights truncated normal with 0.02, biases 0."""
    if isinstance(layer, nn.Conv1d | nn.Linear):
        nn.init.trunc_normal_(layer.weight, std=0.02)
        nn.init.zeros_(layer.bias)
