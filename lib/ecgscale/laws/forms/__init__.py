"""The scaling laws, a file each: equation, slopes, where its search starts, bounds, formula, source, planted truth."""

from __future__ import annotations

import warnings
from importlib import import_module

from numba import literal_unroll
from numba.core.errors import NumbaExperimentalFeatureWarning

from ecgscale.laws.forms.law import Law, Parameter
from ecgscale.machine.compiled import compiled

__all__ = ["CURVES", "LAWS", "Law", "Parameter", "follow", "follow_all", "named"]

# equations are called by pointers, which numba calls experimental; tests/lib/laws/test_forms.py holds what they give
warnings.filterwarnings("ignore", category=NumbaExperimentalFeatureWarning)

MODULES = ("constant", "power", "floor", "shifted", "saturating", "broken", "joint", "multi_epoch")

LAWS: dict[str, Law] = {law.name: law for module in MODULES
                        for law in import_module(f"ecgscale.laws.forms.{module}").LAWS}
CURVES = tuple(name for name, law in LAWS.items() if len(law.sizes) == 1 and name != "constant")
NUMBERED = tuple((number, law.equation) for number, law in enumerate(LAWS.values()))


def named(name: str) -> Law:
    return LAWS[name]


@compiled
def follow(number, theta, log_x, curve, slopes):
    """Fill curve and slopes by the law of this number."""
    for numbered in literal_unroll(NUMBERED):
        if numbered[0] == number:
            numbered[1](theta, log_x, curve, slopes)


@compiled
def follow_all(number, theta, log_x, curve, slopes):
    """Fill curve (replicate, point) and slopes (replicate or 1, point, parameter); with one replicate of slopes, those
    of the last. theta (replicate or 1, parameter); log_x (replicate or 1, point, size)."""
    for i in range(len(curve)):
        follow(number, theta[min(i, len(theta) - 1)], log_x[min(i, len(log_x) - 1)], curve[i],
               slopes[min(i, len(slopes) - 1)])
