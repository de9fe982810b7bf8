"""What the joint law L = E + A / N^alpha + B / D^beta says in closed form: best sizes for a budget, the least budget
for a loss, and what it costs to be off.

The cost of training is C = kappa N^a D. On a line of equal cost alpha A / N^alpha = a beta B / D^beta at the minimum
(Hoffmann et al. 2022, arXiv:2203.15556, equation 4, there with a = 1 and kappa = 6), so that

    N_opt ~ C^(beta / (alpha + a beta)),   D_opt ~ C^(alpha / (alpha + a beta)).

Every function takes theta (replicate, parameter) in the law's coordinates and gives one value a replicate.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ecgscale.laws.forms import LAWS

LANGUAGE_MODEL = (float(np.log(6.0)), 1.0)      # (log kappa, a) where the table has no FLOPs: C = 6 N D


class Terms(NamedTuple):
    """Parameters of the joint law, (replicate,) each."""

    E: np.ndarray
    log_a: np.ndarray
    alpha: np.ndarray
    log_b: np.ndarray
    beta: np.ndarray


def exponents(theta: np.ndarray, a: float) -> tuple[np.ndarray, np.ndarray]:
    """Of N_opt and D_opt in the budget."""
    law = Terms(*theta.T)
    with np.errstate(all="ignore"):
        return law.beta / (law.alpha + a * law.beta), law.alpha / (law.alpha + a * law.beta)


def best_sizes(theta: np.ndarray, log_budget: float, cost: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """log N_opt and log D_opt; not finite where a term has no slope, for then one size has no worth at any price."""
    law, (log_kappa, a) = Terms(*theta.T), cost
    with np.errstate(all="ignore"):
        log_n = (np.log(law.alpha) + law.log_a - np.log(a * law.beta) - law.log_b
                 + law.beta * (log_budget - log_kappa)) / (law.alpha + a * law.beta)
    return log_n, log_budget - log_kappa - a * log_n


def sizes_for(theta: np.ndarray, loss: float, cost: tuple[float, float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """log N, log D and log C of the cheapest training that reaches the loss; infinite where it is below the floor."""
    law, (log_kappa, a) = Terms(*theta.T), cost
    with np.errstate(all="ignore"):
        rest, whole = np.log(loss - law.E), law.alpha + a * law.beta
        log_n = (law.log_a - rest - np.log(a * law.beta / whole)) / law.alpha
        log_d = (law.log_b - rest - np.log(law.alpha / whole)) / law.beta
        log_n, log_d = (np.where(loss > law.E, value, np.inf) for value in (log_n, log_d))
    return log_n, log_d, log_kappa + a * log_n + log_d


def log_loss(theta: np.ndarray, log_n: np.ndarray, log_d: np.ndarray) -> np.ndarray:
    """(replicate,) log L at one N and D a replicate."""
    return LAWS["joint"].form(theta, np.array([log_n[:, None], log_d[:, None]]))[0][:, 0]


def samples_on_contour(theta: np.ndarray, loss: np.ndarray, log_n: np.ndarray) -> np.ndarray:
    """(replicate,) log D with which a model of N reaches the loss; infinite where it never does."""
    law = Terms(*theta.T)
    with np.errstate(all="ignore"):
        rest = loss - law.E - np.exp(law.log_a - law.alpha * log_n)
        return np.where(rest > 0, (law.log_b - np.log(rest)) / law.beta, np.inf)


def price_of_being_off(theta: np.ndarray, log_budget: float, cost: tuple[float, float],
                       factor: float) -> tuple[np.ndarray, np.ndarray]:
    """With N = factor x N_opt: the loss at the same budget over the best one, and the budget that reaches the best loss
    over this one."""
    log_kappa, a = cost
    log_n, log_d = best_sizes(theta, log_budget, cost)
    best = log_loss(theta, log_n, log_d)
    off = log_n + np.log(factor)
    worse = log_loss(theta, off, log_d - a * np.log(factor)) - best
    needed = samples_on_contour(theta, np.exp(best), off)
    return np.exp(worse), np.exp(log_kappa + a * off + needed - log_budget)
