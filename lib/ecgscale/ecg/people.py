"""Whose recording it is: the user's table of patients and folds, and what a header says of the person."""

from __future__ import annotations

import math
from pathlib import Path

from ecgscale.contracts.labels import read_rows
from ecgscale.ecg.facts import Facts, FactTable
from ecgscale.errors import UserError

OLDEST = 120.0          # years; some sources write 300 for "above 89"
FOLDS = ("0", "1", "2", "3")
SEXES = {"f": "female", "female": "female", "m": "male", "male": "male"}


def read_people(file: Path) -> FactTable:
    """A CSV of `record` and `patient`, `fold` or both; a record by its name or by its path below the source folder,
    without ending. Raises UserError with file, line, field and remedy."""
    rows = read_rows(file, ("record",))
    if not {"patient", "fold"} & rows[0].keys():
        raise UserError("column 'patient' is missing", file=file, line=1,
                        remedy="The first line must name record and patient, fold or both")
    people: dict[str, Facts] = {}
    for line, row in enumerate(rows, 2):
        fold = row.get("fold", "")
        if fold not in ("", *FOLDS):
            raise UserError(f"{fold!r} is not a fold", file=file, line=line, field="fold",
                            remedy="Write 0 or 1 (train), 2 (valid), 3 (test)")
        person = Facts(row.get("patient") or None, int(fold) if fold else None)
        known = people.setdefault(row["record"], person)
        for name in ("patient", "fold"):
            if getattr(known, name) != getattr(person, name):
                raise UserError(f"record {row['record']!r} has two {name}s", file=file, line=line, field=name,
                                remedy=f"Give each record one {name}")
    return FactTable(people, file, "fold" in rows[0])


def age_of(text: str) -> float | None:
    """Years, or None where the header does not say."""
    try:
        age = float(text)
    except ValueError:
        return None
    return age if math.isfinite(age) and 0 <= age <= OLDEST else None


def sex_of(text: str) -> str | None:
    return SEXES.get(text.strip().casefold())
