"""All augmentations in one pass over a batch: a crop stays in the nearest cache from its first number to its last."""

from __future__ import annotations

import numpy as np

from ecgscale.machine.compiled import compiled

LIFT = np.float32(2.0**112)     # between the exponents of float16 and of float32


@compiled
def apply(crops, out, first, white, lengths, gains, noise, cycles, masked, kept):
    """`crops` (batch, time, 12 leads), bits of float16, to `out`, float32, by the rows of `augment.Drawn` from `first`.

    Time is stretched as torch.nn.functional.interpolate does it (linear, corners not aligned): between the samples
    before and after (t + 1/2) T / length - 1/2. One line a lead, and all are read before the first is written: so the
    compiler packs them into vector registers, three times as fast as a loop over the leads.
    """
    batch, time, lead = crops.shape
    x, silent = np.empty((time, lead), np.float32), np.zeros((time, lead), np.float32)
    bits = x.view(np.uint32).reshape(-1)
    left, near, far = np.empty(time, np.uint32), np.empty(time, np.float32), np.empty(time, np.float32)
    half, one, end = np.float32(0.5), np.uint32(1), np.uint32(time - 1)
    for c in range(batch):
        d = first + c
        stored = crops[c].reshape(-1)
        for i in range(time * lead):        # sign, exponent and mantissa to where float32 has them
            size = np.uint32(stored[i] & np.uint32(0x7FFF))
            endless = np.uint32(0x7F800000) if size >= np.uint32(0x7C00) else np.uint32(0)  # infinite, or no number
            bits[i] = (stored[i] & np.uint32(0x8000)) << np.uint32(16) | size << np.uint32(13) | endless
        pace, gain = np.float32(time / lengths[d]), gains[d] * LIFT
        for t in range(time):
            at = min(max((np.float32(t) + half) * pace - half, np.float32(0)), np.float32(end))
            scale = gain if t < lengths[d] else np.float32(0)
            left[t] = np.uint32(at)
            far[t] = (at - np.float32(left[t])) * scale
            near[t] = scale - far[t]
        added = white[noise[d] : noise[d] + time * lead].reshape(time, lead) if noise[d] >= 0 else silent
        angle = 2 * np.pi * cycles[d] / time
        twice, sine, before = 2 * np.cos(angle), 0.0, -np.sin(angle)    # sin((t + 1) a) = 2 cos(a) sin(t a) - ...
        k0, k1, k2, k3, k4, k5 = kept[d, 0], kept[d, 1], kept[d, 2], kept[d, 3], kept[d, 4], kept[d, 5]
        k6, k7, k8, k9, k10, k11 = kept[d, 6], kept[d, 7], kept[d, 8], kept[d, 9], kept[d, 10], kept[d, 11]
        for t in range(time):
            i, a, b, s = left[t], near[t], far[t], np.float32(sine)
            j = min(i + one, end)
            sine, before = twice * sine - before, sine
            y0 = (a * x[i, 0] + b * x[j, 0] + added[t, 0] + s) * k0
            y1 = (a * x[i, 1] + b * x[j, 1] + added[t, 1] + s) * k1
            y2 = (a * x[i, 2] + b * x[j, 2] + added[t, 2] + s) * k2
            y3 = (a * x[i, 3] + b * x[j, 3] + added[t, 3] + s) * k3
            y4 = (a * x[i, 4] + b * x[j, 4] + added[t, 4] + s) * k4
            y5 = (a * x[i, 5] + b * x[j, 5] + added[t, 5] + s) * k5
            y6 = (a * x[i, 6] + b * x[j, 6] + added[t, 6] + s) * k6
            y7 = (a * x[i, 7] + b * x[j, 7] + added[t, 7] + s) * k7
            y8 = (a * x[i, 8] + b * x[j, 8] + added[t, 8] + s) * k8
            y9 = (a * x[i, 9] + b * x[j, 9] + added[t, 9] + s) * k9
            y10 = (a * x[i, 10] + b * x[j, 10] + added[t, 10] + s) * k10
            y11 = (a * x[i, 11] + b * x[j, 11] + added[t, 11] + s) * k11
            out[c, t, 0], out[c, t, 1], out[c, t, 2], out[c, t, 3] = y0, y1, y2, y3
            out[c, t, 4], out[c, t, 5], out[c, t, 6], out[c, t, 7] = y4, y5, y6, y7
            out[c, t, 8], out[c, t, 9], out[c, t, 10], out[c, t, 11] = y8, y9, y10, y11
        out[c, masked[d, 0] : masked[d, 1]] = 0
