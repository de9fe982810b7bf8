"""Scaling laws with honest uncertainty: forms, fits, intervals, verdicts, extrapolation, and whole run tables.

    >>> fit = fit_law("floor", params, y=loss)
    >>> ahead = extrapolate(examples_seen, error_rate, [1e9])
    >>> laws = fit_run_table(runs)
    >>> law = fit("runs.csv")                   # of anyone's table: law.predict, law.optimal, law.sizes_for
"""

from ecgscale.laws.ask import fit
from ecgscale.laws.average import Extrapolation, extrapolate
from ecgscale.laws.fit import Fit, fit_law
from ecgscale.laws.fitted import FittedLaw
from ecgscale.laws.forms import CURVES, LAWS, Law
from ecgscale.laws.table import fit_run_table
from ecgscale.laws.uncertainty import Bootstrap, bootstrap

__all__ = ["CURVES", "LAWS", "Bootstrap", "Extrapolation", "Fit", "FittedLaw", "Law", "bootstrap", "extrapolate",
           "fit", "fit_law", "fit_run_table"]
