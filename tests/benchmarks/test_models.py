"""Speed of networks and of sampling, as ratios to a baseline in the same run.

Networks: a forward and backward step against the same architecture written the plain way, straight from its paper's
text with nothing of ours (no library of one-dimensional RegNets, ConvNeXts or ViTs is well kept; the Transformer is
torch's own). Baseline and ours are groups of one benchmark; the plain network first has to have as many parameters.
"""

import time
from dataclasses import asdict

import pytest
import torch
from torch import nn

from ecgscale.contracts import ModelSpec
from ecgscale.design.space import sample
from ecgscale.design.study import read_study
from ecgscale.models.complexity import SIZES
from ecgscale.models.networks import build
from ecgscale.paths import ASSETS

BATCH = 16
SIZE = "200k"


class PlainResidual(nn.Module):
    def __init__(self, branch: nn.Module, shortcut: nn.Module):
        super().__init__()
        self.branch, self.shortcut = branch, shortcut

    def forward(self, x):
        return torch.relu(self.branch(x) + self.shortcut(x))


class Permute(nn.Module):
    def forward(self, x):
        return x.permute(0, 2, 1)


class Mean(nn.Module):
    def forward(self, x):
        return x.mean(-1)


def plain_regnet(made) -> nn.Module:
    layers = [nn.Conv1d(12, made.w_init, 3, 2, 1, bias=False), nn.BatchNorm1d(made.w_init), nn.ReLU()]
    width = made.w_init
    for stage in made.stages(1024):
        for block in range(stage.depth):
            stride, inner, out = (1 if block else 2), stage.bottleneck, stage.width
            branch = nn.Sequential(
                nn.Conv1d(width, inner, 1, bias=False), nn.BatchNorm1d(inner), nn.ReLU(),
                nn.Conv1d(inner, inner, 3, stride, 1, groups=inner // stage.group_width, bias=False),
                nn.BatchNorm1d(inner), nn.ReLU(), nn.Conv1d(inner, out, 1, bias=False), nn.BatchNorm1d(out))
            project = nn.Sequential(nn.Conv1d(width, out, 1, stride, bias=False), nn.BatchNorm1d(out))
            layers.append(PlainResidual(branch, nn.Identity() if block else project))
            width = out
    return nn.Sequential(*layers, Mean(), nn.Linear(width, 26))


def plain_resnet(made) -> nn.Module:
    width = made.width
    layers = [nn.Conv1d(12, width, 7, 2, 3, bias=False), nn.BatchNorm1d(width), nn.ReLU(), nn.MaxPool1d(3, 2, 1)]
    for stage, depth in enumerate(made.depths):
        for block in range(depth):
            out, stride = made.width * 2**stage, 2 if stage and not block else 1
            branch = nn.Sequential(
                nn.Conv1d(width, out, 3, stride, 1, bias=False), nn.BatchNorm1d(out), nn.ReLU(),
                nn.Conv1d(out, out, 3, 1, 1, bias=False), nn.BatchNorm1d(out))
            project = nn.Sequential(nn.Conv1d(width, out, 1, stride, bias=False), nn.BatchNorm1d(out))
            layers.append(PlainResidual(branch, project if width != out else nn.Identity()))
            width = out
    return nn.Sequential(*layers, Mean(), nn.Linear(width, 26))


class PlainConvNeXtBlock(nn.Module):
    def __init__(self, width: int, scale: float):
        super().__init__()
        self.branch = nn.Sequential(
            nn.Conv1d(width, width, 7, padding=3, groups=width), Permute(), nn.LayerNorm(width),
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width), Permute())
        self.gamma = nn.Parameter(torch.full((width, 1), scale))

    def forward(self, x):
        return x + self.gamma * self.branch(x)


def plain_convnext(made) -> nn.Module:
    width = made.width
    layers = [nn.Conv1d(12, width, 4, 4, 4), Permute(), nn.LayerNorm(width), Permute()]
    for stage, depth in enumerate(made.depths):
        if stage:
            layers += [Permute(), nn.LayerNorm(width), Permute(), nn.Conv1d(width, 2 * width, 2, 2)]
            width *= 2
        layers += [PlainConvNeXtBlock(width, made.layer_scale) for _ in range(depth)]
    return nn.Sequential(*layers, Mean(), nn.LayerNorm(width), nn.Linear(width, 26))


class PlainViT(nn.Module):
    """torch's own encoder layers, its eager path."""

    def __init__(self, made):
        super().__init__()
        self.patches = nn.Conv1d(12, made.dim, made.patch, made.patch)
        self.token = nn.Parameter(torch.zeros(1, 1, made.dim))
        self.position = nn.Parameter(torch.zeros(1, made.tokens(1024), made.dim))
        layer = nn.TransformerEncoderLayer(made.dim, made.heads, made.hidden, dropout=0.0, activation="gelu",
                                           batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, made.depth, nn.LayerNorm(made.dim), enable_nested_tensor=False)
        self.head = nn.Linear(made.dim, 26)

    def forward(self, x):
        x = self.patches(x).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), x], 1) + self.position
        return self.head(self.encoder(x)[:, 0])


PLAIN = {"regnet": plain_regnet, "convnext": plain_convnext, "vit": PlainViT, "resnet": plain_resnet}


@pytest.mark.parametrize("which", ["plain", "ours"])
@pytest.mark.parametrize("family", PLAIN)
def test_forward_and_backward(benchmark, family, which):
    """Compare the two rows of each group: ours is to be no slower."""
    torch.set_num_threads(1)
    made = SIZES[f"{family}-{SIZE}"]
    network = build(ModelSpec(family=family, params=asdict(made)), 12, 1024, 26, seed=0)
    plain = PLAIN[family](made)
    assert sum(p.numel() for p in plain.parameters()) == sum(p.numel() for p in network.parameters())
    chosen = (plain if which == "plain" else network).train()
    signal = torch.randn(BATCH, 12, 1024)

    def step():
        chosen.zero_grad(set_to_none=True)
        chosen(signal).square().mean().backward()

    benchmark.group = f"forward and backward, {family}-{SIZE}"
    benchmark.pedantic(step, rounds=15, warmup_rounds=3)


@pytest.mark.benchmark(timer=time.process_time)
def test_valid_specs_per_second(benchmark):
    """The published space: drawn, checked, counted (parameters, FLOPs) and named. Aim: 10,000 a second of one core."""
    study = read_study(ASSETS / "studies" / "paper.yaml")
    group = study.runs[0].model_copy(update={"count": 5000})
    study = study.model_copy(update={"runs": (group,)})
    runs, _ = benchmark.pedantic(sample, (study,), rounds=5, warmup_rounds=1)
    benchmark.extra_info["specs_per_second"] = len(runs) / benchmark.stats.stats.min
