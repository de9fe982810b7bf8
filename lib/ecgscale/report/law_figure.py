"""One law of one size with its runs and its band, for who asks for it in Python."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from ecgscale.errors import UserError
from ecgscale.laws.fitted import FittedLaw
from ecgscale.laws.profile import profile
from ecgscale.laws.summary import exponents, with_interval
from ecgscale.report.figures import quantity
from ecgscale.report.style import COLOURS, INK, figure

PLACES = 60
BEYOND = np.log(3.0)        # drawn past the largest run


def draw_law(law: FittedLaw) -> Figure:
    """Axes in logarithms; the band is the law's 90 % interval, the title its exponents with theirs and n."""
    if len(law.sizes) != 1:
        raise UserError(f"a law of {len(law.sizes)} sizes has no single curve", field="over",
                        remedy="Fit it over one of them: fit(table, over='params')")
    fit = law.boot.fit
    at = np.linspace(fit.log_x[0].min(), fit.log_x[0].max() + BEYOND, PLACES)
    made, x = profile(fit, at[None], law.clusters), np.exp(at)
    drawn = figure(6.4, 4.2)
    axes = drawn.subplots()
    axes.set(xscale="log", yscale="log", xlabel=quantity(law.sizes[0]), ylabel=quantity(law.fit.y))
    if made is not None:
        axes.fill_between(x, *np.exp(made.curve.T), color=COLOURS["blue"], alpha=0.2, linewidth=0,
                          label="90 % interval of the law")
    axes.plot(x, np.exp(fit.law.log_curve(fit.theta, at[None])[0]), color=COLOURS["blue"], label=law.fit.formula)
    axes.plot(np.exp(fit.log_x[0]), np.exp(fit.log_y), "o", color=INK, markersize=4, label=f"runs (n = {fit.points})")
    told = ", ".join(f"{name} = {with_interval(law.fit, name)}" for name in exponents(law.fit))
    axes.set_title(f"{law.fit.law}: {told or 'no exponent'}; {law.fit.verdict}")
    axes.legend()
    return drawn
