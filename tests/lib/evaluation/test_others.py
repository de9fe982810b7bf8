"""Predictions of others: the Challenge's own output files and headers, pairs of codes, and codes given twice.

The rules are the official scorer's (PhysioNet/CinC 2021, evaluate_model.py): a class is decided where any of its codes
is, its probability is the mean of those that are numbers, and a class that a file lacks is not decided, with 0.
"""

import numpy as np
import pandas as pd
import pytest

from ecgscale.contracts.labels import read_label_set
from ecgscale.errors import UserError
from ecgscale.evaluation.metrics import challenge_score
from ecgscale.evaluation.others import DECISION, read_table, read_truth
from ecgscale.evaluation.scoring import judge, score, score_files
from ecgscale.paths import ASSETS
from tests.tiny_records import write_record

LABELS = read_label_set()
LBBB, OTHER_LBBB, NSR, AF = "733534002", "164909002", "426783006", "164889003"
PLACE = {name: LABELS.place_of(code) for name, code in (("LBBB", LBBB), ("NSR", NSR), ("AF", AF))}


@pytest.fixture
def outputs(tmp_path):
    """r1: LBBB decided by one code of its two; r2: a probability that is no number, and a decision against its own."""
    folder = tmp_path / "outputs"
    folder.mkdir()
    (folder / "r1.csv").write_text(f"#r1\n{LBBB},{OTHER_LBBB},{NSR}\n0,1,0\n0.1,0.7,0.3\n")
    (folder / "r2.csv").write_text(f"#r2\n{NSR},{AF}\nTrue,0\n0.2,nan\n")
    return folder


def test_output_files_of_the_challenge(outputs, capsys):
    table = read_table(outputs, LABELS)
    codes = {name: LABELS.codes[place] for name, place in PLACE.items()}
    assert table.loc["r1", codes["LBBB"]] == pytest.approx(0.4)
    assert table.loc["r1", DECISION + codes["LBBB"]] == 1
    assert table.loc["r2", [codes["AF"], codes["NSR"], codes["LBBB"]]].tolist() == [0, 0.2, 0]
    assert table.loc["r2", DECISION + codes["NSR"]] == 1
    said = capsys.readouterr().err
    assert "1 probabilities are no numbers" in said
    assert "some files lack 26 of 26 classes" in said or "some files lack 25 of 26 classes" in said


def test_a_file_that_does_not_name_its_record_is_named_by_its_file(outputs):
    (outputs / "r2.csv").write_text(f"#\n{NSR}\n1\n0.9\n")
    assert list(read_table(outputs, LABELS).index) == ["r1", "r2"]


def test_headers_are_truth_and_decisions_are_scored_as_given(outputs, tmp_path):
    write_record(tmp_path / "truth", "r1", dx=f"{LBBB},{AF}")
    write_record(tmp_path / "truth" / "deep", "r2", dx=NSR)
    truth, table = read_truth(tmp_path / "truth", LABELS), read_table(outputs, LABELS)
    metrics = score(truth, table, LABELS, replicates=0).set_index(["group", "metric", "threshold"])["estimate"]
    labels, decided = np.zeros((2, 26), bool), np.zeros((2, 26), bool)
    labels[0, [PLACE["LBBB"], PLACE["AF"]]] = labels[1, PLACE["NSR"]] = True
    decided[0, PLACE["LBBB"]] = decided[1, PLACE["NSR"]] = True
    assert metrics["all", "challenge_score", "given"] == pytest.approx(challenge_score(labels, decided, LABELS))
    assert metrics["all", "accuracy", "given"] == 0.5


def test_headers_of_later_challenges_are_truth(tmp_path, capsys):
    """2024 and 2025 write `Labels:` and `Chagas label:`; what the label set does not know is counted aloud."""
    for name, comment in (("r1", "# Labels: NORM, Old MI"), ("r2", "# Labels: Old MI"), ("r3", "# Labels: Flutter")):
        write_record(tmp_path / "truth", name, dx="", extra=comment)
    truth = read_truth(tmp_path / "truth", read_label_set(ASSETS / "labels" / "cinc-2024"))
    assert truth["Old-MI"].tolist() == [1, 1, 0]
    assert truth["NORM"].tolist() == [1, 0, 0]
    assert "codes that the label set does not know: Flutter (1)" in capsys.readouterr().err
    write_record(tmp_path / "chagas", "r1", dx="", extra="# Chagas label: True")
    assert read_truth(tmp_path / "chagas", read_label_set(ASSETS / "labels" / "cinc-2025"))["Chagas"].tolist() == [1]


def test_truth_without_a_positive_is_an_error(outputs, tmp_path):
    """Scores of it would be 0.000 and undefined, and look like an answer."""
    for name in ("r1", "r2"):
        write_record(tmp_path / "truth", name, dx="", extra="# Labels: NORM")
    with pytest.raises(UserError, match="truth: none of the 2 recordings belongs to a class of the label set"):
        score_files(tmp_path / "truth", outputs, tmp_path / "out", LABELS, 0)
    assert not (tmp_path / "out").exists()


def test_a_class_is_decided_where_either_of_its_codes_is(tmp_path):
    """0.9 and 0.0: the mean is below 0.5, and the official scorer decides for the class all the same."""
    codes = [code for code in LABELS.codes if code != LABELS.codes[PLACE["LBBB"]]] + [LBBB, OTHER_LBBB]
    head = "record," + ",".join(codes)
    (tmp_path / "truth.csv").write_text(f"{head}\nr1,{'0,' * 25}1,0\n")
    (tmp_path / "guess.csv").write_text(f"{head}\nr1,{'0,' * 25}0.9,0\n")
    judged = judge(read_truth(tmp_path / "truth.csv", LABELS), read_table(tmp_path / "guess.csv", LABELS), LABELS)
    assert judged.labels[0, PLACE["LBBB"]]
    assert judged.probabilities[0, PLACE["LBBB"]] == pytest.approx(0.45)
    assert judged.decisions["0.5"][0, PLACE["LBBB"]]


def test_a_code_given_twice_is_its_mean_in_csv_and_npz(tmp_path):
    (tmp_path / "classes.csv").write_text("code,abbreviation,name\nAF,AF,a\nN,N,n\n")
    labels = read_label_set(tmp_path)
    (tmp_path / "truth.csv").write_text("record,AF,N\nr1,1,0\n")
    (tmp_path / "twice.csv").write_text("record,AF,N,AF\nr1,0.2,0.5,0.6\n")
    np.savez(tmp_path / "twice.npz", records=["r1"], classes=["AF", "N", "AF"], values=np.array([[0.2, 0.5, 0.6]]))
    truth = read_truth(tmp_path / "truth.csv", labels)
    for name in ("twice.csv", "twice.npz"):
        judged = judge(truth, read_table(tmp_path / name, labels), labels)
        np.testing.assert_allclose(judged.probabilities, [[0.4, 0.5]])


@pytest.mark.parametrize("values", [np.array([[0.2, 0.5]]), np.array([[0.2], [0.5]]), np.array([["a"]])])
def test_values_that_are_no_number_a_record_and_class_are_refused(tmp_path, values):
    records = ["r1"] if values.dtype.kind == "U" or len(values) == 2 else ["r1", "r2"]
    np.savez(tmp_path / "guess.npz", records=records, classes=["AF"], values=values)
    with pytest.raises(UserError, match=rf"guess.npz: values: .* for {len(records)} records and 1 classes"):
        read_table(tmp_path / "guess.npz", LABELS)


@pytest.mark.parametrize(("text", "words"), [
    ("r1\nAF\n1\n0.5\n", "not #record, classes"), ("#r1\nAF,N\n1\n0.5,0.5\n", "not #record, classes"),
    ("#r1\nAF\n1\n", "not #record, classes")])
def test_a_file_that_is_no_output_of_the_challenge(tmp_path, text, words):
    (tmp_path / "r1.csv").write_text(text)
    with pytest.raises(UserError, match=words):
        read_table(tmp_path, LABELS)
    (tmp_path / "r1.csv").unlink()
    with pytest.raises(UserError, match=r"no \.csv file in this folder"):
        read_table(tmp_path, LABELS)


def test_a_probability_of_a_half_is_decided():
    records = pd.Index(["a", "b"], name="record")
    truth = pd.DataFrame(0, index=records, columns=LABELS.codes)
    decided = judge(truth, pd.DataFrame(0.5, index=records, columns=LABELS.codes), LABELS).decisions["0.5"]
    assert decided.all()
    assert not judge(truth, pd.DataFrame(0.499, index=records, columns=LABELS.codes), LABELS).decisions["0.5"].any()
