"""A reader under trial: the files that it is given, how it is called, and what an accepted input must keep."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from ecgscale.contracts import datapackage

Files = dict[str, bytes]


def nothing(_: Any) -> None:
    """No contract beyond that of the type."""


@dataclass(frozen=True)
class Target:
    """files: what a case holds, by name; read: the reader, given the case's folder; check: what an accepted one keeps;
    share: how often it is tried beside the others; seconds: of CPU that a case may take."""

    files: Callable[[], st.SearchStrategy[Files]]
    read: Callable[[Path], Any]
    check: Callable[[Any], None] = nothing
    share: float = 1.0
    seconds: float = 2.0


def one(name: str, strategy: st.SearchStrategy[bytes], **others: bytes) -> st.SearchStrategy[Files]:
    return strategy.map(lambda content: {**others, name: content})


def written(write: Callable[[Path], Any]) -> Files:
    """What a function leaves in a folder, by name. Its tables have no digests, as those of earlier versions: else a
    damaged one is refused before anybody reads on."""
    with tempfile.TemporaryDirectory() as place:
        write(Path(place))
        for package in Path(place).rglob(datapackage.NAME):
            body = json.loads(package.read_text())
            for resource in body["resources"]:
                resource.pop("hash", None)
            package.write_text(json.dumps(body))
        files = [file for file in Path(place).rglob("*") if file.is_file()]
        return {file.relative_to(place).as_posix(): file.read_bytes() for file in files}
