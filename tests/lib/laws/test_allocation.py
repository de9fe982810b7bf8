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


def test_a_budget_beyond_the_runs_says_so_though_each_size_is_among_theirs():
    """Slices of compute hold large models that saw little and small ones that saw much: best sizes for a hundred times
    the largest run are both among those of the runs, and nothing said that no run had cost as much."""
    random = np.random.default_rng(2)
    flops = np.repeat(np.geomspace(1e18, 1e20, 5), 24)
    params = np.sqrt(flops / 120) * np.exp(random.uniform(-3, 3, len(flops)))
    frame = pd.DataFrame({"params": params, "samples_seen": flops / 6 / params, "train_flops": flops})
    loss = TRUTH["E"] + TRUTH["A"] * params ** -TRUTH["alpha"] + TRUTH["B"] * (flops / 6 / params) ** -TRUTH["beta"]
    within, beyond = answers(frame, loss * np.exp(0.003 * random.standard_normal(len(flops))), 1e20, 1e22)
    assert not within["note"]
    assert beyond["params"] < params.max()
    assert beyond["samples"] < frame["samples_seen"].max()
    assert beyond["note"] == "beyond the table's runs, 100 times the largest one's FLOPs"


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
