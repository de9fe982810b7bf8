"""Recordings to look at: planted right, wrong and doubtful answers are found, and the strips are in microvolts."""

import numpy as np
import pytest

from ecgscale.contracts import RECORDS, Examples, Shard
from ecgscale.contracts.labels import read_label_set
from ecgscale.design.study import Evaluation
from ecgscale.ecg.corpus import Corpus
from ecgscale.evaluation.evaluate import evaluate_run, evaluate_runs
from ecgscale.evaluation.examples import choose, varied
from tests.lib.evaluation.test_evaluate import folders, inputs  # noqa: F401
from tests.tiny_folders import tiny_folders

LABELS = read_label_set()
TRUTH = np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0], [1, 1, 0]], dtype=bool)
THRESHOLDS = np.array([0.5, 0.2, 0.5])
PROBABILITIES = np.array([
    [0.95, 0.01, 0.01],     # right, by 0.19 at the second class
    [0.90, 0.02, 0.05],     # right, by 0.18
    [0.05, 0.70, 0.04],     # right, by 0.45
    [0.01, 0.01, 0.10],     # wrong, by 0.40
    [0.01, 0.10, 0.02],     # right, but nothing to find
    [0.51, 0.19, 0.10],     # wrong, by 0.01
])


def test_planted_answers_are_found_and_none_twice():
    assert choose(TRUTH, PROBABILITIES, THRESHOLDS, 1) == [("right", 2), ("wrong", 3), ("least sure", 5)]
    assert choose(TRUTH, PROBABILITIES, THRESHOLDS, 2) == [
        ("right", 2), ("right", 0), ("wrong", 3), ("wrong", 5), ("least sure", 4), ("least sure", 1)]
    assert choose(TRUTH, PROBABILITIES, THRESHOLDS, 0) == []
    assert choose(TRUTH[:0], PROBABILITIES[:0], THRESHOLDS, 2) == []


def test_other_diagnoses_come_before_the_same_once_more():
    assert varied([0, 1, 2, 3, 4, 5], TRUTH) == [0, 2, 3, 4, 5, 1]
    assert varied([1, 0], TRUTH) == [1, 0]


@pytest.fixture(scope="module")
def scaled(tmp_path_factory):
    """The tiny corpus, of whose leads one unit is 0.1, 0.2, ... mV."""
    made = tiny_folders(tmp_path_factory.mktemp("scaled"))
    records = RECORDS.read(made.corpus / "records.parquet")
    leads = Shard.read(made.corpus / "shard.json").leads
    records[[f"mv_{lead}" for lead in leads]] = 0.1 * np.arange(1, 13)
    RECORDS.write(records, made.corpus / "records.parquet")
    return made


def test_strips_are_the_first_seconds_in_microvolts(scaled, inputs):  # noqa: F811
    corpus = Corpus.open([scaled.corpus])
    done = evaluate_run(scaled.runs[0], corpus, *inputs[1:], Evaluation(bootstrap=0, examples=2))
    told, strips = done.examples, done.strips
    assert [one.kind for one in told.recordings].count("least sure") == 2
    assert len({one.record for one in told.recordings}) == len(told.recordings) <= 6
    assert told.reason == ""
    for one in told.recordings:
        place = corpus.positions([one.record])[0]
        signal = corpus.signal(place)[:1000]                    # 10 s at 100 Hz
        rows = strips[strips["record"].eq(one.record)].drop(columns=["record", "synthetic"])
        np.testing.assert_allclose(rows.to_numpy(), 100 * signal * np.arange(1, 13), atol=0.5)
        assert list(rows) == [f"uv_{lead}" for lead in corpus.leads]
        assert one.seconds == len(corpus.signal(place)) / 100
        assert one.truth == tuple(np.array(LABELS.codes)[corpus.labels[place]])
        probability = done.predictions.set_index("record").loc[one.record]
        thresholds = {known.code: known.threshold for known in told.classes}
        assert one.predicted == tuple(code for code in LABELS.codes if probability[f"p_{code}"] >= thresholds[code])
        assert set(one.truth) | set(one.predicted) <= set(one.probabilities)
        assert all(one.probabilities[code] == pytest.approx(probability[f"p_{code}"], abs=1e-4)
                   for code in one.probabilities)
    tuned = done.metrics.query("metric == 'threshold' and threshold == 'tuned'").set_index("value")["estimate"]
    assert {one.code: one.threshold for one in told.classes} == pytest.approx(tuned.to_dict())


def test_a_corpus_without_scale_and_a_study_without_examples_are_told(folders, inputs, tmp_path, capsys):  # noqa: F811
    """No signal is written then; the classes are."""
    for evaluation, words in ((Evaluation(bootstrap=0), "the corpus keeps no scale in mV"),
                              (Evaluation(bootstrap=0, examples=0), "the study asks for none")):
        evaluate_runs(folders.runs[:1], *inputs, evaluation, tmp_path, "cpu")
        told = Examples.read(tmp_path / folders.runs[0].name / "examples.json")
        assert told.recordings == ()
        assert len(told.classes) == len(LABELS.codes)
        assert words in told.reason
        assert f"no recordings to look at: {told.reason}" in capsys.readouterr().err
