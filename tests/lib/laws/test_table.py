"""Whole run tables with planted truth: what is found, what is refused as not identifiable, and what is disabled."""

import numpy as np
import pandas as pd
import pytest

from ecgscale.contracts import Laws
from ecgscale.design.study import spending
from ecgscale.errors import UserError
from ecgscale.laws import fit_run_table
from ecgscale.laws.ask import fit as law_of
from ecgscale.laws.columns import Response, response, responses, with_latency
from ecgscale.laws.fit import fit_law
from ecgscale.laws.heldout import held_out_errors
from ecgscale.laws.profile import profile
from ecgscale.laws.table import missing
from ecgscale.laws.verdict import why_not
from ecgscale.tables.runs import read_runs

SPEED = 1e10        # FLOPs a second


def run_table(runs: int, seed: int = 1, noise: float = 0.03, effect: bool = True) -> pd.DataFrame:
    """test_loss = 0.05 + 1.2 N^-0.15 + 3 T^-0.25 (SGD 10 % worse), 3 x 30 N FLOPs a sample; or no effect at all."""
    random = np.random.default_rng(seed)
    params = np.exp(random.uniform(np.log(1e4), np.log(1e8), runs))
    seen = np.exp(random.uniform(np.log(1e4), np.log(1e7), runs))
    optimizer = random.choice(["adamw", "sgd"], runs)
    loss = 0.05 + 1.2 * params**-0.15 + 3 * seen**-0.25 if effect else np.full(runs, 0.3)
    loss = loss * np.where(effect & (optimizer == "sgd"), 1.1, 1.0) * np.exp(noise * random.standard_normal(runs))
    flops = 90 * params * seen
    return pd.DataFrame({
        "run_id": [f"r{i:04d}" for i in range(runs)], "status": "finished", "synthetic": True, "optimizer": optimizer,
        "params": params, "samples_seen": seen, "train_records": seen / 10, "train_flops": flops, "device": "cpu",
        "seconds": flops / SPEED, "test_loss": loss, "test_challenge_score": 1 - loss,
    })


@pytest.fixture(scope="module")
def laws() -> Laws:
    table = run_table(160, seed=2, noise=0.01).drop(columns=["test_challenge_score", "train_records"])
    return fit_run_table(table, replicates=60, budgets=tuple(map(spending, ("3e15", "24 h on cpu", "2 h NVIDIA T4",
                                                                             "1 h abacus"))))


def fits(laws: Laws, **wanted):
    return [fit for fit in laws.fits if all(getattr(fit, name) == value for name, value in wanted.items())]


def test_the_planted_joint_law_is_found(laws):
    """Exponents 0.15 and 0.25, floor 0.05 (times 1 to 1.1: the optimizers are pooled in "all")."""
    (joint,) = fits(laws, law="joint", subset="optimizer=adamw", y="test_loss")
    assert joint.verdict == "identified", joint.reason
    for name, truth in (("alpha", 0.15), ("beta", 0.25), ("E", 0.05)):
        assert abs(joint.estimates[name] - truth) < 4 * joint.errors[name]
        for low, high in (joint.intervals[name], joint.bootstrap[name]):
            assert low <= joint.estimates[name] <= high
            assert high - low < 6 * joint.errors[name]


def test_compute_optimal_allocation_is_the_planted_one(laws):
    """The optimum of the planted law along N T = C / 90, by a fine grid; the optimizer; hours from the runs' speed."""
    rows = [row for row in laws.allocation if row["subset"] == "optimizer=adamw" and row["law"] == "joint"
            and row["y_column"] == "test_loss"]
    assert len(rows) == 3 + 4
    assert (rows[0]["budget"], rows[0]["budget_flops"]) == ("3 P FLOPs", 3e15)
    for row in rows:
        n = np.geomspace(1e3, 1e9, 20001)
        t = row["budget_flops"] / 90 / n
        best = np.argmin(0.05 + 1.2 * n**-0.15 + 3 * t**-0.25)
        assert row["params"] == pytest.approx(n[best], rel=0.6)
        assert row["samples"] == pytest.approx(t[best], rel=0.6)
        assert row["params_low"] <= row["params"] <= row["params_high"]
        assert row["probability_best"] > 0.5
        assert row["hours"]["cpu"] == pytest.approx(row["budget_flops"] / SPEED / 3600, rel=1e-6)
        assert len(row["isoflop"]) > 5


def test_budgets_in_hours_are_priced_by_the_device(laws):
    """The runs' own rate for the device they ran on; 8.1 TFLOP/s at the assumed tenth for the T4's data sheet."""
    flops = {row["budget"]: row["budget_flops"] for row in laws.allocation}
    assert flops["24 h on cpu (measured)"] == pytest.approx(24 * 3600 * SPEED)
    (t4,) = [value for name, value in flops.items() if name.startswith("2 h on NVIDIA T4")]
    assert t4 == pytest.approx(2 * 3600 * 8.1e12 * 0.1)
    assert "no such device; known: NVIDIA H100 SXM" in laws.disabled["budget of 1 h on abacus"]
    for text in ("much", "-3", "nan", "x h NVIDIA T4"):
        with pytest.raises(UserError, match="is no budget"):
            spending(text)


def test_no_difference_of_exponents_where_none_was_planted(laws):
    """SGD is worse by a factor, not in its exponent, nor much in its floor."""
    rows = [row for row in laws.differences if row["law"] == "joint" and row["y"] == "test_loss"]
    assert {row["exponent"] for row in rows} == {"alpha", "beta", "E"}
    for row in rows:
        assert abs(row["estimate"]) < row["high"] - row["low"]
        assert row["differs"] == (not row["low"] <= 0 <= row["high"])


def test_a_planted_difference_of_floors_is_found_between_recipes_and_none_between_windows():
    """y = E + 3 N^-0.4: E is 0.10 by one recipe and 0.16 by the other, whatever the window."""
    random = np.random.default_rng(3)
    params = np.geomspace(1e3, 1e7, 40)
    table = pd.concat([pd.DataFrame({
        "run_id": [f"{recipe}-{place}" for place in range(40)], "status": "finished", "synthetic": True,
        "params": params, "recipe": recipe, "window": np.where(np.arange(40) % 2, 1000.0, 500.0),
        "test_loss": (floor + 3 * params**-0.4) * np.exp(0.01 * random.standard_normal(40)),
    }) for recipe, floor in (("study", 0.10), ("study-100", 0.16))])
    rows = fit_run_table(table, replicates=0).differences
    rows = [row for row in rows if row["law"] == "floor" and "frontier" not in row["groups"][0]]
    of_floor = {tuple(row["groups"]): row for row in rows if row["exponent"] == "E"}
    assert set(of_floor) == {("recipe=study", "recipe=study-100"), ("window=1000", "window=500")}
    moved, alike = of_floor.values()
    assert moved["low"] < -0.06 < moved["high"]
    assert moved["differs"]
    assert not alike["differs"]
    assert not any(row["differs"] for row in rows if row["exponent"] == "c")


def test_every_fit_carries_what_a_reader_needs(laws, tmp_path):
    for fit in laws.fits:
        if fit.law != "average":
            assert {"weight", "effect_p", "losses", "huber", "rmse_log", "held_out"} <= set(fit.statistics)
            assert bool(fit.reason) == (fit.verdict == "not identifiable")
    (average,) = fits(laws, law="average", subset="all", x=("train_flops",), y="test_loss")
    prediction = average.statistics["predictions"][1]
    assert prediction["run_low"] < prediction["curve_low"] < prediction["y"] < prediction["curve_high"]
    assert sum(average.statistics["weights"].values()) == pytest.approx(1)
    assert fits(laws, subset="frontier")
    laws.write(tmp_path / "laws.json")
    assert Laws.read(tmp_path / "laws.json") == laws


@pytest.mark.parametrize("seed", [1, 2])
def test_no_effect_where_none_was_planted(seed):
    table = run_table(60, seed, noise=0.1, effect=False).drop(columns=["test_challenge_score", "train_records"])
    laws = fit_run_table(table, replicates=40)
    told = [fit for fit in laws.fits if fit.verdict == "identified" and fit.law != "average"]
    assert not told
    assert any("no effect" in fit.reason for fit in laws.fits)
    assert not laws.allocation
    assert "identifiable" in laws.disabled["compute-optimal allocation"]


def test_a_dozen_runs_tell_an_exponent_where_their_interval_does_and_not_where_the_noise_hides_it():
    """The evidence decides, not a count: 12 runs of y = 2 N^-0.13 within 2 % tell c, within 50 % they do not."""
    random = np.random.default_rng(4)
    params, own = np.geomspace(1e4, 1e7, 12), random.standard_normal(12)
    for noise, told in ((0.02, True), (0.5, False)):
        table = pd.DataFrame({"run_id": [f"r{i}" for i in range(12)], "params": params,
                              "test_loss": 2 * params**-0.13 * np.exp(noise * own)})
        (power,) = fits(fit_run_table(table, replicates=10), law="power", subset="all", x=("params",), y="test_loss")
        assert (power.verdict == "identified") == told, power.reason
        assert (power.estimates["c"] is not None) == told
        low, high = power.intervals["c"]
        assert low < 0.13 < high
        assert told or "runs for" not in power.reason


def test_a_law_that_misses_the_largest_runs_is_refused():
    """A power law that breaks off: fitted below, it foretells a tenth of what the largest runs have."""
    params = np.geomspace(1e4, 1e8, 40)
    loss = np.where(params < 1e7, params**-0.5, 1e7**-0.5) * np.exp(0.01 * np.random.default_rng(1).standard_normal(40))
    fit = fit_law("power", params, y=loss, polish=False)
    held_out = held_out_errors(["power"], [params], loss)["power"]
    assert np.exp(held_out["bias_log"]) == pytest.approx(np.mean(np.sqrt(1e7 / params[params > 1.5e7])), rel=0.3)
    reason = why_not(fit, np.arange(40), profile(fit), 0.0, held_out=held_out).text
    assert reason.startswith("fitted without the runs from")


def grid_table(noise: float = 0.005) -> pd.DataFrame:
    """8 x 8 runs of the planted joint law: uncorrelated sizes, the best design there is."""
    params, seen = (axis.ravel() for axis in np.meshgrid(np.geomspace(1e4, 1e8, 8), np.geomspace(1e4, 1e7, 8)))
    random = np.random.default_rng(5)
    loss = (0.05 + 1.2 * params**-0.15 + 3 * seen**-0.25) * np.exp(noise * random.standard_normal(64))
    return pd.DataFrame({"run_id": [f"r{i:02d}" for i in range(64)], "params": params, "samples_seen": seen,
                         "test_loss": loss})


def test_a_factorial_table_is_identified_and_its_answer_does_not_depend_on_the_order_of_rows():
    """Planted exponents 0.15 and 0.25 of a grid whose sizes do not move together; names of rows do not count either."""
    table = grid_table()
    first = fit_run_table(table, replicates=5)
    (joint,) = fits(first, law="joint", y="test_loss")
    assert joint.verdict == "identified", joint.reason
    for name, truth in (("alpha", 0.15), ("beta", 0.25)):
        assert abs(joint.estimates[name] - truth) < 4 * joint.errors[name]
    again = fit_run_table(table.sample(frac=1, random_state=1).assign(run_id=table["run_id"]), replicates=5)
    assert again.fits == first.fits


@pytest.mark.parametrize("order", range(5))
def test_the_project_s_own_study_is_not_refused_for_its_design(order):
    """7 sizes x 6 shares of the data x 3 numbers of epochs x 2 rates, as assets/studies/scaling.yaml plants them."""
    axes = np.meshgrid(np.log([2e4, 6e4, 2e5, 6e5, 2e6, 6e6, 2e7]), np.log(52951 * 2.0 ** -np.arange(6)),
                       np.log([5, 20, 80]), [0, 1])
    n, d, *_ = (axis.ravel()[np.random.default_rng(order).permutation(252)] for axis in axes)
    log_y = np.log(0.1 + 3 * np.exp(-0.3 * n) + 20 * np.exp(-0.4 * d))
    fit = fit_law("joint", np.exp(n), np.exp(d), y=np.exp(log_y), polish=False)
    assert "move together" not in why_not(fit, np.arange(252), profile(fit), 0.0).text


def test_too_little_range_and_sizes_that_move_together():
    table = run_table(80)[["run_id", "params", "samples_seen", "test_loss"]]
    narrow = table[["run_id", "params", "test_loss"]].assign(params=np.geomspace(1e5, 2e5, 80))
    (power,) = fits(fit_run_table(narrow, replicates=30), law="power", subset="all", x=("params",), y="test_loss")
    assert "too little range" in power.reason
    tied = table.assign(samples_seen=table["params"] * 20)
    (joint,) = fits(fit_run_table(tied, replicates=30), law="joint", subset="all", y="test_loss")
    assert "move together" in joint.reason


def test_missing_columns_disable_by_name_and_failed_runs_stay_out():
    table = run_table(40).drop(columns=["train_flops", "optimizer", "train_records"])
    table.loc[:4, "status"] = "failed"
    laws = fit_run_table(table, replicates=20)
    assert "'train_flops' is missing" in laws.disabled["laws in train_flops"]
    assert "'optimizer' is missing" in laws.disabled["laws by optimizer"]
    assert all("6 N D" in row["note"] for row in laws.allocation)
    assert laws.allocation
    assert {fit.points for fit in fits(laws, subset="all")} == {35}


def test_two_sizes_are_enough_to_ask_and_one_is_not():
    found = responses(run_table(24), "test_loss", asked=("test_loss",))
    for sizes, lacking in (([1e5, 1e6], False), ([1e5], True)):
        told = missing(run_table(24).assign(params=np.resize(sizes, 24)), "test_loss", found)
        assert ("laws in params" in told) == lacking


def test_the_result_is_the_same_in_any_number_of_processes(monkeypatch):
    monkeypatch.setattr("ecgscale.laws.table.WORTH_STARTING", 0)
    table = run_table(30)[["run_id", "params", "samples_seen", "train_flops", "test_loss"]]
    (one, two) = (fit_run_table(table, replicates=20, cpus=cpus) for cpus in (1, 2))
    assert (one.fits, one.allocation, one.differences) == (two.fits, two.allocation, two.differences)


def test_scores_become_errors():
    frame = pd.DataFrame({"test_auroc": [0.9, 1.0, 0.5], "loss": [0.3, -1.0, 0.2]})
    auroc = response(frame, "test_auroc")
    np.testing.assert_allclose(auroc.y, [0.1, np.nan, 0.5])
    assert auroc.ceiling == 0.5
    np.testing.assert_allclose(response(frame, "test_auroc", "odds").y, [1 / 9, np.nan, 1.0])
    np.testing.assert_allclose(response(frame, "loss").y, [0.3, np.nan, 0.2])


@pytest.mark.parametrize(("name", "largest", "most"), [
    ("test_error", 0.7, 1.0), ("test_error", 1.0, 1.0), ("test_error", 35.0, np.inf), ("1 - test_auroc", 0.5, 1.0),
    ("1 - test_challenge_score", 1.2, 1.2), ("test_loss", 0.7, np.inf)])
def test_a_rate_is_one_at_most_and_a_loss_has_no_end(name, largest, most):
    """A rate of errors by its values: one in per cent, above 1, is none. A Challenge score may be negative."""
    assert Response(name, np.array([largest, np.nan, 0.1])).most == most


def test_a_score_at_tuned_thresholds_is_a_score():
    """Found on PTB-XL: its laws in data grew, as those of a loss that gets worse."""
    frame = pd.DataFrame({"test_challenge_score_tuned": [0.2, 0.4]})
    tuned = response(frame, "test_challenge_score_tuned")
    np.testing.assert_allclose(tuned.y, [0.8, 0.6])
    assert tuned.ceiling == 1.0


def test_names_of_others_are_understood(tmp_path):
    path = tmp_path / "curve.csv"
    path.write_text("Seen Examples,Accuracy,Model\n1000,0.5,a\n2000,0.6,a\n")
    table = read_runs(path).frame
    assert list(table) == ["run_id", "samples_seen", "accuracy", "model", "configuration"]


def test_latency_is_a_size_like_the_others_for_all_runs_the_frontier_and_each_group():
    table = run_table(72, seed=4).drop(columns=["test_challenge_score", "train_records", "train_flops", "samples_seen"])
    table["latency_ms"] = 1e-3 * table.pop("params") ** 0.5
    laws = fit_run_table(table, replicates=5)
    assert {fit.subset for fit in laws.fits if fit.x == ("latency_ms",)} == {
        "all", "frontier", "optimizer=adamw", "optimizer=sgd"}       # within an optimizer nothing but the size varies


def test_latency_joins_by_run():
    latency = pd.DataFrame({
        "run_id": ["a", "b", "a"], "machine": "m", "runtime": ["ort", "ort", "torch"], "device": "cpu", "option": None,
        "threads": 1, "status": "ok", "scenario": "single", "p50_ms": [1.0, 2.0, 9.0]})
    joined = with_latency(pd.DataFrame({"run_id": ["a", "b", "c"]}), latency)
    np.testing.assert_allclose(joined["latency_ms"], [1.0, 2.0, np.nan])


def test_runs_that_differ_by_seed_count_once():
    """Eight configurations, each trained twice: eight are told, of sixteen values."""
    table = run_table(8)
    twice = pd.concat([table.assign(seed=0), table.assign(seed=1, run_id=table["run_id"] + "-again")])
    fit = law_of(twice, response="test_loss", over=("params",), replicates=0).fit
    assert (fit.statistics["runs"], fit.points) == (8, 16)


def test_of_fewer_than_six_runs_no_law_can_be_asked():
    with pytest.raises(UserError, match=r"no law can be asked.*params, train_flops.*six runs of two sizes"):
        law_of(run_table(5), replicates=3)
