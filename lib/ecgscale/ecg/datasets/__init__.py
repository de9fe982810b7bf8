"""Datasets by name: which recordings a folder holds, how they are read, and what the dataset's own tables say of them.

An adaptor is a module with PATTERN and EACH (files, and recordings a file, which tell how many there are) and
`open_folder(folder, asked)`, which gives a Dataset; with FOLDS where its own table parts its recordings. Nothing is
converted first, and a path that a table names never leaves the folder: tables only name recordings that were found in
it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType

from ecgscale.contracts import LEADS
from ecgscale.ecg.facts import NO_TABLE, Facts, FactTable
from ecgscale.ecg.wfdb_record import Recording
from ecgscale.errors import UserError

DEFAULT = "wfdb-headers"
MODULES = {
    DEFAULT: "wfdb_headers", "ptb-xl": "ptb_xl", "mimic-iv-ecg": "mimic_iv_ecg", "code-15": "code_15", "sph": "sph",
    "chapman": "chapman", "cinc-2024": "cinc_2024", "cinc-2025": "cinc_2024", "table": "table"}


@dataclass(frozen=True)
class Asked:
    """What study and sample sheet ask of a dataset that can be read in several ways."""

    rate: float | None = None           # Hz, of a dataset that is served at several rates; None: `recipe_rate` decides
    recipe_rate: float = 500.0          # Hz, to which recordings are resampled
    likelihood: float = 0.0             # %, below which a diagnostic statement does not count
    leads: tuple[str, ...] = LEADS      # that are read, in the standard order
    names: tuple[str, ...] = ()         # of the signals, in their order; none: as the dataset says


def challenge_comments(comments: dict[str, str]) -> Facts:
    """What the comments Age, Sex and Dx say, as PhysioNet/CinC 2020 and 2021 write them."""
    return Facts(codes=tuple(re.split(r"[\s,;]+", comments.get("dx", ""))), age=comments.get("age", ""),
                 sex=comments.get("sex", ""))


@dataclass(frozen=True)
class Dataset:
    """A source's folder, opened. `read` raises Rejected; `notes` say what was chosen or left out."""

    places: list[str]                   # of the recordings, below the folder, without ending, sorted
    read: Callable[[str], Recording]
    facts: FactTable = NO_TABLE         # by place
    licence: str = ""
    notes: tuple[str, ...] = ()
    header: Callable[[dict[str, str]], Facts] = challenge_comments      # facts from a header's comments


def adaptor(name: str) -> ModuleType:
    if name not in MODULES:
        raise UserError(f"no dataset {name!r}", field="dataset", remedy=f"Known: {', '.join(MODULES)}")
    return import_module(f"ecgscale.ecg.datasets.{MODULES[name]}")


def has_folds(name: str) -> bool:
    """Whether the dataset's own table parts its recordings."""
    return bool(getattr(adaptor(name), "FOLDS", None))


def open_dataset(folder: Path, name: str = DEFAULT, asked: Asked | None = None) -> Dataset:
    """Open a source's folder. Raises UserError where it is not laid out as the dataset is, or holds no recording."""
    made = adaptor(name).open_folder(folder, asked or Asked())
    if not made.places:
        raise UserError("no recording below this folder", file=folder, field=name,
                        remedy="Give the folder of a source's records")
    return made
