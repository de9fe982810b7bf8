"""The run table: every run a row, with the numbers of its own files."""

import numpy as np
import pandas as pd
import pytest

from ecgscale.contracts import HISTORY, METRICS, RUNS, RunResult
from ecgscale.errors import UserError
from ecgscale.evaluation.collect import collect, histories, read_metrics
from tests.tiny_folders import rewrite
from tests.tiny_models import trained_run


@pytest.fixture
def runs(tmp_path):
    """Two RegNets that differ by seed, one ConvNeXt."""
    results = [trained_run(tmp_path, family, seed) for family, seed in (("regnet", 0), ("regnet", 1), ("convnext", 0))]
    return [tmp_path / result.spec.run_id for result in results]


def metrics(folder, run_id, score):
    rows = [("valid", "0.5", "challenge_score", score - 0.1), ("test", "0.5", "challenge_score", score),
            ("test", "tuned", "challenge_score", score + 0.05), ("test", "", "auroc", 0.9), ("test", "", "loss", 0.07),
            ("test", "specificity 0.95", "recall", 0.3)]
    frame = pd.DataFrame(rows, columns=["part", "threshold", "metric", "estimate"]).assign(
        run_id=run_id, group="all", value="", n=10, positives=None, note="")
    frame["low"], frame["high"] = frame["estimate"] - 0.01, frame["estimate"] + 0.02
    METRICS.write(frame[list(METRICS.columns)], folder / "metrics.csv")
    return folder


def test_numbers_come_from_the_runs_own_files(runs, tmp_path):
    evaluated = [metrics(tmp_path / f"e{k}", run.name, 0.4 + 0.1 * k) for k, run in enumerate(runs)]
    table = collect(runs, read_metrics(evaluated)).set_index("run_id")
    for k, run in enumerate(runs):
        row, result = table.loc[run.name], RunResult.read(run / "run.json")
        assert row["status"] == "finished"
        assert (row["family"], row["seed"]) == (result.spec.model.family, result.spec.seed)
        assert row["forward_flops"] == result.ledger.forward_flops
        assert row["hp_stages"] == result.ledger.stages or np.isnan(row["hp_stages"])
        assert row["test_challenge_score"] == pytest.approx(0.4 + 0.1 * k)
        assert row["test_challenge_score_low"] == pytest.approx(0.39 + 0.1 * k)
        assert row["test_challenge_score_high"] == pytest.approx(0.42 + 0.1 * k)
        assert row["test_challenge_score_tuned"] == pytest.approx(0.45 + 0.1 * k)
        assert row["test_challenge_score_tuned_low"] == pytest.approx(0.44 + 0.1 * k)
        assert row["valid_challenge_score"] == pytest.approx(0.3 + 0.1 * k)
        assert row["valid_loss"] == result.valid_loss
        assert row["test_loss"] == 0.07
    assert "test_recall" not in table
    assert table.loc[runs[0].name, "hp_w_m"] == 2.0
    assert np.isnan(table.loc[runs[2].name, "hp_w_m"])


def test_runs_that_differ_by_seed_share_their_configuration(runs):
    table = collect(runs, read_metrics([])).set_index("run_id")["configuration"]
    assert table[runs[0].name] == table[runs[1].name] != table[runs[2].name]


def test_runs_of_another_study_share_the_configuration_too(runs):
    spec = RunResult.read(runs[0] / "run.json").spec
    before = collect(runs, read_metrics([])).set_index("run_id").loc[runs[0].name, "configuration"]
    rewrite(runs[0], spec=spec.model_copy(update={"study": "another"}))
    assert collect(runs, read_metrics([])).set_index("run_id").loc[runs[0].name, "configuration"] == before


def test_table_is_written_and_read_and_does_not_depend_on_the_order_given(runs, tmp_path):
    evaluated = [metrics(tmp_path / f"e{k}", run.name, 0.5) for k, run in enumerate(runs)]
    table = collect(runs, read_metrics(evaluated))
    pd.testing.assert_frame_equal(table, collect(runs[::-1], read_metrics(evaluated[::-1])))
    for name in ("runs.parquet", "runs.csv"):
        RUNS.write(table, tmp_path / name)
        assert RUNS.read(tmp_path / name)["test_auroc"].tolist() == table["test_auroc"].tolist()


def test_a_run_that_did_not_finish_or_was_not_evaluated_is_a_row(runs, tmp_path):
    rewrite(runs[0], status="diverged", reason="training loss is not finite", best_epoch=None, train_loss=None,
            valid_loss=None)
    METRICS.write(METRICS.empty(), tmp_path / "e0" / "metrics.csv")
    table = collect(runs, read_metrics([tmp_path / "e0", metrics(tmp_path / "e1", runs[1].name, 0.5)]))
    table = table.set_index("run_id")
    assert table.loc[[run.name for run in runs], "status"].tolist() == ["diverged", "finished", "unevaluated"]
    assert table.loc[runs[0].name, "reason"] == "training loss is not finite"
    assert table.loc[runs[0].name, ["valid_loss", "test_challenge_score"]].isna().all()
    assert np.isnan(table.loc[runs[2].name, "test_challenge_score"])


def test_runs_given_twice_and_metrics_of_no_run_are_refused(runs, tmp_path):
    with pytest.raises(UserError, match="given before"):
        collect([*runs, runs[0]], read_metrics([]))
    with pytest.raises(UserError, match="not among the trained"):
        collect(runs, read_metrics([metrics(tmp_path / "e", "elsewhere", 0.5)]))


def test_histories_are_put_together_and_runs_without_one_are_named(runs, capsys):
    """Two runs keep a history, of which one has a score; the third is of a version that kept none."""
    epochs = pd.DataFrame({"epoch": [0, 1], "lr": [0.1, 0.05], "train_loss": [0.4, 0.3], "valid_loss": [0.5, 0.2],
                           "clipped_share": [1.0, 0.25], "samples": 64, "seconds": 2.0, "data_wait_share": 0.1})
    HISTORY.write(epochs, runs[0] / "history.csv")
    HISTORY.write(epochs.iloc[:1].assign(valid_auroc=0.7), runs[2] / "history.csv")
    table = histories(runs)
    assert table["run_id"].tolist() == sorted([runs[0].name] * 2 + [runs[2].name])
    first = table[table["run_id"].eq(runs[0].name)].reset_index(drop=True)
    pd.testing.assert_frame_equal(first[list(epochs)], epochs)
    assert table.loc[table["run_id"].eq(runs[2].name), "valid_auroc"].item() == 0.7
    assert capsys.readouterr().err == f"1 runs have no history.csv, so no learning curve: {runs[1].name}\n"
    assert list(histories([runs[1]])) == list(histories(runs))[:9]
