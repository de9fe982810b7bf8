"""Paired differences, seed noise and sources, against planted runs."""

import numpy as np
import pandas as pd
import pytest

from ecgscale.contracts import DIFFERENCES, METRICS, NOISE, PREDICTIONS, SOURCES
from ecgscale.contracts.labels import read_label_set
from ecgscale.evaluation import bootstrap, comparisons
from ecgscale.evaluation.metrics import challenge_terms

LABELS = read_label_set()
COUNT = 300
RUNS = pd.DataFrame({
    "run_id": ["a", "b", "c", "d"], "status": ["finished", "finished", "finished", "diverged"],
    "configuration": ["x", "x", "y", "y"], "seed": [0, 1, 0, 1], "family": "regnet", "optimizer": "adamw",
    "split_digest": "s", "synthetic": True, "valid_challenge_score": [0.5, 0.6, 0.4, np.nan],
    "test_challenge_score": [0.50, 0.56, 0.4, np.nan], "test_challenge_score_low": [0.46, 0.52, 0.36, np.nan],
    "test_challenge_score_high": [0.54, 0.60, 0.44, np.nan],
})


@pytest.fixture
def folders(tmp_path):
    """Predictions with ever more wrong labels; two recordings a patient, rows in different orders."""
    random = np.random.default_rng(0)
    labels = random.random((COUNT, len(LABELS.codes))) < 0.1
    predicted = {}
    for name, wrong in (("a", 0.05), ("b", 0.04), ("c", 0.12), ("d", 0.0)):
        predicted[name] = labels ^ (random.random(labels.shape) < wrong)
        gained, possible = challenge_terms(labels, predicted[name], LABELS).T
        frame = pd.DataFrame({"record": [f"r{k}" for k in range(COUNT)], "part": "test", "gained": gained,
                              "possible": possible, "patient": [f"p{k // 2}" for k in range(COUNT)]})
        frame = pd.concat([frame, frame.head(7).assign(record=lambda rows: "v" + rows["record"], part="valid")])
        PREDICTIONS.write(frame.sample(frac=1, random_state=ord(name)), tmp_path / name / "predictions.parquet")
    return labels, predicted, {name: tmp_path / name for name in predicted}


def test_differences_are_paired_and_against_the_run_that_validation_chose(folders, tmp_path):
    labels, predicted, paths = folders
    table = comparisons.differences(RUNS, paths, replicates=400).set_index("run_id")
    assert set(table.index) == {"a", "b", "c"}
    assert set(table["reference"]) == {"b"}
    patients = [f"p{k // 2}" for k in range(COUNT)]
    for name in ("a", "c"):
        estimate, low, high = bootstrap.challenge_difference(labels, predicted[name], predicted["b"], LABELS, patients,
                                                             4000)
        assert table.loc[name, "difference"] == pytest.approx(estimate, abs=1e-9)
        assert table.loc[name, ["low", "high"]].tolist() == pytest.approx([low, high], abs=0.02)
    assert table.loc["b", ["difference", "low", "high", "probability"]].tolist() == [0, 0, 0, 1]
    assert table.loc["c", "probability"] < 0.01
    DIFFERENCES.write(table.reset_index(), tmp_path / "differences.csv")


def test_seed_noise_stands_beside_sampling_noise(tmp_path):
    table = comparisons.noise(RUNS).set_index("configuration")
    assert table.index.tolist() == ["x", ""]    # y has one finished seed only
    assert table.loc["x", "seed_deviation"] == pytest.approx(np.std([0.50, 0.56], ddof=1))
    assert table.loc["x", "sampling_error"] == pytest.approx(0.08 / (2 * 1.959964))
    assert table.loc["", "seed_deviation"] == pytest.approx(table.loc["x", "seed_deviation"])
    NOISE.write(table.reset_index(), tmp_path / "noise.csv")
    assert comparisons.noise(RUNS[RUNS["seed"] == 0]).empty
    assert comparisons.noise(RUNS.assign(status=RUNS["status"].where(RUNS["seed"] == 0, "diverged"))).empty
    assert comparisons.noise(RUNS.assign(split_digest=["s", "t", "s", "s"])).empty  # on other splits: no repeats


def test_sources_tell_which_ones_training_did_not_know(tmp_path):
    rows = [("valid", "all", "", 0.7, ""), ("test", "source", "ptb", 0.6, ""),
            ("test", "source", "georgia", 0.5, "few cases; source not in training")]
    frame = pd.DataFrame(rows, columns=["part", "group", "value", "estimate", "note"]).assign(
        run_id="a", threshold="0.5", metric="challenge_score", low=0.4, high=0.8, n=20, positives=None)
    table = comparisons.sources(RUNS, frame[list(METRICS.columns)])
    ours = table[table["run_id"] == "a"].set_index("source")
    assert ours["left_out"].to_dict() == {"ptb": False, "georgia": True}
    assert set(ours["internal"]) == {0.7}
    assert set(ours["configuration"]) == {"x"}
    assert set(ours["synthetic"]) == {True}
    published = table[table["run_id"].str.startswith("published")]
    assert dict(zip(published["left_out"], published["estimate"], strict=True)) == {False: 0.682, True: 0.53}
    SOURCES.write(table, tmp_path / "sources.csv")
    assert len(SOURCES.read(tmp_path / "sources.csv")) == len(table)
