"""Tables as people save them: separators, quotes, marks, names in other case; and what is refused, never guessed."""

import pytest

from ecgscale.contracts.labels import read_label_set
from ecgscale.contracts.written import is_missing, read_rows
from ecgscale.ecg.facts import Facts
from ecgscale.ecg.label_table import read_labels
from ecgscale.ecg.people import read_people
from ecgscale.errors import UserError
from ecgscale.evaluation.others import read_table

ROWS = [{"record": "A1", "patient": "p1", "note": "a, b"}, {"record": "A2", "patient": "", "note": ""}]


@pytest.fixture
def table(tmp_path):
    def write(text: str, encoding: str = "utf-8"):
        (tmp_path / "table.csv").write_bytes(text.encode(encoding))
        return tmp_path / "table.csv"
    return write


@pytest.mark.parametrize(("text", "encoding"), [
    ('record,patient,note\nA1,p1,"a, b"\nA2,,\n', "utf-8"), ("record;patient;note\nA1;p1;a, b\nA2;;\n", "utf-8"),
    ("record\tpatient\tnote\r\nA1\tp1\ta, b\r\nA2\t\t\r\n", "utf-8"),
    ('\ufeff"record";"patient";"note"\n"A1";"p1";"a, b"\n"A2";"";""', "utf-8"),
    ('Record , PATIENT,note\n A1 ,p1 ,"a, b"\n\nA2\n', "utf-8"),
    ('record,patient,note,\nA1,p1,"a, b",\nA2,,,,,\n', "utf-8"),
], ids=["commas", "semicolons", "tabs", "bom", "case and blanks", "trailing commas"])
def test_the_same_table_saved_by_others(table, text, encoding):
    rows = read_rows(table(text, encoding), ("record",), ("patient",))
    assert [{name: value for name, value in row.items() if name} for row in rows] == ROWS


@pytest.mark.parametrize(("text", "words"), [
    ("record,codes\nA1,AF,LBBB\n", r"table\.csv:2: 3 fields, and the first line names 2\. Put quotes around .* ','"),
    ("record;codes\nA1;AF\nA2;AF;LBBB\n", r"table\.csv:3: 3 fields, and the first line names 2\. .* ';'"),
    ("record,AF,AF\nA1,0,1\n", r"table\.csv:1: column 'AF' stands twice"),
    ("Record,record\nA1,A1\n", r"table\.csv:1: column 'record' stands twice"),
    ("# mine\nrecord,codes\nA1,AF\n", r"table\.csv:1: column 'record' is missing"), ("record\n", "no rows")])
def test_what_would_lose_something_is_refused(table, text, words):
    with pytest.raises(UserError, match=words):
        read_rows(table(text), ("record",))


def test_another_encoding_is_refused(table):
    with pytest.raises(UserError, match="CSV in UTF-8 text"):
        read_rows(table("record,codes\nA1,AF\n", "utf-16"), ("record",))


def test_columns_that_are_not_used_are_said(table):
    """So that a probability beside a code, or a column of another name, is not taken for read."""
    assert read_labels(table("record,code,probability\nA1,AF,0.1\n")).notes[0].endswith("not used: 'probability'")
    assert read_labels(table(",record,AF,age\n0,A1,1,61\n")).notes == ()
    assert read_people(table("record,fold,subject\nA1,1,p1\n")).notes[0].endswith("not used: 'subject'")


def test_a_record_of_several_lines_has_one_age_and_sex(table):
    """One that is told on its first line alone was lost."""
    found = read_labels(table("record,code,age,sex\nA1,AF,61,\nA1,LBBB,,f\nA2,AF,,\n")).rows
    assert found["A1"] == Facts(codes=("AF", "LBBB"), age="61", sex="f")
    assert found["A2"] == Facts(codes=("AF",), age="", sex="")
    with pytest.raises(UserError, match=r"table\.csv:3: age: record 'A1' has two ages: '61' and '16'"):
        read_labels(table("record,code,age\nA1,AF,61\nA1,LBBB,16\n"))


@pytest.mark.parametrize(("patients", "told"), [
    (["0"] * 6, "6 of 6 records have the patient '0'"), (["9999"] * 5 + ["a"] * 5, "5 of 10"),
    (["a"] + ["9999"] * 9, "9 of 10 records have the patient '9999'"),
    (["a", "a", "b", "b"], ""), (["a"] * 3, ""), ([f"p{number // 3}" for number in range(12)], "")])
def test_a_patient_of_very_many_records_is_said(table, patients, told):
    """It may be a word for "unknown" of which nobody thought; a handful of records of one person is nothing."""
    people = read_people(table("record,patient\n" + "".join(f"A{n},{name}\n" for n, name in enumerate(patients))))
    assert (told in " ".join(people.notes)) if told else not people.notes


@pytest.mark.parametrize("word", ["nan", "NULL", "N/A", "Unknown", " none ", "-1", "-", "not known", "Anonymous", ""])
def test_words_for_missing(word):
    assert is_missing(word)


@pytest.mark.parametrize("word", ["0", "1", "Nancy", "naN1", "x", "unknown-17"])
def test_names_that_are_none(word):
    assert not is_missing(word)


def test_short_lines_below_a_long_first_one_do_not_make_cells_of_nothing(table):
    """300 kB that name 10,000 columns would become 600 million cells."""
    head = ",".join(["record", *(f"c{number}" for number in range(10_000))])
    with pytest.raises(UserError, match=r"table\.csv:\d+: the first line names 10001 columns, and "):
        read_rows(table(head + "\n" + "A1,x\n" * 60_000), ("record",))
    few = read_rows(table(head + "\nA1,x\n"), ("record",))
    assert (len(few), few[0]["c0"], few[0]["c9999"]) == (1, "x", "")


def test_predictions_of_too_many_columns_are_refused(table):
    with pytest.raises(UserError, match=r"has 5002 columns, at most 2000 are read\. Leave out those"):
        read_table(table("record," + "," * 5000 + "\nA1,1\n"), read_label_set())
