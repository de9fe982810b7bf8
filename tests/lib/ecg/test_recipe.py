"""Filter, resampling and normalization against SciPy and NumPy; tolerance 1e-12 mV, measured difference 0."""

import numpy as np
import pytest
from ecgscale.ecg import recipe as recipes
from ecgscale.ecg.recipe import RECIPES, Recipe, band_pass, prepare, recipe_named
from ecgscale.errors import UserError
from scipy.signal import butter, resample, resample_poly, sosfiltfilt

STUDY = RECIPES["study"]


@pytest.mark.parametrize("rate", [250.0, 257.0, 500.0, 1000.0])
@pytest.mark.parametrize(("low", "high", "kind"), [(1.0, 47.0, "bandpass"), (0.05, 100.0, "bandpass"),
                                                   (None, 40.0, "lowpass"), (0.5, None, "highpass")])
def test_filter_equals_scipy(signal, rate, low, high, kind):
    millivolts = signal(3000) / 1000
    edges = [edge for edge in (low, high) if edge]
    sections = butter(3, edges if len(edges) > 1 else edges[0], kind, fs=rate, output="sos")
    ours = band_pass(millivolts, rate, Recipe("x", low=low, high=high))
    np.testing.assert_allclose(ours, sosfiltfilt(sections, millivolts, axis=0), rtol=0, atol=1e-12)


def test_an_edge_above_what_was_recorded_is_left_out(signal):
    millivolts = signal(3000) / 1000
    sections = butter(3, 0.05, "highpass", fs=257, output="sos")
    ours = band_pass(millivolts, 257.0, RECIPES["diagnostic"])      # 150 Hz is above 128.5 Hz
    np.testing.assert_allclose(ours, sosfiltfilt(sections, millivolts, axis=0), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("rate", "up", "down"), [(1000.0, 1, 2), (250.0, 2, 1), (100.0, 5, 1)])
def test_whole_ratios_equal_resample_poly(signal, rate, up, down):
    values = signal(3001).astype(float)
    by_scipy = resample_poly(values, up, down, axis=0)
    np.testing.assert_allclose(recipes.resample(values, rate, 500.0), by_scipy, rtol=0, atol=1e-12)


def test_other_ratios_equal_fft_resampling(signal):
    values = signal(2570).astype(float)
    ours = recipes.resample(values, 257.0, 500.0)
    assert len(ours) == 5000
    np.testing.assert_allclose(ours, resample(values, 5000, axis=0), atol=1e-9)


def test_study_recipe_step_by_step(signal):
    """Band-pass at the recording's rate, then 500 Hz, then z-score of each lead with 1e-6 added."""
    millivolts = signal(10_000) / 1000
    by_scipy = sosfiltfilt(butter(3, [1, 47], "bandpass", fs=1000, output="sos"), millivolts, axis=0)
    by_scipy = resample_poly(by_scipy, 1, 2, axis=0)
    by_scipy = (by_scipy - by_scipy.mean(axis=0)) / (by_scipy.std(axis=0) + 1e-6)
    np.testing.assert_allclose(prepare(millivolts, 1000.0, STUDY), by_scipy, rtol=0, atol=1e-9)


def test_normalizations(signal):
    millivolts = signal(5000) / 1000
    millivolts[:, 3] = 0.25                         # a flat lead stays at 0, not at noise
    filtered = band_pass(millivolts, 500.0, STUDY)
    by_lead, by_record = prepare(millivolts, 500.0, STUDY), prepare(millivolts, 500.0, RECIPES["study-record"])
    np.testing.assert_allclose(by_lead.std(axis=0)[[0, 1, 2, 4]], 1, atol=1e-4)
    np.testing.assert_allclose(by_lead[:, 3], 0, atol=1e-6)
    centred = filtered - filtered.mean(axis=0)
    np.testing.assert_allclose(by_record, centred / (np.sqrt(centred.var(axis=0).mean()) + 1e-6), atol=1e-9)
    np.testing.assert_array_equal(prepare(millivolts, 500.0, RECIPES["study-millivolt"]), filtered)


def test_the_digest_tells_recipes_apart_and_is_stable():
    assert len({recipe.digest for recipe in RECIPES.values()}) == len(RECIPES)
    assert recipe_named("study").digest == Recipe("study").digest


def test_an_unknown_recipe_is_named_with_the_known_ones():
    with pytest.raises(UserError, match=r"unknown recipe 'studdy'.*study-record"):
        recipe_named("studdy")
