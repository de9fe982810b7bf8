"""The study's augmentations, each against the formula in the published description, crop by crop."""

import numpy as np
import pytest
import torch
from scipy import stats

from ecgscale.design import run_group
from ecgscale.errors import UserError
from ecgscale.training.augment import AUGMENTATIONS, PLACES, Drawn, augment, check, draw, white_noise

BATCH, TIME, LEAD = 400, 256, 12
ALL_LEADS = np.arange(LEAD)


def crops(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(BATCH, TIME, LEAD)).astype(np.float16)


def ones(time: int = TIME, batch: int = BATCH) -> np.ndarray:
    return np.ones((batch, time, LEAD), np.float16)


def stream(number: int) -> np.random.Generator:
    return np.random.default_rng([1, number])


def stream_of(name: str) -> np.random.Generator:
    return stream(list(AUGMENTATIONS).index(name))


def apply(names: tuple[str, ...], x: np.ndarray, leads: np.ndarray = ALL_LEADS) -> np.ndarray:
    white = white_noise(x.shape[1], np.random.default_rng(9))
    return augment(x, draw(names, len(x), x.shape[1], leads, stream), 0, white)


def test_names_are_those_of_the_study_file():
    assert tuple(AUGMENTATIONS) == run_group.AUGMENTATIONS


def test_without_any_each_number_is_what_numpy_makes_of_it():
    """All 65,536 bit patterns of float16; from what is infinite or no number comes no number."""
    x = np.resize(np.arange(2**16, dtype=np.uint16).view(np.float16), (5462, 1, LEAD))
    with np.errstate(invalid="ignore"):
        expected = np.where(np.isfinite(x), x, np.nan).astype(np.float32)
    np.testing.assert_array_equal(apply((), x), expected)
    np.testing.assert_array_equal(apply((), crops()), crops().astype(np.float32))


def test_time_warp_is_linear_interpolation_cut_or_padded():
    """Against numpy.interp at the half-sample positions (j + 1/2) T / n - 1/2, n = int(T f), f uniform in 0.8-1.2."""
    x = crops()
    factors = stream_of("time_warp").uniform(0.8, 1.2, BATCH)
    for old, new, factor in zip(x[:50], apply(("time_warp",), x), factors, strict=False):
        length = int(TIME * factor)
        at = (np.arange(length) + 0.5) * TIME / length - 0.5
        expected = np.stack([np.interp(at, np.arange(TIME), lead) for lead in old.T], axis=1)[:TIME]
        np.testing.assert_allclose(new[: len(expected)], expected, atol=2e-4)
        assert not new[length:].any()
    assert 0.8 <= factors.min() < 0.81
    assert 1.19 < factors.max() <= 1.2


def test_amplitude_is_one_factor_for_all_leads():
    x = crops()
    factors = (apply(("amplitude",), x) / x.astype(np.float32)).reshape(BATCH, -1)
    assert np.ptp(factors, axis=1).max() < 1e-5
    np.testing.assert_allclose(factors[:, 0], stream_of("amplitude").uniform(0.8, 1.2, BATCH), rtol=1e-6)
    assert 0.8 <= factors.min() < 0.81
    assert 1.19 < factors.max() <= 1.2 + 1e-6
    assert factors[:, 0].mean() == pytest.approx(1.0, abs=0.02)


def test_noise_of_a_crop_is_a_stretch_of_the_runs_at_a_random_place():
    added, white = apply(("noise",), 0 * crops()), white_noise(TIME, np.random.default_rng(9))
    places = stream_of("noise").integers(PLACES, size=BATCH)
    for crop, place in zip(added, places, strict=True):
        np.testing.assert_array_equal(crop.reshape(-1), white[place : place + TIME * LEAD])
    assert stats.kstest(places, stats.randint(0, PLACES).cdf).pvalue > 0.01
    assert len(white) == PLACES + TIME * LEAD      # the last place has enough


def test_noise_is_white_normal_of_0_01_by_scipy():
    """Kolmogorov and Smirnov's distance from the normal distribution, tails, and neighbours in time and among leads."""
    white = white_noise(TIME, np.random.default_rng(9)).astype(float)
    assert stats.kstest(white / 0.01, "norm").pvalue > 0.01
    assert (np.abs(white) > 0.03).mean() == pytest.approx(2 * stats.norm.sf(3), rel=0.1)
    assert white.std() == pytest.approx(0.01, rel=4 / np.sqrt(2 * len(white)))
    assert white.mean() == pytest.approx(0, abs=4 * 0.01 / np.sqrt(len(white)))
    assert (np.abs(white) > 0.0196).mean() == pytest.approx(0.05, abs=0.002)
    for apart in (1, 2, LEAD, 2 * LEAD):
        correlation = np.corrcoef(white[:-apart], white[apart:])[0, 1]
        assert correlation == pytest.approx(0, abs=4 / np.sqrt(len(white)))


def test_wander_is_one_sine_of_amplitude_one_from_phase_zero():
    """0.5-2 cycles a crop, whatever its length: sin(2 pi f t / T)."""
    cycles = stream_of("wander").uniform(0.5, 2.0, (BATCH, 1, 1))
    for time in (TIME, 5000):
        expected = np.sin(2 * np.pi * cycles * np.arange(time)[:, None] / time) * np.ones(LEAD)
        np.testing.assert_allclose(apply(("wander",), 0 * ones(time)), expected, atol=1e-6)
    assert cycles.min() < 0.51
    assert cycles.max() > 1.98


def test_time_mask_zeroes_one_stretch_of_1_to_50_samples_in_all_leads():
    masked = apply(("time_mask",), ones()) == 0
    assert (masked == masked[..., :1]).all()
    lengths = masked[..., 0].sum(axis=1)
    assert (np.diff(masked[..., 0], axis=1).sum(axis=1) <= 2).all()
    assert {lengths.min(), lengths.max()} == {1, 50}
    for time in (1, 20):
        short = apply(("time_mask",), ones(time)) == 0
        assert short.any(axis=(1, 2)).all()


def test_lead_dropout_zeroes_half_of_the_leads_never_all():
    x = crops()
    dropped = apply(("lead_dropout",), x)
    kept = dropped.any(axis=1)
    np.testing.assert_array_equal(dropped, x.astype(np.float32) * kept[:, None])
    assert kept.mean() == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(kept.size))


def test_lead_dropout_knows_which_leads_the_network_sees():
    """Of two leads: both 1/4, one 1/2 + 1/4 (the case "none" gives one back); it never sees none."""
    pairs = apply(("lead_dropout",), ones(4, 2000), leads=np.array([10, 1])).any(axis=1)[:, [10, 1]]
    assert pairs.any(axis=1).all()
    assert (pairs.sum(axis=1) == 2).mean() == pytest.approx(0.25, abs=0.04)
    assert pairs[:, 0].mean() == pytest.approx(pairs[:, 1].mean(), abs=0.05)


def test_all_together_are_one_after_the_other():
    """Warp, amplitude, noise, wander, mask, dropout: each alone on what the ones before it gave, in any order named."""
    x = crops()
    warped = apply(("time_warp",), x)
    gains = stream_of("amplitude").uniform(0.8, 1.2, (BATCH, 1, 1))
    added = apply(("noise",), 0 * x) + apply(("wander",), 0 * x)
    left = apply(("time_mask",), ones()) * apply(("lead_dropout",), ones())
    together = apply(tuple(AUGMENTATIONS), x)
    np.testing.assert_allclose(together, (warped * gains + added) * left, atol=1e-5)
    np.testing.assert_array_equal(together, apply(tuple(AUGMENTATIONS)[::-1], x))


def test_rows_are_taken_from_the_first_on():
    x, white = crops(), white_noise(TIME, np.random.default_rng(9))
    drawn = draw(AUGMENTATIONS, BATCH, TIME, ALL_LEADS, stream)
    np.testing.assert_array_equal(augment(x[30:40], drawn, 30, white), augment(x, drawn, 0, white)[30:40])


def test_the_shortest_crops():
    """Of one and of two samples, which leave nothing to interpolate between."""
    for time in (1, 2):
        assert np.isfinite(apply(tuple(AUGMENTATIONS), ones(time))).all()


def test_other_numbers_of_leads_are_refused():
    with pytest.raises(ValueError, match="8 leads: augmentation is compiled for 12"):
        augment(ones()[..., :8], Drawn.none(BATCH, TIME, ALL_LEADS), 0, np.zeros(0, np.float32))


def test_noise_leaves_torchs_own_generator_alone():
    before = torch.get_rng_state()
    apply(("noise",), crops())
    assert torch.equal(before, torch.get_rng_state())


def test_unknown_name_is_a_user_error():
    with pytest.raises(UserError, match=r"'nois' is no augmentation.*noise"):
        check(["nois"])
