"""The 26 scored classes against the Challenge's own tables; classes are matched by code, never by position."""

import csv

import numpy as np
import pytest

from ecgscale.contracts.labels import SINUS_RHYTHM, read_label_set
from ecgscale.errors import UserError


def test_the_four_pairs_count_as_one_class():
    """PhysioNet/CinC 2021: CLBBB|LBBB, CRBBB|RBBB, PAC|SVPB and PVC|VPB are scored as one."""
    labels = read_label_set()
    assert len(labels.codes) == 26
    index = labels.index()
    for one, other in ((733534002, 164909002), (713427006, 59118001), (284470004, 63593006), (427172004, 17338001)):
        assert index[str(one)] == index[str(other)]
    assert len(index) == 30
    assert SINUS_RHYTHM in labels.codes


def test_repeated_and_unknown_codes():
    labels = read_label_set()
    row = labels.encode(["164909002", "733534002", "164909002", "1", SINUS_RHYTHM])
    assert [labels.abbreviations[i] for i in np.flatnonzero(row)] == ["LBBB", "NSR"]


def test_weights_equal_the_published_table(shared):
    labels = read_label_set()
    header, *rows = csv.reader((shared / "reference" / "weights.csv").read_text().splitlines())
    order = labels.order_of(header[1:])
    for row in rows:
        np.testing.assert_array_equal(labels.weights[labels.codes.index(row[0])], np.array(row[1:], dtype=float)[order])


def test_codes_equal_the_published_table(shared):
    rows = csv.DictReader((shared / "reference" / "dx_mapping_scored.csv").read_text().splitlines())
    assert {row["SNOMEDCTCode"] for row in rows} == set(read_label_set().index())


def test_weights_in_another_order_give_the_same_matrix(tmp_path):
    """The published code aligned labels and weights by position, in different orders."""
    (tmp_path / "classes.csv").write_text("code,abbreviation,name\n1,A,a\n2,B,b\n")
    (tmp_path / "weights.csv").write_text("code,2,1\n2,1,0.5\n1,0.25,0.75\n")
    np.testing.assert_array_equal(read_label_set(tmp_path).weights, [[0.75, 0.25], [0.5, 1]])


def test_order_of_columns():
    labels = read_label_set()
    shuffled = list(labels.codes)
    np.random.default_rng(0).shuffle(shuffled)
    order = labels.order_of(shuffled)
    assert [shuffled[i] for i in order] == list(labels.codes)
    with pytest.raises(UserError, match="are missing"):
        labels.order_of(shuffled[1:])


@pytest.mark.parametrize(("classes", "weights", "words"), [
    ("code,name\n1,a\n", None, "column 'abbreviation' is missing"),
    ("code,abbreviation,name\n1,A,a\n1|2,B,b\n", None, r"classes.csv:3: code: code '1' is named twice"),
    ("code,abbreviation,name\n1,A,a\n2,B,b\n", "code,1,2\n1,1,0\n", "no weight for 2 predicted as 1"),
    ("code,abbreviation,name\n1,A,a\n", "code,1\n1,much\n", "no weight for 1"),
])
def test_mistakes_name_file_and_line(tmp_path, classes, weights, words):
    (tmp_path / "classes.csv").write_text(classes)
    if weights:
        (tmp_path / "weights.csv").write_text(weights)
    with pytest.raises(UserError, match=words):
        read_label_set(tmp_path)
