"""How well the small predict the large: laws fitted without the largest sizes, judged on them. And whether the law of
the better half of the runs is the law of them all."""

from __future__ import annotations

import numpy as np

from ecgscale.laws.fit import Fit, fit_law, information_weights, refit_some
from ecgscale.laws.forms import LAWS
from ecgscale.laws.profile import profile, robust_variance
from ecgscale.laws.robust import Loss
from ecgscale.laws.uncertainty import cluster_means, cluster_numbers

SHARE = 0.2         # of the points, the largest, that are held out
BETTER, SURE = 0.5, 0.99    # share of the runs, the best by the law, that are asked alone, and the level of their ends
SPARE = 3           # clusters of these beyond the parameters, at least


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


def moved_in_better_half(fit: Fit, loss: Loss, clusters: np.ndarray) -> dict | None:
    """The exponent of a law of several sizes that is another one in the better half of the runs, or None: its estimate
    there lies outside its interval of all runs, and theirs outside the half's (both of level SURE).

    A sum of powers follows runs near their best and such that had hardly begun only if it is the law of both; which
    runs are the better half is read from the law, so noise chooses none. clusters (point,): numbers.
    """
    curve = fit.log_y - fit.residuals
    half = curve <= np.quantile(curve, BETTER)
    names = [name for name in fit.law.exponents if fit.free[fit.law.names.index(name)]]
    number = cluster_numbers(int(half.sum()), clusters[half])
    if int(number.max()) + 1 < int(fit.free.sum()) + SPARE:
        return None
    own = loss.lead(refit_some(fit, half))
    apart, whole = profile(own, clusters=number, level=SURE), profile(fit, clusters=clusters, level=SURE)
    if apart is None or whole is None:
        return None
    theirs, ours = apart.parameters(), whole.parameters()
    for name in names:
        value, (low, high) = own.values[name], theirs[name]
        if not ours[name][0] <= value <= ours[name][1] and not low <= fit.values[name] <= high:
            return {"exponent": name, "value": value, "low": low, "high": high,
                    "below": float(np.exp(np.quantile(curve, BETTER))),
                    "worse": float(np.sqrt(np.mean(fit.pull[half] ** 2) / np.mean(own.pull**2)))}
    return None
