"""The scaling laws: closed-form curves of an error-like quantity y > 0 against sizes x > 0.

Every form is one pure function of `theta` (replicate, parameter) and `log_x` (size, replicate or 1, point) that gives
log y (replicate, point) and its derivatives (replicate, parameter, point); replicates are fitted side by side, which
is what makes a thousand bootstrap refits cheap. In `theta`, parameters that are positive by nature stand as their
logarithm (`Parameter.log`). A `Law` wraps a form for people: names, bounds, formula, source, and a call in natural
units.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

TINY = 1e-300
NEWTON = 8              # steps at most; quadratic, so far more than enough


@dataclass(frozen=True)
class Parameter:
    """`low` and `high` are natural values; None stands for a bound that follows from the data (see fit.bounds)."""

    name: str
    log: bool = False
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Law:
    """A named form. `exponents` are the parameters a scaling claim rests on; `sizes` names the roles of x."""

    name: str
    form: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
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

    def log_curve(self, theta: np.ndarray, log_x: np.ndarray) -> np.ndarray:
        """log y (replicate, point) for theta (replicate, parameter) and log_x (size, point)."""
        return self.form(np.atleast_2d(theta), log_x[:, None, :])[0]

    def __call__(self, *x: np.ndarray, **values: float) -> np.ndarray:
        """y at sizes x, one array a size, with natural parameter values: `LAWS["floor"](n, E=0.1, b=3, c=0.2)`."""
        points = np.array(np.broadcast_arrays(*(np.asarray(size, dtype=float) for size in x)))
        curve = self.log_curve(self.theta(**values), np.log(points.reshape(len(x), -1)))
        return np.exp(curve[0]).reshape(points.shape[1:])


def bend(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """log(1 + exp(z)) and its derivative, the logistic function, from one exponential that cannot overflow."""
    small = np.exp(-np.abs(z))
    whole = 1.0 + small
    return np.maximum(z, 0.0) + np.log(whole), np.where(z > 0, 1.0, small) / whole


def columns(theta: np.ndarray) -> list[np.ndarray]:
    """theta (replicate, parameter) -> one (replicate, 1) column a parameter."""
    return list(theta.T[:, :, None])


def constant(theta, log_x):
    """y = E. No effect of any size: what every other law has to beat."""
    (E,) = columns(theta)
    shape = (theta.shape[0], log_x.shape[-1])
    E = np.broadcast_to(np.maximum(E, TINY), shape)
    return np.log(E), (1.0 / E)[:, None, :]


def power(theta, log_x):
    """y = b x^(-c). Hestness et al. 2017, arXiv:1712.00409 (there alpha m^beta + gamma; checked in a digest of it);
    estimator M1 of Alabdulmohsin et al. 2022 (checked in their code)."""
    log_b, c = columns(theta)
    u = np.broadcast_to(log_x[0], (theta.shape[0], log_x.shape[-1]))
    return log_b - c * u, np.stack([np.ones_like(u), -u], axis=1)


def floor(theta, log_x):
    """y = E + b x^(-c). Hestness et al. 2017, arXiv:1712.00409 (alpha m^beta + gamma; checked in a digest of it); in
    two sizes, a n^-alpha + b m^-beta + c, Rosenfeld et al. 2020, arXiv:1909.12673, equation 4 (checked in a digest of
    it; their envelope for random guessing, equation 5, is not used); estimator M2 of Alabdulmohsin et al. 2022 (checked
    in their code)."""
    E, log_b, c = columns(theta)
    u = log_x[0]
    part = np.exp(np.minimum(log_b - c * u, 700.0))
    y = np.maximum(E + part, TINY)
    share = part / y
    return np.log(y), np.stack([1.0 / y, share, -u * share], axis=1)


def shifted(theta, log_x):
    """y = b (1 / x + g)^c: samples beyond 1 / g no longer help. Estimator M3 of Alabdulmohsin et al. 2022 (checked in
    their code); after Bansal et al. 2022, arXiv:2202.01994 (its abstract names a power law in the samples; the formula
    was not found, so not checked)."""
    log_b, log_g, c = columns(theta)
    log_sum = np.logaddexp(-log_x[0], log_g)
    share = np.exp(log_g - log_sum)
    return log_b + c * log_sum, np.stack([np.ones_like(share), c * share, log_sum], axis=1)


def broken(theta, log_x, breaks: int):
    """y = a + b x^(-c0) prod_i (1 + (x / d_i)^(1 / f_i))^(-c_i f_i). Caballero et al. 2023, arXiv:2210.14891
    (checked in the authors' code for one break)."""
    a, log_b, c0, *rest = columns(theta)
    u = log_x[0]
    log_part = log_b - c0 * u
    slopes = [np.ones_like(log_part), np.broadcast_to(-u, log_part.shape)]
    for i in range(breaks):
        c, log_d, log_f = rest[3 * i : 3 * i + 3]
        f = np.exp(log_f)
        z = (u - log_d) / f
        height, rate = bend(z)
        log_part = log_part - c * f * height
        slopes += [-f * height, c * rate, -c * f * (height - z * rate)]
    part = np.exp(np.minimum(log_part, 700.0))
    y = np.maximum(a + part, TINY)
    share = part / y
    return np.log(y), np.stack([1.0 / y, *(share * slope for slope in slopes)], axis=1)


def saturating(theta, log_x):
    """(y - E) / (L0 - y)^alpha = b x^(-c): from random guessing L0 down to the floor E.

    Alabdulmohsin, Neyshabur and Zhai 2022, arXiv:2209.06640, estimator M4 (their err_inf = E, err_0 = L0; checked in
    their code, where c carries the sign). alpha = 0 is the power law with floor; as x grows every alpha becomes one.
    Solved for y by Newton's method on the logit of w = (y - E) / (L0 - E), in which the left side is monotone with
    slope between 1 and alpha.
    """
    E, log_L0, alpha, log_b, c = columns(theta)
    u = log_x[0]
    L0 = np.exp(log_L0)
    gap = np.maximum(L0 - E, 1e-12 * L0)
    log_gap = np.log(gap)
    t = log_b - c * u + (alpha - 1.0) * log_gap
    s = np.where(t < 0, t, t / alpha)
    for _ in range(NEWTON):
        height, w = bend(s)
        step = (s - height + alpha * height - t) / (1.0 - w + alpha * w)
        s = s - step
        if not np.any(np.abs(step) > 1e-6):     # quadratic: the next step would be about its square
            break
    height, w = bend(s)
    log_rest = -height                              # log(1 - w)
    slope = w * (1.0 - w) / (1.0 - w + alpha * w)   # dw / dt
    y = np.maximum(E + gap * w, TINY)
    by_gap = (w + slope * (alpha - 1.0)) / y        # d log y / d gap, at fixed E
    return np.log(y), np.stack([
        1.0 / y - by_gap,
        L0 * by_gap,
        gap * slope * (log_gap + log_rest) / y,
        gap * slope / y,
        -u * gap * slope / y,
    ], axis=1)


def joint(theta, log_x):
    """L = E + A / N^alpha + B / D^beta. Hoffmann et al. 2022, arXiv:2203.15556, their third approach, equation 2
    (checked in others' accounts of it, not in the paper)."""
    E, log_A, alpha, log_B, beta = columns(theta)
    n, d = log_x
    by_n = np.exp(np.minimum(log_A - alpha * n, 700.0))
    by_d = np.exp(np.minimum(log_B - beta * d, 700.0))
    y = np.maximum(E + by_n + by_d, TINY)
    by_n, by_d = by_n / y, by_d / y
    return np.log(y), np.stack([1.0 / y, by_n, -n * by_n, by_d, -d * by_d], axis=1)


def multi_epoch(theta, log_x):
    """L = E + (L0 - E) h / (1 + h), h = a / N^alpha + b / T^beta + c N^gamma / D^delta.

    N parameters, D unique samples, T samples seen: too small, trained too short, overfitted. Bounded by the floor E and
    the loss L0 of an uninformed guess. Bryant and Liu 2026, "Practical Scaling Laws", arXiv:2605.09189 (checked in two
    digests of it). Muennighoff et al. 2023, arXiv:2305.16264, is another law of these sizes, neither bounded nor able
    to overfit: not fitted here.
    """
    E, log_L0, log_a, alpha, log_b, beta, log_c, gamma, delta = columns(theta)
    n, d, t = log_x
    L0 = np.exp(log_L0)
    gap = np.maximum(L0 - E, 1e-12 * L0)
    small = np.exp(np.minimum(log_a - alpha * n, 300.0))
    short = np.exp(np.minimum(log_b - beta * t, 300.0))
    over = np.exp(np.minimum(log_c + gamma * n - delta * d, 300.0))
    h = small + short + over
    w = h / (1.0 + h)
    y = np.maximum(E + gap * w, TINY)
    rate = gap / ((1.0 + h) ** 2 * y)               # d log y / dh
    small, short, over = small * rate, short * rate, over * rate
    return np.log(y), np.stack([
        (1.0 - w) / y, L0 * w / y, small, -n * small, short, -t * short, over, n * over, -d * over,
    ], axis=1)


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
        Law("constant", constant, (E_FLOOR("E"),), (), "y = E", "no effect"),
        Law("power", power, (COEFFICIENT("b"), Parameter("c", low=-5.0, high=5.0)), ("c",), "y = b x^-c",
            "Hestness et al. 2017, arXiv:1712.00409"),
        Law("floor", floor, (E_FLOOR("E"), COEFFICIENT("b"), EXPONENT("c")), ("c",), "y = E + b x^-c",
            "Rosenfeld et al. 2020, arXiv:1909.12673"),
        Law("shifted", shifted, (COEFFICIENT("b"), Parameter("g", log=True), EXPONENT("c")), ("c",),
            "y = b (1/x + g)^c", "Bansal et al. 2022, arXiv:2202.01994"),
        Law("saturating", saturating,
            (E_FLOOR("E"), Parameter("L0", log=True), Parameter("alpha", low=0.05, high=8.0), COEFFICIENT("b"),
             EXPONENT("c")),
            ("c",), "(y - E) / (L0 - y)^alpha = b x^-c", "Alabdulmohsin et al. 2022, arXiv:2209.06640"),
        Law("broken1", partial(broken, breaks=1),
            (E_FLOOR("a"), COEFFICIENT("b"), Parameter("c0", low=-5.0, high=5.0), *breaks(1)), ("c0", "c1"),
            "y = a + b x^-c0 (1 + (x/d1)^(1/f1))^(-c1 f1)", "Caballero et al. 2023, arXiv:2210.14891"),
        Law("broken2", partial(broken, breaks=2),
            (E_FLOOR("a"), COEFFICIENT("b"), Parameter("c0", low=-5.0, high=5.0), *breaks(2)), ("c0", "c1", "c2"),
            "y = a + b x^-c0 prod_i (1 + (x/d_i)^(1/f_i))^(-c_i f_i)", "Caballero et al. 2023, arXiv:2210.14891"),
        Law("joint", joint,
            (E_FLOOR("E"), COEFFICIENT("A"), EXPONENT("alpha"), COEFFICIENT("B"), EXPONENT("beta")),
            ("alpha", "beta"), "L = E + A/N^alpha + B/D^beta", "Hoffmann et al. 2022, arXiv:2203.15556",
            sizes=("N", "D")),
        Law("multi_epoch", multi_epoch,
            (E_FLOOR("E"), Parameter("L0", log=True), COEFFICIENT("a"), EXPONENT("alpha"), COEFFICIENT("b"),
             EXPONENT("beta"), COEFFICIENT("c"), EXPONENT("gamma"), EXPONENT("delta")),
            ("alpha", "beta", "gamma", "delta"),
            "L = E + (L0 - E) h/(1 + h), h = a/N^alpha + b/T^beta + c N^gamma/D^delta", "arXiv:2605.09189",
            sizes=("N", "D", "T")),
    )
}

CURVES = tuple(name for name, law in LAWS.items() if len(law.sizes) == 1 and name != "constant")
