"""The identity of values, files and folders: SHA-256, whose first hex digits stand beside what they vouch for.

Needs the standard library alone: a kit checks its files with it on machines that have nothing else.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ecgscale.contracts.reading import ContractError


def digest(value: Any, length: int = 16) -> str:
    """SHA-256 of a value's canonical JSON, first `length` hex digits: the identity of specs, recipes and tables."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def concatenated_digest(parts: Iterable[str]) -> str:
    """Digest of a corpus from the digests of its shards: independent of their order."""
    return digest(sorted(parts))


def file_digest(path: Path | str, length: int = 16) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:length]


def file_digests(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Digests of those of these files that are there, by name."""
    return {name: file_digest(folder / name) for name in names if (folder / name).is_file()}


def check_digests(folder: Path, digests: dict[str, str], document: str, names: Iterable[str]) -> None:
    """Raises ContractError where one of these files is not to the byte what `document` keeps a digest of."""
    for name in names:
        if name in digests and (not (folder / name).is_file() or file_digest(folder / name) != digests[name]):
            raise changed(folder / name, document)


def changed(path: Path, document: str) -> ContractError:
    return ContractError(f"is not what {document} beside it keeps a digest of: it was changed or cut short", file=path,
                         remedy="Make it again")
