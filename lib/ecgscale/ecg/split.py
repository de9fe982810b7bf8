"""Folds: which recordings train, validate and test, and an audit of what leaks between them.

The published study deals recordings into folds of 0.3, 0.3, 0.3 and 0.1 by iterative stratification (Sechidis et al.
2011; the package iterative-stratification) on labels and source. Method `records` is that. Method `patients`, ours,
deals whole groups: recordings of one patient, with identical samples, or copies of each other, stay together.
`leave-source-out` tests on one source and deals the others' groups into three equal folds; a recording elsewhere that
shares samples or patient with a held-out one is in no part. `column` takes the user's own folds.

Folds 0 and 1 train, 2 validates, 3 tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from iterstrat.ml_stratifiers import IterativeStratification
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ecgscale.contracts import PARTS, SplitInfo
from ecgscale.ecg.copies import find_copies
from ecgscale.ecg.meaning import check_positives, told_copies, unused_folds
from ecgscale.errors import UserError

PART_OF_FOLD = ("train", "train", "valid", "test")
STUDY_SHARES = (0.3, 0.3, 0.3, 0.1)
UNKNOWN = "unknown"
LEFT_OUT = -1           # the fold of a recording that is in no part


def split_corpus(corpus: Any, method: str, seed: int, held_out: str | None = None,
                 others: Sequence[Any] = ()) -> tuple[pd.DataFrame, SplitInfo]:
    """The split of an opened Corpus, as SPLIT rows in the order of its records, and what is known of it.

    `others`: the same recordings prepared by further recipes. A recording that one of them lacks is in no part, so that
    all recipes are trained and judged on the same ones. Raises UserError where they share none.
    """
    copies = pd.Series(find_copies(corpus), index=corpus.records.index)
    records = corpus.records.assign(copy=copies.where(copies >= 0))
    frame = split_recordings(records, corpus.labels, method, seed, held_out)
    frame, lacking = in_all(frame, records, others)
    noted = [f"{shard.source}: {note}" for shard in corpus.shards for note in shard.notes]
    warnings = [*dict.fromkeys(noted), *lacking, *unused_folds(records, method), *told_copies(records, frame),
                *check_positives(records, corpus.labels, corpus.abbreviations, frame)]
    info = SplitInfo(
        method=method if held_out is None or method != "leave-source-out" else f"{method}:{held_out}",
        seed=seed,
        counts={part: int((frame.part == part).sum()) for part in PARTS},
        left_out=len(records) - len(frame),
        warnings=tuple(warnings),
        audit=audit(records, corpus.labels, corpus.classes, frame),
        corpus_digest=corpus.digest,
        others={other.recipe["name"]: other.digest for other in others},
        digest=SplitInfo.digest_of(frame),
        synthetic=bool(corpus.synthetic),
    )
    return frame, info


def in_all(split: pd.DataFrame, records: pd.DataFrame, others: Sequence[Any]) -> tuple[pd.DataFrame, list[str]]:
    """The rows whose recording every other corpus holds with the same samples as recorded, and how many have gone."""
    content, lacking = records.set_index("record")["content"], []
    for other in others:
        there = split["record"].map(other.records.set_index("record")["content"])
        same = (there == split["record"].map(content)).to_numpy()
        if not same.any():
            raise UserError(f"no recording of the corpus was prepared by {other.recipe['name']} too", field="others",
                            remedy="Prepare the same folders by every recipe of the study")
        if not same.all():
            lacking.append(f"{(~same).sum()} recordings that {other.recipe['name']} rejects are in no part")
        split = split[same]
    return split.reset_index(drop=True) if lacking else split, lacking


def split_recordings(records: pd.DataFrame, labels: np.ndarray, method: str, seed: int,
                     held_out: str | None = None) -> pd.DataFrame:
    """SPLIT rows in the order of `records` (record, source, patient, content; fold for `column`), of those in a part.

    labels: (recording, class) bool. The result depends on the set of recordings and the seed, not on their order.
    Raises UserError when there are too few recordings, the held-out source is missing, or a fold is not 0 to 3.
    """
    by_name = np.argsort(records["record"].to_numpy(dtype=object), kind="stable")
    ordered, ordered_labels = records.iloc[by_name], np.asarray(labels, dtype=bool)[by_name]
    rng = np.random.RandomState(seed)   # the kind that iterative-stratification takes
    if method == "records":
        folds = deal(np.arange(len(ordered)), ordered, ordered_labels, STUDY_SHARES, rng)
    elif method == "patients":
        folds = deal(groups(ordered), ordered, ordered_labels, STUDY_SHARES, rng)
    elif method == "leave-source-out":
        folds = leave_source_out(ordered, ordered_labels, held_out, rng)
    elif method == "column":
        folds = own_folds(ordered)
    else:
        raise UserError(f"no split method {method!r}", field="split.method",
                        remedy="Choose records, patients, leave-source-out or column")
    fold = np.empty(len(records), dtype=np.int64)
    fold[by_name] = folds
    kept, fold = records[fold != LEFT_OUT], fold[fold != LEFT_OUT]
    return pd.DataFrame({
        "record": kept["record"].to_numpy(), "source": kept["source"].to_numpy(),
        "patient": kept["patient"].to_numpy(dtype=object), "fold": fold,
        "part": [PART_OF_FOLD[number] for number in fold],
    })


def groups(records: pd.DataFrame) -> np.ndarray:
    """(recording,) group numbers: joined by patient, by identical samples or as copies, directly or through others."""
    count = len(records)
    links = [(np.arange(count), np.arange(count))]
    for column in (name for name in ("patient", "content", "copy") if name in records):
        which = pd.factorize(records[column])[0]         # -1: not known
        known = np.flatnonzero(which >= 0)
        _, first = np.unique(which[known], return_index=True)
        links.append((known, known[first][which[known]]))
    rows, columns = (np.concatenate(side) for side in zip(*links, strict=True))
    graph = coo_array((np.ones(len(rows), dtype=bool), (rows, columns)), shape=(count, count))
    return connected_components(graph, directed=False)[1]


def deal(group: np.ndarray, records: pd.DataFrame, labels: np.ndarray, shares: tuple[float, ...],
         rng: np.random.RandomState) -> np.ndarray:
    """(recording,) folds: groups dealt by iterative stratification on labels, source and size of the group."""
    _, group = np.unique(group, return_inverse=True)
    count = int(group.max()) + 1 if len(group) else 0
    if count < len(shares):
        raise UserError(f"{count} patients or recordings cannot fill {len(shares)} folds", field="split",
                        remedy="Give more recordings, or your own folds with method column")
    size = np.bincount(group)
    sources = pd.get_dummies(records["source"]).to_numpy(dtype=bool)
    marks = np.zeros((count, labels.shape[1] + sources.shape[1]), dtype=bool)
    np.logical_or.at(marks, group, np.hstack([labels, sources]))
    marks = np.column_stack([marks, size > 1, size > 2, size > 4])
    order = rng.permutation(count)
    dealt = np.empty(count, dtype=np.int64)
    dealt[order] = IterativeStratification(marks[order], np.array(shares), rng)
    for fold in range(len(shares)):
        if not (dealt == fold).any():                    # a handful of groups: no fold stays empty
            fullest = np.bincount(dealt, minlength=len(shares)).argmax()
            dealt[np.flatnonzero(dealt == fullest)[0]] = fold
    return dealt[group]


def leave_source_out(records: pd.DataFrame, labels: np.ndarray, held_out: str | None,
                     rng: np.random.RandomState) -> np.ndarray:
    out = (records["source"] == held_out).to_numpy()
    if not out.any() or out.all():
        known = ", ".join(sorted(records["source"].unique()))
        problem = "is the only one" if out.any() else "is not in the corpus"
        raise UserError(f"source {held_out!r} {problem}", field="split.held_out", remedy=f"Sources: {known}")
    group = groups(records)
    known = np.isin(group, group[out])      # the held-out recordings, and what would give them away in training
    folds = np.where(out, 3, LEFT_OUT)
    folds[~known] = deal(group[~known], records[~known], labels[~known], (1 / 3, 1 / 3, 1 / 3), rng)
    return folds


def own_folds(records: pd.DataFrame) -> np.ndarray:
    """The column `fold` as PREPARE takes it from the users' tables."""
    if "fold" not in records:
        raise UserError("the corpus has no fold column", field="split.method",
                        remedy="Give a column `fold` (0, 1: train, 2: valid, 3: test) in each source's patients table")
    wrong = ~records["fold"].isin(range(4)).to_numpy()
    if wrong.any():
        first = records[wrong].iloc[0]
        raise UserError(f"{int(wrong.sum())} of {len(records)} recordings have no fold from 0 to 3, first "
                        f"{first['record']}: {'none' if pd.isna(first['fold']) else first['fold']}", field="fold",
                        remedy=f"Name each recording in the patients table of {first['source']}: 0 and 1 train, 2 "
                               "validates, 3 tests")
    folds = records["fold"].to_numpy(dtype=np.int64)
    for part in PARTS:
        if not any(PART_OF_FOLD[fold] == part for fold in np.unique(folds)):
            raise UserError(f"no recording is in the {part} part", field="fold",
                            remedy="0 and 1 train, 2 validates, 3 tests")
    return folds


def audit(records: pd.DataFrame, labels: np.ndarray, classes: tuple[str, ...], split: pd.DataFrame) -> dict[str, Any]:
    """What leaks between parts. `split` has rows of `records`; those that it lacks are in no part.

    patient_overlap: patients with recordings in more than one part, "unknown" where a patient is not known;
    duplicate_overlap: sets of recordings with identical samples in more than one part; copies: recordings of which the
    corpus holds another at another rate, gain, length or filter, and copy_overlap the sets of them in more than one
    part. In all, and by source of the
    recordings that are part of the leak.
    """
    table = pd.DataFrame({"source": records["source"].to_numpy(), "patient": records["patient"].to_numpy(dtype=object),
                          "content": records["content"].to_numpy(dtype=object),
                          "copy": records["copy"].to_numpy() if "copy" in records else np.nan,
                          "part": records["record"].map(split.set_index("record")["part"]).to_numpy(dtype=object)})
    for column in ("patient", "content", "copy"):
        parts = table.groupby(column)["part"].transform("nunique")
        table[f"{column}_leaks"] = table[column].where(parts > 1)
    by_source = {}
    for source, rows in table.groupby("source"):
        by_source[source] = {
            "recordings": len(rows), **{part: int((rows["part"] == part).sum()) for part in PARTS},
            "left_out": int(rows["part"].isna().sum()),
            "patients": UNKNOWN if rows["patient"].isna().any() else int(rows["patient"].nunique()),
            "patient_overlap": UNKNOWN if rows["patient"].isna().any() else int(rows["patient_leaks"].nunique()),
            "duplicate_overlap": int(rows["content_leaks"].nunique()),
            "copies": int(rows["copy"].notna().sum()), "copy_overlap": int(rows["copy_leaks"].nunique()),
        }
    part = table["part"].to_numpy()
    known = int(table["patient_leaks"].nunique())
    return {
        "patient_overlap": UNKNOWN if table["patient"].isna().any() else known,
        "known_patient_overlap": known,
        "patient_unknown": int(table["patient"].isna().sum()),
        "duplicate_overlap": int(table["content_leaks"].nunique()),
        "copies": int(table["copy"].notna().sum()), "copy_overlap": int(table["copy_leaks"].nunique()),
        "by_source": by_source,
        "positives": {code: {name: int(labels[part == name, place].sum()) for name in PARTS}
                      for place, code in enumerate(classes)},
    }


def summary(info: SplitInfo) -> str:
    """Recordings by part, and what of one heart lies in more than one of them."""
    parts = ", ".join(f"{part} {info.counts.get(part, 0):,}" for part in PARTS)
    audit, unknown = info.audit, info.audit["patient_unknown"]
    of_unknown = f" ({unknown:,} recordings without a known patient)" if unknown else ""
    return (f"{parts} recordings, {info.left_out:,} left out\n"
            f"in more than one part: {audit['known_patient_overlap']:,} patients{of_unknown}, "
            f"{audit['duplicate_overlap']:,} sets of equal recordings, {audit['copy_overlap']:,} sets of copies")
