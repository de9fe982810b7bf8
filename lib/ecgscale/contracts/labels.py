"""Label sets: diagnosis codes to classes, and the reward weights of the Challenge score. Always by code.

A label set is a folder with `classes.csv` (code, abbreviation, name, group, critical, codes) and, where a Challenge
score is wanted, `weights.csv` (first column and first row: class codes, in any order). The diagnosis codes that count
as a class are its `codes`, joined by `|`, or, where there are none, its code, which may join several itself.
Codes are compared without regard to case and to the `.0` of a table of numbers.
`unscored.csv` (code, name) may list codes that are known but belong to no class. `from/<dataset>.csv` (code, to)
translates a dataset's own codes: one line a pair; a code with an empty `to` is known and means no class.

assets/labels holds the sets that a study names: `physionet2021`, the 26 scored classes of PhysioNet/CinC 2021 and its
unscored codes (Reyna et al., Computing in Cardiology 2021), and those of PTB-XL (Wagner et al., Scientific Data 2020).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import zip_longest
from pathlib import Path

import numpy as np

from ecgscale.contracts import digest
from ecgscale.contracts.reading import finite
from ecgscale.contracts.written import as_whole, canonical, read_rows, unmatchable
from ecgscale.errors import UserError
from ecgscale.paths import ASSETS

LABEL_SETS = ASSETS / "labels"
PHYSIONET_2021 = LABEL_SETS / "physionet2021"
SINUS_RHYTHM = "426783006"


@dataclass(frozen=True)
class LabelSet:
    """Classes in the order of classes.csv."""

    codes: tuple[str, ...]
    abbreviations: tuple[str, ...]
    names: tuple[str, ...]
    groups: tuple[str, ...]
    critical: tuple[bool, ...]
    weights: np.ndarray | None      # (class, class) in the order of `codes`; None: no Challenge score
    unscored: frozenset[str] = frozenset()      # codes that are known but belong to no class
    members: tuple[str, ...] = ()   # diagnosis codes of each class, joined by "|"; "" or none: those of its own code
    translation: dict[str, tuple[str, ...]] = field(default_factory=dict)   # a dataset's own code -> codes of this set
    notes: tuple[str, ...] = ()     # what was read otherwise than it is written, or is not used

    @property
    def digest(self) -> str:
        weights = None if self.weights is None else self.weights.tolist()
        return digest([self.codes, self.abbreviations, self.names, weights, *filter(None, self.members)])

    def knows(self, code: str) -> bool:
        """Whether the label set names a code, scored or not."""
        return canonical(code) in self.known

    @cached_property
    def known(self) -> frozenset[str]:
        return frozenset(map(canonical, self.unscored)) | self.places.keys() | self.translation.keys()

    def place_of(self, code: str) -> int | None:
        """Position of the class to which a diagnosis code belongs."""
        return self.places.get(canonical(code))

    @cached_property
    def places(self) -> dict[str, int]:
        """Canonical code -> position of its class."""
        joined = enumerate(zip_longest(self.codes, self.members, fillvalue=""))
        return {canonical(part): place for place, pair in joined for text in pair for part in text.split("|") if part}

    def encode(self, codes: Iterable[str]) -> np.ndarray:
        """(class,) bool of one recording's diagnosis codes. Unknown codes are ignored, repeated ones count once."""
        row = np.zeros(len(self.codes), dtype=bool)
        meant = [to for code in map(canonical, codes) for to in self.translation.get(code, (code,))]
        row[[self.places[code] for code in meant if code in self.places]] = True
        return row

    def translating(self, file: Path | None) -> LabelSet:
        """This set for a dataset with codes of its own, by its table of code and to. Raises UserError."""
        pairs: dict[str, list[str]] = {}
        for line, row in enumerate(read_rows(file, ("code", "to")) if file else [], 2):
            if row["to"] and not self.knows(row["to"]):
                raise UserError(f"{row['to']!r} is no code of the label set", file=file, line=line, field="to",
                                remedy="Name a code of classes.csv or unscored.csv, or nothing for a code of no class")
            pairs.setdefault(canonical(row["code"]), []).extend([canonical(row["to"])] if row["to"] else [])
        return replace(self, translation={code: tuple(to) for code, to in pairs.items()})

    def in_order(self, codes: Iterable[str]) -> LabelSet:
        """This set, its classes in the order of these codes, which are all of its own."""
        order = [self.codes.index(code) for code in codes]
        each = ("codes", "abbreviations", "names", "groups", "critical", "members")
        named = {name: tuple(getattr(self, name)[place] for place in order) for name in each if getattr(self, name)}
        weights = None if self.weights is None else self.weights[np.ix_(order, order)]
        return replace(self, weights=weights, **named)

    def order_of(self, codes: Iterable[str]) -> list[int]:
        """Positions in `codes` of this set's classes, so that `columns[order]` stands in this set's order.

        Raises UserError when a class is missing or doubled.
        """
        codes = list(codes)
        missing = sorted(set(self.codes) - set(codes))
        if missing or len(set(codes)) != len(codes):
            problem = f"classes {', '.join(missing)} are missing" if missing else "a class occurs twice"
            raise UserError(problem, field="class columns", remedy="Name one column for each class of the label set")
        return [codes.index(code) for code in self.codes]


def read_label_set(named: Path | str | None = None) -> LabelSet:
    """Read a label set: a folder, the name of one in assets/labels, or the Challenge's of 2021. Raises UserError with
    file and line, also for a code that nothing can ever match."""
    folder = label_set_folder(named)
    file, weights_file, unscored_file = folder / "classes.csv", folder / "weights.csv", folder / "unscored.csv"
    rows, notes = read_rows(file, ("code", "abbreviation", "name")), []
    seen: set[str] = set()
    short: set[str] = set()
    for line, row in enumerate(rows, 2):
        parts, written = [as_whole(part.strip()) for part in row["code"].split("|")], row["code"]
        row["code"] = "|".join(parts)
        if row["code"] != written:
            notes.append(f"{file}:{line}: code {written!r} is read as {row['code']!r}")
        row["codes"] = "|".join(part.strip() for part in row.get("codes", "").split("|"))
        members = {canonical(part): part for part in [*row["codes"].split("|"), *parts] if part or part in parts}
        for name, part in members.items():
            problem = f"code {part!r} is {'empty' if not part else 'named twice'}" if not part or name in seen else ""
            problem = problem or unmatchable(part, member=part not in parts)
            if problem:
                raise UserError(problem, file=file, line=line, field="code" if part in parts else "codes",
                                remedy="Give a class a short code of its own; the column `codes` (joined by |), or a "
                                       "mapping, takes those of the data")
        seen |= members.keys()
        row["abbreviation"] = row["abbreviation"] or row["code"]
        if row["abbreviation"] in short:
            raise UserError(f"{row['abbreviation']!r} is the abbreviation of two classes", file=file, line=line,
                            field="abbreviation", remedy="Tables and figures name classes by it: give each its own")
        short.add(row["abbreviation"])
    codes = tuple(row["code"] for row in rows)
    if weights_file.is_file() and SINUS_RHYTHM not in seen:
        notes.append(f"{weights_file} is not used: no class has the code {SINUS_RHYTHM} (sinus rhythm), and without it "
                     "there is no Challenge score")
    notes += other_weights(weights_file, codes) if weights_file.is_file() else ()
    return LabelSet(
        codes=codes,
        abbreviations=tuple(row["abbreviation"] for row in rows),
        names=tuple(row["name"] for row in rows),
        groups=tuple(row.get("group") or "" for row in rows),
        critical=tuple((row.get("critical") or "").lower() == "yes" for row in rows),
        weights=read_weights(weights_file, codes) if weights_file.is_file() else None,
        unscored=frozenset(row["code"] for row in read_rows(unscored_file, ("code", "name"))
                           if canonical(row["code"]) not in seen) if unscored_file.is_file() else frozenset(),
        members=tuple(row["codes"] for row in rows), notes=tuple(notes),
    )


def label_set_folder(named: str | Path | None) -> Path:
    """The folder of a label set: a folder as it is, or the name of one in assets/labels. Raises UserError."""
    with contextlib.suppress(OSError, ValueError):      # a name that no file system takes
        if named is None or Path(named).is_dir():
            return Path(named or PHYSIONET_2021)
    known = sorted(file.parent.relative_to(LABEL_SETS).as_posix() for file in LABEL_SETS.rglob("classes.csv"))
    if str(named) not in known:
        raise UserError(f"no label set {str(named)!r}", field="labels",
                        remedy=f"Give a folder or one of {', '.join(known)}")
    return LABEL_SETS / named


def joined(code: str) -> str:
    """A class code, whose parts are joined by "|", as codes are compared."""
    return "|".join(map(canonical, code.split("|")))


def other_weights(file: Path, codes: tuple[str, ...]) -> list[str]:
    """In words: rows and columns of no class."""
    rows, known = read_rows(file, ("code",)), {joined(code) for code in codes}
    named = [*(row["code"] for row in rows), *(name for name in rows[0] if name != "code")]
    others = list(dict.fromkeys(name for name in named if joined(name) not in known))
    return [f"{file}: weights of codes that are no class are not used: {', '.join(others)}"] if others else []


def read_weights(file: Path, codes: tuple[str, ...]) -> np.ndarray:
    """(class, class) reward weights, rows and columns put in the order of `codes` by their names."""
    rows = read_rows(file, ("code",))
    table = {joined(row["code"]): {joined(name): value for name, value in row.items()} for row in rows}
    if len(table) < len(rows):
        raise UserError("a class code stands in two rows", file=file, field="code", remedy="Give each class one row")
    weights = np.empty((len(codes), len(codes)))
    for i, true in enumerate(codes):
        for j, predicted in enumerate(codes):
            try:
                weights[i, j] = finite(table[joined(true)][joined(predicted)])
            except (KeyError, TypeError, ValueError):
                raise UserError(f"no weight for {true} predicted as {predicted}", file=file, field=predicted,
                                remedy="Give one row and one column for each class code of classes.csv") from None
    return weights
