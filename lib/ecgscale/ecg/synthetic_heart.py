"""A beating heart for the synthetic corpus: beats in time, Gaussian waves of one dipole, and its view from 12 leads.

The dipole (x, y, z) is in millivolts: x is lead I, y points to the feet so that aVF = sqrt(3)/2 y, z points to the
back. In these coordinates the angle atan2(y, x) is the frontal axis of a vector. The chest leads see the dipole
through the matrix of Dower, Machado and Osborne (Clin Cardiol 1980), changed to these coordinates. The waves are sums
of Gaussians as in McSharry et al. (IEEE Trans Biomed Eng 2003), placed beat by beat on an event list instead of a
phase, so that premature beats, pauses, AV ratios and pacing have their own times.

neurokit2 0.2.13 was tried: one morphology with a heart rate and a noise level, no conduction blocks, axes, ectopic
beats or flutter; III is not II - I; ten seconds of 12 leads took 0.5 s where this takes 0.002 s.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

SINUS, PREMATURE_ATRIAL, PREMATURE_VENTRICULAR, PACED, JUNCTIONAL = range(5)

# Rows V1 to V6, then I and II; columns Frank X (left), Y (feet), Z (back).
DOWER = np.array([
    [-0.515, 0.157, -0.917], [0.044, 0.164, -1.387], [0.882, 0.098, -1.277],
    [1.213, 0.127, -0.601], [1.125, 0.127, -0.086], [0.831, 0.076, 0.230],
    [0.632, -0.235, 0.059], [0.235, 1.066, -0.132],
])
FRONTAL = np.array([DOWER[6], (DOWER[7] - DOWER[6] / 2) * 2 / np.sqrt(3), [0, 0, 1]])  # Frank -> (x, y, z) above
LIMB = np.array([[1, 0, 0], [0.5, np.sqrt(3) / 2, 0]])                                 # I, II
CHEST = DOWER[:6] @ np.linalg.inv(FRONTAL)                                             # V1 to V6

# Waves of a QRS: centre and width (standard deviation) as fractions of its duration, dipole in mV, and whether the
# wave turns with the frontal axis.
QRS = {name: np.array(waves) for name, waves in {
    "normal": [(0.22, 0.09, -0.08, 0.02, -0.28, 1), (0.45, 0.11, 0.70, 0.70, 0.35, 1),
               (0.74, 0.10, -0.12, -0.08, 0.38, 1)],
    "rbbb": [(0.14, 0.06, -0.08, 0.02, -0.30, 1), (0.31, 0.08, 0.70, 0.70, 0.30, 1),
             (0.48, 0.07, -0.05, -0.05, 0.30, 1), (0.74, 0.12, -0.42, 0.00, -0.62, 0)],
    "irbbb": [(0.18, 0.08, -0.08, 0.02, -0.28, 1), (0.39, 0.10, 0.70, 0.70, 0.32, 1),
              (0.60, 0.07, -0.10, -0.06, 0.34, 1), (0.83, 0.08, -0.24, 0.02, -0.40, 0)],
    "lbbb": [(0.18, 0.08, 0.25, 0.10, 0.35, 1), (0.40, 0.12, 0.55, 0.30, 0.62, 1),
             (0.68, 0.13, 0.60, 0.30, 0.55, 1)],
    "nsivcb": [(0.16, 0.08, -0.06, 0.02, -0.24, 1), (0.37, 0.09, 0.62, 0.60, 0.30, 1),
               (0.61, 0.10, 0.42, 0.40, 0.38, 1), (0.83, 0.08, -0.12, -0.10, 0.25, 1)],
    "lafb": [(0.20, 0.09, -0.05, 0.24, -0.24, 0), (0.45, 0.12, 0.70, 0.70, 0.32, 1),
             (0.74, 0.10, 0.02, -0.10, 0.36, 0)],
    "paced": [(0.20, 0.09, 0.20, -0.30, 0.30, 0), (0.45, 0.14, 0.60, -0.85, 0.75, 0),
              (0.72, 0.12, 0.30, -0.45, 0.45, 0)],
    "pvc_right": [(0.30, 0.13, 0.15, 0.70, 0.60, 0), (0.58, 0.16, 0.35, 1.00, 0.90, 0)],
    "pvc_left": [(0.30, 0.13, -0.30, -0.35, -0.70, 0), (0.58, 0.16, -0.55, -0.70, -1.00, 0)],
}.items()}

NORMAL_T = np.array([0.20, 0.20, -0.09])
T_OF = {"rbbb": np.array([0.25, 0.20, 0.12]), "lbbb": np.array([-0.26, -0.08, -0.32]),  # discordant to late forces
        "paced": np.array([-0.25, 0.36, -0.30])}
P_WAVES = np.array([[0.035, 0.016, 0.05, 0.10, -0.06], [0.072, 0.018, 0.06, 0.05, 0.05]])  # right, left atrium; s, mV


@dataclass
class Heart:
    """What one recording shows. Durations in seconds, angles in degrees, amplitudes in mV or as factors."""

    rhythm: str = "sinus"               # sinus, af, afl, paced, junctional
    rate: float = 72.0                  # ventricular, beats a minute
    respiratory: float = 0.03           # share by which breathing changes the RR interval
    jitter: float = 0.015               # share by which RR changes from beat to beat
    pr: float = 0.158                   # P onset to QRS onset
    qrs: float = 0.090
    qtc: float = 0.410                  # Bazett
    shape: str = "normal"               # of the conducted QRS
    axis: float | None = 45.0           # frontal, of the forces that turn; None: as the shape has it
    voltage: float = 1.0
    low_voltage: bool = False
    r_of_v3: float | None = None        # mV; None: as the shape has it
    t_wave: np.ndarray | None = None    # mV; None: as the shape has it
    t_biphasic: float = 0.0             # share of the T wave that comes first with the other sign
    q_wave: np.ndarray = field(default_factory=lambda: np.zeros(3))  # dipole of the first 40 ms
    st: np.ndarray = field(default_factory=lambda: np.zeros(3))      # dipole of the ST segment
    atrial_premature: float = 0.0       # chance that a beat is one
    ventricular_premature: float = 0.0
    premature_shape: str = "pvc_right"
    flutter_ratio: tuple[int, ...] = (2,)
    atrial_pacing: bool = False
    chest: np.ndarray = field(default_factory=lambda: CHEST)         # (V1 to V6, xyz) of this body


@dataclass
class Beats:
    """Ventricular beats: QRS onset (s), RR interval before it (s), kind, and whether a P wave leads it."""

    onset: np.ndarray
    rr: np.ndarray
    kind: np.ndarray
    p_wave: np.ndarray


def beats(heart: Heart, seconds: float, rng: np.random.Generator) -> Beats:
    """Event list from before the first sample to after the last. Each kind of ectopic beat occurs at least once."""
    base = 60.0 / heart.rate
    onset, rr, kind = [], [], []
    breathing, phase = rng.uniform(0.18, 0.30), rng.uniform(0, 2 * np.pi)
    due = rng.uniform(0.2, 0.6) * seconds
    missing = [PREMATURE_ATRIAL] * (heart.atrial_premature > 0) + [PREMATURE_VENTRICULAR] * (
        heart.ventricular_premature > 0)
    usual = SINUS if heart.rhythm in ("sinus", "af", "afl") else PACED if heart.rhythm == "paced" else JUNCTIONAL
    now, pause = -base * rng.uniform(0.5, 1.5) - 0.5, None
    while now < seconds + 1.0:
        step = interval(heart, base * (1 + heart.respiratory * np.sin(2 * np.pi * breathing * now + phase)), rng)
        draw, this = rng.random(), usual
        if pause is not None:
            step, pause = pause, None
        elif (now > due and PREMATURE_ATRIAL in missing) or draw < heart.atrial_premature:
            this, regular = PREMATURE_ATRIAL, step
            step, pause = regular * rng.uniform(0.60, 0.76), regular * rng.uniform(1.02, 1.15)  # sinus node is reset
        elif (now > due and PREMATURE_VENTRICULAR in missing) or draw > 1 - heart.ventricular_premature:
            this, regular = PREMATURE_VENTRICULAR, step
            step = regular * rng.uniform(0.55, 0.72)
            pause = 2 * regular - step                                     # sinus node is not: full compensation
        now += max(step, 0.30)
        if this in missing and now > 0:
            missing.remove(this)
        onset.append(now), rr.append(max(step, 0.30)), kind.append(this)
    kinds = np.array(kind)
    has_atria = heart.rhythm == "sinus" or heart.atrial_pacing
    return Beats(np.array(onset), np.array(rr), kinds, has_atria & (kinds != PREMATURE_VENTRICULAR))


def interval(heart: Heart, base: float, rng: np.random.Generator) -> float:
    """One RR interval in seconds."""
    if heart.rhythm == "af":
        return base * max(rng.gamma(20.0, 1 / 20.0), 0.45)     # irregularly irregular: coefficient of variation 0.22
    if heart.rhythm == "afl":
        return 60.0 / flutter_rate(heart) * heart.flutter_ratio[rng.integers(len(heart.flutter_ratio))]
    if heart.rhythm == "paced":
        return base
    return base * (1 + heart.jitter * rng.standard_normal())


def flutter_rate(heart: Heart) -> float:
    """Atrial beats a minute: the ventricular rate times the mean conduction ratio."""
    return heart.rate * float(np.mean(heart.flutter_ratio))


def shaped(heart: Heart) -> np.ndarray:
    """The conducted QRS (wave: centre, width, x, y, z) in fractions and mV: turned to the axis, then scaled."""
    waves = QRS[heart.shape].copy()
    if heart.axis is not None:
        turns = waves[:, 5] > 0
        net = (waves[turns, 1, None] * waves[turns, 2:4]).sum(axis=0)
        angle = np.deg2rad(heart.axis) - np.arctan2(net[1], net[0])
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        waves[turns, 2:4] = waves[turns, 2:4] @ turn.T
    waves = waves[:, :5]
    if heart.q_wave.any():
        waves[:, 0] += 0.006 / heart.qrs
        centre, width = 0.021 / heart.qrs, 0.0105 / heart.qrs
        waves = np.vstack([[centre, width, *heart.q_wave], waves[waves[:, 0] > centre]])
    waves[:, 2:] *= heart.voltage
    waves[:, 2:] *= voltage_limit(waves, heart)
    if heart.r_of_v3 is not None:                         # turn the forces back until V3 sees an R of this height
        seen = waves[:, 2:] @ heart.chest[2]
        surplus = np.maximum(seen, 0) * max(0.0, 1 - heart.r_of_v3 / seen.max())
        waves[:, 4] -= surplus / heart.chest[2, 2]
        waves[:, 2:] *= voltage_limit(waves, heart) if heart.low_voltage else 1.0
    return waves


def voltage_limit(waves: np.ndarray, heart: Heart) -> float:
    """Factor that puts QRS voltage on the right side of the definition of low voltage (limb 0.5, chest 1.0 mV)."""
    grid = np.linspace(-0.1, 1.2, 66)
    dipole = np.exp(-0.5 * ((grid - waves[:, :1]) / waves[:, 1:2]) ** 2).T @ waves[:, 2:]      # (grid, xyz)
    limb = dipole @ LIMB.T
    limbs = limb @ np.array([[1, 0, -1, 0.5, 1, -0.5], [0, 1, 1, 0.5, -0.5, 1]])               # I II III aVR aVL aVF
    in_limbs, in_chest = np.ptp(limbs, axis=0).max(), np.ptp(dipole @ heart.chest.T, axis=0).max()
    if heart.low_voltage:
        return min(0.40 / in_limbs, 0.90 / in_chest)
    return max(1.0, 0.75 / in_limbs)


def dipole(heart: Heart, times: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(xyz, time) in mV of one recording without noise. `times` in seconds from 0, evenly spaced."""
    made = beats(heart, float(times[-1]), rng)
    rate = 1.0 / (times[1] - times[0])
    out = np.zeros((3, len(times)))
    conducted = shaped(heart)
    strength = 1 + 0.04 * rng.standard_normal(len(made.onset))
    ectopic = made.kind == PREMATURE_VENTRICULAR
    for chosen, shape, length in ((~ectopic, conducted, heart.qrs),
                                  (ectopic, QRS[heart.premature_shape][:, :5], 0.155 + 0.2 * (heart.qrs - 0.09))):
        onset = made.onset[chosen]
        add_waves(out, rate, onset, shape[:, 0] * length, shape[:, 1] * length, shape[:, 2:], strength[chosen])
        add_repolarization(out, rate, heart, onset, made.rr[chosen], length, shape, strength[chosen],
                           discordant=shape is not conducted)
    add_atria(out, rate, heart, made, times, rng)
    return out


def add_repolarization(out, rate, heart: Heart, onset, rr, length, shape, strength, discordant: bool) -> None:
    """ST segment and an asymmetric T wave that ends at the QT interval (Bazett; a wide QRS adds its excess)."""
    usual = np.median(rr) if len(rr) else 1.0
    pace = np.sqrt(np.clip(0.7 * rr + 0.3 * usual, 0.35, 1.6))
    qt = heart.qtc * pace + max(length - 0.10, 0.0) * 0.7
    width = 0.038 * pace
    if discordant:
        wave = -0.35 * shape[:, 2:].sum(axis=0)
    else:
        wave = (heart.t_wave if heart.t_wave is not None else T_OF.get(heart.shape, NORMAL_T))
        wave = wave * (0.35 if heart.low_voltage else 1.0)
    peak = qt - 2.3 * width
    for back, wider, share in ((0.0, 1.0, 1.0), (1.5, 1.5, 0.45 - 1.6 * heart.t_biphasic)):  # slow rise, faster fall
        add_waves(out, rate, onset + peak - back * width, np.zeros(1), None, share * wave[None], strength,
                  widths=wider * width)
    if heart.st.any():
        add_waves(out, rate, onset + length + 0.06, np.zeros(1), np.array([0.035]), heart.st[None], strength)


def add_atria(out, rate, heart: Heart, made: Beats, times, rng: np.random.Generator) -> None:
    """P waves, fibrillation or flutter waves, pacing spikes."""
    spike = np.array([0.25, -0.55, 0.45]) * rng.uniform(0.7, 1.6)
    if heart.rhythm == "paced":
        add_waves(out, rate, made.onset[made.kind == PACED] - 0.012, np.zeros(1), np.array([0.0014]), spike[None], None)
    for early in (False, True):
        chosen = made.p_wave & ((made.kind == PREMATURE_ATRIAL) == early)
        onset = made.onset[chosen] - heart.pr
        waves = P_WAVES[:, 2:] * ((0.9, -0.2, 1.0) if early else 1.0)      # another focus: another direction
        add_waves(out, rate, onset, P_WAVES[:, 0], P_WAVES[:, 1], waves, None)
        if heart.atrial_pacing:
            add_waves(out, rate, onset - 0.01, np.zeros(1), np.array([0.0014]), 0.4 * spike[None] * (1, -1, 1), None)
    if heart.rhythm == "af":
        out += fibrillation(times, rng)
    elif heart.rhythm == "afl":
        turns = 2 * np.pi * flutter_rate(heart) / 60 * times + rng.uniform(0, 2 * np.pi)
        saw = sum(np.sin(k * turns) / k for k in range(1, 5)) / 1.6
        out += rng.uniform(0.9, 1.5) * np.array([[0.04], [-0.20], [-0.10]]) * saw


def fibrillation(times: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(xyz, time) f waves of 5 to 8 Hz, fine or coarse, largest in V1, of wandering frequency and size."""
    waves = np.zeros((3, len(times)))
    for direction in ((0.01, 0.05, -0.09), (0.03, 0.03, 0.04)):
        turns = 2 * np.pi * rng.uniform(5.0, 8.0) * times
        turns += 1.5 * np.sin(2 * np.pi * rng.uniform(0.3, 0.7) * times + rng.uniform(0, 6.3))
        swell = 1 + 0.4 * np.sin(2 * np.pi * rng.uniform(0.1, 0.5) * times + rng.uniform(0, 6.3))
        waves += np.array(direction)[:, None] * (rng.uniform(0.25, 1.3) * swell * np.sin(turns + rng.uniform(0, 6.3)))
    return waves


def add_waves(out, rate, onset, centres, width, dipoles, strength, widths=None) -> None:
    """Add Gaussians to `out` (xyz, time): one wave a row of `dipoles`, at every onset, each on its own +-4 sigma.

    onset (beat,) s; centres and width (wave,) s; widths (beat,) s replaces `width`; strength (beat,) or None.
    """
    if not len(onset):
        return
    at = (onset[:, None] + centres).ravel()                                        # (beat * wave,)
    sigma = np.repeat(widths, len(centres)) if widths is not None else np.tile(width, len(onset))
    size = np.tile(dipoles, (len(onset), 1))                                       # (beat * wave, xyz)
    if strength is not None:
        size = size * np.repeat(strength, len(centres))[:, None]
    half = int(np.ceil(4 * sigma.max() * rate)) + 1
    inside = (at * rate > -half) & (at * rate < out.shape[1] + half)
    at, sigma, size = at[inside] * rate, sigma[inside] * rate, size[inside]
    if not len(at):
        return
    index = np.rint(at).astype(int)[:, None] + np.arange(-half, half + 1)          # (wave, sample)
    bell = np.exp(-0.5 * ((index - at[:, None]) / sigma[:, None]) ** 2)
    index = index.ravel() + 2 * half
    total = out.shape[1] + 4 * half + 1
    for axis in range(3):
        sums = np.bincount(index, (bell * size[:, axis, None]).ravel(), minlength=total)
        out[axis] += sums[2 * half: 2 * half + out.shape[1]]


def leads(heart: Heart, seconds: float, rate: float, difficulty: float, mains: float,
          rng: np.random.Generator) -> np.ndarray:
    """(lead, time) int16 in steps of 1 uV, leads I II III aVR aVL aVF V1 to V6, with noise, wander and mains hum.

    The derived limb leads are computed from the rounded I and II, as recorders do: III = II - I exactly, and
    2 aVR = -(I + II), 2 aVL = 2 I - II, 2 aVF = 2 II - I to the one step that halving leaves.
    """
    times = np.arange(round(seconds * rate)) / rate
    seen = np.vstack([LIMB, heart.chest]) @ dipole(heart, times, rng)               # (8, time) mV
    seen += rng.standard_normal(seen.shape, dtype=np.float32) * (0.004 + 0.027 * difficulty * rng.lognormal(0, 0.6))
    hum = 0.02 * difficulty * rng.random((8, 1))
    seen += hum * np.sin(2 * np.pi * mains * times + rng.uniform(0, 6.3))
    drift = 0.004 + 0.08 * difficulty * rng.lognormal(0, 0.7)
    for frequency in (rng.uniform(0.1, 0.2), rng.uniform(0.2, 0.35), rng.uniform(0.35, 0.6)):
        seen += drift * rng.standard_normal((8, 1)) * np.sin(2 * np.pi * frequency * times + rng.uniform(0, 6.3))
    steps = np.clip(np.rint(seen * 1000), -15000, 15000).astype(np.int32)
    first, second = steps[0], steps[1]
    limbs = [first, second, second - first, half(-(first + second)), half(2 * first - second), half(2 * second - first)]
    return np.vstack([limbs, steps[2:]]).astype(np.int16)


def half(doubled: np.ndarray) -> np.ndarray:
    """Half of whole numbers, ties to even."""
    return np.rint(doubled / 2).astype(np.int32)
