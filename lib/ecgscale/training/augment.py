"""The study's six augmentations, by name, on a whole batch at once.

Each takes crops `x` (batch, lead, time) float32, changes them in place or gives new ones of the same shape, and draws
everything from the generator it is given: one draw a crop, independent of the other crops. They are always applied in
the order of `AUGMENTATIONS`, whatever order a study names them in, and each has a random stream of its own, so that
switching one off leaves the others as they were.

Source: "Learning to scale" (European Heart Journal - Digital Health, 2025) and its public code, whose values are kept
as they are, also where one may doubt them (baseline wander of amplitude 1.0 always, its phase 0 on every lead).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch.nn import functional

from ecgscale.errors import UserError


def time_warp(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Stretch time by a factor from 0.8-1.2 (linear interpolation), then cut to the window or zero-pad its end."""
    batch, _, time = x.shape
    warped = np.zeros_like(x)
    for old, new, factor in zip(x, warped, rng.uniform(0.8, 1.2, size=batch), strict=True):
        stretched = functional.interpolate(torch.from_numpy(old)[None], size=int(time * factor), mode="linear")[0]
        kept = min(time, stretched.shape[1])
        new[:, :kept] = stretched[:, :kept]
    return warped


def amplitude(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Scale a crop by one factor from 0.8-1.2, all leads alike."""
    x *= rng.uniform(0.8, 1.2, size=(len(x), 1, 1)).astype(np.float32)
    return x


def noise(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add white Gaussian noise, standard deviation 0.01 of the signal's unit."""
    drawn = torch.empty(x.shape)  # torch draws normal numbers three times faster than numpy
    drawn.normal_(generator=torch.Generator().manual_seed(int(rng.integers(2**32))))
    torch.from_numpy(x).add_(drawn, alpha=0.01)
    return x


def wander(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add one sine of amplitude 1.0 and phase 0 to all leads: 0.5-2 cycles a crop."""
    batch, _, time = x.shape
    cycles = rng.uniform(0.5, 2.0, size=(batch, 1)).astype(np.float32)
    x += np.sin(cycles * np.linspace(0, 2 * np.pi, time, endpoint=False, dtype=np.float32))[:, None, :]
    return x


def time_mask(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Zero 1-50 consecutive samples of all leads."""
    batch, _, time = x.shape
    lengths = rng.integers(1, 50, size=batch, endpoint=True)
    starts = rng.integers(0, np.maximum(1, time - lengths))
    for crop, start, length in zip(x, starts, lengths, strict=True):
        crop[:, start : start + length] = 0
    return x


def lead_dropout(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Zero each lead with probability 0.5; where all would go, one lead drawn at random stays."""
    batch, lead, _ = x.shape
    kept = rng.random((batch, lead)) > 0.5
    spared = rng.integers(0, lead, size=batch)
    none = ~kept.any(axis=1)
    kept[none, spared[none]] = True
    x *= kept[:, :, None].astype(np.float32)
    return x


AUGMENTATIONS: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    apply.__name__: apply for apply in (time_warp, amplitude, noise, wander, time_mask, lead_dropout)
}


def check(names: Iterable[str]) -> None:
    """Raise UserError for a name that is no augmentation."""
    for name in names:
        if name not in AUGMENTATIONS:
            raise UserError(f"{name!r} is no augmentation", field="augment",
                            remedy=f"Choose from {', '.join(AUGMENTATIONS)}")


def augment(x: np.ndarray, names: Iterable[str], stream: Callable[[int], np.random.Generator]) -> np.ndarray:
    """Apply the named augmentations to crops (batch, lead, time); `stream(n)` gives the n-th one its generator."""
    wanted = set(names)
    for number, (name, apply) in enumerate(AUGMENTATIONS.items()):
        if name in wanted:
            x = apply(x, stream(number))
    return x
