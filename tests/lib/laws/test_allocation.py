"""Best sizes for a budget: the joint law's closed form against a fine grid, far beyond the table, and where it has
none."""

import numpy as np
import pandas as pd
import pytest

from ecgscale.laws.allocation import allocate
from ecgscale.laws.fit import fit_law
from ecgscale.laws.uncertainty import bootstrap

TRUTH = {"E": 1.8172, "A": 482.01, "alpha": 0.3478, "B": 2085.43, "beta": 0.3658}    # Besiroglu et al. 2024


def table(runs: int = 120, noise: float = 0.003, **changed: float) -> tuple[pd.DataFrame, np.ndarray]:
    random = np.random.default_rng(1)
    params, seen = np.exp(random.uniform(np.log([[1e7], [1e9]]), np.log([[1e10], [1e12]]), (2, runs)))
    law = TRUTH | changed
    loss = law["E"] + law["A"] * params ** -law["alpha"] + law["B"] * seen ** -law["beta"]
    return (pd.DataFrame({"params": params, "samples_seen": seen, "train_flops": 6 * params * seen}),
            loss * np.exp(noise * random.standard_normal(runs)))


def answers(frame: pd.DataFrame, loss: np.ndarray, *budgets: float) -> list[dict]:
    fit = fit_law("joint", frame["params"], frame["samples_seen"], y=loss, polish=False)
    rows = allocate({"all": bootstrap(fit, 100, 1)}, frame, {f"{budget:g}": budget for budget in budgets})
    return rows[: len(budgets)]


@pytest.mark.parametrize("budget", [1e20, 1e23, 1e25])
def test_the_best_size_is_the_law_s_own_also_far_beyond_the_table(budget):
    """The minimum of the planted law along 6 N D = C by a fine grid is no farther from the estimate than the interval
    is wide, which is more than 1 %; and the estimate is the minimum of the fitted law on the same grid."""
    frame, loss = table()
    (row,) = answers(frame, loss, budget)
    n = np.geomspace(1e6, 1e14, 200_001)
    planted = TRUTH["A"] * n ** -TRUTH["alpha"] + TRUTH["B"] * (budget / 6 / n) ** -TRUTH["beta"]
    width = row["params_high"] / row["params_low"]
    assert 1.01 < width < 3
    assert 1 / width < n[planted.argmin()] / row["params"] < width
    assert 6 * row["params"] * row["samples"] == pytest.approx(budget, rel=1e-6)
    fit = fit_law("joint", frame["params"], frame["samples_seen"], y=loss, polish=False)
    assert row["params"] == pytest.approx(n[fit.predict(n, budget / 6 / n).argmin()], rel=1e-3)
    assert ("beyond the table's runs" in row["note"]) == (budget > frame["train_flops"].max())


def test_what_cannot_be_told_is_not_told():
    """No effect of the samples: nothing says where to stop."""
    (row,) = answers(*table(noise=0.02, B=1e-9), 1e23)
    assert row["params"] is None
    assert row["note"].startswith("not told: ")
