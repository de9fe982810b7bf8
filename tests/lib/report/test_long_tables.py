"""A table of thousands of rows: the page stays light, nothing is lost, and what is not drawn is counted."""

import csv
import json
from dataclasses import replace

import numpy as np
import pandas as pd

from ecgscale.analysis import frontier
from ecgscale.contracts import LATENCY
from ecgscale.report import latency_tables, page, plots
from ecgscale.report.charts import THINNED
from ecgscale.report.inputs import Inputs
from ecgscale.report.long_tables import KEPT
from tests.lib.report.test_page import EVIL, Reader, latency_table, run_table

RUNS = 5000


def many() -> pd.DataFrame:
    runs = run_table(synthetic=False)
    runs = runs.iloc[np.arange(RUNS) % len(runs)].reset_index(drop=True)
    random = np.random.default_rng(1)
    return runs.assign(run_id=[f"run{i:05d}" for i in range(RUNS)], params=random.uniform(1e4, 1e8, RUNS),
                       forward_flops=random.uniform(1e6, 1e9, RUNS))


def test_five_thousand_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(page, "picture", lambda *_: "data:,")
    runs = many()
    runs.loc[7, "run_id"] = f"=1+1{EVIL}"           # a formula in a spreadsheet, a script in a page
    fronts = frontier.fronts(runs, None, 0, 1, axes=("score~params", "score~forward_flops"))
    page.write(Inputs(runs=runs, frontier=fronts), tmp_path)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert len(text.encode()) < 5_000_000
    assert Reader(text).tags.count("tr") < 10 * KEPT
    (name,) = (path for path in (tmp_path / "tables").glob("*.csv") if "every-run" in path.name)
    assert f"the first {KEPT} of {RUNS} rows, all in tables/{name.name}" in text
    with open(name, newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["run"].removeprefix("'") for row in rows} == set(runs["run_id"])
    assert not any(row["run"].startswith("=") for row in rows)
    page.write(Inputs(runs=runs.iloc[:3]), tmp_path)          # over it: ours may be replaced


def test_a_page_without_room_holds_less_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(page, "picture", lambda *_: "data:,")
    monkeypatch.setattr(page, "PAGE", 1_100_000)        # the scripts alone have 0.9 MB
    runs = many().iloc[:1500].assign(reason="because " * 2000)
    fronts = frontier.fronts(runs, None, 0, 1, axes=("score~params", "score~forward_flops"))
    page.write(Inputs(runs=runs, frontier=fronts), tmp_path)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert 1_000_000 < len(text.encode()) <= page.PAGE
    read = json.loads(text.split('id="page-data">')[1].split("</script>")[0])
    assert read["all_runs"] == len(runs) > len(read["runs"]["run_id"])
    assert "The page holds one in " in read["charts"]["fronts"]["less"]
    assert "long texts are cut, all in tables/" in text
    assert any("because " * 2000 in path.read_text(encoding="utf-8") for path in (tmp_path / "tables").glob("*.csv"))


def test_points_that_are_not_drawn_are_counted_and_the_front_is_whole():
    runs = many()
    fronts = frontier.fronts(runs, None, 0, 1, axes=("score~params",))
    chart = plots.fronts(Inputs(runs=runs, frontier=fronts))
    drawn = chart.rows["score~params"]
    grouped = fronts[fronts["group"].str.startswith("optimizer=")]
    assert sum(row["front"] for row in drawn) == grouped["on_front"].sum()
    assert len(drawn) <= THINNED + grouped["on_front"].sum()
    assert f"{len(grouped) - len(drawn)} of {len(grouped)} points off the front are not drawn" in chart.caption


def test_many_measurements_are_told_by_setting():
    rows = latency_table(run_table(synthetic=False), synthetic=False)
    many_rows = pd.concat([rows] * 400, ignore_index=True)
    assert len(many_rows) > latency_tables.LISTED
    inputs = Inputs(runs=run_table(synthetic=False), latency=LATENCY.arrow(many_rows, "test").to_pandas())
    told = latency_tables.latency(inputs)
    measured = many_rows["status"].eq("ok")
    place = told.head.index("rows")
    assert sum(int(row[place]) for row in told.rows) == measured.sum()
    assert len(told.rows) == len(many_rows[measured].drop_duplicates(["machine", "runtime"]))
    assert f"the {measured.sum()} rows stand in latency.parquet" in told.caption
    chart = plots.latency_by_setting(inputs)
    assert len(chart.rows["latency"]) <= THINNED + len(told.rows)
    one = plots.latency_by_setting(replace(inputs, latency=rows))
    assert "is drawn" not in one.caption
