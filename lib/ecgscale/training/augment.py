"""The study's six augmentations, by name: what each draws for the crops of an epoch, and one pass that applies all.

Each draws from the generator it is given, for one crop independently of the others. They are always applied in the
order of `AUGMENTATIONS`, whatever order a study names them in, and each has a random stream of its own, so that
switching one off leaves the others as they were.

Source: "Learning to scale" (European Heart Journal - Digital Health, 2025) and its public code, whose values are kept
as they are, also where one may doubt them (baseline wander of amplitude 1.0 always, its phase 0 on every lead).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from ecgscale.contracts import LEADS
from ecgscale.errors import UserError

NOISE = 0.01            # standard deviation of the white noise, in the signal's unit
PLACES = 2**20          # where in a run's noise a crop's stretch can begin


@dataclass(frozen=True)
class Drawn:
    """What the crops of an epoch undergo, a row a crop; as made by `none`, nothing."""

    time: int               # samples of a crop
    leads: np.ndarray       # (lead,) int64: which of the 12 leads the network sees
    lengths: np.ndarray     # (crop,) int64: samples that a crop takes once its time is stretched
    gains: np.ndarray       # (crop,) float32
    noise: np.ndarray       # (crop,) int64: where its stretch of the run's white noise begins, -1 for none
    cycles: np.ndarray      # (crop,) float64: of baseline wander within a crop, 0 for none
    masked: np.ndarray      # (crop, 2) int64: the first sample that is zeroed, and the first one after these
    kept: np.ndarray        # (crop, 12) float32: 1, or 0 for a lead that is dropped

    @classmethod
    def none(cls, crops: int, time: int, leads: np.ndarray) -> Drawn:
        return cls(time, leads, np.full(crops, time), np.ones(crops, np.float32), np.full(crops, -1), np.zeros(crops),
                   np.zeros((crops, 2), np.int64), np.ones((crops, len(LEADS)), np.float32))


def time_warp(drawn: Drawn, rng: np.random.Generator) -> None:
    """Stretch time by a factor from 0.8-1.2 (linear interpolation), then cut to the window or zero-pad its end."""
    drawn.lengths[:] = np.maximum(1, drawn.time * rng.uniform(0.8, 1.2, size=len(drawn.lengths)))


def amplitude(drawn: Drawn, rng: np.random.Generator) -> None:
    """Scale a crop by one factor from 0.8-1.2, all leads alike."""
    drawn.gains[:] = rng.uniform(0.8, 1.2, size=len(drawn.gains))


def noise(drawn: Drawn, rng: np.random.Generator) -> None:
    """Add white Gaussian noise, standard deviation 0.01 of the signal's unit: a stretch of the run's `white_noise`."""
    drawn.noise[:] = rng.integers(PLACES, size=len(drawn.noise))


def wander(drawn: Drawn, rng: np.random.Generator) -> None:
    """Add one sine of amplitude 1.0 and phase 0 to all leads: 0.5-2 cycles a crop."""
    drawn.cycles[:] = rng.uniform(0.5, 2.0, size=len(drawn.cycles))


def time_mask(drawn: Drawn, rng: np.random.Generator) -> None:
    """Zero 1-50 consecutive samples of all leads."""
    lengths = rng.integers(1, 50, size=len(drawn.masked), endpoint=True)
    starts = rng.integers(0, np.maximum(1, drawn.time - lengths))
    drawn.masked[:] = np.stack([starts, starts + lengths], axis=1).clip(max=drawn.time)


def lead_dropout(drawn: Drawn, rng: np.random.Generator) -> None:
    """Zero each lead with probability 0.5; where all would go, one lead drawn at random stays."""
    crops, leads = len(drawn.kept), len(drawn.leads)
    kept = rng.integers(2, size=(crops, leads), dtype=np.uint8)
    spared = rng.integers(leads, size=crops)
    none = ~kept.any(axis=1)
    kept[none, spared[none]] = 1
    drawn.kept[:, drawn.leads] = kept


AUGMENTATIONS: dict[str, Callable[[Drawn, np.random.Generator], None]] = {
    draw.__name__: draw for draw in (time_warp, amplitude, noise, wander, time_mask, lead_dropout)
}


def check(names: Iterable[str]) -> None:
    """Raise UserError for a name that is no augmentation."""
    for name in names:
        if name not in AUGMENTATIONS:
            raise UserError(f"{name!r} is no augmentation", field="augment",
                            remedy=f"Choose from {', '.join(AUGMENTATIONS)}")


def draw(names: Iterable[str], crops: int, time: int, leads: np.ndarray,
         stream: Callable[[int], np.random.Generator]) -> Drawn:
    """What the named augmentations do to each of `crops` crops; `stream(n)` gives the n-th one its generator."""
    drawn, wanted = Drawn.none(crops, time, leads), set(names)
    for number, (name, augmentation) in enumerate(AUGMENTATIONS.items()):
        if name in wanted:
            augmentation(drawn, stream(number))
    return drawn


def white_noise(time: int, rng: np.random.Generator) -> np.ndarray:
    """The noise of a run: normal float32 numbers, of which a crop takes 12 x time that stand together.

    White within a crop. Two crops whose places, drawn from 2^20, are near each other share numbers, at other moments.
    To draw new ones for each crop takes longer than everything else that is done to it.
    """
    return NOISE * rng.standard_normal(PLACES + len(LEADS) * time, dtype=np.float32)


def augment(crops: np.ndarray, drawn: Drawn, first: int, white: np.ndarray) -> np.ndarray:
    """Crops (batch, time, 12 leads) float16 -> float32 of the same shape, as drawn in the rows from `first` on."""
    from ecgscale.training.one_pass import apply  # compiled code, which a training without augmentation does without

    if crops.shape[2] != len(LEADS):
        raise ValueError(f"{crops.shape[2]} leads: augmentation is compiled for {len(LEADS)}")
    out = np.empty(crops.shape, np.float32)
    apply(crops.view(np.uint16), out, first, white, drawn.lengths, drawn.gains, drawn.noise, drawn.cycles,
          drawn.masked, drawn.kept)
    return out
