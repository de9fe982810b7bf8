"""The chapter of rounds: what was foretold, what was found, what comes next, as the table and the decision have it."""

import pandas as pd
import pytest

from ecgscale.contracts import ROUNDS, Decision
from ecgscale.report import page, rounds
from ecgscale.report.headlines import headlines
from ecgscale.report.inputs import Inputs
from tests.lib.report.test_page import run_table

FIRST = {"round": 1, "made": "2026-11-28T00:00:00Z", "family": "resnet", "model": "resnet-600k", "params": 6e5,
         "train_records": 4000.0, "epochs": 3, "optimizer": "adamw", "lr": 4e-3, "settings": "of run abc", "seeds": 3,
         "finished": 2, "train_flops": 2e14, "response": "valid_loss", "foretold": 0.25, "low": 0.24, "high": 0.27,
         "found": 0.28, "inside": False}
ROWS = pd.DataFrame([
    FIRST, FIRST | {"response": "test_auroc", "foretold": 0.9, "low": 0.88, "high": 0.92, "found": 0.91,
                    "inside": True},
    FIRST | {"round": 2, "model": "resnet-2m", "finished": 0, "found": None, "inside": None}])


def inputs(**decision) -> Inputs:
    values = {"go_on": True, "budget": 1e16, "spent": 2e14, "judged": 1, "inside": 0, "synthetic": False} | decision
    return Inputs(runs=run_table(True), rounds=ROWS, decision=Decision(**values))


def test_every_row_is_listed():
    made = rounds.listing(inputs())
    rows = [dict(zip(made.head, row, strict=True)) for row in made.rows]
    assert [(row["network"], row["seeds"], row["foretold"], row["found"], row["inside"]) for row in rows] == [
        ("resnet-600k", "2 of 3", "0.250 [0.240, 0.270]", "0.28", "no"),
        ("resnet-600k", "2 of 3", "0.900 [0.880, 0.920]", "0.91", "yes"),
        ("resnet-2m", "0 of 3", "0.250 [0.240, 0.270]", "–", "not trained yet")]
    assert rows[0]["foretold at"] == "2026-11-28T00:00:00Z"


def test_the_figure_has_an_interval_for_each_round_and_a_point_for_each_that_is_trained():
    loss, auroc = rounds.drawing(inputs()).figure.axes
    ends = [segment[:, 1].tolist() for segment in loss.collections[0].get_segments()]
    assert ends == [[0.24, 0.27], [0.24, 0.27]]
    found = {line.get_label(): line.get_ydata().tolist() for line in loss.lines if "found" in line.get_label()}
    assert found == {"found, outside": [0.28]}
    assert [line.get_label() for line in auroc.lines][-1] == "found, inside"


def test_the_next_round_and_the_reason_to_stop_are_told():
    [told] = [one for one in headlines(inputs()) if "next scale" in one.question]
    assert told.answer == ("0 of 1 rounds inside their intervals; round 2: resnet-2m (3 seeds), valid_loss "
                           "foretold 0.250 [0.240, 0.270]; the same command again trains it")
    stopped = inputs(go_on=False, stop="budget", reason="too dear", remedy=("train x",))
    [told] = [one for one in headlines(stopped) if "next scale" in one.question]
    assert told.answer == "0 of 1 rounds inside their intervals; stop, budget: too dear"
    section = page.rounds_of_scaling(stopped)
    assert section.notices == ["To go on: train x."]
    assert "No further round, budget: too dear." in section.text[-1]


@pytest.mark.parametrize("given", [Inputs(runs=run_table(True))])
def test_a_study_without_rounds_says_how_to_have_them(given):
    section = page.rounds_of_scaling(given)
    assert section.parts == []
    assert "a section scale in its file" in section.text[0]
    assert not [one for one in headlines(given) if "next scale" in one.question]


def test_the_table_is_one_of_the_contract(tmp_path):
    ROUNDS.write(ROWS, tmp_path / "rounds.csv")
    again = ROUNDS.read(tmp_path / "rounds.csv")
    assert again["inside"].isna().tolist() == [False, False, True]
    made = inputs()
    assert rounds.listing(Inputs(runs=made.runs, rounds=again, decision=made.decision)) == rounds.listing(made)
