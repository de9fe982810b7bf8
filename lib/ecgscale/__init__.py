"""Scaling laws of 12-lead ECG models and their measurement. Its verbs (`verbs.py`) load what they need when asked."""

from importlib import import_module
from typing import Any

__version__ = "0.2.0"

VERBS = ("extrapolate", "figure", "fit", "frontier", "predict", "prepare", "read_runs", "score")


def __getattr__(name: str) -> Any:
    if name in VERBS:
        from ecgscale import verbs

        return getattr(verbs, name)
    if name == "models":
        return import_module("ecgscale.models")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *VERBS, "models"})
