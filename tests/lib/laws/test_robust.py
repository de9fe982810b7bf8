"""Which loss leads: Huber's where runs were planted that are ten usual residuals off, else the squared one."""

import numpy as np
import pytest

from ecgscale.laws.fit import fit_law, with_huber
from ecgscale.laws.robust import Loss, choose_loss, influential
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


def test_influential_runs_are_those_of_leave_one_out():
    """Each run left out in turn and the law fitted anew: the planted run at an end moves the exponent most; the shifts
    named are those of the new fits, largest first as foretold."""
    x, noise = np.geomspace(1e3, 1e6, 24), 0.02 * np.random.default_rng(3).standard_normal(24)
    noise[22] += 0.15
    y = 2 * x**-0.3 * np.exp(noise)
    whole = fit_law("power", x, y=y)
    exponent = whole.law.names.index(whole.law.exponents[0])
    shifts = [fit_law("power", np.delete(x, run), y=np.delete(y, run)).theta[exponent] - whole.theta[exponent]
              for run in range(24)]
    found = influential(whole)
    assert found[0]["point"] == 22
    assert found[0]["point"] == int(np.argmax(np.abs(shifts)))
    assert len(found) <= 5
    for one in found:
        assert one["shift"] == pytest.approx(shifts[one["point"]], abs=1e-6)
        assert abs(one["standard_errors"]) > 1 / np.sqrt(24)


def test_where_all_runs_weigh_alike_none_is_named():
    x = np.geomspace(1e3, 1e6, 200)
    assert influential(fit_law("power", x, y=2 * x**-0.3 * np.exp(0.01 * np.tile([1, -1, -1, 1], 50)))) == []
