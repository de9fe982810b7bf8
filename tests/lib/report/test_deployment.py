"""The chapter of devices holds what analysis.deployment answers, and says why where it answers nothing."""

from dataclasses import replace

import pytest

from ecgscale.analysis.deployment import Options, Question, answer, staircase
from ecgscale.report import page
from ecgscale.report.inputs import Inputs
from ecgscale.report.style import interval
from tests.lib.analysis.test_deployment import study_tables
from tests.lib.report.test_page import run_table


@pytest.fixture(scope="module")
def inputs() -> Inputs:
    runs, latency, exports = study_tables(families=("resnet",))
    return Inputs(runs=runs, latency=latency, exports=tuple(exports))


def test_tables_and_figure_are_the_stairs(inputs):
    stairs = staircase(Options.of(inputs.runs, inputs.latency, inputs.exports, asked="test_auroc"), Question())
    section = page.devices(inputs)
    drawing, device, setting = section.parts
    for made, by in ((device, "device"), (setting, "setting")):
        rows = stairs[stairs["asked"].eq(by)]
        assert [row[made.head.index("model")] for row in made.rows] == rows["model"].tolist()
        assert [row[made.head.index("score")] for row in made.rows] == [
            interval(*values) for values in rows[["score", "low", "high"]].to_numpy()]
    assert [text.get_text() for text in drawing.figure.legends[0].get_texts()] == [
        "box cpu, measured", "box cpu, foretold"]
    assert "resnet-2m (foretold)" in drawing.alt
    assert any("latencies: 16 used" in note for note in section.notices)


def test_why_there_is_nothing_is_said(inputs):
    assert page.devices(Inputs(runs=run_table(True))).notices == ["Not shown: no latency was measured."]
    [notice] = page.devices(replace(inputs, latency=inputs.latency.assign(run_id="x"))).notices
    assert "16 latencies of 1 models have no run" in notice


def test_what_was_promised_stands_beside_what_was_found(inputs):
    """Promised by the laws of four sizes, judged in the report of the runs that trained it."""
    options = Options.of(inputs.runs, inputs.latency, inputs.exports, asked="test_auroc")
    promised = answer(options, Question(ms=3.0))
    waits = page.devices(replace(inputs, promised=promised))
    assert "1 promise that ecg-deploy made of models before they were trained, 0 are confirmed, 0 refuted, 1 wait" in (
        waits.text[1])
    runs, latency, exports = study_tables(7, ("resnet",), ("2m",))
    later = page.devices(Inputs(runs=runs, latency=latency, exports=tuple(exports), promised=promised))
    assert "1 are confirmed, 0 refuted, 0 wait" in later.text[1]
    beside = dict(zip(later.parts[0].head, later.parts[0].rows[0], strict=True))
    row = promised.query("kind == 'foretold'").iloc[0]
    assert (beside["model"], beside["verdict"]) == ("resnet-2m", "confirmed")
    assert beside["promised"] == interval(row["score"], row["low"], row["high"])
    found = runs.loc[runs["data_fraction"].eq(1), "test_auroc"]
    assert float(beside["found"]) == pytest.approx(found.mean(), abs=1e-3)
    assert beside["runs inside"] == f"{found.between(row['low'], row['high']).sum()} of {len(found)}"
