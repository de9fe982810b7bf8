"""Recordings and their split: what PREPARE and SPLIT write."""

from __future__ import annotations

from typing import Any

from ecgscale.contracts.files import FLAG, REAL, TEXT, WHOLE, Document, Table

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
PARTS = ("train", "valid", "test")

# ------------------------------------------------------------------------------------- PREPARE: one folder a shard
# signals.npy   (samples, leads) records end to end, lead order as in shard.json, rate and scale of the recipe
# records.parquet, rejects.csv, shard.json

RECORDS = Table("records", 1, {
    "record": TEXT,         # "<source>/<path below the source folder, without ending>": unique in a corpus
    "source": TEXT,
    "patient": TEXT,        # null where unknown; "<source>/<id>" otherwise
    "offset": WHOLE,        # first row in signals.npy
    "length": WHOLE,        # rows in signals.npy
    "rate": REAL,           # Hz, as recorded
    "age": REAL,            # years, null where unknown
    "sex": TEXT,            # "female", "male" or null
    "flags": TEXT,          # reason codes that do not reject, joined by ";"
    "codes": TEXT,          # every diagnosis code of the header, joined by ";"
    "content": TEXT,        # digest of the samples as recorded: finds duplicates
    "synthetic": FLAG,
}, optional={"fold": WHOLE, "scale": REAL}, prefixes={"y_": FLAG})  # y_<class code>: label

REJECTS = Table("rejects", 1, {"record": TEXT, "source": TEXT, "reason": TEXT, "detail": TEXT})


class Shard(Document):
    """What stands beside signals.npy. accepted + rejected = found."""

    NAME = "shard"
    source: str
    shard: str                       # "2/5"
    found: int
    accepted: int
    rejected: int
    synthetic: bool
    recipe: dict[str, Any]           # name and every parameter
    recipe_digest: str
    rate: float                      # Hz, of signals.npy
    unit: str                        # of one signals.npy step: "z" (per-lead z-score) or "mV"
    dtype: str
    leads: tuple[str, ...] = LEADS
    classes: tuple[str, ...]         # class codes, the order of the y_ columns
    labels_digest: str
    digest: str                      # of signals, records and the two digests above
    versions: dict[str, str]
    example: str | None = None       # record whose first ten seconds example.npy holds, (samples, leads) mV as recorded


# ------------------------------------------------------------------------------------------------------------ SPLIT

SPLIT = Table("split", 1, {"record": TEXT, "source": TEXT, "patient": TEXT, "fold": WHOLE, "part": TEXT})


class SplitInfo(Document):
    """How split.parquet came about, and what is known of its leaks."""

    NAME = "split"
    method: str
    seed: int
    counts: dict[str, int]           # recordings a part
    left_out: int = 0                # recordings in no part: leave-source-out, known from the held-out source
    audit: dict[str, Any]            # patient_overlap, duplicate_overlap: a count or "unknown"; by source
    corpus_digest: str
    digest: str                      # of split.parquet's rows
    synthetic: bool


# ------------------------------------------------------------------------------- CARD: card.html, figures/ and tables

CLASS_COUNTS = Table("class-counts", 1, {   # counts.csv: one row a source and class
    "source": TEXT, "class": TEXT, "abbreviation": TEXT, "name": TEXT, "recordings": WHOLE,
    "published": WHOLE,     # in the public release; null where the source is none of it
})

SOURCE_COUNTS = Table("source-counts", 1, {     # sources.csv: one row a source; found = accepted + rejected
    "source": TEXT, "found": WHOLE, "accepted": WHOLE, "rejected": WHOLE,
    "published": WHOLE,     # as above
    "patients": WHOLE,      # null where no recording's patient is known
    "patient_unknown": WHOLE, "rates": TEXT, "female": WHOLE, "male": WHOLE, "sex_unknown": WHOLE,
    "age_unknown": WHOLE, "age_median": REAL, "age_low": REAL, "age_high": REAL,                # years
    "seconds_median": REAL, "seconds_low": REAL, "seconds_high": REAL,
})
