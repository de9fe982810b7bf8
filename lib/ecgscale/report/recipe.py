"""Train this, deploy so: the run that validation chose as a study file, and the fastest setting measured for it."""

from __future__ import annotations

import pandas as pd
import yaml

from ecgscale.analysis.deployable import promised
from ecgscale.models.complexity import FAMILIES
from ecgscale.numbers import counted, number
from ecgscale.report.headlines import best_run
from ecgscale.report.inputs import Inputs
from ecgscale.report.latency_figures import setting
from ecgscale.report.style import interval

DERIVED = ("hp_stages",)        # counted of the network, not given
SEEDS = [0, 1, 2]


def study(inputs: Inputs) -> str:
    """A study file that trains the best run again with three seeds; "" for a table that does not tell its settings."""
    run = best_run(inputs)
    needed = ("family", "optimizer", "lr", "epochs", "batch_size", "loss")
    if run is None or any(name not in run or pd.isna(run[name]) for name in needed) or run["family"] not in FAMILIES:
        return ""
    model = {name.removeprefix("hp_"): plain(value) for name, value in run.items()
             if name.startswith("hp_") and name not in DERIVED and pd.notna(value)}
    loss = str(run["loss"]).split("/")
    if len(loss) != 2 or not model:
        return ""
    optimizer = {"name": run["optimizer"], "lr": plain(run["lr"])}
    optimizer |= {"weight_decay": plain(run["weight_decay"])} if pd.notna(run.get("weight_decay")) else {}
    training = {"epochs": plain(run["epochs"]), "batch_size": plain(run["batch_size"]),
                "loss": {"name": loss[0], "reduction": loss[1]}}
    training |= {"augment": str(run["augment"]).split(";")} if run.get("augment") and pd.notna(run["augment"]) else {}
    group = {"family": run["family"], "sampler": "list", "models": [model], "optimizers": [optimizer],
             "training": training, "seeds": SEEDS}
    group |= {"window": plain(run["window"])} if pd.notna(run.get("window")) else {}
    return yaml.safe_dump({"name": "recipe", "runs": [group]}, sort_keys=False, default_flow_style=None, width=100)


def plain(value) -> float | int | str:
    """A number as a person writes it: 20 for 20.0."""
    if isinstance(value, str):
        return value
    return int(value) if float(value).is_integer() else float(f"{float(value):.6g}")


def deployment(inputs: Inputs) -> str:
    """In one sentence; "" where the best run was not measured."""
    run = best_run(inputs)
    if run is None:
        return ""
    rows, _ = promised(inputs.latency, "p50")
    told = []
    for machine, found in rows[rows["run_id"].eq(str(run["run_id"]))].groupby("machine"):
        best = found.loc[found["p50_ms"].idxmin()]
        time = interval(best["p50_ms"], best["p50_low_ms"], best["p50_high_ms"], number)
        told.append(f"on {machine} as {setting(best)}, {counted(best['threads'], 'thread')}: {time} ms a window")
    return f"Deploy it {'; '.join(told)}." if told else ""
