"""The imitation of the published iterations, which the comparison in docs/explanation/extrapolation.md uses."""

import numpy as np

from ecgscale.laws import LAWS
from ecgscale.laws.published import PUBLISHED
from tests.stepped_estimators import STEPPED

X, AT = np.geomspace(1e6, 1e9, 16), np.array([2e9, 4e9])


def test_where_nothing_bends_the_steps_end_at_the_minimum():
    """A power law far above its floor: M3's start g = 0 is the minimum of its objective."""
    y = LAWS["power"](X, b=30.0, c=0.3)
    np.testing.assert_allclose(STEPPED["M3 stepped"](X, y, AT), PUBLISHED["M3"](X, y, AT), rtol=1e-6)


def test_the_steps_of_m4_solve_their_equation():
    """A floor that the start, the smallest y less 1e-3, has already: M2 and M4 both continue it to 1 %."""
    y = LAWS["floor"](X, E=0.3, b=4e3, c=0.75)
    for name in ("M2 stepped", "M4 stepped"):
        np.testing.assert_allclose(STEPPED[name](X, y, AT), LAWS["floor"](AT, E=0.3, b=4e3, c=0.75), rtol=0.01)
