"""Learning curves' fits with priors: the minimum is that of SciPy, started from the planted truth."""

import numpy as np
import pytest
from scipy.optimize import least_squares

from ecgscale.laws.fit import bounds
from ecgscale.laws.forms import LAWS
from ecgscale.laws.priors import PRIORS, fit_cuts

NOISE, RECENCIES, KEPT = 0.02, (0.0, 0.3), (24, 18)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("name", PRIORS)
def test_fits_of_the_curve_and_of_its_cut_equal_scipys(name, seed):
    """Squares weighted by (x / largest)^recency, and ((theta - centre) noise / width)^2, as the module says."""
    law = LAWS[name]
    log_x, log_new = np.linspace(np.log(1e4), np.log(1e8), KEPT[0]), np.log([2e8, 4e8])
    truth = law.theta(**law.truth)
    log_y = law.log_curve(truth[None], log_x[None])[0] + NOISE * np.random.default_rng(seed).standard_normal(KEPT[0])
    low, high = bounds(law, log_x[None], log_y)
    places, centres, widths = zip(*((law.names.index(one), *prior) for one, prior in PRIORS[name].items()), strict=True)

    def by_scipy(kept: int, recency: float, at: np.ndarray) -> np.ndarray:
        root = np.exp(recency * (log_x[:kept] - log_x[kept - 1]) / 2)

        def residuals(theta):
            missed = root * (log_y[:kept] - law.log_curve(theta[None], log_x[None, :kept])[0])
            return np.append(missed, (theta[list(places)] - centres) * NOISE / widths)

        found = least_squares(residuals, np.clip(truth, low + 1e-9, high - 1e-9), bounds=(low, high), xtol=1e-12)
        return law.log_curve(found.x[None], at[None])[0]

    fits = fit_cuts(name, log_x, log_y, log_new, list(KEPT[1:]), RECENCIES, NOISE)
    for place, recency in enumerate(RECENCIES):
        np.testing.assert_allclose(fits.ahead[place], by_scipy(KEPT[0], recency, log_new), rtol=0, atol=1e-3)
        np.testing.assert_allclose(fits.residuals[place], log_y - by_scipy(KEPT[0], recency, log_x), rtol=0, atol=1e-3)
        np.testing.assert_allclose(fits.misses[place, 0], by_scipy(KEPT[1], recency, log_x) - log_y, rtol=0, atol=1e-3)
