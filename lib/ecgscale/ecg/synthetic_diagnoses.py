"""The 26 scored diagnoses of the synthetic corpus: which go together, and what each does to the heart.

Numbers are the usual criteria: PR 120-200 ms, QRS below 110 ms, complete block from 120 ms, QTc (Bazett) to 450 ms,
frontal axis -30 to 90 degrees, low voltage below 0.5 mV in every limb lead and 1.0 mV in every chest lead (Surawicz
et al., Rautaharju et al., AHA/ACCF/HRS recommendations, Circulation 2009). Three diagnoses that are not scored (ST
depression, ST elevation, left ventricular hypertrophy) fill recordings that carry no scored one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from ecgscale.ecg.synthetic_heart import CHEST, NORMAL_T, T_OF, Heart

UNSCORED = {"STD": "429622005", "STE": "164931005", "LVH": "164873001"}

RHYTHMS = ("NSR", "SB", "STach", "AF", "AFL", "PR", "Brady")      # at most one; none: a sinus rhythm nobody named
BLOCKS = ("LBBB", "RBBB", "IRBBB", "NSIVCB", "BBB")               # at most one

Q_WAVES = np.array([(0.05, -0.85, -0.10), (0.05, 0.05, 0.70), (-0.75, -0.05, 0.0)])   # inferior, anterior, lateral

# In the order they are drawn: diagnosis -> those it never stands beside. Symmetric; rhythms and blocks exclude
# each other anyway.
EXCLUDES = {
    **dict.fromkeys(BLOCKS, ("PR",)),
    "SA": ("NSR", "STach", "AF", "AFL", "PR", "Brady"),                 # a phasic sinus rhythm, often a slow one
    "LAnFB": ("PR", "LBBB", "BBB", "NSIVCB"),
    "LAD": ("PR",),
    "RAD": ("PR", "LAD", "LAnFB", "LBBB"),
    "IAVB": ("AF", "AFL", "PR", "Brady"),                               # needs P waves that conduct
    "LPR": ("AF", "AFL", "PR", "Brady", "IAVB"),
    "LQRSV": ("PR",),
    "PRWP": ("PR", "LBBB", "RBBB", "BBB"),
    "QAb": ("PR", "LBBB", "BBB"),
    "PAC": ("AF", "AFL", "PR", "Brady"),
    "PVC": ("PR",),
    "TInv": ("PR", "LBBB", "BBB"),                                      # there it is secondary to the block
    "TAb": ("PR",),
    "LQT": ("PR", "AFL"),
}


def draw_diagnoses(expected: Mapping[str, float], count: int, normal_alone: bool,
                   rng: np.random.Generator) -> list[tuple[str, ...]]:
    """Diagnoses of `count` recordings of one source, close to the expected number of each.

    normal_alone: sinus rhythm means a normal ECG and stands alone (CPSC 2018). Fewer than expected are given where
    too few recordings may carry the diagnosis.
    """
    given = {name: np.zeros(count, dtype=bool) for name in (*RHYTHMS, *EXCLUDES, *UNSCORED)}
    wanted = {name: int(expected.get(name, 0.0) + rng.random()) for name in (*RHYTHMS, *EXCLUDES)}
    shrink = min(1.0, count / max(1, sum(wanted[name] for name in RHYTHMS)))
    order, start = rng.permutation(count), 0
    for name in RHYTHMS:
        end = start + int(shrink * wanted[name])
        given[name][order[start:end]] = True
        start = end
    for name, excluded in EXCLUDES.items():
        never = {name, *excluded, *(BLOCKS if name in BLOCKS else ()), *(("NSR",) if normal_alone else ())}
        free = np.flatnonzero(~np.any([given[other] for other in never], axis=0))
        more = max(0, wanted[name] - int(given[name].sum()))
        given[name][rng.permutation(free)[:more]] = True
        if name == "LAnFB":
            given["LAD"] |= given["LAnFB"]                              # the block is what turns the axis
    bare = ~np.any(list(given.values()), axis=0)
    filled = bare | ((rng.random(count) < 0.06) & ~given["NSR"] & ~given["PR"])
    which = rng.integers(len(UNSCORED), size=count)
    which[given["LQRSV"]] %= list(UNSCORED).index("LVH")                # hypertrophy does not go with low voltage
    for place, name in enumerate(UNSCORED):
        given[name] = filled & (which == place)
    names, matrix = sorted(given), np.column_stack([given[name] for name in sorted(given)])
    return [tuple(names[place] for place in np.flatnonzero(row)) for row in matrix]


@dataclass(frozen=True)
class Body:
    """What the recordings of one patient share."""

    sex: str                 # female or male
    age: int                 # years
    axis: float
    voltage: float
    chest: np.ndarray        # (V1 to V6, xyz)
    t_size: float
    premature_shape: str


def draw_body(history: Collection[str], rng: np.random.Generator) -> Body:
    """The body of a patient with these diagnoses: some come with age."""
    old = bool({"AF", "AFL", "PR", "LBBB", "PVC", "QAb"} & set(history))
    age = int(np.clip(rng.normal(69 if old else 57, 13 if old else 18), 5, 95))
    return Body(
        sex="male" if rng.random() < 0.54 else "female",
        age=age,
        axis=float(np.clip(rng.normal(62 - 0.4 * age, 18), -18, 82)),    # turns left with age
        voltage=float(np.clip(rng.lognormal(0.0, 0.2), 0.6, 1.6)),
        chest=CHEST * (1 + 0.12 * rng.standard_normal((6, 1))) + 0.05 * rng.standard_normal((6, 3)),
        t_size=float(np.clip(rng.normal(1.0, 0.15), 0.65, 1.4)),
        premature_shape="pvc_right" if rng.random() < 0.6 else "pvc_left",
    )


def heart_with(diagnoses: Collection[str], body: Body, difficulty: float, rng: np.random.Generator) -> Heart:
    """The heart of one recording. The more difficult, the closer each sign may lie to its threshold."""
    mild = 1.0 - 0.75 * difficulty * rng.random()

    def beyond(threshold: float, typical: float, spread: float = 0.15) -> float:
        return threshold + (typical - threshold) * mild * float(np.clip(rng.normal(1, spread), 0.6, 1.5))

    has = set(diagnoses).__contains__
    heart = Heart(chest=body.chest, voltage=body.voltage, premature_shape=body.premature_shape, axis=body.axis,
                  pr=clipped(rng, 0.158, 0.016, 0.122, 0.196), qrs=clipped(rng, 0.090, 0.007, 0.074, 0.106),
                  qtc=clipped(rng, 0.408 + 0.01 * (body.sex == "female"), 0.014, 0.375, 0.445),
                  t_wave=body.t_size * NORMAL_T)
    set_rhythm(heart, has, beyond, rng)
    set_conduction(heart, has, beyond, rng)
    set_repolarization(heart, has, beyond, rng)
    if has("IAVB"):
        heart.pr = beyond(0.206, 0.255)
    if has("LPR"):
        heart.pr = beyond(0.203, 0.235)
    if has("LQRSV"):
        heart.low_voltage = True
    if has("LVH"):
        heart.voltage = beyond(1.5, 2.0)
    if has("PRWP"):
        heart.r_of_v3 = max(0.02, beyond(0.26, 0.12))
    if has("QAb"):
        heart.q_wave = mild * Q_WAVES[rng.integers(3)]
    if has("PAC"):
        heart.atrial_premature = rng.uniform(0.12, 0.28) * mild + 0.05
    if has("PVC"):
        heart.ventricular_premature = rng.uniform(0.12, 0.28) * mild + 0.05
    return heart


def clipped(rng: np.random.Generator, mean: float, spread: float, low: float, high: float) -> float:
    return float(np.clip(rng.normal(mean, spread), low, high))


def set_rhythm(heart: Heart, has, beyond, rng: np.random.Generator) -> None:
    heart.rate = clipped(rng, 74, 9, 61, 98)
    heart.respiratory, heart.jitter = rng.uniform(0.01, 0.035), 0.012
    if has("SB"):
        heart.rate = clipped(rng, beyond(59, 50), 2, 36, 59)
    elif has("STach"):
        heart.rate = clipped(rng, beyond(101, 122), 5, 101, 160)
        heart.respiratory, heart.pr = 0.01, heart.pr - 0.015
    elif has("Brady"):
        heart.rate = clipped(rng, beyond(58, 46), 2, 32, 58)
        heart.rhythm = "sinus" if rng.random() < 0.5 else "junctional"
    elif has("AF"):
        heart.rhythm, heart.rate = "af", clipped(rng, 92, 20, 52, 150)
    elif has("AFL"):
        heart.rhythm = "afl"
        heart.flutter_ratio = ((2,), (3,), (4,), (2, 4), (2, 3, 4))[rng.choice(5, p=[0.35, 0.1, 0.3, 0.15, 0.1])]
        heart.rate = clipped(rng, 295, 20, 240, 340) / float(np.mean(heart.flutter_ratio))
    elif has("PR"):
        heart.rhythm, heart.rate = "paced", clipped(rng, 68, 7, 58, 90)
        heart.atrial_pacing = rng.random() < 0.3
    if has("SA"):
        heart.respiratory = min(beyond(0.10, 0.20), 0.32)


def set_conduction(heart: Heart, has, beyond, rng: np.random.Generator) -> None:
    if has("PR"):
        heart.shape, heart.qrs, heart.axis, heart.t_wave = "paced", clipped(rng, 0.165, 0.01, 0.145, 0.19), None, None
        return
    block = next((name for name in BLOCKS if has(name)), None)
    if block == "BBB":
        block = "LBBB" if rng.random() < 0.5 else "RBBB"
    if block == "LBBB":
        heart.shape, heart.qrs, heart.t_wave = "lbbb", beyond(0.124, 0.152), None
        heart.axis = clipped(rng, 10, 20, -28, 60)
    elif block == "RBBB":
        heart.shape, heart.qrs, heart.t_wave = "rbbb", beyond(0.122, 0.145), None
    elif block == "IRBBB":
        heart.shape, heart.qrs = "irbbb", clipped(rng, 0.111, 0.004, 0.102, 0.118)
    elif block == "NSIVCB":
        heart.shape, heart.qrs = "nsivcb", min(beyond(0.112, 0.124), 0.150)
    if has("LAnFB"):
        heart.axis = max(beyond(-45, -58), -85)
        if block is None:
            heart.shape, heart.qrs = "lafb", clipped(rng, 0.102, 0.005, 0.090, 0.114)
    elif has("LAD"):
        heart.axis = max(beyond(-31, -47), -80)
    elif has("RAD"):
        heart.axis = min(beyond(96, 118), 165)


def set_repolarization(heart: Heart, has, beyond, rng: np.random.Generator) -> None:
    usual = heart.t_wave if heart.t_wave is not None else T_OF.get(heart.shape, NORMAL_T)
    if has("TInv"):
        targets = (-usual, np.array([0.10, 0.15, 0.28]), np.array([0.15, -0.32, -0.10]))   # global, anterior, inferior
        heart.t_wave = beyond(0.35, 0.95) * targets[rng.choice(3, p=[0.5, 0.3, 0.2])]
    elif has("TAb"):
        heart.t_biphasic = 0.75 if rng.random() < 0.35 else 0.0
        heart.t_wave = usual * (0.8 if heart.t_biphasic else 1 - beyond(0.6, 0.9, 0.05))
    if has("LQT"):
        heart.qtc = min(beyond(0.465, 0.510), 0.60)
    if has("STD") or has("STE"):
        sign = -1 if has("STD") else 1
        heart.st = sign * beyond(0.05, 0.14) * np.array([0.5, 0.6, -0.6])
