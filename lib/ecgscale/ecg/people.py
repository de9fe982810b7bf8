"""Whose recording it is: the user's table of patients and folds, and what a header says of the person."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from ecgscale.contracts.labels import read_rows
from ecgscale.errors import UserError

OLDEST = 120.0          # years; some sources write 300 for "above 89"
FOLDS = ("0", "1", "2", "3")
SEXES = {"f": "female", "female": "female", "m": "male", "male": "male"}


class Person(NamedTuple):
    """What the table says of one recording; None where a cell is empty."""

    patient: str | None = None
    fold: int | None = None


class People:
    """The table of a source: `record` and `patient`, `fold` or both."""

    def __init__(self, rows: dict[str, Person], file: Path | None = None, has_folds: bool = False):
        self.rows, self.file, self.has_folds = rows, file, has_folds

    def of(self, place: str) -> Person:
        """The person of a record by its path below the source folder, else by its name."""
        return self.rows.get(place) or self.rows.get(place.rpartition("/")[2]) or Person()

    def check(self, places: Iterable[str], folder: Path) -> None:
        """Raises UserError where the table names none of these recordings, or one name means two of them."""
        places = list(places)
        if not self.rows:
            return
        named = Counter(place.rpartition("/")[2] for place in places if place not in self.rows)
        named = {name: count for name, count in named.items() if name in self.rows}
        if not named and not any(place in self.rows for place in places):
            raise UserError(f"names none of the {len(places)} recordings below {folder}", file=self.file,
                            field="patients table",
                            remedy="Name a record as its file without ending, or by its path below the folder")
        twice = next((name for name, count in named.items() if count > 1), None)
        if twice is not None:
            raise UserError(f"record {twice!r} is the name of {named[twice]} recordings below {folder}", file=self.file,
                            field="record", remedy="Name each by its path below the folder, as g1/A0001")


NOBODY = People({})


def read_people(file: Path) -> People:
    """A CSV of `record` and `patient`, `fold` or both; a record by its name or by its path below the source folder,
    without ending. Raises UserError with file, line, field and remedy."""
    rows = read_rows(file, ("record",))
    if not {"patient", "fold"} & rows[0].keys():
        raise UserError("column 'patient' is missing", file=file, line=1,
                        remedy="The first line must name record and patient, fold or both")
    people: dict[str, Person] = {}
    for line, row in enumerate(rows, 2):
        fold = row.get("fold", "")
        if fold not in ("", *FOLDS):
            raise UserError(f"{fold!r} is not a fold", file=file, line=line, field="fold",
                            remedy="Write 0 or 1 (train), 2 (valid), 3 (test)")
        person = Person(row.get("patient") or None, int(fold) if fold else None)
        known = people.setdefault(row["record"], person)
        for name in Person._fields:
            if getattr(known, name) != getattr(person, name):
                raise UserError(f"record {row['record']!r} has two {name}s", file=file, line=line, field=name,
                                remedy=f"Give each record one {name}")
    return People(people, file, "fold" in rows[0])


def age_of(text: str) -> float | None:
    """Years, or None where the header does not say."""
    try:
        age = float(text)
    except ValueError:
        return None
    return age if math.isfinite(age) and 0 <= age <= OLDEST else None


def sex_of(text: str) -> str | None:
    return SEXES.get(text.strip().casefold())
