"""Calibration: does a probability of 0.3 come true in three of ten recordings? And how to make it so.

Expected calibration error of one class: sum over bins of (recordings in the bin / all) * |mean probability - share of
positives|, 10 bins of equal width (Naeini et al. 2015); for several classes the mean over classes (class-wise ECE,
Kull et al. 2019). It is biased upwards in small samples: chance alone makes a gap in every bin.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import optimize, sparse, special

from ecgscale.evaluation.bootstrap import clusters_of
from ecgscale.evaluation.shares import effective_count, wilson

BINS = 10
FEWEST = 10     # positives below which a class has no isotonic map
CLOSEST = 1e-7  # to 0 and 1: how far a probability is taken at its word


def bin_of(probabilities: np.ndarray, bins: int = BINS) -> np.ndarray:
    """Bin of each probability: [0, 0.1), [0.1, 0.2), ..., [0.9, 1]."""
    return np.minimum((np.asarray(probabilities, dtype=float) * bins).astype(int), bins - 1)


def gaps(labels: np.ndarray, probabilities: np.ndarray, bins: int = BINS) -> sparse.csr_array:
    """(class * bins, recording) sparse: probability minus label, in the row of the recording's bin.

    For recordings that count `weights` (recording, replicate) times, |gaps @ weights| summed over a class's bins and
    divided by the summed weights is the class's calibration error.
    """
    recordings, classes = probabilities.shape
    rows = bin_of(probabilities, bins) + bins * np.arange(classes)
    columns = np.broadcast_to(np.arange(recordings)[:, None], rows.shape)
    values = np.asarray(probabilities, dtype=float) - np.asarray(labels, dtype=bool)
    return sparse.csr_array((values.ravel(), (rows.ravel(), columns.ravel())), shape=(classes * bins, recordings))


def calibration_error(gap: sparse.csr_array, weights: np.ndarray, bins: int = BINS) -> np.ndarray:
    """(class, replicate) expected calibration error from `gaps` and weights (recording, replicate)."""
    summed = np.abs(gap @ weights).reshape(-1, bins, weights.shape[1]).sum(axis=1)
    total = weights.sum(axis=0)
    return np.divide(summed, total, out=np.full(summed.shape, np.nan), where=total > 0)


def reliability(labels: np.ndarray, probabilities: np.ndarray, codes: tuple[str, ...],
                patients: np.ndarray | None = None, bins: int = BINS) -> pd.DataFrame:
    """What is drawn as a reliability diagram: class, bin, low, high, n, mean probability and share of positives with
    its interval.

    One row for each class and bin that holds recordings; class "" pools all classes. The interval is Wilson's, with as
    many recordings as those of `patients` (recording,) are worth: neither the recordings of a patient nor the classes
    of a recording are independent.
    """
    labels = np.asarray(labels, dtype=bool)
    long = pd.DataFrame({
        "value": np.tile(np.array(codes, dtype=object), len(labels)), "bin": bin_of(probabilities, bins).ravel(),
        "patient": np.repeat(clusters_of(patients, len(labels)), labels.shape[1]),
        "probability": np.asarray(probabilities, dtype=float).ravel(), "share": labels.ravel().astype(float),
    })
    both = pd.concat([long.assign(value=""), long])
    both["value"] = pd.Categorical(both["value"], ["", *codes])
    by_bin = ["value", "bin"]
    table = both.groupby(by_bin, observed=True).agg(
        n=("share", "size"), probability=("probability", "mean"), share=("share", "mean")).reset_index()
    people = both.groupby([*by_bin, "patient"], observed=True)["share"].agg(["sum", "size"])
    place = people.groupby(by_bin, observed=True).ngroup().to_numpy()
    worth = effective_count(people["sum"].to_numpy(), people["size"].to_numpy(), place)
    table["share_low"], table["share_high"] = wilson(table["share"], worth)
    table.insert(2, "low", table["bin"] / bins)
    table.insert(3, "high", (table["bin"] + 1) / bins)
    return table.astype({"value": str})


def temperature(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """One T for all classes that minimises the cross-entropy of sigmoid(logit / T) (Guo et al., ICML 2017)."""
    logits, truth = log_odds(probabilities), np.asarray(labels, dtype=float)

    def cross_entropy(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        return float(np.mean(np.logaddexp(0, scaled) - truth * scaled))

    return float(np.exp(optimize.minimize_scalar(cross_entropy, bounds=(-4, 4), method="bounded").x))


def tempered(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """sigmoid(logit / T)."""
    return special.expit(log_odds(probabilities) / temperature)


def log_odds(probabilities: np.ndarray) -> np.ndarray:
    return special.logit(np.clip(np.asarray(probabilities, dtype=float), CLOSEST, 1 - CLOSEST))


def isotonic(labels: np.ndarray, probabilities: np.ndarray, codes: tuple[str, ...]) -> pd.DataFrame:
    """The rising map of each class with least squared error (Zadrozny and Elkan 2002), as knots of a broken line.

    Rows: value (class code), probability, calibrated. A class with fewer than 10 positives has no rows.
    """
    knots = []
    for k, code in enumerate(codes):
        if labels[:, k].sum() < FEWEST:
            continue
        levels, place, count = np.unique(probabilities[:, k], return_inverse=True, return_counts=True)
        share = np.bincount(place, labels[:, k]) / count
        fitted = optimize.isotonic_regression(share, weights=count).x
        ends = np.r_[True, fitted[1:] != fitted[:-1]]      # of level pieces, first and last
        ends = ends | np.r_[ends[1:], True]
        knots.append(pd.DataFrame({"value": code, "probability": levels[ends], "calibrated": fitted[ends]}))
    none = pd.DataFrame({"value": [], "probability": [], "calibrated": []}).astype({"value": str})
    return pd.concat(knots or [none], ignore_index=True)


def recalibrated(probabilities: np.ndarray, codes: tuple[str, ...], knots: pd.DataFrame) -> np.ndarray:
    """Probabilities through the maps of `isotonic`; those of a class without a map as they are."""
    mapped = np.array(probabilities, dtype=float)
    for code, rows in knots.groupby("value"):
        k = codes.index(code)
        mapped[:, k] = np.interp(mapped[:, k], rows["probability"], rows["calibrated"])
    return mapped
