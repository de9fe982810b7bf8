"""A law below a ceiling: its limits, its slopes beside SciPy's, and planted tables whose smallest runs hardly learn."""

import runpy
from pathlib import Path

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


def test_small_runs_that_hardly_learned_do_not_mislead():
    """12 tables of 24 runs, half of them designed, Student's t of 3 degrees of freedom, below a ceiling whose bend is
    none of ours; the curve at four times the largest network. The law alone takes the ceiling for slow learning."""
    script = runpy.run_path(str(Path(__file__).parents[3] / "docs" / "explanation" / "misses.py"))
    at, truth, inside, off, alone = script["AHEAD"], script["TRUTHS"]["a ceiling"], [], [], []
    right = np.log(truth(*at)[0])
    for seed in range(12):
        sizes, y = script["planted"](truth, seed)
        made = krige("joint", *sizes, y=y)
        told = made.predict(*at)
        inside.append(told["y_low"][0] <= np.exp(right) <= told["y_high"][0])
        off.append(np.log(told["y"][0]) - right)
        alone.append(np.log(fit_law("joint", *sizes, y=y, polish=False).predict(*at)[0]) - right)
        assert made.weights[[one.bent for one in made.members]].sum() == pytest.approx(0.5, abs=0.02)
    assert np.mean(inside) >= 0.75
    assert np.median(np.abs(off)) < 0.6 * np.median(np.abs(alone))
