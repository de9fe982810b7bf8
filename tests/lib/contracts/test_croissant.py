"""The dataset card, read by the reference library of Croissant."""

import json
import shutil
from pathlib import Path

import mlcroissant
import pandas as pd
import pytest

from ecgscale.contracts import RUNS, ContractError, croissant

FOLDER = Path(__file__).parents[3] / "assets" / "examples" / "ptbxl"


def test_the_committed_card_is_that_of_its_tables():
    about = json.loads((FOLDER / croissant.ABOUT).read_text(encoding="utf-8"))
    assert json.loads((FOLDER / croissant.NAME).read_text(encoding="utf-8")) == croissant.card(FOLDER, about), \
        "write it again: python -m ecgscale.contracts.croissant assets/examples/ptbxl"


def test_mlcroissant_accepts_it_without_a_warning_and_loads_every_table(monkeypatch, caplog):
    """The library checks the digest of each file that it opens."""
    monkeypatch.chdir(FOLDER)
    dataset = mlcroissant.Dataset(jsonld=croissant.NAME)
    assert not dataset.metadata.ctx.issues.errors
    assert not caplog.records
    runs = list(dataset.records("runs"))
    expected = RUNS.read(FOLDER / "runs.csv")
    assert [one["runs/run_id"].decode() for one in runs] == expected["run_id"].tolist()
    assert sum(1 for _ in dataset.records("scores")) == len(pd.read_parquet(FOLDER / "scores.parquet"))


def test_a_card_without_a_licence_or_of_no_tables_is_refused(tmp_path):
    about = json.loads((FOLDER / croissant.ABOUT).read_text(encoding="utf-8"))
    (tmp_path / croissant.ABOUT).write_text(json.dumps({name: about[name] for name in set(about) - {"license"}}))
    with pytest.raises(ContractError, match="no license"):
        croissant.publish(tmp_path)
    with pytest.raises(ContractError, match="no tables"):
        croissant.card(tmp_path, about)


def test_the_card_follows_its_tables(tmp_path):
    shutil.copytree(FOLDER, tmp_path / "copy", ignore=shutil.ignore_patterns("predictions"))
    runs = RUNS.read(tmp_path / "copy" / "runs.csv").head(3)
    RUNS.write(runs, tmp_path / "copy" / "runs.csv")
    before = (tmp_path / "copy" / croissant.NAME).read_text()
    croissant.publish(tmp_path / "copy")
    assert (tmp_path / "copy" / croissant.NAME).read_text() != before
