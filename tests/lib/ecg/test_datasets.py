"""Datasets by name, each on a small folder in its true layout; and files that are not what they seem."""

import zipfile
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from ecgscale.contracts import LEADS, RECORDS, REJECTS
from ecgscale.design.study import Data
from ecgscale.ecg.datasets import MODULES, Asked, adaptor, open_dataset
from ecgscale.ecg.source import Source, prepare_source
from ecgscale.errors import UserError
from tests.tiny_records import twelve_leads, write_record

NSR, AF, RBBB = "426783006", "164889003", "713427006|59118001"


def prepared(dataset: str, folder: Path, label_set: str = "physionet2021", **tables) -> pd.DataFrame:
    out = folder.parent / "prepared"
    data = Data(labels=label_set, max_rejected=1.0)
    prepare_source(Source("one", folder, dataset, **tables), "1/1", data, None, out)
    return RECORDS.read(out / "records.parquet")


def classes_of(records: pd.DataFrame) -> list[set[str]]:
    return [{name[2:] for name in records if name.startswith("y_") and row[name]} for row in records.to_dict("records")]


def millivolts(samples: int = 2500, seed: int = 1) -> np.ndarray:
    return twelve_leads(samples, seed) / 1000


def test_every_dataset_has_an_adaptor():
    for name in MODULES:
        assert adaptor(name).PATTERN
        assert adaptor(name).EACH > 0
    with pytest.raises(UserError, match=r"dataset: no dataset 'ptbxl'\. Known: wfdb-headers, ptb-xl"):
        adaptor("ptbxl")


# ------------------------------------------------------------------------------------------------------------ CODE-15


@pytest.fixture
def code_15(tmp_path):
    """Two parts, one exam of 7 s and one of 10 s in the middle of 4096 samples, and the empty row at the end."""
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "exams.csv").write_text(
        "exam_id,age,is_male,nn_predicted_age,1dAVb,RBBB,LBBB,SB,ST,AF,patient_id,death,timey,normal_ecg,trace_file\n"
        "11,38,True,40.1,True,False,False,False,False,True,501,False,2.1,False,exams_part0.hdf5\n"
        "12,73,False,70.4,False,False,False,False,False,False,502,,,True,exams_part1.hdf5\n"
        "13,40,False,41.0,False,False,False,False,False,False,501,,,False,exams_part7.hdf5\n")
    for part, exam, samples in ((0, 11, 2800), (1, 12, 4000)):
        tracings, first = np.zeros((2, 4096, 12), np.float32), (4096 - samples) // 2
        tracings[0, first : first + samples] = millivolts(samples, exam)
        with h5py.File(folder / f"exams_part{part}.hdf5", "w") as file:
            file["exam_id"], file["tracings"] = [exam, 0], tracings
    return folder


def test_code_15(code_15, capsys):
    records = prepared("code-15", code_15, "code-15")
    assert list(records["record"]) == ["one/exams_part0/11", "one/exams_part1/12"]
    assert list(records["length"]) == [3500, 5000]      # 7 and 10 s at the recipe's 500 Hz: no zeros around them
    assert list(records["patient"]) == ["one/501", "one/502"]
    assert list(records["sex"]) == ["male", "female"]
    assert list(records["age"]) == [38, 73]
    assert classes_of(records) == [{"1dAVb", "AF"}, set()]
    said = capsys.readouterr().err
    assert "2 rows of the parts have no exam" in said
    assert "1 of 3 rows of the dataset's own table name no recording" in said
    assert classes_of(prepared("code-15", code_15)) == [{"270492004", AF}, {NSR}]


def test_samples_of_code_15_are_those_of_the_part(code_15):
    recording = open_dataset(code_15, "code-15").read("exams_part0/11")
    assert recording.rate == 400
    np.testing.assert_allclose(recording.millivolts(), millivolts(2800, 11), atol=1e-4)


# ---------------------------------------------------------------------------------------------------------------- SPH


def test_sph(tmp_path):
    folder = tmp_path / "sph"
    (folder / "records").mkdir(parents=True)
    (folder / "metadata.csv").write_text("ECG_ID,AHA_Code,Patient_ID,Age,Sex,N,Date\n"
                                         "A00001,22;23,S00001,55,M,5000,2020-03-04\n"
                                         "A00002,50;60+310;106,S00002,32,F,5000,2019-09-03\n")
    for number in (1, 2):
        with h5py.File(folder / "records" / f"A0000{number}.h5", "w") as file:
            file["ecg"] = millivolts(5000, number).T.astype(np.float16)
    records = prepared("sph", folder)
    assert list(records["record"]) == ["one/records/A00001", "one/records/A00002"]
    assert list(records["patient"]) == ["one/S00001", "one/S00002"]
    assert list(records["codes"]) == ["22;23", "50;60;60+310;106"]
    assert classes_of(records) == [{"426177001", "427393009"}, {AF, "427172004|17338001", RBBB}]


# ------------------------------------------------------------------------------------------------------------ Chapman

SHEET = ('<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{}</sheetData>'
         "</worksheet>")
DIAGNOSES = (("FileName", "Rhythm", "Beat", "PatientAge", "Gender"), ("MUSE_1", "AFIB", "RBBB TWC", "85", "MALE"),
             ("MUSE_2", "SB", "NONE", "59", "FEMALE"))


def spreadsheet(file: Path, rows, extra: str = "") -> None:
    """As Excel writes it: text shared, numbers in place."""
    texts = [cell for row in rows for cell in row if not cell.isdigit()]
    lines = []
    for number, row in enumerate(rows, 1):
        cells = [f'<c r="{letter}{number}"><v>{cell}</v></c>' if cell.isdigit() else
                 f'<c r="{letter}{number}" t="s"><v>{texts.index(cell)}</v></c>'
                 for letter, cell in zip("ABCDE", row, strict=True)]
        lines.append(f'<row r="{number}">{"".join(cells)}</row>')
    shared = "".join(f"<si><t>{text}</t></si>" for text in texts)
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("xl/worksheets/sheet1.xml", extra + SHEET.format("".join(lines)))
        archive.writestr("xl/sharedStrings.xml", f'<sst xmlns="{SHEET.split(chr(34))[1]}">{shared}</sst>')


@pytest.mark.parametrize("kind", ["xlsx", "csv"])
def test_chapman(tmp_path, kind):
    folder = tmp_path / "chapman"
    (folder / "ECGData").mkdir(parents=True)
    for number in (1, 2):
        pd.DataFrame(twelve_leads(5000, number), columns=LEADS).to_csv(folder / "ECGData" / f"MUSE_{number}.csv",
                                                                       index=False)
    if kind == "xlsx":
        spreadsheet(folder / "Diagnostics.xlsx", DIAGNOSES)
    else:
        (folder / "Diagnostics.csv").write_text("\n".join(map(",".join, DIAGNOSES)) + "\n")
    records = prepared("chapman", folder)
    assert list(records["record"]) == ["one/ECGData/MUSE_1", "one/ECGData/MUSE_2"]
    assert list(records["age"]) == [85, 59]
    assert list(records["sex"]) == ["male", "female"]
    assert classes_of(records) == [{AF, RBBB, "164934002"}, {"426177001"}]
    read = open_dataset(folder, "chapman").read("ECGData/MUSE_1")
    np.testing.assert_allclose(read.millivolts(), millivolts(5000, 1), atol=1e-9)


def test_chapman_denoised(tmp_path):
    """Its files begin with the first sample; with both folders there, the recorded signals are read and it is said."""
    folder = tmp_path / "chapman"
    (folder / "ECGDataDenoised").mkdir(parents=True)
    (folder / "Diagnostics.csv").write_text("\n".join(map(",".join, DIAGNOSES)) + "\n")
    with pytest.raises(UserError, match="no folder ECGData or ECGDataDenoised"):
        open_dataset(tmp_path, "chapman")
    signal = twelve_leads(5000, 1) + 0.25
    np.savetxt(folder / "ECGDataDenoised" / "MUSE_1.csv", signal, delimiter=",")
    np.testing.assert_allclose(open_dataset(folder, "chapman").read("ECGDataDenoised/MUSE_1").millivolts(),
                               signal / 1000, atol=1e-4)
    (folder / "ECGData").mkdir()
    pd.DataFrame(twelve_leads(5000, 1), columns=LEADS).to_csv(folder / "ECGData" / "MUSE_1.csv", index=False)
    opened = open_dataset(folder, "chapman")
    assert opened.places == ["ECGData/MUSE_1"]
    assert opened.notes == ("Chapman: ECGData of ECGData and ECGDataDenoised",)


def test_a_spreadsheet_that_declares_entities_is_refused(tmp_path):
    folder = tmp_path / "chapman"
    (folder / "ECGData").mkdir(parents=True)
    spreadsheet(folder / "Diagnostics.xlsx", DIAGNOSES, '<!DOCTYPE x [<!ENTITY a "aaaa">]>')
    with pytest.raises(UserError, match="declares entities"):
        open_dataset(folder, "chapman")


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5])
def test_a_damaged_workbook_is_refused_with_what_to_do(tmp_path, share):
    """Zip, deflate and XML each raise errors of their own kind."""
    folder, file = tmp_path / "chapman", tmp_path / "chapman" / "Diagnostics.xlsx"
    (folder / "ECGData").mkdir(parents=True)
    spreadsheet(file, DIAGNOSES)
    with zipfile.ZipFile(file) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in held.items():
            archive.writestr(name, content)
    content = bytearray(file.read_bytes())
    start = int(share * len(content))
    content[start : start + 12] = b"\xff" * 12
    file.write_bytes(content)
    with pytest.raises(UserError, match=r"Diagnostics\.xlsx: not a readable \.xlsx .*\. Save it as CSV and give that"):
        open_dataset(folder, "chapman")


# ------------------------------------------------------------------------------------------------------ MIMIC-IV-ECG


def test_mimic_iv_ecg(tmp_path):
    """Its header's lead order, patients by subject, the machine's report as codes, and a table of labels before it."""
    folder, order = tmp_path / "mimic", ("I", "II", "III", "aVR", "aVF", "aVL", *LEADS[6:])
    columns = [LEADS.index(lead) for lead in order]
    reports = ",".join(f"report_{number}" for number in range(18))
    paths = [f"files/p1000/p1000{subject}/s4{study}/4{study}" for subject, study in ((1, 7), (1, 8), (2, 9))]
    for place, path in enumerate(paths[:2]):
        write_record(folder / Path(path).parent, Path(path).name, twelve_leads(5000, place)[:, columns], leads=order,
                     gain=1000, dx="")
    (folder / "record_list.csv").write_text("subject_id,study_id,file_name,ecg_time,path\n" + "".join(
        f"1000{path[17]},{path[-2:]},{path[-2:]},2180-07-23 08:44:00,{path}\n" for path in paths))
    (folder / "machine_measurements.csv").write_text(
        f"subject_id,study_id,cart_id,ecg_time,{reports},bandwidth\n"
        f"10001,47,1,2180,Atrial fibrillation,Abnormal ECG{',' * 16},0.005\n10001,48,1,2180,Sinus rhythm{',' * 17},1\n"
        f"10002,49,1,2180,Sinus rhythm{',' * 17},1\n")
    mapping = tmp_path / "mapping.csv"
    mapping.write_text(f"code,to\nAtrial fibrillation,{AF}\nSinus rhythm,{NSR}\nAbnormal ECG,\n")
    records = prepared("mimic-iv-ecg", folder, mapping=mapping)
    assert list(records["record"]) == [f"one/{path}" for path in paths[:2]]
    assert list(records["patient"]) == ["one/10001"] * 2
    assert list(records["codes"]) == ["Atrial fibrillation;Abnormal ECG", "Sinus rhythm"]
    assert classes_of(records) == [{AF}, {NSR}]
    assert records["flags"].str.contains("lead-order").all()
    np.testing.assert_array_equal(open_dataset(folder, "mimic-iv-ecg").read(paths[0]).digital, twelve_leads(5000, 0))
    table = tmp_path / "labels.csv"
    table.write_text(f"record,codes\n47,{NSR}\n48,\n")
    assert classes_of(prepared("mimic-iv-ecg", folder, labels=table)) == [{NSR}, set()]
    told = folder / "machine_measurements.csv"
    told.write_text("study_id,report_0\n47,Atrial fibrillation\n48,Sinus rhythm\n")     # of eighteen reports one
    assert classes_of(prepared("mimic-iv-ecg", folder, mapping=mapping)) == [{AF}, {NSR}]
    told.write_text("study,report_0\n47,Atrial fibrillation\n")
    with pytest.raises(UserError, match=r"machine_measurements\.csv:1: column 'study_id' is missing"):
        prepared("mimic-iv-ecg", folder, mapping=mapping)


# ------------------------------------------------------------------------------------------- headers of 2024 and 2025


@pytest.mark.parametrize(("comment", "labels", "expected"), [
    ("# Labels: NORM, Old MI", "cinc-2024", {"NORM", "Old-MI"}), ("# Labels: Acute MI", "cinc-2024", {"Acute-MI"}),
    ("# Labels: AFIB/AFL", "cinc-2024", {"AFIB/AFL"}), ("# Chagas label: True", "cinc-2025", {"Chagas"}),
    ("# Chagas label: False", "cinc-2025", set())])
def test_headers_of_later_challenges(tmp_path, comment, labels, expected):
    write_record(tmp_path / "source", "00001", dx="", extra=comment)
    assert classes_of(prepared(labels, tmp_path / "source", labels)) == [expected]


# -------------------------------------------------------------------------------------------------------------- table


def test_any_folder_with_a_table_of_labels(tmp_path):
    folder, table = tmp_path / "own", tmp_path / "labels.csv"
    write_record(folder, "w", twelve_leads(2500, 1), dx="")
    np.save(folder / "n.npy", millivolts(2500, 2))
    np.save(folder / "t.npy", millivolts(2500, 3).T.astype(np.float32))
    with h5py.File(folder / "h.h5", "w") as file:
        file["signal"] = millivolts(2500, 4)
    np.save(folder / "bad.npy", np.zeros((2500, 3)))
    np.save(folder / "objects.npy", np.array([{}]), allow_pickle=True)
    table.write_text(f"record,codes\nw,{NSR}\nn,\"['{AF}', '{NSR}']\"\nt,{AF}|{NSR}\nh,\n")
    records = prepared("table", folder, labels=table, rate=500)
    assert list(records["record"]) == ["one/h", "one/n", "one/t", "one/w"]
    assert classes_of(records) == [set(), {AF, NSR}, {AF, NSR}, {NSR}]
    rejects = REJECTS.read(tmp_path / "prepared" / "rejects.csv")
    assert dict(zip(rejects["record"], rejects["reason"], strict=True)) == {
        "one/bad": "header", "one/objects": "unreadable"}
    with pytest.raises(UserError, match="rate: arrays do not say their sampling rate"):
        open_dataset(folder, "table")


@pytest.mark.parametrize("text", [
    f"record,code\nA0001,{AF}\nA0001,{NSR}\nA0002,{AF}\n",
    f"record,{AF},{NSR},270492004\nA0001,1,1,0\nA0002,1.0,0,\n",
    f"record,codes,age\nA0001,{AF};{NSR},61\nA0002,{AF}.0,\n",
    f"record,codes\nA0001,\"{AF}, {NSR}\"\nA0002, {AF} \n"], ids=["long", "one-hot", "list", "commas"])
def test_forms_of_a_labels_table(tmp_path, text):
    """The header's own code is not asked: the table goes before it."""
    for name in ("A0001", "A0002"):
        write_record(tmp_path / "source", name, dx="270492004")
    table = tmp_path / "labels.csv"
    table.write_text(text)
    assert classes_of(prepared("wfdb-headers", tmp_path / "source", labels=table)) == [{AF, NSR}, {AF}]


@pytest.mark.parametrize(("text", "words"), [
    ("record\nA\n", ":1: no column of codes"), ("record,AF\nA,yes\n", ":2: AF: 'yes' is neither 0 nor 1"),
    ("record,codes\nA,1\nA,2\n", ":3: record: record 'A' stands twice"), ("name,codes\nA,1\n", "'record' is missing")])
def test_mistakes_of_a_labels_table(tmp_path, text, words):
    write_record(tmp_path / "source", "A")
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(UserError) as found:
        prepared("wfdb-headers", tmp_path / "source", labels=tmp_path / "labels.csv")
    assert words in str(found.value)


# ---------------------------------------------------------------------------------------------------- hostile HDF5


def other_file(group, secret):
    group["ecg"] = h5py.ExternalLink(str(secret), "ecg")


def soft_link(group, secret):
    group["ecg"] = h5py.SoftLink("/elsewhere")


def external_storage(group, secret):
    group.create_dataset("ecg", (12, 5000), "f4", external=[(str(secret), 0, 12 * 5000 * 4)])


def virtual(group, secret):
    layout = h5py.VirtualLayout((12, 5000), "f4")
    layout[:] = h5py.VirtualSource(str(secret), "ecg", (12, 5000))
    group.create_virtual_dataset("ecg", layout)


def huge(group, secret):
    group.create_dataset("ecg", (12, 1 << 40), "f4", chunks=(12, 1024))


def huge_pieces(group, secret):
    group.create_dataset("ecg", (12, 1 << 24), "f4", chunks=(12, 1 << 23))


def announced(group, secret):
    group.create_dataset("ecg", (12, 4_000_000), "f8", chunks=(12, 1000), fillvalue=1.0)


def text(group, secret):
    group["ecg"] = "words"


@pytest.mark.parametrize("make", [other_file, soft_link, external_storage, virtual, huge, huge_pieces, announced, text])
def test_an_hdf5_file_that_is_not_what_it_seems_is_rejected(tmp_path, make):
    """Nothing outside the file is read, and nothing large is allocated; the recording is counted as rejected."""
    folder, secret = tmp_path / "sph", tmp_path / "secret.h5"
    (folder / "records").mkdir(parents=True)
    (folder / "metadata.csv").write_text("ECG_ID,AHA_Code,Patient_ID,Age,Sex,N,Date\nA1,1,S1,55,M,5000,2020\n")
    with h5py.File(secret, "w") as file:
        file["ecg"] = millivolts(5000).T
    with h5py.File(folder / "records" / "A1.h5", "w") as file:
        make(file, secret)
    assert not len(prepared("sph", folder))
    assert list(REJECTS.read(tmp_path / "prepared" / "rejects.csv")["reason"]) in (["unreadable"], ["too-long"])


def broken_hdf5(file):
    """Its group's list of names is lost, which h5py tells with a RuntimeError, not an OSError."""
    with h5py.File(file, "w") as opened:
        opened["ecg"] = np.zeros((600, 12))
    content = file.read_bytes()
    assert content.count(b"HEAP") == 1
    file.write_bytes(content.replace(b"HEAP", b"HELP"))


@pytest.mark.parametrize(("name", "make"), [
    ("b.npy", lambda file: file.write_bytes(b"")),
    ("b.npy", lambda file: file.write_bytes(b"\x93NUMPY\x01\x00\x10\x00{'descr': '<f4' (\n")),
    ("b.h5", broken_hdf5)], ids=["empty", "unclosed", "heap"])
def test_a_broken_array_costs_its_own_recording_only(tmp_path, name, make):
    """Whatever the library raises; the recording beside it is read."""
    folder = tmp_path / "any"
    folder.mkdir()
    np.save(folder / "a.npy", millivolts(5000))
    make(folder / name)
    assert len(prepared("table", folder, rate=500.0)) == 1
    assert list(REJECTS.read(tmp_path / "prepared" / "rejects.csv")["reason"]) == ["unreadable"]


def test_a_part_that_breaks_after_it_was_opened_costs_its_rows_only(code_15):
    """Damage inside the compressed samples is met when they are read, one recording after the other."""
    file = code_15 / "exams_part0.hdf5"
    with h5py.File(file) as part:
        rows, exams = part["tracings"][()], part["exam_id"][()]
    with h5py.File(file, "w") as part:
        part["exam_id"] = exams
        part.create_dataset("tracings", data=rows, chunks=(1, *rows.shape[1:]), compression="gzip")
        place = part["tracings"].id.get_chunk_info(0)
    with open(file, "r+b") as stream:
        stream.seek(place.byte_offset)
        stream.write(b"\0" * place.size)
    made = prepared("code-15", code_15)
    refused = REJECTS.read(code_15.parent / "prepared" / "rejects.csv")
    assert list(refused["reason"]) == ["unreadable"]
    assert len(made)


def test_a_part_of_another_shape_is_refused(code_15):
    with h5py.File(code_15 / "exams_part3.hdf5", "w") as file:
        file["exam_id"], file["tracings"] = [5, 6, 7], np.zeros((2, 4096, 12))
    with pytest.raises(UserError, match=r"tracings: shape \(2, 4096, 12\) for 3 exams"):
        open_dataset(code_15, "code-15", Asked())
