"""Laws, fronts and predictions: what FIT writes."""

from __future__ import annotations

from typing import Any, Literal

from ecgscale.contracts.files import FLAG, REAL, TEXT, WHOLE, Document, Part, Table

# -------------------------------------------------------------------------------------------------------------- FIT


class LawFit(Part):
    """One law fitted to one subset of a run table."""

    law: str                         # name in scaling.LAWS
    subset: str                      # "all", "optimizer=adamw", ...
    x: tuple[str, ...]               # columns
    y: str
    points: int
    verdict: Literal["identified", "not identifiable", "failed"]
    reason: str = ""
    formula: str
    estimates: dict[str, float | None]
    errors: dict[str, float | None] = {}
    intervals: dict[str, tuple[float | None, float | None]] = {}   # 90 % profile likelihood
    bootstrap: dict[str, tuple[float | None, float | None]] = {}   # 90 % run-level bootstrap
    level: float = 0.9
    covariance: list[list[float | None]] | None = None
    statistics: dict[str, Any] = {}  # rmse_log, aic, weight, held_out_error, ...


class Laws(Document):
    """laws.json."""

    NAME = "laws"
    table_digest: str
    synthetic: bool
    runs: int
    fits: tuple[LawFit, ...]
    disabled: dict[str, str] = {}    # analysis -> the column it misses or why it says nothing
    allocation: list[dict[str, Any]] = []
    differences: list[dict[str, Any]] = []   # exponents of two groups: law, x, y, exponent, groups, estimate, low, high
    versions: dict[str, str]


LAW_TABLE = Table("law-table", 2, {   # laws.csv: laws.json as rows, one a parameter
    "law": TEXT, "subset": TEXT, "x": TEXT, "y": TEXT, "points": WHOLE, "verdict": TEXT, "reason": TEXT,
    "parameter": TEXT, "estimate": REAL, "error": REAL, "low": REAL, "high": REAL,      # of the profile likelihood
    "weight": REAL,         # information weight among the laws of the same points
    "rmse_log": REAL, "held_out_rmse_log": REAL,
}, optional={"bootstrap_low": REAL, "bootstrap_high": REAL})

class Speed(Document):
    """speed.json, beside latency.parquet: what the measured latencies say of nets that were not measured."""

    NAME = "speed"
    models: int
    laws: tuple[LawFit, ...]         # subset: "machine=..., runtime=..., device=..., option=..."; y: p50_ms
    predictor: list[dict[str, Any]]  # model, scheme, statistic, estimate, n: error on nets held out
    speedups: list[dict[str, Any]]   # a setting against torch eager on the CPU: model, ..., ratio, low, high
    disabled: dict[str, str] = {}
    synthetic: bool = False          # the models were trained on synthetic data
    versions: dict[str, str]


FRONTIER = Table("frontier", 1, {
    "axes": TEXT,           # "score~forward_flops"
    "group": TEXT,          # "all" or "optimizer=adamw", or "published"
    "run_id": TEXT, "x": REAL, "y": REAL,
    "probability": REAL,    # of belonging to the front (bootstrap); null where it cannot be told
    "on_front": FLAG,
}, optional={
    "z": REAL,                              # third axis
    "y_low": REAL, "y_high": REAL,          # 95 % interval of y: recordings, and seeds where they were repeated
    "seeds": WHOLE,                         # runs of this configuration; y is their mean, run_id the first one
    "setting": TEXT,                        # latency axes: runtime, device and option that x was measured with
    # of the row's axes and group, the same in all its rows: score x decades of each cost, and its 95 % interval
    "hypervolume": REAL, "hypervolume_low": REAL, "hypervolume_high": REAL,
})

IMPORTANCE = Table("importance", 1, {
    "group": TEXT, "model": TEXT, "feature": TEXT, "measure": TEXT,   # gini, permutation, shap
    "estimate": REAL, "low": REAL, "high": REAL, "spearman": REAL, "note": TEXT,
}, optional={"first": REAL})  # share of the bootstrap draws in which this feature comes first

PREDICTED = Table("predicted", 1, {   # true against predicted, one row a run and fold
    "model": TEXT, "scheme": TEXT, "fold": WHOLE, "run_id": TEXT, "group": TEXT, "truth": REAL, "prediction": REAL,
})

AHEAD = Table("ahead", 1, {     # one learning curve continued: the average's prediction and its interval, by size
    "x": REAL, "y": REAL, "low": REAL, "high": REAL, "level": REAL,
}, prefixes={"y_": REAL, "weight_": REAL})      # each law's own prediction, and its weight in the average


class Predictor(Document):
    """predictor.json: how well hyperparameters predict the score."""

    NAME = "predictor"
    table_digest: str
    synthetic: bool
    runs: int
    target: str
    features: tuple[str, ...]
    warning: str = ""                # set where there are too few runs to say much
    results: list[dict[str, Any]]    # model, scheme, statistic, group, estimate, low, high, n
    excluded: dict[str, int] = {}    # runs left out, by status
    correlated: list[dict[str, Any]] = []   # pairs of features: first, second, spearman
    dependence: list[dict[str, Any]] = []   # partial dependence: group, model, feature, grid, estimate, low, high
    claims: list[dict[str, Any]] = []       # the study's findings on this table: claim, verdict, evidence, published
    disabled: dict[str, str] = {}
    versions: dict[str, str]
