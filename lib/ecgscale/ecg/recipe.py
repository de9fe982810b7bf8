"""Preparation recipes by name: band-pass, resampling and normalization, and the digest that travels with a corpus.

`study` is the published study's: 3rd-order Butterworth 1-47 Hz forwards and backwards, 500 Hz, z-score per lead. It
deletes absolute voltage and keeps a narrow band; the others here do not. The filter is SciPy's sosfiltfilt, compiled
for 12 leads at once (tests compare the two).
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from fractions import Fraction
from functools import cache
from typing import Any, Literal

import numpy as np

from ecgscale.contracts import digest
from ecgscale.ecg.guards import compiled
from ecgscale.errors import UserError

EPSILON = 1e-6      # mV, added to the standard deviation


@dataclass(frozen=True)
class Recipe:
    """One way to prepare a recording.

    Band edges in Hz (None: open on that side; an upper edge at or above 0.49 x the recording's rate is left out, since
    nothing is recorded there). `normalize`: "lead" z-score of each lead, "record" each lead's mean but one standard
    deviation for all leads, which keeps the ratios between them, "none" millivolts.
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
    Recipe("wide", low=0.5, high=100.0),
    Recipe("diagnostic", low=0.05, high=150.0, normalize="none"),
)}


def recipe_named(name: str) -> Recipe:
    if name not in RECIPES:
        raise UserError(f"unknown recipe {name!r}", field="data.recipe", remedy=f"Known: {', '.join(RECIPES)}")
    return RECIPES[name]


def prepare(millivolts: np.ndarray, rate: float, recipe: Recipe) -> np.ndarray:
    """(samples, leads) float64 millivolts at `rate` Hz -> (samples', leads) float64 at the recipe's rate and scale."""
    filtered = band_pass(millivolts, rate, recipe)
    return normalize(resample(filtered, rate, recipe.rate), recipe)


def band_pass(signal: np.ndarray, rate: float, recipe: Recipe) -> np.ndarray:
    """Zero-phase Butterworth filter along time, as scipy.signal.sosfiltfilt with its odd extension. float64."""
    high = recipe.high if recipe.high is not None and recipe.high < 0.49 * rate else None
    if recipe.low is None and high is None:
        return np.array(signal, dtype=np.float64)
    sections, start, edge = filter_of(recipe.order, recipe.low, high, rate)
    if len(signal) <= edge:
        raise ValueError(f"{len(signal)} samples are too few for this filter: it needs more than {edge}")
    return zero_phase(np.ascontiguousarray(signal, dtype=np.float64), sections, start, edge)


@cache
def filter_of(order: int, low: float | None, high: float | None, rate: float) -> tuple[np.ndarray, np.ndarray, int]:
    """Second-order sections, their state for a step of height 1, and the samples of odd extension at each end."""
    from scipy.signal import butter, sosfilt_zi

    kind, edges = ("bandpass", [low, high]) if low and high else ("highpass", low) if low else ("lowpass", high)
    sections = butter(order, edges, btype=kind, fs=rate, output="sos")
    # taps less those that are zero in every section's last place, tripled: the length that sosfiltfilt takes
    taps = 2 * len(sections) + 1 - min((sections[:, 2] == 0).sum(), (sections[:, 5] == 0).sum())
    return sections, sosfilt_zi(sections), 3 * int(taps)


@compiled
def zero_phase(signal, sections, start, edge):
    """Filter (samples, leads) forwards and backwards, extended by `edge` samples mirrored in the end points."""
    samples, leads = signal.shape
    longer, out = np.empty((samples + 2 * edge, leads)), np.empty((samples, leads))
    for k in range(leads):
        for i in range(edge):
            longer[i, k] = 2 * signal[0, k] - signal[edge - i, k]
            longer[edge + samples + i, k] = 2 * signal[samples - 1, k] - signal[samples - 2 - i, k]
    for i in range(samples):
        for k in range(leads):
            longer[edge + i, k] = signal[i, k]
    filter_in_place(longer, sections, start, False)
    filter_in_place(longer, sections, start, True)
    for i in range(samples):
        for k in range(leads):
            out[i, k] = longer[edge + i, k]
    return out


@compiled
def filter_in_place(signal, sections, start, backwards):
    """Direct form II transposed, section by section, as if the first sample had lasted for ever before."""
    samples, leads = signal.shape
    state, origin = np.empty((2, leads)), np.empty(leads)
    for k in range(leads):
        origin[k] = signal[samples - 1 if backwards else 0, k]
    for s in range(len(sections)):
        b0, b1, b2, a1, a2 = sections[s, 0], sections[s, 1], sections[s, 2], sections[s, 4], sections[s, 5]
        for k in range(leads):
            state[0, k], state[1, k] = start[s, 0] * origin[k], start[s, 1] * origin[k]
        for step in range(samples):
            i = samples - 1 - step if backwards else step
            for k in range(leads):
                x = signal[i, k]
                y = b0 * x + state[0, k]
                state[0, k] = b1 * x - a1 * y + state[1, k]
                state[1, k] = b2 * x - a2 * y
                signal[i, k] = y


def resample(signal: np.ndarray, rate: float, target: float) -> np.ndarray:
    """Along time: polyphase where one rate is a whole multiple of the other, else by FFT to the nearest length."""
    if rate == target:
        return signal
    from scipy.signal import resample as by_fft
    from scipy.signal import resample_poly

    ratio = Fraction(target).limit_denominator(10**6) / Fraction(rate).limit_denominator(10**6)
    if 1 in (ratio.numerator, ratio.denominator):
        return resample_poly(signal, ratio.numerator, ratio.denominator, axis=0)
    length = max(1, math.floor(len(signal) * target / rate + 0.5))
    out = np.empty((length, signal.shape[1]))
    for lead in range(signal.shape[1]):     # one lead at a time: a long recording's spectrum stays small
        out[:, lead] = by_fft(signal[:, lead], length)
    return out


def normalize(signal: np.ndarray, recipe: Recipe) -> np.ndarray:
    return signal if recipe.normalize == "none" else z_score(signal, recipe.normalize == "record", EPSILON)


@compiled
def z_score(signal, together, epsilon):
    """(x - mean of the lead) / (standard deviation over n + epsilon): the lead's, or of all leads together."""
    samples, leads = signal.shape
    mean, variance, out = np.zeros(leads), np.zeros(leads), np.empty((samples, leads))
    for i in range(samples):
        for k in range(leads):
            mean[k] += signal[i, k]
    for k in range(leads):
        mean[k] /= samples
    for i in range(samples):
        for k in range(leads):
            out[i, k] = signal[i, k] - mean[k]
            variance[k] += out[i, k] * out[i, k]
    for k in range(leads):
        variance[k] /= samples
    scale = 1 / (np.sqrt(np.full(leads, variance.mean()) if together else variance) + epsilon)
    for i in range(samples):
        for k in range(leads):
            out[i, k] *= scale[k]
    return out
