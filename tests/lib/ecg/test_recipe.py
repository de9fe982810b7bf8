"""Recipes against SciPy and NumPy step by step; tolerance 1e-9."""

import subprocess
import sys

import numpy as np
import pytest
from scipy.signal import butter, resample_poly, sosfiltfilt

from ecgscale.ecg.filters import band_pass
from ecgscale.ecg.normalize import half
from ecgscale.ecg.recipe import RECIPES, Recipe, prepare, prepare_scaled, recipe_named
from ecgscale.ecg.wfdb_record import read_recording
from ecgscale.errors import UserError

STUDY = RECIPES["study"]


def test_an_edge_above_what_was_recorded_is_left_out(signal):
    """150 Hz is above the 128.5 Hz that a recording at 257 Hz can hold."""
    millivolts = signal(3000) / 1000
    recipe = Recipe("x", low=0.05, high=150.0, rate=257.0, normalize="none")
    by_scipy = sosfiltfilt(butter(3, 0.05, "highpass", fs=257, output="sos"), millivolts, axis=0)
    np.testing.assert_allclose(prepare(millivolts, 257.0, recipe), by_scipy, rtol=0, atol=1e-9)


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
    filtered = band_pass(millivolts, 500.0, 1.0, 47.0, 3)
    by_lead, by_record = prepare(millivolts, 500.0, STUDY), prepare(millivolts, 500.0, RECIPES["study-record"])
    np.testing.assert_allclose(by_lead.std(axis=0)[[0, 1, 2, 4]], 1, atol=1e-4)
    np.testing.assert_allclose(by_lead[:, 3], 0, atol=1e-6)
    centred = filtered - filtered.mean(axis=0)
    np.testing.assert_allclose(by_record, centred / (np.sqrt(centred.var(axis=0).mean()) + 1e-6), atol=1e-9)
    np.testing.assert_array_equal(prepare(millivolts, 500.0, RECIPES["study-millivolt"]), filtered)


@pytest.mark.parametrize("name", ["study", "study-record", "study-millivolt"])
def test_a_prepared_signal_times_its_unit_is_the_filtered_one_in_millivolts(signal, name):
    millivolts = signal(5000) / 1000
    made, unit = prepare_scaled(millivolts, 500.0, RECIPES[name])
    filtered = band_pass(millivolts, 500.0, 1.0, 47.0, 3)
    np.testing.assert_allclose(made * unit, filtered - (name != "study-millivolt") * filtered.mean(axis=0), atol=1e-9)


@pytest.mark.parametrize("name", ["study", "study-record", "study-millivolt", "wide"])
def test_a_recipe_at_100_hz_differs_in_its_rate_and_in_what_that_rate_can_hold(signal, name):
    """At 100 Hz nothing is resampled, and an upper edge of 49 Hz leaves the band open: all that was recorded stays."""
    there, here = RECIPES[name], RECIPES[{"study-record": "study-100-record", "study-millivolt": "study-100-millivolt",
                                          "wide": "wide-100"}.get(name, "study-100")]
    assert (here.low, here.order, here.normalize, here.rate) == (there.low, there.order, there.normalize, 100.0)
    millivolts = signal(1000) / 1000
    band = band_pass(millivolts, 100.0, here.low, None if name == "wide" else 47.0, 3)
    made, unit = prepare_scaled(millivolts, 100.0, here)
    np.testing.assert_allclose(made * unit, band - (name != "study-millivolt") * band.mean(axis=0), atol=1e-9)


def test_half_precision_equals_numpys():
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(0, 10.0**power, 20_000) for power in range(-9, 6)])
    ties = np.arange(-4096, 4097) * 2.0**-25        # halfway between subnormal numbers
    values = np.concatenate([values, ties, 1 + ties, [0.0, 65_504, 65_519, 65_520, 1e9, -1e9, 2.0**-14, 2.0**-24]])
    with np.errstate(over="ignore"):
        by_numpy = values.astype(np.float32).astype(np.float16)
    np.testing.assert_array_equal(half(values.reshape(1, -1))[0], by_numpy)


@pytest.mark.parametrize("name", ["study", "study-millivolt", "diagnostic"])
def test_half_precision_is_finer_than_the_recordings_themselves(shared, name):
    """Noise of float16 against that of half a microvolt either way, which the stored integers carry; in dB."""
    noise = np.random.default_rng(0)
    stored, rounding = [], []
    for path in sorted((shared / "data" / "physionet2021").rglob("*.hea")):
        millivolts = read_recording(path).millivolts()
        exact = prepare(millivolts, 500.0, RECIPES[name])
        jittered = prepare(millivolts + noise.uniform(-0.0005, 0.0005, millivolts.shape), 500.0, RECIPES[name])
        power = exact.var(axis=0)
        live = power > 1e-6
        stored += list(power[live] / (half(exact) - exact).var(axis=0)[live])
        rounding += list(power[live] / (jittered - exact).var(axis=0)[live])
    assert 10 * np.log10(min(stored)) > 72
    assert np.median(stored) > 10 * np.median(rounding)


def test_bands_and_rates_are_those_that_the_names_stand_for():
    """The study's band is the published one; diagnostic: 0.05 to 150 Hz (AHA, Kligfield et al. 2007)."""
    told = {recipe.name: (recipe.low, recipe.high, recipe.rate) for recipe in RECIPES.values()}
    assert told["wide-100"] == (0.5, 49.0, 100.0)       # below half of the rate
    assert told["wide"][:2] == (0.5, 100.0)
    assert told["diagnostic"][:2] == (0.05, 150.0)
    assert {told[name][:2] for name in told if name.startswith("study")} == {(1.0, 47.0)}
    assert (told["study-250"][2], told["study-100"][2]) == (250.0, 100.0)


def test_the_digest_tells_recipes_apart_and_is_stable():
    assert len({recipe.digest for recipe in RECIPES.values()}) == len(RECIPES)
    assert recipe_named("study").digest == Recipe("study").digest


def test_an_unknown_recipe_is_named_with_the_known_ones():
    with pytest.raises(UserError, match=r"unknown recipe 'studdy'.*study-record"):
        recipe_named("studdy")


def test_a_name_is_checked_without_compiled_code():
    code = ("import sys\nfrom ecgscale.ecg.recipe import recipe_named\nrecipe_named('study')\n"
            "assert not {'numba', 'scipy'} & set(sys.modules)")
    subprocess.run([sys.executable, "-c", code], check=True)
