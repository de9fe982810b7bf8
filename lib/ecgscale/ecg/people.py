"""Whose recording it is and from where: the user's table of patients, folds and sites; how age and sex are written."""

from __future__ import annotations

import math
import re
from collections import Counter
from pathlib import Path

from ecgscale.contracts.written import as_whole, composed, is_missing, read_rows, unused
from ecgscale.ecg.facts import Facts, FactTable
from ecgscale.errors import UserError

OLDEST = 120.0          # years; some sources write 300 for "above 89"
FOLDS = ("0", "1", "2", "3")
TOLD = ("patient", "fold", "site")
FEW, LARGEST_SHARE = 3, 0.3     # records of one patient: above both it may be a word for "unknown", as 0 or 9999
SEXES = {"f": "female", "female": "female", "m": "male", "male": "male", "w": "female", "woman": "female",
         "man": "male"}
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")      # of a source or a site
AGE = re.compile(r"(?P<above>[>≥]=?)?\s*(?P<number>\d+(?:[.,]\d+)?)\s*(?P<unit>[a-z]*)\.?\s*(?P<plus>\+)?")
A_YEAR = {"": 1.0, "y": 1.0, "yr": 1.0, "yrs": 1.0, "year": 1.0, "years": 1.0, "a": 1.0,
          "m": 12.0, "mo": 12.0, "month": 12.0, "months": 12.0, "w": 52.18, "week": 52.18, "weeks": 52.18,
          "d": 365.25, "day": 365.25, "days": 365.25}


def read_people(file: Path) -> FactTable:
    """A CSV of `record` and of `patient`, `fold` and `site` some; a record by its name or by its path below the source
    folder, without ending. A word for "missing" is none. Raises UserError with file, line, field and remedy."""
    rows = read_rows(file, ("record",), TOLD)
    if not set(TOLD) & rows[0].keys():
        raise UserError("column 'patient' is missing", file=file, line=1,
                        remedy="The first line must name record, and patient, fold or site")
    people: dict[str, Facts] = {}
    words: dict[str, int] = {}
    for line, row in enumerate(rows, 2):
        fold, patient, site = (composed(as_whole(row.get(name, ""))) for name in ("fold", "patient", "site"))
        if fold not in FOLDS and not is_missing(fold):
            raise UserError(f"{fold!r} is not a fold", file=file, line=line, field="fold",
                            remedy="Write 0 or 1 (train), 2 (valid), 3 (test)")
        if not is_missing(site) and not NAME.fullmatch(site):
            raise UserError(f"{site!r} is not a name", file=file, line=line, field="site",
                            remedy="Letters, digits, '_', '.', '-' only, as in CS-12")
        if patient and is_missing(patient):
            words[patient] = words.get(patient, 0) + 1
        person = Facts(None if is_missing(patient) else patient, int(fold) if fold in FOLDS else None,
                       site=None if is_missing(site) else site)
        known = people.setdefault(composed(row["record"]), person)
        for name in TOLD:
            if getattr(known, name) != getattr(person, name):
                raise UserError(f"record {row['record']!r} has two {name}s", file=file, line=line, field=name,
                                remedy=f"Give each record one {name}")
    notes = [f"{file}: {count} of {len(rows)} rows have the patient {word!r}, which is read as unknown"
             for word, count in words.items()]
    counts = Counter(person.patient for person in people.values() if person.patient)
    patient, most = max(counts.items(), key=lambda one: one[1], default=("", 0))
    if most > max(FEW, len(people) * LARGEST_SHARE):
        notes.append(f"{file}: {most} of {len(people)} records have the patient {patient!r}")
    notes += unused(file, rows, ("record", *TOLD))
    return FactTable(people, file, "fold" in rows[0], notes=tuple(notes))


def age_of(text: str) -> tuple[float | None, str]:
    """Years as a person writes them, and a flag where they are a bound or are not read; None where nothing is said.

    "61", "61,5", "45Y", "045Y" (DICOM), "6 months", "3W", "10D" are ages; "89+" and ">89" give 89 and the flag
    `age-bound`; anything else, and what is not from 0 to 120 years, gives None and the flag `age-unread`.
    """
    if is_missing(text):
        return None, ""
    found = AGE.fullmatch(text.strip().casefold())
    if found is None or found["unit"] not in A_YEAR:
        return None, "age-unread"
    age = float(found["number"].replace(",", ".")) / A_YEAR[found["unit"]]
    if not (math.isfinite(age) and age <= OLDEST):
        return None, "age-unread"
    return age, "age-bound" if found["above"] or found["plus"] else ""


def sex_of(text: str) -> str | None:
    return SEXES.get(text.strip().casefold())
