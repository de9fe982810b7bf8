"""Which runs to train next: against conditioning written out, and on replayed tables whose law is planted."""

import runpy
from pathlib import Path

import numpy as np

from ecgscale.laws.forms import LAWS
from ecgscale.laws.kriging import krige
from ecgscale.laws.next_batch import COST_POWER, PILOT_SHARE, next_batch, pilot
from ecgscale.laws.planted import TRUTH

JOINT = LAWS["joint"]
GRID = np.array([axis.ravel() for axis in np.meshgrid(np.log(np.geomspace(1e4, 2e6, 8)),
                                                      np.log(np.geomspace(300, 18000, 7)))])
COSTS = np.exp(GRID.sum(axis=0))
AT = np.log([[8e6], [18000.0]])


def table(seed):
    """A designed table whose small networks are noisier and follow the law less well."""
    random = np.random.default_rng(seed)
    y = np.log(JOINT(*np.exp(GRID), **TRUTH["joint"])) + 0.02 * np.sin(GRID[0])
    return y + random.standard_normal(len(y)) * 0.01 * np.exp((GRID[0].max() - GRID[0]) / 4)


def test_each_choice_lowers_the_variance_most_for_its_cost():
    log_y, seen = table(0), np.arange(0, 40, 3)
    made = krige(JOINT, *np.exp(GRID[:, seen]), y=np.exp(log_y[seen]))
    rest = np.setdiff1d(np.arange(len(COSTS)), seen)
    batch = next_batch(made, GRID[:, rest], COSTS[rest], AT, COSTS.sum(), 2)
    spread, noise = made.log_predict(np.hstack([GRID[:, rest], AT]))[1], made.noise**2
    chosen = []
    for place in batch.places:
        def left(other, chosen=tuple(chosen)):          # variance at AT once these are trained: Schur's complement
            known = [*chosen, other]
            own = spread[np.ix_(known, known)] + noise * np.eye(len(known))
            return spread[-1, -1] - spread[-1, known] @ np.linalg.solve(own, spread[known, -1])

        before = spread[-1, -1] if not chosen else left(chosen[-1], tuple(chosen[:-1]))
        worth = [(before - left(one)) / COSTS[rest][one] ** COST_POWER if one not in chosen else -1
                 for one in range(len(rest))]
        assert place == int(np.argmax(worth))
        chosen.append(place)
        np.testing.assert_allclose(batch.spread[len(chosen)] ** 2, left(place, tuple(chosen[:-1])), rtol=1e-6)


def test_the_budget_is_kept_and_what_is_too_dear_is_left_out():
    log_y, seen = table(1), np.arange(12)
    made = krige(JOINT, *np.exp(GRID[:, seen]), y=np.exp(log_y[seen]))
    budget = 2.5 * np.median(COSTS)
    batch = next_batch(made, GRID, COSTS, AT, budget, 50)
    assert batch.places
    assert COSTS[batch.places].sum() <= budget
    assert np.all(np.diff(batch.spread) <= 1e-12)
    assert next_batch(made, GRID, COSTS, AT, COSTS.min() / 2, 5).places == []


def test_the_first_runs_are_cheap_and_apart():
    places = pilot(JOINT, GRID, COSTS, COSTS.sum())
    assert len(set(places)) == len(JOINT.parameters) + 1
    assert COSTS[places].sum() <= PILOT_SHARE * COSTS.sum()
    assert min(np.ptp(GRID[:, places], axis=1)) > 1
    assert len(pilot(JOINT, GRID[:, :3], COSTS[:3], 1.0)) == 3


def test_a_tenth_of_the_cost_predicts_better_than_as_many_flops_of_random_runs():
    """Five tables of docs/explanation/growing_noise.py, whose small runs are noisier, and two random draws of each;
    of 40 tables the median errors are 0.016 and 0.040."""
    script = runpy.run_path(str(Path(__file__).parents[3] / "docs" / "explanation" / "growing_noise.py"))
    beaten = []
    for seed in range(5):
        log_x, log_y, costs = script["planted"](seed, 0.25)

        def off(way, draw=0, log_x=log_x, log_y=log_y, costs=costs, seed=seed):
            budget, random = 0.1 * costs.sum(), np.random.default_rng((seed, draw))
            taken = script["CHOSEN"](way, JOINT, log_x, log_y, costs, AT, budget, random)
            assert costs[taken].sum() <= budget
            told = krige(JOINT, *np.exp(log_x[:, taken]), y=np.exp(log_y[taken])).log_predict(AT)[0]
            return abs(told[0] - script["curve"](AT)[0])

        ours = off("ecg-next")
        beaten += [off("random", draw) > ours for draw in range(2)]
    assert np.mean(beaten) > 0.6
