"""Best sizes for a budget: the joint law's closed form against a fine grid, far beyond the table, where it has none,
and by family."""

import numpy as np
import pandas as pd
import pytest

from ecgscale.laws import fit_run_table
from ecgscale.laws.allocation import allocate
from ecgscale.laws.fit import fit_law
from ecgscale.laws.summary import told_answers
from ecgscale.laws.table import of_one_kind
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
    rows = allocate({"all": bootstrap(fit, 100, 1)}, {"all": np.arange(fit.points)}, frame,
                    {f"{budget:g}": budget for budget in budgets})
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


FAMILIES = {"resnet": (0.05, 3.0, 0.30, 2.0, 0.25, 6.0), "vit": (0.03, 9.0, 0.33, 6.0, 0.31, 9.0)}      # law, kappa


def families() -> pd.DataFrame:
    """50 runs of each: at the table's budgets the first is better, at a hundred times the largest the second. A sample
    costs the second half as much again."""
    random, parts = np.random.default_rng(1), []
    for name, (E, A, alpha, B, beta, kappa) in FAMILIES.items():
        n, d = np.exp(random.uniform(np.log([[1e4], [1e4]]), np.log([[1e7], [1e8]]), (2, 50)))
        loss = (E + A * n**-alpha + B * d**-beta) * np.exp(0.01 * random.standard_normal(50))
        parts.append(pd.DataFrame({"run_id": [f"{name}{i}" for i in range(50)], "family": name, "params": n,
                                   "samples_seen": d, "train_flops": kappa * n**0.9 * d, "test_loss": loss}))
    return pd.concat(parts, ignore_index=True)


def planted_best(family: str, budget: float) -> tuple[float, float]:
    """(params, loss) of the planted law on its line of equal cost, by a fine grid."""
    E, A, alpha, B, beta, kappa = FAMILIES[family]
    n = np.geomspace(1e3, 1e12, 100_001)
    loss = E + A * n**-alpha + B * (budget / kappa / n**0.9) ** -beta
    return n[loss.argmin()], loss.min()


def test_each_family_has_its_best_size_at_its_own_cost_and_the_better_one_is_named():
    laws = fit_run_table(families(), target="test_loss", replicates=40)
    rows = {(row["budget"], row["subset"].partition(",")[0]): row for row in laws.allocation
            if row["subset"].startswith("family=")}
    assert {len(one["subset"].split(", ")) for one in rows.values()} in ({1}, {2})      # frontiers of all, or of none
    for (budget, subset), row in rows.items():
        size, loss = planted_best(subset.partition("=")[2], row["budget_flops"])
        assert row["params"] == pytest.approx(size, rel=0.35), budget
        assert row["y"] == pytest.approx(loss, rel=0.05), budget
    for budget, better in (("the median run", "resnet"), ("100 times the largest run", "vit")):
        assert rows[budget, f"family={better}"]["probability_best"] > 0.95
        (line,) = [one for one in told_answers(laws) if one.startswith(f"best family for {budget}")]
        assert f", joint laws: {better} in " in line or f", joint laws: {better}, frontier in " in line
        assert line.index(better) < line.index(next(one for one in FAMILIES if one != better))


def test_families_are_compared_by_laws_of_one_kind():
    """The frontier of one and all runs of another would be no comparison."""
    named = ["all", "frontier", "optimizer=sgd", "family=a", "family=a, frontier", "family=b"]
    assert list(of_one_kind(dict.fromkeys(named))) == ["frontier", "optimizer=sgd", "family=a", "family=b"]
    named.append("family=b, frontier")
    assert list(of_one_kind(dict.fromkeys(named)))[2:] == ["family=a, frontier", "family=b, frontier"]
