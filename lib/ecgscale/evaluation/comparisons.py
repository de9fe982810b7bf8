"""Is the difference between two runs more than chance? Three tables beside the run table.

Differences: every run against the one that validation chose, paired on the test part: both are scored on the same draws
of patients, so what makes a draw easy or hard cancels. Noise: how far runs that differ by seed alone lie apart, beside
the sampling error of their scores. Sources: each source's score, and whether training knew that source; random folds
flatter, so a model is worth on a new hospital what its left-out rows say.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from ecgscale.contracts import DIFFERENCES, NOISE, PREDICTIONS, SOURCES
from ecgscale.contracts.run_table import recording_deviation, seed_deviation
from ecgscale.evaluation.bootstrap import clusters_of, interval, ratio_replicates
from ecgscale.evaluation.metrics import challenge_ratio
from ecgscale.evaluation.protocol import LEFT_OUT

TARGET = "test_challenge_score"
TERMS = ["record", "part", "patient", "gained", "possible"]

# Published, for reading side by side. The first is not on the official scale: labels and weights were misaligned.
PUBLISHED = (
    ("published: best of the scaling study", False, 0.682, "random crops, best epoch; not on the official scale"),
    ("published: winner of the 2021 Challenge", True, 0.53, "about"),
)


def differences(runs: pd.DataFrame, folders: Mapping[str, Path], replicates: int = 2000, seed: int = 0) -> pd.DataFrame:
    """DIFFERENCES: each finished run's test Challenge score minus that of the best on validation of the same split.
    `folders`: of ecg-evaluate, by run_id."""
    tables = [DIFFERENCES.empty().assign(synthetic=False)]
    if "valid_challenge_score" in runs:
        scored = runs[runs["status"].eq("finished") & runs["valid_challenge_score"].notna()
                      & runs["run_id"].isin(list(folders))]
        for _, group in scored.groupby("split_digest"):
            chosen = group.loc[group["valid_challenge_score"].idxmax(), "run_id"]
            table = against(chosen, {run_id: folders[run_id] for run_id in group["run_id"]}, replicates, seed)
            tables.append(table.assign(synthetic=bool(group["synthetic"].any())))
    return pd.concat([table for table in tables if len(table)] or tables[:1], ignore_index=True)


def against(chosen: str, folders: Mapping[str, Path], replicates: int, seed: int) -> pd.DataFrame:
    """DIFFERENCES rows of runs on the same test recordings."""
    read = {run_id: test_terms(folder) for run_id, folder in folders.items()}
    reference = read[chosen]
    others = {name: frame for name, frame in read.items() if frame.index.equals(reference.index) and len(frame)}
    if chosen not in others:
        return DIFFERENCES.empty().assign(synthetic=False)
    terms = np.stack([frame[["gained", "possible"]].to_numpy() for frame in others.values()], axis=1)
    clusters = clusters_of(reference["patient"], len(reference))
    drawn = ratio_replicates(terms, clusters, replicates, seed)     # (replicate, run)
    place = list(others).index(chosen)
    drawn = drawn - drawn[:, [place]]
    estimates = challenge_ratio(terms.sum(axis=0))
    low, high = interval(drawn)
    return pd.DataFrame({
        "run_id": list(others), "reference": chosen, "metric": "challenge_score",
        "difference": estimates - estimates[place], "low": low, "high": high, "probability": (drawn >= 0).mean(axis=0),
        "n": len(reference)})


def test_terms(folder: Path) -> pd.DataFrame:
    """What each test recording adds to the Challenge score, indexed by record."""
    frame = PREDICTIONS.read(folder / "predictions.parquet", columns=TERMS)
    return frame[frame["part"] == "test"].set_index("record").sort_index()


def noise(runs: pd.DataFrame, target: str = TARGET) -> pd.DataFrame:
    """NOISE: standard deviation between seeds beside the standard error over patients, by configuration and pooled."""
    if target not in runs:
        return NOISE.empty().assign(synthetic=False)
    known = runs[runs["status"].eq("finished") & runs[target].notna()]
    alike = ["configuration", "split_digest"]
    known = known[known.groupby(alike)["seed"].transform("nunique") > 1]
    rows = []
    for (configuration, _), group in known.groupby(alike, sort=True):
        first = group.iloc[0]
        rows.append({"configuration": configuration, "family": first["family"], "optimizer": first["optimizer"],
                     "seed_deviation": group[target].std(ddof=1), **spread(group, target)})
    if not rows:
        return NOISE.empty().assign(synthetic=False)
    pooled, _ = seed_deviation(known[target].to_numpy(), known.groupby(alike).ngroup().to_numpy())
    rows.append({"configuration": "", "family": None, "optimizer": None, "seed_deviation": pooled,
                 **spread(known, target)})
    return pd.DataFrame(rows)[list(NOISE.columns)].assign(synthetic=bool(known["synthetic"].any()))


def spread(group: pd.DataFrame, target: str) -> dict:
    return {"metric": target, "seeds": len(group), "mean": group[target].mean(),
            "sampling_error": pd.Series(recording_deviation(group, target)).mean()}


def sources(runs: pd.DataFrame, metrics: pd.DataFrame) -> pd.DataFrame:
    """SOURCES: Challenge score and AUROC of each run on each source of its test part, and two published scores.
    metrics: METRICS rows of the runs."""
    known = runs.set_index("run_id")
    metrics = metrics[metrics["metric"].isin(["challenge_score", "auroc"]) & metrics["threshold"].isin(["", "0.5"])]
    whole = metrics[metrics["part"].eq("valid") & metrics["group"].eq("all")]
    valid = whole.set_index(["run_id", "metric"])["estimate"]
    rows = metrics[metrics["part"].eq("test") & metrics["group"].eq("source")].rename(columns={"value": "source"})
    rows = rows.assign(
        left_out=rows["note"].str.contains(LEFT_OUT, regex=False).astype(bool),
        internal=valid.reindex(pd.MultiIndex.from_frame(rows[["run_id", "metric"]])).to_numpy(),
        configuration=rows["run_id"].map(known["configuration"]), synthetic=rows["run_id"].map(known["synthetic"]))
    published = pd.DataFrame([
        {"run_id": name, "left_out": left_out, "metric": "challenge_score", "estimate": estimate, "note": note}
        for name, left_out, estimate, note in PUBLISHED])
    found = pd.concat([rows, published] if len(rows) else [published], ignore_index=True)
    found = found.reindex(columns=[*SOURCES.columns, "synthetic"])
    return found.astype({"n": "Int64"}).sort_values(["metric", "left_out", "source", "run_id"], ignore_index=True)
