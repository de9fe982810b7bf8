"""What the page's script reads: the facts of every run, and every figure's specification and rows, as JSON."""

from __future__ import annotations

import base64
import hashlib
from functools import cache

import numpy as np
import pandas as pd
import vl_convert

from ecgscale.contracts.run_table import on_part, part_of
from ecgscale.paths import ASSETS
from ecgscale.report.charts import INKS, SHAPES, THEME, VEGA_LITE, Chart
from ecgscale.report.compact import fitting, weight
from ecgscale.report.inputs import Inputs
from ecgscale.report.long_tables import shorter
from ecgscale.report.plots import grouped_by
from ecgscale.report.style import label
from ecgscale.report.tables import varying_hyperparameters

FACTS = {"run_id": "run", "family": "family", "optimizer": "optimizer", "params": "parameters", "target": "score",
         "low": "from", "high": "to", "valid": "validation", "forward_flops": "forward FLOPs",
         "train_flops": "training FLOPs", "lr": "learning rate", "data_fraction": "share of data", "seed": "seed",
         "hours": "hours", "energy_joules": "J", "device": "trained on", "status": "status", "reason": "reason"}
SIZES = ((1e5, "under 100 k"), (1e6, "100 k to 1 M"), (1e7, "1 M to 10 M"), (1e8, "10 M to 100 M"),
         (np.inf, "100 M and more"))


def document(inputs: Inputs, charts: list[Chart], room: int) -> dict:
    """Columns of the table of runs in the order of the page, and the figures by name, in about `room` bytes of JSON."""
    facts = run_facts(inputs)
    made = {"theme": THEME, "looks": list(zip(INKS, SHAPES, strict=True)),
            "heads": [{"name": name, "label": told(name, inputs), "number": is_numeric(facts[name])}
                      for name in facts if name != "size"],
            "all_runs": len(inputs.ranked), "by": grouped_by(inputs.ranked), "target": label(inputs.target)}
    figures = {one.name: {"title": one.title, "views": [{"key": view.key, "label": view.label, "spec": view.spec}
                                                        for view in one.views]} for one in charts}
    runs, drawn = fitting(facts, charts, room - weight([made, figures]))
    return made | {"runs": runs, "charts": {name: one | drawn[name] for name, one in figures.items()}}


def run_facts(inputs: Inputs) -> dict[str, list]:
    """Column -> values, best run first; what the table does not tell is left out."""
    runs, target = inputs.ranked, inputs.target
    valid = on_part(target, "validation") if part_of(target) == "test" else None
    columns = {"valid": valid, "target": target, "low": f"{target}_low", "high": f"{target}_high"}
    made = {}
    for name in FACTS:
        if name == "hours" and "seconds" in runs and pd.api.types.is_numeric_dtype(runs["seconds"]):
            values = runs["seconds"] / 3600
        elif (column := columns.get(name, name)) in runs:
            values = runs[column]
        else:
            continue
        if values.notna().any() and not (values.astype(str) == "").all():
            made[name] = values
    for name in sorted({one for names in varying_hyperparameters(runs).values() for one in names}):
        made[name] = runs[name]
    if "params" in made and pd.api.types.is_numeric_dtype(runs["params"]):
        made["size"] = pd.Series([size_of(value) for value in runs["params"]])
    return {name: [plain(name, value) for value in values] for name, values in made.items()}


def told(name: str, inputs: Inputs) -> str:
    return part_of(inputs.target) or "score" if name == "target" else FACTS.get(name, name.removeprefix("hp_"))


def plain(name: str, value) -> object:
    """A number, or a text as people write it; None where nothing is known."""
    if pd.isna(value):
        return None
    if isinstance(value, int | float | np.number) and not isinstance(value, bool):
        return value
    return shorter(label(str(value)) if name in ("family", "optimizer") else str(value))


def is_numeric(values: list) -> bool:
    return all(not isinstance(value, str) for value in values)


def size_of(params: float) -> str | None:
    return next((name for end, name in SIZES if 0 < params < end), None)        # of no number, or an infinite one: none


@cache
def vega() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script that needs no network and keeps its names; vl-convert has them."""
    bundle = vl_convert.javascript_bundle(vl_version=VEGA_LITE).replace("\r", "")
    return f"(() => {{\n{bundle}\n}})();"


def scripts() -> list[str]:
    return [vega(), (ASSETS / "report" / "page.js").read_text(encoding="utf-8")]


def policy(texts: list[str]) -> str:
    """A content security policy under which these scripts run and nothing else does: no eval, no network."""
    digests = (base64.b64encode(hashlib.sha256(f"\n{text}\n".encode()).digest()).decode() for text in texts)
    allowed = " ".join(f"'sha256-{one}'" for one in digests)
    return ("default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
            f"script-src {allowed}")
