"""The clinical chapter: the planted numbers of the test part stand where a cardiologist looks for them."""

from dataclasses import replace

import numpy as np
import pytest

from ecgscale.contracts import METRICS
from ecgscale.report import clinic
from ecgscale.report.headlines import best_run
from ecgscale.report.inputs import Inputs
from tests.lib.report.test_ecg_paper import points
from tests.lib.report.test_page import make_inputs, run_table


@pytest.fixture(scope="module")
def inputs():
    return make_inputs()


def test_each_diagnosis_with_numbers_and_intervals_of_the_test_part(inputs):
    found = clinic.class_table(inputs)
    rows = [dict(zip(found.head, row, strict=True)) for row in found.rows]
    assert rows[0] == {
        "class": "AF (critical)", "name": "atrial fibrillation", "recordings with it": "40",
        "sensitivity": "0.800 [0.750, 0.830]", "specificity": "0.930 [0.880, 0.960]", "AUROC": "0.900 [0.850, 0.930]",
        "AUPRC": "0.600 [0.550, 0.630]", "positive predictive value": "0.750 [0.700, 0.780]",
        "sensitivity at specificity 0.95": "0.700 [0.650, 0.730]", "ECE": "0.050 [0.000, 0.080]", "note": ""}
    assert (rows[1]["class"], rows[1]["note"]) == ("NSR", "few cases")


def test_where_none_of_a_class_was_found_the_interval_knows_how_few_they_are(inputs):
    """Wilson 1927: of none of 40, at most 1.96^2 / (40 + 1.96^2) = 0.088; drawn again, none of them is ever more."""
    none = inputs.chosen["metric"].eq("recall") & inputs.chosen["value"].eq("164889003")
    flat = inputs.chosen.assign(**{name: inputs.chosen[name].mask(none, 0.0) for name in ("estimate", "low", "high")})
    found = clinic.class_table(replace(inputs, chosen=flat))
    assert dict(zip(found.head, found.rows[0], strict=True))["sensitivity"] == "0.000 [0.000, 0.088]"


def test_women_men_ages_and_sources(inputs):
    sex, age, source = clinic.group_tables(inputs)
    assert sex.rows == (("female", "45", "0.550 [0.500, 0.580]", "0.710 [0.660, 0.740]", "0.900 [0.850, 0.930]",
                         "0.880 [0.830, 0.910]", "0.500 [0.450, 0.530]", "0.125 [0.075, 0.155]",
                         "0.040 [-0.010, 0.070]"),)
    assert [part.rows[0][0] for part in (age, source)] == ["60-79", "ptb"]


def test_what_was_overlooked_is_said_in_a_sentence(inputs):
    told = " ".join(clinic.words(inputs))
    assert "the best on validation, on the 100 recordings of the test part" in told
    assert "Of the recordings with a critical diagnosis (AF), 12.5 % [7.5 %, 15.5 %] had one overlooked." in told


def test_calibration_is_drawn_of_all_and_of_classes_that_are_not_rare(inputs):
    chart = clinic.calibration(inputs)
    assert [view.label for view in chart.views] == ["all classes: ECE 0.060 [0.010, 0.090]",
                                                    "AF: ECE 0.050 [0.000, 0.080]"]
    assert [(row["x"], row["y"], row["n"]) for row in chart.rows["AF"]] == [
        (0.05, 0.0, 10), (pytest.approx(0.35), 0.3, 40), (pytest.approx(0.85), 0.8, 90)]
    assert [(row["low"], row["high"]) for row in chart.rows["AF"]] == [(0.0, 0.1), (0.15, 0.4), (0.4, 0.9)]
    assert "95 % interval of a bin's share" in chart.caption
    assert "1 classes of fewer than 10 recordings are not drawn." in chart.caption


def test_calibration_of_an_earlier_version_has_no_bars(inputs):
    old = replace(inputs, reliability=inputs.reliability.drop(columns=["share_low", "share_high"]))
    chart = clinic.calibration(old)
    assert set(chart.rows["AF"][0]) == {"x", "y", "n"}
    assert len(chart.views[0].spec["layer"]) == len(clinic.calibration(inputs).views[0].spec["layer"]) - 1
    assert "Bars" not in chart.caption


def test_every_diagnosis_is_a_row_of_the_figure_commonest_first(inputs):
    chart = clinic.by_class(inputs)
    assert [view.label for view in chart.views] == ["sensitivity", "specificity", "AUROC", "AUPRC"]
    assert [(row["y"], row["x"], row["positives"]) for row in chart.rows["sensitivity"]] == [
        ("AF", 0.8, 40), ("NSR", 0.8, 4)]


def test_recordings_stand_with_what_is_true_and_what_was_predicted(inputs):
    right, wrong = clinic.electrocardiograms(inputs)
    assert right.title == "Surely right: ptb/A1. True: AF. Predicted: AF"
    assert right.caption.startswith("61 years, female, ptb. Probabilities: AF 0.97. 25 mm/s, 10 mm/mV;")
    assert wrong.title == "Surely wrong: ptb/A2. True: NSR. Predicted: none of the classes"
    assert "age unknown, sex unknown" in wrong.caption
    assert "The first 10 s of 1800 s." in wrong.caption
    lead = points(right.svg, "lead V1")[0]
    assert np.ptp(lead[:, 1]) == pytest.approx(10, abs=0.01)    # the planted beats of 1 mV


def test_people_are_warned_of_signals_of_real_people(inputs):
    assert clinic.notices(inputs) == []
    real = replace(inputs, examples=inputs.examples.model_copy(update={"synthetic": False}))
    assert "This page shows signals of single recordings" in clinic.notices(real)[0]


def test_what_is_not_there_is_said(inputs):
    none = replace(inputs, examples=inputs.examples.model_copy(update={"recordings": (), "reason": "none were asked"}))
    assert clinic.notices(none) == ["No recordings to look at: none were asked."]
    assert clinic.electrocardiograms(none) == []
    other = inputs.chosen.assign(run_id="another")
    assert f"of another run, {best_run(inputs)['run_id']}" in clinic.notices(replace(inputs, chosen=other))[0]
    bare = Inputs(runs=run_table(True))
    assert clinic.words(bare) == clinic.notices(bare) == clinic.electrocardiograms(bare) == []
    assert clinic.class_table(bare) is clinic.by_class(bare) is clinic.calibration(bare) is None
    undefined = replace(inputs, chosen=METRICS.arrow(inputs.chosen.assign(estimate=np.nan), "test").to_pandas())
    assert clinic.class_table(undefined).rows[0][4] == "–"
