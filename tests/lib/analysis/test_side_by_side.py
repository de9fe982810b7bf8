"""Devices side by side: against scipy's tau and Welch interval, a front by enumeration, and planted times."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ecgscale.analysis import side_by_side
from ecgscale.analysis.deployable import measured, scores_of
from ecgscale.contracts import LATENCY
from tests.lib.analysis.test_deployment import study_tables


@pytest.fixture(scope="module")
def tables():
    """Eight models on three machines: on the second all four times as slow, on the third each by its own factor."""
    runs, latency, exports = study_tables()
    own = dict(zip(sorted(latency["model"].unique()), np.random.default_rng(5).uniform(0.2, 2.0, 8), strict=True))
    times = [name for name in latency if name.endswith("_ms")]
    parts = []
    for place, factors in enumerate((dict.fromkeys(own, 1.0), dict.fromkeys(own, 4.0), own)):
        slower = latency["model"].map(factors)
        parts.append(latency.assign(machine=f"machine {place}", **{name: latency[name] * slower for name in times}))
    return runs, LATENCY.arrow(pd.concat(parts, ignore_index=True), "test").to_pandas(), exports


@pytest.fixture(scope="module")
def best(tables):
    runs, latency, exports = tables
    known, _ = measured(runs, latency, exports, scores_of(runs, "test_auroc"))
    return side_by_side.fastest(known)


def test_ranks_are_compared_as_scipy_does(best):
    found = side_by_side.agreements(best).set_index(["one", "other"])
    wide = best.pivot_table(index="model", columns="on", values="ms")
    for pair, row in found.iterrows():
        assert row["tau"] == pytest.approx(stats.kendalltau(wide[pair[0]], wide[pair[1]]).statistic)
        assert row["low"] <= row["tau"] <= row["high"]
        assert row["models"] == 8
    assert found.loc[("machine 0 cpu", "machine 1 cpu"), ["tau", "swapped"]].tolist() == [1.0, 0]
    assert found["swapped"].max() > 0


def test_swapped_pairs_are_those_told_apart_on_both(best):
    by = {on: own.set_index("model") for on, own in best.groupby("on")}
    for row in side_by_side.agreements(best).itertuples():
        a, b = by[row.one], by[row.other]
        apart = [(m, n) for m, n in combinations(a.index, 2) if all(
            d.loc[m, "ms_high"] < d.loc[n, "ms_low"] or d.loc[n, "ms_high"] < d.loc[m, "ms_low"] for d in (a, b))]
        other_way = [(m, n) for m, n in apart if (a.loc[m, "ms"] < a.loc[n, "ms"]) != (b.loc[m, "ms"] < b.loc[n, "ms"])]
        assert (row.apart, row.swapped) == (len(apart), len(other_way))


def test_fronts_are_those_of_an_enumeration(best):
    assert best["precision"].eq("float32").all()
    for _, own in best.groupby("on"):
        beaten = [((own["ms"] <= row.ms) & (own["log_y"] <= row.log_y)).sum() > 1 for row in own.itertuples()]
        assert own["on_front"].tolist() == [not one for one in beaten]
    counts = side_by_side.everywhere(best).set_index("model")
    assert counts["fronts"].to_dict() == best.groupby("model")["on_front"].sum().to_dict()
    assert counts["measured"].eq(3).all()


def test_int8_against_the_fastest_in_floating_point(tables):
    """Welch's interval by scipy, on the logarithms; the runtimes of study_tables are one for each precision."""
    _, latency, exports = tables
    found = side_by_side.quantized(latency, exports)
    assert set(found["runtime"]) == {side_by_side.ANY}          # no runtime has both precisions
    row = found[found["on"].eq("machine 0 cpu")].iloc[0]
    own = latency[latency["machine"].eq("machine 0") & latency["model"].eq(row["model"])]
    full, small = (np.log(own.loc[own["ran_precision"].eq(one), "p50_ms"]) for one in ("float32", "int8"))
    ends = stats.ttest_ind(full, small, equal_var=False).confidence_interval(0.95)
    assert row[["ratio", "low", "high"]].tolist() == pytest.approx(
        np.exp([full.mean() - small.mean(), ends.low, ends.high]).tolist())
    assert row["by"] == "repeats"
    summary = side_by_side.paying(found).iloc[0]
    logs = np.log(found.loc[found["on"].eq("machine 0 cpu"), "ratio"])
    assert summary["models"] == 8
    assert [summary["low"], summary["high"]] == pytest.approx(
        np.exp(stats.t.interval(0.95, 7, logs.mean(), stats.sem(logs))).tolist())


def test_times_of_other_weights_stand_where_no_score_is_promised(tables):
    runs, latency, exports = tables
    latency = latency.assign(score_difference=-0.01)
    other = latency.assign(weights_of="other")
    ratios = ["on", "model", "ratio", "low", "high"]
    found, own = side_by_side.quantized(other), side_by_side.quantized(latency)
    assert found[ratios].equals(own[ratios])
    assert own["difference"].notna().all()
    assert found["difference"].isna().all()
    known, notes = measured(runs, other, exports, scores_of(runs, "test_auroc"))
    assert "int8" not in set(known["precision"])
    left_out = latency["ran_precision"].eq("int8") & latency["status"].eq("ok")
    assert any(note.startswith(f"{left_out.sum()} of these latencies are of files of other weights") for note in notes)



def test_one_repeat_gives_the_ends_of_the_medians_intervals(tables):
    _, latency, _ = tables
    row = side_by_side.quantized(latency[latency["repeat"].eq(1)]).iloc[0]
    assert row["by"] == "ends of the medians' intervals"
    assert [row["low"] / row["ratio"], row["high"] / row["ratio"]] == pytest.approx([0.98 / 1.02, 1.02 / 0.98])


def test_a_file_that_loses_too_much_pays_nowhere(tables):
    _, latency, _ = tables
    lossy = latency.assign(artefact_status=latency["ran_precision"].map({"int8": "beyond-margin", "float32": "ok"}))
    assert side_by_side.quantized(lossy).empty


def test_of_many_models_some_are_compared(monkeypatch):
    """Twelve models of which four are looked at: SciPy's tau of those four, spread over the names."""
    monkeypatch.setattr(side_by_side, "MOST", 4)
    random, names = np.random.default_rng(3), [f"m{place:02}" for place in range(12)]
    times = random.permuted(np.tile(np.arange(1.0, 13), (2, 1)), axis=1)
    best = pd.DataFrame([{"on": on, "run_id": name, "model": name, "ms": ms, "ms_low": ms - 0.1, "ms_high": ms + 0.1}
                         for on, row in zip("ab", times, strict=True) for name, ms in zip(names, row, strict=True)])
    (row,) = side_by_side.agreements(best.sample(frac=1, random_state=1)).to_dict("records")
    assert row["models"] == 4
    assert row["tau"] == pytest.approx(stats.kendalltau(*times[:, [0, 4, 7, 11]]).statistic)
