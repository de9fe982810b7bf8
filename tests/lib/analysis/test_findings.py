"""The study's findings on planted tables, both ways: they hold where they were planted, and not where they were not."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import pearsonr, rankdata

from ecgscale.analysis import findings

COUNTS = {"optimizer=sgd": 164, "optimizer=sgdm": 105, "optimizer=adamw": 132}  # published numbers of runs
GROUP = np.repeat(list(COUNTS), list(COUNTS.values()))


def planted(seed: int, sign: float) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Hyperparameters, scores, bootstrap counts. sign 1: as the study says; -1: the opposite; 0: no effect at all."""
    random = np.random.default_rng(seed)
    n = len(GROUP)
    depth, w_m = random.integers(4, 21, n).astype(float), random.uniform(1.1, 3.0, n)
    stages = np.clip(np.round(0.3 * depth / w_m + random.normal(0, 0.7, n)), 1, 7)  # large w_m: few stages
    X = pd.DataFrame({"depth": depth, "w_m": w_m, "stages": stages, "lr": random.uniform(1e-3, 1e-2, n)})
    adamw = np.where(GROUP == "optimizer=adamw", 1.0, -1.0)
    effect = 0.04 * adamw * (w_m - 2) - 0.006 * (adamw < 0) * (depth - 12)
    score = 0.5 + sign * effect + 0.02 * stages * abs(sign) + 0.04 * random.standard_normal(n)
    return X, score, np.vstack([np.ones(n), random.multinomial(n, np.full(n, 1 / n), size=100)])


def verdicts(sign: float, tables: int) -> pd.Series:
    """Verdicts of the four findings on w_m and depth over simulated tables."""
    found = []
    for seed in range(tables):
        X, score, weights = planted(seed, sign)
        found += [one["verdict"] for one in findings.claims(X, score, GROUP, no_importance(), [], weights)
                  if "large" in one["claim"]]
    return pd.Series(found).value_counts(normalize=True)


def no_importance() -> pd.DataFrame:
    return pd.DataFrame(columns=["group", "model", "feature", "measure", "estimate", "low", "high", "first"])


def test_planted_effects_are_found_in_100_tables():
    assert verdicts(1.0, 100)["holds"] > 0.95


def test_planted_opposites_are_refused():
    assert verdicts(-1.0, 25)["does not hold"] > 0.95


def test_where_nothing_was_planted_nothing_is_claimed():
    shares = verdicts(0.0, 100)  # a 95 % interval excludes zero on one side in 2.5 % of tables; small samples add a bit
    assert shares["cannot be told"] > 0.9
    assert shares.get("holds", 0) < 0.06


def test_partial_rank_correlation_is_that_of_residual_ranks():
    random = np.random.default_rng(1)
    others = random.random((60, 3))
    x, y = others @ [1, 2, 0] + random.random(60), others @ [0, 1, 1] + random.random(60)
    Z = np.column_stack([np.ones(60), *(rankdata(column) for column in others.T)])
    residuals = [rankdata(v) - Z @ np.linalg.lstsq(Z, rankdata(v), rcond=None)[0] for v in (x, y)]
    found = findings.partial_rank_correlation(x, y, others, np.ones((1, 60)))
    assert found[0] == pytest.approx(pearsonr(*residuals).statistic)


def importance_rows(**first: float) -> pd.DataFrame:
    return pd.DataFrame([
        {"group": "optimizer=sgd", "model": "random forest", "feature": name, "measure": "permutation",
         "estimate": share, "low": 0.1, "high": 0.9, "first": share} for name, share in first.items()])


@pytest.mark.parametrize(("first", "verdict"), [
    ({"stages": 0.99, "depth": 0.01}, "holds"), ({"stages": 0.02, "depth": 0.98}, "does not hold"),
    ({"stages": 0.6, "depth": 0.4}, "cannot be told"), ({"depth": 1.0}, "cannot be told")])
def test_stages_are_first_only_when_that_is_sure(first, verdict):
    assert findings.stages_first(importance_rows(**first), "optimizer=sgd")["verdict"] == verdict


def fronts(volumes: dict[str, float], runs: int = 30) -> pd.DataFrame:
    return pd.DataFrame([
        {"axes": "score~forward_flops", "group": f"optimizer={name}", "hypervolume": volume,
         "hypervolume_low": volume - 0.05, "hypervolume_high": volume + 0.05}
        for name, volume in volumes.items() for _ in range(runs)])


@pytest.mark.parametrize(("volumes", "runs", "verdict"), [
    ({"adamw": 3, "sgdm": 2, "sgd": 1}, 30, "holds"), ({"adamw": 2, "sgdm": 3, "sgd": 1}, 30, "does not hold"),
    ({"adamw": 2, "sgdm": 1.95, "sgd": 1}, 30, "cannot be told"),
    ({"adamw": 3, "sgdm": 2, "sgd": 1}, 4, "cannot be told"), ({"adamw": 3}, 30, "cannot be told")])
def test_order_of_the_fronts(volumes, runs, verdict):
    assert findings.front_order(fronts(volumes, runs))["verdict"] == verdict
