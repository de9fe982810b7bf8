"""The scaling laws: closed-form curves of an error-like quantity y > 0 against sizes x > 0.

A `Law` wraps an equation of `laws/equations.py` for people: names, bounds, formula, source, and a call in natural
units. In `theta`, parameters that are positive by nature stand as their logarithm (`Parameter.log`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from ecgscale.laws import equations


@dataclass(frozen=True)
class Parameter:
    """`low` and `high` are natural values; None stands for a bound that follows from the data (see fit.bounds)."""

    name: str
    log: bool = False
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Law:
    """A named equation. `exponents` are the parameters a scaling claim rests on; `sizes` names the roles of x."""

    name: str
    equation: int                # its number in `equations`
    parameters: tuple[Parameter, ...]
    exponents: tuple[str, ...]
    formula: str
    source: str
    sizes: tuple[str, ...] = ("x",)

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
        theta = np.ascontiguousarray(theta, float)
        by_point = np.ascontiguousarray(np.moveaxis(log_x, 0, -1), float)
        replicates, points = max(len(theta), len(by_point)), by_point.shape[1]
        curve = np.empty((replicates, points))
        slopes = np.empty((replicates if with_slopes else 1, points, theta.shape[1]))
        equations.follow_all(self.equation, theta, by_point, curve, slopes)
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


def breaks(count: int) -> tuple[Parameter, ...]:
    """c_i change of slope, d_i place (within the data's range), f_i sharpness (0.02: a corner, 5: no break at all)."""
    return tuple(
        parameter
        for i in range(1, count + 1)
        for parameter in (Parameter(f"c{i}", low=-5.0, high=5.0), Parameter(f"d{i}", log=True),
                          Parameter(f"f{i}", log=True, low=0.02, high=5.0))
    )


LAWS: dict[str, Law] = {
    law.name: law
    for law in (
        Law("constant", equations.CONSTANT, (E_FLOOR("E"),), (), "y = E", "no effect"),
        Law("power", equations.POWER, (COEFFICIENT("b"), Parameter("c", low=-5.0, high=5.0)), ("c",), "y = b x^-c",
            "Hestness et al. 2017, arXiv:1712.00409"),
        Law("floor", equations.FLOOR, (E_FLOOR("E"), COEFFICIENT("b"), EXPONENT("c")), ("c",), "y = E + b x^-c",
            "Rosenfeld et al. 2020, arXiv:1909.12673"),
        Law("shifted", equations.SHIFTED, (COEFFICIENT("b"), Parameter("g", log=True), EXPONENT("c")), ("c",),
            "y = b (1/x + g)^c", "Bansal et al. 2022, arXiv:2202.01994"),
        Law("saturating", equations.SATURATING,
            (E_FLOOR("E"), Parameter("L0", log=True), Parameter("alpha", low=0.05, high=8.0), COEFFICIENT("b"),
             EXPONENT("c")),
            ("c",), "(y - E) / (L0 - y)^alpha = b x^-c", "Alabdulmohsin et al. 2022, arXiv:2209.06640"),
        Law("broken1", equations.BROKEN1,
            (E_FLOOR("a"), COEFFICIENT("b"), Parameter("c0", low=-5.0, high=5.0), *breaks(1)), ("c0", "c1"),
            "y = a + b x^-c0 (1 + (x/d1)^(1/f1))^(-c1 f1)", "Caballero et al. 2023, arXiv:2210.14891"),
        Law("broken2", equations.BROKEN2,
            (E_FLOOR("a"), COEFFICIENT("b"), Parameter("c0", low=-5.0, high=5.0), *breaks(2)), ("c0", "c1", "c2"),
            "y = a + b x^-c0 prod_i (1 + (x/d_i)^(1/f_i))^(-c_i f_i)", "Caballero et al. 2023, arXiv:2210.14891"),
        Law("joint", equations.JOINT,
            (E_FLOOR("E"), COEFFICIENT("A"), EXPONENT("alpha"), COEFFICIENT("B"), EXPONENT("beta")),
            ("alpha", "beta"), "L = E + A/N^alpha + B/D^beta", "Hoffmann et al. 2022, arXiv:2203.15556",
            sizes=("N", "D")),
        Law("multi_epoch", equations.MULTI_EPOCH,
            (E_FLOOR("E"), Parameter("L0", log=True), COEFFICIENT("a"), EXPONENT("alpha"), COEFFICIENT("b"),
             EXPONENT("beta"), COEFFICIENT("c"), EXPONENT("gamma"), EXPONENT("delta")),
            ("alpha", "beta", "gamma", "delta"),
            "L = E + (L0 - E) h/(1 + h), h = a/N^alpha + b/T^beta + c N^gamma/D^delta", "arXiv:2605.09189",
            sizes=("N", "D", "T")),
    )
}

CURVES = tuple(name for name, law in LAWS.items() if len(law.sizes) == 1 and name != "constant")
