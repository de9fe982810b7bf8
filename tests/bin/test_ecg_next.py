"""ecg-next on a plan and a run table: what it chooses is in the plan, not trained yet, and paid for."""

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ecgscale.analysis.proposal import propose
from ecgscale.contracts import NEXT, PlannedRun, Reading
from ecgscale.design.plan import train_flops
from ecgscale.errors import UserError
from tests.commands import run_command

ecg_next = partial(run_command, "ecg-next")
RECORDS = 1000
STUDY = """
name: next
runs:
  - family: resnet
    sampler: list
    models: [resnet-20k, resnet-60k, resnet-200k, resnet-600k]
    optimizers: [{name: adamw, lr: [1e-3, 1e-2]}]
    training: {epochs: 2, data_fraction: [0.125, 0.25, 0.5, 1.0]}
  - family: vit
    sampler: list
    models: [vit-20k]
    optimizers: [{name: adamw, lr: 1e-3}]
    training: {epochs: 2}
"""


@pytest.fixture(scope="module")
def planned(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("plan")
    (folder / "study.yaml").write_text(STUDY)
    done = run_command("ecg-sample", "--study", folder / "study.yaml", "--out", folder)
    assert done.returncode == 0, done.stderr
    return folder / "runs.jsonl"


def trained(planned: Path, most: float) -> pd.DataFrame:
    """A run table of the plan's runs up to so many parameters: at the better rate a planted law, at the other worse."""
    rows, random = [], np.random.default_rng(2)
    for run in PlannedRun.read_lines(planned):
        used = round(run.spec.data_fraction * RECORDS)
        loss = 0.1 + 3 * run.ledger.params**-0.3 + 2 * used**-0.4
        rows.append({"run_id": run.spec.run_id, "family": run.spec.model.family, "optimizer": "adamw",
                     "lr": run.spec.optimizer.lr, "seed": 0, "params": run.ledger.params, "train_records": used,
                     "samples_seen": 2 * used, "status": "finished",
                     "valid_loss": loss * (1 + 0.3 * (run.spec.optimizer.lr < 5e-3)) * np.exp(
                         0.01 * random.standard_normal())})
    frame = pd.DataFrame(rows)
    return frame[frame["params"] < most]


def ask(planned, tmp_path, frame, *more):
    frame.to_csv(tmp_path / "runs.csv", index=False)
    return ecg_next("--runs", tmp_path / "runs.csv", "--plan", planned, "--records", RECORDS, "--family", "resnet",
                    "--at", f"params=2e6,train_records={RECORDS}", "--out", tmp_path / "next", *more)


def test_what_is_chosen_is_planned_untrained_and_paid_for(planned, tmp_path):
    frame = trained(planned, 1e5)
    done = ask(planned, tmp_path, frame, "--budget", "1e15")
    assert done.returncode == 0, done.stderr
    table, runs = NEXT.read(tmp_path / "next/next.csv"), PlannedRun.read_lines(tmp_path / "next/runs.jsonl")
    every = {run.spec.run_id: run for run in PlannedRun.read_lines(planned)}
    assert [run.spec.run_id for run in runs] == table["run_id"].tolist()
    assert all(every[run.spec.run_id] == run for run in runs)
    assert not set(table["run_id"]) & set(frame["run_id"])
    np.testing.assert_allclose(table["train_flops"], [train_flops(run, RECORDS) for run in runs])
    assert table["train_flops"].sum() <= 1e15
    assert set(table.groupby("order")["lr"].nunique()) == {2}           # a cell comes with both rates
    truth = 0.1 + 3 * table["params"] ** -0.3 + 2 * table["train_records"] ** -0.4
    assert ((table["run_low"] < truth) & (truth < table["run_high"])).all()
    assert table["half_width"].is_monotonic_decreasing
    assert "8 of 17 finished runs are used: 1 of other families, 0 without" in done.stdout
    assert "valid_loss at params=2 M, train_records=1000: 0." in done.stdout


def test_before_a_law_can_be_fitted_the_cheapest_and_most_different_come_first(planned, tmp_path):
    done = ask(planned, tmp_path, trained(planned, 1e5).iloc[:2], "--budget", "1e15")
    assert done.returncode == 0, done.stderr
    assert "too few for the law of 5 parameters: these come first" in done.stdout
    assert NEXT.read(tmp_path / "next/next.csv")["y"].isna().all()


@pytest.mark.parametrize(("changed", "problem"), [
    ({"budget": 1.0}, "no run of the plan costs less than 1 FLOPs"), ({"budget": np.nan}, "nan FLOPs are no budget"),
    ({"at": {"lr": 1.0}}, "no law of lr"), ({"family": "convnext"}, "none of convnext"),
    ({"family": None}, "the plan has runs of resnet, vit left"),
    ({"reading": Reading(responses=("test_auroc",))}, "test_auroc")])
def test_what_cannot_be_answered_is_refused(planned, tmp_path, changed, problem):
    trained(planned, 1e5).query("family == 'resnet'").to_csv(tmp_path / "runs.csv", index=False)
    asked = {"at": {"params": 2e6, "train_records": RECORDS}, "budget": 1e15, "family": "resnet"} | changed
    with pytest.raises(UserError, match=problem):
        propose(tmp_path / "runs.csv", planned, RECORDS, asked.pop("at"), asked.pop("budget"), **asked)
