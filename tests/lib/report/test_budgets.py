"""The best model for each budget: chosen on validation, told on test. And hours as planned, beside those spent."""

import pandas as pd
import pytest

from ecgscale.analysis import frontier
from ecgscale.contracts import LATENCY, Plan
from ecgscale.report import budgets, headlines, tables
from ecgscale.report.inputs import Inputs

# forward FLOPs, validation, test: the second is the best of test, and validation chooses the third
RUNS = ((0.8e6, 0.30, 0.31), (3e6, 0.40, 0.60), (8e6, 0.50, 0.45), (50e6, 0.45, 0.55))


def table(*runs: tuple[float, float, float], seed: int = 0) -> pd.DataFrame:
    return pd.DataFrame([{
        "run_id": f"r{place}", "status": "finished", "family": "regnet", "optimizer": "adamw", "lr": 0.01, "seed": seed,
        "params": flops / 1e3, "forward_flops": flops, "train_flops": 3e6 * flops, "test_challenge_score": test,
        "test_challenge_score_low": test - 0.02, "test_challenge_score_high": test + 0.02,
        "valid_challenge_score": valid} for place, (flops, valid, test) in enumerate(runs)])


def inputs(runs: pd.DataFrame) -> Inputs:
    return Inputs(runs=runs, frontier=frontier.fronts(runs, LATENCY.empty(), 10, 1))


def test_each_round_budget_has_the_model_that_validation_chooses_and_its_test_score():
    found = budgets.best_for_budgets(inputs(table(*RUNS)))
    rows = [row for row in found.rows if row[0] == "forward FLOPs of one window"]
    assert [(row[1], row[3], row[5]) for row in rows] == [
        ("1 M FLOPs", "0.310 [0.290, 0.330]", "r0"), ("5 M FLOPs", "0.600 [0.580, 0.620]", "r1"),
        ("10 M FLOPs", "0.450 [0.430, 0.470]", "r2")]       # r3 is dearer, and validation likes it less
    assert "chosen on validation" in found.caption


def test_without_a_validation_score_the_table_says_that_it_flatters():
    bare = table(*RUNS).drop(columns="valid_challenge_score")
    assert "it is flattered" in budgets.best_for_budgets(inputs(bare)).caption


def test_the_first_answer_and_the_budgets_tell_one_interval_of_a_configuration():
    """Repeats with a seed: recordings alone make the run's interval, seeds too that of both others."""
    again = table(*((flops, valid - 0.01, test - 0.06) for flops, valid, test in RUNS), seed=1)
    both = pd.concat([table(*RUNS), again.assign(run_id=again["run_id"] + "b")], ignore_index=True)
    given = inputs(both)
    first = next(one.answer for one in headlines.headlines(given) if "Which model" in one.question)
    (told,) = {row[3] for row in budgets.best_for_budgets(given).rows if row[5] == "r2"}
    assert first.endswith(f": 0.450 [0.430, 0.470]; over seeds, too: {told}")
    assert "over seeds" not in next(one.answer for one in headlines.headlines(inputs(table(*RUNS)))
                                    if "Which model" in one.question)


@pytest.mark.parametrize(("trained_on", "told"), [(["cpu"], "12"), (["NVIDIA H100"], "0.5"), (["cpu", "other"], "–"),
                                                  (["another"], "–")])
def test_planned_hours_are_those_of_the_one_device_that_trained(trained_on, told):
    runs = pd.DataFrame({"run_id": [f"r{k}" for k in range(len(trained_on))], "device": trained_on, "seconds": 3600.0,
                         "family": "vit", "optimizer": "adamw", "train_flops": 1e12})
    plan = Plan(study="s", seed=1, runs=9, rejected={}, duplicates=0, forward_flops={}, params={}, train_flops=2e13,
                hours=[{"device": "1 core of a cpu", "hours": 12.0}, {"device": "NVIDIA H100", "hours": 0.5}])
    found = tables.costs(Inputs(runs=runs, plan=plan))
    assert found.rows[-1] == ("planned", "", "9", "20 T", told)
