"""Leads by name: which signals of a recording they are, and which limb leads follow from two others.

Einthoven: III = II - I. Goldberger: aVR = -(I + II) / 2, aVL = (I - III) / 2, aVF = (II + III) / 2. So the six limb
leads are two numbers at any moment, and any two of them give the other four. Chest leads follow from none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ecgscale.contracts import LEADS
from ecgscale.ecg.guards import Rejected
from ecgscale.errors import UserError

LIMB = {"I": (1.0, 0.0), "II": (0.0, 1.0), "III": (-1.0, 1.0), "aVR": (-0.5, -0.5), "aVL": (1.0, -0.5),
        "aVF": (-0.5, 1.0)}                     # how much of I and of II
PLAIN = {name.casefold(): name for name in LEADS}
ARABIC = {"1": "i", "2": "ii", "3": "iii"}
TORSO = r"(?:ml|mason[ _-]?likar)"
OTHERS = re.compile(
    rf"(?:mdc_ecg_lead_|(?:ecg[ _-]*)?(?P<lead>lead[ _-]*)|ecg[ _-]*)?(?P<torso>{TORSO}[ _-]*)?"
    r"(?:(?P<limb>[dl]?)[ _-]?(?:(?P<roman>i{1,3})|(?P<arabic>[123]))|(?P<augmented>av[rlf])|"
    rf"[vc][ _-]?(?P<chest>[1-6]))(?P<after>[ _-]*\(?{TORSO}\)?)?(?:[ _]*\(einthoven\))?")
NO_LEAD = "-"               # in a list of names: a signal that is no lead


class Chosen(NamedTuple):
    """Which signals of a recording are read: their positions, the leads that they are in the standard order, flags."""

    order: list[int]
    leads: tuple[str, ...]
    flags: set[str]


def lead_named(name: str) -> tuple[str | None, str]:
    """The lead that a signal's name means, and a flag where it is not the name in common use.

    `avr`, `DII`, `D2`, `Lead II`, `C1` (V1), `MDC_ECG_LEAD_V1` are read; `MLII`, `II (ML)`, `Mason-Likar II`, from
    electrodes on the torso, too: the flag says so. Anything else gives None.
    """
    name = name.strip().casefold()
    if name in PLAIN:
        return PLAIN[name], ""
    found = OTHERS.fullmatch(name)
    if found is None or (found["arabic"] and not (found["limb"] or found["lead"] or found["torso"])):
        return None, ""         # "1" and "ECG1" count signals
    limb = found["roman"] or ARABIC.get(found["arabic"] or "") or found["augmented"]
    return PLAIN[limb or f"v{found['chest']}"], "mason-likar" if found["torso"] or found["after"] else "lead-name"


def choose(names: Sequence[str], wanted: Sequence[str] = LEADS) -> Chosen:
    """Of signals with these names, those that are the wanted leads, or of which these follow. Raises Rejected."""
    places: dict[str, int] = {}
    marks: dict[str, str] = {}
    told = [(position, *lead_named(name)) for position, name in enumerate(names)]
    for position, lead, mark in sorted((one for one in told if one[1]), key=lambda one: one[2] != ""):
        if lead in places and (not mark or marks[lead]):        # else II goes before MLII
            raise Rejected("duplicate-lead", f"{lead} is named twice")
        if lead not in places:
            places[lead], marks[lead] = position, mark
    had = available(places)
    missing = [lead for lead in wanted if lead not in had]
    if missing:
        raise Rejected("missing-lead", f"no {', '.join(missing)} among {', '.join(names) or 'no signals'}"[:200]
                       + (f". Can be had: {', '.join(had)}" if had else ""))
    derived = [lead for lead in wanted if lead not in places]
    read = {*wanted, *(sources(places) if derived else ())} - {*derived}
    leads = tuple(lead for lead in LEADS if lead in read)
    order = [places[lead] for lead in leads]
    flags = {marks[lead] for lead in leads} - {""} | ({"derived-lead"} if derived else set())
    if order != sorted(order):
        flags.add("lead-order")
    if len(names) > len(places):
        flags.add("extra-lead")
    return Chosen(order, leads, flags)


def sources(held: Sequence[str] | dict[str, int]) -> tuple[str, ...]:
    """The two recorded limb leads from which others are reckoned; fewer where there are fewer."""
    return tuple(lead for lead in LIMB if lead in held)[:2]


def available(held: Sequence[str] | dict[str, int]) -> tuple[str, ...]:
    """Those of the twelve leads that are held or follow from what is held."""
    both = len(sources(held)) == 2
    return tuple(lead for lead in LEADS if lead in held or (both and lead in LIMB))


def brought(values: np.ndarray, held: tuple[str, ...], wanted: tuple[str, ...]) -> np.ndarray:
    """(samples, held) voltages -> (samples, wanted), as `choose` chose: those that are not held are reckoned."""
    if held == wanted:
        return values
    out = np.empty((len(values), len(wanted)))
    for column, lead in enumerate(wanted):
        if lead in held:
            out[:, column] = values[:, held.index(lead)]
        else:
            two = sources(held)
            shares = np.linalg.solve(np.array([LIMB[one] for one in two]).T, LIMB[lead])
            out[:, column] = sum(share * values[:, held.index(one)] for share, one in zip(shares, two, strict=True))
    return out


def leads_listed(text: str) -> tuple[str, ...]:
    """"I II V5": names of a file's signals in their order; `-` for one that is no lead. Raises UserError."""
    names = tuple(filter(None, re.split(r"[\s,;|]+", text)))
    for name in names:
        if name != NO_LEAD and lead_named(name)[0] is None:
            raise UserError(f"{name!r} is no lead", field="leads", remedy=f"Known: {', '.join(LEADS)}; - for a signal "
                                                                          "that is none of them")
    return names
