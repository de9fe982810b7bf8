"""The report warns where the best or a tuned learning rate lies at an edge of its range."""

import pandas as pd

from ecgscale.contracts import OPTIMA, TUNING
from ecgscale.report.inputs import Inputs
from ecgscale.report.learning_rates import alarm, chosen, laws, rates


def optima(**edges: str) -> pd.DataFrame:
    """One row an optimizer."""
    return pd.DataFrame([{"group": f"family=regnet, optimizer={name}", "metric": "valid_loss", "runs": 9, "run_id": "a",
                          "value": 0.1, "lr": 0.00101, "low": 1e-3, "high": 1e-2, "edge": edge}
                         for name, edge in edges.items()], columns=list(OPTIMA.columns))


def trials() -> pd.DataFrame:
    """Four rates, of which two went on; the second round chose the largest."""
    rows = [(0, 0.01, 3.0, False, ""), (0, 0.1, 1.0, True, ""), (0, 1.0, 2.0, True, ""), (0, 0.5, 4.0, False, ""),
            (1, 0.1, 0.9, False, ""), (1, 1.0, 0.8, True, "high")]
    return pd.DataFrame([{"group": "regnet-sgd-9to9-c0ffee", "family": "regnet", "optimizer": "sgd", "params": 9.0,
                          "low": 0.01, "high": 1.0, "round": turn, "epochs": 1, "lr": lr, "valid_loss": loss,
                          "status": "finished", "kept": kept, "edge": edge}
                         for turn, lr, loss, kept, edge in rows])[list(TUNING.columns)]


def test_an_optimum_at_an_edge_is_named_one_inside_is_not():
    told, = alarm(Inputs(pd.DataFrame(), optima=optima(adamw="low", sgd="")))
    assert "AdamW" in told
    assert "low end of 0.001 to 0.01" in told
    assert "SGD" not in told
    assert alarm(Inputs(pd.DataFrame(), optima=optima(adamw="", sgd=""))) == []
    assert alarm(Inputs(pd.DataFrame())) == []


def test_a_tuned_rate_at_an_edge_is_named():
    assert chosen(trials())["lr"].tolist() == [1.0]
    told, = alarm(Inputs(pd.DataFrame(), tuning=trials()))
    assert told.startswith("Tuned learning rates within 5 % of an end")
    assert "high end of 0.01 to 1" in told
    made = rates(Inputs(pd.DataFrame(), optima=optima(adamw="low"), tuning=trials()))
    assert [(row[1], row[2], row[-1]) for row in made.rows] == [
        ("runs of the study", "9", "low"), ("trials, on validation", "6", "high")]


def test_a_group_of_which_no_trial_finished_is_named():
    lost = trials().assign(kept=False, edge="", status="diverged", valid_loss=float("nan"))
    told, = alarm(Inputs(pd.DataFrame(), tuning=lost))
    assert told == "No learning rate tried trains regnet-sgd-9to9-c0ffee: these runs kept the middle of the range."
    assert rates(Inputs(pd.DataFrame(), tuning=lost)) is None


def rate_laws(best_high: float) -> pd.DataFrame:
    shared = {"group": "family=vit, optimizer=adamw", "setting": "lr", "metric": "valid_loss", "runs": 22, "cells": 8,
              "together": "samples_seen;depth", "told": True, "level": 0.9}
    return pd.DataFrame([
        shared | {"size": "", "best": 6e-4, "best_low": 4e-4, "best_high": best_high, "tried_low": 1e-3,
                  "tried_high": 3e-3, "ahead": 2e-4, "ahead_low": 1e-4, "ahead_high": 3e-4},
        shared | {"size": "params", "exponent": -0.48, "low": -0.58, "high": -0.4, "largest": 2e6}])


def test_a_best_rate_that_was_not_tried_is_named():
    told, = alarm(Inputs(pd.DataFrame(), rates=rate_laws(8e-4)))
    assert "ViT with AdamW" in told
    assert "0.001 to 0.003" in told
    assert alarm(Inputs(pd.DataFrame(), rates=rate_laws(2e-3))) == []


def test_the_table_of_rate_laws():
    row, = laws(Inputs(pd.DataFrame(), rates=rate_laws(8e-4))).rows
    assert row[0] == "ViT with AdamW, learning rate"
    assert "-0.480 [-0.580, -0.400]" in " ".join(map(str, row)).replace("−", "-")
    unsure = laws(Inputs(pd.DataFrame(), rates=rate_laws(8e-4).assign(told=False))).rows[0]
    assert "not told" in unsure
    assert laws(Inputs(pd.DataFrame())) is None
