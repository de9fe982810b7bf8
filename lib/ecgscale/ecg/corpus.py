"""Several shards as one corpus: the records as a table, the signals as memory-mapped views. numpy only."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ecgscale.contracts import RECORDS, REJECTS, Shard, changed, check_digests, concatenated_digest, read_array
from ecgscale.ecg.guards import FLAGS, HIGHEST_RATE, LOWEST_RATE, REASONS
from ecgscale.ecg.normalize import rows_sum
from ecgscale.ecg.people import OLDEST
from ecgscale.errors import UserError

ROWS_AT_ONCE = 1 << 20      # of signals.npy: 24 MiB
EXAMPLE_SECONDS = 10        # of example.npy
SEXES = ("female", "male")
# of RECORDS, besides the classes
NEVER_NULL = ("record", "source", "offset", "length", "rate", "flags", "codes", "content", "synthetic")


class Corpus:
    """Records sorted by name. Only paths travel to another process; each maps the files for itself."""

    def __init__(self, folders: list[Path], shards: list[Shard], records: pd.DataFrame):
        self.folders, self.shards, self.records = folders, shards, records
        first = shards[0]
        self.classes, self.leads, self.rate, self.unit = first.classes, first.leads, first.rate, first.unit
        self.abbreviations = first.abbreviations or first.classes
        self.recipe, self.recipe_digest, self.labels_digest = first.recipe, first.recipe_digest, first.labels_digest
        self.synthetic = any(shard.synthetic for shard in shards)
        self.digest = concatenated_digest(shard.digest for shard in shards)
        self.labels = records[[f"y_{code}" for code in self.classes]].to_numpy(dtype=bool)      # (record, class)
        self.places = records[["shard", "offset", "length"]].to_numpy()
        self.maps: dict[int, np.ndarray] = {}

    @classmethod
    def open(cls, folders: Iterable[Path | str]) -> Corpus:
        """Open shard folders as PREPARE writes them. Raises UserError where they do not belong together."""
        folders = sorted((Path(folder) for folder in folders), key=lambda folder: folder.name)
        if not folders:
            raise UserError("no shard folder given", field="corpus")
        shards = [Shard.read(folder / "shard.json") for folder in folders]
        pairs = sorted(zip(shards, folders, strict=True), key=lambda pair: (pair[0].source, shard_place(pair[0].shard)))
        shards, folders = [shard for shard, _ in pairs], [folder for _, folder in pairs]
        for folder, shard in zip(folders, shards, strict=True):
            for name in ("recipe_digest", "classes", "leads", "labels_digest", "dtype"):
                if getattr(shard, name) != getattr(shards[0], name):
                    raise UserError(f"differs from that of {folders[0]}", file=folder / "shard.json", field=name,
                                    remedy="Prepare all shards with one study file and one label set")
        for folder, shard in zip(folders, shards, strict=True):
            check_digests(folder, shard.digests, "shard.json", ["records.parquet"])
        tables = [RECORDS.read(folder / "records.parquet").assign(shard=place) for place, folder in enumerate(folders)]
        for folder, shard, table in zip(folders, shards, tables, strict=True):
            check_rows(table, shard, folder / "records.parquet")
            if shard.example is not None and not table["record"].eq(shard.example).any():
                raise UserError(f"record {shard.example!r} is not in records.parquet beside it",
                                file=folder / "shard.json", field="example", remedy="Prepare this shard again")
        filled = [table for table in tables if len(table)] or tables[:1]
        records = pd.concat(filled, ignore_index=True).sort_values("record", ignore_index=True)
        if records["record"].duplicated().any():
            twice = records.loc[records["record"].duplicated(), "record"].iloc[0]
            raise UserError(f"record {twice!r} stands in two shards", field="corpus",
                            remedy="Give every shard once, and every source its own name")
        return cls(folders, shards, mark_duplicates(records))

    @classmethod
    def open_all(cls, folders: Iterable[Path | str], digest: str = "") -> tuple[Corpus, ...]:
        """One corpus a recipe, of shards that a study prepared by several; that of this digest comes first.

        Raises UserError as `open` does.
        """
        by_recipe: dict[str, list[Path]] = {}
        for folder in map(Path, folders):
            by_recipe.setdefault(Shard.read(folder / "shard.json").recipe["name"], []).append(folder)
        if not by_recipe:
            raise UserError("no shard folder given", field="corpus")
        return tuple(sorted(map(cls.open, by_recipe.values()), key=lambda corpus: corpus.digest != digest))

    def lacking(self) -> list[tuple[str, str]]:
        """Each source of which shards are missing, by what the shards say of themselves, and how many, in words."""
        found = []
        for source in dict.fromkeys(shard.source for shard in self.shards):
            places = {shard_place(shard.shard) for shard in self.shards if shard.source == source}
            wanted = sorted({of for _, of in places})
            if len(places) < wanted[-1] or len(wanted) > 1:
                found.append((source, f"{len(places)} of {' or '.join(map(str, wanted))} shards are here: counts are "
                                      "of these alone"))
        return found

    def checked(self) -> Corpus:
        """This corpus, every signal of it read once and found to be what PREPARE wrote. Raises UserError.

        Of a shard without sum: found to be finite.
        """
        for place, (folder, shard) in enumerate(zip(self.folders, self.shards, strict=True)):
            if shard.signals_sum is None:
                print(f"{folder}: keeps no sum of its signals, as shards of earlier versions: not checked",
                      file=sys.stderr, flush=True)
                if not is_finite(self.map(place)):
                    raise UserError("holds what is no finite number", file=folder / "signals.npy",
                                    remedy="Prepare this shard again")
            elif f"{sum_of(self.map(place)):016x}" != shard.signals_sum:
                raise changed(folder / "signals.npy", "shard.json")
        return self

    def close(self) -> None:
        """Let go of the files, whose pages count as this process's memory; the next signal maps its own again."""
        self.maps.clear()

    def __len__(self) -> int:
        return len(self.records)

    def __getstate__(self) -> dict:
        return self.__dict__ | {"maps": {}}     # a memory map would be pickled with everything in it

    def signal(self, index: int) -> np.ndarray:
        """(samples, leads) view of record `index` in the file, of the shards' dtype, in `unit`."""
        return self.signals([index])[0]

    def signals(self, indices: Sequence[int] | np.ndarray) -> list[np.ndarray]:
        """`signal` of several records: a third of the time of as many calls."""
        views = []
        for shard, offset, length in self.places[indices].tolist():
            if shard not in self.maps:
                self.maps[shard] = self.map(shard)
            views.append(self.maps[shard][offset : offset + length])
        return views

    def units(self, index: int) -> np.ndarray | None:
        """(leads,) millivolts of one unit of the signals of record `index`; None where its shard does not tell."""
        if self.unit == "mV":
            return np.ones(len(self.leads))
        columns = [f"mv_{lead}" for lead in self.leads]
        if any(name not in self.records for name in columns):
            return None
        values = self.records.loc[index, columns].to_numpy(float)
        return values if np.isfinite(values).all() else None

    def map(self, shard: int) -> np.ndarray:
        file = self.folders[shard] / "signals.npy"
        array = read_array(file)
        needed = int(self.records.loc[self.records["shard"] == shard, "length"].sum())
        if array.shape != (needed, len(self.leads)) or array.dtype != self.shards[shard].dtype:
            raise UserError(f"{array.dtype} of shape {array.shape}, not {self.shards[shard].dtype} of shape "
                            f"{(needed, len(self.leads))}", file=file, remedy="Prepare this shard again")
        return np.asarray(array)    # slices of a np.memmap take four times as long as those of a plain view of it

    def positions(self, records: Sequence[str]) -> np.ndarray:
        """Where these records stand. Raises UserError naming one that is not here."""
        positions = pd.Index(self.records["record"]).get_indexer(pd.Index(records))
        if (positions < 0).any():
            name = list(records)[int(np.argmax(positions < 0))]
            raise UserError(f"record {name!r} is not in this corpus", field="record",
                            remedy="Use the split that was made of this corpus")
        return positions


def check_rows(records: pd.DataFrame, shard: Shard, file: Path) -> None:
    """Raises UserError where rows or a class's column are missing, a recording lacks what each has ("" are codes and
    flags), is of another source, has a rate or an age that none is accepted with or a sex or flag that is none of ours,
    or the recordings do not lie in signals.npy end to end."""
    if len(records) != shard.accepted:
        raise UserError(f"{len(records)} recordings, and shard.json beside it has accepted {shard.accepted}", file=file,
                        remedy="Prepare this shard again")
    told = [*NEVER_NULL, *(name for name in records if name.startswith("y_"))]
    nameless = next((name for name in told if records[name].isna().any()), None)
    if nameless:
        raise UserError(f"a recording has no {nameless}", file=file, field=nameless, remedy="Prepare this shard again")
    check_source(records, shard, file)
    if not records["rate"].between(LOWEST_RATE, HIGHEST_RATE).all():
        raise UserError(f"a rate is not from {LOWEST_RATE:g} to {HIGHEST_RATE:g} Hz", file=file, field="rate",
                        remedy="Prepare this shard again")
    if not (records["sex"].isna() | records["sex"].isin(SEXES)).all():
        raise UserError(f"is not {' or '.join(SEXES)}", file=file, field="sex", remedy="Prepare this shard again")
    if not (records["age"].isna() | records["age"].between(0, OLDEST)).all():
        raise UserError(f"an age is not from 0 to {OLDEST:g} years", file=file, field="age",
                        remedy="Prepare this shard again")
    unknown = {flag for flags in records["flags"].unique() for flag in flags.split(";")} - {"", *FLAGS}
    if unknown:
        raise UserError(f"{min(unknown)!r} is no flag", file=file, field="flags", remedy="Prepare this shard again")
    lacking = [f"y_{code}" for code in shard.classes if f"y_{code}" not in records]
    rows = records.sort_values("offset")
    gap = (rows["length"] <= 0) | (rows["offset"] != rows["length"].cumsum() - rows["length"])
    if lacking or gap.any():
        raise UserError("is missing, though shard.json beside it names the class" if lacking else
                        f"record {rows.loc[gap, 'record'].iloc[0]!r} does not begin where the one before it ends",
                        file=file, field=lacking[0] if lacking else "offset", remedy="Prepare this shard again")


def check_source(rows: pd.DataFrame, shard: Shard, file: Path) -> None:
    """Raises UserError where a recording, accepted or not, is of another source than its shard: a file of another shard
    that was put in its place, or columns that were exchanged."""
    for name in ("source", "record"):
        own = rows[name].astype(str).str.startswith(f"{shard.source}/")
        if name == "source":        # or one of its sites
            own |= rows[name].eq(shard.source)
        if not own.all():
            raise UserError(f"{rows.loc[~own, name].iloc[0]!r} is not of the source {shard.source!r}, which shard.json "
                            "beside it has", file=file, field=name, remedy="Prepare this shard again")


def read_rejects(folder: Path, shard: Shard) -> pd.DataFrame:
    """REJECTS of a shard. Raises UserError where they are more or fewer than it says, of another source, or have a
    reason that is none of ours."""
    file = folder / "rejects.csv"
    check_digests(folder, shard.digests, "shard.json", [file.name])
    rejects = REJECTS.read(file)
    if len(rejects) != shard.rejected:
        raise UserError(f"{len(rejects)} recordings, and shard.json beside it has rejected {shard.rejected}",
                        file=file, remedy="Prepare this shard again")
    check_source(rejects, shard, file)
    known = rejects["reason"].isin(REASONS)
    if not known.all():
        raise UserError(f"{rejects.loc[~known, 'reason'].iloc[0]!r} is no reason to reject a recording", file=file,
                        field="reason", remedy="Prepare this shard again")
    return rejects


def sum_of(signals: np.ndarray) -> int:
    """`rows_sum` of (samples, leads) float16, a stretch after the other."""
    return sum(rows_sum(signals[first : first + ROWS_AT_ONCE], first)
               for first in range(0, len(signals), ROWS_AT_ONCE)) % 2**64


def is_finite(signals: np.ndarray) -> bool:
    """Of (samples, leads), a stretch after the other."""
    return all(np.isfinite(signals[first : first + ROWS_AT_ONCE]).all()
               for first in range(0, len(signals), ROWS_AT_ONCE))


def mark_duplicates(records: pd.DataFrame) -> pd.DataFrame:
    """RECORDS with the flag `duplicate-content` on every recording whose samples another one holds too."""
    twins = records["content"].duplicated(keep=False)
    marked = records.loc[twins, "flags"].map(
        lambda flags: ";".join(sorted({*flags.split(";"), "duplicate-content"} - {""})))
    return records.assign(flags=records["flags"].where(~twins, marked))


def shard_place(shard: str) -> tuple[int, int]:
    """"2/5" -> (2, 5): shards sort by number."""
    number, _, of = shard.partition("/")
    return int(number), int(of)
