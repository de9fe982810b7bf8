"""Forms: values against the papers' formulas written out, derivatives against differences, limits between forms."""

import pickle

import numpy as np
import pytest
from scipy.optimize import brentq

from ecgscale.laws.forms import LAWS

VALUES = {
    "constant": {"E": 0.3},
    "power": {"b": 2.0, "c": 0.3},
    "floor": {"E": 0.1, "b": 3.0, "c": 0.2},
    "shifted": {"b": 3.0, "g": 1e-5, "c": 0.2},
    "saturating": {"E": 0.1, "L0": 0.95, "alpha": 0.7, "b": 20.0, "c": 0.3},
    "broken1": {"a": 0.1, "b": 3.0, "c0": 0.1, "c1": 0.3, "d1": 1e5, "f1": 0.4},
    "broken2": {"a": 0.1, "b": 3.0, "c0": 0.1, "c1": 0.3, "d1": 1e5, "f1": 0.4, "c2": -0.2, "d2": 1e7, "f2": 0.2},
    "joint": {"E": 0.1, "A": 3.0, "alpha": 0.2, "B": 4.0, "beta": 0.3},
    "multi_epoch": {"E": 0.1, "L0": 1.2, "a": 3.0, "alpha": 0.2, "b": 4.0, "beta": 0.3, "c": 0.1, "gamma": 0.3,
                    "delta": 0.4},
}


@pytest.mark.parametrize("name", LAWS)
def test_derivatives_equal_central_differences(name):
    law = LAWS[name]
    log_x = np.random.default_rng(1).uniform(5, 20, (len(law.sizes), 1, 9))
    theta = law.theta(**VALUES.get(name, law.truth))[None]
    _, slopes = law.form(theta, log_x)
    step = 1e-6 * np.eye(theta.shape[1])
    differences = [(law.form(theta + h, log_x)[0] - law.form(theta - h, log_x)[0]) / 2e-6 for h in step]
    np.testing.assert_allclose(slopes, np.stack(differences, axis=1), rtol=1e-5, atol=1e-7)


def test_saturating_solves_the_published_equation():
    """(eps - eps_inf) / (eps_0 - eps)^alpha = beta x^(-c), arXiv:2209.06640, solved by bisection."""
    x = np.geomspace(1, 1e9, 25)
    for alpha in (0.2, 1.0, 3.0):
        p = VALUES["saturating"] | {"alpha": alpha}

        def gap(y, size, p=p):
            return (y - p["E"]) - p["b"] * size ** -p["c"] * (p["L0"] - y) ** p["alpha"]

        expected = [brentq(gap, p["E"], p["L0"], args=(size,), xtol=1e-15) for size in x]
        np.testing.assert_allclose(LAWS["saturating"](x, **p), expected, rtol=1e-9)


def test_broken_is_the_published_product():
    """y = a + b x^-c0 prod (1 + (x / d_i)^(1 / f_i))^(-c_i f_i), arXiv:2210.14891, equation 1."""
    p, x = VALUES["broken2"], np.geomspace(10, 1e9, 30)
    one, two = ((1 + (x / p[f"d{i}"]) ** (1 / p[f"f{i}"])) ** (-p[f"c{i}"] * p[f"f{i}"]) for i in (1, 2))
    np.testing.assert_allclose(LAWS["broken2"](x, **p), p["a"] + p["b"] * x ** -p["c0"] * one * two, rtol=1e-12)


def test_joint_and_multi_epoch_are_the_published_sums():
    """Hoffmann et al. 2022, equation 2; arXiv:2605.09189, which becomes it where data are plenty and h is small."""
    random = np.random.default_rng(2)
    n, d = np.exp(random.uniform(8, 20, (2, 12)))
    t = 5 * d
    p = VALUES["joint"]
    chinchilla = p["E"] + p["A"] / n ** p["alpha"] + p["B"] / d ** p["beta"]
    np.testing.assert_allclose(LAWS["joint"](n, d, **p), chinchilla, rtol=1e-12)
    m = VALUES["multi_epoch"]
    h = m["a"] / n ** m["alpha"] + m["b"] / t ** m["beta"] + m["c"] * n ** m["gamma"] / d ** m["delta"]
    np.testing.assert_allclose(LAWS["multi_epoch"](n, d, t, **m), m["E"] + (m["L0"] - m["E"]) * h / (1 + h), rtol=1e-12)
    rare = {"E": 0.1, "L0": 1e6, "a": 3e-6, "alpha": 0.2, "b": 4e-6, "beta": 0.3, "c": 0.0, "gamma": 0.3, "delta": 1.0}
    limit = LAWS["multi_epoch"](n, d, t, **rare)
    np.testing.assert_allclose(limit, 0.1 + 3 / n**0.2 + 4 / t**0.3, rtol=1e-4)


def test_limits_between_forms():
    """Without floor: the power law. No change of slope: no break. Far from guessing: the floor law."""
    x = np.geomspace(10, 1e8, 20)
    power = LAWS["power"](x, b=3.0, c=0.2)
    np.testing.assert_allclose(LAWS["floor"](x, E=0.0, b=3.0, c=0.2), power, rtol=1e-12)
    np.testing.assert_allclose(LAWS["broken1"](x, a=0.0, b=3.0, c0=0.2, c1=0.0, d1=1e4, f1=0.3), power, rtol=1e-12)
    far = LAWS["saturating"](x, E=0.1, L0=1e9, alpha=0.5, b=3.0 * 1e9**-0.5, c=0.2)
    np.testing.assert_allclose(far, 0.1 + power, rtol=1e-6)


@pytest.mark.parametrize("name", LAWS)
def test_a_law_is_the_same_one_in_another_process(name):
    """Fits are dealt to processes: what comes back is compared with the laws here."""
    assert pickle.loads(pickle.dumps(LAWS[name])) is LAWS[name]     # noqa: S301 - of our own making
