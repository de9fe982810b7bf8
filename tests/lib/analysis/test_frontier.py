"""Fronts against the definition by brute force, hypervolume against Monte Carlo, probability against the normal law."""

import numpy as np
import pandas as pd
import pytest

from ecgscale.analysis import frontier
from ecgscale.contracts import FRONTIER, ModelSpec
from ecgscale.errors import UserError
from ecgscale.models.complexity import ledger
from ecgscale.paths import ASSETS


def run_table(scores, costs, low=0.02, optimizer=None, **more) -> pd.DataFrame:
    """A run table with just the columns that a front needs."""
    n = len(scores)
    return pd.DataFrame({
        "run_id": [f"run{i:03d}" for i in range(n)], "status": "finished", "family": "regnet",
        "optimizer": optimizer if optimizer is not None else ["adamw"] * n, "lr": np.linspace(1e-3, 1e-2, n),
        "params": np.asarray(costs, float) / 10, "forward_flops": np.asarray(costs, float),
        "train_flops": np.asarray(costs, float) * 300, "test_challenge_score": scores,
        "test_challenge_score_low": np.asarray(scores) - low, "test_challenge_score_high": np.asarray(scores) + low,
    } | more)


def latencies(runs: pd.DataFrame, milliseconds, runtime="onnxruntime", **more) -> pd.DataFrame:
    p50 = np.asarray(milliseconds, float)
    return pd.DataFrame({
        "run_id": runs["run_id"], "machine": "box", "runtime": runtime, "device": "cpu", "option": "", "batch": 1,
        "scenario": "single", "status": "ok", "ran_precision": "float32", "fallback": False, "count": 100,
        "p50_ms": p50, "p50_low_ms": p50 * 0.98, "p50_high_ms": p50 * 1.02, "peak_memory_bytes": np.nan,
        "energy_joules": np.nan} | more)


def brute_force(score, cost) -> np.ndarray:
    """The definition: no other point is at least as good in all and better in one."""
    n = len(score)
    return np.array([not any(
        score[j] >= score[i] and (cost[j] <= cost[i]).all() and (score[j] > score[i] or (cost[j] < cost[i]).any())
        for j in range(n)) for i in range(n)])


@pytest.mark.parametrize("axes", [1, 2])
def test_front_is_that_of_the_definition(axes):
    random = np.random.default_rng(axes)
    for _ in range(30):
        score, cost = random.integers(0, 8, 40) / 8, random.integers(1, 9, (40, axes)).astype(float)  # with many ties
        assert (frontier.on_front(score, cost) == brute_force(score, cost)).all()


def test_hypervolume_of_two_boxes_by_hand():
    # gains over the reference (cost 1000): 2 decades at score 0.4, 1 decade at 0.7 -> 0.7*1 + 0.4*(2-1)
    volume = frontier.hypervolume(np.array([0.4, 0.7, -0.2]), np.array([[10.0], [100.0], [1.0]]), np.array([1000.0]))
    assert volume == pytest.approx(0.7 * 1 + 0.4 * 1)


def test_hypervolume_of_three_axes_is_the_share_of_random_points_below_the_front():
    random = np.random.default_rng(3)
    gain = random.random((12, 3))
    probe = random.random((200_000, 3))
    covered = np.zeros(len(probe), dtype=bool)
    for row in gain:
        covered |= (probe <= row).all(axis=1)
    volume = frontier.hypervolume(gain[:, 0], 10 ** -gain[:, 1:], np.ones(2))
    assert volume == pytest.approx(covered.mean(), abs=0.004)


def test_probability_of_two_equal_costs_is_that_of_the_normal_difference():
    # same cost, scores 0.50 and 0.52, standard error 0.02 each: P(second larger) = Phi(0.02 / (0.02 sqrt 2)) = 0.760
    table = run_table([0.50, 0.52], [100, 100], low=0.02 * 1.959964)
    rows = frontier.fronts(table, bootstrap=4000, seed=1, axes=("score~forward_flops",))
    rows = rows[rows["group"].eq("all")].set_index("run_id")
    assert rows.loc["run001", "probability"] == pytest.approx(0.760, abs=0.02)
    assert rows["probability"].sum() == pytest.approx(1.0)
    assert rows["on_front"].tolist() == [False, True]


def test_paired_differences_tell_the_error_that_models_share():
    # single errors 0.02 each, paired difference 0.012: correlation 1 - 0.012^2 / (2 * 0.02^2) = 0.82,
    # so P(second larger) = Phi(0.02 / 0.012) = 0.952 instead of 0.760
    table = run_table([0.50, 0.52], [100, 100], low=0.02 * 1.959964)
    half = 0.012 * 1.959964
    pairs = pd.DataFrame({"run_id": ["run000", "run001"], "reference": "run001", "metric": "challenge_score",
                          "difference": [-0.02, 0.0], "low": [-0.02 - half, 0.0], "high": [-0.02 + half, 0.0]})
    assert frontier.shared_error(table, "test_challenge_score", pairs) == pytest.approx(0.82)
    rows = frontier.fronts(table, bootstrap=4000, seed=1, axes=("score~forward_flops",), differences=pairs)
    assert rows.query("group == 'all'")["probability"].tolist() == pytest.approx([0.048, 0.952], abs=0.015)


def test_clear_front_is_certain_and_dominated_points_are_never_on_it():
    table = run_table([0.2, 0.5, 0.8, 0.1], [1, 10, 100, 1000], low=0.001)
    rows = frontier.fronts(table, bootstrap=50, seed=1, axes=("score~params",)).query("group == 'all'")
    assert rows["probability"].tolist() == [1, 1, 1, 0]


def test_seeds_of_one_configuration_are_one_point_at_their_mean():
    table = run_table([0.4, 0.5, 0.6, 0.3], [10, 10, 10, 5])
    table["lr"], table["seed"] = [1e-3, 1e-3, 1e-3, 2e-3], [0, 1, 2, 0]
    rows = frontier.fronts(table, bootstrap=20, seed=1, axes=("score~forward_flops",)).query("group == 'all'")
    point = rows.set_index("run_id").loc["run000"]
    assert len(rows) == 2
    assert (point["y"], point["seeds"]) == (pytest.approx(0.5), 3)
    # standard error: recordings 0.02 / 1.96, seeds 0.1 / sqrt(3)
    assert point["y_high"] - point["y"] == pytest.approx(np.hypot(0.02, 1.959964 * 0.1 / np.sqrt(3)))


def test_interval_of_a_single_run_is_the_one_of_the_table():
    table = run_table([0.2, 0.5], [1, 10])
    table["test_challenge_score_low"] = [0.05, 0.49]  # not symmetric
    rows = frontier.fronts(table, bootstrap=20, seed=1, axes=("score~params",)).query("group == 'all'")
    assert rows["y_low"].tolist() == pytest.approx([0.05, 0.49])
    assert rows["y_high"].tolist() == pytest.approx([0.22, 0.52])


def test_without_interval_or_repeated_seed_the_probability_is_unknown():
    table = run_table([0.2, 0.5], [1, 10]).drop(columns=["test_challenge_score_low", "test_challenge_score_high"])
    rows = frontier.fronts(table, bootstrap=20, seed=1, axes=("score~params",)).query("group == 'all'")
    assert rows["probability"].isna().all()
    assert rows["on_front"].all()


def test_failed_runs_are_no_points_and_groups_are_the_optimizers():
    table = run_table([0.2, 0.5, np.nan], [1, 10, 1], optimizer=["sgd", "adamw", "sgd"])
    table.loc[2, "status"] = "diverged"
    rows = frontier.fronts(table, bootstrap=5, seed=1, axes=("score~params",))
    sizes = rows.groupby("group").size().to_dict()
    assert sizes == {"all": 2, "optimizer=adamw": 1, "optimizer=sgd": 1, "published": 3}


def test_published_networks_have_the_checked_costs():
    # golden rows of the study: 14,676,378 parameters and 1,002,229,760 forward FLOPs for the AdamW network
    rows = frontier.fronts(run_table([0.2], [1]), bootstrap=5, seed=1).query("group == 'published'")
    adamw = rows[rows["run_id"].eq("published-adamw")].set_index("axes")
    assert adamw.loc["score~params", "x"] == 14_676_378
    assert adamw.loc["score~forward_flops", ["x", "y"]].tolist() == [1_002_229_760, 0.682]


def test_published_networks_are_those_that_our_own_count_gives():
    for row in frontier.published_networks().to_dict("records"):
        hyper = {name: row[name] for name in ("depth", "w_init", "w_0", "w_a", "w_m", "group_width",
                                              "bottleneck_multiplier", "init_kernel_size")}
        hyper["se_ratio"] = None if np.isnan(row["se_ratio"]) else row["se_ratio"]
        counted = ledger(ModelSpec(family="regnet", params=hyper))
        assert (counted.params, counted.stages, counted.forward_flops) == (
            row["params"], row["stages"], row["forward_flops"])


def test_every_published_value_has_its_grade():
    findings = pd.read_csv(ASSETS / "published" / "findings.csv")
    assert set(findings["grade"]) == {"published", "figure", "checked"}
    assert findings.groupby("figure").size().gt(0).reindex([1, 2, 3, 4]).all()


def test_latency_takes_the_fastest_honest_setting():
    table = run_table([0.4, 0.6], [1, 10])
    measured = pd.concat([
        latencies(table, [2.0, 6.0]), latencies(table, [1.0, 8.0], runtime="openvino"),
        latencies(table, [0.1, 0.1], option="precision=float16", artefact_status="beyond-margin"),
        latencies(table, [0.1, 0.1], ran_precision="int8"), latencies(table, [0.1, 0.1], fallback=True),
        latencies(table, [np.nan, np.nan], runtime="coreml", status="unavailable")], ignore_index=True)
    rows = frontier.fronts(table, measured, 50, 1, axes=("score~latency",))
    assert rows.query("group == 'all'")["x"].tolist() == [1.0, 6.0]
    assert set(rows["group"]) == {"all", "optimizer=adamw", "runtime=onnxruntime,device=cpu",
                                  "runtime=openvino,device=cpu"}
    assert rows["setting"].iloc[0].startswith("openvino on cpu")


def test_three_axes_and_the_contract(tmp_path):
    table = run_table([0.4, 0.6, 0.5], [1, 10, 20])
    rows = frontier.fronts(table, latencies(table, [2, 3, 1]), 20, 1)
    third = rows[rows["axes"].eq("score~params,latency") & rows["group"].eq("all")]
    assert third["on_front"].tolist() == [True, True, True]  # the third is slower than none, though larger
    FRONTIER.write(rows, tmp_path / "frontier.csv")
    assert len(FRONTIER.read(tmp_path / "frontier.csv")) == len(rows)


def test_same_seed_same_rows():
    table = run_table(np.linspace(0.2, 0.6, 9), np.geomspace(1, 1e4, 9), low=0.2)
    first, second = (frontier.fronts(table, bootstrap=30, seed=7) for _ in range(2))
    pd.testing.assert_frame_equal(first, second)


def test_empty_table_and_foreign_table():
    assert frontier.fronts(run_table([], [])).empty
    foreign = run_table([0.3, 0.4], [1, 2])[["run_id", "test_challenge_score", "params"]]
    assert set(frontier.fronts(foreign, bootstrap=5)["axes"]) == {"score~params"}


def test_unknown_axes_name_the_known_ones():
    with pytest.raises(UserError, match="forward_flops, params"):
        frontier.fronts(run_table([0.3], [1]), axes=("score~beauty",))
