"""The recipe trains the run that it is of: read as a study, sampled, it gives that network, optimizer and settings."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ecgscale.contracts import Shard
from ecgscale.design.space import sample
from ecgscale.design.study import read_study
from ecgscale.paths import ASSETS
from ecgscale.report import headlines, recipe, tables
from ecgscale.report.headlines import best_run
from ecgscale.report.inputs import Inputs
from ecgscale.tables.runs import read_runs
from tests.lib.report.test_page import make_inputs, run_table


@pytest.fixture(scope="module")
def ours() -> Inputs:
    return Inputs(read_runs(ASSETS / "examples" / "ptbxl" / "runs.csv").frame)


def test_the_recipe_is_the_run(ours, tmp_path):
    (tmp_path / "recipe.yaml").write_text(recipe.study(ours))
    classes = Shard.read(ASSETS / "examples" / "ptbxl" / "shard.json").classes
    planned, _ = sample(read_study(tmp_path / "recipe.yaml"), len(classes))
    run = best_run(ours)
    assert [one.spec.seed for one in planned] == recipe.SEEDS
    for one in planned:
        assert one.ledger.params == run["params"]
        assert (one.spec.model.family, one.spec.optimizer.name) == (run["family"], run["optimizer"])
        assert np.isclose(one.spec.optimizer.lr, run["lr"])
        assert (one.spec.epochs, one.spec.batch_size, one.spec.window) == tuple(
            int(run[name]) for name in ("epochs", "batch_size", "window"))
        assert f"{one.spec.loss.name}/{one.spec.loss.reduction}" == run["loss"]


def test_a_table_that_does_not_tell_settings_has_no_recipe():
    assert recipe.study(Inputs(run_table(synthetic=False)[["run_id", "params", "test_challenge_score"]])) == ""
    assert recipe.study(Inputs(run_table(synthetic=False).assign(status="failed"))) == ""


def test_what_fell_back_is_not_deployed():
    inputs = make_inputs()
    run = best_run(inputs)["run_id"]
    told = recipe.deployment(replace(inputs, latency=inputs.latency.assign(run_id=run)))
    assert "OpenVINO" in told
    assert "PyTorch" not in told
    assert recipe.deployment(replace(inputs, latency=inputs.latency.iloc[:0])) == ""


@pytest.mark.parametrize("columns", [
    {"artefact_status": "beyond-margin"},
    {"weights_of": "other", "option": "precision=int8", "ran_precision": "int8"}])       # their score is not known
def test_a_file_that_loses_score_is_neither_deployed_nor_the_fastest(columns):
    inputs = make_inputs()
    kept = inputs.latency.assign(run_id=best_run(inputs)["run_id"], status="ok", fallback=False, option="",
                                 ran_precision="float32", p50_ms=2.0)
    lossy = kept.assign(p50_ms=1.0, **columns)
    both = replace(inputs, latency=pd.concat([kept, lossy], ignore_index=True))
    assert "2 [" in recipe.deployment(both) or "2.00 [" in recipe.deployment(both)
    assert headlines.latency(both).answer.startswith("2")
    assert recipe.deployment(replace(inputs, latency=lossy)) == ""


def test_costs_add_up(ours):
    rows = tables.costs(ours).rows
    assert rows[-1][0] == "all"
    assert sum(int(row[2]) for row in rows[:-1]) == int(rows[-1][2]) == len(ours.runs)
