"""What a run is told is checked before any work starts; all problems come at once, and nothing is written then."""

import json
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

from ecgscale.check import SECTIONS, check, read_sheet
from ecgscale.design.study import Study, read_study
from ecgscale.errors import UserError
from tests.fuzz.commands import main

ROOT = Path(__file__).parents[2]


def test_a_study_is_cut_into_sections_that_read_alike(tmp_path):
    path = ROOT / "assets/studies/test.yaml"
    check(path, None, tmp_path)
    study = read_study(path)
    for name, keys in SECTIONS.items():
        section = read_study(tmp_path / "sections" / f"{name}.json")
        for key in keys:
            assert getattr(section, key) == getattr(study, key)
    assert set().union(*SECTIONS.values()) == set(Study.model_fields) - {"description"}, "a section reaches no task"


def test_problems_come_together_and_nothing_is_written(tmp_path):
    (tmp_path / "study.yaml").write_text("name: x\ndata: {recipe: studdy}\n")
    (tmp_path / "sheet.csv").write_text("source,path\nptb xl,here\n")
    with pytest.raises(UserError) as found:
        check(tmp_path / "study.yaml", tmp_path / "sheet.csv", tmp_path / "out", sheet_name="my.csv")
    problems = str(found.value).splitlines()
    assert len(problems) == 2       # the recipe, the sheet
    assert "unknown recipe 'studdy'" in problems[0]
    assert problems[1].startswith("my.csv:2: source: 'ptb xl' does not match")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("split", "sheet", "words"), [
    ("{method: column}", None, "study.yaml: split.method: a synthetic corpus has no folds of your own"),
    ("{method: column}", "source,path,patients\na,a,a.csv\nb,b,\n", "sheet.csv:3: patients: split.method is"),
    ("{method: leave-source-out, held_out: mars}", None, "split.held_out: source 'mars' is not in the corpus"),
    ("{method: leave-source-out}", "source,path\na,a\nb,b\n", "source None is not in the corpus. Sources: a, b"),
])
def test_a_split_must_fit_the_sheet(tmp_path, split, sheet, words):
    """Before anything is prepared; a run that begins with a table has no split."""
    study, file = tmp_path / "study.yaml", tmp_path / "sheet.csv" if sheet else None
    study.write_text(f"name: x\nsplit: {split}\n")
    if file:
        file.write_text(sheet)
    with pytest.raises(UserError) as found:
        check(study, file, tmp_path / "out")
    assert words in str(found.value)
    check(study, file, tmp_path / "out", recordings=False)


@pytest.mark.parametrize(("text", "words"), [
    ("source,path\n", "no rows"), ("source\nptb\n", "column 'path' is missing"),
    ("source,path,patient\nptb,a,b\n", "unknown column 'patient'"),
    ("source,path\nptb,a\nptb,b\n", ":3: source: source 'ptb' stands in line 2 already"),
    ("source,path\nptb,a\nPTB,b\n", ":3: source: source 'PTB' stands in line 2 already"),
    ("source,path\nptb,\n", ":2: path: "), ("source,path,patients\nptb,a,b.txt\n", ":2: patients: "),
    ("source,path\n" + "1,2\n" * 5001, "has 5001 rows, at most 5000 are read"),
    ("source,path,leads\nptb,a,II\nown,a,II ECG2\n", ":3: leads: 'ECG2' is no lead"),
])
def test_sheets(tmp_path, text, words):
    (tmp_path / "sheet.csv").write_text(text)
    with pytest.raises(UserError, match=r".") as found:
        read_sheet(tmp_path / "sheet.csv")
    assert words in str(found.value)


def test_what_a_sheet_names_must_be_there(tmp_path):
    """Every folder and table of every line at once, and tables that cannot be read; nothing is written then."""
    (tmp_path / "study.yaml").write_text("name: x\n")
    (tmp_path / "here").mkdir()
    (tmp_path / "folds.csv").write_text("record,fold\nA1,7\n")
    (tmp_path / "map.csv").write_text("code,to\nAFIB,12345\n")
    (tmp_path / "sheet.csv").write_text(
        "source,path,patients,labels,mapping\na,nowhere,p.csv,here.csv,\nb,folds.csv,folds.csv,,map.csv\n"
        "c,here,,,\nd,s3://bucket/d,s3://bucket/p.csv,,\n")
    (tmp_path / "here.csv").mkdir()
    sheet = tmp_path / "sheet.csv"
    with pytest.raises(UserError) as found:
        check(tmp_path / "study.yaml", sheet, tmp_path / "out")
    remedy = "Paths are relative to the sheet's folder"
    assert str(found.value).splitlines() == [
        f"{sheet}:2: path: {tmp_path}/nowhere does not exist. {remedy}",
        f"{sheet}:2: patients: {tmp_path}/p.csv does not exist. {remedy}",
        f"{sheet}:2: labels: {tmp_path}/here.csv is no file. {remedy}",
        f"{sheet}:3: path: {tmp_path}/folds.csv is no folder. {remedy}",
        f"{tmp_path}/folds.csv:2: fold: '7' is not a fold. Write 0 or 1 (train), 2 (valid), 3 (test)",
        f"{tmp_path}/map.csv:2: to: '12345' is no code of the label set. Name a code of classes.csv or unscored.csv, "
        "or nothing for a code of no class"]
    assert not (tmp_path / "out").exists()
    check(tmp_path / "study.yaml", sheet, tmp_path / "out", sheet_name="theirs.csv")     # a task's copy


def test_a_path_in_the_other_unicode_form_is_told(tmp_path):
    """What macOS wrote and a person typed look alike: `does not exist` alone would be a riddle."""
    apart, typed = "\u00dcbung".replace("\u00dc", "U\u0308"), "\u00dcbung"
    (tmp_path / apart / "in").mkdir(parents=True)
    (tmp_path / "study.yaml").write_text("name: x\n")
    (tmp_path / "sheet.csv").write_text(f"source,path\na,{typed}/in\n", encoding="utf-8")
    if not (tmp_path / typed).exists():         # it does where the file system compares as people do
        with pytest.raises(UserError, match=r"does not exist\. Its name there is 'U\\u0308bung': the same letters"):
            check(tmp_path / "study.yaml", tmp_path / "sheet.csv", tmp_path / "out")
    (tmp_path / "sheet.csv").write_text(f"source,path\na,{apart}/in\n", encoding="utf-8")
    check(tmp_path / "study.yaml", tmp_path / "sheet.csv", tmp_path / "out")


def test_a_full_disk_is_a_message(tmp_path):
    """/dev/full answers every write with ENOSPC; a command says so and ends with 2, without a traceback."""
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    code = ("from ecgscale import command\ndef main(argv):\n    with open('/dev/full', 'w') as full: full.write('x')\n"
            "command.run(main)")
    done = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True, check=False)
    assert done.returncode == 2
    assert "No space left on device. Make room there and run again (the pipeline with -resume)" in done.stderr
    assert "Traceback" not in done.stderr


def test_sections_are_json(tmp_path):
    check(ROOT / "assets/studies/mini.yaml", None, tmp_path)
    body = json.loads((tmp_path / "sections" / "runs.json").read_text())
    assert body["name"] == "mini"


@pytest.mark.parametrize("place", [".", "checked", "checked/sections", "checked/labels.txt"])
def test_problems_have_a_place_of_their_own(place, tmp_path, capsys):
    """Else the sections would be written, and then no room be found for the problems."""
    asked = ["--study", str(ROOT / "assets/studies/mini.yaml"), "--out", str(tmp_path / "checked")]
    with pytest.raises(SystemExit):
        main("ecg-check")([*asked, "--problems", str(tmp_path / place)])
    assert "--problems" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_site_of_the_patients_table_can_be_left_out(tmp_path):
    """Asked of the table before anything is prepared; a task's copy of the sheet asks the tables that it sees."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a.csv").write_text("record,site\nR1,north\nR2,south\n")
    study, sheet, copy = tmp_path / "study.yaml", tmp_path / "sheet.csv", tmp_path / "task/sheet.csv"
    sheet.write_text("source,path,patients\na,a,a.csv\nc,gone,gone.csv\n")
    copy.parent.mkdir()
    copy.write_text(sheet.read_text())
    told = {"sheet_name": "sheet.csv", "sheet_folder": tmp_path}
    for number, (held_out, known) in enumerate([("a/north", True), ("a/east", False), ("b/north", False)]):
        study.write_text(f"name: x\nsplit: {{method: leave-source-out, held_out: {held_out}}}\n")
        with nullcontext() if known else pytest.raises(UserError, match="Sources: a, a/north, a/south, c"):
            check(study, copy, tmp_path / f"out{number}", **told)
    study.write_text("name: x\nsplit: {method: leave-source-out, held_out: c/east}\n")
    check(study, copy, tmp_path / "unseen", **told)
    study.write_text("name: x\nsplit: {method: leave-source-out, held_out: a/east}\n")
    check(study, copy, tmp_path / "none", sheet_name="sheet.csv")
    with pytest.raises(UserError) as found:
        check(study, sheet, tmp_path / "out")
    assert [problem.split(". ")[0] for problem in str(found.value).splitlines()] == [
        f"{study}: split.held_out: source 'a/east' is not in the corpus",
        f"{sheet}:3: path: {tmp_path}/gone does not exist",
        f"{sheet}:3: patients: {tmp_path}/gone.csv does not exist"]


def test_a_task_reads_the_tables_that_it_sees(tmp_path):
    """A fold that is none, before any recording is read; a table that is not seen is Nextflow's to tell."""
    (tmp_path / "folds.csv").write_text("record,fold\nA1,7\n")
    (tmp_path / "sheet.csv").write_text("source,path,patients\na,nowhere,folds.csv\nb,b,b.csv\nc,c,s3://c/c.csv\n")
    (tmp_path / "study.yaml").write_text("name: x\n")
    with pytest.raises(UserError) as found:
        check(tmp_path / "study.yaml", tmp_path / "sheet.csv", tmp_path / "out", sheet_name="sheet.csv",
              sheet_folder=tmp_path)
    told = f"{tmp_path}/folds.csv:2: fold: '7' is not a fold. Write 0 or 1 (train), 2 (valid), 3 (test)"
    assert str(found.value) == told
