"""The 26 scored classes against the Challenge's own tables; classes are matched by code, never by position."""

import csv
from dataclasses import replace

import numpy as np
import pytest

from ecgscale.contracts.labels import SINUS_RHYTHM, read_label_set
from ecgscale.errors import UserError


def test_the_four_pairs_count_as_one_class():
    """PhysioNet/CinC 2021: CLBBB|LBBB, CRBBB|RBBB, PAC|SVPB and PVC|VPB are scored as one."""
    labels = read_label_set()
    assert len(labels.codes) == 26
    index = labels.places
    for one, other in ((733534002, 164909002), (713427006, 59118001), (284470004, 63593006), (427172004, 17338001)):
        assert index[str(one)] == index[str(other)]
    assert len(index) == 30
    assert SINUS_RHYTHM in labels.codes


def test_the_digest_tells_every_part_that_decides_a_score():
    """What is compared where a corpus, a run and a label set meet."""
    labels = read_label_set()
    others = [replace(labels, **{name: getattr(labels, name)[::-1]}) for name in ("codes", "abbreviations", "names")]
    others += [replace(labels, weights=None), replace(labels, weights=labels.weights / 2),
               replace(labels, members=("1", *labels.members[1:]))]
    assert labels.digest == read_label_set().digest
    assert len({one.digest for one in (labels, *others)}) == 1 + len(others)


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
    assert {row["SNOMEDCTCode"] for row in rows} == set(read_label_set().places)


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
    ("code,abbreviation,name\n1,A,a\n", "code,1\n1,1\n1,0\n", "a class code stands in two rows"),
    ("code,abbreviation,name\n1,A,a\n2,A,b\n", None, "classes.csv:3: abbreviation: 'A' is the abbreviation of two"),
    ("code,abbreviation,name,codes\n1,A,a,AF;AFL\n", None, r"classes.csv:2: codes: .* \(joined by \|\)"),
    ("code,abbreviation,name,codes\n1,A,a,1.6E+08\n", None, "classes.csv:2: codes: .* rounded by a spreadsheet"),
    ("code,abbreviation,name,codes\n1,A,a,nan\n", None, "classes.csv:2: codes: .* missing value"),
])
def test_mistakes_name_file_and_line(tmp_path, classes, weights, words):
    (tmp_path / "classes.csv").write_text(classes)
    if weights:
        (tmp_path / "weights.csv").write_text(weights)
    with pytest.raises(UserError, match=words):
        read_label_set(tmp_path)


@pytest.mark.parametrize(("code", "words"), [
    ("Acute MI", "has a space"), ("a,b", "has a space, comma or semicolon"), ("1.6E+08", "rounded by a spreadsheet"),
    ("1,64889E+08", "rounded by a spreadsheet"), ("NA", "a word for a missing value"), ("None", "missing value"),
    ("-1", "missing value"), ("unknown", "missing value"), ("AF|nan", "missing value"),
])
def test_a_class_that_nothing_can_match_is_refused(tmp_path, code, words):
    (tmp_path / "classes.csv").write_text(f'code,abbreviation,name\n"{code}",A,a\n')
    with pytest.raises(UserError, match=words):
        read_label_set(tmp_path)


def test_spellings_of_a_code(tmp_path):
    """Case, spaces around `|` and the `.0` of a table of numbers do not part a code from its class."""
    (tmp_path / "classes.csv").write_text("code,abbreviation,name\n1 | 2.0,A,a\nAfib,B,b\n")
    labels = read_label_set(tmp_path)
    assert labels.codes == ("1|2", "Afib")
    assert "code '1 | 2.0' is read as '1|2'" in labels.notes[0]
    assert [list(np.flatnonzero(labels.encode([code]))) for code in ("2", "1.0", "AFIB", "afib", "3")] == [
        [0], [0], [1], [1], []]


def test_weights_without_sinus_rhythm_are_said_to_be_unused(tmp_path):
    (tmp_path / "classes.csv").write_text("code,abbreviation,name\n1,A,a\n2,B,b\n")
    (tmp_path / "weights.csv").write_text("code,1,2\n1,1,0\n2,0,1\n")
    assert "weights.csv is not used: no class has the code 426783006" in read_label_set(tmp_path).notes[0]


def test_weights_of_no_class_are_said_and_a_class_has_a_short_name(tmp_path):
    (tmp_path / "classes.csv").write_text(f"code,abbreviation,name\n{SINUS_RHYTHM},,a\n2,B,b\n")
    (tmp_path / "weights.csv").write_text(f"code;{SINUS_RHYTHM};2;3\n{SINUS_RHYTHM};1;0;0\n2.0;0;1;0\n4;0;0;1\n")
    labels = read_label_set(tmp_path)
    assert [note.split(": ", 1)[1] for note in labels.notes] == [
        "weights of codes that are no class are not used: 4, 3"]
    assert labels.weights.tolist() == [[1, 0], [0, 1]]
    assert labels.abbreviations == (SINUS_RHYTHM, "B")


def test_a_mapping_translates_codes(tmp_path):
    """One code may become several; an empty `to` is a code that is known and means no class."""
    file = tmp_path / "mapping.csv"
    file.write_text("code,to\nAFIB,164889003\nboth,164889003\nboth,164890007\nnothing,\n")
    labels = read_label_set().translating(file)
    assert [labels.abbreviations[i] for i in np.flatnonzero(labels.encode(["afib"]))] == ["AF"]
    assert [labels.abbreviations[i] for i in np.flatnonzero(labels.encode(["both", "nothing"]))] == ["AF", "AFL"]
    assert labels.knows("nothing")
    assert not labels.knows("other")
    file.write_text("code,to\nAFIB,1\n")
    with pytest.raises(UserError, match=r"mapping\.csv:2: to: '1' is no code of the label set"):
        read_label_set().translating(file)
