"""Every metric of one fold, with intervals: the long table that METRICS describes.

Estimate and bootstrap replicates come from the same code: `Fold.values` computes everything for recordings that count
`weights` times, once with weights of one and then with what the bootstrap drew. Groups of recordings share the draws.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from ecgscale.bootstrap import CELLS, clusters_of, draws, interval
from ecgscale.calibration import calibration_error, gaps
from ecgscale.ecg.labels import SINUS_RHYTHM, LabelSet
from ecgscale.metrics import Ranking, challenge_ratio, challenge_terms, decide, decision_rates, macro, ratio
from ecgscale.thresholds import DEFAULT, tune

FEW = 10    # positives of a class, or recordings of a group, below which a value is marked
AGES = ((0, 18), (18, 40), (40, 60), (60, 80), (80, 200))   # years, the upper end excluded
Key = tuple[str, str, str, str]                             # threshold, group, value, metric


@dataclass(frozen=True)
class Judged:
    """The recordings of a fold: truth, what was predicted, and what is known of each recording.

    labels (recording, class) bool; probabilities (recording, class); patients (recording,) or None; loss (recording,)
    or None; groups: kind ("source", "sex", "age") -> (recording,) text, null or "" where unknown.
    """

    labels: np.ndarray
    probabilities: np.ndarray
    patients: np.ndarray | None = None
    loss: np.ndarray | None = None
    groups: dict[str, np.ndarray] = field(default_factory=dict)

    def of(self, rows: np.ndarray) -> Judged:
        """Some of the recordings."""
        def chosen(values):
            return None if values is None else values[rows]

        return replace(self, labels=self.labels[rows], probabilities=self.probabilities[rows],
                       patients=chosen(self.patients), loss=chosen(self.loss),
                       groups={kind: names[rows] for kind, names in self.groups.items()})


def age_bands(years: pd.Series) -> np.ndarray:
    """(recording,) text: "18-39", ...; "unknown" where null."""
    bands = np.full(len(years), "unknown", dtype=object)
    for low, high in AGES:
        bands[((years >= low) & (years < high)).to_numpy()] = f"{low}-{high - 1}" if high < 200 else f"{low}+"
    return bands


@dataclass(frozen=True)
class Slice:
    """Some of a fold's recordings, prepared for weights. `columns` (row, column) are summed; see Fold.columns."""

    group: str
    value: str
    rows: np.ndarray
    rankings: list[Ranking]


class Fold:
    """A fold prepared for any weights. `thresholds`: name ("0.5", "tuned", ...) -> (class,) or a number."""

    def __init__(self, judged: Judged, label_set: LabelSet, thresholds: dict[str, np.ndarray | float]):
        self.judged, self.label_set, self.thresholds = judged, label_set, thresholds
        self.labels = np.asarray(judged.labels, dtype=bool)
        self.scored = label_set.weights is not None and SINUS_RHYTHM in label_set.index()
        self.columns, self.places = self.summed()
        self.gaps = gaps(self.labels, judged.probabilities)
        everyone = np.arange(len(self.labels))
        self.slices = [self.cut("all", "", everyone)]
        for kind, names in judged.groups.items():
            names = pd.Series(names, dtype=object).fillna("unknown").replace("", "unknown").to_numpy()
            self.slices += [self.cut(kind, name, np.flatnonzero(names == name)) for name in sorted(set(names))]

    def cut(self, group: str, value: str, rows: np.ndarray) -> Slice:
        truth, scores = self.labels[rows], self.judged.probabilities[rows]
        return Slice(group, value, rows, [Ranking(truth[:, k], scores[:, k]) for k in range(truth.shape[1])])

    def summed(self) -> tuple[np.ndarray, dict[str, slice]]:
        """(recording, column) quantities whose sums give every metric that is not a rank, and where each stands."""
        blocks = {"one": np.ones((len(self.labels), 1)), "positive": self.labels,
                  "brier": (self.judged.probabilities - self.labels) ** 2}
        if self.judged.loss is not None:
            blocks["loss"] = self.judged.loss[:, None]
        for name, threshold in self.thresholds.items():
            predicted = decide(self.judged.probabilities, threshold)
            blocks[f"{name} hit"] = self.labels & predicted
            blocks[f"{name} alarm"] = ~self.labels & predicted
            blocks[f"{name} exact"] = (self.labels == predicted).all(axis=1, keepdims=True)
            if self.scored:
                blocks[f"{name} challenge"] = challenge_terms(self.labels, predicted, self.label_set)
        places, width = {}, 0
        for name, block in blocks.items():
            places[name] = slice(width, width + block.shape[1])
            width += block.shape[1]
        return np.concatenate([block.astype(float) for block in blocks.values()], axis=1), places

    def values(self, weights: np.ndarray) -> dict[Key, np.ndarray]:
        """Every metric, (replicate,) each, for recordings that count `weights` (recording, replicate) times."""
        found: dict[Key, np.ndarray] = {}
        for part in self.slices:
            self.add(found, part, weights if part.group == "all" else weights[part.rows])
        return found

    def add(self, found: dict[Key, np.ndarray], part: Slice, weights: np.ndarray) -> None:
        sums = self.columns[part.rows].T @ weights
        of = {name: sums[place] for name, place in self.places.items()}
        total, positives = of["one"][0], of["positive"]
        classes: dict[tuple[str, str], np.ndarray] = {}
        areas = np.array([ranking.areas(weights) for ranking in part.rankings])  # (class, 2, replicate)
        classes["", "auroc"], classes["", "auprc"] = areas[:, 0], areas[:, 1]
        classes["", "brier"] = ratio(of["brier"], total)
        if part.group == "all":
            classes["", "ece"] = calibration_error(self.gaps, weights)
        if "loss" in of:
            found["", part.group, part.value, "loss"] = ratio(of["loss"][0], total)
        for name in self.thresholds:
            hits, alarms = of[f"{name} hit"], of[f"{name} alarm"]
            counts = np.stack([hits, alarms, positives - hits, total - positives - alarms])
            classes |= {(name, metric): rate for metric, rate in decision_rates(counts).items()}
            found[name, part.group, part.value, "accuracy"] = ratio(of[f"{name} exact"][0], total)
            if self.scored:
                found[name, part.group, part.value, "challenge_score"] = challenge_ratio(of[f"{name} challenge"].T)
        for (name, metric), rate in classes.items():
            found[name, part.group, part.value, metric] = macro(rate, axis=0)
            if part.group == "all":
                for code, row in zip(self.label_set.codes, rate, strict=True):
                    found[name, "class", code, metric] = row

    def replicates(self, number: int, seed: int) -> dict[Key, np.ndarray]:
        """(number,) bootstrap values of every metric, patients drawn with replacement."""
        clusters = clusters_of(self.judged.patients, len(self.labels))
        parts = []
        for counts in draws(int(clusters.max()) + 1, number, seed):
            step = max(1, CELLS // len(self.labels))
            for start in range(0, len(counts), step):
                parts.append(self.values(counts[start : start + step].T[clusters].astype(float)))
        return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]} if parts else {}

    def table(self, replicates: int = 1000, seed: int = 0) -> pd.DataFrame:
        """One row for each metric: threshold, group, value, metric, estimate, low, high, n, positives, note."""
        estimates = {key: float(value[0]) for key, value in self.values(np.ones((len(self.labels), 1))).items()}
        drawn = self.replicates(replicates, seed)
        low, high = interval(np.stack([drawn[key] for key in estimates], axis=1)) if drawn else np.full(
            (2, len(estimates)), np.nan)
        sizes = {(part.group, part.value): len(part.rows) for part in self.slices}
        counts = dict(zip(self.label_set.codes, self.labels.sum(axis=0).tolist(), strict=True))
        frame = pd.DataFrame(list(estimates), columns=["threshold", "group", "value", "metric"])
        frame["estimate"], frame["low"], frame["high"] = list(estimates.values()), low, high
        frame.loc[frame["estimate"].isna(), ["low", "high"]] = np.nan
        keys = list(zip(frame["group"], frame["value"], strict=True))
        frame["n"] = [sizes.get(key, len(self.labels)) for key in keys]
        frame["positives"] = pd.array([counts[value] if group == "class" else None for group, value in keys], "Int64")
        rare = np.minimum(frame["positives"], frame["n"] - frame["positives"]).fillna(frame["n"]) < FEW
        frame["note"] = np.where(rare, "few cases", "")
        return frame


def metrics_of(judged: Judged, parts: np.ndarray, label_set: LabelSet, replicates: int, seed: int = 0) -> pd.DataFrame:
    """METRICS rows (without run_id) of the parts "valid" and "test", where they have recordings.

    Thresholds: 0.5, and one a class tuned on the validation part, whose values are rows of metric "threshold".
    """
    thresholds: dict[str, np.ndarray | float] = {"0.5": DEFAULT}
    valid, tables = judged.of(parts == "valid"), []
    if len(valid.labels):
        thresholds["tuned"] = tune(valid.labels, valid.probabilities, label_set)
        tables.append(pd.DataFrame({
            "part": "valid", "threshold": "tuned", "group": "class", "value": label_set.codes, "metric": "threshold",
            "estimate": thresholds["tuned"], "n": len(valid.labels), "positives": valid.labels.sum(axis=0), "note": "",
        }))
    for part in ("valid", "test"):
        chosen = judged.of(parts == part)
        if len(chosen.labels):
            table = Fold(chosen, label_set, thresholds).table(replicates, seed)
            table.insert(0, "part", part)
            tables.append(table)
    return pd.concat(tables, ignore_index=True)
