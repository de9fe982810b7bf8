"""Successive halving on planted optima, and the alarm for an optimum at the edge of its range."""

import math

import numpy as np
import pytest

from ecgscale.contracts import TUNING, OptimizerSpec, RunResult, Tuning
from ecgscale.errors import UserError
from ecgscale.training.tune import tune
from tests.tiny_corpus import planned

BEST = {"adamw": 3e-3, "sgd": 50.0}     # sgd: above its range


class Planted:
    """Trains nothing: the loss is the distance to the planted rate; rates above 0.03 diverge with adamw."""

    def __init__(self):
        self.epochs: list[tuple[str, int]] = []

    def __call__(self, plans, folder):
        return [self.result(plan) for plan in plans]

    def result(self, plan) -> RunResult:
        spec = plan.spec
        self.epochs.append((spec.optimizer.name, spec.epochs))
        diverged = spec.optimizer.name == "adamw" and spec.optimizer.lr > 0.03
        loss = abs(math.log(spec.optimizer.lr / BEST[spec.optimizer.name]))
        return RunResult(
            spec=spec, ledger=plan.ledger, status="diverged" if diverged else "finished", synthetic=True,
            corpus_digest="", split_digest="", code_digest="", classes=(), train_records=0, samples_seen=0,
            train_flops=0, best_epoch=0, train_loss=None, valid_loss=None if diverged else loss, clipped_share=None,
            device="", threads=1, precision="float32", seconds=0, versions={})


def plan(name: str, trials: int = 8, epochs: int = 1, low: float = 1e-4, high: float = 1e-1, **changes):
    """A run to be tuned; a run of momentum has its rate."""
    tuning = Tuning(group=name, low=low, high=high, trials=trials, epochs=epochs) if name in BEST else None
    made = planned(optimizer=OptimizerSpec(name=name, lr=0.05), **changes)
    return made.model_copy(update={"tuning": tuning})


def test_the_nearest_rate_of_the_grid_is_found_and_every_seed_gets_it(capsys):
    train = Planted()
    tuned, trials = tune([plan(name, seed=seed) for name in ("adamw", "sgd", "sgdm") for seed in (0, 1)], train)
    grid = np.geomspace(1e-4, 1e-1, 8)
    rates = {plan.spec.optimizer.name: plan.spec.optimizer.lr for plan in tuned}
    assert rates["adamw"] == grid[np.argmin(np.abs(np.log(grid / BEST["adamw"])))]
    assert rates["sgd"] == 0.1
    assert rates["sgdm"] == 0.05
    assert [plan.spec.seed for plan in tuned] == [0, 1] * 3
    assert len({plan.spec.run_id for plan in tuned}) == 6
    assert {plan.spec.epochs for plan in tuned} == {3}
    # 8 rates for one epoch, 4 for two, 2 for four; seeds share the trials
    assert sorted(train.epochs) == sorted([(name, e) for name in BEST for e in [1] * 8 + [2] * 4 + [4] * 2])
    chosen = trials[trials["kept"] & (trials["round"] == 2)].set_index("optimizer")
    assert chosen["edge"].to_dict() == {"adamw": "", "sgd": "high"}
    assert "sgd: learning rate 0.1, at the high end of 0.0001 to 0.1: widen it" in capsys.readouterr().err
    TUNING.arrow(trials, "trials")


def test_a_tuned_run_says_where_its_rate_comes_from():
    tuned, trials = tune([plan("sgd"), plan("sgdm")], Planted())
    best = trials[trials["kept"]].iloc[-1]
    told = tuned[0].tuning
    assert (told.chosen, told.valid_loss, told.edge) == (best["run_id"], best["valid_loss"], "high")
    assert (told.method, told.low, told.high, told.trials, told.epochs) == ("halving", 1e-4, 1e-1, 8, 1)
    assert tuned[1].tuning is None


def test_rates_of_which_some_or_all_diverge(capsys):
    """Above 0.03 adamw diverges: what is left decides, and a run of which nothing is left stays as it was."""
    tuned, trials = tune([plan("adamw", low=0.02, high=2.0, trials=4)], Planted())
    assert tuned[0].spec.optimizer.lr == pytest.approx(0.02)
    assert trials["status"].tolist() == ["finished", "diverged", "diverged", "diverged"]
    assert tuned[0].tuning.edge == "low"
    before = plan("adamw", low=0.1, high=1.0, trials=4)
    tuned, trials = tune([before], Planted())
    assert tuned == [before]
    assert not trials["kept"].any()
    assert "no learning rate from 0.1 to 1 trains" in capsys.readouterr().err


def test_a_last_round_that_diverges_leaves_the_best_of_the_round_before():
    class Later(Planted):
        def result(self, plan):
            result = super().result(plan)
            late = plan.spec.epochs > 1
            return result.model_copy(update={"status": "diverged", "valid_loss": None}) if late else result

    tuned, _ = tune([plan("adamw")], Later())
    grid = np.geomspace(1e-4, 1e-1, 8)
    assert tuned[0].spec.optimizer.lr == grid[np.argmin(np.abs(np.log(grid / BEST["adamw"])))]


def test_equal_runs_are_kept_once_and_nothing_to_tune_is_an_error():
    twice = [plan("sgd"), plan("sgd").model_copy(update={"spec": planned(optimizer=OptimizerSpec(
        name="sgd", lr=0.07)).spec})]
    assert len(tune(twice, Planted())[0]) == 1
    with pytest.raises(UserError, match=r"no run is to be tuned.*tuning: \{trials"):
        tune([plan("sgdm")], Planted())
