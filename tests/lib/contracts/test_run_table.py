"""Runs of which laws are told: those that ended well and have a finite value. Runs to choose among: the best first."""

import numpy as np
import pandas as pd

from ecgscale.contracts.run_table import CHOOSING, configurations, finished, on_part, ranked, specification


def test_runs_that_ended_well_with_a_value():
    runs = pd.DataFrame({"run_id": ["d", "c", "b", "a"], "status": ["finished", "diverged", "finished", "finished"],
                         "valid_loss": [0.3, 0.2, np.inf, 0.1]})
    assert finished(runs, "valid_loss")["run_id"].tolist() == ["a", "d"]
    assert finished(runs, "valid_loss").index.tolist() == [0, 1]
    assert finished(runs.drop(columns="status"), "valid_loss")["run_id"].tolist() == ["a", "c", "d"]
    assert finished(runs, "test_loss").empty


def test_the_best_on_validation_is_the_first_and_without_a_score_there_is_none():
    runs = pd.DataFrame({"run_id": ["c", "b", "a", "d", "e"], "status": ["finished"] * 3 + ["diverged", "finished"],
                         CHOOSING[0]: [0.5, 0.6, 0.5, 0.9, np.nan]})
    assert ranked(runs)["run_id"].tolist() == ["b", "a", "c"]
    assert ranked(runs.drop(columns=CHOOSING[0])).empty


def test_a_quantity_on_another_part_of_the_data():
    assert on_part("test_auroc", "validation") == "valid_auroc"
    assert on_part("valid_f1", "test") == "test_f1"
    assert on_part("accuracy", "test") is None


def test_a_loss_that_was_measured_defines_no_run_and_the_name_of_one_does():
    runs = pd.DataFrame({"run_id": ["a", "b", "c"], "family": ["vit", "vit", "regnet"], "loss": [0.3, 0.4, 0.5]})
    assert specification(runs) == ["family"]
    assert configurations(runs).tolist() == [0, 0, 1]
    assert set(specification(runs.assign(loss=["bce", "asl", "bce"]))) == {"family", "loss"}
