"""Which column stands for what. Where two stand for the same, or one nearly does, the user is asked, with the list of
what was understood."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd

from ecgscale.contracts import Reading
from ecgscale.contracts.run_table import judged_by, part_of
from ecgscale.errors import UserError
from ecgscale.tables.delimited import Sheet
from ecgscale.tables.names import ROLES, SCORES, SIZES, UNUSED, Name, is_response, like, spelled, understand
from ecgscale.tables.numbers import as_numbers


def score_of(runs: pd.DataFrame, asked: str) -> str:
    """The score that an analysis of a run table looks at: the one asked for, else the one that a table of ours is
    judged by, else, in a table of others, the first score there is, of the test part where one is; or none: `asked`."""
    judged = judged_by(runs, asked)
    others = sorted((name for name in runs if SCORES.search(name) and pd.api.types.is_float_dtype(runs[name])
                     and runs[name].notna().any()),
                    key=lambda name: part_of(name) != "test")
    return judged if judged in runs or not others else others[0]


def placed(sheet: Sheet, names: list[Name], reading: Reading, decimal: str | None, ours: bool) -> dict[str, int]:
    """Our names of the columns -> their places; `ours`: a table of this project, whose names are not guessed at."""
    claims = claimed(sheet, names, reading)
    places: dict[str, int] = {}
    for name, several in claims.items():
        named = [place for place in several if sheet.names[place] in (*reading.responses, reading.roles.get(name))]
        if len(several) > 1 and (name in SIZES or is_response(name)) and len(named) != 1:
            ask(sheet, names, name, several)
        first, *others = sorted(several, key=lambda place: (place not in named, rank(name, sheet.names[place])))
        places[name] = first
        for place in others:
            places[free_name(names[place].plain, {*places, *claims})] = place
    if not ours:
        ask_near_names(sheet, names, places, decimal, reading)
    return places


def claimed(sheet: Sheet, names: list[Name], reading: Reading) -> dict[str, list[int]]:
    """Our name -> places of the columns that may stand for it; what the user said, or derives, comes first. Raises
    UserError for a role that is not known."""
    for role in reading.roles:
        if role not in ROLES and not is_response(role):
            raise UserError(f"no such role: {role!r}", field="map",
                            remedy=f"There are: {', '.join(ROLES)}, {UNUSED}, and names of scores and losses: score, "
                                   "test_auroc, val_loss, ...")
    made = {understand(name).role for name in reading.derived} - {None}
    given = {find(sheet, names, written): role for role, written in reading.roles.items()}
    given |= {find(sheet, names, written): UNUSED for written in reading.unused}
    claims: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        if given.get(place) == UNUSED or (place not in given and is_index(sheet.names[place])):
            continue
        role = given.get(place) or role_beside(sheet, names, place)
        told = role in given.values() or role in made or sheet.names[place] in reading.responses
        if place not in given and told:
            role = None             # the user named or made another column for it, or this one is something else
        plain = name.plain if name.role is None else spelled(sheet.names[place])
        claims.setdefault(role or free_name(plain, ROLES), []).append(place)
    return claims


def find(sheet: Sheet, names: list[Name], written: str) -> int:
    """Place of a column that the user named, as it stands in the file or in our spelling."""
    exact = [place for place, name in enumerate(sheet.names) if name == written]
    exact = exact or [place for place, name in enumerate(names) if name.plain == understand(written).plain]
    if len(exact) != 1:
        raise UserError("no such column" if not exact else "several columns have this name", line=1, field=written,
                        remedy=f"There are: {', '.join(filter(None, sheet.names))}")
    return exact[0]


def role_beside(sheet: Sheet, names: list[Name], place: int) -> str | None:
    """A name's role; D beside a T, or beside tokens, counts unique samples, alone it counts samples seen."""
    if sheet.names[place].strip().casefold() != "d":
        return names[place].role
    others = [one.role for i, one in enumerate(names) if i != place]
    return "train_records" if "samples_seen" in others else names[place].role


def rank(ours: str, written: str) -> int:
    """Order in which columns are taken for one role: our own name first, then by the list of others."""
    order = (ours, *ROLES.get(ours, ()))
    spelled = written.strip().casefold().replace(" ", "_")
    return order.index(spelled) if spelled in order else len(order)


def ask(sheet: Sheet, names: list[Name], ours: str, places: list[int]) -> None:
    written = [sheet.names[place] for place in places]
    which = f"--map {ours}={written[0]!r}" if ours in ROLES else f"--response {written[0]!r}"
    raise UserError(f"two columns mean the same: {', '.join(written)}", line=1, field=ours,
                    remedy=f"Say which one: {which}, or keep one of them. {understood(sheet, names)}")


def understood(sheet: Sheet, names: list[Name]) -> str:
    pairs = [f"{name.role or name.plain} <- {written}" for name, written in zip(names, sheet.names, strict=True)
             if name.role or is_response(name.plain)]
    return f"Understood: {', '.join(pairs) or 'nothing'}; columns: {', '.join(filter(None, sheet.names))}"


def ask_near_names(sheet: Sheet, names: list[Name], places: dict[str, int], decimal: str | None,
                   reading: Reading) -> None:
    """A name that nearly spells a size which is not there is asked about, never taken and never passed over; so is the
    second of two columns of one name, which pandas wrote as loss.1."""
    for ours, place in places.items():
        written = sheet.names[place]
        base, _, copy = written.rpartition(".")
        told = {base, written} & {*reading.responses, *reading.roles.values(), *reading.unused}
        twin = understand(base).role or understand(base).plain
        if copy.isdigit() and twin in places and (twin in SIZES or is_response(twin)) and not told:
            ask(sheet, names, twin, [places[twin], place])
        role = like(ours) if understand(written).role is None else None
        if role and role not in places and holds_numbers(sheet.columns[place], decimal):
            raise UserError(f"is this {role}?", line=1, field=written,
                            remedy=f"Say so: --map {role}={written!r}, or --map {UNUSED}={written!r}. "
                                   f"{understood(sheet, names)}")


def is_index(written: str) -> bool:
    """A row's number, as pandas and R write it before the table."""
    return written.strip().casefold() in ("", "index", "#") or written.startswith("Unnamed:")


def free_name(plain: str, taken: Collection[str]) -> str:
    name = plain or "column"
    while name in taken or name in ROLES:
        name += "_"
    return name


def holds_numbers(cells: np.ndarray, decimal: str | None) -> bool:
    try:
        found = as_numbers(cells, decimal, units=True)
    except UserError:
        return True
    return bool(np.isfinite(found.values).any() and not found.wrong.any())
