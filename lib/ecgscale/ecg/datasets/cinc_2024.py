"""WFDB records whose headers say their classes as PhysioNet/CinC 2024 and 2025 write them.

`# Labels: NORM, Old MI` (2024) are codes, spaces included; `# Chagas label: True` (2025) is the code `Chagas`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ecgscale.ecg.datasets import Asked, Dataset, wfdb_headers
from ecgscale.ecg.facts import Facts

PATTERN, EACH = wfdb_headers.PATTERN, wfdb_headers.EACH


def open_folder(folder: Path, asked: Asked) -> Dataset:
    return replace(wfdb_headers.open_folder(folder, asked), header=labels_of)


def labels_of(comments: dict[str, str]) -> Facts:
    codes = tuple(code.strip() for code in comments.get("labels", "").split(","))
    if comments.get("chagas label", "").casefold() in ("true", "1"):
        codes += ("Chagas",)
    return Facts(codes=codes, age=comments.get("age", ""), sex=comments.get("sex", ""))
