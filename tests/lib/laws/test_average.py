"""Extrapolation: planted curves, public learning curves of language models, the published estimators' own equations."""

import numpy as np
import pandas as pd
import pytest

from ecgscale.errors import UserError
from ecgscale.laws import LAWS, extrapolate
from ecgscale.laws.average import weighted_median
from ecgscale.laws.published import PUBLISHED


@pytest.fixture(scope="module")
def curves(shared):
    """(domain, x, y, x_new, y_new) of the 20 curves, without the file's repeated rows."""
    table = pd.read_csv(shared / "data" / "scaling" / "learning_curves_language.csv").drop_duplicates()
    out = []
    for (domain, _, _), curve in table.groupby(["Domain", "Task", "Model"]):
        parts = [curve[curve["Training"].eq(one)].sort_values("Seen Examples") for one in (1, 0)]
        out.append((domain, *(part[name].to_numpy(float) for part in parts for name in ("Seen Examples", "Loss"))))
    return out


def rmse(prediction, truth) -> float:
    return float(np.sqrt(np.mean(np.log(prediction / truth) ** 2)))


@pytest.mark.parametrize(("law", "values"), [
    ("floor", {"E": 0.2, "b": 40.0, "c": 0.35}),
    ("saturating", {"E": 0.1, "L0": 0.99, "alpha": 0.7, "b": 3e3, "c": 0.5}),
    ("shifted", {"b": 500.0, "g": 1e-9, "c": 0.4}),
])
def test_a_planted_curve_is_continued(law, values):
    """0.5 % noise, four times the size: within 5 %, and the interval holds the truth."""
    x = np.geomspace(1e6, 1e9, 20)
    at = np.array([2e9, 4e9])
    y = LAWS[law](x, **values) * np.exp(0.005 * np.random.default_rng(1).standard_normal(20))
    ahead = extrapolate(x, y, at)
    truth = LAWS[law](at, **values)
    np.testing.assert_allclose(ahead.y, truth, rtol=0.05)
    assert (ahead.low < truth).all()
    assert (truth < ahead.high).all()
    assert sum(ahead.weights.values()) == pytest.approx(1)


def test_order_of_points_does_not_matter():
    x = np.geomspace(1e6, 1e9, 12)
    y = 0.1 + 30 * x**-0.3
    back = extrapolate(x[::-1], y[::-1], [2e9]).y
    np.testing.assert_allclose(extrapolate(x, y, [2e9]).y, back, rtol=1e-6)


def test_public_curves_against_the_published_estimators(curves):
    """Mean over domains of the error on the held-out part (arXiv:2209.06640's measure): below each of M1 to M4, below
    a tenth of the plain power law, and most curves better than M4."""
    methods = PUBLISHED | {"ours": lambda x, y, at: extrapolate(x, y, at).y}
    rows = [(domain, name, rmse(method(x, y, at), truth))
            for domain, x, y, at, truth in curves for name, method in methods.items()]
    table = pd.DataFrame(rows, columns=["domain", "method", "rmse"])
    means = table.pivot_table(index="method", columns="domain", values="rmse").mean(axis=1)
    assert means["ours"] < means[list(PUBLISHED)].min()
    assert means["ours"] < means["M1"] / 10
    ours, m4 = (table.loc[table["method"].eq(name), "rmse"].to_numpy() for name in ("ours", "M4"))
    assert np.mean(ours < m4) >= 0.75


def test_intervals_on_public_curves(curves):
    """Nominal 90 % on held-out points, curves weighted equally."""
    shares = []
    for _, x, y, at, truth in curves:
        ahead = extrapolate(x, y, at)
        shares.append(np.mean((ahead.low <= truth) & (truth <= ahead.high)))
    assert 0.8 <= np.mean(shares) <= 0.97


@pytest.mark.parametrize(("name", "law", "values"), [
    ("M1", "power", {"b": 30.0, "c": 0.3}),
    ("M2", "floor", {"E": 0.2, "b": 40.0, "c": 0.35}),
    ("M3", "shifted", {"b": 500.0, "g": 1e-9, "c": 0.4}),
    ("M4", "saturating", {"E": 0.1, "L0": 0.999, "alpha": 0.7, "b": 3e3, "c": 0.5}),
])
def test_published_estimators_continue_their_own_equation(name, law, values):
    x, at = np.geomspace(1e6, 1e9, 20), np.array([4e9])
    np.testing.assert_allclose(PUBLISHED[name](x, LAWS[law](x, **values), at), LAWS[law](at, **values), rtol=0.01)


def test_weighted_median_ignores_one_that_runs_away():
    values = np.array([[1.0], [1.1], [50.0]])
    assert weighted_median(values, np.array([0.4, 0.4, 0.2]))[0] < 1.2


def test_too_few_points_are_refused():
    with pytest.raises(UserError, match="at least 5"):
        extrapolate([1, 2, 3], np.array([1.0, 0.9, 0.8]), [10])
