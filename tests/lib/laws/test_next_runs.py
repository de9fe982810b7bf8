"""Advice on how many runs would identify a law, against tables planted at just those sizes."""

import numpy as np
import pytest
from scipy import stats

from ecgscale.laws.fit import Fit, fit_law
from ecgscale.laws.next_runs import grid, would_identify
from ecgscale.laws.planted import TRUTH, Noise, planted
from ecgscale.laws.uncertainty import LEVEL

NOISE = {"power": 0.6, "floor": 0.1, "joint": 0.1}     # of log y: such that the fewest runs do not do
WANTED = 0.25           # half width over exponent
TABLES = 150


@pytest.fixture(scope="module", params=list(NOISE))
def fitted(request) -> Fit:
    """Of so many runs that its estimates and its noise are nearly the planted ones."""
    table = planted(request.param, 600, Noise(NOISE[request.param]), np.random.default_rng(4))
    return fit_law(request.param, *np.exp(table.log_x), y=np.exp(table.log_y))


def half_width(fit: Fit, log_x: np.ndarray, seed: int) -> float:
    """The widest of the exponents: Student's t times the spread of the estimates from planted tables at log_x."""
    random, law, truth = np.random.default_rng(seed), fit.law, TRUTH[fit.law.name]
    exact = np.log(law(*np.exp(log_x), **truth))
    made = [fit_law(law.name, *np.exp(log_x), y=np.exp(exact + NOISE[law.name] * random.standard_normal(len(exact))))
            for _ in range(TABLES)]
    reach = stats.t.ppf((1 + LEVEL) / 2, log_x.shape[1] - len(law.parameters))
    return max(reach * stats.iqr([one.theta[law.names.index(name)] for one in made], scale="normal") / truth[name]
               for name in law.exponents)


def test_tables_of_the_advised_size_tell_the_exponents_as_promised(fitted):
    advice = would_identify(fitted, WANTED)
    assert advice
    for way in advice:
        low, high = np.log(way["low"]), np.log(way["high"])
        side = round(way["runs"] ** (1 / len(low)))
        assert side ** len(low) == way["runs"]
        found = half_width(fitted, grid(low, high, side), seed=way["runs"])
        assert found == pytest.approx(WANTED, rel=0.3), way     # grids are in steps, of a sixth and more


def test_wider_designs_are_named_only_where_they_take_fewer_runs(fitted):
    advice = would_identify(fitted, WANTED)
    runs, reach = [way["runs"] for way in advice], [way["high"][0] for way in advice]
    assert runs == sorted(set(runs), reverse=True)
    assert reach == sorted(set(reach))


def test_nothing_is_advised_where_no_number_of_runs_would_do(fitted):
    assert would_identify(fitted, 1e-6) == []
