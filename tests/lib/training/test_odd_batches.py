"""A batch of one recording, and a power below 1 where a sigmoid ends."""

import pytest
import torch

from ecgscale.contracts import LossSpec
from ecgscale.training.data import steps_of
from ecgscale.training.loss import terms


@pytest.mark.parametrize(("count", "size", "steps"), [(64, 32, 2), (65, 32, 2), (66, 32, 3), (1, 32, 1), (33, 32, 1),
                                                      (5, 1, 5), (31, 32, 1)])
def test_one_recording_left_over_joins_the_batch_before(count, size, steps):
    assert steps_of(count, size) == steps


@pytest.mark.parametrize("gamma", [0.0, 0.3, 0.5, 1.0, 4.0])
@pytest.mark.parametrize("clip", [0.0, 0.05])
@pytest.mark.parametrize("logit", [-300.0, -90.0, 0.0, 90.0, 300.0])
def test_the_gradient_is_finite_wherever_the_loss_is(gamma, clip, logit):
    for spec in (LossSpec(gamma_pos=gamma, clip=clip), LossSpec(gamma_neg=gamma, clip=clip)):
        x = torch.full((1, 2), logit, requires_grad=True)
        loss = terms(spec, x, torch.tensor([[0.0, 1.0]])).sum()
        loss.backward()
        assert torch.isfinite(loss)
        assert torch.isfinite(x.grad).all()
