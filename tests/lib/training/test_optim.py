"""Optimizers against their published update rules in float64, schedules against their formulas."""

import math

import numpy as np
import pytest
import torch

from ecgscale.contracts import OptimizerSpec, ScheduleSpec
from ecgscale.training.optim import learning_rate, make_optimizer


def by_hand(name: str, weights: np.ndarray, gradients: list[np.ndarray], lr: float, decay: float) -> np.ndarray:
    """SGD; momentum v = 0.9 v + g; AdamW of Loshchilov and Hutter 2019, algorithm 2 (0.9, 0.999, 1e-8)."""
    w, m, v = weights.copy(), np.zeros_like(weights), np.zeros_like(weights)
    for t, g in enumerate(gradients, 1):
        if name == "adamw":
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
            w = w - lr * (m / (1 - 0.9**t) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8) + decay * w)
        else:
            m = (0.9 if name == "sgdm" else 0.0) * m + g + decay * w
            w = w - lr * m
    return w


@pytest.mark.parametrize("name", ["sgd", "sgdm", "adamw"])
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_updates(name, decay):
    rng = np.random.default_rng(0)
    model = torch.nn.Linear(5, 3).double()
    optimizer = make_optimizer(OptimizerSpec(name=name, lr=0.02, weight_decay=decay), model)
    start = {key: tensor.detach().clone().numpy() for key, tensor in model.named_parameters()}
    gradients = {key: [rng.normal(size=value.shape) for _ in range(6)] for key, value in start.items()}
    for number in range(6):
        for key, parameter in model.named_parameters():
            parameter.grad = torch.from_numpy(gradients[key][number])
        optimizer.step()
    weight = by_hand(name, start["weight"], gradients["weight"], 0.02, decay)
    np.testing.assert_allclose(model.weight.detach(), weight, rtol=1e-9)
    # biases, norms and scales are not decayed
    np.testing.assert_allclose(model.bias.detach(), by_hand(name, start["bias"], gradients["bias"], 0.02, 0), rtol=1e-9)


def test_exponential_falls_by_gamma_an_epoch():
    rates = [learning_rate(0.5, ScheduleSpec(), step, 60, 20) for step in range(60)]
    assert rates == [0.5] * 20 + [0.5 * 0.98] * 20 + [0.5 * 0.98**2] * 20


def test_cosine_after_a_linear_warm_up():
    rates = [learning_rate(2.0, ScheduleSpec(name="cosine", warmup=0.1), step, 100, 20) for step in range(100)]
    assert rates[:10] == pytest.approx([0.2 * (step + 1) for step in range(10)])
    assert rates[10:] == pytest.approx([1 + math.cos(math.pi * step / 90) for step in range(90)])


def test_constant():
    assert {learning_rate(0.3, ScheduleSpec(name="constant"), step, 9, 3) for step in range(9)} == {0.3}
