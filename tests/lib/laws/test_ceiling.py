"""A law below a ceiling: its limits, its slopes beside SciPy's, and planted tables whose smallest runs hardly learn."""

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from ecgscale.laws import fit_law
from ecgscale.laws.ceiling import Ceiling
from ecgscale.laws.forms import LAWS
from ecgscale.laws.kriging import krige

GUESS = 0.7


def theta(law):
    return np.append(law.theta(**law.truth), np.log(GUESS))[None]


@pytest.mark.parametrize("name", ["power", "floor", "joint"])
@pytest.mark.parametrize("sharpness", [2.0, 8.0])
def test_its_slopes_are_those_of_scipy(name, sharpness):
    law, random = LAWS[name], np.random.default_rng(1)
    log_x = random.uniform(1, 14, (len(law.sizes), 1, 7))
    slopes = Ceiling(law, sharpness).form(theta(law), log_x)[1][0]
    theirs = approx_fprime(theta(law)[0], lambda at: Ceiling(law, sharpness).form(at[None], log_x)[0][0], 1e-7)
    np.testing.assert_allclose(slopes.T, theirs, atol=1e-5)


def test_far_below_it_is_the_law_and_nothing_is_worse_than_a_guess():
    law, log_x = LAWS["floor"], np.log([[[1e-9, 1.0, 1e12]]])
    curve = np.exp(Ceiling(law, 4.0).form(theta(law), log_x)[0][0])
    assert curve[0] == pytest.approx(GUESS, rel=1e-6)
    assert curve[2] == pytest.approx(np.exp(law.form(theta(law)[:, :-1], log_x)[0][0, 2]), rel=1e-6)
    u = np.exp(law.form(theta(law)[:, :-1], log_x)[0][0]) - law.truth["E"]
    gap = GUESS - law.truth["E"]       # sharpness 1: half the harmonic mean of both heights above E
    harmonic = np.exp(Ceiling(law, 1.0).form(theta(law), log_x)[0][0])
    np.testing.assert_allclose(harmonic, law.truth["E"] + u * gap / (u + gap), rtol=1e-9)


def below_a_guess(n, d):
    """No law of ours: a third kind of bend, from the loss of a guess on."""
    above = 9 * n**-0.25 + 14 * d**-0.35
    return 0.05 + (above**-3 + (GUESS - 0.05) ** -3) ** (-1 / 3)


def test_small_runs_that_hardly_learned_do_not_mislead():
    """12 tables of 24 runs, half of them designed, Student's t of 3 degrees of freedom; the curve at four times the
    largest network. The law alone takes the ceiling for slow learning."""
    at, inside, off, alone = np.array([[1.2e7], [2e4]]), [], [], []
    right = np.log(below_a_guess(*at)[0])
    for seed in range(12):
        random = np.random.default_rng(seed)
        n, d = np.exp(random.uniform(np.log([[1e4], [300]]), np.log([[3e6], [2e4]]), (2, 24)))
        if seed % 2:
            n, d = (axis.ravel() for axis in np.meshgrid(np.geomspace(1e4, 3e6, 6), np.geomspace(300, 2e4, 4)))
        y = below_a_guess(n, d) * np.exp(0.03 * random.standard_t(3, 24) / np.sqrt(3))
        made = krige("joint", n, d, y=y)
        told = made.predict(*at)
        inside.append(told["y_low"][0] <= np.exp(right) <= told["y_high"][0])
        off.append(np.log(told["y"][0]) - right)
        alone.append(np.log(fit_law("joint", n, d, y=y, polish=False).predict(*at)[0]) - right)
        assert made.weights[[one.bent for one in made.members]].sum() == pytest.approx(0.5, abs=0.02)
    assert np.mean(inside) >= 0.75
    assert np.median(np.abs(off)) < 0.6 * np.median(np.abs(alone))
