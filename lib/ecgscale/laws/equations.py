"""The equations of the scaling laws: log y of an error-like quantity y > 0 at sizes x > 0, and its slopes.

Each takes `theta` (parameter,) and `log_x` (point, size), fills `curve` (point,) with log y and `slopes` (point,
parameter) with its derivatives. In `theta`, parameters that are positive by nature stand as their logarithm. numba
compiles them, since the intervals of one table need some hundred million points: `follow` calls them by number.
"""

from __future__ import annotations

from math import exp, log

from ecgscale.machine.compiled import compiled

CONSTANT, POWER, FLOOR, SHIFTED, SATURATING, BROKEN1, BROKEN2, JOINT, MULTI_EPOCH = range(9)
TINY = 1e-300
MOST = 700.0            # of an exponent: above it a double overflows
NEWTON = 8              # steps at most; quadratic, so far more than enough


@compiled
def constant(theta, log_x, curve, slopes):
    """y = E. No effect of any size: what every other law has to beat."""
    E = max(theta[0], TINY)
    for j in range(len(log_x)):
        curve[j], slopes[j, 0] = log(E), 1.0 / E


@compiled
def power(theta, log_x, curve, slopes):
    """y = b x^(-c). Hestness et al. 2017, arXiv:1712.00409 (there alpha m^beta + gamma; checked in a digest of it);
    estimator M1 of Alabdulmohsin et al. 2022 (checked in their code)."""
    log_b, c = theta[0], theta[1]
    for j in range(len(log_x)):
        u = log_x[j, 0]
        curve[j] = log_b - c * u
        slopes[j, 0], slopes[j, 1] = 1.0, -u


@compiled
def floor(theta, log_x, curve, slopes):
    """y = E + b x^(-c). Hestness et al. 2017, arXiv:1712.00409 (alpha m^beta + gamma; checked in a digest of it); in
    two sizes, a n^-alpha + b m^-beta + c, Rosenfeld et al. 2020, arXiv:1909.12673, equation 4 (checked in a digest of
    it; their envelope for random guessing, equation 5, is not used); estimator M2 of Alabdulmohsin et al. 2022 (checked
    in their code)."""
    E, log_b, c = theta[0], theta[1], theta[2]
    for j in range(len(log_x)):
        u = log_x[j, 0]
        part = exp(min(log_b - c * u, MOST))
        y = max(E + part, TINY)
        curve[j], share = log(y), part / y
        slopes[j, 0], slopes[j, 1], slopes[j, 2] = 1.0 / y, share, -u * share


@compiled
def bend(z):
    """log(1 + exp(z)) and its derivative, the logistic function, from one exponential that cannot overflow."""
    small = exp(-abs(z))
    whole = 1.0 + small
    return max(z, 0.0) + log(whole), (1.0 if z > 0 else small) / whole


@compiled
def shifted(theta, log_x, curve, slopes):
    """y = b (1 / x + g)^c: samples beyond 1 / g no longer help. Estimator M3 of Alabdulmohsin et al. 2022 (checked in
    their code); after Bansal et al. 2022, arXiv:2202.01994 (its abstract names a power law in the samples; the formula
    was not found, so not checked)."""
    log_b, log_g, c = theta[0], theta[1], theta[2]
    for j in range(len(log_x)):
        u = log_x[j, 0]
        height, share = bend(log_g + u)
        log_sum = height - u
        curve[j] = log_b + c * log_sum
        slopes[j, 0], slopes[j, 1], slopes[j, 2] = 1.0, c * share, log_sum


@compiled
def broken(theta, log_x, curve, slopes, breaks):
    """y = a + b x^(-c0) prod_i (1 + (x / d_i)^(1 / f_i))^(-c_i f_i). Caballero et al. 2023, arXiv:2210.14891
    (checked in the authors' code for one break)."""
    a, log_b, c0 = theta[0], theta[1], theta[2]
    for j in range(len(log_x)):
        curve[j] = log_b - c0 * log_x[j, 0]
        slopes[j, 1], slopes[j, 2] = 1.0, -log_x[j, 0]
    for i in range(3, 3 + 3 * breaks, 3):
        c, log_d, f = theta[i], theta[i + 1], exp(theta[i + 2])
        for j in range(len(log_x)):
            z = (log_x[j, 0] - log_d) / f
            height, rate = bend(z)
            curve[j] -= c * f * height
            slopes[j, i], slopes[j, i + 1], slopes[j, i + 2] = -f * height, c * rate, -c * f * (height - z * rate)
    for j in range(len(log_x)):
        part = exp(min(curve[j], MOST))
        y = max(a + part, TINY)
        curve[j], slopes[j, 0] = log(y), 1.0 / y
        for i in range(1, 3 + 3 * breaks):
            slopes[j, i] *= part / y


@compiled
def saturating(theta, log_x, curve, slopes):
    """(y - E) / (L0 - y)^alpha = b x^(-c): from random guessing L0 down to the floor E.

    Alabdulmohsin, Neyshabur and Zhai 2022, arXiv:2209.06640, estimator M4 (their err_inf = E, err_0 = L0; checked in
    their code, where c carries the sign). alpha = 0 is the power law with floor; as x grows every alpha becomes one.
    Solved for y by Newton's method on the logit of w = (y - E) / (L0 - E), in which the left side is monotone with
    slope between 1 and alpha.
    """
    E, L0, alpha, log_b, c = theta[0], exp(theta[1]), theta[2], theta[3], theta[4]
    gap = max(L0 - E, 1e-12 * L0)
    log_gap = log(gap)
    for j in range(len(log_x)):
        u = log_x[j, 0]
        t = log_b - c * u + (alpha - 1.0) * log_gap
        s = t if t < 0 else t / alpha
        for _ in range(NEWTON):
            height, w = bend(s)
            step = (s - height + alpha * height - t) / (1.0 - w + alpha * w)
            s -= step
            if not abs(step) > 1e-6:        # quadratic: the next step would be about its square
                break
        height, w = bend(s)                 # log(1 - w) = -height
        slope = w * (1.0 - w) / (1.0 - w + alpha * w)   # dw / dt
        y = max(E + gap * w, TINY)
        by_gap = (w + slope * (alpha - 1.0)) / y        # d log y / d gap, at fixed E
        curve[j] = log(y)
        slopes[j, 0], slopes[j, 1] = 1.0 / y - by_gap, L0 * by_gap
        slopes[j, 2] = gap * slope * (log_gap - height) / y
        slopes[j, 3], slopes[j, 4] = gap * slope / y, -u * gap * slope / y


@compiled
def joint(theta, log_x, curve, slopes):
    """L = E + A / N^alpha + B / D^beta. Hoffmann et al. 2022, arXiv:2203.15556, their third approach, equation 2
    (checked in others' accounts of it, not in the paper)."""
    E, log_A, alpha, log_B, beta = theta[0], theta[1], theta[2], theta[3], theta[4]
    for j in range(len(log_x)):
        n, d = log_x[j, 0], log_x[j, 1]
        by_n, by_d = exp(min(log_A - alpha * n, MOST)), exp(min(log_B - beta * d, MOST))
        y = max(E + by_n + by_d, TINY)
        by_n, by_d = by_n / y, by_d / y
        curve[j], slopes[j, 0] = log(y), 1.0 / y
        slopes[j, 1], slopes[j, 2] = by_n, -n * by_n
        slopes[j, 3], slopes[j, 4] = by_d, -d * by_d


@compiled
def multi_epoch(theta, log_x, curve, slopes):
    """L = E + (L0 - E) h / (1 + h), h = a / N^alpha + b / T^beta + c N^gamma / D^delta.

    N parameters, D unique samples, T samples seen: too small, trained too short, overfitted. Bounded by the floor E and
    the loss L0 of an uninformed guess. Bryant and Liu 2026, "Practical Scaling Laws", arXiv:2605.09189 (checked in two
    digests of it). Muennighoff et al. 2023, arXiv:2305.16264, is another law of these sizes, neither bounded nor able
    to overfit: not fitted here.
    """
    E, L0 = theta[0], exp(theta[1])
    log_a, alpha, log_b, beta = theta[2], theta[3], theta[4], theta[5]
    log_c, gamma, delta = theta[6], theta[7], theta[8]
    gap = max(L0 - E, 1e-12 * L0)
    for j in range(len(log_x)):
        n, d, t = log_x[j, 0], log_x[j, 1], log_x[j, 2]
        small = exp(min(log_a - alpha * n, 300.0))
        short = exp(min(log_b - beta * t, 300.0))
        over = exp(min(log_c + gamma * n - delta * d, 300.0))
        h = small + short + over
        w = h / (1.0 + h)
        y = max(E + gap * w, TINY)
        rate = gap / ((1.0 + h) ** 2 * y)               # d log y / dh
        small, short, over = small * rate, short * rate, over * rate
        curve[j] = log(y)
        slopes[j, 0], slopes[j, 1] = (1.0 - w) / y, L0 * w / y
        slopes[j, 2], slopes[j, 3] = small, -n * small
        slopes[j, 4], slopes[j, 5] = short, -t * short
        slopes[j, 6], slopes[j, 7], slopes[j, 8] = over, n * over, -d * over


@compiled
def follow(equation, theta, log_x, curve, slopes):
    """Fill curve and slopes by the equation of this number."""
    if equation == CONSTANT:
        constant(theta, log_x, curve, slopes)
    elif equation == POWER:
        power(theta, log_x, curve, slopes)
    elif equation == FLOOR:
        floor(theta, log_x, curve, slopes)
    elif equation == SHIFTED:
        shifted(theta, log_x, curve, slopes)
    elif equation == SATURATING:
        saturating(theta, log_x, curve, slopes)
    elif equation == BROKEN1:
        broken(theta, log_x, curve, slopes, 1)
    elif equation == BROKEN2:
        broken(theta, log_x, curve, slopes, 2)
    elif equation == JOINT:
        joint(theta, log_x, curve, slopes)
    else:
        multi_epoch(theta, log_x, curve, slopes)


@compiled
def follow_all(equation, theta, log_x, curve, slopes):
    """Fill curve (replicate, point) and slopes (replicate or 1, point, parameter); with one replicate of slopes, those
    of the last. theta (replicate or 1, parameter); log_x (replicate or 1, point, size)."""
    for i in range(len(curve)):
        follow(equation, theta[min(i, len(theta) - 1)], log_x[min(i, len(log_x) - 1)], curve[i],
               slopes[min(i, len(slopes) - 1)])
