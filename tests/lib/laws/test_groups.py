"""Laws by source and class with planted exponents: found, compared run by run, refused where runs are few."""

import numpy as np
import pandas as pd
import pytest

from ecgscale.contracts import METRICS
from ecgscale.laws import fit_run_table

EXPONENTS = {"a": 0.1, "b": 0.1, "c": 0.2}


def scored(runs: int, seed: int = 1) -> tuple[pd.DataFrame, pd.DataFrame]:
    """1 - AUROC = N^-c of three classes; each run has a deviation of its own (5 %) that its classes share, and 1 %."""
    random = np.random.default_rng(seed)
    params = np.exp(random.uniform(np.log(1e4), np.log(1e7), runs))
    names = [f"r{i:03d}" for i in range(runs)]
    shared = 0.05 * random.standard_normal(runs)
    frame = pd.DataFrame({"run_id": names, "status": "finished", "params": params, "test_loss": 3 * params**-0.1,
                          "configuration": names})
    errors = {value: params**-c * np.exp(shared + 0.01 * random.standard_normal(runs))
              for value, c in EXPONENTS.items()}
    scores = pd.concat([pd.DataFrame({
        "run_id": names, "part": "test", "threshold": "", "group": "class", "value": value, "metric": "auroc",
        "estimate": 1 - y, "low": np.nan, "high": np.nan, "n": 100, "positives": 10, "note": ""})
        for value, y in errors.items()])
    return frame, scores[list(METRICS.columns)]


@pytest.fixture(scope="module")
def laws():
    frame, scores = scored(40)
    return fit_run_table(frame, replicates=30, scores=scores)


def test_exponents_of_each_class_are_found(laws):
    for value, c in EXPONENTS.items():
        (power,) = [fit for fit in laws.fits if fit.subset == f"class={value}" and fit.law == "power"]
        assert power.verdict == "identified", power.reason
        assert abs(power.estimates["c"] - c) < 4 * power.errors["c"] < 0.02


def test_differences_are_those_of_the_ratio_and_narrower_than_those_of_two_fits(laws):
    """Class c scales 0.2 - 0.4 / 3 faster than the mean; what the classes of a run share does not widen that."""
    rows = {row["groups"][0]: row for row in laws.differences if row["x"] == ["params"] and "class" in row["groups"][0]}
    for value, c in EXPONENTS.items():
        row = rows[f"class={value}"]
        truth = c - np.mean(list(EXPONENTS.values()))
        assert row["estimate"] == pytest.approx(truth, abs=0.004)
        assert row["differs"]
        (power,) = [fit for fit in laws.fits if fit.subset == f"class={value}" and fit.law == "power"]
        assert row["high"] - row["low"] < 0.4 * np.ptp(power.intervals["c"])


def test_what_cannot_be_asked_says_why(laws):
    assert "no source" in laws.disabled["laws by source"]
    frame, scores = scored(12)
    few = fit_run_table(frame, replicates=10, scores=scores)
    assert "12 runs; 16 are needed" in few.disabled["laws by class"]
    assert "was not given" in fit_run_table(frame, replicates=10).disabled["laws by class"]


def test_a_class_without_error_in_some_runs_is_not_compared_and_takes_none_from_the_others():
    """An AUROC of 1, as classes of few cases have it, has no logarithm: class a keeps its law, b and c are compared."""
    frame, scores = scored(40)
    perfect = scores["value"].eq("a") & scores["run_id"].isin(["r001", "r002"])
    laws = fit_run_table(frame, replicates=10, scores=scores.assign(estimate=scores["estimate"].mask(perfect, 1.0)))
    assert {row["groups"][0] for row in laws.differences} == {"class=b", "class=c"}
    assert {fit.points for fit in laws.fits if fit.subset == "class=a"} == {38}
    assert "no error above 0" in laws.disabled["differences of exponents by class: a"]
