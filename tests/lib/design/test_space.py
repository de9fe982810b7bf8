"""Samplers, constraints, seeds and identities of a study's runs."""

from collections import Counter

import numpy as np
import pytest
from scipy import stats

from ecgscale.contracts import LEADS
from ecgscale.design.axes import Range
from ecgscale.design.space import place_on, sample
from ecgscale.design.study import Study
from ecgscale.errors import UserError

SPACE = {
    "depth": {"low": 4, "high": 20, "step": 1}, "w_init": {"low": 32, "high": 64, "step": 8},
    "w_0": {"low": 32, "high": 128, "step": 8}, "w_a": {"low": 10, "high": 50, "step": 1},
    "w_m": {"low": 1.1, "high": 3.0, "step": 0.1}, "group_width": [1, 2, 4, 8, 16, 32],
    "bottleneck_multiplier": [0.5, 1, 2, 4], "se_ratio": [0.25, None], "init_kernel_size": [3, 9, 15],
}
LR = {"low": 1e-3, "high": 1e-2}


def study(*groups: dict, **sections) -> Study:
    defaults = {"family": "regnet", "sampler": "random", "optimizers": [{"name": "adamw", "lr": LR}]}
    return Study.model_validate({"name": "example", "runs": [defaults | group for group in groups]} | sections)


def vit(**changes) -> dict:
    listed = {"family": "vit", "sampler": "list", "models": ["vit-20k"], "optimizers": [{"name": "sgd", "lr": 0.1}]}
    return listed | changes


@pytest.mark.parametrize("sampler", ["random", "sobol"])
def test_same_seed_same_runs(sampler):
    made = study({"count": 20, "space": SPACE, "sampler": sampler})
    first, plan = sample(made)
    assert sample(made) == (first, plan)
    assert plan.runs == len({run.spec.run_id for run in first}) == 20
    other, _ = sample(made.model_copy(update={"seed": 2}))
    assert not {run.spec.run_id for run in first} & {run.spec.run_id for run in other}


def test_a_larger_count_begins_with_the_smaller_one():
    small, _ = sample(study({"count": 10, "space": SPACE}))
    large, _ = sample(study({"count": 30, "space": SPACE}))
    assert large[:10] == small


def test_runs_lie_in_the_space_with_every_choice_equally_likely():
    runs, plan = sample(study({"count": 3000, "space": SPACE}))
    models = [run.spec.model.params for run in runs]
    assert {m["group_width"] for m in models} == {1, 2, 4, 8, 16, 32}
    assert min(m["depth"] for m in models) == 4
    assert max(m["depth"] for m in models) == 20
    assert all(m["w_0"] >= m["w_init"] for m in models)
    rates = [run.spec.optimizer.lr for run in runs]
    assert stats.kstest(rates, stats.uniform(1e-3, 9e-3).cdf).pvalue > 0.01
    for name in ("init_kernel_size", "bottleneck_multiplier", "se_ratio", "w_init"):
        assert stats.chisquare(list(Counter(m[name] for m in models).values())).pvalue > 1e-3
    assert 0.01 < plan.rejected["more than 7 stages"] / 3000 < 0.03      # the study: about 2 % of its space


def test_a_logarithmic_range_is_uniform_in_its_logarithm():
    drawn = place_on(Range(low=1e-5, high=1e-1, log=True), np.random.default_rng(1).random(4000))
    assert stats.kstest(np.log10(drawn), stats.uniform(-5, 4).cdf).pvalue > 0.01


def test_sobol_covers_more_evenly_than_random():
    """Centred discrepancy (Hickernell 1998) of two axes."""
    free = {name: {"low": 0.0, "high": 1.0} for name in ("lr", "weight_decay")} | {"name": "adamw"}
    free["lr"] = {"low": 1e-6, "high": 1.0}

    def discrepancy(sampler):
        group = {"count": 64, "sampler": sampler, "space": {"width": 4, "depth_1": 1, "depth_2": 1, "depth_3": 1,
                                                            "depth_4": 1}, "optimizers": [free]}
        runs, _ = sample(study(group | {"family": "resnet"}))
        return stats.qmc.discrepancy([[run.spec.optimizer.lr, run.spec.optimizer.weight_decay] for run in runs])

    assert discrepancy("sobol") < discrepancy("random") / 3


def test_grid_takes_every_combination():
    group = {"sampler": "grid", "space": {"dim": [16, 32], "depth": {"low": 1, "high": 3, "step": 1}, "heads": 2},
             "family": "vit", "optimizers": [{"name": "sgd", "lr": [0.1, 0.2]}, {"name": "adamw", "lr": 0.001}],
             "training": {"epochs": [1, 2], "data_fraction": [0.5, 1.0]}}
    _, plan = sample(study(group))
    assert plan.runs == 2 * 3 * (2 + 1) * 2 * 2
    assert plan.duplicates == 0


def test_a_grid_of_a_continuous_range_is_refused():
    with pytest.raises(UserError, match="step") as error:
        sample(study({"sampler": "list", "models": ["regnet-20k"]}))
    assert error.value.field == "runs.0.optimizer.lr"


def test_seeds_replicate_a_run():
    runs, _ = sample(study(vit(seeds=[0, 1, 2])))
    assert [run.spec.seed for run in runs] == [0, 1, 2]
    assert len({run.spec.run_id for run in runs}) == 3
    assert len({run.spec.model_copy(update={"seed": 0, "run_id": ""}).model_dump_json() for run in runs}) == 1


def test_duplicates_are_kept_once():
    runs, plan = sample(study(vit(), vit(models=["vit-20k", {"dim": 16, "depth": 2, "heads": 2}, "vit-60k"])))
    assert (plan.runs, plan.duplicates) == (2, 2)       # the dict is vit-20k, the third a repetition
    assert len(runs) == 2


def test_further_seeds_of_a_known_run_are_added():
    runs, plan = sample(study(vit(), vit(seeds=[0, 1, 2])))
    assert [run.spec.seed for run in runs] == [0, 1, 2]
    assert plan.duplicates == 1


def test_constraints_reject_and_count():
    bounds = {"params": {"high": 2e6}, "forward_flops": {"low": 1e8}, "stages": {"low": 3, "high": 4}}
    runs, plan = sample(study({"count": 50, "space": SPACE, "constraints": bounds}))
    assert all(run.ledger.params <= 2e6 and run.ledger.forward_flops >= 1e8 for run in runs)
    assert {run.ledger.stages for run in runs} == {3, 4}
    assert set(plan.rejected) == {"params", "forward_flops", "stages", "more than 7 stages"}


def test_combinations_that_make_no_network_are_counted():
    group = vit(sampler="grid", models=[], space={"dim": [16, 30], "heads": [4], "depth": 1})
    runs, plan = sample(study(group))
    assert plan.rejected == {"heads do not divide dim": 1}
    assert [run.spec.model.params["dim"] for run in runs] == [16]


def test_constraints_that_nothing_passes_are_an_error():
    with pytest.raises(UserError, match="rejected by params") as error:
        sample(study({"count": 5, "space": SPACE, "constraints": {"params": {"high": 100}}}))
    assert error.value.field == "runs.0"


def test_a_grid_goes_on_after_many_rejected_points():
    """The first 1,100 of 1,101 combinations have more parameters than allowed."""
    space = {"dim": 64, "heads": 2, "depth": 2, "patch": [*range(2200, 1100, -1), 8]}
    group = vit(sampler="grid", models=[], space=space, constraints={"params": {"high": 200_000}})
    runs, plan = sample(study(group))
    assert [run.spec.model.params["patch"] for run in runs] == [8]
    assert plan.rejected == {"params": 1100}


def test_a_grid_that_leaves_nothing_is_an_error():
    with pytest.raises(UserError, match="found no sample; rejected by params"):
        sample(study(vit(constraints={"params": {"high": 10}})))


def test_a_space_with_too_few_points_is_an_error():
    with pytest.raises(UserError, match=r"found 2 of 5 .* duplicates"):
        sample(study(vit(sampler="random", count=5, models=[], space={"dim": [16, 32], "depth": 1, "heads": 2})))


@pytest.mark.parametrize(("count", "leads"), [
    (12, LEADS), (6, ("I", "II", "III", "aVR", "aVL", "aVF")), (4, ("I", "II", "III", "V2")), (3, ("I", "II", "V2")),
    (2, ("I", "II")),
])
def test_lead_sets_of_the_challenge(count, leads):
    """PhysioNet/CinC Challenge 2021, "Will Two Do?"."""
    (run,), _ = sample(study(vit(leads=count)))
    assert run.spec.leads == leads


@pytest.mark.parametrize(("asked", "sets"), [
    ("V2", [("V2",)]), (["V2", "II", "I"], [("I", "II", "V2")]), (["II"], [("II",)]), ([["I"], ["II", "V5"]],
    [("I",), ("II", "V5")]), ([12, ["V1"], 2], [LEADS, ("V1",), ("I", "II")]), (None, [LEADS])])
def test_leads_by_name(asked, sets):
    """A name or names are one set, a list of sets an axis; a run lists its leads in the standard order."""
    runs, _ = sample(study(vit(leads=asked)))
    assert [run.spec.leads for run in runs] == sets


def test_leads_are_those_of_the_corpus_unless_said():
    runs, _ = sample(study(vit(), data={"leads": ["V5", "II"]}))
    assert [run.spec.leads for run in runs] == [("II", "V5")]


def test_recipes_and_windows_are_axes():
    """Every recipe with every window; one in seconds is as long at each recipe's rate."""
    runs, _ = sample(study(vit(recipe=["study", "study-100"], window=["2.56 s", 512]),
                           data={"recipe": ["study", "study-100"]}))
    assert [(run.spec.window, run.spec.recipe) for run in runs] == [
        (1280, "study"), (256, "study-100"), (512, "study"), (512, "study-100")]
    plain, listed = sample(study(vit()))[0], sample(study(vit(), data={"recipe": ["study", "wide"]}))[0]
    assert listed == plain      # what no run asks for leaves the runs and their ids alone


def test_axes_of_the_protocol_reach_the_run():
    training = {"epochs": 3, "batch_size": 16, "data_fraction": 0.1, "clip_norm": None, "augment": ["noise"],
                "loss": {"name": "bce", "reduction": "sum"}, "schedule": {"name": "cosine"}, "precision": "bf16"}
    optimizers = [{"name": "sgdm", "lr": 0.1, "weight_decay": 0.01}, {"name": "sgd", "lr": 0.1}]
    runs, _ = sample(study(vit(training=training, optimizers=optimizers, leads=[12, 2], window=[512, 2000])))
    assert len(runs) == 8
    spec = runs[0].spec
    assert (spec.epochs, spec.batch_size, spec.data_fraction, spec.clip_norm) == (3, 16, 0.1, None)
    assert (spec.augment, spec.loss.name, spec.schedule.name, spec.precision) == (("noise",), "bce", "cosine", "bf16")
    assert {run.spec.optimizer.momentum for run in runs} == {0.9, 0.0}
    assert {(len(run.spec.leads), run.spec.window) for run in runs} == {(12, 512), (12, 2000), (2, 512), (2, 2000)}
    assert runs[0].ledger.forward_flops != runs[1].ledger.forward_flops


@pytest.mark.parametrize(("longer", "epochs"), [(0, [6, 6, 6]), (1 / 3, [6, 12, 24]), (1, [6, 48, 384])])
def test_small_shares_may_be_trained_longer(longer, epochs):
    """By hand: an eighth and a 64th of the data by the cube root, and by as many steps as all of it."""
    training = {"epochs": 6, "data_fraction": [1, 1 / 8, 1 / 64], "longer": longer}
    runs, _ = sample(study(vit(training=training)))
    assert [run.spec.epochs for run in runs] == epochs


def test_quantiles_are_those_of_the_runs():
    runs, plan = sample(study({"count": 101, "space": SPACE}))
    flops = sorted(run.ledger.forward_flops for run in runs)
    assert plan.forward_flops == {"0": flops[0], "0.1": flops[10], "0.25": flops[25], "0.5": flops[50],
                                  "0.75": flops[75], "0.9": flops[90], "1": flops[100]}
