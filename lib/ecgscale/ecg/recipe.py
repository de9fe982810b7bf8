"""Preparation recipes by name: band-pass, resampling and normalization, and the digest that travels with a corpus.

`study` is the published study's: 3rd-order Butterworth 1-47 Hz forwards and backwards, 500 Hz, z-score per lead. It
deletes absolute voltage and keeps a narrow band; the others here do not.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from ecgscale.contracts import digest
from ecgscale.errors import UserError

EPSILON = 1e-6          # mV, added to the standard deviation
OPEN_ABOVE = 0.49


@dataclass(frozen=True)
class Recipe:
    """One way to prepare a recording.

    Band edges in Hz; None leaves a side open, and so does an upper edge at or above OPEN_ABOVE x the recording's rate,
    since nothing is recorded there. `normalize`: "lead" z-score of each lead; "record" each lead's own mean but one
    standard deviation for all leads, which keeps the ratios between them; "none" millivolts.
    """

    name: str
    low: float | None = 1.0
    high: float | None = 47.0
    order: int = 3
    rate: float = 500.0
    normalize: Literal["lead", "record", "none"] = "lead"

    @property
    def unit(self) -> str:
        return "mV" if self.normalize == "none" else "z"

    def parameters(self) -> dict[str, Any]:
        return asdict(self) | {"epsilon": EPSILON, "phase": "zero", "dtype": "float16"}

    @property
    def digest(self) -> str:
        return digest(self.parameters())


RECIPES = {recipe.name: recipe for recipe in (
    Recipe("study"),
    Recipe("study-record", normalize="record"),
    Recipe("study-millivolt", normalize="none"),
    Recipe("study-250", rate=250.0),
    Recipe("study-100", rate=100.0),
    Recipe("study-100-record", rate=100.0, normalize="record"),
    Recipe("study-100-millivolt", rate=100.0, normalize="none"),
    Recipe("wide-100", low=0.5, high=49.0, rate=100.0),
    Recipe("wide", low=0.5, high=100.0),
    Recipe("diagnostic", low=0.05, high=150.0, normalize="none"),
)}


def recipe_named(name: str) -> Recipe:
    if name not in RECIPES:
        raise UserError(f"unknown recipe {name!r}", field="data.recipe", remedy=f"Known: {', '.join(RECIPES)}")
    return RECIPES[name]


def prepare(millivolts: np.ndarray, rate: float, recipe: Recipe) -> np.ndarray:
    """(samples, leads) float64 millivolts at `rate` Hz -> (samples', leads) float64 at the recipe's rate and scale."""
    return prepare_scaled(millivolts, rate, recipe)[0]


def prepare_scaled(millivolts: np.ndarray, rate: float, recipe: Recipe) -> tuple[np.ndarray, np.ndarray]:
    """`prepare`, and (leads,) the millivolts of one unit of its result."""
    from ecgscale.ecg.filters import band_pass, resample  # compiled code: a recipe's name is checked without it
    from ecgscale.ecg.normalize import z_score

    high = recipe.high if recipe.high is not None and recipe.high < OPEN_ABOVE * rate else None
    made = resample(band_pass(millivolts, rate, recipe.low, high, recipe.order), rate, recipe.rate)
    if recipe.normalize == "none":
        return made, np.ones(made.shape[1])
    return made, z_score(made, recipe.normalize == "record", EPSILON)
