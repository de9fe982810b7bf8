"""Money and watts: from the user's table alone, by division, and refused where it cannot be read."""

import numpy as np
import pandas as pd
import pytest

from ecgscale.analysis.prices import Price, Prices, bought
from ecgscale.contracts import LATENCY
from ecgscale.errors import UserError

ROW = dict.fromkeys(LATENCY.columns) | {
    "run_id": "a", "model": "net", "machine": "vm", "runtime": "onnxruntime", "device": "cpu", "option": "",
    "scenario": "single", "batch": 1, "threads": 1, "repeat": 1, "status": "ok", "fallback": False,
    "ran_precision": "float32", "p50_ms": 1.0, "per_recording_ms": 5.0, "records_per_s": 200.0}


def table(*rows: dict) -> pd.DataFrame:
    return LATENCY.arrow(pd.DataFrame([ROW | row for row in rows]), "test").to_pandas()


def prices(folder, text: str) -> Prices:
    (folder / "prices.csv").write_text(text)
    return Prices.read(folder / "prices.csv")


def test_what_is_bought_is_divided_by_what_is_given(tmp_path):
    given = prices(tmp_path, "machine;device;price;currency;watts;source;colour\nvm;;400,5;EUR;20;shop;red\n")
    assert given.of("vm", "cpu") == Price(400.5, "EUR", 20.0, "shop")
    assert "'colour'" in given.unused[0]
    latency = table({}, {"repeat": 2, "records_per_s": 210.0}, {"scenario": "throughput", "records_per_s": 300.0},
                    {"ran_precision": "int8", "records_per_s": 900.0}, {"fallback": True, "records_per_s": 900.0})
    [row] = bought(latency, ["a"], given).itertuples()
    assert (row.rate, row.a_thousand, row.a_joule) == pytest.approx((300.0, 300e3 / 400.5, 15.0))
    assert row.energy_by == "watts of the table"
    assert "throughput" in row.runs_as


def test_a_counter_comes_before_the_watts_of_the_table(tmp_path):
    """Five calls a recording, at 0.01 J each."""
    [row] = bought(table({"energy_joules": 0.01}), ["a"], prices(tmp_path, "machine,watts\nvm,20\n")).itertuples()
    assert row.a_joule == pytest.approx(1 / 0.05)
    assert row.energy_by == "counter"


def test_nothing_is_invented():
    [row] = bought(table({}), ["a"], Prices()).itertuples()
    assert row.price is None
    assert row.watts is None
    assert np.isnan([row.a_thousand, row.a_joule]).all()


@pytest.mark.parametrize(("text", "line", "field"), [
    ("machine,price\nvm,400\n", 2, "currency"), ("machine,watts\nvm,20\nvm,30\n", 3, "machine"),
    ("machine,watts\nvm,0\n", 2, "watts"), ("machine,watts\nvm,inf\n", 2, "watts"),
    ('machine,price,currency\nvm,"1,299",EUR\n', 2, "price"), ("device,watts\ncpu,20\n", 1, None)])
def test_what_cannot_be_read_is_refused(tmp_path, text, line, field):
    with pytest.raises(UserError) as caught:
        prices(tmp_path, text)
    assert (caught.value.line, caught.value.field) == (line, field)
    assert caught.value.remedy
