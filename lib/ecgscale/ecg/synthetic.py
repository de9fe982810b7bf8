"""A synthetic corpus as genuine PhysioNet-2021 records: eight source folders, their rates, lengths and habits.

    corpus/georgia/g1/E00001.hea, .mat     WFDB header and MATLAB v4 samples (16x1+24), as in the public release
    corpus/ptb-xl.patients.csv             record (path below the source folder, without ending), patient
    corpus/sheet.csv                       source, path, patients: the pipeline's sample sheet, paths relative to it

Every header says `Synthetic: yes` with generator and seed, so that whatever is made of these recordings says so too.

Sizes: at 50,000 recordings and more, sources and diagnoses have the shares of the public release
(assets/labels/physionet2021/prevalence.csv). Below, both are tempered by an exponent that falls with the logarithm of
the size to one half at 2,000 and less: sources by the square root of their size, diagnoses within a source by the
square root of their share at an unchanged number of labels a recording. So a small corpus still holds the rare ones.

One random stream a recording and one a patient, named by seed, source and number: the bytes do not depend on the
number of processes.
"""

from __future__ import annotations

import csv
import math
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from ecgscale.contracts import LEADS, whole_folder, write_text
from ecgscale.contracts.labels import PHYSIONET_2021, read_label_set
from ecgscale.ecg.synthetic_diagnoses import UNSCORED, draw_body, draw_diagnoses, heart_with
from ecgscale.ecg.synthetic_heart import leads
from ecgscale.errors import UserError
from ecgscale.machine.processes import fresh_pool

GENERATOR = "ecgscale.synthetic/1"     # raise it when the same seed gives other bytes
HOLTER_SECONDS = 60.0


@dataclass(frozen=True)
class Source:
    """One source of the public release: how many, how it records, and how it writes its headers."""

    folder: str
    published: int                 # recordings
    prefix: str
    digits: int
    rate: int                      # Hz
    seconds: tuple[float, float]   # shortest, longest
    patients: int | None           # published number; None: one recording each, as far as is known
    mains: float = 50.0            # Hz
    unit: str = "mV"
    gain: str = "1000.0(0)"
    comment: str = "# {key}: {value}"
    dx_first: bool = False
    first: int = 1                 # number of the first record
    deep: bool = False             # 01/010 instead of g1
    normal_alone: bool = False     # sinus rhythm means nothing else was found


SOURCES = {source.folder: source for source in (
    Source("cpsc_2018", 6877, "A", 4, 500, (6, 60), None, gain="1000", comment="#{key}: {value}", normal_alone=True),
    Source("cpsc_2018_extra", 3453, "Q", 4, 500, (8, 60), None, gain="1000", comment="#{key}: {value}"),
    Source("st_petersburg_incart", 74, "I", 4, 257, (HOLTER_SECONDS, HOLTER_SECONDS), 32, dx_first=True),
    Source("ptb", 516, "S", 4, 1000, (10, 20), 268, gain="1000"),
    Source("ptb-xl", 21837, "HR", 5, 500, (10, 10), 18885, unit="mv"),
    Source("georgia", 10344, "E", 5, 500, (5, 10), None, mains=60.0),
    Source("chapman_shaoxing", 10247, "JS", 5, 500, (10, 10), None),
    Source("ningbo", 34905, "JS", 5, 500, (10, 10), None, first=10647, deep=True),
)}


@dataclass(frozen=True)
class Planned:
    """One recording to be made."""

    source: str
    number: int                    # place within its source
    path: str                      # below the source folder, without ending
    patient: int                   # number within the source
    diagnoses: tuple[str, ...]
    history: frozenset[str]        # diagnoses of all recordings of the patient
    codes: tuple[str, ...]
    seconds: float


def write_corpus(out: Path, count: int, seed: int, difficulty: float = 0.5, sources: list[str] | None = None,
                 cpus: int = 1, holter_seconds: float = HOLTER_SECONDS) -> dict[str, int]:
    """Write a corpus of `count` recordings below `out` and give the recordings of each source.

    difficulty 0 (no hum, faint noise, textbook signs) to 1 (heavy noise, signs near their threshold).
    Raises UserError for a number out of range, an unknown source, a folder that is in use, or too little space.
    """
    if not 0 <= difficulty <= 1:
        raise UserError(f"{difficulty} is not a number from 0 to 1", field="difficulty")
    if seed < 0:
        raise UserError(f"{seed} is not 0 or above", field="seed")
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise UserError("is not an empty folder", file=out, remedy="Name a new folder: nothing is overwritten")
    planned = plan(count, seed, sources, holter_seconds)
    needed = sum(one.seconds * SOURCES[one.source].rate * 2 * len(LEADS) for one in planned)
    parent = next(folder for folder in out.absolute().parents if folder.exists())
    if needed > 0.95 * shutil.disk_usage(parent).free:
        raise UserError(f"{needed / 1e9:.1f} GB are needed, more than the disk has free", file=parent)
    with whole_folder(out, {}) as folder:
        for part in sorted({(one.source, str(Path(one.path).parent)) for one in planned}):
            folder.joinpath(*part).mkdir(parents=True)
        chunks = [planned[i:i + 64] for i in range(0, len(planned), 64)]
        work = partial(write_chunk, folder=folder, seed=seed, difficulty=difficulty)
        report_progress(in_parallel(work, chunks, cpus), len(planned))
        write_tables(folder, planned)
    return {name: sum(one.source == name for one in planned) for name in SOURCES}


def in_parallel(work, chunks: list, cpus: int) -> Iterator[int]:
    if cpus == 1 or len(chunks) == 1:
        yield from map(work, chunks)
        return
    with fresh_pool("synthesizing", min(cpus, len(chunks)), threads=1) as pool:
        yield from pool.map(work, chunks)


def report_progress(done: Iterator[int], total: int) -> None:
    started, said, made = time.monotonic(), time.monotonic(), 0
    for count in done:
        made += count
        if time.monotonic() - said > 5:
            said = time.monotonic()
            print(f"{made} of {total} recordings, {made / (said - started):.0f} a second", file=sys.stderr)


def balance(count: int) -> float:
    """Exponent of the published shares: 1/2 up to 2,000 recordings, 1 from 50,000, by the logarithm between."""
    return 0.5 + 0.5 * min(1.0, max(0.0, math.log(max(count, 1) / 2_000) / math.log(50_000 / 2_000)))


def plan(count: int, seed: int, sources: list[str] | None = None,
         holter_seconds: float = HOLTER_SECONDS) -> list[Planned]:
    """What will be written, in order of source and number."""
    unknown = sorted(set(sources or ()) - set(SOURCES))
    if unknown:
        raise UserError(f"no source {unknown[0]!r}", field="--sources", remedy=f"Choose among {', '.join(SOURCES)}")
    chosen = [source for name, source in SOURCES.items() if not sources or name in sources]
    published = published_counts()
    planned = []
    for source, size in zip(chosen, share(count, [one.published ** balance(count) for one in chosen]), strict=True):
        rng = np.random.default_rng([seed, list(SOURCES).index(source.folder)])
        shares = {name: sum(codes.values()) / source.published for name, codes in published[source.folder].items()}
        raised = {name: part ** balance(count) for name, part in shares.items()}
        keep = sum(shares.values()) / max(sum(raised.values()), 1e-12)
        diagnoses = draw_diagnoses({name: size * keep * part for name, part in raised.items()}, size,
                                   source.normal_alone, rng)
        patients = draw_patients(diagnoses, source, rng)
        history: dict[int, set[str]] = {}
        for found, patient in zip(diagnoses, patients, strict=True):
            history.setdefault(patient, set()).update(found)
        for number, (found, patient) in enumerate(zip(diagnoses, patients, strict=True)):
            codes = tuple(code_of(name, published[source.folder], rng) for name in found)
            seconds = draw_seconds(source, holter_seconds, rng)
            planned.append(Planned(source.folder, number, path_of(source, number), patient, found,
                                   frozenset(history[patient]), codes, seconds))
    return planned


def share(count: int, weights: list[float]) -> list[int]:
    """Whole numbers in proportion to the weights that add up to `count` (largest remainders); one each if it goes."""
    exact = np.array(weights) / sum(weights) * count
    parts = np.maximum(np.floor(exact), 1 if count >= len(weights) else 0).astype(int)
    while parts.sum() != count:
        step = 1 if parts.sum() < count else -1
        parts[np.argmax(step * (exact - parts))] += step
    return parts.tolist()


def published_counts() -> dict[str, dict[str, dict[str, int]]]:
    """source -> class abbreviation -> diagnosis code -> recordings in the public release."""
    counts: dict[str, dict[str, dict[str, int]]] = {name: {} for name in SOURCES}
    labels = read_label_set()
    names = dict(zip(labels.codes, labels.abbreviations, strict=True))
    with open(PHYSIONET_2021 / "prevalence.csv", newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            for source in SOURCES:
                if int(row[source]):
                    counts[source].setdefault(names[row["code"]], {})[row["snomed"]] = int(row[source])
    return counts


def code_of(name: str, published: dict[str, dict[str, int]], rng: np.random.Generator) -> str:
    """The SNOMED CT code of a diagnosis: where two count as one class, as often as this source uses each."""
    if name in UNSCORED:
        return UNSCORED[name]
    codes, counts = list(published[name]), np.cumsum(list(published[name].values()))
    return codes[int(np.searchsorted(counts, rng.random() * counts[-1], side="right"))]


def draw_patients(diagnoses: list[tuple[str, ...]], source: Source, rng: np.random.Generator) -> list[int]:
    """Patient number of each recording. Recordings of one patient share what lasts: blocks, axis, pacing."""
    count = len(diagnoses)
    if source.patients is None:
        return list(range(count))
    lasting = ("PR", "AF", "LBBB", "RBBB", "LAnFB", "LAD", "RAD", "QAb")
    tie = rng.random(count)
    order = sorted(range(count), key=lambda i: (*(name not in diagnoses[i] for name in lasting), tie[i]))
    extra = source.published / source.patients - 1           # further recordings a patient: geometric with this mean
    patients, number, left = [0] * count, -1, 0
    for i in order:
        if left == 0:
            number, left = number + 1, int(rng.geometric(1 / (1 + extra)))
        patients[i], left = number, left - 1
    return patients


def draw_seconds(source: Source, holter_seconds: float, rng: np.random.Generator) -> float:
    low, high = source.seconds
    if source.folder == "st_petersburg_incart":
        return holter_seconds
    if source.folder.startswith("cpsc"):
        return round(float(np.clip(rng.lognormal(np.log(12), 0.4), low, high)), 1)
    if source.folder == "georgia":
        return float(high) if rng.random() < 0.95 else float(rng.integers(low, high))
    return round(float(rng.uniform(low, high)), 1)


def path_of(source: Source, number: int) -> str:
    name = f"{source.prefix}{source.first + number:0{source.digits}d}"
    folder = f"{number // 1000 + 1:02d}/{number // 100 + 1:03d}" if source.deep else f"g{number // 1000 + 1}"
    return f"{folder}/{name}"


def write_chunk(planned: list[Planned], folder: Path, seed: int, difficulty: float) -> int:
    for one in planned:
        write_record(folder / one.source / one.path, *make(one, seed, difficulty), SOURCES[one.source], one.codes, seed)
    return len(planned)


def make(one: Planned, seed: int, difficulty: float) -> tuple[np.ndarray, dict[str, str]]:
    """Samples (lead, time) int16 in uV, and age and sex as a header writes them."""
    source = SOURCES[one.source]
    place = list(SOURCES).index(one.source)
    body = draw_body(one.history, np.random.default_rng([seed, place, 1, one.patient]))
    rng = np.random.default_rng([seed, place, 2, one.number])
    heart = heart_with(one.diagnoses, body, difficulty, rng)
    samples = leads(heart, one.seconds, source.rate, difficulty, source.mains, rng)
    unknown = rng.random(2) < 0.01
    age, sex = "NaN" if unknown[0] else str(body.age), "Unknown" if unknown[1] else body.sex.title()
    return samples, {"Age": age, "Sex": sex}


def write_record(path: Path, samples: np.ndarray, person: dict[str, str], source: Source, codes: tuple[str, ...],
                 seed: int) -> None:
    """One WFDB record: `path`.hea and `path`.mat, MATLAB v4 with one int16 matrix `val` (lead, time)."""
    count, length = samples.shape
    header = np.array([30, count, length, 0, 4], dtype="<i4").tobytes() + b"val\0"      # 30: int16, little endian
    stored = np.ascontiguousarray(samples.T, dtype="<i2")                               # column-major (lead, time)
    path.with_suffix(".mat").write_bytes(header + stored.tobytes())
    sums = samples.sum(axis=1, dtype=np.int64)
    checksums = ((sums + 32768) % 65536 - 32768).tolist()
    lines = [f"{path.name} {count} {source.rate} {length}"]
    lines += [f"{path.name}.mat 16x1+24 {source.gain}/{source.unit} 16 0 {first} {checksum} 0 {lead}"
              for lead, first, checksum in zip(LEADS, samples[:, 0].tolist(), checksums, strict=True)]
    dx = {"Dx": ",".join(codes)}
    told = {**dx, **person} if source.dx_first else {**person, **dx}
    told |= {"Rx": "Unknown", "Hx": "Unknown", "Sx": "Unknown",
             "Synthetic": "yes", "Generator": f"{GENERATOR} seed {seed}"}
    lines += [source.comment.format(key=key, value=value) for key, value in told.items()]
    path.with_suffix(".hea").write_text("\n".join(lines) + "\n", encoding="ascii")


def write_tables(folder: Path, planned: list[Planned]) -> None:
    """sheet.csv, and a patients table for each source that has several recordings of one patient."""
    rows = ["source,path,patients"]
    for name, source in SOURCES.items():
        made = [one for one in planned if one.source == name]
        if not made:
            continue
        table = f"{name}.patients.csv" if source.patients else ""
        rows.append(f"{name},{name},{table}")
        if table:
            lines = [f"{one.path},{source.prefix}P{one.patient + 1:05d}" for one in made]
            write_text(folder / table, "record,patient\n" + "\n".join(lines) + "\n")
    write_text(folder / "sheet.csv", "\n".join(rows) + "\n")
