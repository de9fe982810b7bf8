"""The notebooks of docs/notebooks run from top to bottom. Their cells are plain Python, so no kernel is needed."""

import json
import os
from pathlib import Path

import pytest

NOTEBOOKS = Path(__file__).parents[2] / "docs" / "notebooks"


@pytest.fixture(autouse=True)
def settings_of_matplotlib(tmp_path, monkeypatch):
    """Else it makes them below the home folder: what a notebook imports is its user's own process."""
    monkeypatch.setenv("MPLCONFIGDIR", os.fspath(tmp_path))


def run(name: str) -> dict:
    """The names that a notebook's cells leave."""
    notebook = json.loads((NOTEBOOKS / name).read_text(encoding="utf-8"))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])
    given: dict = {"__name__": "__main__"}
    for number, cell in enumerate(notebook["cells"]):
        code = "".join(cell["source"])
        if cell["cell_type"] == "code":
            assert not cell["outputs"], "committed without output"
            assert not [line for line in code.splitlines() if line.startswith(("%", "!"))]
            exec(compile(code, f"{name}, cell {number}", "exec"), given)
    return given


def test_from_a_run_table_to_a_decision(monkeypatch, capsys):
    monkeypatch.chdir(NOTEBOOKS)
    given = run("decision.ipynb")
    assert given["front"]["score"].is_monotonic_increasing
    assert given["law"].fit.verdict == "identified"
    told = given["told"].assign(found=given["large"]["test_auroc"].to_numpy())
    assert told["found"].between(told["low"], told["high"]).mean() >= 0.75
    assert "Use the " in capsys.readouterr().out.splitlines()[-1]


def test_from_recordings_to_a_model(shared, monkeypatch, capsys):
    """Real recordings, parted as the dataset parts them; the model knows more than chance does."""
    folder = shared / "datasets" / "ptb-xl"
    if not folder.is_dir():
        pytest.skip(f"no recordings of PTB-XL at {folder}: set ECGSCALE_SHARED to the folder that holds datasets/")
    monkeypatch.setenv("PTB_XL", os.fspath(folder))
    given = run("model.ipynb")
    assert "987 recordings, 0 rejected" in capsys.readouterr().out
    auroc = given["overall"].set_index("metric").loc["auroc"]
    assert auroc["low"] > 0.5
    assert auroc["estimate"] > 0.6
