"""What a corpus does not say: labels that match no class, classes without a positive, folds that are not used.

A corpus whose recordings have no label trains a model that knows nothing, and every score of it looks valid. So it is
said before training: an error where the whole corpus or a whole part has no positive, else a warning.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pandas as pd

from ecgscale.contracts import PARTS
from ecgscale.contracts.labels import LabelSet
from ecgscale.ecg.guards import FLAGS
from ecgscale.errors import UserError

MOST_NAMED = 8      # classes or codes in a sentence


def unmatched_codes(records: pd.DataFrame, labels: LabelSet) -> list[str]:
    """In words, of a shard's RECORDS: codes that the label set does not know, and whether no recording has a class."""
    if not len(records):
        return []
    codes = Counter(code for text in records["codes"] for code in text.split(";") if code)
    unknown = Counter({code: count for code, count in codes.items() if not labels.knows(code)})
    said = []
    if unknown:
        said.append(f"codes that the label set does not know: {counted(unknown)}")
    if not any(labels.encode([code]).any() for code in codes):
        why = "no code of theirs belongs to a class" if codes else "neither a table nor a header gives them a diagnosis"
        said.append(f"none of the {len(records)} recordings has a label: {why}. Labels come from the headers' comment "
                    "'Dx:', from the dataset's own table, or from a table of yours (column `labels` of the sheet)")
    return said


def unusual(records: pd.DataFrame) -> Iterator[str]:
    """In words, of a shard's RECORDS: headers of other records, ages that are not read, leads that were reckoned or
    taken under other names."""
    for flag in ("record-name", "age-unread", "derived-lead", "mason-likar", "lead-name"):
        count = sum(flag in flags.split(";") for flags in records["flags"])
        if count:
            yield f"{count} of {len(records)} recordings: {FLAGS[flag]}"


def counted(counts: Counter) -> str:
    rest = len(counts) - MOST_NAMED
    return ", ".join(f"{name} ({count})" for name, count in counts.most_common(MOST_NAMED)) + (
        f" and {rest} more" if rest > 0 else "")


def check_positives(records: pd.DataFrame, marks: np.ndarray, classes: tuple[str, ...], split: pd.DataFrame
                    ) -> Iterator[str]:
    """Warnings about sources and classes without a positive. `marks`: (recording, class) bool; `split`: SPLIT rows.

    Raises UserError where no recording, or no recording of a part, belongs to a class.
    """
    if not marks.any():
        raise UserError(f"none of the {len(records)} recordings has a label of the {len(classes)} classes",
                        field="labels", remedy="See what PREPARE said of each source, and give labels by table, a "
                                               "mapping, or another label set")
    part = records["record"].map(split.set_index("record")["part"]).to_numpy(dtype=object)
    for name in PARTS:
        inside = marks[part == name]
        if len(inside) and not inside.any():
            raise UserError(f"none of the {len(inside)} recordings of the {name} part has a label", field="split",
                            remedy="Give its recordings labels, or another split")
        without = [code for code, there in zip(classes, inside.any(axis=0), strict=True) if not there]
        if len(inside) and without:
            yield f"{len(without)} of {len(classes)} classes have no positive in the {name} part: {listed(without)}"
    for source, rows in records.reset_index(drop=True).groupby("source").groups.items():
        if not marks[rows].any():
            yield f"none of the {len(rows)} recordings of {source} has a label"


def listed(names: list[str]) -> str:
    return ", ".join(names[:MOST_NAMED]) + (f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else "")


def unused_folds(records: pd.DataFrame, method: str) -> Iterator[str]:
    """That tables give folds which the split does not take."""
    if method != "column" and "fold" in records and records["fold"].notna().any():
        yield (f"the folds that tables give {int(records['fold'].notna().sum())} recordings are not used: "
               f"split.method is {method}, and column takes them")


def told_copies(records: pd.DataFrame, split: pd.DataFrame) -> Iterator[str]:
    """How many recordings are copies of others, and how many sets of them are torn apart. Column `copy`: the set."""
    copies = records[records["copy"].notna()]
    if len(copies):
        part = copies["record"].map(split.set_index("record")["part"])
        torn = sum(len(set(inside)) > 1 for _, inside in part.dropna().groupby(copies["copy"]))
        first = copies[copies["copy"] == copies["copy"].iloc[0]]["record"]
        yield (f"{len(copies)} recordings are copies of others at another rate, gain, length or filter "
               f"({copies['copy'].nunique()} sets, first {' and '.join(first.iloc[:2])}); {torn} sets are in more than "
               "one part")
