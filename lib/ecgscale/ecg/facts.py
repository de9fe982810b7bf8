"""What is known of a recording apart from its samples, and the tables that say it: who, how old, which diagnoses.

A dataset's own table, the user's table of labels and the user's table of patients speak of a recording by its path
below the source folder or by its name. The user's tables go before the dataset's, and both before the header.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from ecgscale.contracts.written import composed
from ecgscale.errors import UserError


class Facts(NamedTuple):
    """Of one recording; None where nobody says. Codes, age and sex as they are written. site: the hospital, device or
    time of a part of the source that counts as a source of its own."""

    patient: str | None = None
    fold: int | None = None
    codes: tuple[str, ...] | None = None
    age: str | None = None
    sex: str | None = None
    site: str | None = None

    def before(self, other: Facts) -> Facts:
        """These, and what only the other says."""
        return Facts(*(mine if mine is not None else theirs for mine, theirs in zip(self, other, strict=True)))


class FactTable:
    """Facts by record. `what` names the table in messages; `has_folds`: it has a column of folds; `notes`: how it was
    read, in words."""

    def __init__(self, rows: dict[str, Facts], file: Path | None = None, has_folds: bool = False,
                 what: str = "patients table", notes: tuple[str, ...] = ()):
        self.rows, self.file, self.has_folds, self.what, self.notes = rows, file, has_folds, what, notes

    def of(self, place: str) -> Facts:
        """The facts of a record by its path below the source folder, else by its name."""
        return self.rows.get(self.key(place), NOTHING)

    def key(self, place: str) -> str:
        """What a record is called here: its path below the source folder or else its name, in either Unicode form."""
        names = (place, composed(place))
        return next((name for name in names if name in self.rows), composed(place.rpartition("/")[2]))

    def match(self, places: Iterable[str], folder: Path, largest_share: float = 1.0) -> Sequence[str]:
        """What does not match, counted in words: rows that name no recording, and recordings without a row.

        Raises UserError where the table names none of these recordings, where more than `largest_share` of its rows
        name none, or where one name means two recordings.
        """
        if not self.rows:
            return []
        places = list(places)
        named = Counter(map(self.key, places))
        used = named.keys() & self.rows.keys()
        if not used:
            raise UserError(f"names none of the {len(places)} recordings below {folder}", file=self.file,
                            field=self.what,
                            remedy="Name a record as its file without ending, or by its path below the folder")
        twice = next((name for name in used if named[name] > 1), None)
        if twice is not None:
            raise UserError(f"record {twice!r} is the name of {named[twice]} recordings below {folder}", file=self.file,
                            field="record", remedy="Name each by its path below the folder, as g1/A0001")
        lost = [name for name in self.rows if name not in used]
        said = list(self.notes)
        if lost:
            said.append(f"{self.file}: {len(lost)} of {len(self.rows)} rows of the {self.what} name no recording below "
                        f"{folder}, first {lost[0]!r}")
            if len(lost) > largest_share * len(self.rows):
                raise UserError(f"{len(lost)} of {len(self.rows)} rows name no recording below {folder}, first "
                                f"{lost[0]!r}; more than data.max_unmatched = {largest_share:g}", file=self.file,
                                field=self.what, remedy="Mend the names, or raise the limit in the study file")
        if len(used) < len(places):
            without = next(place for place in places if self.of(place) is NOTHING)
            said.append(f"{self.file}: {len(places) - len(used)} of {len(places)} recordings below {folder} are not in "
                        f"the {self.what}, first {without!r}")
        return said


NOTHING = Facts()
NO_TABLE = FactTable({})
