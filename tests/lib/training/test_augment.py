"""The study's augmentations, each against the formula in the published description, crop by crop."""

import numpy as np
import pytest
import torch
from scipy import stats

from ecgscale.design import study
from ecgscale.errors import UserError
from ecgscale.training.augment import AUGMENTATIONS, augment, check

BATCH, LEAD, TIME = 400, 12, 256


def crops(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(BATCH, LEAD, TIME)).astype(np.float32)


def apply(name: str, x: np.ndarray, seed: int = 1) -> np.ndarray:
    return AUGMENTATIONS[name](x.copy(), np.random.default_rng(seed))


def test_names_are_those_of_the_study_file():
    assert tuple(AUGMENTATIONS) == study.AUGMENTATIONS


def test_time_warp_is_linear_interpolation_cut_or_padded():
    """Against numpy.interp at the half-sample positions (j + 1/2) T / n - 1/2, n = int(T f), f uniform in 0.8-1.2."""
    x = crops()
    warped = apply("time_warp", x)
    factors = np.random.default_rng(1).uniform(0.8, 1.2, BATCH)
    for old, new, factor in zip(x[:50], warped, factors, strict=False):
        length = int(TIME * factor)
        at = (np.arange(length) + 0.5) * TIME / length - 0.5
        expected = np.stack([np.interp(at, np.arange(TIME), lead) for lead in old])[:, :TIME]
        np.testing.assert_allclose(new[:, : expected.shape[1]], expected, atol=2e-4)
        assert not new[:, length:].any()
    assert 0.8 <= factors.min() < 0.81
    assert 1.19 < factors.max() <= 1.2


def test_amplitude_is_one_factor_for_all_leads():
    x = crops()
    factors = (apply("amplitude", x) / x).reshape(BATCH, -1)
    assert np.ptp(factors, axis=1).max() < 1e-5
    assert 0.8 <= factors.min() < 0.81
    assert 1.19 < factors.max() <= 1.2 + 1e-6
    assert factors[:, 0].mean() == pytest.approx(1.0, abs=0.02)


def test_noise_is_white_normal_of_0_01():
    added = apply("noise", np.zeros((BATCH, LEAD, TIME), np.float32)).astype(float)
    n = added.size
    assert added.mean() == pytest.approx(0, abs=4 * 0.01 / np.sqrt(n))
    assert added.std() == pytest.approx(0.01, rel=4 / np.sqrt(2 * n))
    assert (np.abs(added) > 0.0196).mean() == pytest.approx(0.05, abs=0.002)
    assert np.corrcoef(added[:, 0, :-1].ravel(), added[:, 0, 1:].ravel())[0, 1] == pytest.approx(0, abs=0.015)
    assert np.corrcoef(added[:, 0].ravel(), added[:, 1].ravel())[0, 1] == pytest.approx(0, abs=0.015)


def test_wander_is_one_sine_of_amplitude_one_from_phase_zero():
    """0.5-2 cycles a crop, whatever its length: sin(2 pi f t / T)."""
    added = apply("wander", np.zeros((BATCH, LEAD, TIME), np.float32))
    cycles = np.random.default_rng(1).uniform(0.5, 2.0, (BATCH, 1))
    expected = np.sin(2 * np.pi * cycles * np.arange(TIME) / TIME)
    np.testing.assert_allclose(added, np.repeat(expected[:, None], LEAD, axis=1), atol=1e-5)
    assert cycles.min() < 0.51
    assert cycles.max() > 1.98


def test_time_mask_zeroes_one_stretch_of_1_to_50_samples_in_all_leads():
    masked = apply("time_mask", np.ones((BATCH, LEAD, TIME), np.float32)) == 0
    assert (masked == masked[:, :1]).all()
    lengths = masked[:, 0].sum(axis=1)
    assert (np.diff(masked[:, 0], axis=1).sum(axis=1) <= 2).all()
    assert {lengths.min(), lengths.max()} == {1, 50}
    short = apply("time_mask", np.ones((BATCH, LEAD, 20), np.float32)) == 0
    assert short.any(axis=(1, 2)).all()


def test_lead_dropout_zeroes_half_of_the_leads_never_all():
    x = crops()
    dropped = apply("lead_dropout", x)
    kept = dropped.any(axis=2)
    np.testing.assert_array_equal(dropped, x * kept[:, :, None])
    assert kept.mean() == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(kept.size))
    pairs = AUGMENTATIONS["lead_dropout"](np.ones((2000, 2, 4), np.float32), np.random.default_rng(3)).any(axis=2)
    assert pairs.any(axis=1).all()
    # of two leads: both 1/4, one 1/2 + 1/4 (the case "none" gives one back)
    assert (pairs.sum(axis=1) == 2).mean() == pytest.approx(0.25, abs=0.04)
    assert pairs[:, 0].mean() == pytest.approx(pairs[:, 1].mean(), abs=0.05)


def test_order_is_fixed_and_each_has_a_stream_of_its_own():
    """Switching one off leaves the draws of the others: what it adds can be taken away again."""
    x = crops()

    def stream(number):
        return np.random.default_rng([5, number])

    both = augment(x.copy(), ("wander", "amplitude"), stream)
    np.testing.assert_array_equal(both, augment(x.copy(), ("amplitude", "wander"), stream))
    wander = augment(np.zeros_like(x), ("wander",), stream)
    np.testing.assert_allclose(both - wander, augment(x.copy(), ("amplitude",), stream), atol=1e-5)
    np.testing.assert_array_equal(augment(x.copy(), (), stream), x)


def test_noise_is_normal_by_scipy():
    """Kolmogorov and Smirnov's distance of a million draws from the normal distribution's own, tails included."""
    added = apply("noise", np.zeros((BATCH, LEAD, TIME), np.float32)).astype(float).ravel() / 0.01
    assert stats.kstest(added, "norm").pvalue > 0.01
    assert (np.abs(added) > 3).mean() == pytest.approx(2 * stats.norm.sf(3), rel=0.1)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_the_order_in_memory_changes_nothing(name):
    """Crops come with their leads innermost, as the corpus holds them, and keep it: a convolution copies them else."""
    x = crops()
    inner = AUGMENTATIONS[name](np.ascontiguousarray(x.transpose(0, 2, 1)).transpose(0, 2, 1), np.random.default_rng(1))
    np.testing.assert_array_equal(inner, apply(name, x))
    assert inner.transpose(0, 2, 1).flags.c_contiguous


def test_noise_leaves_torchs_own_generator_alone():
    before = torch.get_rng_state()
    apply("noise", crops())
    assert torch.equal(before, torch.get_rng_state())


def test_unknown_name_is_a_user_error():
    with pytest.raises(UserError, match=r"'nois' is no augmentation.*noise"):
        check(["nois"])
