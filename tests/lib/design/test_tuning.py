"""Which runs are tuned, together with which others, and that a plan counts the trials."""

import math

import pytest

from ecgscale.contracts import Tuning
from ecgscale.design.plan import as_text, train_flops
from ecgscale.design.space import plan_study, sample
from ecgscale.design.study import Study, read_study
from ecgscale.design.tuning import edge, groups, rounds
from ecgscale.errors import UserError
from ecgscale.paths import ASSETS

RANGE = {"low": 1e-3, "high": 1e-1, "log": True}


def study(tuning=None, **changes) -> Study:
    group = {"family": "resnet", "sampler": "list",
             "models": [{"width": width, "depth_1": 1, "depth_2": 1, "depth_3": 1, "depth_4": 1}
                        for width in (4, 8, 12, 16, 20, 24)],
             "optimizers": [{"name": "sgd", "lr": RANGE}, {"name": "adamw", "lr": 0.01}]} | changes
    return Study.model_validate({"name": "x", "runs": [group], "tuning": tuning})


def test_only_rates_given_as_a_range_are_tuned():
    """They start from the middle of the range, also where a list of models could not take every value of a range."""
    runs, _ = sample(study({"trials": 4, "epochs": 2}))
    asked = {run.spec.optimizer.name: run.tuning for run in runs}
    assert asked["adamw"] is None
    tuning = asked["sgd"]
    assert (tuning.low, tuning.high, tuning.trials, tuning.epochs, tuning.chosen) == (1e-3, 1e-1, 4, 2, None)
    assert {run.spec.optimizer.lr for run in runs} == {0.01}
    assert {run.spec.run_id for run in runs} == {
        run.spec.run_id for run in sample(study(optimizers=[{"name": "sgd", "lr": 0.01}, {"name": "adamw", "lr": 0.01}])
                                          )[0]}, "a mark of tuning is no part of a run's identity"


def test_without_the_section_a_range_is_drawn_and_nothing_is_tuned():
    drawn = study(sampler="random", count=5, models=[], space={
        "width": {"low": 4, "high": 64, "step": 1}, "depth_1": 1, "depth_2": 1, "depth_3": 1, "depth_4": 1})
    runs, plan = plan_study(drawn, records=100)
    assert len({run.spec.optimizer.lr for run in runs if run.spec.optimizer.name == "sgd"}) == 5
    assert {run.tuning for run in runs} == {None}
    assert (plan.tuning_groups, plan.tuning_flops) == (0, None)


@pytest.mark.parametrize(("sizes", "members"), [(None, [1] * 6), (1, [6]), (3, [2, 2, 2]), (4, [2, 2, 1, 1]),
                                                (50, [1] * 6)])
def test_groups_by_size(sizes, members):
    """Equal parts of the networks by number of parameters; a group's median network stands for it."""
    runs = [run for run in sample(study({"sizes": sizes}))[0] if run.tuning]
    found: dict[str, list[int]] = {}
    for run in sorted(runs, key=lambda run: run.ledger.params):
        found.setdefault(run.tuning.group, []).append(run.ledger.params)
    assert [len(params) for params in found.values()] == members
    for name, params in found.items():
        assert groups(runs)[name].ledger.params == params[(len(params) - 1) // 2]


def test_seeds_epochs_and_fractions_share_a_rate_windows_and_losses_do_not():
    spread = study({"sizes": 1}, seeds=[0, 1], window=[256, 512],
                   training={"epochs": [2, 4], "data_fraction": [0.5, 1.0]})
    asked = groups(sample(spread)[0])
    assert len(asked) == 2
    assert {run.spec.data_fraction for run in asked.values()} == {1.0}


def test_rounds():
    assert rounds(Tuning(low=1, high=2, trials=8, epochs=1)) == [(8, 1), (4, 2), (2, 4)]
    assert rounds(Tuning(low=1, high=2, trials=3, epochs=5)) == [(3, 5)]


def test_a_plan_counts_the_trials():
    """Two groups of three networks; each trains its median network for 8 x 1 + 4 x 2 + 2 x 4 epochs."""
    asked = study({"sizes": 2})
    runs, plan = plan_study(asked, records=100)
    each = [run.ledger.step_flops * 100 * 24 for run in groups(runs).values()]
    assert plan.tuning_groups == 2
    assert plan.tuning_flops == sum(each)
    assert plan.train_flops == pytest.approx(math.fsum(train_flops(run, 100) for run in runs) + sum(each))
    assert "of them to tune 2 learning rates" in as_text(plan)
    limited = asked.model_copy(update={"budget": asked.budget.model_copy(
        update={"train_flops": plan.train_flops / 2, "records": 100})})
    kept, thinned = plan_study(limited)
    assert len(kept) < len(runs)
    assert thinned.train_flops <= plan.train_flops / 2


def test_a_study_that_tunes_nothing_is_refused(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text("name: x\ntuning: {trials: 4}\nruns:\n  - family: resnet\n    sampler: list\n"
                    "    models: [resnet-20k]\n    optimizers: [{name: sgd, lr: 0.1}]\n")
    with pytest.raises(UserError, match="no optimizer has a range of learning rates"):
        read_study(path)


def test_the_tuned_study_tunes_every_optimizer_in_four_sizes():
    runs, plan = plan_study(read_study(ASSETS / "studies/tuned.yaml"))
    assert all(run.tuning for run in runs)
    assert len(groups(runs)) == 12
    assert plan.tuning_flops < 0.1 * plan.train_flops


@pytest.mark.parametrize(("lr", "expected"), [
    (1e-3, "low"), (1e-3 * 10**0.09, "low"), (1e-3 * 10**0.11, ""), (1e-2, ""), (0.1 / 10**0.11, ""),
    (0.1 / 10**0.09, "high"), (0.1, "high")])
def test_edge_is_five_per_cent_of_the_logarithmic_range(lr, expected):
    """Two decades: 5 % are a tenth of a decade."""
    assert edge(lr, 1e-3, 0.1) == expected
