"""No figure of one part is shown as another's: planted scores that differ in each part, with and without weights."""

from dataclasses import replace

import pandas as pd
import pytest

from ecgscale.analysis.frontier import fronts
from ecgscale.contracts.run_table import judged_by, on_part, part_of
from ecgscale.report import tables
from ecgscale.report.headlines import headlines
from ecgscale.report.inputs import Inputs
from ecgscale.report.style import label

PLANTED = {"valid": (0.91, 0.92), "test": (0.71, 0.72), "train": (0.98, 0.99)}


def runs(*columns: str) -> pd.DataFrame:
    """Two finished runs with a value for each part that tells where it comes from; validation stands first."""
    return pd.DataFrame({"run_id": ["a", "b"], "status": "finished", "family": "regnet", "params": [1e4, 2e4],
                         **{name: PLANTED[name.split("_")[0]] for name in columns}})


@pytest.mark.parametrize(("columns", "shown"), [
    (("valid_auroc", "test_auroc"), {"validation": "0.920", "test": "0.720"}),      # classes without weights
    (("valid_challenge_score", "valid_auroc", "test_auroc", "test_challenge_score"),
     {"validation": "0.920", "test": "0.720"}),
    (("train_auroc", "valid_f1", "test_f1"), {"validation": "0.920", "test": "0.720"}),
    (("valid_auroc",), {"validation": "0.920"}), (("train_auroc",), {"training": "0.990"})])
def test_every_column_holds_the_part_that_it_names(columns, shown):
    table = tables.runs(Inputs(runs(*columns)))
    heads = list(table.head) if hasattr(table, "head") else list(table.columns)
    row = next(row for row in table.rows if row[0] == "b")
    found = {name: row[heads.index(name)] for name in ("validation", "test", "training") if name in heads}
    assert found == shown


def test_the_answer_names_its_part():
    answer = next(one for one in headlines(Inputs(runs("valid_auroc", "test_auroc"))) if "Which model" in one.question)
    assert answer.answer == "RegNet, 20 k parameters: 0.720"
    assert "macro AUROC (test)" in answer.detail
    only = next(one for one in headlines(Inputs(runs("valid_auroc"))) if "Which model" in one.question)
    assert "macro AUROC (validation)" in only.detail
    assert "flattered" in only.detail


def test_the_part_is_read_in_one_place():
    assert [part_of(name) for name in ("test_auroc", "valid_f1", "train_loss", "accuracy", "val_acc")] == [
        "test", "validation", "training", "", ""]
    assert on_part("test_auroc", "validation") == "valid_auroc"
    assert on_part("accuracy", "validation") is None
    assert [label(name) for name in (None, float("nan"))] == ["–", "–"]     # a cell of a table that holds nothing
    assert [label(name) for name in ("test_challenge_score", "valid_challenge_score", "accuracy")] == [
        "Challenge score (test)", "Challenge score (validation)", "accuracy"]


def test_what_a_table_is_judged_by():
    assert judged_by(["test_auroc", "test_challenge_score"], "test_challenge_score") == "test_challenge_score"
    assert judged_by(["test_auroc", "valid_auroc"], "test_challenge_score") == "test_auroc"
    assert judged_by(["loss"], "test_challenge_score") == "test_challenge_score"


@pytest.mark.parametrize(("gain", "answer"), [(0.05, "AdamW"), (0.0, "not told apart")])
def test_few_networks_tell_the_optimizers_by_pairs(gain, answer):
    """Four networks are no fronts, but each was trained with both: what AdamW gains on all of them is told."""
    wobble = [0.004, -0.003, 0.002, -0.003]
    table = pd.DataFrame([{"run_id": f"{optimizer}{k}", "status": "finished", "family": "regnet",
                           "optimizer": optimizer, "params": 1e4 * 2**k, "forward_flops": 1e6 * 2**k, "valid_loss": 0.3,
                           "test_challenge_score": 0.3 + 0.05 * k + (gain + wobble[k]) * (optimizer == "adamw")}
                          for k in range(4) for optimizer in ("sgd", "adamw")])
    inputs = Inputs(table, frontier=fronts(table, None, bootstrap=20))
    told = next(one for one in headlines(inputs) if "optimizer" in one.question)
    assert (told.question, told.answer) == ("Which optimizer is best, all else equal?", answer)
    assert "AdamW over SGD by" in told.detail
    assert "(n = 4)" in told.detail
    alone = next(one for one in headlines(replace(inputs, runs=table.drop(columns="valid_loss")))
                 if "optimizer" in one.question)
    assert alone.answer == "too few runs to tell"
