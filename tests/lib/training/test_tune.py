"""Successive halving on planted optima, and the alarm for an optimum at the edge of its range."""

import math

import numpy as np
import pandas as pd
import pytest

from ecgscale.contracts import OPTIMA, TUNING, OptimizerSpec, RunResult
from ecgscale.design.study import Study
from ecgscale.errors import UserError
from ecgscale.training.tune import Halving, edge, optima, ranges, tune
from tests.tiny_corpus import planned

BEST = {"adamw": 3e-3, "sgd": 50.0}     # sgd: above its range


def study(lr_sgd=None) -> Study:
    lr = {"low": 1e-4, "high": 1e-1, "log": True}
    return Study.model_validate({"name": "toy", "runs": [{
        "family": "regnet", "sampler": "list", "models": [dict(planned().spec.model.params)],
        "optimizers": [{"name": "adamw", "lr": lr}, {"name": "sgd", "lr": lr_sgd or lr},
                       {"name": "sgdm", "lr": 0.1}]}]})


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


def plans(**changes):
    return [planned(optimizer=OptimizerSpec(name=name, lr=0.05), seed=seed, **changes)
            for name in ("adamw", "sgd", "sgdm") for seed in (0, 1)]


def test_the_nearest_rate_of_the_grid_is_found_and_every_seed_gets_it(capsys):
    train = Planted()
    tuned, trials = tune(plans(), study(), Halving(trials=8, epochs=1), train)
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
    assert "learning rate 0.1, at the high end of 0.0001 to 0.1: widen it" in capsys.readouterr().err
    TUNING.arrow(trials, "trials")


def test_network_and_window_are_tuned_apart_fraction_and_epochs_together():
    train = Planted()
    spread = [planned(optimizer=OptimizerSpec(name="adamw", lr=lr), **changes) for lr in (0.01, 0.02) for changes in (
        {}, {"epochs": 9}, {"data_fraction": 0.5}, {"window": 128})]
    tuned, trials = tune(spread, study(), Halving(trials=4, epochs=2), train)
    assert trials["group"].nunique() == 2
    assert len(tuned) == 4      # the two rates became one


def test_a_study_without_ranges_and_rates_that_all_diverge(capsys):
    fixed = study().model_copy(update={"runs": ()})
    with pytest.raises(UserError, match="no optimizer has a range"):
        tune(plans(), fixed, Halving(), Planted())
    wild = Study.model_validate({"name": "toy", "runs": [{
        "family": "regnet", "sampler": "list", "models": [dict(planned().spec.model.params)],
        "optimizers": [{"name": "adamw", "lr": {"low": 0.1, "high": 1.0, "log": True}}]}]})
    before = plans()[:2]
    tuned, trials = tune(before, wild, Halving(trials=4), Planted())
    assert tuned == before
    assert not trials["kept"].any()
    assert "no learning rate from 0.1 to 1 trains" in capsys.readouterr().err


def test_ranges_are_those_of_the_study():
    assert ranges(study(lr_sgd=[0.1, 0.5, 0.2])) == {("regnet", "adamw"): (1e-4, 1e-1), ("regnet", "sgd"): (0.1, 0.5)}


@pytest.mark.parametrize(("lr", "expected"), [
    (1e-3, "low"), (1e-3 * 10**0.09, "low"), (1e-3 * 10**0.11, ""), (1e-2, ""), (0.1 / 10**0.11, ""),
    (0.1 / 10**0.09, "high"), (0.1, "high")])
def test_edge_is_five_per_cent_of_the_logarithmic_range(lr, expected):
    """Two decades: 5 % are a tenth of a decade."""
    assert edge(lr, 1e-3, 0.1) == expected


def test_optima_of_a_run_table():
    """As in the published study: one range for all, the best adamw run at its low end, the best sgd run at its high."""
    rng = np.random.default_rng(0)
    best = {"adamw": 1.04e-3, "sgdm": 3e-3, "sgd": 9.9e-3}
    runs = pd.DataFrame({"optimizer": np.repeat(list(best), 100), "family": "regnet", "status": "finished",
                         "lr": rng.uniform(1e-3, 1e-2, 300)})
    runs["run_id"] = [f"{number:03d}" for number in range(300)]
    runs["valid_loss"] = np.abs(np.log(runs["lr"] / runs["optimizer"].map(best)))
    runs["test_challenge_score"] = 1 - runs["valid_loss"]
    for metric in ("valid_loss", "test_challenge_score"):
        found = optima(runs, metric, {("regnet", name): (1e-3, 1e-2) for name in best})
        assert found.set_index("group")["edge"].to_dict() == {
            "family=regnet, optimizer=adamw": "low", "family=regnet, optimizer=sgd": "high",
            "family=regnet, optimizer=sgdm": ""}
        OPTIMA.arrow(found, "optima")
    few = optima(runs.iloc[:3], "valid_loss")
    assert few.empty
    OPTIMA.arrow(few, "optima")
