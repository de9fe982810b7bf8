"""Laws: a whole run table on one and on two processors, a thousand bootstrap refits side by side against lmfit one by
one, and curves against the published M4."""

import lmfit
import numpy as np
import pytest

from ecgscale.laws import LAWS, bootstrap, extrapolate, fit_law, fit_run_table
from ecgscale.laws.published import PUBLISHED
from tests.lib.laws.test_table import run_table

REPLICATES = 1000


@pytest.fixture(scope="module")
def fit():
    random = np.random.default_rng(1)
    x = np.exp(random.uniform(np.log(1e4), np.log(1e8), 500))
    y = LAWS["floor"](x, E=0.1, b=6.0, c=0.3) * np.exp(0.05 * random.standard_normal(500))
    return fit_law("floor", x, y=y)


@pytest.mark.benchmark(group="1000 refits of a law with floor, 500 runs")
def test_bootstrap_side_by_side(benchmark, fit):
    assert benchmark(bootstrap, fit, REPLICATES, 1).theta.shape == (REPLICATES, 3)


@pytest.mark.benchmark(group="1000 refits of a law with floor, 500 runs")
def test_bootstrap_by_lmfit(benchmark, fit):
    """The baseline, 20 refits timed: multiply by 50."""
    weights = np.random.default_rng(1).standard_exponential((20, 500))

    def residual(p, weight):
        point = np.array([[p["E"].value, p["log_b"].value, p["c"].value]])
        return np.sqrt(weight) * (fit.law.form(point, fit.log_x[:, None, :])[0][0] - fit.log_y)

    def refits():
        return [lmfit.minimize(residual, fit.result.params, args=(weight,)) for weight in weights]

    benchmark.extra_info["scale to 1000"] = REPLICATES / len(weights)
    assert len(benchmark(refits)) == 20


@pytest.mark.benchmark(group="all laws of a table of 500 runs, 1000 replicates")
@pytest.mark.parametrize("cpus", [1, 2])
def test_whole_table(benchmark, cpus):
    """One processor is the baseline. About two minutes and a half."""
    laws = benchmark.pedantic(fit_run_table, (run_table(500),), {"replicates": REPLICATES, "cpus": cpus}, rounds=1)
    assert len(laws.fits) == 157


@pytest.mark.benchmark(group="one learning curve of 20 points")
@pytest.mark.parametrize("method", ["ours", *PUBLISHED])
def test_learning_curve(benchmark, method):
    x = np.geomspace(1e6, 1e9, 20)
    y = LAWS["saturating"](x, E=0.1, L0=0.99, alpha=0.7, b=3e3, c=0.5)
    y = y * np.exp(0.005 * np.random.default_rng(1).standard_normal(20))
    at = np.array([2e9, 4e9])
    predict = PUBLISHED.get(method) or (lambda x, y, at: extrapolate(x, y, at).y)
    assert np.isfinite(benchmark(predict, x, y, at)).all()
