"""One shard of a source: every recording read, guarded, filtered and appended to one memory-mappable file.

A source is any folder of WFDB records. A private one of the Challenge's layout, as the University of Michigan's that
was never released, is a source like the others: give it a name and, where patients are known, their table.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from ecgscale.contracts import LEADS, RECORDS, REJECTS, Shard, digest, file_digests, whole_folder, write_array
from ecgscale.contracts.labels import LabelSet
from ecgscale.contracts.written import as_whole, is_missing
from ecgscale.ecg import guards
from ecgscale.ecg.corpus import EXAMPLE_SECONDS, mark_duplicates
from ecgscale.ecg.datasets import Dataset, open_dataset
from ecgscale.ecg.facts import NOTHING, Facts, FactTable
from ecgscale.ecg.guards import Rejected
from ecgscale.ecg.leads import brought
from ecgscale.ecg.meaning import unmatched_codes, unusual
from ecgscale.ecg.normalize import half, rows_sum
from ecgscale.ecg.people import NAME, age_of, sex_of
from ecgscale.ecg.recipe import Recipe, prepare_scaled
from ecgscale.ecg.wfdb_record import Recording
from ecgscale.errors import UserError
from ecgscale.machine import provenance

SHARD_FILES = {"shard.json": Shard.wrote, "records.parquet": RECORDS.wrote, "rejects.csv": REJECTS.wrote,
               "signals.npy": None, "example.npy": None}
SECONDS_BETWEEN_LINES = 10.0


def parse_shard(text: str) -> tuple[int, int]:
    """"2/5" -> (2, 5)."""
    found = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise UserError(f"{text[:80]!r} is not a shard", field="--shard", remedy="Write it as 2/5: the second of five")
    return int(found[1]), int(found[2])


@contextmanager
def growing_array(path: Path, leads: int = len(LEADS)) -> Iterator[SignalWriter]:
    """A .npy file that grows by rows: nothing is collected in memory."""
    with open(path, "wb") as stream:
        writer = SignalWriter(stream, leads)
        yield writer
        writer.finish()


class SignalWriter:
    """Appends (samples, leads) blocks; numpy leaves room in the header for the rows that are known at the end.

    `sum` tells two files apart, at a tenth of the time of a cryptographic digest.
    """

    def __init__(self, stream, leads: int):
        self.stream, self.leads, self.rows, self.sum = stream, leads, 0, 0
        self.write_header()

    def write_header(self) -> None:
        description = {"descr": "<f2", "fortran_order": False, "shape": (self.rows, self.leads)}
        np.lib.format.write_array_header_1_0(self.stream, description)

    def append(self, block: np.ndarray) -> None:
        stored = half(block)
        self.stream.write(stored.data)
        self.sum = (self.sum + rows_sum(stored, self.rows)) % 2**64
        self.rows += len(block)

    def finish(self) -> None:
        self.stream.seek(0)
        self.write_header()


class Example(NamedTuple):
    """A recording to draw: its first seconds, (samples, leads) millivolts as recorded."""

    record: str
    flags: str
    millivolts: np.ndarray


def prepare_shard(folder: Path, source: str, shard: str, recipe: Recipe, labels: LabelSet, out: Path,
                  max_rejected: float, dataset: Dataset | None = None, tables: Sequence[FactTable] = (),
                  max_unmatched: float = 1.0, leads: tuple[str, ...] = LEADS) -> Shard:
    """Write signals.npy, records.parquet, rejects.csv, example.npy and shard.json of `places[k-1::n]` into `out`.

    Raises UserError when there is no recording at all, when more than `max_rejected` of the recordings are rejected, or
    when more than `max_unmatched` of the rows of one of the user's tables name none.
    """
    number, of = parse_shard(shard)
    if not NAME.fullmatch(source):
        raise UserError(f"{source!r} is not a name", field="--source", remedy="Letters, digits, '_', '.', '-' only")
    dataset = dataset or open_dataset(folder)
    notes = [*labels.notes, *dataset.notes, *dataset.facts.match(dataset.places, folder),
             *(note for table in tables for note in table.match(dataset.places, folder, max_unmatched))]
    places, told = dataset.places[number - 1 :: of], Told(dataset, (*tables, dataset.facts), labels, leads)
    with whole_folder(out, SHARD_FILES) as temporary:
        temporary.mkdir()
        with growing_array(temporary / "signals.npy", len(leads)) as signals:
            rows, rejects, units, example = prepare_places(places, source, recipe, signals, told)
        check_share(rejects, len(places), max_rejected, folder)
        records = mark_duplicates(as_frame(rows, labels, told.has_folds))
        if recipe.unit != "mV":
            records[[f"mv_{lead}" for lead in leads]] = np.reshape(units, (len(rows), len(leads)))
        spoken = [*(notes if number == 1 else ()),      # each shard finds the same
                  *unusual(records), *unmatched_codes(records, labels)]
        RECORDS.write(records, temporary / "records.parquet")
        refused = pd.DataFrame(rejects, columns=list(REJECTS.columns))
        REJECTS.write(refused.assign(synthetic=bool(records["synthetic"].any())), temporary / "rejects.csv")
        if example:
            write_array(temporary / "example.npy", example.millivolts)
        identity = [signals.sum, recipe.digest, labels.digest, *labels.translation.items(), *map(digest, rows)]
        made = Shard(
            source=source, shard=shard, found=len(places), accepted=len(rows), rejected=len(rejects),
            synthetic=bool(records["synthetic"].any()), recipe=recipe.parameters(), recipe_digest=recipe.digest,
            rate=recipe.rate, unit=recipe.unit, dtype="float16", leads=leads, classes=labels.codes,
            abbreviations=labels.abbreviations,
            labels_digest=labels.digest, digest=digest(identity), signals_sum=f"{signals.sum:016x}",
            digests=file_digests(temporary, ("records.parquet", "rejects.csv", "example.npy")),
            versions=provenance.versions(), example=example and example.record, licence=dataset.licence,
            notes=tuple(spoken))
        made.write(temporary / "shard.json")
    for note in spoken:
        print(f"{source}: {note}", file=sys.stderr)
    return made


class Told(NamedTuple):
    """Who says what of a recording, what its codes mean, and which leads are taken."""

    dataset: Dataset
    tables: tuple[FactTable, ...]       # one goes before the next
    labels: LabelSet
    leads: tuple[str, ...] = LEADS

    @property
    def has_folds(self) -> bool:
        return any(table.has_folds for table in self.tables)

    def of(self, place: str) -> Facts:
        facts = NOTHING
        for table in self.tables:
            facts = facts.before(table.of(place))
        return facts


def prepare_places(places: list[str], source: str, recipe: Recipe, signals: SignalWriter, told: Told
                   ) -> tuple[list[dict], list[dict], list[np.ndarray], Example | None]:
    """Rows of records.parquet and of rejects.csv, every place in one of them; of each accepted one the millivolts of a
    lead's unit; the first accepted without a flag."""
    rows, rejects, units, example = [], [], [], None
    started = spoken = time.monotonic()
    for count, place in enumerate(places, 1):
        facts = told.of(place)
        named = {"record": f"{source}/{os.fsencode(place).decode('utf-8', 'backslashreplace')}",
                 "source": f"{source}/{facts.site}" if facts.site else source}
        try:
            recording = told.dataset.read(place)
            flags = inspect(recording)
            millivolts = brought(recording.millivolts(), recording.leads, told.leads)
            prepared, unit = prepare_scaled(millivolts, recording.rate, recipe)
        except (Rejected, UserError, OSError) as error:     # OSError: a disk that does not give what it lists
            error = error if isinstance(error, Rejected) else Rejected("unreadable", told_by(error))
            rejects.append(named | {"reason": error.reason, "detail": error.detail})
        else:
            fold = {"fold": facts.fold} if told.has_folds else {}
            rows.append(named | {"patient": f"{source}/{facts.patient}" if facts.patient else None,
                                 "offset": signals.rows, "length": len(prepared)}
                        | describe(recording, flags, told.labels,
                                     facts.before(told.dataset.header(recording.comments))) | fold)
            units.append(unit)
            signals.append(prepared)
            if example is None or (example.flags and not rows[-1]["flags"]):
                seconds = millivolts[: round(EXAMPLE_SECONDS * recording.rate)].astype(np.float32)
                example = Example(rows[-1]["record"], rows[-1]["flags"], seconds)
        if time.monotonic() - spoken > SECONDS_BETWEEN_LINES:
            spoken = time.monotonic()
            print(f"{source}: {count} of {len(places)} recordings, {count / (spoken - started):.0f} a second, "
                  f"{len(rejects)} rejected", file=sys.stderr, flush=True)
    return rows, rejects, units, example


def told_by(error: UserError | OSError) -> str:
    """What a reader or the system says, without the path, which the record's name tells."""
    return error.problem[:200] if isinstance(error, UserError) else f"{error.strerror or error}"


def as_frame(rows: list[dict], labels: LabelSet, has_folds: bool) -> pd.DataFrame:
    """RECORDS with a label column for each class, and the user's folds where there are any."""
    marks = np.array([labels.encode(row["codes"].split(";")) for row in rows]).reshape(len(rows), len(labels.codes))
    marks = pd.DataFrame(marks, columns=[f"y_{code}" for code in labels.codes])
    frame = pd.DataFrame(rows, columns=[*RECORDS.columns, *(["fold"] if has_folds else [])])
    if has_folds:
        frame["fold"] = frame["fold"].astype("Int64")
    return pd.concat([frame, marks], axis=1)


def inspect(recording: Recording) -> set[str]:
    """Every guard on the samples. Gives flags, raises Rejected."""
    rows = np.ascontiguousarray(recording.digital.T)
    seen = guards.scan(rows, recording.rate)
    for lead, (name, total, first) in enumerate(recording.sums):
        guards.check_sums(name, int(seen.total[lead]), int(rows[lead, 0]), total, first)
    guards.check_invalid(rows, seen, recording.invalid, recording.leads)
    flags = (recording.flags | guards.check_amplitude(seen, recording.gain, recording.factor, recording.leads)
             | guards.check_shape(seen, recording.rate, rows.shape[1]))
    if recording.leads[:6] == LEADS[:6]:
        flags |= guards.check_limb_leads(rows, seen, recording.gain, recording.baseline, recording.factor)
    return flags


def describe(recording: Recording, flags: set[str], labels: LabelSet, facts: Facts = NOTHING) -> dict:
    """What tables and header say of the person and the diagnoses, and the digest of the samples as stored."""
    comments = recording.comments
    given = [as_whole(code) for code in facts.codes or () if not is_missing(code)]
    codes, (age, remark) = list(dict.fromkeys(given)), age_of(facts.age or "")
    flags = {*flags, remark} - {""}
    if not codes:
        flags.add("no-diagnosis")
    if not labels.encode(codes).any():
        flags.add("no-scored-label")
    if len(codes) < len(given):
        flags.add("repeated-code")
    if not all(map(labels.knows, codes)):
        flags.add("unknown-code")
    return {
        "rate": recording.rate, "age": age, "sex": sex_of(facts.sex or ""),
        "flags": ";".join(sorted(flags)), "codes": ";".join(codes), "content": content_digest(recording.digital),
        "synthetic": comments.get("synthetic", "").casefold() == "yes"}


def content_digest(digital: np.ndarray) -> str:
    """SHA-256 of the samples in the standard lead order, 16 hex digits; the same whatever format stored them."""
    if digital.dtype != np.int16 and np.abs(digital).max(initial=0) < 1 << 15:
        digital = digital.astype(np.int16)
    return hashlib.sha256(digital.data).hexdigest()[:16]


def check_share(rejects: list[dict], found: int, limit: float, folder: Path) -> None:
    if len(rejects) <= limit * found:
        return
    reasons = Counter(reject["reason"] for reject in rejects)
    told = "; ".join(f"{count} x {reason} ({guards.REASONS[reason]})" for reason, count in reasons.most_common(3))
    first = rejects[0]
    raise UserError(
        f"{len(rejects)} of {found} recordings are rejected, more than data.max_rejected = {limit:g}: {told}; "
        f"for example {first['record']}: {first['detail']}", file=folder, field="data.max_rejected",
        remedy="Mend the recordings, or raise the limit in the study file")
