"""Losses against their formulas in float64, and their gradients against finite differences."""

import numpy as np
import pytest
import torch

from ecgscale.contracts import LossSpec
from ecgscale.training.loss import asymmetric, terms


def paper(logits: np.ndarray, targets: np.ndarray, gamma_neg: float, gamma_pos: float, clip: float) -> np.ndarray:
    """Ridnik et al. 2021, equations 4 to 7, word by word, in float64."""
    p = 1 / (1 + np.exp(-logits))
    shifted = np.maximum(p - clip, 0)
    positive = -((1 - p) ** gamma_pos) * np.log(p)
    negative = -(shifted**gamma_neg) * np.log(1 - shifted)
    return np.where(targets == 1, positive, negative)


def batch(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(scale=4, size=(64, 26)), (rng.random((64, 26)) < 0.2).astype(float)


@pytest.mark.parametrize(("gamma_neg", "gamma_pos", "clip"),
                         [(4, 1, 0.05), (4, 0, 0.05), (2, 2, 0.0), (0, 0, 0.2), (0.5, 1, 0.05)])
def test_asymmetric_is_the_papers_formula(gamma_neg, gamma_pos, clip):
    logits, targets = batch()
    ours = asymmetric(torch.from_numpy(logits), torch.from_numpy(targets), gamma_neg, gamma_pos, clip).numpy()
    np.testing.assert_allclose(ours, paper(logits, targets, gamma_neg, gamma_pos, clip), rtol=1e-9, atol=1e-12)


def test_float32_stays_close_and_finite_for_any_logit():
    logits, targets = batch()
    logits[0] = np.linspace(-200, 200, 26)
    spec = LossSpec()
    found = terms(spec, torch.from_numpy(logits).float(), torch.from_numpy(targets).float())
    assert torch.isfinite(found).all()
    np.testing.assert_allclose(found[1:].numpy(), paper(logits, targets, 4, 1, 0.05)[1:], rtol=2e-4, atol=1e-6)


def test_gradient_goes_through_the_focusing_factors():
    """Against central differences of the formula, away from the kink at p = clip."""
    logits, targets = batch(1)
    x = torch.from_numpy(logits).requires_grad_()
    asymmetric(x, torch.from_numpy(targets), 4, 1, 0.05).sum().backward()
    step = 1e-5
    slope = (paper(logits + step, targets, 4, 1, 0.05) - paper(logits - step, targets, 4, 1, 0.05)) / (2 * step)
    away = np.abs(1 / (1 + np.exp(-logits)) - 0.05) > 1e-3
    np.testing.assert_allclose(x.grad.numpy()[away], slope[away], rtol=1e-5, atol=1e-8)


def test_fractional_focus_has_a_finite_gradient_below_the_clip():
    x = torch.tensor([[-5.0, -4.0]], requires_grad=True)
    asymmetric(x, torch.zeros(1, 2), 0.5, 1, 0.05).sum().backward()
    assert torch.isfinite(x.grad).all()


def test_bce_is_cross_entropy():
    logits, targets = batch(2)
    p = 1 / (1 + np.exp(-logits))
    expected = -(targets * np.log(p) + (1 - targets) * np.log(1 - p))
    found = terms(LossSpec(name="bce"), torch.from_numpy(logits), torch.from_numpy(targets).float())
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5, atol=1e-6)


def test_loss_is_float32_for_a_bf16_network():
    found = terms(LossSpec(), torch.zeros(2, 3, dtype=torch.bfloat16), torch.zeros(2, 3))
    assert found.dtype == torch.float32
