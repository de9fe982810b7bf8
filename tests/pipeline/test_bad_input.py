"""A mistake gives one clear message (place, field, remedy), an exit code that is not zero, and no results."""

import shutil

import pytest

from tests.pipeline.conftest import nextflow


def refused(run, *words):
    assert run.code != 0, run.text
    for word in words:
        assert word in run.text
    published = [name for name in run.files() if not name.startswith("pipeline_info/")]
    assert published == [], f"half-written output: {published}"


def test_all_problems_of_study_and_sheet_at_once(tmp_path):
    """A key that nobody knows and a missing column: told by the first task, under the names that the user gave."""
    (tmp_path / "my study.yaml").write_text("name: x\nsplit:\n  method: patients\n  sede: 3\n")
    (tmp_path / "sheet.csv").write_text("source,folder\nptb,here\n")
    run = nextflow(tmp_path, "--study", "my study.yaml", "--input", "sheet.csv", "-stub-run")
    refused(run, "my study.yaml:4: split.sede", "Did you mean 'seed'?",
            "sheet.csv:1", "column 'path' is missing")
    assert run.tasks() == ["CHECK"]


@pytest.mark.parametrize(("sheet", "words"), [
    ("source,path\nptb,nowhere\n", ["sheet.csv:2: path", "nowhere does not exist"]),
    ("source,path\nptb,empty\n", ["empty", "no .hea file"]),
])
def test_sample_sheet(tmp_path, sheet, words):
    (tmp_path / "empty").mkdir()
    (tmp_path / "sheet.csv").write_text(sheet)
    refused(nextflow(tmp_path, "--input", "sheet.csv", "-profile", "test", "-stub-run"), *words)


def test_truncated_recording(tmp_path, small_corpus):
    """One recording, cut in the middle: all of it is rejected, so the run stops and says why."""
    header = sorted((small_corpus / "georgia").rglob("*.hea"))[0]
    folder = tmp_path / "cut"
    folder.mkdir()
    shutil.copy(header, folder)
    whole = header.with_suffix(".mat").read_bytes()
    (folder / f"{header.stem}.mat").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "sheet.csv").write_text("source,path\ngeorgia,cut\n")
    refused(nextflow(tmp_path, "--input", "sheet.csv", "-profile", "test"), "1 of 1", "truncated")
