"""A few test recordings for people to judge: some that a run is surely right on, some surely wrong, some least sure.

How sure: by how far each class's probability lies from its threshold. Their first seconds go with them in microvolts,
as prepared but not normalized.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from ecgscale.contracts import STRIPS, Example, Examples, ScoredClass
from ecgscale.contracts.labels import LabelSet
from ecgscale.ecg.corpus import Corpus

SECONDS = 10
KINDS = ("right", "wrong", "least sure")


def choose(labels: np.ndarray, probabilities: np.ndarray, thresholds: np.ndarray, count: int) -> list[tuple[str, int]]:
    """(kind, row) of up to `count` recordings of each kind, no recording twice; of each kind first those with different
    classes, so that it is not one diagnosis alone.

    labels (recording, class) bool; probabilities (recording, class); thresholds (class,).
    """
    distance = np.abs(probabilities - thresholds)
    correct = labels == (probabilities >= thresholds)
    worst = np.where(correct, distance, -distance).min(axis=1)
    wanted = {"right": (correct.all(axis=1) & labels.any(axis=1), -worst),
              "wrong": (~correct.all(axis=1), worst),
              "least sure": (np.ones(len(labels), dtype=bool), distance.min(axis=1))}
    chosen: list[tuple[str, int]] = []
    for kind in KINDS:
        among, order = wanted[kind]
        rows = [row for row in np.argsort(order, kind="stable").tolist()
                if among[row] and row not in {taken for _, taken in chosen}]
        chosen += [(kind, row) for row in varied(rows, labels)[:count]]
    return chosen


def varied(rows: list[int], labels: np.ndarray) -> list[int]:
    """The rows in their order, but those whose classes stood before put last."""
    seen: set[bytes] = set()
    first = [row for row in rows if (key := labels[row].tobytes()) not in seen and not seen.add(key)]
    return first + [row for row in rows if row not in set(first)]


def thresholds_of(metrics: pd.DataFrame, label_set: LabelSet) -> np.ndarray:
    """(class,) as tuned on validation, by METRICS rows; 0.5 where nothing was."""
    rows = metrics[metrics["metric"].eq("threshold") & metrics["threshold"].eq("tuned") & metrics["group"].eq("class")]
    tuned = rows.set_index("value")["estimate"]
    return np.array([tuned.get(code, np.nan) for code in label_set.codes], dtype=float)


def examples(run_id: str, corpus: Corpus, positions: np.ndarray, labels: np.ndarray, probabilities: np.ndarray,
             thresholds: np.ndarray, label_set: LabelSet, count: int) -> tuple[Examples, pd.DataFrame]:
    """examples.json and STRIPS of the recordings at `positions` (those of the test part), in the order of `labels` and
    `probabilities` (recording, class)."""
    thresholds = np.where(np.isnan(thresholds), 0.5, thresholds)
    classes = tuple(ScoredClass(code=code, abbreviation=short, name=name, critical=critical, threshold=threshold)
                    for code, short, name, critical, threshold in zip(
                        label_set.codes, label_set.abbreviations, label_set.names, label_set.critical, thresholds,
                        strict=True))
    told = Examples(run_id=run_id, synthetic=corpus.synthetic, rate=corpus.rate, classes=classes)
    found, strips, reason = [], [], "the study asks for none (evaluation.examples)" if not count else ""
    for kind, row in choose(labels, probabilities, thresholds, count):
        position = int(positions[row])
        if (units := corpus.units(position)) is None:
            reason = "the corpus keeps no scale in mV, as those of earlier versions: prepare it again"
            break
        signal = corpus.signal(position)[: round(SECONDS * corpus.rate)].astype(float)
        about = corpus.records.iloc[position]
        strips.append(pd.DataFrame(np.rint(1000 * signal * units).astype(np.int64), columns=[
            f"uv_{lead}" for lead in corpus.leads]))
        strips[-1].insert(0, "record", about["record"])
        found.append(Example(
            record=about["record"], kind=kind, source=about["source"], seconds=about["length"] / corpus.rate,
            age=None if pd.isna(about["age"]) else about["age"], sex=None if pd.isna(about["sex"]) else about["sex"],
            **judged(labels[row], probabilities[row], thresholds, label_set.codes)))
    drawn = pd.concat(strips, ignore_index=True) if strips else STRIPS.empty()
    return told.model_copy(update={"recordings": tuple(found), "reason": reason}), drawn.assign(
        synthetic=corpus.synthetic)


def judged(truth: np.ndarray, probabilities: np.ndarray, thresholds: np.ndarray, codes: tuple[str, ...]) -> dict:
    """The classes of one recording: true, predicted, and the probabilities that decided."""
    predicted = probabilities >= thresholds
    told = truth | predicted
    told[np.argmin(np.abs(probabilities - thresholds))] = True
    return {"truth": tuple(np.array(codes)[truth].tolist()), "predicted": tuple(np.array(codes)[predicted].tolist()),
            "probabilities": {codes[k]: round(float(probabilities[k]), 4) for k in np.flatnonzero(told)}}
