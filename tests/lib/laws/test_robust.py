"""Which loss leads: Huber's where runs were planted that are ten usual residuals off, else the squared one."""

import numpy as np
import pytest

from ecgscale.laws.fit import fit_law, with_huber
from ecgscale.laws.robust import Loss, choose_loss
from ecgscale.laws.verdict import effect_p, slope_p


def power_law(runs: int, wild: int, seed: int):
    noise = 0.03 * np.random.default_rng(seed).standard_normal(runs)
    noise[: 9 * wild : 9] += 0.4
    x = np.geomspace(1e3, 1e6, runs)
    return fit_law("power", x, y=2 * x**-0.3 * np.exp(noise))


def test_four_wild_runs_of_forty_are_counted_and_bring_hubers_loss():
    """0.4 are 13 deviations of the planted noise."""
    loss = choose_loss([power_law(40, 4, seed=0)])
    assert loss.name == "huber"
    assert "4 outliers, the largest 14" in loss.reason


def test_normal_noise_keeps_squared_errors():
    """REJECTED is one in a hundred by either judgement: at most three of forty tables."""
    assert [choose_loss([power_law(40, 0, seed)]).name for seed in range(40)].count("huber") <= 3


@pytest.mark.parametrize("fits", [[], [power_law(7, 1, seed=0)]])
def test_without_a_fit_or_with_seven_runs_nothing_is_judged(fits):
    assert choose_loss(fits) == Loss()


def test_whether_a_size_has_an_effect_is_asked_by_the_loss_that_leads():
    """Three of 60 runs diverged: by their mean the planted slopes are lost in noise, by the joint law's Huber loss
    they are not; without any slope p is below 0.05 in about one of twenty of 40 tables."""
    random, low = np.random.default_rng(0), 0
    for effect in (0.1, *[0.0] * 40):
        log_x, clusters = random.uniform(9, 18, (2, 60)), np.arange(60)
        y = 2.0 * (1 + effect * (20 * np.exp(-0.3 * log_x[0]) + 20 * np.exp(-0.3 * log_x[1]))) * np.exp(
            0.02 * random.standard_normal(60))
        y[:3] *= 20
        fit = with_huber(fit_law("joint", *np.exp(log_x), y=y, polish=False))
        p = effect_p({"joint": fit}, log_x, np.log(y), clusters)
        if effect:
            assert p < 1e-4 < 0.05 < slope_p(log_x, np.log(y), clusters)
        low += not effect and p < 0.05
    assert low <= 6
