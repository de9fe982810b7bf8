"""Scaling laws with honest uncertainty: forms, fits, intervals, verdicts, extrapolation, and whole run tables.

    >>> fit = fit_law("floor", params, y=loss)
    >>> laws = fit_run_table(runs)
"""

from ecgscale.laws.fit import Fit, fit_law
from ecgscale.laws.forms import CURVES, LAWS, Law
from ecgscale.laws.table import fit_run_table
from ecgscale.laws.uncertainty import Bootstrap, bootstrap

__all__ = ["CURVES", "LAWS", "Bootstrap", "Fit", "Law", "bootstrap", "fit_law", "fit_run_table"]
