"""Closed forms of the joint law against SciPy's minimiser, and small answers of a table against the planted law."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize_scalar

from ecgscale.errors import UserError
from ecgscale.laws import LAWS, fit
from ecgscale.laws.fitted import place_of
from ecgscale.laws.optimum import best_sizes, exponents, price_of_being_off, sizes_for

LAW = LAWS["joint"]
VALUES = {"E": 1.8172, "A": 482.01, "alpha": 0.3478, "B": 2085.43, "beta": 0.3658}      # Besiroglu et al. 2024
THETA = LAW.theta(**VALUES)[None]


def cheapest(cost, log_budget):
    """(log N, least loss) on the line of equal cost, by scipy."""
    def loss(log_n):
        return float(LAW(np.exp(log_n), np.exp(log_budget - cost[0] - cost[1] * log_n), **VALUES))

    found = minimize_scalar(loss, bounds=(0.0, log_budget / 1.2), method="bounded", options={"xatol": 1e-9})
    return found.x, found.fun


@pytest.mark.parametrize("cost", [(np.log(6.0), 1.0), (np.log(90.0), 0.8), (2.0, 1.3)])
@pytest.mark.parametrize("budget", [1e16, 5.88e23])
def test_best_sizes_are_the_minimum_on_the_line_of_equal_cost(cost, budget):
    log_n, log_d = best_sizes(THETA, np.log(budget), cost)
    expected, least = cheapest(cost, np.log(budget))
    assert log_n[0] == pytest.approx(expected, abs=1e-3)
    assert cost[0] + cost[1] * log_n[0] + log_d[0] == pytest.approx(np.log(budget))
    again = sizes_for(THETA, least, cost)           # the inverse: what reaches that loss costs that budget
    np.testing.assert_allclose([part[0] for part in again], [log_n[0], log_d[0], np.log(budget)], atol=1e-3)
    size, samples = exponents(THETA, cost[1])
    ten, _ = best_sizes(THETA, np.log(10 * budget), cost)
    assert (ten - log_n)[0] / np.log(10) == pytest.approx(size[0])
    assert cost[1] * size[0] + samples[0] == pytest.approx(1)


def test_tokens_a_parameter_are_the_published_ones():
    """About 18 at Chinchilla's budget of 5.88e23 FLOPs by these values (Besiroglu et al. 2024 say about 20)."""
    log_n, log_d = best_sizes(THETA, np.log(5.88e23), (np.log(6.0), 1.0))
    assert 15 < np.exp(log_d - log_n)[0] < 25


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_the_price_of_being_off_is_what_the_law_says_there(factor):
    cost, log_budget = (np.log(6.0), 1.0), np.log(1e21)
    log_n, log_d = best_sizes(THETA, log_budget, cost)
    n, d = np.exp(log_n[0]), np.exp(log_d[0])
    worse, more = price_of_being_off(THETA, log_budget, cost, factor)
    assert worse[0] == pytest.approx(LAW(factor * n, d / factor, **VALUES) / LAW(n, d, **VALUES))
    enough = more[0] * 1e21 / 6 / (factor * n)
    assert LAW(factor * n, enough, **VALUES) == pytest.approx(LAW(n, d, **VALUES))


@pytest.fixture(scope="module")
def law():
    """30 scattered runs with 0.3 % noise, headed N, D, loss; no FLOPs."""
    random = np.random.default_rng(3)
    n, d = np.exp(random.uniform(np.log([[1e6], [1e8]]), np.log([[1e9], [1e11]]), (2, 30)))
    loss = LAW(n, d, **VALUES) * np.exp(0.003 * random.standard_normal(30))
    return fit(pd.DataFrame({"N": n, "D": d, "loss": loss}), replicates=100)


def test_a_table_of_n_d_loss_answers_without_flops(law):
    assert (law.fit.law, law.fit.verdict) == ("joint", "identified")
    told = law.predict(N=1e8, D=1e10)
    truth = float(LAW(1e8, 1e10, **VALUES))
    assert told["y"] == pytest.approx(truth, rel=0.01)
    assert told["run_low"] < told["y_low"] < told["y"] < told["y_high"] < told["run_high"]
    best = law.optimal(1e25)                       # far beyond the table: the law's own, not the end of a search
    assert best["params_low"] < best["params"] < best["params_high"]
    expected, _ = cheapest((np.log(6.0), 1.0), np.log(1e25))
    assert best["params"] == pytest.approx(np.exp(expected), rel=0.5)
    assert "6 N D" in best["note"]
    assert "beyond" in best["note"]


def test_a_loss_below_the_floor_is_not_told(law):
    assert law.sizes_for(1.0)["params"] is None
    assert "below the law's floor" in law.sizes_for(1.0)["note"]
    reached = law.sizes_for(2.5)
    assert LAW(reached["params"], reached["samples"], **law.fit.estimates) == pytest.approx(2.5)
    (samples,) = law.contour(2.5, [reached["params"]])
    assert samples == pytest.approx(reached["samples"])


def test_a_law_of_one_size_answers_at_that_size_alone():
    n = np.geomspace(1e4, 1e8, 16)
    loss = (0.1 + 6 * n**-0.3) * np.exp(0.01 * np.random.default_rng(1).standard_normal(16))
    one = fit(pd.DataFrame({"params": n, "loss": loss}), replicates=20)
    assert one.predict(params=1e6)["y"] == pytest.approx(0.1 + 6 * 1e6**-0.3, rel=0.05)
    with pytest.raises(UserError, match="needs a law of model size and samples"):
        one.optimal(1e18)
    with pytest.raises(UserError, match="is asked at samples_seen"):
        one.predict(tokens=1e6)


def test_places_are_written_as_people_do():
    assert place_of("N=7B,tokens=1.4T") == {"params": 7e9, "samples_seen": 1.4e12}
    for text in ("params", "params=-1", "params=many"):
        with pytest.raises(UserError, match="is no size"):
            place_of(text)
