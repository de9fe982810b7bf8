"""Designs of planted tables: where their sizes lie. Noises: how far runs lie off the law."""

import numpy as np
import pytest

from ecgscale.laws.planted import HIGH, LOW, Noise, iso_flop


@pytest.mark.parametrize("sizes", [2, 3])
def test_slices_of_equal_compute(sizes):
    """36 runs in six slices: log N + log D is one number in each, equally far apart, and no size leaves its range."""
    x = iso_flop(sizes, 36, np.random.default_rng(1))
    compute = np.unique(np.round(x[0] + x[-1], 9))
    assert len(compute) == 6
    np.testing.assert_allclose(np.diff(compute), (HIGH - LOW) / 5)
    assert x.min() >= LOW
    assert x.max() <= HIGH


def test_noise_that_grows_does_so_tenfold_from_the_smallest_to_the_largest_size():
    at = np.array([[LOW, (LOW + HIGH) / 2, HIGH]])
    np.testing.assert_allclose(Noise(0.1, "growing").spread(at), 0.1 * np.sqrt([0.1, 1, 10]))
    np.testing.assert_allclose(Noise(0.1).spread(at), 0.1)
