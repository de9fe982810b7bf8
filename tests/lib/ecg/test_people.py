"""The table of patients, folds and sites: both ways to name a record, and every mistake with its file and line."""

from pathlib import Path

import pytest

from ecgscale.contracts import REJECTS
from ecgscale.design.study import Study
from ecgscale.ecg.corpus import Corpus
from ecgscale.ecg.facts import NO_TABLE, Facts
from ecgscale.ecg.label_table import read_labels
from ecgscale.ecg.people import age_of, read_people, sex_of
from ecgscale.ecg.source import Source, prepare_source
from ecgscale.ecg.split import split_corpus
from ecgscale.errors import UserError
from ecgscale.report.card import by_source
from tests.tiny_records import twelve_leads, write_record


def table(folder: Path, text: str) -> Path:
    path = folder / "people.csv"
    path.write_text(text)
    return path


def test_a_path_goes_before_a_name(tmp_path):
    people = read_people(table(tmp_path, "record,patient,fold\nA1,p1,\ng2/A1,p2,3\n"))
    assert people.of("g1/A1") == Facts("p1", None)
    assert people.of("g2/A1") == Facts("p2", 3)
    assert people.of("g2/A2") == NO_TABLE.of("A1") == Facts()
    people.match(["g1/A1", "g2/A1"], tmp_path)


def test_either_column_is_enough(tmp_path):
    assert read_people(table(tmp_path, "record,fold\nA1,0\n")).of("A1") == Facts(None, 0)
    assert not read_people(table(tmp_path, "record,patient\nA1,p\n")).has_folds


def test_lines_that_were_cut_are_counted(tmp_path, capsys):
    """A file that ends within a line: its last patient has no fold."""
    assert read_people(table(tmp_path, "record,patient,fold\nA1,p1,1\nA2,p2,3\n")).of("A2") == Facts("p2", 3)
    assert not capsys.readouterr().err
    assert read_people(table(tmp_path, "record,patient,fold\nA1,p1,1\nA2,p2")).of("A2") == Facts("p2", None)
    assert "1 of 2 lines have fewer fields than the first line names, the first of them line 3" in (
        capsys.readouterr().err)


@pytest.mark.parametrize(("text", "message"), [
    ("name,patient\nA1,p\n", r"people\.csv:1: column 'record' is missing"),
    ("record,person\nA1,p\n", r"people\.csv:1: column 'patient' is missing\. .*record, and patient, fold or site"),
    ("record,patient\nA1,p\nA1,q\n", r"people\.csv:3: patient: record 'A1' has two patients"),
    ("record,fold\nA1,1\nA1,2\n", r"people\.csv:3: fold: record 'A1' has two folds"),
    ("record,fold\nA1,1\nA2,4\n", r"people\.csv:3: fold: '4' is not a fold. Write 0 or 1 \(train\), 2 \(valid\)"),
    ("record,fold\nA1,train\n", r"people\.csv:2: fold: 'train' is not a fold"),
])
def test_mistakes_have_file_line_field_and_remedy(tmp_path, text, message):
    with pytest.raises(UserError, match=message):
        read_people(table(tmp_path, text))


def test_a_table_must_fit_the_folder(tmp_path):
    people = read_people(table(tmp_path, "record,patient\nA1,p\n"))
    with pytest.raises(UserError, match=r"people\.csv: patients table: names none of the 2 recordings below"):
        people.match(["B1", "g1/B2"], tmp_path)
    with pytest.raises(UserError, match=r"people\.csv: record: record 'A1' is the name of 2 recordings .*g1/A0001"):
        people.match(["g1/A1", "g2/A1"], tmp_path)


@pytest.mark.parametrize(("text", "age", "flag"), [
    ("61", 61, ""), ("0", 0, ""), ("0.5", 0.5, ""), (" 7 ", 7, ""), ("61,5", 61.5, ""), ("61.0", 61, ""),
    ("45Y", 45, ""), ("045Y", 45, ""), ("45 years", 45, ""), ("6M", 0.5, ""), ("18 months", 1.5, ""),
    *((f"3 {word}", 3 * share, "") for share, words in ((1, "y yr yrs year years a"), (1 / 12, "m mo month months"),
                                                        (1 / 52.18, "w week weeks"), (1 / 365.25, "d day days"))
      for word in words.split()),
    ("89+", 89, "age-bound"), (">89", 89, "age-bound"), ("> 90 y", 90, "age-bound"), ("≥ 90", 90, "age-bound"),
    ("NaN", None, ""), ("-1", None, ""), ("", None, ""), ("Unknown", None, ""), ("N/A", None, ""),
    ("300", None, "age-unread"), ("-5", None, "age-unread"), ("inf", None, "age-unread"), ("1e3", None, "age-unread"),
    ("60-69", None, "age-unread"), ("sixty", None, "age-unread"), ("45 parsecs", None, "age-unread"),
])
def test_ages(text, age, flag):
    assert age_of(text) == (pytest.approx(age), flag)


@pytest.mark.parametrize("word", ["nan", "NA", "Unknown", "None", "-1", "-1.0", "", "<NA>", "null"])
def test_a_word_for_missing_is_no_patient_and_no_fold(tmp_path, word):
    people = read_people(table(tmp_path, f"record,patient,fold\nA1,{word},{word}\nA2,17.0,3\n"))
    assert people.of("A1") == Facts()
    assert people.of("A2") == Facts("17", 3)
    assert any("1 of 2 rows have the patient" in note for note in people.notes) == bool(word)


def test_rows_that_match_nothing(tmp_path):
    """A table in which one name of four is spelled otherwise is counted aloud, and refused where that is too much."""
    people = read_people(table(tmp_path, "record,patient\nA1,p\na2,q\nA3,r\nA4,s\n"))
    said = people.match(["A1", "A2", "A3", "A4"], tmp_path, 0.25)
    assert "1 of 4 rows of the patients table name no recording" in said[0]
    assert "first 'a2'" in said[0]
    assert "1 of 4 recordings below" in said[1]
    assert said[1].endswith("first 'A2'")
    with pytest.raises(UserError, match=r"1 of 4 rows name no recording .* more than data\.max_unmatched = 0\.2\."):
        people.match(["A1", "A2", "A3", "A4"], tmp_path, 0.2)


@pytest.mark.parametrize(("text", "sex"), [("Male", "male"), ("F", "female"), ("female ", "female"), ("m", "male"),
                                           ("Unknown", None), ("", None), ("NaN", None)])
def test_sexes(text, sex):
    assert sex_of(text) == sex


def test_a_site_is_a_source_of_its_own(tmp_path):
    """Two hospitals in one folder: counted, rejected and left out one by one; who was in both is in no part."""
    folder, sites = tmp_path / "all", {}
    for number in range(24):
        site, who = ("north", "south")[number % 2], f"p{0 if number < 2 else number}"      # p0 was in both
        sites[f"R{number:02}"] = site, who
        write_record(folder, f"R{number:02}", twelve_leads(seed=number), dx=("426783006", "164889003")[number % 3 == 0])
    (folder / "R05.mat").write_bytes(b"")
    people = table(tmp_path, "record,patient,site\n" + "".join(f"{name},{who},{site}\n"
                                                               for name, (site, who) in sites.items()))
    data = Study(name="x", data={"max_rejected": 0.1}).data
    prepare_source(Source("city", folder, patients=people), "1/1", data, None, tmp_path / "shard")
    corpus = Corpus.open([tmp_path / "shard"])
    rejects = REJECTS.read(tmp_path / "shard/rejects.csv")
    assert [f"{source}" for source in rejects["source"]] == ["city/south"]
    counts = by_source(corpus, rejects).set_index("source")
    assert counts[["found", "accepted", "rejected"]].T.to_dict("list") == {"city/north": [12, 12, 0],
                                                                           "city/south": [12, 11, 1]}
    split, info = split_corpus(corpus, "leave-source-out", 1, "city/south")
    assert set(split.loc[split["part"] == "test", "source"]) == {"city/south"}
    assert set(split.loc[split["part"] != "test", "source"]) == {"city/north"}
    assert info.left_out == 1
    assert "city/R00" not in set(split["record"])
    with pytest.raises(UserError, match=r"source 'city' is not in the corpus\. Sources: city/north, city/south"):
        split_corpus(corpus, "leave-source-out", 1, "city")


def test_a_site_is_a_name(tmp_path):
    assert read_people(table(tmp_path, "record,site\nA1,3.0\nA2,nan\n")).of("A1") == Facts(site="3")
    with pytest.raises(UserError, match=r"people\.csv:3: site: 'a/b' is not a name"):
        read_people(table(tmp_path, "record,site\nA1,a\nA2,a/b\n"))
    with pytest.raises(UserError, match=r"people\.csv:3: site: record 'A1' has two sites"):
        read_people(table(tmp_path, "record,site\nA1,a\nA1,b\n"))


def test_a_name_is_the_same_in_either_unicode_form(tmp_path):
    """macOS and spreadsheets write an accent apart (NFD): "Ärzte" twice would be two patients, in two parts."""
    apart, joined = "A\u0308", "\u00c4"
    people = read_people(table(tmp_path, f"record,patient\n{apart}1,{apart}\n{joined}2,{joined}\n"))
    for form in (apart, joined):
        assert [people.of(f"g/{form}{number}") for number in (1, 2)] == [Facts(joined), Facts(joined)]
        assert not people.match([f"{form}1", f"g/{form}2"], tmp_path)
    with pytest.raises(UserError, match="is the name of 2 recordings"):
        people.match([f"{apart}1", f"g/{joined}1"], tmp_path)
    with pytest.raises(UserError, match="has two patients"):
        read_people(table(tmp_path, f"record,patient\n{apart}1,p\n{joined}1,q\n"))
    with pytest.raises(UserError, match="stands twice"):
        read_labels(table(tmp_path, f"record,codes\n{apart}1,1\n{joined}1,2\n"))
