"""Zero-phase Butterworth filter of all leads at once, and resampling.

SciPy's butter and sosfiltfilt, to rounding (tests compare them): SciPy filters one lead after the other, and importing
scipy.signal takes a task longer than filtering a thousand recordings. Resampling is SciPy's own.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import cache

import numpy as np

from ecgscale.contracts import LEADS
from ecgscale.machine.compiled import compiled


def band_pass(signal: np.ndarray, rate: float, low: float | None, high: float | None, order: int) -> np.ndarray:
    """Filter (samples, up to 12 leads) along time; edges in Hz, None leaves a side open. float64.

    As scipy.signal.sosfiltfilt with its defaults: forwards and backwards, ends extended by point reflection.
    """
    if low is None and high is None:
        return np.array(signal, dtype=np.float64)
    sections, start, edge = butterworth(order, low, high, rate)
    leads = signal.shape[1]
    if leads > len(LEADS):
        raise ValueError(f"{leads} leads: the filter is compiled for {len(LEADS)}")
    if len(signal) <= edge:
        raise ValueError(f"{len(signal)} samples are too few for this filter: it needs more than {edge}")
    if leads < len(LEADS):
        signal = np.pad(signal, ((0, 0), (0, len(LEADS) - leads)))
    filtered = zero_phase(np.ascontiguousarray(signal, dtype=np.float64), sections, start, edge)
    return filtered[edge : edge + len(signal), :leads]


@cache
def butterworth(order: int, low: float | None, high: float | None, rate: float) -> tuple[np.ndarray, np.ndarray, int]:
    """Second-order sections (b0, b1, b2, a1, a2), their state for a constant 1, samples of extension at each end.

    The analog poles lie on a circle; edges are warped so that the bilinear transform puts them where they belong
    (Oppenheim and Schafer, Discrete-Time Signal Processing, section 7.2). An odd low- or high-pass has one section of
    first order (b2 = a2 = 0). scipy.signal.butter gives the same response.
    """
    if not all(0 < edge < rate / 2 for edge in (low, high) if edge is not None) or (low and high and low >= high):
        raise ValueError(f"band edges {low} and {high} Hz do not lie in order between 0 and {rate / 2:g} Hz")
    poles = np.exp(1j * np.pi * (2 * np.arange(order) + order + 1) / (2 * order))
    below, above = (None if edge is None else 4 * math.tan(math.pi * edge / rate) for edge in (low, high))
    if below and above:
        half = poles * (above - below) / 2
        root = np.sqrt(half**2 - below * above)
        poles, gain, zeros = np.concatenate([half + root, half - root]), (above - below) ** order, [1, -1] * order
    elif below:
        poles, gain, zeros = below / poles, 1.0, [1] * order
    else:
        poles, gain, zeros = above * poles, above**order, [-1] * order
    gain *= np.real(np.prod([4.0 if zero == 1 and below else 1.0 for zero in zeros]) / np.prod(4 - poles))
    poles = (4 + poles) / (4 - poles)
    real = np.sort(poles[np.abs(poles.imag) < 1e-12].real)
    pairs = [(-2 * pole.real, abs(pole) ** 2) for pole in poles if pole.imag >= 1e-12]
    pairs += [(-one - two, one * two) for one, two in zip(real[::2], real[1::2], strict=False)]
    middle, last = (0.0, -1.0) if below and above else (-2.0, 1.0) if below else (2.0, 1.0)
    sections = [[1.0, middle, last, a1, a2] for a1, a2 in sorted(pairs, key=lambda pair: pair[1])]
    if len(real) % 2:
        sections.insert(0, [1.0, middle / 2, 0.0, -real[-1], 0.0])
    sections = np.array(sections)
    sections[0, :3] *= gain
    start, arriving = np.empty((len(sections), 2)), 1.0
    for section, state in zip(sections, start, strict=True):
        leaving = arriving * section[:3].sum() / (1 + section[3:].sum())
        state[:] = leaving - section[0] * arriving, section[2] * arriving - section[4] * leaving
        arriving = leaving
    return sections, start, 3 * (2 * len(sections) + 1 - len(real) % 2)


@compiled
def one_step(x, y, z, b0, b1, b2, a1, a2):
    """One sample of one section: output and the state after it."""
    out = b0 * x + y
    return out, b1 * x + z - a1 * out, b2 * x - a2 * out


@compiled
def zero_phase(signal, sections, start, edge):
    """Filter (samples, leads) forwards and backwards, extended by `edge` samples reflected in the end points.

    Gives (edge + samples + edge, leads).
    """
    samples, leads = signal.shape
    longer = np.empty((samples + 2 * edge, leads))
    for k in range(leads):
        for i in range(edge):
            longer[i, k] = 2 * signal[0, k] - signal[edge - i, k]
            longer[edge + samples + i, k] = 2 * signal[samples - 1, k] - signal[samples - 2 - i, k]
    for i in range(samples):
        for k in range(leads):
            longer[edge + i, k] = signal[i, k]
    filter_in_place(longer, sections, start, False)
    filter_in_place(longer, sections, start, True)
    return longer


@compiled
def filter_in_place(signal, sections, start, backwards):
    """Direct form II transposed, section by section, as if the first sample had lasted for ever before.

    One line a lead: so the compiler packs neighbouring leads into vector registers and the state (y, z) stays in them,
    three times as fast as a loop over the leads.
    """
    samples = len(signal)
    origin = signal[samples - 1 if backwards else 0].copy()
    for s in range(len(sections)):
        b0, b1, b2, a1, a2 = sections[s, 0], sections[s, 1], sections[s, 2], sections[s, 3], sections[s, 4]
        now, then = start[s, 0], start[s, 1]
        y0, y1, y2, y3 = now * origin[0], now * origin[1], now * origin[2], now * origin[3]
        z0, z1, z2, z3 = then * origin[0], then * origin[1], then * origin[2], then * origin[3]
        y4, y5, y6, y7 = now * origin[4], now * origin[5], now * origin[6], now * origin[7]
        z4, z5, z6, z7 = then * origin[4], then * origin[5], then * origin[6], then * origin[7]
        y8, y9, y10, y11 = now * origin[8], now * origin[9], now * origin[10], now * origin[11]
        z8, z9, z10, z11 = then * origin[8], then * origin[9], then * origin[10], then * origin[11]
        for step in range(samples):
            i = samples - 1 - step if backwards else step
            signal[i, 0], y0, z0 = one_step(signal[i, 0], y0, z0, b0, b1, b2, a1, a2)
            signal[i, 1], y1, z1 = one_step(signal[i, 1], y1, z1, b0, b1, b2, a1, a2)
            signal[i, 2], y2, z2 = one_step(signal[i, 2], y2, z2, b0, b1, b2, a1, a2)
            signal[i, 3], y3, z3 = one_step(signal[i, 3], y3, z3, b0, b1, b2, a1, a2)
            signal[i, 4], y4, z4 = one_step(signal[i, 4], y4, z4, b0, b1, b2, a1, a2)
            signal[i, 5], y5, z5 = one_step(signal[i, 5], y5, z5, b0, b1, b2, a1, a2)
            signal[i, 6], y6, z6 = one_step(signal[i, 6], y6, z6, b0, b1, b2, a1, a2)
            signal[i, 7], y7, z7 = one_step(signal[i, 7], y7, z7, b0, b1, b2, a1, a2)
            signal[i, 8], y8, z8 = one_step(signal[i, 8], y8, z8, b0, b1, b2, a1, a2)
            signal[i, 9], y9, z9 = one_step(signal[i, 9], y9, z9, b0, b1, b2, a1, a2)
            signal[i, 10], y10, z10 = one_step(signal[i, 10], y10, z10, b0, b1, b2, a1, a2)
            signal[i, 11], y11, z11 = one_step(signal[i, 11], y11, z11, b0, b1, b2, a1, a2)


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
