"""The table of one fold: estimates against the metrics one by one, replicates against copied recordings, coverage."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ecgscale.contracts.labels import read_label_set
from ecgscale.evaluation import bootstrap, metrics
from ecgscale.evaluation.fold import Fold, Judged, age_bands
from tests.lib.evaluation.of_a_fold import expected_calibration_error

LABELS = read_label_set()
CLASSES = len(LABELS.codes)
HALF = {"0.5": 0.5}


def judged(seed, recordings=60, **more):
    random = np.random.default_rng(seed)
    labels = random.random((recordings, CLASSES)) < 0.15
    return Judged(labels, np.clip(labels * 0.35 + random.random(labels.shape) * 0.65, 0, 1).round(2), **more)


def looked_up(values):
    return {key: value[0] for key, value in values.items()}


def test_estimates_are_the_metrics_one_by_one():
    fold = judged(0, loss=np.arange(60.0))
    labels, probabilities = fold.labels, fold.probabilities
    found = looked_up(Fold(fold, LABELS, HALF).values(np.ones((60, 1))))
    decided = metrics.decide(probabilities)
    rates = metrics.decision_rates(metrics.confusion(labels, decided))
    by_class = {("", "auroc"): metrics.auroc(labels, probabilities),
                ("", "auprc"): metrics.auprc(labels, probabilities),
                ("", "brier"): metrics.brier(labels, probabilities),
                ("", "ece"): expected_calibration_error(labels, probabilities),
                **{("0.5", name): rate for name, rate in rates.items()}}
    for (threshold, name), values in by_class.items():
        assert found[threshold, "all", "", name] == pytest.approx(metrics.macro(values), abs=1e-12)
        for code, value in zip(LABELS.codes, values, strict=True):
            assert found[threshold, "class", code, name] == pytest.approx(value, abs=1e-12, nan_ok=True)
    assert found["0.5", "all", "", "accuracy"] == pytest.approx(metrics.accuracy(labels, decided), abs=1e-12)
    score = metrics.challenge_score(labels, decided, LABELS)
    assert found["0.5", "all", "", "challenge_score"] == pytest.approx(score, abs=1e-12)
    assert found["", "all", "", "loss"] == pytest.approx(29.5)


def test_critical_misses_are_recordings_in_which_a_critical_class_is_overlooked():
    fold = judged(1)
    overlooked = in_danger = 0
    for truth, probability in zip(fold.labels, fold.probabilities, strict=True):
        critical = [k for k in range(CLASSES) if LABELS.critical[k] and truth[k]]
        in_danger += bool(critical)
        overlooked += any(probability[k] < 0.5 for k in critical)
    found = looked_up(Fold(fold, LABELS, HALF).values(np.ones((60, 1))))
    assert found["0.5", "all", "", "critical_miss_rate"] == pytest.approx(overlooked / in_danger, abs=1e-12)


def test_a_replicate_is_the_fold_with_its_patients_copied():
    patients = np.array([f"p{k // 2}" if k % 7 else None for k in range(60)], dtype=object)
    names = np.array(["a", "b", None] * 20, dtype=object)
    fold = judged(2, patients=patients, groups={"source": names})
    drawn = Fold(fold, LABELS, HALF).replicates(3, seed=4)
    clusters = bootstrap.clusters_of(patients, 60)
    counts = np.stack(list(bootstrap.draws(int(clusters.max()) + 1, 3, seed=4)))
    for number in range(3):
        rows = np.repeat(np.arange(60), counts[number][clusters])
        copied = looked_up(Fold(fold.of(rows), LABELS, HALF).values(np.ones((len(rows), 1))))
        for key, value in copied.items():
            assert drawn[key][number] == pytest.approx(value, abs=1e-9, nan_ok=True), key


def test_groups_are_folds_of_their_own():
    names = np.array(["a", "b", None, ""] * 15, dtype=object)
    fold = judged(3, groups={"source": names})
    table = Fold(fold, LABELS, HALF).table(0).set_index(["group", "value", "metric"])
    for name, rows in (("a", names == "a"), ("unknown", np.isin(np.arange(60) % 4, (2, 3)))):
        alone = Fold(fold.of(rows), LABELS, HALF).table(0).set_index(["group", "value", "metric"])
        for metric in ("challenge_score", "auroc", "f1", "accuracy"):
            one, other = table.loc[("source", name, metric)], alone.loc[("all", "", metric)]
            assert one["estimate"] == pytest.approx(other["estimate"], abs=1e-12)
            assert one["n"] == rows.sum()


def test_few_cases_and_undefined_values_are_marked():
    fold = judged(4)
    fold.labels[:, 0], fold.labels[:, 1], fold.labels[:, 2] = False, np.arange(60) < 9, np.arange(60) < 10
    table = Fold(fold, LABELS, HALF).table(20)
    classes = table[table["group"] == "class"].set_index(["value", "metric"])
    absent, few, enough = (classes.loc[code, "auroc"] for code in (LABELS.codes[0], LABELS.codes[1], LABELS.codes[2]))
    assert absent[["estimate", "low", "high"]].isna().all()
    assert (absent["positives"], few["positives"]) == (0, 9)
    assert absent["note"] == few["note"] == "few cases"
    assert enough["note"] == ""
    assert np.isfinite(few["estimate"])


def test_without_weights_there_is_everything_but_the_challenge_score():
    table = Fold(judged(5), replace(LABELS, weights=None), HALF).table(0)
    assert "challenge_score" not in set(table["metric"])
    assert {"auroc", "f1", "accuracy", "ece"} <= set(table["metric"])


def test_age_bands():
    years = pd.Series([0, 17.9, 18, 39, 40, 79, 80, 103, np.nan])
    assert age_bands(years).tolist() == ["0-17", "0-17", "18-39", "18-39", "40-59", "60-79", "80+", "80+", "unknown"]


def test_intervals_of_macro_average_precision_cover_the_planted_truth_where_percentiles_do_not():
    """Scores of each class normal with a planted distance; the truth is a fold of 100,000 recordings."""
    shares, unweighted = np.geomspace(0.03, 0.3, CLASSES), replace(LABELS, weights=None)

    def drawn(recordings, random):
        labels = random.random((recordings, CLASSES)) < shares
        return Judged(labels, 1 / (1 + np.exp(-(random.normal(size=labels.shape) + 1.5 * labels - 2))))

    population = drawn(100_000, np.random.default_rng(0))
    truth = metrics.macro(metrics.auprc(population.labels, population.probabilities))
    covered = percentiles = 0
    for trial in range(30):
        fold = Fold(drawn(400, np.random.default_rng(trial + 1)), unweighted, {})
        row = fold.table(100, trial).set_index(["group", "metric"]).loc[("all", "auprc")]
        covered += row["low"] <= truth <= row["high"]
        low, high = bootstrap.interval(fold.replicates(100, trial)["", "all", "", "auprc"])
        percentiles += low <= truth <= high
    assert covered >= 24
    assert percentiles <= 18
