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

from ecgscale.errors import UserError

# The normal quantiles at the middles of 2^16 equal probabilities, scaled to variance 1: 16 random bits choose a number
# of the normal distribution to 1e-5 in probability, in a third of the time that torch's own draw takes.
QUANTILES = torch.special.ndtri((torch.arange(2**16, dtype=torch.float64) + 0.5) / 2**16).numpy()
NOISE = (0.01 * QUANTILES / QUANTILES.std()).astype(np.float32)


def time_warp(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Stretch time by a factor from 0.8-1.2 (linear interpolation), then cut to the window or zero-pad its end."""
    batch, lead, time = x.shape
    lengths = (time * rng.uniform(0.8, 1.2, size=(batch, 1))).astype(np.int32)
    each = np.arange(time, dtype=np.float32)
    at = ((each + 0.5) * (time / lengths).astype(np.float32) - 0.5).clip(0, time - 1)  # (batch, time), samples of `x`
    before = np.minimum(np.floor(at), time - 2)
    within = each < lengths                                                            # none beyond the crop's new end
    after = (at - before) * within
    rows = before.astype(np.int32) + np.arange(0, batch * time, time, dtype=np.int32)[:, None]
    moments = torch.from_numpy(x).transpose(1, 2).reshape(-1, lead)                    # of all crops, end to end
    warped = torch.nn.functional.embedding_bag(     # weighted sums of two rows in one pass: a third of the time of lerp
        torch.from_numpy(np.stack([rows, rows + 1], axis=-1).reshape(-1, 2)), moments, mode="sum",
        per_sample_weights=torch.from_numpy(np.stack([within - after, after], axis=-1).reshape(-1, 2)))
    return warped.numpy().reshape(batch, time, lead).transpose(0, 2, 1)


def amplitude(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Scale a crop by one factor from 0.8-1.2, all leads alike."""
    x *= rng.uniform(0.8, 1.2, size=(len(x), 1, 1)).astype(np.float32)
    return x


def noise(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add white Gaussian noise, standard deviation 0.01 of the signal's unit."""
    bits = np.random.SFC64(int(rng.integers(2**63))).random_raw(-(-x.size // 4)).view(np.uint16)[: x.size]
    drawn = NOISE.take(bits).reshape(len(x), x.shape[2], x.shape[1]).transpose(0, 2, 1)     # (batch, lead, time)
    torch.from_numpy(x).add_(torch.from_numpy(drawn))
    return x


def wander(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add one sine of amplitude 1.0 and phase 0 to all leads: 0.5-2 cycles a crop."""
    batch, lead, time = x.shape
    cycles = rng.uniform(0.5, 2.0, size=(batch, 1)).astype(np.float32)
    sine = np.sin(cycles * np.linspace(0, 2 * np.pi, time, endpoint=False, dtype=np.float32))
    on_all = np.repeat(sine, lead, axis=1).reshape(batch, time, lead)
    torch.from_numpy(x).add_(torch.from_numpy(on_all).transpose(1, 2))
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
    torch.from_numpy(x).mul_(torch.from_numpy(kept[:, :, None].astype(np.float32)))
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
