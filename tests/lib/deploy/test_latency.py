"""Order statistics against published tables and simulation; voiding against planted cases."""

import numpy as np
import pytest

from ecgscale.deploy.latency import drift, judge, quantile, quantile_interval, summarize, windows_per_recording


@pytest.mark.parametrize(("n", "q", "defined"), [
    (19, 0.5, False), (20, 0.5, True), (99, 0.9, False), (100, 0.9, True), (999, 0.99, False), (1000, 0.99, True),
    (9_999, 0.999, False), (10_000, 0.999, True),
])
def test_a_percentile_needs_ten_samples_beyond_it(n, q, defined):
    times = np.arange(n, dtype=float)
    assert (quantile(times, q) is not None) == defined
    assert (quantile_interval(times, q) != (None, None)) == defined


@pytest.mark.parametrize(("n", "low", "high"), [(20, 6, 15), (25, 8, 18), (30, 10, 21), (40, 14, 27), (50, 18, 33)])
def test_ranks_of_the_median_interval_are_those_of_the_sign_test(n, low, high):
    """Ranks of the 95 % interval of a median: critical values of the two-sided sign test (Conover, table A3)."""
    assert quantile_interval(np.arange(1.0, n + 1), 0.5) == (low, high)


@pytest.mark.parametrize(("n", "q"), [(50, 0.5), (200, 0.9), (2000, 0.99)])
def test_intervals_cover_the_true_quantile_as_often_as_they_say(n, q):
    """Lognormal samples, true quantile known: coverage 95 %, and no more than the discreteness adds."""
    from scipy.stats import lognorm

    rng, truth, covered = np.random.default_rng(1), lognorm(0.5).ppf(q), 0
    for _ in range(400):
        low, high = quantile_interval(lognorm(0.5).rvs(n, random_state=rng), q)
        covered += low <= truth <= (np.inf if high is None else high)
    assert 0.93 <= covered / 400 <= 0.995


def test_summary_keeps_order_and_matches_numpy():
    times = np.random.default_rng(0).gamma(5, 1, 1200)
    found = summarize(times)
    assert found["count"] == 1200
    for name, q in (("p50", 50), ("p90", 90), ("p99", 99)):
        assert found[f"{name}_ms"] == np.percentile(times, q)
        assert found[f"{name}_low_ms"] <= found[f"{name}_ms"] <= found[f"{name}_high_ms"]
    assert found["p999_ms"] is None
    assert found["mean_ms"] == times.mean()


def test_drift_is_the_second_half_against_the_first():
    assert drift(np.r_[np.full(50, 2.0), np.full(50, 3.0)]) == pytest.approx(0.5)
    assert drift(np.full(100, 2.0)) == 0
    assert drift(np.ones(1)) is None


@pytest.mark.parametrize(("medians", "drifts", "stands"), [
    ([1.0, 1.02], [0.0, 0.01], [True, True]),
    ([1.0, 1.02], [0.3, 0.01], [False, False]),            # the one that is left has nothing to agree with
    ([1.0, 1.3], [0.0, 0.0], [False, False]),              # two that disagree: nobody knows which is right
    ([1.0, 1.3, 1.31], [0.0, 0.0, 0.0], [False, True, True]),
    ([1.0, 2.0, 1.01, 1.02], [0.0, 0.0, 0.0, -0.5], [True, False, True, False]),
    ([1.0], [0.05], [True]),
    ([1.0], [0.15], [False]),
])
def test_disturbed_repeats_are_void(medians, drifts, stands):
    assert [reason == "" for reason in judge(medians, drifts)] == stands


@pytest.mark.parametrize(("control", "stands"), [
    ((0.0, 0.05), [True, True]), ((0.3, 0.0), [False, False]), ((-0.3, 0.0), [False, False])])
def test_a_control_off_its_level_voids_the_repeat_beside_it(control, stands):
    """The other repeat has nothing left to agree with; where one repeat was asked for, it stands alone."""
    assert [reason == "" for reason in judge([1.0, 1.02], [0.0, 0.0], control=control)] == stands
    alone = judge([1.0, 1.02], [0.0, 0.0], control=control, agreeing=1)
    assert [reason == "" for reason in alone] == [abs(one) <= 0.1 for one in control]
    assert judge([1.0, 1.02], [0.0, 0.0], control=control, limit=0.4) == ["", ""]


def test_windows_of_a_ten_second_recording():
    assert windows_per_recording(1024, 500) == 5          # 4 side by side, one aligned to the end
    assert windows_per_recording(5000, 500) == 1
    assert windows_per_recording(1250, 500) == 4
    assert windows_per_recording(8192, 500) == 1
