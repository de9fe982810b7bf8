"""What a recording must satisfy. A reason rejects it, a flag only marks it; each has a code that tables can count.

Every check names the rule it tests. Accepted + rejected = found: a recording leaves this module with flags or with
`Rejected`, never silently.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ecgscale.contracts import LEADS
from ecgscale.machine.compiled import compiled

REASONS = {
    "header": "the header is not a WFDB header",
    "path": "the header names a file outside the record's folder",
    "missing-file": "a signal file that the header names is not there",
    "truncated": "the signal file is shorter than the header says",
    "matrix-header": "the MATLAB v4 header contradicts the WFDB header",
    "unreadable": "a file cannot be read or decoded",
    "rate": "the sampling rate is missing, or not between 100 and 10,000 Hz",
    "too-short": "less than one second",
    "too-long": "more samples than are read in one piece",
    "missing-lead": "a lead that the study takes is not recorded and follows from none that is",
    "duplicate-lead": "a lead is named twice",
    "gain": "the gain is missing, zero or not a number, so the voltage is unknown",
    "unit": "the unit is not a voltage",
    "checksum": "the samples do not add up to the header's checksum",
    "first-sample": "the first sample is not the header's initial value",
    "invalid-samples": "samples that the format marks as invalid (wfdb reads them as NaN)",
    "no-signal": "every lead is constant",
    "amplitude": "a lead's mean deviation is above 5 mV, or every lead's below 1 uV: gain or unit are wrong",
}
FLAGS = {
    "record-name": "the header says that it is another record's than its file: header or samples may be of that one",
    "lead-order": "leads stood in another order and were put in the standard one by name",
    "extra-lead": "signals beside the 12 leads were left out",
    "lead-name": "a lead has another name than the usual one, as DII, Lead II or C1, and was taken for it",
    "mason-likar": "a lead from electrodes on the torso, as MLII, was taken for that of the limbs: amplitude and axis "
                   "differ",
    "derived-lead": "a limb lead is not recorded and was reckoned from two others, as III = II - I",
    "no-checksum": "the header has no checksum for some lead",
    "mixed-rates": "leads had different rates; the frame rate was taken",
    "flat-lead": "a lead is constant for two seconds or more",
    "saturated-lead": "a lead stays at its own extreme for 1 % of its samples or more",
    "high-amplitude": "a lead spans more than 20 mV",
    "limb-leads": "III = II - I or one of the augmented-lead identities fails by more than the rounding",
    "no-diagnosis": "neither a table nor the header has a diagnosis code",
    "no-scored-label": "no diagnosis belongs to a class of the label set",
    "unknown-code": "a diagnosis code that the label set does not know",
    "age-bound": "the age is given as a bound, as 89+, and stands for it",
    "age-unread": "the age is written in a way that is not read, or is not from 0 to 120 years",
    "repeated-code": "a diagnosis code is given twice and counts once",
    "duplicate-content": "another recording holds the same samples (of this shard; once opened, of the corpus)",
}

MILLIVOLTS = {"mv": 1.0, "uv": 1e-3, "μv": 1e-3, "v": 1e3, "nv": 1e-6}   # casefold() turns both micro signs into μ
LOWEST_RATE, HIGHEST_RATE = 100.0, 10_000.0     # Hz
SHORTEST = 1.0                                  # seconds
MOST_VALUES = 50_000_000                        # samples x leads: above one hour of 12 leads at 1 kHz
SMALLEST_DEVIATION, LARGEST_DEVIATION, LARGEST_SPAN = 0.001, 5.0, 20.0     # mV
FLAT_SECONDS, SATURATED_SHARE = 2.0, 0.01
SATURATED_STEPS = 50                            # a lead of fewer steps than this has too coarse an extreme to tell
LIMB_STEPS = 2


class Rejected(Exception):  # noqa: N818 - an outcome that is counted, not a failure
    """A recording that is not used, with one of REASONS and what was found."""

    def __init__(self, reason: str, detail: str):
        assert reason in REASONS
        self.reason, self.detail = reason, detail
        super().__init__(f"{reason}: {detail}")


def check_rate(rate: float) -> None:
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise Rejected("rate", f"{rate:g} Hz")


def check_length(rate: float, samples: int) -> None:
    if samples < rate * SHORTEST:
        raise Rejected("too-short", f"{samples} samples at {rate:g} Hz")


def millivolts_per_unit(unit: str) -> float:
    factor = MILLIVOLTS.get(unit.casefold())
    if factor is None:
        raise Rejected("unit", f"{unit!r} is not mV, uV, nV or V")
    return factor


def check_sums(name: str, samples_sum: int, first: int, header_sum: int | None, header_first: int | None) -> None:
    """A WFDB checksum is the sum of the samples modulo 65,536 (signed in the header)."""
    if header_sum is not None and (samples_sum - header_sum) % 65536:
        found = (samples_sum + 32768) % 65536 - 32768
        raise Rejected("checksum", f"lead {name}: samples give {found}, the header says {header_sum}")
    if header_first is not None and first != header_first:
        raise Rejected("first-sample", f"lead {name}: {first}, the header says {header_first}")


@dataclass(frozen=True)
class Scan:
    """What one pass over the samples says of each lead; arrays have shape (leads,), in digital units."""

    total: np.ndarray
    low: np.ndarray
    high: np.ndarray
    at_extreme: np.ndarray      # most samples at the lowest or at the highest value
    deviation: np.ndarray       # mean absolute deviation from the mean
    step: np.ndarray            # smallest difference of neighbours that is not 0; 0 for a constant lead
    flat: np.ndarray            # longest run of equal samples where it can reach two seconds, else 0


def scan(rows: np.ndarray, rate: float) -> Scan:
    """Scan (leads, samples) integers, C-contiguous."""
    leads = len(rows)
    whole, real = np.empty((6, leads), np.int64), np.empty(leads)
    scan_leads(rows, max(1, int(FLAT_SECONDS * rate) // 2), whole, real)
    return Scan(whole[0], whole[1], whole[2], whole[3], real, whole[4], whole[5])


@compiled
def scan_leads(rows, block, whole, real):
    samples = rows.shape[1]
    for lead in range(rows.shape[0]):
        row = rows[lead]
        total, low, high = np.int64(0), np.int64(row[0]), np.int64(row[0])
        for i in range(samples):
            value = np.int64(row[i])
            total += value
            low = min(low, value)
            high = max(high, value)
        middle = total // samples
        away, at_low, at_high, step = np.int64(0), np.int64(0), np.int64(0), np.int64(1 << 40)
        for i in range(samples):
            value = np.int64(row[i])
            away += abs(value - middle)
            at_low += value == low
            at_high += value == high
        for i in range(1, samples):
            change = abs(np.int64(row[i]) - np.int64(row[i - 1]))
            step = min(step, change if change > 0 else np.int64(1 << 40))
        whole[0, lead], whole[1, lead], whole[2, lead] = total, low, high
        whole[3, lead] = max(at_low, at_high)
        whole[4, lead] = step if low != high else 0
        whole[5, lead] = longest_run(row, block)
        real[lead] = away / samples


@compiled
def longest_run(row, block):
    """Longest run of equal samples, exact from 2 x block on: such a run fills at least one aligned block."""
    longest, start = 0, 0
    while start + block <= row.size:
        value, end = row[start], start + 1
        while end < row.size and row[end] == value:
            end += 1
        if end - start >= block:
            first = start
            while first > 0 and row[first - 1] == value:
                first -= 1
            longest = max(longest, end - first)
            start = end - end % block
        start += block
    return longest


def check_invalid(rows: np.ndarray, seen: Scan, invalid: np.ndarray, leads: Sequence[str] = LEADS) -> None:
    """The format's mark of an invalid sample is its lowest value, so it can only be a lead's lowest."""
    for lead in np.flatnonzero(seen.low == invalid):
        count = int((rows[lead] == invalid[lead]).sum())
        raise Rejected("invalid-samples", f"lead {leads[lead]}: {count} samples")


def check_amplitude(seen: Scan, gain: np.ndarray, factor: np.ndarray, leads: Sequence[str] = LEADS) -> set[str]:
    """Rejects a recording without signal or of impossible size. gain: digital steps a unit; factor: mV a unit."""
    millivolts = factor / np.abs(gain)
    span, deviation = (seen.high - seen.low) * millivolts, seen.deviation * millivolts
    if not span.any():
        raise Rejected("no-signal", "every lead is constant")
    worst = int(np.argmax(deviation))
    if deviation[worst] > LARGEST_DEVIATION:
        raise Rejected("amplitude", f"lead {leads[worst]}: mean deviation {deviation[worst]:.4g} mV")
    if deviation[worst] < SMALLEST_DEVIATION:
        raise Rejected("amplitude", f"no lead's mean deviation is above {deviation[worst]:.4g} mV")
    return {"high-amplitude"} if span.max() > LARGEST_SPAN else set()


def check_shape(seen: Scan, rate: float, samples: int) -> set[str]:
    """Flags of flat and saturated leads."""
    flags = set()
    if (seen.low == seen.high).any() or (seen.flat >= FLAT_SECONDS * rate).any():
        flags.add("flat-lead")
    fine = (seen.high - seen.low) >= SATURATED_STEPS * np.maximum(seen.step, 1)
    if (fine & (seen.at_extreme >= SATURATED_SHARE * samples)).any():
        flags.add("saturated-lead")
    return flags


def check_limb_leads(rows: np.ndarray, seen: Scan, gain: np.ndarray, baseline: np.ndarray, factor: np.ndarray
                     ) -> set[str]:
    """III = II - I, aVR = -(I + II) / 2, aVL = (I - III) / 2, aVF = (II + III) / 2, to two steps of the coarsest lead.

    The step is the smallest difference that a lead takes, since some sources were digitized coarser than they are
    written (4.88 uV steps in units of 1 uV).
    """
    scale = factor / gain
    tolerance = LIMB_STEPS * np.max(np.maximum(seen.step[:6], 1) * np.abs(scale[:6])) + 1e-9
    return {"limb-leads"} if limb_failures(rows, scale, baseline, tolerance) else set()


@compiled
def limb_failures(rows, scale, baseline, tolerance):
    """Number of samples at which one of the four identities fails by more than `tolerance` mV."""
    failures = 0
    for i in range(rows.shape[1]):
        one = (rows[0, i] - baseline[0]) * scale[0]
        two = (rows[1, i] - baseline[1]) * scale[1]
        three = (rows[2, i] - baseline[2]) * scale[2]
        right = (rows[3, i] - baseline[3]) * scale[3]
        left = (rows[4, i] - baseline[4]) * scale[4]
        foot = (rows[5, i] - baseline[5]) * scale[5]
        failures += ((abs(three - two + one) > tolerance) | (abs(right + (one + two) / 2) > tolerance)
                     | (abs(left - (one - three) / 2) > tolerance) | (abs(foot - (two + three) / 2) > tolerance))
    return failures
