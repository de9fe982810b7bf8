"""The analytic count against torch's FlopCounterMode: exact, forward and backward, attention included."""

from dataclasses import asdict

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode, conv_flop_count

from ecgscale.contracts import ModelSpec
from ecgscale.models.complexity import SIZES, ledger
from ecgscale.models.networks import build

CASES = {
    "regnet": SIZES["regnet-60k"],
    "regnet-se": asdict(SIZES["regnet-200k"]) | {"se_ratio": 0.25, "bottleneck_multiplier": 4, "init_kernel_size": 15},
    "regnet-half": asdict(SIZES["regnet-60k"]) | {"bottleneck_multiplier": 0.5, "group_width": 32},
    "convnext": SIZES["convnext-60k"],
    "vit": SIZES["vit-60k"],
    "vit-mean": asdict(SIZES["vit-60k"]) | {"pooling": "mean", "mlp_ratio": 2.5},
    "resnet": SIZES["resnet-60k"],
}


@pytest.fixture(params=CASES)
def model(request) -> ModelSpec:
    made = CASES[request.param]
    return ModelSpec(family=request.param.partition("-")[0], params=made if isinstance(made, dict) else asdict(made))


def both_gradients(grad_shape, input_shape, weight_shape, bias, stride, padding, dilation, transposed, output_padding,
                   groups, wanted, out_shape) -> int:
    """FLOPs of a convolution's backward pass. torch's own formula forgets the groups in the weights' gradient."""
    return (wanted[0] + wanted[1]) * conv_flop_count(input_shape, weight_shape, grad_shape)


def counted(model: ModelSpec, leads: int, window: int) -> tuple[int, int]:
    """Forward FLOPs, and forward with backward, as torch counts them for one window."""
    network = build(model, leads, window, 26, seed=0).eval()
    signal = torch.zeros(1, leads, window)
    totals = []
    for backward in (False, True):
        counter = FlopCounterMode(display=False, custom_mapping={torch.ops.aten.convolution_backward: both_gradients})
        with sdpa_kernel(SDPBackend.MATH), counter:    # the other kernels hide attention from the counter on a CPU
            logits = network(signal)
            if backward:
                logits.sum().backward()
        totals.append(counter.get_total_flops())
    return totals[0], totals[1]


@pytest.mark.parametrize(("leads", "window"), [(12, 1024), (12, 1000), (2, 777)])
def test_flops_agree(model, leads, window):
    found = ledger(model, leads, window, 26)
    assert (found.forward_flops, found.step_flops) == counted(model, leads, window)


def test_activations_are_what_the_products_write(model):
    """Hooks on convolutions and linear layers; attention's scores and mixtures from its own shapes."""
    written = []
    network = build(model, 12, 1000, 26, seed=0).eval()
    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv1d | torch.nn.Linear):
            layer.register_forward_hook(lambda _, __, output: written.append(output.numel()))
        if hasattr(layer, "query_key_value"):
            layer.register_forward_hook(lambda block, given, _: written.append(
                block.heads * given[0].shape[1] ** 2 + given[0].numel()))
    network(torch.zeros(1, 12, 1000))
    assert ledger(model, 12, 1000, 26).activations == sum(written)


def test_published_count_is_twice_the_weights(model):
    network = build(model, 12, 1024, 26, seed=0)
    weights = sum(layer.weight.numel() for layer in network.modules()
                  if isinstance(layer, torch.nn.Conv1d | torch.nn.Linear))
    assert ledger(model).published_flops == 2 * weights


def test_cost_follows_the_window():
    """Twice the window: twice the convolutions' FLOPs (lengths are even here), the same parameters."""
    model = ModelSpec(family="resnet", params=asdict(SIZES["resnet-60k"]))
    one, two = ledger(model, window=1024), ledger(model, window=2048)
    head = 2 * 88 * 26
    assert two.forward_flops - head == 2 * (one.forward_flops - head)
    assert two.params == one.params
