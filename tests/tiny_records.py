"""Records as PhysioNet/CinC 2021 writes them, made to order and then broken on purpose."""

import struct
from pathlib import Path

import numpy as np

from ecgscale.contracts import LEADS


def twelve_leads(samples: int = 2500, seed: int = 1) -> np.ndarray:
    """(samples, 12) int16 in microvolts: smooth, with the limb-lead identities to the rounding."""
    rng = np.random.default_rng(seed)
    times = np.arange(samples)[:, None] / 500
    free = sum(rng.normal(0, 150, 8) * np.sin(2 * np.pi * (cycles * times + rng.random(8)))
               for cycles in (1.2, 5.1, 11.3, 23.7))
    free = free + rng.normal(0, 3, (samples, 8))
    one, two, chest = free[:, 0], free[:, 1], free[:, 2:]
    limbs = np.stack([one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2], axis=1)
    return np.rint(np.hstack([limbs, chest])).astype(np.int16)


def write_record(folder: Path, name: str = "A0001", digital: np.ndarray | None = None, *, rate: float = 500,
                 leads=LEADS, unit: str = "mV", gain: float = 1000, dx: str = "426783006", extra: str = "") -> Path:
    """`.hea` and MATLAB v4 `.mat` (16x1+24) with checksums. Gives the header's path."""
    digital = twelve_leads() if digital is None else digital
    samples, signals = digital.shape
    folder.mkdir(parents=True, exist_ok=True)
    matrix = struct.pack("<5i", 30, signals, samples, 0, 4) + b"val\0" + digital.astype("<i2").tobytes()
    (folder / f"{name}.mat").write_bytes(matrix)
    sums = digital.sum(axis=0, dtype=np.int64).astype(np.int16)
    lines = [f"{name} {signals} {rate:g} {samples}"]
    lines += [f"{name}.mat 16x1+24 {gain:g}(0)/{unit} 16 0 {digital[0, k]} {sums[k]} 0 {leads[k]}"
              for k in range(signals)]
    lines += ["#Age: 61", "#Sex: Female", f"#Dx: {dx}", *([extra] if extra else [])]
    path = folder / f"{name}.hea"
    path.write_text("\n".join(lines) + "\n")
    return path
