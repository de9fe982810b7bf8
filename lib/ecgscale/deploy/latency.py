"""Latency statistics: order statistics with distribution-free intervals, and the tests that void a measurement."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

LEVEL = 0.95
BEYOND = 10                  # a percentile needs as many samples beyond it
TOLERANCE = 0.1              # relative; a drift above it voids a run
QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999}
RECORDING_SECONDS = 10.0


def quantile(times: np.ndarray, q: float) -> float | None:
    """The q-quantile of the samples, or None when fewer than 10 of them lie beyond it (LoadGen's rule of thumb)."""
    return None if len(times) * min(q, 1 - q) < BEYOND - 1e-9 else float(np.quantile(times, q))


def quantile_interval(times: np.ndarray, q: float, level: float = LEVEL) -> tuple[float | None, float | None]:
    """Order-statistic (binomial) interval of the q-quantile: needs no distribution, only independent samples.

    The number of samples below the true quantile is Binomial(n, q); the ranks are the tightest whose tails hold at
    most (1 - level)/2 each (Conover, Practical Nonparametric Statistics, section 3.2). An end is None where the
    samples do not reach so far, both where the quantile itself is None.
    """
    from scipy.stats import binom  # a kit's machine has none, and asks for no interval

    if quantile(times, q) is None:
        return None, None
    ordered, n, tail = np.sort(times), len(times), (1 - level) / 2
    lower = int(binom.ppf(tail, n, q))         # 1-based ranks; 0 and n + 1 lie outside the sample
    upper = int(binom.ppf(1 - tail, n, q)) + 1
    return (float(ordered[lower - 1]) if lower else None, float(ordered[upper - 1]) if upper <= n else None)


def drift(times: np.ndarray) -> float | None:
    """Median of the second half relative to the first, minus 1, in the order of measurement."""
    if len(times) < 2:
        return None
    half = len(times) // 2
    return float(np.median(times[half:]) / np.median(times[:half]) - 1)


def summarize(times: np.ndarray) -> dict[str, float | int | None]:
    """Columns of LATENCY from single times in ms, in the order of measurement."""
    made: dict[str, float | int | None] = {
        "count": len(times), "mean_ms": float(times.mean()), "min_ms": float(times.min()), "drift": drift(times)
    }
    for name, q in QUANTILES.items():
        made[f"{name}_ms"] = quantile(times, q)
        made[f"{name}_low_ms"], made[f"{name}_high_ms"] = quantile_interval(times, q)
    return made


def judge(medians: Sequence[float], drifts: Sequence[float], tolerance: float = TOLERANCE,
          control: Sequence[float] = (), limit: float = TOLERANCE, agreeing: int = 2) -> list[str]:
    """Why each repeat of one configuration is void; "" where it stands.

    A repeat is void when it drifted, when the A/A control beside it was further than `limit` off its quiet level
    (`control`, relative), and when its median differs from the (lower) median repeat of the same configuration by more
    than `tolerance`. When fewer than `agreeing` repeats agree, none of them stands. A single repeat is judged by its
    drift and the control alone.
    """
    reasons = [f"disturbed: drift of {d:+.0%} within the run" if abs(d) > tolerance else "" for d in drifts]
    for i, deviation in enumerate(control):
        if not reasons[i] and abs(deviation) > limit:
            reasons[i] = f"disturbed: the A/A control beside it was {deviation:+.0%} off its quiet level"
    steady = [m for m, reason in zip(medians, reasons, strict=True) if not reason]
    if len(medians) > 1 and steady:
        centre = sorted(steady)[(len(steady) - 1) // 2]
        agree = [abs(m / centre - 1) <= tolerance for m in medians]
        lonely = sum(a and not r for a, r in zip(agree, reasons, strict=True)) < agreeing
        for i, median in enumerate(medians):
            if not reasons[i] and not agree[i]:
                reasons[i] = f"disturbed: {median / centre - 1:+.0%} against another repeat of the same configuration"
            elif not reasons[i] and lonely:
                reasons[i] = "disturbed: no other repeat of the same configuration agrees with it"
    return reasons


def windows_per_recording(window: int, rate: float) -> int:
    """Windows that a 10-second recording takes: those side by side, and one aligned to the end for the rest."""
    return max(1, int(np.ceil(RECORDING_SECONDS * rate / window)))
