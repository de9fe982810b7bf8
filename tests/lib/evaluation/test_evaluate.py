"""Evaluation of a run on whole recordings against the same computed by hand, window by window."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from ecgscale.contracts import METRICS, PREDICTIONS, SPLIT, SplitInfo, read_tensors, write_tensors
from ecgscale.contracts.labels import read_label_set
from ecgscale.design.study import Evaluation
from ecgscale.ecg.corpus import Corpus
from ecgscale.errors import UserError
from ecgscale.evaluation import metrics
from ecgscale.evaluation.evaluate import evaluate_run, evaluate_runs, headline
from ecgscale.models.networks import load
from ecgscale.training.loss import terms
from tests.tiny_folders import rewrite, tiny_folders

LABELS = read_label_set()
FEW = Evaluation(bootstrap=20)


torch.set_num_threads(1)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return tiny_folders(tmp_path_factory.mktemp("evaluation"))


@pytest.fixture(scope="module")
def inputs(folders):
    return (Corpus.open([folders.corpus]), SPLIT.read(folders.split / "split.parquet"),
            SplitInfo.read(folders.split / "split.json"), LABELS)


@pytest.fixture(scope="module")
def evaluated(folders, inputs):
    return evaluate_run(folders.runs[0], *inputs, FEW)


def by_hand(folders, corpus, record, aggregation="mean", stride=None):
    """Probabilities and loss of one recording: each window alone through the network."""
    result, network = load(folders.runs[0])
    place = corpus.positions([record])[0]
    signal, window = corpus.signal(place), result.spec.window
    starts = list(range(0, max(1, len(signal) - window + 1), stride or window))
    if len(signal) > window and starts[-1] + window < len(signal):
        starts.append(len(signal) - window)
    outputs, losses = [], []
    for start in starts:
        x = np.zeros((window, signal.shape[1]), dtype=np.float32)
        piece = signal[start : start + window]
        x[: len(piece)] = piece
        with torch.inference_mode():
            logits = network(torch.from_numpy(x.T.copy())[None])
        outputs.append(torch.sigmoid(logits)[0].numpy())
        losses.append(terms(result.spec.loss, logits, torch.from_numpy(corpus.labels[[place]].astype("f4"))).mean())
    return getattr(np, aggregation)(outputs, axis=0), float(np.mean(losses))


def test_probabilities_and_loss_are_those_of_the_windows_one_by_one(folders, inputs, evaluated):
    predictions = evaluated.predictions
    assert set(predictions["part"]) == {"valid", "test"}
    for row in (0, 7, 39):
        expected, loss = by_hand(folders, inputs[0], predictions["record"][row])
        found = predictions.loc[row, [f"p_{code}" for code in LABELS.codes]].to_numpy(dtype=float)
        np.testing.assert_allclose(found, expected, atol=1e-6)
        assert predictions["loss"][row] == pytest.approx(loss, abs=1e-6)


def test_maximum_over_windows_is_the_maximum(folders, inputs):
    predictions = evaluate_run(folders.runs[0], *inputs, Evaluation(bootstrap=0, aggregation="max")).predictions
    expected, _ = by_hand(folders, inputs[0], predictions["record"][3], "max")
    found = predictions.loc[3, [f"p_{code}" for code in LABELS.codes]].to_numpy(dtype=float)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_windows_overlap_where_the_study_says_so(folders, inputs):
    predictions = evaluate_run(folders.runs[0], *inputs, Evaluation(bootstrap=0, stride=100)).predictions
    for row in (1, 20):
        expected, loss = by_hand(folders, inputs[0], predictions["record"][row], stride=100)
        found = predictions.loc[row, [f"p_{code}" for code in LABELS.codes]].to_numpy(dtype=float)
        np.testing.assert_allclose(found, expected, atol=1e-6)
        assert predictions["loss"][row] == pytest.approx(loss, abs=1e-6)


def test_metrics_are_those_of_the_written_predictions(inputs, evaluated):
    predictions, table = evaluated.predictions, evaluated.metrics
    corpus = inputs[0]
    for part in ("valid", "test"):
        rows = predictions[predictions["part"] == part]
        labels = corpus.labels[corpus.positions(rows["record"])]
        probabilities = rows[[f"p_{code}" for code in LABELS.codes]].to_numpy()
        whole = table[(table["part"] == part) & (table["group"] == "all")]
        whole = whole.set_index(["metric", "threshold"])["estimate"]
        score = metrics.challenge_score(labels, metrics.decide(probabilities), LABELS)
        assert whole["challenge_score", "0.5"] == pytest.approx(score, abs=1e-12)
        assert whole["auroc", ""] == pytest.approx(metrics.macro(metrics.auroc(labels, probabilities)), abs=1e-12)
        assert whole["loss", ""] == pytest.approx(rows["loss"].mean(), abs=1e-12)


def test_every_group_is_there_with_its_number_of_recordings(inputs, evaluated):
    table = evaluated.metrics
    records = inputs[0].records.iloc[40:]   # the last third is the test part
    rows = table[(table["part"] == "test") & (table["metric"] == "challenge_score") & (table["threshold"] == "0.5")]
    for kind in ("source", "sex"):
        found = rows[rows["group"] == kind].set_index("value")["n"].to_dict()
        assert found == records[kind].value_counts().to_dict()
    assert rows.loc[rows["group"] == "age", "n"].sum() == len(records)
    classes = table[(table["part"] == "test") & (table["group"] == "class") & (table["metric"] == "auroc")]
    assert classes["value"].tolist() == list(LABELS.codes)
    assert classes["positives"].tolist() == inputs[0].labels[40:].sum(axis=0).tolist()
    marked = classes["note"] == "few cases"
    assert (marked == (classes["positives"] < 10) | (classes["n"] - classes["positives"] < 10)).all()


def test_test_part_has_no_say_in_the_thresholds(folders, inputs, evaluated):
    """Other labels in the test part leave the thresholds as they were; other labels in validation move them."""
    _, split, info, _ = inputs
    for part, same in (("test", True), ("valid", False)):
        changed = Corpus.open([folders.corpus])
        chosen = changed.positions(split.loc[split["part"] == part, "record"])
        changed.labels = changed.labels.copy()
        changed.labels[chosen] = ~changed.labels[chosen]
        table = evaluate_run(folders.runs[0], changed, split, info, LABELS, Evaluation(bootstrap=0)).metrics
        chosen = [frame["metric"].isin(["threshold", "temperature"]) for frame in (evaluated.metrics, table)]
        thresholds = [evaluated.metrics.loc[chosen[0], "estimate"].tolist(), table.loc[chosen[1], "estimate"].tolist()]
        assert (thresholds[0] == thresholds[1]) == same


def test_two_evaluations_are_equal_to_the_bit(folders, inputs, evaluated):
    again = evaluate_run(folders.runs[0], *inputs, FEW)
    for name in ("predictions", "metrics", "reliability", "recalibration"):
        pd.testing.assert_frame_equal(getattr(evaluated, name), getattr(again, name), check_exact=True)


def test_classes_of_the_run_are_matched_by_code(tmp_path, inputs, evaluated):
    """The same network with its outputs in another order, named so, gives the same table."""
    moved = tiny_folders(tmp_path)
    order = np.random.default_rng(0).permutation(len(LABELS.codes))
    file = moved.runs[0] / "weights.safetensors"
    about, weights = read_tensors(file)
    last = [name for name, tensor in weights.items() if tensor.shape and tensor.shape[0] == len(order)]
    assert last
    write_tensors(file, {n: t[order].contiguous() if n in last else t for n, t in weights.items()}, about)
    rewrite(moved.runs[0], classes=tuple(LABELS.codes[place] for place in order))
    found = evaluate_run(moved.runs[0], *inputs, FEW)
    numbers = ["estimate", "low", "high"]
    np.testing.assert_allclose(found.metrics[numbers], evaluated.metrics[numbers], atol=1e-6)
    rewrite(moved.runs[0], classes=LABELS.codes)
    wrong = evaluate_run(moved.runs[0], *inputs, FEW).predictions
    assert not np.allclose(wrong["loss"], found.predictions["loss"], atol=1e-3)


@pytest.mark.parametrize("field", ["corpus_digest", "split_digest"])
def test_a_run_of_another_corpus_or_split_is_refused(tmp_path, inputs, field):
    other = tiny_folders(tmp_path)
    rewrite(other.runs[0], **{field: "another"})
    with pytest.raises(UserError, match="trained with"):
        evaluate_run(other.runs[0], *inputs, FEW)


def test_a_run_that_diverged_has_empty_tables(tmp_path, inputs):
    other = tiny_folders(tmp_path)
    rewrite(other.runs[0], status="diverged", reason="loss", best_epoch=None, train_loss=None, valid_loss=None)
    (other.runs[0] / "weights.safetensors").unlink()
    evaluate_runs(other.runs, *inputs, FEW, tmp_path / "out")
    assert METRICS.read(tmp_path / "out" / other.runs[0].name / "metrics.csv").empty
    assert PREDICTIONS.read(tmp_path / "out" / other.runs[0].name / "predictions.parquet").empty


def test_a_source_that_training_never_saw_is_marked(folders, inputs):
    corpus, split, info, _ = inputs
    unseen = (split["part"] == "train") & (split["source"] == "toy")
    without = split.assign(part=np.where(unseen, "unused", split["part"]))
    table = evaluate_run(folders.runs[0], corpus, without, info, LABELS, Evaluation(bootstrap=0)).metrics
    rows = table[table["group"] == "source"]
    marked = rows["note"].str.contains("source not in training")
    assert set(rows.loc[marked, "value"]) == {"toy"}
    assert set(rows.loc[~marked, "value"]) == {"toy/other"}


def test_predictions_hold_what_the_challenge_score_of_any_recordings_needs(inputs, evaluated):
    rows = evaluated.predictions.iloc[5:17]
    labels = inputs[0].labels[inputs[0].positions(rows["record"])]
    decided = metrics.decide(rows[[f"p_{code}" for code in LABELS.codes]].to_numpy())
    expected = metrics.challenge_score(labels, decided, LABELS)
    assert rows["gained"].sum() / rows["possible"].sum() == pytest.approx(expected, abs=1e-12)


def test_a_label_set_without_weights_has_no_challenge_score_but_all_else(folders, inputs):
    found = evaluate_run(folders.runs[0], *inputs[:3], replace(LABELS, weights=None), FEW)
    assert "challenge_score" not in set(found.metrics["metric"])
    assert "gained" not in found.predictions
    metrics = found.metrics.set_index(["part", "group", "metric"])
    assert headline(found.metrics).startswith(f"test auroc {metrics.loc[('test', 'all', 'auroc'), 'estimate']:.3f} [")


def test_a_label_set_with_other_classes_is_refused(folders, inputs):
    with pytest.raises(UserError, match="classes 1 are missing"):
        evaluate_run(folders.runs[0], *inputs[:3], replace(LABELS, codes=("1", *LABELS.codes[1:])), FEW)


def test_a_split_without_a_part_that_is_judged_is_refused(folders, inputs):
    corpus, split, info, label_set = inputs
    with pytest.raises(UserError, match="no recording in the parts 'valid' and 'test'"):
        evaluate_run(folders.runs[0], corpus, split.assign(part="train"), info, label_set, FEW)
