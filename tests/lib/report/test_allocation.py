"""The table and the figure of the next budget, from rows as FIT writes them."""

import numpy as np
import pandas as pd

from ecgscale.contracts import Laws
from ecgscale.report import allocation
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


def test_the_iso_flop_view_has_a_panel_a_budget_and_marks_the_optimum():
    drawing = allocation.iso_flop(inputs())
    assert len(drawing.figure.axes) == 2
    for panel in drawing.figure.axes:
        assert panel.get_xscale() == panel.get_yscale() == "log"
        markers = [line for line in panel.lines if len(line.get_xdata()) == 1]
        assert [line.get_xdata()[0] for line in markers] == [1e5] * 3
    assert "24 h on cpu" in drawing.figure.axes[0].get_title("left")


def test_without_an_allocation_there_is_neither():
    empty = Inputs(runs=pd.DataFrame({"run_id": []}))
    assert allocation.optima(empty) is None
    assert allocation.iso_flop(empty) is None
