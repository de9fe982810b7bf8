"""Nothing matches nothing silently: corpora, parts, classes and codes without a match, and folds that are not used."""

import numpy as np
import pandas as pd
import pytest

from ecgscale.contracts.labels import read_label_set
from ecgscale.ecg.guards import FLAGS
from ecgscale.ecg.meaning import check_positives, unmatched_codes, unused_folds, unusual
from ecgscale.ecg.wfdb_record import read_recording
from ecgscale.errors import UserError
from tests.tiny_records import twelve_leads, write_record

LABELS = read_label_set()
CLASSES = ("AF", "LBBB")


def corpus(codes: list[str]) -> pd.DataFrame:
    return pd.DataFrame({"record": [f"a/{place}" for place in range(len(codes))], "source": "a", "codes": codes})


def split(parts: list[str]) -> pd.DataFrame:
    return pd.DataFrame({"record": [f"a/{place}" for place in range(len(parts))], "part": parts})


def warnings(marks: list[list[int]], parts: list[str]) -> list[str]:
    return list(check_positives(corpus([""] * len(parts)), np.array(marks, dtype=bool), CLASSES, split(parts)))


def test_a_source_without_labels_is_said():
    (said,) = unmatched_codes(corpus(["", ""]), LABELS)
    assert "none of the 2 recordings has a label: neither a table nor a header gives them a diagnosis" in said
    unknown, none = unmatched_codes(corpus(["foo;bar", "foo"]), LABELS)
    assert unknown.endswith("does not know: foo (2), bar (1)")
    assert "no code of theirs belongs to a class" in none
    assert not unmatched_codes(corpus(["426783006", ""]), LABELS)


def test_headers_of_other_records_and_ages_that_are_not_read_are_counted(tmp_path):
    """Two headers that were exchanged gave each recording the samples of the other, and labels by table stayed."""
    paths = [write_record(tmp_path, name, twelve_leads(600, seed)) for seed, name in enumerate(("A1", "A2"))]
    assert not any("record-name" in read_recording(path).flags for path in paths)
    one, two = (path.read_bytes() for path in paths)
    paths[0].write_bytes(two)
    paths[1].write_bytes(one)
    flags = [";".join(read_recording(path).flags) for path in paths]
    said = list(unusual(pd.DataFrame({"flags": [*flags, "age-unread"]})))
    assert said == [f"2 of 3 recordings: {FLAGS['record-name']}", f"1 of 3 recordings: {FLAGS['age-unread']}"]


def test_classes_without_a_positive_are_said_by_part():
    assert not warnings([[1, 0], [0, 1], [1, 1], [1, 1]], ["train", "train", "valid", "test"])
    assert warnings([[1, 0], [0, 1], [1, 0], [1, 1]], ["train", "train", "valid", "test"]) == [
        "1 of 2 classes have no positive in the valid part: LBBB"]


def test_a_corpus_or_a_part_without_any_label_is_an_error():
    with pytest.raises(UserError, match="none of the 3 recordings has a label of the 2 classes"):
        warnings([[0, 0]] * 3, ["train", "valid", "test"])
    with pytest.raises(UserError, match="none of the 1 recordings of the test part has a label"):
        warnings([[1, 1], [1, 1], [0, 0]], ["train", "valid", "test"])


def test_folds_that_are_not_used_are_said():
    records = corpus(["", "", ""]).assign(fold=[1, None, 3])
    assert list(unused_folds(records, "patients")) == [
        "the folds that tables give 2 recordings are not used: split.method is patients, and column takes them"]
    assert not list(unused_folds(records, "column"))
    assert not list(unused_folds(corpus([""]), "patients"))
