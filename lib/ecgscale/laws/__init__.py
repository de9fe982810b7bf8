"""Scaling laws with honest uncertainty: forms, fits, intervals, verdicts, extrapolation, and whole run tables.

    >>> fit = fit_law("floor", params, y=loss)
    >>> ahead = extrapolate(examples_seen, error_rate, [1e9])
    >>> laws = fit_run_table(runs)
"""

from ecgscale.laws.average import Extrapolation, extrapolate
from ecgscale.laws.fit import Fit, fit_law
from ecgscale.laws.forms import CURVES, LAWS, Law
from ecgscale.laws.table import fit_run_table
from ecgscale.laws.uncertainty import Bootstrap, bootstrap

__all__ = ["CURVES", "LAWS", "Bootstrap", "Extrapolation", "Fit", "Law", "bootstrap", "extrapolate", "fit_law",
           "fit_run_table"]
