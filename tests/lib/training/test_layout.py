"""Channels innermost in memory: the same numbers as the plain network, forwards, backwards and in its statistics."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from ecgscale.contracts import ModelSpec
from ecgscale.models.networks import build
from ecgscale.training.layout import channels_last, for_inference
from tests.tiny_corpus import CONVNEXT, REGNET

MODELS = {
    "regnet": REGNET,
    "regnet with squeeze-excitation": ModelSpec(family="regnet", params=REGNET.params | {"se_ratio": 0.25}),
    "convnext": ModelSpec(family="convnext", params=CONVNEXT.params | {"stochastic_depth": 0.0}),
    "resnet": ModelSpec(family="resnet", params={"width": 8, "depth_1": 1, "depth_2": 1, "depth_3": 1, "depth_4": 1}),
    "vit": ModelSpec(family="vit", params={"dim": 32, "depth": 2, "heads": 2, "patch": 32}),
}


@pytest.mark.parametrize("name", MODELS)
def test_same_numbers(name):
    plain = build(MODELS[name], 12, 256, 4, seed=0).double().train()
    other = channels_last(build(MODELS[name], 12, 256, 4, seed=0).double().train())
    x = torch.randn(6, 12, 256, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    for network in (plain, other):
        network(x).square().sum().backward()
    for left, right in zip(plain.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(right.grad, left.grad, rtol=1e-9, atol=1e-11)
    assert plain.state_dict().keys() == other.state_dict().keys()
    for left, right in zip(plain.state_dict().values(), other.state_dict().values(), strict=True):
        torch.testing.assert_close(right, left)
    torch.testing.assert_close(other.eval()(x), plain.eval()(x), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", MODELS)
def test_the_copy_for_inference_gives_the_same_numbers(name):
    """Statistics of batch norm from some batches; the network itself stays as it was, with its norms."""
    network = build(MODELS[name], 12, 256, 4, seed=0).double().train()
    random = torch.Generator().manual_seed(1)
    for _ in range(3):
        network(3 + 2 * torch.randn(6, 12, 256, dtype=torch.float64, generator=random))
    kinds = [type(module) for module in network.modules()]
    copy = for_inference(network, torch.device("cpu"))
    assert network.training
    assert [type(module) for module in network.modules()] == kinds
    assert not any(isinstance(module, nn.BatchNorm1d) for module in copy.modules())
    x = torch.randn(6, 12, 256, dtype=torch.float64, generator=random)
    torch.testing.assert_close(copy(x), network.eval()(x), rtol=1e-9, atol=1e-11)


def test_channels_stay_innermost_through_a_block():
    network = channels_last(nn.Sequential(nn.Conv1d(12, 8, 3, padding=1), nn.BatchNorm1d(8), nn.ReLU(inplace=True),
                                          nn.Conv1d(8, 16, 1)))
    y = network(torch.randn(2, 12, 64))
    assert y.stride() == (16 * 64, 1, 16)


def test_a_batch_norm_of_its_own_kind_is_left_alone():
    network = nn.Sequential(nn.Conv1d(2, 2, 1), nn.Conv1d(2, 2, 3, padding="same"), nn.SyncBatchNorm(2))
    kinds = [type(module) for module in channels_last(network)]
    assert kinds[1:] == [nn.Conv1d, nn.SyncBatchNorm]


FEW_CHANNELS = """
import torch
from torch import nn
from ecgscale.training.layout import channels_last
for channels in (2, 4, 8, 12, 15):
    pair = channels_last(nn.Sequential(nn.Conv1d(12, channels, 3, padding=1), nn.Conv1d(channels, 8, 1, 2, bias=False)))
    for _ in range(10):
        y = pair(torch.randn(8, 12, 4096))
        y.sum().backward()
"""


def test_gradients_of_few_channels_stay_in_their_memory():
    """oneDNN's issue 6035: with fewer channels than a block, the gradient of a pointwise convolution with a stride
    was written beyond its scratchpad. In a process of its own: what it overwrites is not said by an exception."""
    ended = subprocess.run([sys.executable, "-c", FEW_CHANNELS], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize(("channels", "strides"), [(8, [1, 1]), (16, [1, 2])])
def test_the_stride_is_taken_first_of_few_channels_alone(channels, strides, monkeypatch):
    """What no crash tells where the memory beyond happens to be free."""
    seen, conv2d = [], torch.nn.functional.conv2d
    monkeypatch.setattr(torch.nn.functional, "conv2d", lambda x, weight, bias, stride, *rest: seen.append(
        stride[1]) or conv2d(x, weight, bias, stride, *rest))
    pair = channels_last(nn.Sequential(nn.Conv1d(12, channels, 1), nn.Conv1d(channels, 8, 1, stride=2)))
    assert pair(torch.randn(2, 12, 63)).shape == (2, 8, 32)
    assert seen == strides
