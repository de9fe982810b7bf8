"""Fronts, best settings, and what hyperparameters do: what FIT writes beside its laws."""

from __future__ import annotations

from typing import Any

from ecgscale.contracts.files import Document
from ecgscale.contracts.tables import FLAG, REAL, TEXT, WHOLE, Table

FRONTIER = Table("frontier", 1, "fit/frontier.csv", "A run on a plane of score and cost", {
    "axes": TEXT("score~forward_flops, ..."),
    "group": TEXT("all, optimizer=adamw, ..., or published"),
    "run_id": TEXT("as in runs"),
    "x": REAL("cost", "of the cost"), "y": REAL("score", "of the score"),
    "probability": REAL("of belonging to the front (bootstrap); null where it cannot be told", "1"),
    "on_front": FLAG("whether no other run of the group is better and cheaper"),
}, optional={
    "z": REAL("second cost, of three axes", "of the cost"),
    "y_low": REAL("lower end of y's 95 % interval: recordings, and seeds where they were repeated", "of the score"),
    "y_high": REAL("upper end of y's 95 % interval: recordings, and seeds where they were repeated", "of the score"),
    "seeds": WHOLE("runs of this configuration; y is their mean, run_id the first one", "runs"),
    "setting": TEXT("of latency axes: runtime, device and option that x was measured with"),
    "hypervolume": REAL("of the axes and group, the same in all their rows", "score x decades of each cost"),
    "hypervolume_low": REAL("lower end of its 95 % interval", "score x decades of each cost"),
    "hypervolume_high": REAL("upper end of its 95 % interval", "score x decades of each cost"),
}, keys=("axes", "group", "run_id"))

OPTIMA = Table("optima", 1, "fit/optima.csv", "The best learning rate of a group; was its range too short?", {
    "group": TEXT("family and optimizer"), "metric": TEXT("that chose"),
    "runs": WHOLE("runs of the group", "runs"), "run_id": TEXT("of the best run"),
    "value": REAL("of the best run", "of the metric"),
    "lr": REAL("learning rate of the best run", "1"),
    "low": REAL("lowest rate that was tried", "1"), "high": REAL("highest rate that was tried", "1"),
    "edge": TEXT("low or high where the best lies at that end of the range, else empty"),
}, keys=("group",))

RATES = Table("rates", 1, "fit/rates.csv", "A law of the best learning rate or weight decay, a row an exponent", {
    "group": TEXT("family and optimizer"), "setting": TEXT("lr or weight_decay"), "metric": TEXT("that chose"),
    "runs": WHOLE("runs within ten times the best tried setting of their cell", "runs"),
    "cells": WHOLE("of runs that are equal but for the setting", "cells"),
    "together": TEXT("sizes that move with those of the law and are not told apart from them, joined by ;"),
    "told": FLAG("that there is a best setting: losses rise on both sides"),
    "level": REAL("of the intervals", "1"),
    "size": TEXT("whose exponent the row has; empty: the row has settings"),
}, optional={
    "exponent": REAL("best setting ~ size^exponent", "1"), "low": REAL("end of its interval", "1", endless=True),
    "high": REAL("end of its interval", "1", endless=True), "largest": REAL("of the size that was tried", "as in runs"),
    "best": REAL("setting at the largest sizes", "1"), "best_low": REAL("end of its interval", "1", endless=True),
    "best_high": REAL("end of its interval", "1", endless=True),
    "tried_low": REAL("lowest setting that the largest network was tried with", "1"),
    "tried_high": REAL("highest one", "1"), "ahead": REAL("setting at ten times the largest network", "1"),
    "ahead_low": REAL("end of its interval", "1", endless=True),
    "ahead_high": REAL("end of its interval", "1", endless=True),
}, keys=("group", "setting", "size"))

IMPORTANCE = Table("importance", 1, "fit/importance.csv", "A hyperparameter's importance for the score", {
    "group": TEXT("all, or an optimizer"), "model": TEXT("that predicts the score"), "feature": TEXT("hyperparameter"),
    "measure": TEXT("gini, permutation or shap"),
    "estimate": REAL("importance; of shap in units of the score", "of the measure"),
    "low": REAL("lower end of its 95 % interval", "of the measure"),
    "high": REAL("upper end of its 95 % interval", "of the measure"),
    "spearman": REAL("rank correlation of feature and score", "1"),
    "note": TEXT("features that it is correlated with"),
}, optional={"first": REAL("share of the bootstrap draws in which this feature comes first", "1")},
    keys=("group", "model", "measure", "feature"))

EFFECTS = Table("effects", 1, "fit/effects.parquet", "What a hyperparameter does to the predicted score of a run", {
    "group": TEXT("all, or an optimizer"), "model": TEXT("that predicts the score"), "feature": TEXT("hyperparameter"),
    "run_id": TEXT("as in runs"),
    "value": REAL("of the hyperparameter; of a named one its place in alphabetical order", "of the hyperparameter"),
    "shap": REAL("SHAP value", "of the score"),
}, keys=("group", "model", "feature", "run_id"))

PREDICTED = Table("predicted", 1, "fit/predicted.csv", "A run's score, true and predicted from its hyperparameters", {
    "model": TEXT("that predicts"), "scheme": TEXT("how runs were held out"),
    "fold": WHOLE("in which the run was held out", "1"),
    "run_id": TEXT("as in runs"), "group": TEXT("of the run"),
    "truth": REAL("score of the run", "of the score"), "prediction": REAL("of it", "of the score"),
}, optional={
    "low": REAL("lower end of the 90 % interval of runs beyond the others", "of the score", endless=True),
    "high": REAL("upper end of the 90 % interval of runs beyond the others", "of the score", endless=True),
}, keys=("model", "scheme", "fold", "group", "run_id"))


class Predictor(Document):
    """predictor.json: how well hyperparameters predict the score."""

    NAME = "predictor"
    PLACE = "fit/predictor.json"
    table_digest: str
    """Of the run table."""
    synthetic: bool
    """Any run is of synthetic recordings."""
    runs: int
    """Runs that were predicted."""
    target: str
    """Score that is predicted."""
    features: tuple[str, ...]
    """Hyperparameters that it is predicted from."""
    warning: str = ""
    """Set where there are too few runs to say much."""
    results: list[dict[str, Any]]
    """Model, scheme, statistic, group, estimate, low, high, n."""
    excluded: dict[str, int] = {}
    """Runs left out, by status."""
    correlated: list[dict[str, Any]] = []
    """Pairs of features: first, second, spearman."""
    dependence: list[dict[str, Any]] = []
    """Partial dependence: group, model, feature, grid, estimate, low, high."""
    claims: list[dict[str, Any]] = []
    """The study's findings on this table: claim, verdict, evidence, published."""
    disabled: dict[str, str] = {}
    """Analysis: why it says nothing."""
    versions: dict[str, str]
    """Of the packages."""
