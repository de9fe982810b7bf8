"""Designs of planted tables: where their sizes lie."""

import numpy as np
import pytest

from ecgscale.laws.planted import HIGH, LOW, iso_flop


@pytest.mark.parametrize("sizes", [2, 3])
def test_slices_of_equal_compute(sizes):
    """36 runs in six slices: log N + log D is one number in each, equally far apart, and no size leaves its range."""
    x = iso_flop(sizes, 36, np.random.default_rng(1))
    compute = np.unique(np.round(x[0] + x[-1], 9))
    assert len(compute) == 6
    np.testing.assert_allclose(np.diff(compute), (HIGH - LOW) / 5)
    assert x.min() >= LOW
    assert x.max() <= HIGH
