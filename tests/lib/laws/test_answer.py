"""The average of the laws: its interval by model-averaged tail areas."""

import numpy as np
import pytest
from scipy.stats import norm

from ecgscale.laws.answer import mixed
from ecgscale.laws.coverage import cover_average
from ecgscale.laws.planted import Noise
from ecgscale.laws.uncertainty import LEVEL


def test_one_form_has_its_own_interval():
    assert mixed(np.array([1.0]), np.array([0.7]), np.array([1.9]), np.array([1.0])) == pytest.approx((0.7, 1.9))


def test_normal_forms_give_the_quantiles_of_their_mixture():
    """Turek and Fletcher 2012: with normal tails the ends are quantiles of the mixture; here by a million draws."""
    center, scale, share = np.array([0.0, 1.0, 0.3]), np.array([0.2, 0.5, 1.0]), np.array([0.5, 0.3, 0.2])
    half = norm.ppf((1 + LEVEL) / 2) * scale
    draws = np.random.default_rng(1)
    form = draws.choice(3, size=1_000_000, p=share)
    expected = np.quantile(draws.normal(center[form], scale[form]), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    assert mixed(center, center - half, center + half, share) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(("share", "endless"), [(0.02, False), (0.08, False), (0.12, True)])
def test_a_form_without_an_end_counts_by_its_share(share, endless):
    """Half of the share lies beyond any end: more than the tail of 5 % only from a share of 10 %."""
    low, high = mixed(np.zeros(2), np.array([-1.0, -np.inf]), np.array([1.0, np.inf]), np.array([1 - share, share]))
    assert low == pytest.approx(-high)
    assert np.isinf(high) == endless
    if not endless:
        assert 1 < high < 3


def test_the_average_covers_a_law_that_the_runs_show():
    """Planted shifted power law, 8 runs: the average knows neither form nor parameters (see
    docs/explanation/coverage-drawn.md: 0.86–0.90 for the curve of 50 tables)."""
    for shares in cover_average("shifted", 8, Noise(0.05), 25, seed=7):
        assert np.mean(shares) > 0.85 - 2 * 0.06
        assert np.mean(shares) < 1
