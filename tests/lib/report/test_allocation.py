"""The table and the figures of the next budget, from rows as FIT writes them."""

import numpy as np
import pandas as pd
import pytest

from ecgscale.contracts import LawFit, Laws
from ecgscale.laws.summary import told_answers
from ecgscale.report import allocation, charts, headlines
from ecgscale.report.inputs import Inputs


def inputs() -> Inputs:
    sizes = np.geomspace(1e4, 1e7, 9)
    rows = [{
        "y_column": "test_loss", "budget": name, "budget_flops": flops, "subset": subset, "law": "joint",
        "hours": {"cpu": flops / 3.6e13}, "probability_best": chance, "params": 1e5, "params_low": 5e4,
        "params_high": 3e5, "samples": 1e6, "samples_low": 5e5, "samples_high": 2e6, "y": 0.2, "y_low": 0.19,
        "y_high": 0.22, "note": "beyond the table's runs",
        "isoflop": [{"params": n, "samples": 1e11 / n, "y": 0.2 + y, "low": 0.19 + y, "high": 0.22 + y}
                    for n, y in zip(sizes.tolist(), (np.log10(sizes / 1e5) ** 2 / 100).tolist(), strict=True)],
    } for name, flops in (("24 h on cpu (measured)", 8e14), ("the largest run", 1e13))
        for subset, chance in (("all", None), ("optimizer=adamw", 0.93), ("optimizer=sgd", 0.07))]
    laws = Laws(table_digest="0", synthetic=True, runs=40, fits=(), allocation=rows, versions={})
    return Inputs(runs=pd.DataFrame({"run_id": [f"r{i}" for i in range(40)]}), laws=laws)


def test_each_budget_has_its_best_sizes_and_the_best_optimizer():
    table = allocation.optima(inputs())
    assert len(table.rows) == 6
    row = dict(zip(table.head, table.rows[1], strict=True))
    assert row["budget"] == "24 h on cpu (measured)"
    assert row["runs"] == "AdamW"
    assert row["parameters"] == "100 k [50 k, 300 k]"
    assert row["probability best"] == "0.93"
    assert row["epochs"] == "–"
    assert row["hours"] == "22.2 h on cpu"


def test_the_iso_flop_figure_has_a_view_a_budget_and_marks_the_optimum(tmp_path):
    chart = allocation.iso_flop(inputs())
    assert [view.label for view in chart.views] == ["24 h on cpu (measured) (800 T FLOPs)",
                                                    "the largest run (10 T FLOPs)"]
    for place in range(2):
        assert [row["parameters"] for row in chart.rows[f"budget {place} best"]] == [1e5] * 3
        line = [row for row in chart.rows[f"budget {place}"] if row["group"] == "AdamW"]
        assert min(line, key=lambda row: row["expected"])["parameters"] == pytest.approx(1e5, rel=0.5)
    assert set(charts.save(chart, tmp_path, True)) == {"budget-1", "budget-2"}          # Vega-Lite draws each


def test_bounds_of_a_split_that_is_not_identified():
    """a = beta / (alpha + beta) of Hoffmann et al. 2022 is least at the largest alpha and the least beta."""
    fit = LawFit(law="joint", subset="all", x=("params", "samples_seen"), y="test_loss", points=30, formula="",
                 verdict="not identifiable", estimates={}, intervals={"alpha": (0.2, 0.6), "beta": (0.3, 0.4)},
                 statistics={"would_identify": [{"runs": 50, "low": [1e3, 1e4], "high": [1e6, 1e5]},
                                                {"runs": 20, "low": [1e3, 1e4], "high": [1e7, 1e6]}]})
    laws = Laws(table_digest="0", synthetic=True, runs=30, versions={}, fits=(
        fit, fit.model_copy(update={"subset": "optimizer=adamw"}),
        fit.model_copy(update={"y": "test_auroc", "intervals": {"alpha": (None, 0.6), "beta": (0.3, 0.4)}})))
    given = Inputs(runs=pd.DataFrame({"run_id": ["a"]}), laws=laws)
    (row,) = allocation.bounds(given).rows
    assert row[2:] == ("30", "0.20 to 0.60", "0.30 to 0.40", "0.33 to 0.67",
                       "50 runs of 1000 to 1 M parameters and 10 k to 100 k samples, "
                       "or 20 runs of 1000 to 10 M parameters and 10 k to 1 M samples")
    identified = laws.model_copy(update={"allocation": inputs().laws.allocation})
    assert allocation.bounds(Inputs(runs=given.runs, laws=identified)) is None


def test_contours_are_those_of_hoffmanns_law(tmp_path):
    """L = E + A/N^alpha + B/D^beta, solved for D."""
    law = {"E": 0.1, "A": 20.0, "alpha": 0.4, "B": 50.0, "beta": 0.5}
    n, d = np.geomspace(1e4, 1e6, 30), np.geomspace(1e5, 1e7, 30)
    runs = pd.DataFrame({"run_id": [f"r{i}" for i in range(30)], "status": "finished", "params": n, "samples_seen": d,
                         "test_loss": law["E"] + law["A"] / n ** law["alpha"] + law["B"] / d ** law["beta"]})
    fit = LawFit(law="joint", subset="all", x=("params", "samples_seen"), y="test_loss", points=30, formula="",
                 verdict="identified", estimates=law)
    laws = Laws(table_digest="0", synthetic=True, runs=30, fits=(fit,), versions={})
    chart = allocation.iso_loss(Inputs(runs=runs, laws=laws))
    rows = pd.DataFrame(chart.rows["contours"])
    left = rows["level"] - law["E"] - law["A"] / rows["parameters"] ** law["alpha"]
    assert rows["samples"].to_numpy() == pytest.approx((law["B"] / left) ** (1 / law["beta"]), rel=0.02)
    assert rows["level"].nunique() == rows["named"].nunique() >= 7
    assert {row["run"] for row in chart.rows["runs"]} == set(range(30))
    assert list(charts.save(chart, tmp_path, True)) == ["all"]


def test_without_an_allocation_there_is_neither():
    empty = Inputs(runs=pd.DataFrame({"run_id": []}))
    assert allocation.optima(empty) is None
    assert allocation.iso_flop(empty) is None
    assert allocation.iso_loss(empty) is None


def test_the_family_that_each_budget_would_go_to_is_a_headline():
    made = inputs()
    rows = [row | {"subset": subset, "y": y, "y_low": y - 0.01, "y_high": y + 0.01, "params": params,
                   "probability_best": chance}
            for row in made.laws.allocation if row["subset"] == "all"
            for subset, y, params, chance in (("family=vit", 0.2 if row["budget_flops"] < 1e14 else 0.1, 3e5, 0.97),
                                              ("family=resnet", 0.15, 2e5, 0.03))]
    laws = made.laws.model_copy(update={"allocation": [*made.laws.allocation, *rows]})
    told = headlines.family(Inputs(runs=made.runs, laws=laws))
    assert told.answer == "ViT for 24 h on cpu (measured); ResNet for the largest run"
    assert "For the largest run's FLOPs (10 T) 200 k parameters of ResNet" in told.detail
    assert "ResNet 0.150 [0.140, 0.160], ViT 0.200 [0.190, 0.210]" in told.detail
    assert headlines.family(made) is None


def test_answers_beyond_the_runs_name_what_the_equation_alone_says():
    row = {"of": "test_loss", "law": "joint", "over": ["params", "samples_seen"], "subset": "all",
           "asked": "y at sizes", "params": 1e8, "samples_seen": 1e9, "y": 0.2, "y_low": 0.18, "y_high": 0.22,
           "run_low": 0.17, "run_high": 0.23, "law_y": 0.25, "note": ""}
    made = inputs()
    laws = made.laws.model_copy(update={"answers": [row, row | {"law_y": None}], "allocation": []})
    table = allocation.answers(Inputs(runs=made.runs, laws=laws))
    assert [dict(zip(table.head, cells, strict=True))["the equation alone"] for cells in table.rows] == ["0.25", "–"]
    assert "(joint, the equation alone 0.25)" in "\n".join(told_answers(laws))
