"""The Python side: the verbs do what their examples say, and what the commands do."""

import doctest
import re
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
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


def grid() -> pd.DataFrame:
    """16 runs of a planted joint law, named as others do."""
    params, tokens = (sizes.ravel() for sizes in np.meshgrid([1e6, 4e6, 16e6, 64e6], [1e8, 4e8, 16e8, 64e8]))
    loss = 1.8 + 400 * params**-0.34 + 2000 * tokens**-0.37
    loss *= np.exp(0.003 * np.random.default_rng(1).standard_normal(16))
    return pd.DataFrame({"params": params.astype(int), "tokens": tokens.astype(int), "loss": loss, "kind": ["a"] * 16})


def decimals(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(loss=[Decimal(repr(one)) for one in table["loss"]])


@pytest.mark.parametrize("typed", [
    lambda table: table.astype({"params": "Int64", "loss": "Float64"}), lambda table: table.astype(object), decimals,
    lambda table: table.astype("string"), lambda table: table.astype("category"),
    lambda table: table.convert_dtypes(dtype_backend="pyarrow"), lambda table: table.set_index(["params", "tokens"]),
    lambda table: table.assign(tags=[["a"]] * 16, config=[{"a": 1}] * 16),
    lambda table: table.assign(day=pd.Timestamp("2026-01-01", tz="UTC"), took=pd.Timedelta("1h")),
    lambda table: table.set_axis(pd.MultiIndex.from_tuples([(name, "") for name in table]), axis=1),
    pa.Table.from_pandas,
], ids=["nullable", "object", "Decimal", "string", "category", "Arrow", "index", "lists", "times", "levels", "pyarrow"])
def test_a_frame_of_any_types_is_the_same_table(typed):
    made = ecgscale.read_runs(typed(grid()))
    for name, of in (("params", "params"), ("samples_seen", "tokens"), ("loss", "loss")):
        assert made[name].to_numpy(float) == pytest.approx(grid()[of].to_numpy(float), rel=1e-12)


def test_columns_of_several_levels_have_the_levels_joined():
    table = grid().set_axis(pd.MultiIndex.from_product([["x"], grid().columns]), axis=1)
    made = ecgscale.read_runs(table, params="x/params", samples_seen="x/tokens", loss="x/loss")
    assert made["params"].tolist() == grid()["params"].tolist()


def test_what_is_no_table_no_number_and_no_column_says_what_to_do(runs):
    """Each was a traceback of pandas, numpy or torch, or an answer of NaN."""
    law = ecgscale.fit(grid(), replicates=5)
    assert law.predict(params=1e9, tokens="1e11")["samples_seen"] == 1e11
    assert ecgscale.fit(grid(), over="tokens", replicates=5).sizes == ("samples_seen",)
    size = np.geomspace(10, 1e4, 8)
    for asked, said in (
            (lambda: ecgscale.read_runs({"params": [1]}), "dict is no table. Give a file's name or a frame"),
            (lambda: ecgscale.fit(grid(), over="depth"), "no law over depth.*there are: params, samples_seen; params;"),
            (lambda: law.predict(params=-1, tokens=1e9), "params: -1 is no number above 0"),
            (lambda: law.predict(params=[1e9, 2e9], tokens=1e9), "no number above 0.*for several, ask for each"),
            (lambda: law.optimal(0), "budget: 0 is no number above 0"),
            (lambda: law.sizes_for("low"), "loss: 'low' is no number above 0"),
            (lambda: ecgscale.frontier(runs, target="nope"), "nope: no such column"),
            (lambda: ecgscale.extrapolate(["a"] * 8, size, [1e5]), "x: holds something that is no number"),
            (lambda: ecgscale.extrapolate(size[:, None], size, [1e5]), "x: has 2 dimensions"),
            (lambda: ecgscale.extrapolate(size, 1 / size, [1e5], level=90), "level: 90 is no level between 0 and 1"),
            (lambda: ecgscale.score(np.eye(5), np.eye(5)), "truth: ndarray is no frame"),
            (lambda: models.build("resnet-20k", leads=0), "leads: 0 is no whole number above 0")):
        with pytest.raises(UserError, match=said):
            asked()


def test_a_front_is_told_of_a_frame_that_was_not_read_before():
    table = grid().assign(acc=lambda table: 1 - table["loss"] / 10).drop(columns="loss")
    told = ecgscale.frontier(table, cost="params")
    assert told["params"].tolist() == [1e6, 4e6, 16e6, 64e6]
    assert told["score"].max() == pytest.approx(table["acc"].max())


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
