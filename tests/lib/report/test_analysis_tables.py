"""Tables of the laws, from fits as FIT writes them."""

import pandas as pd

from ecgscale.contracts import LawFit, Laws
from ecgscale.report.analysis_tables import laws_by_group
from ecgscale.report.inputs import Inputs


def test_classes_are_named_as_in_the_label_table():
    """assets/labels/physionet2021/classes.csv: 164889003 is AF; a class of another label set keeps its code."""
    fits = tuple(LawFit(subset=f"class={code}", x=("params",), y="1 - test_auroc", points=40, level=0.9, law="power",
                        formula="y = b x^-c", verdict="identified", estimates={"b": 1.0, "c": 0.2},
                        intervals={"c": (0.1, 0.3)}) for code in ("164889003", "42"))
    laws = Laws(table_digest="0", synthetic=True, runs=40, fits=fits, versions={})
    rows = laws_by_group(Inputs(runs=pd.DataFrame({"run_id": ["r0"]}), laws=laws)).rows
    assert [row[0] for row in rows] == ["AF (164889003)", "42"]
