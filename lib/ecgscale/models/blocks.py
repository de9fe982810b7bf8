"""The blocks that the networks are made of. Signals are (batch, channel, time), tokens (batch, token, channel)."""

import math
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from ecgscale.models import convnext, regnet, vit


def chain(**parts: nn.Module) -> nn.Sequential:
    """Parts one after the other; their weights are saved under their names."""
    return nn.Sequential(OrderedDict(parts))


class MeanOverTime(nn.Module):
    """(batch, channel, time) -> (batch, channel)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(2)


def conv_norm(inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Convolution without bias, padded by (kernel - 1) / 2, and batch normalization."""
    padding = (kernel - 1) // 2
    return nn.Sequential(
        nn.Conv1d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False), nn.BatchNorm1d(outputs))


def relu(x: Tensor) -> Tensor:
    """In place: what goes in was made for it and is needed by nothing else. 3 to 7 % of a training step on a CPU."""
    return functional.relu(x, inplace=True)


class Residual(nn.Module):
    """A block with a way around it, whose output is all that another needs of it."""


class Blocks(nn.Sequential):
    """Residual blocks one after the other. With `recompute` none of them keeps its activations in training: they are
    made again for the gradient (Chen et al. 2016, arXiv:1604.06174), which is the same, dropout included."""

    recompute = False

    def forward(self, x: Tensor) -> Tensor:
        for block in self:
            again = self.recompute and self.training and torch.is_grad_enabled() and isinstance(block, Residual)
            x = checkpoint(block, x, use_reentrant=False, context_fn=lambda block=block: (
                nullcontext(), moments_kept(block))) if again else block(x)
        return x


@contextmanager
def moments_kept(block: nn.Module) -> Iterator[None]:
    """Within it batch norms do not count what they see: they have seen it before."""
    norms = [(layer, layer.momentum, layer.num_batches_tracked.clone()) for layer in block.modules()
             if isinstance(layer, nn.BatchNorm1d)]
    for layer, *_ in norms:
        layer.momentum = 0.0
    try:
        yield
    finally:
        for layer, momentum, count in norms:
            layer.momentum = momentum
            layer.num_batches_tracked.copy_(count)


class SqueezeExcitation(nn.Module):
    """Channel weights from the mean over time (Hu et al., CVPR 2018)."""

    def __init__(self, channels: int, squeeze: int):
        super().__init__()
        self.squeeze = nn.Conv1d(channels, squeeze, 1)
        self.excite = nn.Conv1d(squeeze, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean(2, keepdim=True)                             # (batch, channel, 1)
        return x * torch.sigmoid(self.excite(relu(self.squeeze(mean))))


class Bottleneck(Residual):
    """RegNet's residual block: 1x1, grouped 3 (with the stride), squeeze-and-excitation, 1x1."""

    def __init__(self, inputs: int, stage: regnet.Stage, stride: int):
        super().__init__()
        inner, outputs = stage.bottleneck, stage.width
        self.reduce = conv_norm(inputs, inner)
        self.grouped = conv_norm(inner, inner, 3, stride, groups=inner // stage.group_width)
        self.recalibrate = nn.Identity()
        if stage.se_ratio is not None:
            self.recalibrate = SqueezeExcitation(inner, regnet.squeeze_width(stage.se_ratio, inputs))
        self.expand = conv_norm(inner, outputs)
        self.shortcut = shortcut(inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:                        # (batch, inputs, time)
        y = relu(self.reduce(x))                        # (batch, inner, time)
        y = relu(self.grouped(y))                       # (batch, inner, time / stride)
        y = self.expand(self.recalibrate(y))                       # (batch, outputs, time / stride)
        return relu(self.shortcut(x) + y)


class BasicBlock(Residual):
    """ResNet's residual block: two convolutions of one kernel, the first one with the stride."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int):
        super().__init__()
        self.first = conv_norm(inputs, outputs, kernel, stride)
        self.second = conv_norm(outputs, outputs, kernel)
        self.shortcut = shortcut(inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:                        # (batch, inputs, time)
        y = self.second(relu(self.first(x)))            # (batch, outputs, time / stride)
        return relu(self.shortcut(x) + y)


def shortcut(inputs: int, outputs: int, stride: int) -> nn.Module:
    """The way around a residual block: a projection where the shape changes."""
    return nn.Identity() if stride == 1 and inputs == outputs else conv_norm(inputs, outputs, 1, stride)


class TimeLayerNorm(nn.LayerNorm):
    """Layer normalization over the channels of (batch, channel, time)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


class StochasticDepth(nn.Module):
    """In training, leaves a residual branch out for a share of the batch's windows and scales the others up."""

    def __init__(self, probability: float):
        super().__init__()
        self.probability = probability

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.probability == 0:
            return x
        kept = torch.empty(x.shape[0], 1, 1, dtype=x.dtype, device=x.device).bernoulli_(1 - self.probability)
        return x * (kept / (1 - self.probability))


class InvertedBottleneck(Residual):
    """ConvNeXt's residual block: depthwise convolution, LayerNorm, linear x4, GELU, linear, LayerScale."""

    def __init__(self, width: int, layer_scale: float, drop: float):
        super().__init__()
        self.depthwise = nn.Conv1d(width, width, convnext.KERNEL, padding=convnext.KERNEL // 2, groups=width)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.expand = nn.Linear(width, convnext.EXPANSION * width)
        self.reduce = nn.Linear(convnext.EXPANSION * width, width)
        self.scale = nn.Parameter(torch.full((width,), layer_scale))
        self.drop = StochasticDepth(drop)

    def forward(self, x: Tensor) -> Tensor:                        # (batch, width, time)
        y = self.norm(self.depthwise(x).transpose(1, 2))           # (batch, time, width)
        y = self.scale * self.reduce(functional.gelu(self.expand(y)))
        return x + self.drop(y.transpose(1, 2))


class EncoderBlock(Residual):
    """Pre-norm Transformer block: self-attention and a two-layer perceptron, each with its residual."""

    def __init__(self, dim: int, heads: int, hidden: int):
        super().__init__()
        self.heads = heads
        self.norm_attention = nn.LayerNorm(dim, eps=1e-6)
        self.query_key_value = nn.Linear(dim, 3 * dim)
        self.project = nn.Linear(dim, dim)
        self.norm_perceptron = nn.LayerNorm(dim, eps=1e-6)
        self.expand = nn.Linear(dim, hidden)
        self.reduce = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:                        # (batch, token, dim)
        x = x + self.attend(self.norm_attention(x))
        return x + self.reduce(functional.gelu(self.expand(self.norm_perceptron(x))))

    def attend(self, x: Tensor) -> Tensor:
        batch, tokens, dim = x.shape
        parts = self.query_key_value(x).reshape(batch, tokens, 3, self.heads, dim // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind(0)             # each (batch, head, token, dim / heads)
        mixed = functional.scaled_dot_product_attention(query, key, value)
        return self.project(mixed.transpose(1, 2).reshape(batch, tokens, dim))


class Encoder(nn.Module):
    """ViT: patches, position encoding, encoder blocks, LayerNorm, class token or mean over tokens, linear."""

    def __init__(self, made: vit.ViT, leads: int, window: int, classes: int):
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
