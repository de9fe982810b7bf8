"""What a law is: a closed-form curve of an error-like quantity y > 0 against sizes x > 0.

In `theta`, parameters that are positive by nature stand as their logarithm (`Parameter.log`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from math import exp, log

import numpy as np

from ecgscale.machine.compiled import compiled

TINY = 1e-300
MOST = 700.0            # of an exponent: above it a double overflows


@dataclass(frozen=True)
class Parameter:
    """`low` and `high` are natural values; None stands for a bound that follows from the data (see fit.bounds)."""

    name: str
    log: bool = False
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Law:
    """A named law, whole. `exponents` are the parameters a scaling claim rests on; `sizes` names the roles of x.

    `equation(theta, log_x, curve, slopes)` is compiled, since the intervals of one table need some hundred million
    points: of theta (parameter,) and log_x (point, size) it fills curve (point,) with log y and slopes (point,
    parameter) with its derivatives. `grid(log_x, log_y, weights)` says where a search starts (see start.py). `truth`
    are the natural values of the tables that coverage is counted on, `levels` what moves with all of a law (of those
    that can be a frontier's), `known` what a run table knows, `simpler` the law that this one contains and has to beat,
    `priors` what continues a learning curve (priors.py). E, a, L0, g, d1 and d2 are bounded by the data (fit.bounds).
    """

    name: str
    equation: Callable = field(compare=False)
    grid: Callable = field(compare=False)
    parameters: tuple[Parameter, ...]
    exponents: tuple[str, ...]
    formula: str
    source: str
    sizes: tuple[str, ...] = ("x",)
    truth: dict[str, float] = field(default_factory=dict, compare=False)
    levels: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    simpler: str = ""
    priors: dict[str, tuple[float, float]] = field(default_factory=dict, compare=False)

    def __reduce__(self) -> tuple:
        """Between processes a law goes by its name."""
        from ecgscale.laws.forms import named

        return named, (self.name,)

    @property
    def number(self) -> int:
        """Its place among all laws, by which compiled code calls it."""
        from ecgscale.laws.forms import LAWS

        return list(LAWS).index(self.name)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(parameter.name for parameter in self.parameters)

    @property
    def several_breaks(self) -> bool:
        return "d2" in self.names

    def theta(self, **values: float) -> np.ndarray:
        """Natural values by name -> (parameter,) coordinates of the form. Positive values may be 0 (log: -700)."""
        rows = [np.log(max(values[p.name], 1e-304)) if p.log else values[p.name] for p in self.parameters]
        return np.array(rows, dtype=float)

    def natural(self, theta: np.ndarray) -> np.ndarray:
        """Coordinates (..., parameter) -> natural values (..., parameter)."""
        logs = np.array([parameter.log for parameter in self.parameters])
        return np.where(logs, np.exp(np.minimum(np.where(logs, theta, 0.0), 700.0)), theta)

    def form(self, theta: np.ndarray, log_x: np.ndarray,
             with_slopes: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """log y (replicate, point) and its derivatives (replicate, parameter, point) for theta (replicate, parameter)
        and log_x (size, replicate or 1, point)."""
        from ecgscale.laws.forms import follow_all  # which knows every law by its number

        theta = np.ascontiguousarray(theta, float)
        by_point = np.ascontiguousarray(log_x.transpose(1, 2, 0), float)
        replicates, points = max(len(theta), len(by_point)), by_point.shape[1]
        curve = np.empty((replicates, points))
        slopes = np.empty((replicates if with_slopes else 1, points, theta.shape[1]))
        follow_all(self.number, theta, by_point, curve, slopes)
        return curve, slopes.transpose(0, 2, 1)

    def log_curve(self, theta: np.ndarray, log_x: np.ndarray) -> np.ndarray:
        """log y (replicate, point) for theta (replicate, parameter) and log_x (size, point)."""
        return self.form(np.atleast_2d(theta), log_x[:, None, :], with_slopes=False)[0]

    def __call__(self, *x: np.ndarray, **values: float) -> np.ndarray:
        """y at sizes x, one array a size, with natural parameter values: `LAWS["floor"](n, E=0.1, b=3, c=0.2)`."""
        points = np.array(np.broadcast_arrays(*(np.asarray(size, dtype=float) for size in x)))
        curve = self.log_curve(self.theta(**values), np.log(points.reshape(len(x), -1)))
        return np.exp(curve[0]).reshape(points.shape[1:])


E_FLOOR, COEFFICIENT = partial(Parameter, low=0.0), partial(Parameter, log=True)
EXPONENT = partial(Parameter, low=0.0, high=5.0)


@compiled
def bend(z):
    """log(1 + exp(z)) and its derivative, the logistic function, from one exponential that cannot overflow."""
    small = exp(-abs(z))
    whole = 1.0 + small
    return max(z, 0.0) + log(whole), (1.0 if z > 0 else small) / whole
