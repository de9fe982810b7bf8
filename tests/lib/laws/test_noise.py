"""Weights from repeated seeds: found where noise changes with the error, withheld where it does not, and of use."""

import numpy as np
import pytest

from ecgscale.laws import fit_law
from ecgscale.laws.noise import noise_weights


def seeds(random: np.random.Generator, change: float, configurations: int = 20, repeats: int = 3):
    """y = 2 x^-0.3; standard deviation 0.05 (y / middle)^-change."""
    x = np.repeat(np.exp(random.uniform(np.log(1e4), np.log(1e8), configurations)), repeats)
    y = 2 * x**-0.3
    noise = 0.05 * (y / np.median(y)) ** -change
    return x, y * np.exp(noise * random.standard_normal(len(y))), noise, np.repeat(np.arange(configurations), repeats)


def test_weights_are_the_inverse_variances_that_were_planted():
    _, y, noise, clusters = seeds(np.random.default_rng(1), 0.8, 300, 5)
    weights = noise_weights(np.log(y), clusters)
    assert np.ptp(weights[:5]) == 0
    slope = np.polyfit(np.log(noise), np.log(weights), 1)[0]
    assert slope == pytest.approx(-2, abs=0.25)


def test_equal_noise_gets_no_weights():
    """p = 0.01 by the z test: of 300 tables with equal noise about 3 are weighted."""
    random = np.random.default_rng(2)
    weighted = sum(noise_weights(np.log(y), clusters) is not None
                   for _, y, _, clusters in (seeds(random, 0.0) for _ in range(300)))
    assert weighted <= 12
    _, y, _, clusters = seeds(random, 1.0)
    assert noise_weights(np.log(y), np.arange(len(y))) is None      # no repeats
    assert noise_weights(np.log(y[:15]), clusters[:15]) is None     # five configurations


def test_weights_make_the_exponent_more_precise():
    random = np.random.default_rng(3)
    errors = []
    for _ in range(60):
        x, y, _, clusters = seeds(random, 0.8)
        weights = noise_weights(np.log(y), clusters)
        errors.append([fit_law("power", x, y=y, weights=w, polish=False).values["c"] - 0.3 for w in (None, weights)])
    plain, weighted = np.sqrt(np.mean(np.square(errors), axis=0))
    assert weighted < 0.8 * plain


def test_weights_have_a_mean_of_one():
    _, y, _, clusters = seeds(np.random.default_rng(1), 0.8, 40, 3)
    assert noise_weights(np.log(y), clusters).mean() == pytest.approx(1.0)
