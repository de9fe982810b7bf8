"""The chapter of machines: its tables are those of analysis.side_by_side, and what is not known is said."""

from dataclasses import replace

import pandas as pd
import pytest

from ecgscale.analysis.prices import Price, Prices
from ecgscale.report import page
from ecgscale.report.charts import Chart
from ecgscale.report.inputs import Inputs
from ecgscale.report.predictor_figures import published
from tests.lib.analysis.test_deployment import study_tables
from tests.lib.report.test_page import run_table


@pytest.fixture(scope="module")
def inputs() -> Inputs:
    runs, latency, exports = study_tables(families=("resnet",))
    latency = latency.assign(records_per_s=1000 / latency["p50_ms"])
    both = pd.concat([latency, latency.assign(machine="phone", p50_ms=1 / latency["p50_ms"])], ignore_index=True)
    return Inputs(runs=runs, latency=both, exports=tuple(exports))


def titled(section, begin: str):
    return next(part for part in section.parts if (part.title if isinstance(part, Chart) else part.caption).startswith(
        begin))


def test_the_chapter_of_two_machines(inputs):
    section = page.machines(inputs)
    [row] = titled(section, "Do models rank alike").rows
    assert row[:2] == ("box cpu", "phone cpu")
    assert row[3].startswith("-1.000")          # the phone's times are the inverse
    rows = titled(section, "The order of models").rows["orders"]
    assert {(one["x"], one["model"]) for one in rows} == {(f"{machine} cpu", f"resnet-{size}") for machine in (
        "box", "phone") for size in ("20k", "60k", "200k", "600k")}
    fronts = titled(section, "On the devices' fronts")
    assert fronts.head[-2:] == ("box cpu", "phone cpu")
    assert titled(section, "INT8 of each model").rows


def test_published_medians_stand_beside_ours_with_what_they_were(inputs):
    rows = {row[0]: row for row in titled(page.study(inputs), "Published medians").rows}
    assert list(rows) == published(4)["group"].tolist()
    assert rows["Apple M4 Pro"][3] == "PyTorch MPS, not Core ML"
    assert rows["CUDA on an RTX 3070 Ti"][5] == "not measured here"
    assert rows["OpenVINO CPU (Core i7)"][6:] == ("1", "4", "box, phone")


def test_prices_are_asked_for_and_used(inputs):
    bare = page.machines(inputs)
    assert any("the price of box cpu, phone cpu; the energy of box cpu, phone cpu" in one and "--prices FILE" in one
               for one in bare.notices)
    assert not [part for part in bare.parts if "What money and watts" in getattr(part, "caption", "")]
    given = Prices({("box", ""): Price(500.0, "EUR", 10.0, "shop"), ("old", "cpu"): Price(watts=1.0)})
    priced = page.machines(replace(inputs, prices=given))
    assert "Priced but not measured here: old cpu." in priced.notices
    row = next(row for row in titled(priced, "What money and watts").rows if row[1] == "box cpu")
    assert row[5] == "500 EUR"
    assert "not known" not in row


def test_one_machine_ranks_nothing_and_none_says_so(inputs):
    alone = replace(inputs, latency=inputs.latency[inputs.latency["machine"].eq("box")])
    section = page.machines(alone)
    assert any("Only box cpu was measured" in one for one in section.notices)
    assert not any("rank alike" in getattr(part, "caption", "") for part in section.parts)
    assert page.machines(Inputs(runs=run_table(True))).notices == ["Not shown: no latency was measured."]
