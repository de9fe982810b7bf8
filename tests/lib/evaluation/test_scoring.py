"""Anyone's predictions: matched by code and by record, refused when they do not fit."""

import numpy as np
import pandas as pd
import pytest

from ecgscale.contracts.labels import read_label_set
from ecgscale.errors import UserError
from ecgscale.evaluation import metrics, scoring, thresholds

LABELS = read_label_set()
COUNT = 80


@pytest.fixture
def tables():
    random = np.random.default_rng(0)
    labels = (random.random((COUNT, len(LABELS.codes))) < 0.15).astype(int)
    probabilities = np.clip(labels * 0.4 + random.random(labels.shape) * 0.6, 0, 1)
    index = pd.Index([f"r{k}" for k in range(COUNT)], name="record")
    return pd.DataFrame(labels, index, LABELS.codes), pd.DataFrame(probabilities, index, LABELS.codes)


def value(table, metric, group="all", of=""):
    rows = table[(table["metric"] == metric) & (table["group"] == group) & (table["value"] == of)]
    return rows["estimate"].iloc[0]


def test_numbers_are_those_of_the_metrics(tables):
    truth, predictions = tables
    labels, probabilities = truth.to_numpy(bool), predictions.to_numpy()
    table = scoring.score(truth, predictions, replicates=0)
    decided = metrics.decide(probabilities)
    assert value(table, "challenge_score") == pytest.approx(metrics.challenge_score(labels, decided, LABELS), abs=1e-12)
    assert value(table, "accuracy") == metrics.accuracy(labels, decided)
    expected = {"auroc": metrics.auroc(labels, probabilities), "auprc": metrics.auprc(labels, probabilities),
                "f1": metrics.f1(labels, decided), "brier": metrics.brier(labels, probabilities)}
    for name, values in expected.items():
        assert value(table, name) == pytest.approx(metrics.macro(values), abs=1e-12)
        assert value(table, name, "class", LABELS.codes[5]) == pytest.approx(values[5], abs=1e-12)


def test_permuted_rows_and_columns_change_nothing(tables):
    truth, predictions = tables
    expected = scoring.score(truth, predictions, replicates=30)
    moved = predictions.iloc[::-1, np.random.default_rng(1).permutation(len(LABELS.codes))]
    pd.testing.assert_frame_equal(scoring.score(truth, moved, replicates=30), expected)
    shuffled = truth.iloc[:, ::-1]
    pd.testing.assert_frame_equal(scoring.score(shuffled, moved, replicates=30), expected)


@pytest.mark.parametrize("patients", [1, 3])
def test_intervals_do_not_hang_on_the_order_of_the_rows(tables, patients):
    """Draws fall by place: a truth that was sorted otherwise had other intervals of the same recordings."""
    truth, predictions = tables
    truth = truth.assign(patient=[f"p{place // patients}" for place in range(COUNT)])
    expected = scoring.score(truth, predictions, replicates=30)
    moved = truth.iloc[np.random.default_rng(2).permutation(COUNT)]
    pd.testing.assert_frame_equal(scoring.score(moved, predictions, replicates=30), expected)
    one, other = (scoring.compare(rows, predictions, 1 - predictions, replicates=30) for rows in (truth, moved))
    pd.testing.assert_frame_equal(one, other)


def test_a_class_that_is_predicted_twice_counts_as_its_mean(tables, tmp_path):
    """As the official scorer takes codes that stand twice. Counting what is constant took both columns for one, and
    ended in a traceback."""
    truth, predictions = tables
    truth.to_csv(tmp_path / "truth.csv")
    found = []
    for names in ([*predictions], [*predictions, LABELS.codes[0]]):
        np.savez(tmp_path / "own.npz", values=predictions[names].to_numpy(), classes=np.array(names, dtype=str),
                 records=np.array(predictions.index, dtype=str))
        found.append(scoring.score_files(tmp_path / "truth.csv", tmp_path / "own.npz", tmp_path / str(len(names)),
                                         LABELS, 0))
    pd.testing.assert_frame_equal(found[0], found[1])


def test_predictions_that_are_all_the_same_are_counted(tables, tmp_path, capsys):
    """As a spreadsheet leaves them that shows whole numbers: every class ranks nothing, and scores stand all the
    same."""
    truth, predictions = tables
    for name, rows in (("truth", truth), ("whole", 0 * predictions), ("own", predictions)):
        rows.to_csv(tmp_path / f"{name}.csv")
    for name, said in (("own", ""), ("whole", f"for all recordings in {len(LABELS.codes)} of {len(LABELS.codes)}")):
        scoring.score_files(tmp_path / "truth.csv", tmp_path / f"{name}.csv", tmp_path / name, LABELS, 0)
        told = capsys.readouterr().err
        assert said in told
        assert bool(said) == ("one and the same prediction" in told)


def test_columns_under_wrong_names_are_noticed(tables):
    truth, predictions = tables
    wrong = predictions.set_axis(np.roll(LABELS.codes, 1), axis=1)
    right = value(scoring.score(truth, predictions, replicates=0), "challenge_score")
    assert value(scoring.score(truth, wrong, replicates=0), "challenge_score") < right - 0.2


def test_two_codes_of_one_class_are_joined_as_officially(tables):
    """CLBBB and LBBB: true or decided if one is, and the mean of the probabilities."""
    truth, predictions = tables
    both = "733534002|164909002"
    one, other = both.split("|")
    expected = scoring.score(truth, predictions, replicates=0)
    parted = truth.drop(columns=both).assign(**{one: truth[both], other: 0, "270492999": 1})
    guessed = predictions.drop(columns=both).assign(**{one: predictions[both] * 0.3, other: predictions[both] * 0.7})
    half = predictions.assign(**{both: predictions[both] * 0.5})
    found = scoring.score(parted, guessed, replicates=0)
    ranked = scoring.score(truth, half, replicates=0)
    whole = scoring.score(truth, predictions.assign(**{both: predictions[both] * 0.7}), replicates=0)
    decided = found["threshold"].eq("0.5")
    pd.testing.assert_frame_equal(found[~decided], ranked[~decided])
    pd.testing.assert_frame_equal(found[decided], whole[decided])
    assert not found.equals(expected)


def test_patients_widen_the_interval_and_groups_are_scored(tables):
    truth, predictions = tables
    twice_truth, twice = pd.concat([truth] * 4), pd.concat([predictions] * 4)
    twice_truth.index = twice.index = [f"r{k}" for k in range(4 * COUNT)]
    names = [f"p{k % COUNT}" for k in range(4 * COUNT)]
    known = twice_truth.assign(patient=names, source=["a", "b"] * (2 * COUNT), age=50)
    rows = [frame[(frame["metric"] == "challenge_score") & (frame["group"] == "all")].iloc[0]
            for frame in (scoring.score(twice_truth, twice), scoring.score(known, twice))]
    assert (rows[1]["high"] - rows[1]["low"]) > 1.7 * (rows[0]["high"] - rows[0]["low"])
    table = scoring.score(known, twice, replicates=0)
    sizes = table[table["metric"] == "auroc"].set_index(["group", "value"])["n"]
    assert sizes["source", "a"] == sizes["source", "b"] == 2 * COUNT
    assert sizes["age", "40-59"] == 4 * COUNT


@pytest.mark.parametrize("kind", ["csv", "npz"])
def test_tables_are_read_from_csv_and_npz(tables, tmp_path, kind):
    truth, predictions = tables
    file = tmp_path / f"predictions.{kind}"
    if kind == "csv":
        predictions.to_csv(file)
    else:
        np.savez(file, records=predictions.index.to_numpy(str), classes=np.array(LABELS.codes), values=predictions)
    read = scoring.read_table(file, LABELS)
    pd.testing.assert_frame_equal(scoring.score(truth, read), scoring.score(truth, predictions))


def test_records_and_patients_are_the_same_in_either_unicode_form(tables, tmp_path):
    """Truth written by macOS (NFD) beside predictions in NFC; a patient in both forms is one."""
    truth, predictions = (table.iloc[:40].set_axis([f"{start}{k}" for k in range(40)]).rename_axis("record")
                          for table, start in zip(tables, ("A\u0308", "\u00c4"), strict=True))
    truth["patient"] = ["A\u0308", "\u00c4"] * 20
    truth.to_csv(tmp_path / "truth.csv")
    predictions.to_csv(tmp_path / "predictions.csv")
    read = [scoring.read_table(tmp_path / f"{name}.csv", LABELS) for name in ("truth", "predictions")]
    assert set(read[0]["patient"]) == {"\u00c4"}
    plain = [table.reset_index(drop=True) for table in (truth.drop(columns="patient"), predictions)]
    assert value(scoring.score(*read, replicates=0), "auroc") == value(scoring.score(*plain, replicates=0), "auroc")


MISTAKES = {
    "missing class": (lambda t, p: (t, p.iloc[:, 1:]), "no column for the class 164889003"),
    "missing record": (lambda t, p: (t, p.iloc[1:]), "no prediction for 'r0'"),
    "foreign record": (lambda t, p: (t.iloc[1:], p), "without truth"),
    "record twice": (lambda t, p: (t, pd.concat([p, p.iloc[:1]])), "'r0' stands twice|without truth"),
    "missing value": (lambda t, p: (t, p.mask(p > 0.99)), "missing or not between 0 and 1"),
    "logits": (lambda t, p: (t, p * 4 - 2), "missing or not between 0 and 1"),
    "label of two": (lambda t, p: (t * 2, p), "neither 0 nor 1"),
    "text": (lambda t, p: (t, p.astype(object).replace(p.iloc[0, 0], "yes")), "not a number"),
    "huge": (lambda t, p: (t, p.astype(object).replace(p.iloc[0, 0], 10**400)), "not a number"),
    "no recordings": (lambda t, p: (t.iloc[:0], p.iloc[:0]), "no recordings"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_named(tables, mistake):
    change, message = MISTAKES[mistake]
    with pytest.raises(UserError, match=message):
        scoring.score(*change(*tables), replicates=0)


def test_unreadable_files_are_named(tmp_path):
    pickled = tmp_path / "pickled.npz"
    np.savez(pickled, records=np.array([{"a": 1}], dtype=object), classes=["x"], values=[[1.0]])
    wrong = tmp_path / "wrong.npz"
    np.savez(wrong, records=["a"], classes=["x"], values=[[1.0, 2.0]])
    lacking = tmp_path / "lacking.npz"
    np.savez(lacking, records=["a"])
    text = tmp_path / "text.npz"
    text.write_text("no zip")
    headless = tmp_path / "headless.csv"
    headless.write_text("a,b\n1,2\n")
    for file, message in ((pickled, "pickled"), (wrong, "shape"), (lacking, "missing"), (text, "readable"),
                          (headless, "first column"), (tmp_path / "none.csv", "no such file")):
        with pytest.raises(UserError, match=message):
            scoring.read_table(file, LABELS)


def test_thresholds_come_from_the_recordings_given_as_validation(tables):
    truth, predictions = tables
    other = [table.set_axis([f"v{k}" for k in range(COUNT)]) for table in tables]
    table = scoring.score(truth, predictions, replicates=0, valid=tuple(other))
    tuned = thresholds.tune(truth.to_numpy(bool), predictions.to_numpy(), LABELS)
    rows = table[(table["group"] == "all") & (table["metric"] == "challenge_score") & (table["threshold"] == "tuned")]
    expected = metrics.challenge_score(truth.to_numpy(bool), predictions.to_numpy() >= tuned, LABELS)
    assert rows["estimate"].tolist() == pytest.approx([expected, expected], abs=1e-12)
    with pytest.raises(UserError, match="in test and in validation"):
        scoring.score(truth, predictions, replicates=0, valid=tables)


def test_compared_predictions_differ_by_the_difference_of_their_scores(tables):
    truth, predictions = tables
    better = predictions.where(truth == 0, predictions + 0.1).clip(upper=1)
    apart = scoring.compare(truth, better, predictions, replicates=200).set_index("metric")
    tables = [scoring.score(truth, guess, replicates=0) for guess in (better, predictions)]
    for metric in ("challenge_score", "auroc", "f1", "brier"):
        difference = value(tables[0], metric) - value(tables[1], metric)
        assert apart.loc[metric, "difference"] == pytest.approx(difference, abs=1e-12)
    assert apart.loc["auroc", "low"] > 0
    assert apart.loc[["auroc", "brier"], "probability"].tolist() == [1.0, 1.0]
    same = scoring.compare(truth, predictions, predictions, replicates=50).set_index("metric")
    assert same.loc["challenge_score", ["difference", "low", "high"]].tolist() == [0, 0, 0]
    assert same.loc[["auroc", "brier"], "probability"].tolist() == [1.0, 1.0]        # at least as good, by definition


def test_a_probability_of_one_half_is_a_decision_for_the_class(tables):
    truth, predictions = tables
    at_half = scoring.score(truth, predictions.where(predictions < 0.5, 0.5), replicates=0)
    assert value(at_half, "f1") == value(scoring.score(truth, predictions, replicates=0), "f1") > 0
