"""Planted truth: bias and coverage of nominal 90 % intervals of parameters and predictions; profile against lmfit."""

import lmfit
import numpy as np
import pytest

from ecgscale.laws.fit import fit_law
from ecgscale.laws.forms import LAWS
from ecgscale.laws.profile import profile_intervals
from ecgscale.laws.uncertainty import bootstrap, cluster_weights, freed_residuals

TRUTH = {"power": {"b": 2.0, "c": 0.3}, "floor": {"E": 0.1, "b": 6.0, "c": 0.3}}
TABLES = 160


def planted(law: str, points: int, noise: float, random: np.random.Generator):
    x = np.exp(random.uniform(np.log(1e4), np.log(1e8), points))
    return x, LAWS[law](x, **TRUTH[law]) * np.exp(noise * random.standard_normal(points))


@pytest.mark.parametrize(("law", "points", "noise"), [
    ("power", 8, 0.05), ("power", 100, 0.2), ("floor", 12, 0.02), ("floor", 30, 0.2), ("floor", 500, 0.1),
])
def test_nominal_ninety_per_cent_covers_the_planted_truth(law, points, noise):
    """Of 160 tables the truth lies inside in 85 % to 95 %, give or take two standard errors of the count (4.7 %)."""
    random = np.random.default_rng(points)
    tables = TABLES if points < 500 else TABLES // 2
    hits = dict.fromkeys(TRUTH[law], 0)
    estimates, curve, new = [], 0, 0
    for seed in range(tables):
        x, y = planted(law, points, noise, random)
        boot = bootstrap(fit_law(law, x, y=y, polish=False), 200, seed)
        estimates.append(boot.fit.values["c"])
        for name, (low, high) in boot.parameters().items():
            hits[name] += low <= TRUTH[law][name] <= high
        at = np.array([2e8])                                    # twice the largest size
        truth = float(np.log(LAWS[law](at, **TRUTH[law]))[0])
        low, high = boot.interval(boot.log_curves(at))
        curve += low[0] <= truth <= high[0]
        low, high = boot.interval(boot.new_runs(at, seed=seed))
        new += low[0] <= truth + noise * random.standard_normal() <= high[0]
    shares = np.array([*hits.values(), curve, new]) / tables
    margin = 2 * np.sqrt(0.09 / tables)
    assert (shares >= 0.85 - margin).all(), shares
    assert (shares <= 0.95 + margin).all(), shares
    spread = np.std(estimates) / np.sqrt(tables)
    assert abs(np.median(estimates) - TRUTH[law]["c"]) < 4 * spread


def test_runs_of_one_cluster_move_together():
    """Equal weights within a cluster, mean one; and 40 copies of 5 sizes are worth 5 runs, not 40."""
    clusters = np.repeat(np.arange(5), 8)
    weights = cluster_weights(clusters, 50, np.random.default_rng(1))
    assert np.ptp(weights.reshape(50, 5, 8), axis=2).max() == 0
    random = np.random.default_rng(2)
    x = np.repeat(np.geomspace(1e4, 1e8, 5), 8)
    y = 2 * x**-0.3 * np.exp(np.repeat(0.1 * random.standard_normal(5), 8))
    fit = fit_law("power", x, y=y)
    wide, narrow = (np.ptp(bootstrap(fit, 300, 1, labels).parameters()["c"]) for labels in (clusters, None))
    assert wide > 2 * narrow


def test_freed_residuals_are_those_of_a_fit_without_the_run():
    """Leave-one-out residuals of a straight line, refitted by numpy.polyfit without each point."""
    x, y = planted("power", 12, 0.1, np.random.default_rng(3))
    u, v = np.log(x), np.log(y)
    expected = [v[i] - np.polyval(np.polyfit(np.delete(u, i), np.delete(v, i), 1), u[i]) for i in range(12)]
    np.testing.assert_allclose(freed_residuals(fit_law("power", x, y=y), np.arange(12)), expected, rtol=1e-5)


@pytest.mark.parametrize(("points", "noise"), [(15, 0.02), (60, 0.05)])
def test_profile_intervals_equal_lmfit(points, noise):
    """lmfit.conf_interval on the same fit, E and c."""
    x, y = planted("floor", points, noise, np.random.default_rng(4))
    fit = fit_law("floor", x, y=y)
    expected = lmfit.conf_interval(fit.minimizer, fit.result, sigmas=[0.9])
    ours = profile_intervals(fit)
    for name in ("E", "c"):
        np.testing.assert_allclose(ours[name], (expected[name][0][1], expected[name][2][1]), rtol=2e-3)


def test_too_few_runs_give_no_interval():
    x, y = planted("floor", 3, 0.05, np.random.default_rng(5))
    assert bootstrap(fit_law("floor", x, y=y), 20, 1).parameters()["c"] == (-np.inf, np.inf)
