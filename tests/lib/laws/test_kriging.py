"""A law with what it misses: scikit-learn's Gaussian process, plain fits where the law is right, and truths that are
not quite the law."""

import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.linalg import solve_triangular
from scipy.optimize import least_squares
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern

from ecgscale.errors import UserError
from ecgscale.laws import fit_law
from ecgscale.laws.forms import LAWS
from ecgscale.laws.kriging import CEILING, MOST, covariance, krige, priors
from ecgscale.laws.planted import TRUTH, Noise, planted
from ecgscale.laws.profile import profile

AHEAD = 4.0             # beyond the largest sizes


def test_the_miss_is_that_of_scikit_learn():
    """With the law's parameters known, what is left is an ordinary Gaussian process."""
    rng = np.random.default_rng(5)
    n, d = np.exp(rng.uniform(9, 16, (2, 30)))
    made = krige("joint", n, d, y=LAWS["joint"](n, d, **TRUTH["joint"]) * np.exp(0.05 * np.sin(np.log(n))))
    one = next(member for member in made.members if member.miss > 0)
    at = rng.uniform(-6, 6, (2, 7))
    kernel = ConstantKernel(one.miss**2, "fixed") * Matern(one.reach, "fixed", nu=1.5)
    theirs = GaussianProcessRegressor(kernel, alpha=one.noise**2).fit(made.log_x.T, one.root @ one.residual)
    mean, spread = theirs.predict(at.T, return_cov=True)
    known = replace(one, spread=np.zeros_like(one.spread))
    ours = made.of_member(known, at)
    np.testing.assert_allclose(ours[0], made.law.form(one.theta[None], at[:, None])[0][0] + mean, atol=1e-8)
    np.testing.assert_allclose(ours[1], spread, atol=1e-8)
    np.testing.assert_allclose(covariance(made.log_x, at, one.miss, one.reach), kernel(made.log_x.T, at.T), atol=1e-12)


@pytest.mark.parametrize("name", ["floor", "joint"])
def test_the_laws_parameters_are_at_the_minimum_of_scipy(name):
    """Residuals freed of the miss, and of the priors: SciPy's search from there gains nothing."""
    law, table = LAWS[name], planted(name, 25, Noise(0.02), np.random.default_rng(3))
    made = krige(name, *np.exp(table.log_x), y=np.exp(table.log_y))
    plain = priors(law, table.log_y)
    under = np.column_stack([plain, (table.log_y.max() + CEILING[0], CEILING[1])])
    assert {one.bent for one in made.members} == {False, True}
    for one in made.members:
        centre, width = under if one.bent else plain

        def residuals(theta, one=one, centre=centre, width=width):
            missed = table.log_y - one.law.form(theta[None], made.log_x[:, None])[0][0]
            return np.append(solve_triangular(one.root, missed, lower=True), (theta - centre) / width)

        assert (residuals(one.theta) ** 2).sum() < 2 * least_squares(residuals, one.theta, xtol=1e-12).cost + 1e-4


def test_where_the_law_is_right_it_predicts_as_the_law_does():
    table = planted("joint", 40, Noise(0.02), np.random.default_rng(3), "factorial")
    sizes, y = np.exp(table.log_x), np.exp(table.log_y)
    at = sizes.max(axis=1) * AHEAD
    made = krige("joint", *sizes, y=y)
    told = made.predict(*at[:, None])
    assert made.weights[[one.miss == 0 for one in made.members]].sum() > 0.1      # no miss stays likely
    plain = fit_law("joint", *sizes, y=y).predict(*at[:, None])
    truth = LAWS["joint"](*at, **TRUTH["joint"])
    assert told["run_low"] < truth < told["run_high"]
    assert abs(np.log(told["y"] / plain)) < 0.5 * np.log(told["run_high"] / told["run_low"])


MISSES = runpy.run_path(str(Path(__file__).parents[3] / "docs" / "explanation" / "misses.py"))


@pytest.mark.parametrize(("truth", "alone"), [
    ("data help more from 2,000 recordings on", (0.0, 0.4)), ("the law itself", (0.8, 1.0))])
def test_intervals_hold_where_the_law_is_right_and_where_it_is_not(truth, alone):
    """24 tables of 24 runs, half of them designed, Student's t with 3 degrees of freedom; 90 % intervals of the curve
    at four times the largest network. The profile's intervals of the law alone hold it only where the law is right."""
    truth, at, inside, inside_alone = MISSES["TRUTHS"][truth], MISSES["AHEAD"], [], []
    for seed in range(24):
        (n, d), y = MISSES["planted"](truth, seed)
        told = krige("joint", n, d, y=y).predict(*at)
        inside.append(told["y_low"] <= truth(*at) <= told["y_high"])
        low, high = profile(fit_law("joint", n, d, y=y, polish=False), np.log(at), np.arange(24)).curve[0]
        inside_alone.append(low <= np.log(truth(*at)[0]) <= high)
    assert np.mean(inside) >= 0.85
    assert alone[0] <= np.mean(inside_alone) <= alone[1]


def test_neither_the_order_of_the_rows_nor_the_unit_changes_an_answer():
    rng = np.random.default_rng(1)
    table = planted("joint", 25, Noise(0.03), rng)
    sizes, y = np.exp(table.log_x), np.exp(table.log_y)
    order = rng.permutation(25)
    told = krige("joint", *sizes, y=y).predict([1e9], [1e7])
    again = krige("joint", *(sizes[:, order] * np.array([[1e-3], [1.0]])), y=y[order]).predict([1e6], [1e7])
    for name, value in told.items():
        np.testing.assert_allclose(again[name], value, rtol=1e-3)


@pytest.mark.parametrize(("law", "runs", "y", "problem"), [
    ("broken1", 9, 0.5, "broken1 cannot be kriged"), ("joint", MOST + 1, 0.5, f"{MOST + 1} runs are more than"),
    ("joint", 9, -0.5, "not a positive number")])
def test_what_cannot_be_is_refused(law, runs, y, problem):
    sizes = np.geomspace(1, 1e6, runs)
    with pytest.raises(UserError, match=problem):
        krige(law, *[sizes] * len(LAWS[law].sizes), y=np.full(runs, y))
