"""Recordings and their split: what PREPARE and SPLIT write."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import pandas as pd
from pydantic import Field, model_validator

from ecgscale.contracts.datapackage import refuse_foreign
from ecgscale.contracts.digests import changed, check_digests, digest, file_digests
from ecgscale.contracts.files import Document
from ecgscale.contracts.reading import ContractError
from ecgscale.contracts.tables import FLAG, REAL, SYNTHETIC, TEXT, WHOLE, Table

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
PARTS = ("train", "valid", "test")

# ------------------------------------------------------------------------------------- PREPARE: one folder a shard
# signals.npy   (samples, leads) records end to end, lead order as in shard.json, rate and scale of the recipe
# records.parquet, rejects.csv, shard.json

RECORDS = Table("records", 1, "corpus/<source>-<k>of<n>/records.parquet", "An accepted recording", {
    "record": TEXT("<source>/<path below the source folder, without ending>: unique in a corpus"),
    "source": TEXT("name of the source, or <source>/<site> where the patients table names a site"),
    "patient": TEXT("<source>/<id>; null where unknown"),
    "offset": WHOLE("first row in signals.npy", "samples"),
    "length": WHOLE("rows in signals.npy", "samples"),
    "rate": REAL("sampling rate as recorded", "Hz"),
    "age": REAL("null where unknown", "years"),
    "sex": TEXT("female, male or null"),
    "flags": TEXT("reason codes that do not reject, joined by ;"),
    "codes": TEXT("every diagnosis code of the header, joined by ;"),
    "content": TEXT("digest of the samples as recorded: finds duplicates"),
    "synthetic": SYNTHETIC,
}, optional={"fold": WHOLE("fold that the patients table gives the recording", "1")},
    prefixes={"y_": FLAG("whether the recording is of the class, by its code"),
              "mv_": REAL("one unit of a lead of signals.npy, by its name; none where signals are in mV", "mV")})

REJECTS = Table("rejects", 1, "corpus/<source>-<k>of<n>/rejects.csv", "A rejected recording", {
    "record": TEXT("as in records"), "source": TEXT("as in records"),
    "reason": TEXT("reason code"), "detail": TEXT("what was found"),
}, filled=("record", "source", "reason"), keys=("record",))


class Shard(Document):
    """What stands beside signals.npy. accepted + rejected = found."""

    NAME = "shard"
    PLACE = "corpus/<source>-<k>of<n>/shard.json"
    source: str
    """Name of the source."""
    shard: str = Field(pattern=r"^[1-9]\d{0,8}/[1-9]\d{0,8}$")
    """Which part of the source: "2/5"."""
    found: int
    """Headers found."""
    accepted: int
    """Recordings in signals.npy."""
    rejected: int
    """Recordings in rejects.csv."""
    synthetic: bool
    """Any recording is synthetic."""
    recipe: dict[str, Any]
    """How the signals were prepared: name and every parameter."""
    recipe_digest: str
    """Of the recipe."""
    rate: float = Field(gt=0, le=10_000)
    """Of signals.npy, in Hz."""
    unit: str
    """Of one signals.npy step: "z" (per-lead z-score) or "mV"."""
    dtype: str
    """Of signals.npy."""
    leads: tuple[str, ...] = LEADS
    """Order of the leads."""
    classes: tuple[str, ...]
    """Class codes, the order of the y_ columns."""
    abbreviations: tuple[str, ...] = ()
    """Of the classes, in their order."""
    labels_digest: str
    """Of the label set."""
    digest: str
    """Of signals, records and the two digests above."""
    signals_sum: str | None = None
    """Of signals.npy: `ecg.normalize.word_sum` in 16 hex digits, taken as fast as memory is read."""
    digests: dict[str, str] = {}
    """Of the other files beside it: SHA-256, 16 hex digits."""
    versions: dict[str, str]
    """Of the packages."""
    example: str | None = None
    """Record whose first ten seconds example.npy holds, (samples, leads) mV as recorded."""
    licence: str = ""
    """Of the dataset, where its adaptor knows it."""
    notes: tuple[str, ...] = ()
    """What was chosen, did not match or was left out, in words; of the whole source."""

    @model_validator(mode="after")
    def check(self) -> Self:
        if len(set(self.classes)) < len(self.classes):
            raise ValueError("a class stands in classes twice")
        if self.found != self.accepted + self.rejected:
            raise ValueError(f"{self.found} found are not {self.accepted} accepted and {self.rejected} rejected")
        if len(set(self.leads)) < len(self.leads):
            raise ValueError("a lead stands in leads twice")
        if self.abbreviations and len(self.abbreviations) != len(self.classes):
            raise ValueError(f"{len(self.abbreviations)} abbreviations of {len(self.classes)} classes")
        if not isinstance(self.recipe.get("name"), str):
            raise ValueError("recipe has no name")
        return self


# ------------------------------------------------------------------------------------------------------------ SPLIT

SPLIT = Table("split", 1, "corpus/split/split.parquet", "A recording and its part", {
    "record": TEXT("as in records"), "source": TEXT("as in records"), "patient": TEXT("as in records"),
    "fold": WHOLE("fold that it was dealt to", "1"),
    "part": TEXT("train, valid or test; null: in no part"),
})


class SplitInfo(Document):
    """How split.parquet came about, and what is known of its leaks."""

    NAME = "split"
    PLACE = "corpus/split/split.json"
    method: str
    """As in the study."""
    seed: int
    """Of the deal."""
    counts: dict[str, int]
    """Recordings a part."""
    left_out: int = 0
    """Recordings in no part: leave-source-out, known from the held-out source."""
    warnings: tuple[str, ...] = ()
    """In words: classes and sources without a positive, folds that are not used, what PREPARE noted."""
    audit: dict[str, Any]
    """Patient_overlap, duplicate_overlap: a count or "unknown"; by source."""
    corpus_digest: str
    """Of the corpus that was split."""
    others: dict[str, str] = {}
    """Digests of the same recordings prepared by further recipes, by recipe."""
    digest: str
    """Of split.parquet's rows: record, fold and part."""
    synthetic: bool
    """Any recording is synthetic."""
    digests: dict[str, str] = {}
    """Of split.parquet: SHA-256, 16 hex digits."""

    @property
    def train_records(self) -> int:
        """Recordings of the training part. Raises ContractError where there are none."""
        if self.counts.get("train", 0) < 1:
            raise ContractError("split.json counts no recording to train on", field="counts.train",
                                remedy="Deal the recordings again")
        return self.counts["train"]

    @staticmethod
    def digest_of(rows: pd.DataFrame) -> str:
        return digest(rows[["record", "fold", "part"]].to_numpy().tolist())


SPLIT_FILES = {"split.parquet": SPLIT.wrote, "split.json": SplitInfo.wrote}


def write_split(rows: pd.DataFrame, info: SplitInfo, folder: Path) -> None:
    """split.parquet and split.json. rows: SPLIT. Raises UserError where a foreign file stands, before either."""
    refuse_foreign(folder, SPLIT_FILES)
    SPLIT.write(rows.assign(synthetic=info.synthetic), folder / "split.parquet")
    kept = file_digests(folder, ["split.parquet"])
    info.model_copy(update={"digests": kept}).write(folder / "split.json")


def read_split(folder: Path) -> tuple[pd.DataFrame, SplitInfo]:
    """SPLIT and what is known of it. Raises ContractError where the rows are not those that split.json was made of."""
    info = SplitInfo.read(folder / "split.json")
    check_digests(folder, info.digests, "split.json", ["split.parquet"])
    rows = SPLIT.read(folder / "split.parquet")
    if SplitInfo.digest_of(rows) != info.digest:
        raise changed(folder / "split.parquet", "split.json")
    return rows, info


# ------------------------------------------------------------------------------- CARD: card.html, figures/ and tables

CLASS_COUNTS = Table("class-counts", 1, "corpus/card/counts.csv", "A source and class", {
    "source": TEXT("as in records"), "class": TEXT("class code"), "abbreviation": TEXT("of the class"),
    "name": TEXT("of the class"),
    "recordings": WHOLE("accepted recordings of the class", "recordings"),
    "published": WHOLE("those in the public release; null where the source is none of it", "recordings"),
})

SOURCE_COUNTS = Table("source-counts", 1, "corpus/card/sources.csv", "A source or site: found = accepted + rejected", {
    "source": TEXT("as in records"),
    "found": WHOLE("headers found", "recordings"),
    "accepted": WHOLE("found without a reason to reject them", "recordings"),
    "rejected": WHOLE("found with one", "recordings"),
    "published": WHOLE("in the public release; null where the source is none of it", "recordings"),
    "patients": WHOLE("different ones; null where no recording's patient is known", "patients"),
    "patient_unknown": WHOLE("whose patient is unknown", "recordings"),
    "rates": TEXT("sampling rates as recorded, in Hz"),
    "female": WHOLE("of women", "recordings"), "male": WHOLE("of men", "recordings"),
    "sex_unknown": WHOLE("without a known sex", "recordings"),
    "age_unknown": WHOLE("without a known age", "recordings"),
    "age_median": REAL("median age", "years"), "age_low": REAL("lowest age", "years"),
    "age_high": REAL("highest age", "years"),
    "seconds_median": REAL("median length", "s"), "seconds_low": REAL("shortest", "s"),
    "seconds_high": REAL("longest", "s"),
})
