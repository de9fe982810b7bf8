"""PTB-XL as PhysioNet serves it, in a small folder; and its published counts where its own tables are."""

import csv
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from ecgscale.contracts import RECORDS
from ecgscale.contracts.labels import LABEL_SETS, read_label_set
from ecgscale.design.study import Data
from ecgscale.ecg.datasets import Asked, open_dataset
from ecgscale.ecg.datasets.ptb_xl import read_database
from ecgscale.ecg.source import Source, prepare_source
from ecgscale.errors import UserError
from tests.tiny_records import twelve_leads, write_record

COLUMNS = ("ecg_id,patient_id,age,sex,height,weight,nurse,site,device,recording_date,report,scp_codes,heart_axis,"
           "strat_fold,filename_lr,filename_hr")
ROWS = (("1", "15709.0", "56.0", "1", "{'NORM': 100.0, 'LVOLT': 0.0, 'SR': 0.0}", "", "3"),
        ("2", "13243.0", "300.0", "0", "{'IMI': 35.0, 'AFIB': 0.0}", "ALAD", "9"),
        ("3", "13243.0", "19.0", "0", "{'IMI': 80.0, 'LVH': 50.0, 'SVARR': 0.0, 'PAC': 0.0}", "MID", "10"))
STATEMENTS = """,description,diagnostic,form,rhythm,diagnostic_class
NORM,normal ECG,1.0,,,NORM
IMI,inferior myocardial infarction,1.0,,,MI
LVH,left ventricular hypertrophy,1.0,,,HYP
LVOLT,low QRS voltages,,1.0,,
SR,sinus rhythm,,,1.0,
"""


@pytest.fixture
def folder(tmp_path):
    """Three recordings at 100 and at 500 Hz, and a fourth row whose recording is not here."""
    made = tmp_path / "ptb-xl"
    lines = [COLUMNS]
    for number, patient, age, sex, codes, axis, fold in (*ROWS, ("9", "9.0", "9", "0", "{'SR': 0.0}", "", "1")):
        low, high = f"records100/00000/0000{number}_lr", f"records500/00000/0000{number}_hr"
        lines.append(f'{number},{patient},{age},{sex},,,,,CS-12   E,1984-11-09 09:17:34,"a, b",'
                     f'"{codes}",{axis},{fold},{low},{high}')
        for path, rate in ((low, 100), (high, 500)) if number != "9" else ():
            signal = twelve_leads(10 * rate, int(number))
            write_record(made / Path(path).parent, Path(path).name, signal, rate=rate, dx="")
    (made / "ptbxl_database.csv").write_text("\n".join(lines) + "\n")
    (made / "scp_statements.csv").write_text(STATEMENTS)
    return made


def prepared(folder, out, labels, likelihood=0.0, rate=None, recipe="study-100") -> pd.DataFrame:
    data = Data(recipe=recipe, labels=labels, likelihood=likelihood)
    prepare_source(Source("ptb-xl", folder, "ptb-xl", rate), "1/1", data, None, out)
    return RECORDS.read(out / "records.parquet")


def classes_of(records: pd.DataFrame) -> list[set[str]]:
    return [{name[2:] for name in records if name.startswith("y_") and row[name]} for row in records.to_dict("records")]


def test_what_the_database_says_of_a_recording(folder, tmp_path):
    records = prepared(folder, tmp_path / "out", "ptb-xl/superclasses")
    assert list(records["record"]) == [f"ptb-xl/records100/00000/0000{number}_lr" for number in (1, 2, 3)]
    assert list(records["patient"]) == ["ptb-xl/15709", "ptb-xl/13243", "ptb-xl/13243"]
    assert list(records["fold"]) == [1, 2, 3]
    assert list(records["sex"]) == ["female", "male", "male"]
    assert classes_of(records) == [{"NORM"}, {"MI"}, {"MI", "HYP"}]
    assert list(records["codes"]) == ["NORM;LVOLT;SR", "IMI;AFIB;axis ALAD", "IMI;LVH;SVARR;PAC;axis MID"]
    assert set(records["rate"]) == {100.0}


@pytest.mark.parametrize(("labels", "expected"), [
    ("ptb-xl/subclasses", [{"NORM"}, {"IMI"}, {"IMI", "LVH"}]),
    ("ptb-xl/diagnostic", [{"NORM"}, {"IMI"}, {"IMI", "LVH"}]),
    ("ptb-xl/rhythm", [{"SR"}, {"AFIB"}, {"SVARR"}]),
    ("ptb-xl/form", [{"LVOLT"}, set(), {"PAC"}]),
    ("ptb-xl/statements", [{"NORM", "LVOLT", "SR"}, {"IMI", "AFIB"}, {"IMI", "LVH", "SVARR", "PAC"}]),
    ("physionet2021", [{"426783006", "251146004"}, {"164889003", "39732003"}, {"284470004|63593006"}]),
])
def test_label_sets(folder, tmp_path, labels, expected):
    """The Challenge's NSR is NORM or SR, its LAD the heart axis LAD or ALAD, and SVARR counts as PAC."""
    records = prepared(folder, tmp_path / "out", labels)
    assert classes_of(records) == expected
    assert not records["flags"].str.contains("unknown-code").any()


def test_the_likelihood_decides_on_diagnostic_statements_only(folder, tmp_path):
    records = prepared(folder, tmp_path / "out", "ptb-xl/statements", likelihood=50)
    assert classes_of(records) == [{"NORM", "LVOLT", "SR"}, {"AFIB"}, {"IMI", "LVH", "SVARR", "PAC"}]


def test_one_of_two_rates(folder, tmp_path, capsys):
    assert set(prepared(folder, tmp_path / "a", "ptb-xl/form", recipe="study")["rate"]) == {500.0}
    assert "PTB-XL: records500 of records100 and records500" in capsys.readouterr().err
    assert set(prepared(folder, tmp_path / "b", "ptb-xl/form", rate=100, recipe="study")["rate"]) == {100.0}
    with pytest.raises(UserError, match="rate: no folder records250"):
        open_dataset(folder, "ptb-xl", Asked(rate=250))


def test_rows_without_a_recording_are_counted_aloud(folder, tmp_path, capsys):
    prepared(folder, tmp_path / "out", "ptb-xl/superclasses")
    assert "1 of 4 rows of the dataset's own table name no recording" in capsys.readouterr().err


def test_another_folder_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"no folder records500.*ptbxl_database\.csv and records100 or records500"):
        open_dataset(tmp_path, "ptb-xl")


# ---------------------------------------------------------------------------- the dataset's own tables, where they are

# of 1.0.3, whose 21,799 recordings are those of 1.0.1 without 38 duplicates
SUPERCLASSES = {"NORM": 9514, "MI": 5469, "STTC": 5235, "CD": 4898, "HYP": 2649}
FOLDS = {1: 17418, 2: 2183, 3: 2198}
# Reyna et al. 2021, the official table: PTB-XL without the 38 duplicates
CHALLENGE = {
    "NSR": 18058, "LAD": 5146, "TAb": 2341, "LAnFB": 1624, "AF": 1514, "IRBBB": 1118, "STach": 826, "IAVB": 795,
    "NSIVCB": 787, "SA": 772, "SB": 637, "PAC": 555, "QAb": 548, "RBBB": 542, "LBBB": 536, "RAD": 343, "LPR": 340,
    "PR": 294, "TInv": 294, "LQRSV": 182, "LQT": 118, "AFL": 73}


@pytest.fixture(scope="module")
def published(shared):
    """The dataset's rows that 1.0.3 keeps, and the rows of our own table of its labels."""
    folder = shared / "datasets" / "ptb-xl"
    with open(folder / "labels.csv", newline="") as stream:
        kept = {row["record"]: row for row in csv.DictReader(stream)}
    rows = read_database(folder, 100, 0.0).rows
    return {place: facts for place, facts in rows.items() if place in kept}, kept


def test_folds_are_the_published_ones(published):
    facts, kept = published
    assert Counter(one.fold for one in facts.values()) == FOLDS
    assert len({one.patient for one in facts.values()}) == 18869
    assert len(facts) == len(kept) == 21799


def test_challenge_classes_are_the_published_ones(published):
    facts, kept = published
    labels = read_label_set().translating(LABEL_SETS / "physionet2021" / "from" / "ptb-xl.csv")
    counts = Counter()
    for place, one in facts.items():
        row = labels.encode(one.codes)
        theirs = labels.encode(kept[place]["challenge_codes"].split("|"))
        assert (row == theirs).all(), place
        counts.update(name for name, there in zip(labels.abbreviations, row, strict=True) if there)
    assert counts == CHALLENGE


def test_superclasses_are_the_published_ones(published):
    """By recording those of 1.0.1, whose table it is; 1.0.3 relabelled eight when it merged duplicates."""
    facts, kept = published
    labels = read_label_set(LABEL_SETS / "ptb-xl" / "superclasses")
    counts, changed = Counter(), 0
    for place, one in facts.items():
        named = {code for code, there in zip(labels.codes, labels.encode(one.codes), strict=True) if there}
        assert named == set(kept[place]["superclasses_1.0.1"].split("|")) - {""}, place
        later = set(kept[place]["superclasses_1.0.3"].split("|")) - {""}
        changed += later != named
        counts.update(later)
    assert counts == SUPERCLASSES
    assert changed == 8


def test_a_likelihood_of_one_already_leaves_out_what_is_given_none(folder):
    text = (folder / "ptbxl_database.csv").read_text().replace("'NORM': 100.0", "'NORM': 0.0")
    (folder / "ptbxl_database.csv").write_text(text)
    codes = [next(iter(read_database(folder, 100, least).rows.values())).codes for least in (0.0, 1.0)]
    assert codes == [("NORM", "LVOLT", "SR"), ("LVOLT", "SR")]
