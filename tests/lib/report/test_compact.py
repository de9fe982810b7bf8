"""The page holds rows in few letters and within a stated weight, whatever the tables hold."""

import io

import numpy as np
import pytest
from PIL import Image

from ecgscale.report.charts import Chart, View, by_column, light
from ecgscale.report.compact import LIMITS, compact, fitting, weight

RUNS = 3000
FACTS = {"run_id": [f"r{run:05d}" for run in range(RUNS)], "family": ["vit" if run % 3 else "regnet" for run in
                                                                     range(RUNS)],
         "params": [1000.0 + run for run in range(RUNS)]}


def chart(rows: list[dict], name: str = "one") -> Chart:
    return Chart(name, "", "", "", (View("all", "all", {}),), {"rows": rows})


def unpacked(column, places=None, runs=None) -> list:
    """As the page's script does it."""
    if isinstance(column, list):
        return column
    if "as" in column:
        return [unpacked(runs[column["as"]])[place] for place in places]
    return [column["all"]] * column["rows"] if "all" in column else [column["of"][at] for at in column["at"]]


@pytest.mark.parametrize("values", [
    [], [1.5], [None] * 9, ["AdamW", "SGD"] * 20, [True, 1] * 20, [1, 2, 3, 4], [None, "a", "a", "a", "a", 0.25] * 9,
    list(np.random.default_rng(0).normal(size=50))], ids=str)
def test_a_column_is_what_it_was(values):
    back = unpacked(compact(values))
    assert back == values
    assert [type(one) for one in back] == [type(one) for one in values]


def test_what_the_table_of_runs_tells_is_not_told_again():
    rows = [{"run": run, "x": 1000.0 + run, "group": "vit" if run % 3 else "regnet", "y": run / 7} for run in
            range(0, RUNS, 2)]
    runs, drawn = fitting(FACTS, [chart(rows)], 10**9)
    columns = drawn["one"]["rows"]["rows"]
    assert columns["x"] == {"as": "params"}
    assert columns["group"] == {"as": "family"}
    assert {name: unpacked(column, columns["run"], runs) for name, column in columns.items()} == by_column(rows)
    assert drawn["one"]["less"] == ""
    assert weight([columns, runs]) < weight([by_column(rows), FACTS]) * 0.75


def test_a_column_that_differs_in_one_run_is_told():
    rows = [{"run": run, "x": 1000.0 + run + (run == 77)} for run in range(100)]
    columns = fitting(FACTS, [chart(rows)], 10**9)[1]["one"]["rows"]["rows"]
    assert columns["x"] == by_column(rows)["x"]


@pytest.mark.parametrize("room", [1_000_000, 30_000])
def test_whatever_the_tables_hold_the_page_has_room(room):
    """Six figures of 30,000 rows of 3,000 runs, more than 4 MB; fronts stay whole, lines of a run too."""
    random = np.random.default_rng(0)
    rows = [{"run": place // 10, "x": random.normal(), "y": random.normal(), "front": place % 3000 == 7}
            for place in range(30_000)]
    charts = [chart(rows, f"chart {number}") for number in range(6)]
    assert weight([by_column(rows)] * 6) > 4_000_000
    runs, drawn = fitting(FACTS, charts, room)
    assert weight([runs, drawn]) <= room
    assert "one in " in drawn["chart 3"]["less"]
    columns = drawn["chart 3"]["rows"]["rows"]
    back = {name: unpacked(column, columns["run"], runs) for name, column in columns.items()}
    assert sum(back["front"]) == 10
    held = len(unpacked(runs["run_id"]))
    assert all(run is None or run < held for run in unpacked(columns["run"]))
    whole = [run for run in set(back["run"]) if run is not None and back["run"].count(run) == 10]
    assert len(whole) >= len(set(back["run"])) - 11


def test_few_rows_are_never_thinned():
    """A law's curve has as many as the last limit lets stand."""
    assert LIMITS[-1][0] == 60
    rows = [{"x": place, "y": place} for place in range(60)]
    assert fitting({}, [chart(rows)], 0)[1]["one"]["less"] == ""


def test_a_heavy_picture_becomes_light_and_keeps_its_colours():
    noise = np.random.default_rng(0).integers(0, 255, (600, 900, 3), dtype=np.uint8)
    noise[:, :450] //= 4
    noise[:, :450, 2] += 160
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "PNG")
    kind, made = light(buffer.getvalue(), 75_000)
    assert kind == "webp"
    assert len(made) <= 75_000 < len(buffer.getvalue())
    pixels = np.asarray(Image.open(io.BytesIO(made)).convert("RGB"), dtype=float)
    left = pixels[:, : pixels.shape[1] * 9 // 20].mean(axis=(0, 1))
    np.testing.assert_allclose(left, noise[:, :400].mean(axis=(0, 1)), atol=12)
    assert light(buffer.getvalue(), 10**7) == ("png", buffer.getvalue())
