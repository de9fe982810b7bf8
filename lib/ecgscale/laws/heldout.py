"""How well the small predict the large: laws fitted without the largest sizes, judged on them."""

from __future__ import annotations

import numpy as np

from ecgscale.laws.fit import Fit, fit_law, information_weights
from ecgscale.laws.forms import LAWS
from ecgscale.laws.profile import robust_variance
from ecgscale.laws.uncertainty import cluster_means, cluster_numbers

SHARE = 0.2         # of the points, the largest, that are held out


def held_out_errors(names: list[str], sizes: list[np.ndarray], y: np.ndarray,
                    places: np.ndarray | None = None) -> dict[str, dict]:
    """By law, and for "average" (information weights): root mean square and mean of log(prediction / truth), and by law
    the mean's standard error, from the scatter of the held-out points and what the fit does not know of itself.

    places (point,): numbers, points that share one miss the law together; default: each on its own. Held out are the
    points above the 80 % quantile of the product of the sizes. Laws that the rest cannot fit have no entry.
    """
    scale = np.prod(sizes, axis=0)
    small = scale <= np.quantile(scale, 1 - SHARE)
    if small.all() or len(np.unique(scale[small])) < 3:
        return {}
    fits = [fit_law(name, *(size[small] for size in sizes), y=y[small], starts=5, polish=False) for name in names
            if len(LAWS[name].parameters) + 2 <= small.sum()]
    if not fits:
        return {}
    large = [size[~small] for size in sizes]
    errors = {fit.law.name: np.log(fit.predict(*large) / y[~small]) for fit in fits}
    share = information_weights(fits)
    places = cluster_numbers(len(y), places)
    doubt = {fit.law.name: bias_error(fit, np.log(large), errors[fit.law.name], places[small], places[~small])
             for fit in fits}
    errors["average"] = sum(w * error for w, error in zip(share, list(errors.values()), strict=True))
    return {name: {"rmse_log": float(np.sqrt(np.mean(error**2))), "bias_log": float(np.mean(error)),
                   "bias_error": doubt.get(name), "from": float(scale[~small].min()), "points": int((~small).sum())}
            for name, error in errors.items()}


def bias_error(fit: Fit, log_x: np.ndarray, errors: np.ndarray, places: np.ndarray, held: np.ndarray) -> float:
    """Standard error of the mean error at held-out sizes log_x (size, point): the scatter of its places, and the
    variance of the mean prediction, robust to unequal noise. places, held: of the fit's points and the held-out ones.
    """
    slopes = fit.law.form(fit.theta[None], log_x[:, None, :])[1][0].mean(axis=1)
    number = cluster_numbers(fit.points, places)
    variance, _ = robust_variance(fit, slopes[None], number)
    ours, others = cluster_means(fit.residuals, number), cluster_means(errors, cluster_numbers(len(errors), held))
    freedom = len(ours) - int(fit.free.sum())
    scatter = max(float(np.var(others)), float(ours @ ours) / freedom if freedom > 0 else 0.0)
    return float(np.sqrt(scatter / len(others) + variance[0]))
