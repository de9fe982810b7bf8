"""The Python side: the verbs do what their examples say, and what the commands do."""

import doctest
import re

import numpy as np
import pandas as pd
import pytest

import ecgscale
from ecgscale import models, verbs
from ecgscale.errors import UserError
from ecgscale.paths import ASSETS
from tests.commands import run_command
from tests.tiny_records import write_record

RUNS = ASSETS / "examples" / "ptbxl" / "runs.csv"


@pytest.fixture(scope="module")
def runs() -> pd.DataFrame:
    return ecgscale.read_runs(RUNS)


def test_every_verb_is_there_and_its_example_holds(runs, monkeypatch):
    """The examples read the committed table of PTB-XL from the checkout's own folder."""
    monkeypatch.chdir(ASSETS.parent)
    given = {"ecgscale": ecgscale, "pd": pd, "np": np, "runs": runs}
    finder, runner = doctest.DocTestFinder(recurse=False), doctest.DocTestRunner()
    for name in ecgscale.VERBS:
        for example in finder.find(getattr(ecgscale, name), name, module=verbs, globs=dict(given)):
            assert example.examples or name in ("figure", "prepare"), name
            assert not runner.run(example).failed, name
    for example in finder.find(ecgscale.models.build, "models.build", module=models, globs=dict(given)):
        assert example.examples
        assert not runner.run(example).failed
    with pytest.raises(AttributeError, match="has no attribute 'fits'"):
        ecgscale.fits  # noqa: B018


def test_the_page_names_every_verb_and_its_code_runs(tmp_path, monkeypatch, capsys):
    page = (ASSETS.parent / "docs" / "reference" / "python.md").read_text()
    assert tuple(sorted(re.findall(r"^\| `ecgscale\.(\w+)\(", page, flags=re.MULTILINE))) == ecgscale.VERBS
    (tmp_path / "assets").symlink_to(ASSETS)
    monkeypatch.chdir(tmp_path)
    exec("".join(re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)), {})
    assert "y_low" in capsys.readouterr().out
    assert (tmp_path / "law.png").read_bytes().startswith(b"\x89PNG")


def test_the_law_by_the_verb_is_the_command_s(runs, tmp_path):
    small = runs[runs["family"].eq("resnet")][["train_records", "lr", "test_loss"]]
    small.to_csv(tmp_path / "small.csv", index=False)
    run_command("ecg-fit", "--runs", tmp_path / "small.csv", "--out", tmp_path / "fit")
    rows = pd.read_csv(tmp_path / "fit" / "laws.csv")
    law = ecgscale.fit(small)
    mine = rows[rows["subset"].eq("all") & rows["law"].eq(law.fit.law) & rows["parameter"].eq("c")]
    assert mine["estimate"].iloc[0] == pytest.approx(law.fit.estimates["c"], rel=1e-6)


def test_runs_that_were_not_trained_are_foretold_with_an_interval(runs):
    """A planted joint law of two sizes, noise 2 %: the four largest runs lie where it says, and their intervals hold
    what it says; a run without a size is asked for it."""
    random = np.random.default_rng(1)
    size = 10 ** random.uniform(4, 6, 60)
    data = 10 ** random.uniform(2.5, 4, 60)
    loss = (0.1 + 3 * size**-0.25 + 2 * data**-0.3) * np.exp(0.02 * random.standard_normal(60))
    table = pd.DataFrame({"params": size, "samples_seen": data, "lr": 0.01, "test_loss": loss}).assign(
        run_id=[f"r{i}" for i in range(60)], status="finished")
    asked = pd.DataFrame({"params": [3e6, 1e7], "samples_seen": [3e4, 1e5], "lr": 0.01}, index=["a", "b"])
    told = ecgscale.predict(table, asked, target="test_loss")
    truth = 0.1 + 3 * asked["params"]**-0.25 + 2 * asked["samples_seen"]**-0.3
    assert list(told.index) == ["a", "b"]
    assert told["model"].str.startswith("law").all()
    assert ((told["low"] < truth) & (truth < told["high"])).all()
    assert (told["prediction"] / truth).between(0.9, 1.1).all()
    with pytest.raises(UserError, match="not told of the runs asked for: samples_seen"):
        ecgscale.predict(table, asked[["params", "lr"]], target="test_loss")
    with pytest.raises(UserError, match="no model can be tried"):
        ecgscale.predict(table[:8], asked, target="test_loss")


def test_a_law_is_drawn_with_its_runs_and_its_interval(runs):
    law = ecgscale.fit(runs, response="test_loss", over="train_records", replicates=10)
    (axes,) = ecgscale.figure(law).axes
    assert axes.get_xscale() == axes.get_yscale() == "log"
    assert f"n = {law.fit.points}" in axes.get_legend().get_texts()[-1].get_text()
    with pytest.raises(UserError, match="no single curve"):
        ecgscale.figure(ecgscale.fit(runs, response="test_loss", replicates=10))


def test_recordings_are_prepared_as_by_the_command(tmp_path):
    """A record of 5 s at 500 Hz becomes one of 100 Hz, under the folder's name."""
    write_record(tmp_path / "in", "A1")
    records = ecgscale.prepare(tmp_path / "in", tmp_path / "out", recipe="study-100")
    assert records["record"].tolist() == ["in/A1"]
    assert np.load(tmp_path / "out" / "signals.npy").shape == (500, 12)
