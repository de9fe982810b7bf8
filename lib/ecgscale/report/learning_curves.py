"""Learning curves: loss, scores, learning rate and clipped gradients of every run, epoch by epoch."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ecgscale.numbers import number
from ecgscale.report.charts import FADED, MARKED, Chart, View, axis, colour, layered
from ecgscale.report.inputs import Inputs
from ecgscale.report.plots import groups, look_places, places
from ecgscale.report.style import label

EPOCHS, POINTS = 40, 10_000     # drawn of a run, and of all runs: some 600 kB of the page
RATES = {"lr": "learning rate", "clipped_share": "share of steps whose gradient was clipped"}
APART = ("valid_loss", "valid_seconds")     # of the columns of validation: the others are scores


def chart(inputs: Inputs) -> Chart | None:
    """A line a run, against the epochs passed; None without a history."""
    run = inputs.histories["run_id"].map(places(inputs))
    known = inputs.histories.assign(run=run)[run.notna()].sort_values(["run", "epoch"])
    if known.empty:
        return None
    shown, less = thinned(known)
    strangers = inputs.histories.loc[run.isna(), "run_id"].nunique()
    less += f" {strangers} runs with a history are not in the run table." if strangers else ""
    without = len(inputs.ranked) - known["run"].nunique()
    less += f" {without} of {len(inputs.ranked)} runs kept no history." if without else ""
    keys = groups(inputs.ranked)
    names = sorted(keys.loc[known["run"].unique()].unique())
    looks = colour("group", [label(name) for name in names], look_places(names))
    scores = [name for name in known if name.startswith("valid_") and name not in APART and known[name].notna().any()]
    drawn = [name for name in ("train_loss", "valid_loss", *RATES, *scores) if known[name].notna().any()]
    rows = [{"run": int(row["run"]), "x": int(row["epoch"]) + 1, "group": label(keys[row["run"]]),
             **{name: row[name] for name in drawn}} for row in shown.to_dict("records")]
    losses = [lines(name, looks, "loss, mean over windows and classes", log=True, dashed=name == "train_loss")
              for name in ("train_loss", "valid_loss") if name in drawn]
    views = [View("loss", "loss of training (dashed) and of validation", layered(*losses))] if losses else []
    views += [View(name.replace("_", "-"), title, layered(lines(name, looks, title, log=name == "lr")))
              for name, title in (RATES | {name: label(name) for name in scores}).items() if name in drawn]
    return Chart(
        "learning", "Learning curves",
        "A line a run. Losses are the run's own: those of different losses or reductions do not compare. The epoch of "
        "least validation loss is the one that is kept; a diverged run ends where it diverged." + less,
        told(known), tuple(views), {"history": rows}) if views else None


def lines(name: str, looks: dict, title: str, log: bool = False, dashed: bool = False) -> dict:
    """One quantity of every run; marked runs stand out, the others fade."""
    mark = {"type": "line", "tooltip": {"content": "data"}} | ({"strokeDash": [4, 3]} if dashed else {})
    x, y = axis("x", "epochs passed", axis={"tickMinStep": 1, "format": "d"}), axis(name, title, log=log)
    if log:
        y["axis"] = {"format": "~g", "tickCount": 6}
    return {"data": {"name": "history"}, "mark": mark,
            "transform": [{"filter": f"isValid(datum.{name})" + (f" && datum.{name} > 0" if log else "")}],
            "encoding": {"x": x, "y": y, "color": looks["color"],
                         "detail": {"field": "run", "type": "nominal"},
                         "strokeWidth": {"condition": {"test": MARKED, "value": 3.5}, "value": 1.2},
                         "strokeOpacity": {"condition": {"test": FADED, "value": 0.12}, "value": 0.7}}}


def thinned(history: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """At most EPOCHS epochs of a run, the first and the last among them, and at most POINTS rows, runs evenly over
    their ranking; what was left out, in words."""
    epochs = history.groupby("run")
    place, last = epochs.cumcount(), epochs["epoch"].transform("size") - 1
    step = np.floor(place * (EPOCHS - 1) / last.clip(lower=1))
    kept = history[~history.assign(step=step).duplicated(["run", "step"])]
    told = "" if len(kept) == len(history) else f" Of a run, {EPOCHS} epochs are drawn."
    if len(kept) <= POINTS:
        return kept, told
    runs = kept["run"].unique()
    step = -(-len(kept) // POINTS)
    chosen = runs[::step]
    return (kept[kept["run"].isin(chosen)],
            f"{told} One run in {step} is drawn, {len(chosen)} of {len(runs)}; table/histories.parquet has all.")


def told(known: pd.DataFrame) -> str:
    """For those who do not see it."""
    ended = known.groupby("run").last()
    best = known.groupby("run")["valid_loss"].min()
    return (f"{len(ended)} runs of {ended['epoch'].min() + 1} to {ended['epoch'].max() + 1} epochs; least validation "
            f"loss of a run from {number(best.min())} to {number(best.max())}")
