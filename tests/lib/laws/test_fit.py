"""Fits: minima and errors against SciPy and lmfit, starts against scipy.optimize.nnls, refusals of bad arrays."""

from dataclasses import replace
from importlib import import_module

import lmfit
import numpy as np
import pytest
from scipy.optimize import least_squares, nnls

from ecgscale.errors import UserError
from ecgscale.laws.answer import natural_covariance
from ecgscale.laws.fit import Fit, diagnostics, fit_law, information_weights
from ecgscale.laws.forms import LAWS
from ecgscale.laws.planted import scattered
from ecgscale.laws.profile import basins, profile
from ecgscale.laws.solve import minimise
from ecgscale.laws.start import grid, nonnegative
from ecgscale.laws.uncertainty import bootstrap, cluster_weights

TRUTH = {"E": 0.1, "b": 6.0, "c": 0.3}


def planted(points: int, noise: float, seed: int = 1):
    random = np.random.default_rng(seed)
    x = np.exp(random.uniform(np.log(1e3), np.log(1e8), points))
    return x, LAWS["floor"](x, **TRUTH) * np.exp(noise * random.standard_normal(points))


def test_exact_curve_is_found_exactly():
    x, y = planted(20, 0.0)
    fit = fit_law("floor", x, y=y)
    assert {name: pytest.approx(value, rel=1e-6) for name, value in TRUTH.items()} == fit.values


def test_power_law_is_the_straight_line_in_logs():
    """numpy.polyfit of logs."""
    x, y = planted(30, 0.1)
    slope, height = np.polyfit(np.log(x), np.log(y), 1)
    assert fit_law("power", x, y=y).values == {"b": pytest.approx(np.exp(height)), "c": pytest.approx(-slope)}


def test_minimum_and_errors_equal_lmfit():
    """lmfit.minimize by leastsq from the planted truth: estimates, standard errors and AICc's ingredients."""
    x, y = planted(40, 0.05)

    def residual(p):
        return np.log(p["E"] + np.exp(p["log_b"] - p["c"] * np.log(x))) - np.log(y)

    p = lmfit.Parameters()
    p.add("E", value=0.1, min=0)
    p.add("log_b", value=np.log(6.0))
    p.add("c", value=0.3)
    expected = lmfit.minimize(residual, p)
    fit = fit_law("floor", x, y=y)
    assert fit.cost == pytest.approx(expected.chisqr, rel=1e-6)
    assert fit.aic == pytest.approx(expected.aic + 2)       # lmfit leaves the error's scale out
    assert fit.aicc == pytest.approx(fit.aic + 2 * 4 * 5 / (40 - 4 - 1))
    assert fit.values["c"] == pytest.approx(expected.params["c"].value, rel=1e-3)
    stderr = [expected.params[name].stderr for name in ("E", "log_b", "c")]
    np.testing.assert_allclose(np.sqrt(np.diag(fit.covariance)), stderr, rtol=0.02)
    np.testing.assert_allclose(np.sqrt(np.diag(fit.result.covar)), stderr, rtol=0.02)


@pytest.mark.parametrize("law", ["floor", "saturating", "broken1"])
def test_replicates_fitted_side_by_side_equal_lmfit_one_by_one(law):
    """The bootstrap's refits against lmfit.minimize on the same weights: the cost within 0.1 %."""
    x, y = planted(40, 0.05)
    fit = fit_law(law, x, y=y)
    weights = cluster_weights(np.arange(40), 12, np.random.default_rng(3))
    theta = np.repeat(fit.theta[None], 12, axis=0)
    _, cost = minimise(fit.law, theta, fit.log_x[:, None, :], fit.log_y[None], fit.low, fit.high, weights=weights)

    def residual(p, weight):
        point = np.array([[p[f"p{i}"].value for i in range(len(fit.theta))]])
        return np.sqrt(weight) * (fit.law.form(point, fit.log_x[:, None, :])[0][0] - fit.log_y)

    for weight, ours in zip(weights, cost, strict=True):
        p = lmfit.Parameters()
        for i, (value, low, high) in enumerate(zip(fit.theta, fit.low, fit.high, strict=True)):
            p.add(f"p{i}", value=value, min=low - 1e-6, max=high)
        theirs = lmfit.minimize(residual, p, args=(weight,), method="least_squares")
        assert ours <= theirs.chisqr * 1.001


def test_two_breaks_are_found_as_by_who_knows_them():
    """The search ends as low as a descent that starts at the planted truth, in nearly all of 30 tables."""
    law, random, missed = LAWS["broken2"], np.random.default_rng(5), 0
    truth = law.theta(a=0.02, b=1.5, c0=0.05, c1=0.6, d1=1e5, f1=0.3, c2=-0.5, d2=5e6, f2=0.3)
    for _ in range(30):
        x = np.exp(random.uniform(np.log(1e4), np.log(1e8), 60))
        y = np.exp(law.log_curve(truth, np.log(x)[None])[0] + 0.01 * random.standard_normal(60))
        fit = fit_law("broken2", x, y=y, polish=False)
        _, cost = minimise(law, truth[None], fit.log_x[:, None, :], fit.log_y[None], fit.low, fit.high)
        missed += fit.cost > cost[0] * (1 + 1 / fit.freedom)
    assert missed <= 1


def test_huber_minimum_equals_scipy():
    """scipy.optimize.least_squares(loss="huber") at the same threshold; an outlier moves it less than the squared."""
    x, y = planted(30, 0.02)
    y[3] *= 3
    fit = fit_law("power", x, y=y, loss="huber")
    expected = least_squares(lambda p: p[0] - p[1] * np.log(x) - np.log(y), [0.0, 0.1], loss="huber", f_scale=fit.delta)
    np.testing.assert_allclose(fit.theta, expected.x, rtol=1e-4)
    clean = fit_law("power", *planted(30, 0.02)[:1], y=planted(30, 0.02)[1]).values["c"]
    assert abs(fit.values["c"] - clean) < abs(fit_law("power", x, y=y).values["c"] - clean)


def test_variable_projection_equals_nnls():
    """scipy.optimize.nnls, grid point by grid point, weights included."""
    random = np.random.default_rng(5)
    columns, target = random.normal(size=(40, 3, 12)), random.normal(size=12)
    weights = random.uniform(0.2, 3, 12)
    solved = nonnegative(columns, target, weights)
    for ours, problem in zip(solved, columns, strict=True):
        expected, _ = nnls((problem * np.sqrt(weights)).T, target * np.sqrt(weights))
        np.testing.assert_allclose(ours, expected, atol=1e-8)


@pytest.mark.parametrize("name", [name for name in LAWS if LAWS[name].truth])
def test_the_best_start_is_already_near_the_planted_law(name):
    """Before any step of the search: off by 3 % of the spread of log y, by 8 % where there are several sizes."""
    law = LAWS[name]
    log_x = scattered(len(law.sizes), 40, np.random.default_rng(1))
    if name == "multi_epoch":
        log_x[2] = np.maximum(log_x[1], log_x[2])       # no fewer samples are seen than there are
    log_y = law.log_curve(law.theta(**law.truth)[None], log_x)[0]
    starts, _ = grid(law, log_x, log_y, np.ones(40))
    off = np.sqrt(np.nanmin(((law.log_curve(starts, log_x) - log_y) ** 2).mean(axis=1)))
    assert off < (0.03 if len(law.sizes) == 1 else 0.08) * log_y.std()


@pytest.mark.parametrize("law", [name for name in LAWS if len(LAWS[name].sizes) > 1])
def test_joint_laws_are_found(law):
    """Planted: the fit is at least as good as the truth it came from."""
    random = np.random.default_rng(7)
    n, d = np.exp(random.uniform(np.log(1e4), np.log(1e8), 80)), np.exp(random.uniform(np.log(1e3), np.log(1e6), 80))
    values = {"joint": {"E": 0.1, "A": 3.0, "alpha": 0.2, "B": 4.0, "beta": 0.3},
              "multi_epoch": {"E": 0.1, "L0": 1.2, "a": 3.0, "alpha": 0.2, "b": 4.0, "beta": 0.3, "c": 0.1,
                              "gamma": 0.3, "delta": 0.4}}[law]
    sizes = (n, d, d * random.integers(1, 20, 80))[:len(LAWS[law].sizes)]
    noise = 0.02 * random.standard_normal(80)
    fit = fit_law(law, *sizes, y=LAWS[law](*sizes, **values) * np.exp(noise))
    assert fit.cost <= np.sum(noise**2)


def test_information_weights_prefer_the_planted_form():
    """A curve with a floor, little noise: Burnham and Anderson's weights leave the plain power law nothing."""
    x, y = planted(60, 0.02)
    weights = information_weights([fit_law(name, x, y=y) for name in ("constant", "power", "floor")])
    assert weights[2] > 0.999
    assert weights.sum() == pytest.approx(1)


def test_diagnostics_see_a_wrong_form():
    """Neighbouring residuals of a power law on a curve with a floor are alike; those of the floor law are not."""
    x, y = planted(60, 0.02)
    assert diagnostics(fit_law("power", x, y=y))["neighbour_correlation"] > 0.8
    assert abs(diagnostics(fit_law("floor", x, y=y))["neighbour_correlation"]) < 0.4


@pytest.mark.parametrize(("x", "y"), [([1, 2, 0], [1, 1, 1]), ([1, 2, 3], [1, -1, 1]), ([1, 2], [1, 1, 1]), ([], [])])
def test_bad_arrays_are_refused(x, y):
    with pytest.raises(UserError):
        fit_law("power", np.array(x, float), y=np.array(y, float))


@pytest.mark.parametrize("law", ["floor", "shifted", "saturating"])
def test_runs_of_equal_sizes_are_fitted_as_one_without_a_difference(law, monkeypatch):
    """Estimates, cost, intervals and bootstrap of 600 runs at 30 sizes, as with every run fitted on its own."""
    random = np.random.default_rng(4)
    x = np.repeat(np.geomspace(1e3, 1e8, 30), 20)
    y = LAWS["floor"](x, **TRUTH) * np.exp(0.1 * random.standard_normal(600))
    weights = random.uniform(0.5, 2.0, 600)

    def fitted():
        fit = fit_law(law, x, y=y, weights=weights)
        made = profile(fit, np.log([[1e9]]))
        return fit, made.theta, made.curve, bootstrap(fit, 20, 1).theta

    together, *ours = fitted()
    assert together.place.max() == 29
    monkeypatch.setattr(Fit, "place", None)
    apart, *expected = fitted()
    assert together.cost == pytest.approx(apart.cost, rel=1e-9)
    np.testing.assert_allclose(together.predict(x), apart.predict(x), rtol=1e-4)
    for one, other in zip(ours[:2], expected[:2], strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-3, atol=1e-3)
    curves = [LAWS[law].log_curve(theta, np.log([x]))[:, ::20] for theta in (ours[2], expected[2])]
    np.testing.assert_allclose(*curves, atol=1e-3)


def test_starts_of_thousands_of_runs_are_looked_for_on_some_and_end_on_all(monkeypatch):
    """As low as where all of 1,500 runs of sizes of their own are looked at from the start."""
    x, y = planted(1500, 0.3)
    laws = ("floor", "saturating", "broken1")
    few = [fit_law(law, x, y=y, polish=False).cost for law in laws]
    monkeypatch.setattr(import_module("ecgscale.laws.fit"), "SCOUTS", 1500)
    every = [fit_law(law, x, y=y, polish=False).cost for law in laws]
    np.testing.assert_allclose(few, every, rtol=1e-6)


def test_the_robust_threshold_of_few_runs_allows_for_what_the_fit_took():
    """Four runs and three parameters: residuals are half of what the noise is."""
    x, y = np.array([1e3, 1e4, 1e5, 1e6]), np.array([1.0, 0.6, 0.35, 0.3])
    squared = fit_law("floor", x, y=y)
    assert squared.freedom == 1
    usual = 1.345 * 1.4826 * np.sqrt(4) * np.median(np.abs(squared.residuals))
    assert fit_law("floor", x, y=y, loss="huber").delta == pytest.approx(usual, rel=1e-3)


def test_errors_of_natural_values_are_those_of_the_logarithms_times_the_value():
    """The delta method, parameter by parameter."""
    x, y = planted(40, 0.05)
    fit = fit_law("floor", x, y=y)
    error = np.sqrt(np.diag(fit.covariance))
    expected = [error[0], fit.values["b"] * error[1], error[2]]     # E, log b, c
    np.testing.assert_allclose(np.sqrt(np.diag(natural_covariance(fit))), expected)
    assert natural_covariance(fit)[0, 1] == pytest.approx(fit.covariance[0, 1] * fit.values["b"])


def test_the_other_minimum_of_a_search_is_a_basin_of_its_own():
    """Where it follows the runs nearly as well, by another curve; a search that ended in one minimum has one basin."""
    fit = fit_law("floor", *planted(40, 0.05)[:1], y=planted(40, 0.05)[1], polish=False)
    other, same, worse = (fit.theta + np.array([0.0, off, 0.0]) for off in (0.05, 1e-6, 5.0))
    found = basins(replace(fit, minima=np.array([other, same, worse])), 3.0)
    assert [one.theta.tolist() for one in found] == [fit.theta.tolist(), other.tolist()]
    assert len(basins(replace(fit, minima=None), 3.0)) == 1
