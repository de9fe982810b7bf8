"""Which hyperparameters matter: Gini, permutation and SHAP importance, partial dependence, correlated features.

- gini: share of the impurity decrease, of the fit on all runs of the group (Breiman 2001). Favours features of many
  values; the study reports it. Interval: normal, from the spread of refits on bootstrap samples of architectures.
- permutation: loss of R² on runs the model was not fitted to, when one feature is shuffled. Zero or less: of no use.
  Interval: bootstrap over architectures of each run's loss.
- shap: mean absolute SHAP value, in units of the score (Lundberg et al. 2020, path-dependent tree algorithm). Interval:
  bootstrap over architectures.

`spearman` is the rank correlation of the feature with the score: the sign of what Gini and permutation leave open.
Intervals are 95 %. Correlated features share their importance: no measure can tell them apart, so they are named.
"""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from scipy.stats import spearmanr
from sklearn.base import clone
from sklearn.ensemble import RandomForestRegressor
from sklearn.model_selection import GroupKFold

from ecgscale.contracts import EFFECTS, IMPORTANCE
from ecgscale.contracts.run_table import Z95

FEWEST = 12        # runs in a group; with fewer, no importance
REFITS = 12        # bootstrap refits for Gini and partial dependence
REFIT_TREES = 50   # of a forest's refit: an average over trees needs fewer for its spread than for itself
SHUFFLES = 5       # a feature and fold
LEADING = 4        # features with partial dependence
GRID = 12          # values of a partial dependence curve, at most
PROFILED = 100     # runs that a partial dependence averages over, at most
CORRELATED = 0.6   # absolute Spearman correlation from which two features are named


def importances(X: pd.DataFrame, truth: np.ndarray, group: np.ndarray, cluster: np.ndarray, models: dict,
                bootstrap: int, seed: int, runs: np.ndarray
                ) -> tuple[pd.DataFrame, pd.DataFrame, list[dict], dict[str, str]]:
    """(IMPORTANCE, EFFECTS, partial dependence, what was left out and why), over all runs and per group. runs: (run,)
    run_id."""
    rows, effects, curves, disabled = [], [EFFECTS.empty()], [], {}
    names = sorted(set(group))
    for name in ["all", *names] if len(names) > 1 else ["all"]:
        chosen = np.ones(len(X), dtype=bool) if name == "all" else group == name
        part = X.loc[chosen, np.ptp(X[chosen].to_numpy(), axis=0) > 0]
        lines = np.unique(cluster[chosen], return_inverse=True)[1]
        if chosen.sum() < FEWEST or part.shape[1] == 0 or lines.max() < 2 or np.ptp(truth[chosen]) == 0:
            disabled[f"importance of {name}"] = f"{chosen.sum()} runs; {FEWEST} of several architectures are the least"
            continue
        for model_name, model in models.items():
            of_model, values, of_curves = one_model(part, truth[chosen], lines, model, bootstrap, seed)
            rows.append(of_model.assign(group=name, model=model_name))
            effects.append(pd.DataFrame({
                "group": name, "model": model_name, "feature": np.tile(part.columns, len(part)),
                "run_id": np.repeat(runs[chosen], part.shape[1]), "value": part.to_numpy(float).ravel(),
                "shap": values.ravel()}))
            curves += [{"group": name, "model": model_name, **curve} for curve in of_curves]
    frame = pd.concat(rows, ignore_index=True)[[*IMPORTANCE.columns, "first"]] if rows else IMPORTANCE.empty()
    return frame, pd.concat(effects[1:] or effects, ignore_index=True), curves, disabled


def one_model(X: pd.DataFrame, truth: np.ndarray, cluster: np.ndarray, model, bootstrap: int,
              seed: int) -> tuple[pd.DataFrame, np.ndarray, list[dict]]:
    """All measures of one model on one group, its SHAP values (run, feature), and the partial dependence of its leading
    features."""
    random = np.random.default_rng(seed)
    fitted = clone(model).fit(X.to_numpy(), truth)
    small = clone(model).set_params(n_estimators=REFIT_TREES) if isinstance(model, RandomForestRegressor) else model
    refits = []
    for _ in range(REFITS):
        rows = cluster_sample(cluster, random)
        refits.append(clone(small).fit(X.to_numpy()[rows], truth[rows]))
    count = cluster.max() + 1
    weights = random.multinomial(count, np.full(count, 1 / count), size=bootstrap)[:, cluster]
    gini = np.array([refit.feature_importances_ for refit in refits])
    losses = permutation_losses(X.to_numpy(), truth, cluster, model, random)
    effects = shap_values(fitted, X.to_numpy())
    absolute = np.abs(effects)
    measures = {
        "gini": (*np.clip(spread(fitted.feature_importances_, gini), 0, 1), gini),
        "permutation": percentiles(losses.mean(axis=0) / truth.var(), shares(losses, truth, weights)),
        "shap": percentiles(absolute.mean(axis=0), means(absolute, weights)),
    }
    sign = [spearmanr(X[name], truth).statistic for name in X]
    notes = correlation_notes(X)
    frame = pd.concat([pd.DataFrame({
        "feature": list(X), "measure": measure, "estimate": estimate, "low": low, "high": high, "spearman": sign,
        "note": [notes.get(name, "") for name in X],
        "first": np.bincount(draws.argmax(axis=1), minlength=X.shape[1]) / len(draws),
    }) for measure, (estimate, low, high, draws) in measures.items()])
    leading = frame[frame["measure"].eq("permutation")].nlargest(LEADING, "estimate")["feature"]
    profiled = X.iloc[random.permutation(len(X))[:PROFILED]]
    return frame, effects, [partial_dependence(profiled, name, fitted, refits) for name in leading]


def spread(estimate: np.ndarray, refitted: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Estimate, low, high: normal interval from the spread of refits (refit, ...)."""
    half = Z95 * refitted.std(axis=0, ddof=1)
    return estimate, estimate - half, estimate + half


def cluster_sample(cluster: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Rows of a bootstrap sample that draws whole clusters."""
    drawn = random.integers(0, cluster.max() + 1, cluster.max() + 1)
    return np.concatenate([np.flatnonzero(cluster == one) for one in drawn])


def permutation_losses(X: np.ndarray, truth: np.ndarray, cluster: np.ndarray, model,
                       random: np.random.Generator) -> np.ndarray:
    """(run, feature) rise of the squared error when the feature is shuffled, on runs of architectures not fitted to."""
    n, k = X.shape
    losses = np.empty((n, k))
    for train, test in GroupKFold(3).split(X, groups=cluster):
        fitted = clone(model).fit(X[train], truth[train])
        base = (fitted.predict(X[test]) - truth[test]) ** 2
        shuffled = np.broadcast_to(X[test], (k, SHUFFLES, len(test), k)).copy()
        for feature in range(k):
            for shuffle in range(SHUFFLES):
                shuffled[feature, shuffle, :, feature] = random.permutation(X[test, feature])
        predicted = fitted.predict(shuffled.reshape(-1, k)).reshape(k, SHUFFLES, len(test))
        losses[test] = (((predicted - truth[test]) ** 2).mean(axis=1) - base).T
    return losses


def percentiles(estimate: np.ndarray, draws: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Estimate, low, high and the draws (draw, feature)."""
    return estimate, *np.percentile(draws, [2.5, 97.5], axis=0), draws


def shares(losses: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(draw, feature) mean losses as shares of the score's variance: loss of R²."""
    mean = means(truth, weights)
    variance = means(truth ** 2, weights) - mean ** 2
    return means(losses, weights) / np.maximum(variance, truth.var() * 1e-3)[:, None]


def means(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(draw, ...) means over runs (run, ...), weighted by how often a draw holds each run."""
    return (weights / np.maximum(weights.sum(axis=1, keepdims=True), 1)) @ values


def shap_values(fitted, X: np.ndarray) -> np.ndarray:
    """(run, feature) SHAP values of a tree ensemble."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # shap warns of its own dependencies at import
        import shap  # two seconds: only when needed
        return shap.TreeExplainer(fitted).shap_values(X, check_additivity=False)


def partial_dependence(X: pd.DataFrame, feature: str, fitted, refits: list) -> dict:
    """Mean prediction over the runs with one feature set to each grid value; interval over the refits."""
    values = np.unique(X[feature])
    if len(values) > GRID:      # by the nearest rank, since a name's code has no value between two
        values = np.unique(np.quantile(X[feature], np.linspace(0.02, 0.98, GRID), method="nearest"))
    place = X.columns.get_loc(feature)
    copies = np.repeat(X.to_numpy()[None], len(values), axis=0)
    copies[:, :, place] = values[:, None]
    curves = [model.predict(copies.reshape(-1, X.shape[1])).reshape(len(values), -1).mean(axis=1)
              for model in (fitted, *refits)]
    estimate, low, high = spread(curves[0], np.array(curves[1:]))
    return {"feature": feature, "grid": values.tolist(), "estimate": estimate.tolist(),
            "low": low.tolist(), "high": high.tolist()}


def families_of(X: pd.DataFrame) -> np.ndarray:
    """(run,) code of each run's family; one for all where there is but one."""
    return X["family"].to_numpy() if "family" in X else np.zeros(len(X))


def correlated_pairs(X: pd.DataFrame, family: np.ndarray) -> list[dict]:
    """Pairs of features with |Spearman| of at least CORRELATED, strongest first; ranked within families.

    Across families every hyperparameter of one is "correlated" with every one of another, which says nothing.
    """
    ranks = X.groupby(family).rank()
    centred = ranks - ranks.groupby(family).transform("mean")
    matrix, names = centred.corr(), [name for name in X if centred[name].abs().max() > 0]
    pairs = [{"first": a, "second": b, "spearman": float(matrix.loc[a, b])}
             for i, a in enumerate(names) for b in names[i + 1:] if abs(matrix.loc[a, b]) >= CORRELATED]
    return sorted(pairs, key=lambda pair: -abs(pair["spearman"]))


def correlation_notes(X: pd.DataFrame) -> dict[str, str]:
    """feature -> "correlated with depth (0.71)"."""
    found: dict[str, list[str]] = {}
    for pair in correlated_pairs(X, families_of(X)):
        for one, other in (("first", "second"), ("second", "first")):
            found.setdefault(pair[one], []).append(f"{pair[other]} ({pair['spearman']:+.2f})")
    return {name: "correlated with " + ", ".join(others) for name, others in found.items()}
