"""The same heart twice: copies of a recording at another rate, gain, length or filter.

Prepared recordings have one rate and one band, so what tells copies apart is gone, but for a shift where one begins
later. Beats find the candidates: BEATS_IN_A_ROW whose intervals agree to a few ms and whose voltages point one way.
Two thirds of all beats that both have must come at the same moments: steady hearts agree in four by chance.
Samples decide: the two, laid over each other, correlate by CORRELATION or more in all leads together, over three
quarters of the shorter one. Two recordings of one person lie below: their beats look alike and come at other moments,
but for a pacemaker's.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ecgscale.machine.compiled import compiled

MOST_BEATS = 24             # of a recording that are looked at
BEATS_IN_A_ROW = 4
SECONDS_APART = 0.25        # of two beats, at least
AROUND = 0.05               # s, on both sides of a beat
INTERVAL_TOLERANCE = 5.0    # ms
START_TOLERANCE = 30.0      # ms: filters move a beat that stands near the edge
COSINE = 0.97               # between the extremes of all leads in two beats, as vectors
FIRST_LOOK, CORRELATION = 0.6, 0.9
FEW, CORRELATION_OF_FEW = 3, 0.96       # up to so many leads: steady beats of two people agree to 0.94 in lead II
BEATS_AGREE = 2 / 3         # share of the beats that both have, at least
SECONDS_SHARED, SHARE_SHARED = 2.0, 0.75      # at least, and of the shorter recording
ROWS_AT_ONCE = 1 << 15      # of beats, whose fellows are held in memory
ROWS_IN_CACHE = 256         # that a row is compared with at once
HEAD = 8                    # coordinates of a beat that are looked at first
BEATS_LOOKED_AT = 20_000    # for the choice of these
RECORDINGS_KEPT = 1 << 14   # whose two leads are held in memory: 130 MB of 10 s at 100 Hz
ROUNDING = 0.1              # of sums of float32, more than there is: no pair may be missed


def find_copies(corpus: Any) -> np.ndarray:
    """(recording,) number of each recording's group of copies, -1 for one without any. `corpus`: an opened Corpus."""
    count, rate = len(corpus), corpus.rate
    if not count:
        return np.full(0, -1)
    made = [beats(np.asarray(corpus.signal(owner), dtype=np.float32), rate) for owner in range(count)]
    moments, vectors = (np.concatenate(part) for part in zip(*made, strict=True))
    ends = np.cumsum([len(moments) for moments, _ in made])         # (recording,) behind its last beat
    owners = np.repeat(np.arange(count), np.diff(ends, prepend=0))  # (beat,)
    place, left = np.arange(len(owners)), ends[owners] - np.arange(len(owners))
    row = place[left >= BEATS_IN_A_ROW, None] + np.arange(BEATS_IN_A_ROW)           # of beats, anywhere
    pair = place[(left >= 2) & np.diff(owners, prepend=-1).astype(bool), None] + np.arange(2)   # the first two
    intervals = np.diff(moments[row], axis=1), np.column_stack([moments[pair[:, 0]], np.diff(moments[pair], axis=1)])
    found = [candidates(owners[beat[:, 0]], first, between, beat[:, 0], vectors, tolerance, moments, ends)
             for beat, first, between, tolerance in (
                 (row, moments[row[:, 0]], intervals[0], INTERVAL_TOLERANCE),
                 (pair, np.zeros(len(pair)), intervals[1], START_TOLERANCE))     # they begin together
             if len(beat)]
    if not found:
        return np.full(count, -1)
    one, other, shift = (np.concatenate(part) for part in zip(*found, strict=True))
    shift, least = np.rint(shift * rate / 1000).astype(int), int(SECONDS_SHARED * rate)
    two = lru_cache(RECORDINGS_KEPT)(lambda owner: two_leads(corpus.signal(owner)))
    same = np.fromiter((look_alike(two(a), two(b), apart, least) and are_copies(corpus.signal(a), corpus.signal(b),
                                                                                apart, least)
                        for a, b, apart in zip(one, other, shift, strict=True)), bool, len(one))
    graph = coo_array((np.ones(int(same.sum()), dtype=bool), (one[same], other[same])), shape=(count, count))
    groups = connected_components(graph, directed=False)[1]
    return np.where(np.bincount(groups)[groups] > 1, groups, -1)


def beats(prepared: np.ndarray, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """(beat,) moments in ms and (beat, 2 x leads) directions (int8, length 127) of (samples, leads) values."""
    moments = np.empty(MOST_BEATS)
    vectors = np.empty((MOST_BEATS, 2 * prepared.shape[1]))
    count = beats_of(prepared, max(1, round(SECONDS_APART * rate)), max(1, round(AROUND * rate)), moments, vectors)
    length = np.linalg.norm(vectors[:count], axis=1, keepdims=True)
    return 1000 * moments[:count] / rate, np.rint(127 * vectors[:count] / np.maximum(length, 1e-12)).astype(np.int8)


def two_leads(signal: np.ndarray) -> np.ndarray:
    """(samples, 2) of (samples, leads), as far from each other as they stand: they settle nearly every pair."""
    step = max(1, signal.shape[1] // 2)
    return np.ascontiguousarray(signal[:, 1 % step :: step], dtype=np.float32)


def look_alike(one: np.ndarray, other: np.ndarray, shift: int, least: int) -> bool:
    return correlation(one, other, shift, shared_at_least(one, other, least)) >= FIRST_LOOK


def are_copies(one: np.ndarray, other: np.ndarray, shift: int, least: int) -> bool:
    """Whether (samples, leads) correlate where `other` begins about `shift` samples later."""
    least, needed = shared_at_least(one, other, least), CORRELATION_OF_FEW if one.shape[1] <= FEW else CORRELATION
    one, other = (np.ascontiguousarray(signal, dtype=np.float32) for signal in (one, other))
    return any(correlation(one, other, near, least) >= needed for near in (shift, shift - 1, shift + 1))


def shared_at_least(one: np.ndarray, other: np.ndarray, least: int) -> int:
    return max(least, int(SHARE_SHARED * min(len(one), len(other))))


@compiled
def correlation(one, other, shift, least):
    """Over the samples that both have, all leads together, as they are or from sample to sample, which leaves out what
    filters do at the edges; 0 where there are fewer than `least`."""
    i, j = max(shift, 0), max(-shift, 0)
    shared = min(len(one) - i, len(other) - j)
    if shared < least:
        return 0.0
    leads = one.shape[1]
    values, steps = np.zeros(3), np.zeros(3)        # products of one and other, one and one, other and other
    for k in range(leads):
        mean_a, mean_b = 0.0, 0.0
        for n in range(shared):
            mean_a += one[i + n, k]
            mean_b += other[j + n, k]
        mean_a, mean_b = mean_a / shared, mean_b / shared
        before_a, before_b = one[i, k], other[j, k]
        for n in range(shared):
            a, b = one[i + n, k], other[j + n, k]
            values[0] += (a - mean_a) * (b - mean_b)
            values[1] += (a - mean_a) ** 2
            values[2] += (b - mean_b) ** 2
            steps[0] += (a - before_a) * (b - before_b)
            steps[1] += (a - before_a) ** 2
            steps[2] += (b - before_b) ** 2
            before_a, before_b = a, b
    return max(values[0] / max(np.sqrt(values[1] * values[2]), 1e-12),
               steps[0] / max(np.sqrt(steps[1] * steps[2]), 1e-12))


@compiled
def beats_of(x, apart, around, moments, vectors):
    """Moments (samples, by a parabola) and extremes of the steepest places; gives how many."""
    samples, leads = x.shape
    steep = np.zeros(samples)
    for i in range(1, samples - 1):
        total = 0.0
        for k in range(leads):
            total += abs(x[i + 1, k] - x[i - 1, k])
        steep[i] = total
    smooth = np.zeros(samples)
    running = 0.0
    for i in range(samples):
        running += steep[i]
        if i > 2 * around:
            running -= steep[i - 2 * around - 1]
        if i >= around:
            smooth[i - around] = running
    top = 0.0
    for i in range(samples):
        top = max(top, smooth[i])
    count, i = 0, around + 1
    while i < samples - around - 1 and count < moments.size:
        if smooth[i] > 0.5 * top:
            best = i
            for j in range(i, min(samples - around - 1, i + apart)):
                if smooth[j] > smooth[best]:
                    best = j
            a, b, c = smooth[best - 1], smooth[best], smooth[best + 1]
            bend = a - 2 * b + c
            moments[count] = best + (0.5 * (a - c) / bend if bend < 0 else 0.0)
            for k in range(leads):
                high, low = x[best, k], x[best, k]
                for j in range(best - around, best + around + 1):
                    high, low = max(high, x[j, k]), min(low, x[j, k])
                vectors[count, 2 * k], vectors[count, 2 * k + 1] = high, low
            count += 1
            i = best + apart
        else:
            i += 1
    return count


def candidates(owners: np.ndarray, firsts: np.ndarray, intervals: np.ndarray, beat: np.ndarray, vectors: np.ndarray,
               tolerance: float, moments: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of recordings with beats in a row that agree, each once, and by how many ms the second begins later; a row
    begins with its `beat` of `vectors`. `moments` (beat,) of all recordings, each up to its place in `ends`."""
    place = (intervals[:, :2] // tolerance).astype(np.int64)
    width = int(place[:, 1].max()) + 3
    cell = place[:, 0] * width + place[:, 1] + 1        # of two intervals: a row's fellows are in its own or beside it
    order = np.lexsort((intervals[:, -1], cell))
    rows = (owners[order], firsts[order], intervals[order], beat[order], cell[order], width)
    limits = (tolerance, int(COSINE * 127 * 127), moments, ends)
    heads = foremost(vectors, beat[order])
    one = other = np.empty(0, np.int64)
    for start in range(0, len(owners), ROWS_AT_ONCE):       # recordings alike agree in many rows: one a pair is kept
        part = (start, min(start + ROWS_AT_ONCE, len(owners)))
        found = np.empty((ROWS_AT_ONCE, 2), np.int64)
        count = agreeing(*rows, vectors, *heads, *limits, *part, found)
        if count > len(found):
            found = np.empty((count, 2), np.int64)
            agreeing(*rows, vectors, *heads, *limits, *part, found)
        a, b = order[found[:count, 0]], order[found[:count, 1]]
        swap = owners[a] > owners[b]
        one, other = np.append(one, np.where(swap, b, a)), np.append(other, np.where(swap, a, b))
        _, first = np.unique(owners[one] * (owners.max() + 1) + owners[other], return_index=True)
        one, other = one[first], other[first]
    return owners[one], owners[other], firsts[one] - firsts[other]


def foremost(vectors: np.ndarray, beat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(HEAD, row) coordinates of the rows' first beats along the HEAD axes that hold most of all beats, and (row,) the
    length of what these leave: the product of two beats is at most that of their heads and of these lengths."""
    wide = vectors[:: max(1, len(vectors) // BEATS_LOOKED_AT)].astype(float)
    axes = np.linalg.eigh(wide.T @ wide)[1][:, : -HEAD - 1 : -1]
    heads, rest = np.empty((axes.shape[1], len(beat)), np.float32), np.empty(len(beat), np.float32)
    for start in range(0, len(beat), ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        here = vectors[beat[part]].astype(float)
        heads[:, part] = head = (here @ axes).T
        rest[part] = np.sqrt(np.maximum((here**2).sum(axis=1) - (head**2).sum(axis=0), 0) + ROUNDING)
    return heads, rest


@compiled
def agreeing(owners, firsts, intervals, beat, cell, width, vectors, heads, rest, tolerance, least, moments, ends,
             start, stop, found):
    """Pairs of rows of two recordings that agree into `found`, as far as it reaches, the first row in [start, stop);
    gives how many there are. Rows are sorted by cell, then by their last interval: the first fellow of a row in each
    of the cells around it never lies before that of the row before."""
    count, bound, last = 0, np.empty(ROWS_IN_CACHE, np.float32), intervals.shape[1] - 1
    around = np.array([0, 1, width - 1, width, width + 1])      # the cells before these look at the row themselves
    fellows = np.full(around.size, start)
    for i in range(start, stop):
        shortest, longest = intervals[i, last] - tolerance, intervals[i, last] + tolerance
        for k in range(around.size):
            looked_at, low = cell[i] + around[k], fellows[k]
            while low < cell.size and (cell[low] < looked_at or (cell[low] == looked_at and
                                                                 intervals[low, last] < shortest)):
                low += 1
            fellows[k] = low
            high = low = max(low, i + 1)
            while high < cell.size and cell[high] == looked_at and intervals[high, last] <= longest:
                low, high = high, min(high + ROWS_IN_CACHE, cell.size)
                while cell[high - 1] != looked_at or intervals[high - 1, last] > longest:
                    high -= 1
                add_product(bound, rest[low:high], rest[i], False)
                for axis in range(heads.shape[0]):
                    add_product(bound, heads[axis, low:high], heads[axis, i], True)
                for j in range(low, high):
                    if bound[j - low] >= least - ROUNDING and owners[i] != owners[j] and alike(
                            intervals[i], intervals[j], vectors, beat[i], beat[j], tolerance, least) and in_step(
                            moments, ends, owners[i], owners[j], firsts[i] - firsts[j]):
                        if count < len(found):
                            found[count, 0], found[count, 1] = i, j
                        count += 1
    return count


@compiled
def add_product(sums, values, factor, more):
    for place in range(values.size):
        sums[place] = values[place] * factor + (sums[place] if more else np.float32(0))


@compiled
def in_step(moments, ends, one, other, shift):
    """Whether BEATS_AGREE of the beats that both recordings could have agree, `other` beginning `shift` ms later."""
    i, j = ends[one - 1] if one else 0, ends[other - 1] if other else 0
    start = max(moments[i], moments[j] + shift) - INTERVAL_TOLERANCE
    stop = min(moments[ends[one] - 1], moments[ends[other] - 1] + shift) + INTERVAL_TOLERANCE
    agree, own, theirs = 0, 0, 0
    while i < ends[one] or j < ends[other]:
        a = moments[i] if i < ends[one] else np.inf
        b = moments[j] + shift if j < ends[other] else np.inf
        both, inside = abs(a - b) <= INTERVAL_TOLERANCE, start <= min(a, b) <= stop
        if both or a < b:
            i, own = i + 1, own + inside
        if both or b < a:
            j, theirs = j + 1, theirs + inside
        agree += both
    return agree >= BEATS_AGREE * min(own, theirs)


@compiled
def alike(intervals, others, vectors, one, other, tolerance, least):
    """Whether rows agree that begin with beat `one` and beat `other`."""
    for place in range(intervals.size):
        if abs(intervals[place] - others[place]) > tolerance:
            return False
    for beat in range(BEATS_IN_A_ROW if intervals.size == BEATS_IN_A_ROW - 1 else 2):
        total = 0
        for k in range(vectors.shape[1]):
            total += np.int64(vectors[one + beat, k]) * np.int64(vectors[other + beat, k])
        if total < least:
            return False
    return True
