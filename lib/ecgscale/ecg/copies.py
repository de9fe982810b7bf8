"""The same heart twice: copies of a recording at another rate, gain, length or filter.

Prepared recordings have one rate and one band, so what tells copies apart is gone, but for a shift where one begins
later. Beats find the candidates: BEATS_IN_A_ROW whose intervals agree to a few ms and whose voltages point one way.
Two thirds of all beats that both have must come at the same moments: steady hearts agree in four by chance.
Samples decide: the two, laid over each other, correlate by CORRELATION or more in all leads together, over three
quarters of the shorter one. Two recordings of one person lie below: their beats look alike and come at other moments.
Those of a pacemaker come at the same ones, and then any beat lies as well on any other: a copy correlates better in its
own place than one beat further on.
"""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

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
BEAT_FURTHER = 0.85         # what a copy lacks of a correlation of 1, as a share of what it lacks a beat on: at most
FEW, CORRELATION_OF_FEW = 3, 0.96       # up to so many leads: steady beats of two people agree to 0.94 in lead II
BEATS_AGREE = 2 / 3         # share of the beats that both have, at least
SECONDS_SHARED, SHARE_SHARED = 2.0, 0.75      # at least, and of the shorter recording
SAMPLES_AT_ONCE = 1 << 23   # of a block of recordings that is compared with another: 67 MB of two leads
RECORDINGS_AT_ONCE = 512    # of a block, whose pairs are held in memory: hearts that beat alike pair with all others
ROWS_IN_CACHE = 256         # that a row is compared with at once
HEAD = 8                    # coordinates of a beat that are looked at first
BEATS_LOOKED_AT = 20_000    # for the choice of these
ROUNDING = 0.1              # of sums of float32, more than there is: no pair may be missed


class Beats(NamedTuple):
    """Of all recordings, one after the other."""

    moments: np.ndarray     # (beat,) ms
    vectors: np.ndarray     # (beat, 2 x leads) int8, directions of length 127
    ends: np.ndarray        # (recording,) behind its last beat


class Rows(NamedTuple):
    """Beats in a row of a block of recordings, sorted by cell, then by the last interval."""

    owner: np.ndarray       # (row,) recording
    beat: np.ndarray        # (row,) the first of the row
    begin: np.ndarray       # (row,) ms: the recording of a row whose begin is less begins later by the difference
    intervals: np.ndarray   # (row, interval) ms
    cell: np.ndarray        # (row,) of the first two intervals: a row's fellows are in its own or in one around it
    heads: np.ndarray       # (axis, row) coordinates of the beat along the axes that hold most of all beats
    rest: np.ndarray        # (row,) the length of what these leave


def find_copies(corpus: Any) -> np.ndarray:
    """(recording,) number of each recording's group of copies, -1 for one without any. `corpus`: an opened Corpus.

    Blocks of recordings are compared with each other: what is held of all is their beats, some 400 bytes a recording.
    """
    count, least = len(corpus), int(SECONDS_SHARED * corpus.rate)
    if not count:
        return np.full(0, -1)
    every, blocks = all_beats(corpus)
    axes, widest = foremost(every.vectors), np.diff(every.moments).max(initial=0)
    links: list[tuple[int, int]] = []
    for together, tolerance in ((False, INTERVAL_TOLERANCE), (True, START_TOLERANCE)):
        width = int(widest // tolerance) + 3
        for one, block in enumerate(blocks):
            for other in blocks[one:]:
                others = rows_of(every, other, together, tolerance, width, axes)
                for start in block[::RECORDINGS_AT_ONCE]:
                    part = range(start, min(start + RECORDINGS_AT_ONCE, block.stop))
                    rows = rows_of(every, part, together, tolerance, width, axes)
                    found = candidates(rows, others, every, tolerance, width, corpus.rate)
                    found = found[look_alike(corpus, found, least)]
                    links += copies_among(corpus, found, every, least)
                corpus.close()
    one, other = np.array(links, np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(len(one), dtype=bool), (one, other)), shape=(count, count))
    groups = connected_components(graph, directed=False)[1]
    return np.where(np.bincount(groups)[groups] > 1, groups, -1)


def all_beats(corpus: Any) -> tuple[Beats, list[range]]:
    """Of each recording; and blocks of recordings, of SAMPLES_AT_ONCE each."""
    moments, vectors, counts, starts, samples = bytearray(), bytearray(), [], [0], 0
    for owner in range(len(corpus)):
        signal = corpus.signal(owner)
        if samples and samples + len(signal) > SAMPLES_AT_ONCE:
            starts.append(owner)
            samples = 0
            corpus.close()
        samples += len(signal)
        made = beats(np.asarray(signal, dtype=np.float32), corpus.rate)
        moments += made[0].tobytes()
        vectors += made[1].tobytes()
        counts.append(len(made[0]))
    wide = np.frombuffer(vectors, np.int8).reshape(sum(counts), made[1].shape[1])
    return (Beats(np.frombuffer(moments), wide, np.cumsum(counts)),
            [range(*ends) for ends in zip(starts, [*starts[1:], len(corpus)], strict=True)])


def beats(prepared: np.ndarray, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """(beat,) moments in ms and (beat, 2 x leads) directions (int8, length 127) of (samples, leads) values."""
    moments = np.empty(MOST_BEATS)
    vectors = np.empty((MOST_BEATS, 2 * prepared.shape[1]))
    count = beats_of(prepared, max(1, round(SECONDS_APART * rate)), max(1, round(AROUND * rate)), moments, vectors)
    length = np.linalg.norm(vectors[:count], axis=1, keepdims=True)
    return 1000 * moments[:count] / rate, np.rint(127 * vectors[:count] / np.maximum(length, 1e-12)).astype(np.int8)


def rows_of(every: Beats, block: range, together: bool, tolerance: float, width: int, axes: np.ndarray) -> Rows:
    """The rows of a block's recordings: BEATS_IN_A_ROW anywhere; or the first two, where they begin `together`."""
    first, stop = (int(every.ends[owner - 1]) if owner else 0 for owner in (block.start, block.stop))
    beat, ends = np.arange(first, stop), every.ends[block.start : block.stop]
    owner = np.repeat(np.arange(block.start, block.stop), np.diff(ends, prepend=first))
    left = every.ends[owner] - beat
    if together:
        kept = (left >= 2) & np.diff(owner, prepend=-1).astype(bool)
        row = every.moments[beat[kept, None] + np.arange(2)]
        intervals, begin = np.column_stack([row[:, 0], np.diff(row)]), np.zeros(len(row))
    else:
        kept = left >= BEATS_IN_A_ROW
        row = every.moments[beat[kept, None] + np.arange(BEATS_IN_A_ROW)]
        intervals, begin = np.diff(row), row[:, 0]
    return in_cells(owner[kept], beat[kept], begin, intervals, every.vectors, tolerance, width, axes)


def in_cells(owner: np.ndarray, beat: np.ndarray, begin: np.ndarray, intervals: np.ndarray, vectors: np.ndarray,
             tolerance: float, width: int, axes: np.ndarray) -> Rows:
    """Rows sorted. A cell is `tolerance` wide, and of the second interval there are fewer than `width` - 1."""
    place = (intervals[:, :2] // tolerance).astype(np.int64)
    cell = place[:, 0] * width + place[:, 1] + 1
    order = np.lexsort((intervals[:, -1], cell))
    here = vectors[beat[order]].astype(np.float32)
    heads = here @ axes
    rest = np.sqrt(np.maximum((here**2).sum(axis=1) - (heads**2).sum(axis=1), 0) + np.float32(ROUNDING))
    return Rows(owner[order], beat[order], begin[order], intervals[order], cell[order],
                np.ascontiguousarray(heads.T), rest)


def foremost(vectors: np.ndarray) -> np.ndarray:
    """(coordinate, HEAD) float32, the axes that hold most of all beats: the product of two beats is at most that of
    their heads and of the lengths of what these leave."""
    wide = vectors[:: max(1, len(vectors) // BEATS_LOOKED_AT)].astype(float)
    return np.linalg.eigh(wide.T @ wide)[1][:, : -HEAD - 1 : -1].astype(np.float32)


def candidates(rows: Rows, others: Rows, every: Beats, tolerance: float, width: int, rate: float) -> np.ndarray:
    """(found, 3) int64: two recordings with beats in a row that agree, the first of them in `rows`, and by how many
    samples the second begins later, each once."""
    limits = (width, every.vectors, tolerance, int(COSINE * 127 * 127), every.moments, every.ends)
    found = np.empty((len(rows.owner), 2), np.int64)
    count = agreeing(rows, others, *limits, found)
    if count > len(found):      # recordings alike agree in many rows
        found = np.empty((count, 2), np.int64)
        agreeing(rows, others, *limits, found)
    one, other = found[:count].T
    shift = np.rint((rows.begin[one] - others.begin[other]) * rate / 1000).astype(np.int64)
    return distinct(np.column_stack([rows.owner[one], others.owner[other], shift]))


def distinct(rows: np.ndarray) -> np.ndarray:
    """Rows of whole numbers, sorted, each once."""
    rows = rows[np.lexsort(rows.T[::-1])]
    return rows[np.diff(rows, axis=0, prepend=rows[:1] - 1).any(axis=1)]


def look_alike(corpus: Any, found: np.ndarray, least: int) -> np.ndarray:
    """(found,) bool: whether two leads of each pair correlate by FIRST_LOOK, which settles nearly every one."""
    owners, place = np.unique(found[:, :2], return_inverse=True)
    leads = [two_leads(corpus.signal(owner)) for owner in owners]
    ends = np.cumsum([len(each) for each in leads])
    two = np.concatenate(leads) if leads else np.empty((0, 2), np.float32)
    return compared(two, ends, place.reshape(-1, 2), found[:, 2], least)


def two_leads(signal: np.ndarray) -> np.ndarray:
    """(samples, 2) of (samples, leads), as far from each other as they stand."""
    step = max(1, signal.shape[1] // 2)
    return np.ascontiguousarray(signal[:, 1 % step :: step], dtype=np.float32)


@compiled
def compared(two, ends, place, shifts, least):
    alike = np.empty(len(place), np.bool_)
    for pair in range(len(place)):
        a, b = place[pair]
        one = two[ends[a - 1] if a else 0 : ends[a]]
        other = two[ends[b - 1] if b else 0 : ends[b]]
        needed = max(least, int(SHARE_SHARED * min(len(one), len(other))))
        alike[pair] = correlation(one, other, shifts[pair], needed) >= FIRST_LOOK
    return alike


def copies_among(corpus: Any, found: np.ndarray, every: Beats, least: int) -> list[tuple[int, int]]:
    """The copies of (found, 3) pairs and shifts, in order: steady hearts agree in many shifts."""
    links = []
    for (a, b), shifts in groupby(found.tolist(), itemgetter(0, 1)):
        one, other = (np.ascontiguousarray(corpus.signal(owner), dtype=np.float32) for owner in (a, b))
        beat = beat_of(every, a, corpus.rate)
        if any(are_copies(one, other, shift, beat, least) for _, _, shift in shifts):
            links.append((a, b))
    return links


def beat_of(every: Beats, owner: int, rate: float) -> int:
    """Samples from beat to beat of a recording, their median."""
    moments = every.moments[every.ends[owner - 1] if owner else 0 : every.ends[owner]]
    return round(float(np.median(np.diff(moments))) * rate / 1000)


def are_copies(one: np.ndarray, other: np.ndarray, shift: int, beat: int, least: int) -> bool:
    """Whether float32 (samples, leads) correlate where `other` begins about `shift` samples later, not so a beat on."""
    least = max(least, int(SHARE_SHARED * min(len(one), len(other))))
    needed = CORRELATION_OF_FEW if one.shape[1] <= FEW else CORRELATION

    def best(*places: int) -> float:
        return max(correlation(one, other, near, least) for place in places for near in (place, place - 1, place + 1))

    found = best(shift)
    return found >= needed and 1 - found <= BEAT_FURTHER * (1 - best(shift - beat, shift + beat))


@compiled
def correlation(one, other, shift, least):
    """Over the samples that both have, all leads together, as they are or from sample to sample, which leaves out what
    filters do at the edges; 0 where there are fewer than `least`."""
    i, j = max(shift, 0), max(-shift, 0)
    shared = min(len(one) - i, len(other) - j)
    if shared < least:
        return 0.0
    a, b = centred(one[i : i + shared]), centred(other[j : j + shared])
    return max(cosine(a, b), cosine(a[1:] - a[:-1], b[1:] - b[:-1]))


@compiled
def centred(signal):
    """(samples, leads) less each lead's mean."""
    mean = np.zeros(signal.shape[1])
    for n in range(len(signal)):
        for k in range(mean.size):
            mean[k] += signal[n, k]
    return signal - (mean / len(signal)).astype(np.float32)


@compiled
def cosine(a, b):
    a, b = a.ravel(), b.ravel()
    return float(np.dot(a, b)) / max(np.sqrt(float(np.dot(a, a)) * float(np.dot(b, b))), 1e-12)


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


@compiled
def agreeing(rows, others, width, vectors, tolerance, least, moments, ends, found):
    """Pairs of a row and another that agree into `found`, as far as it reaches, the first of a recording before the
    other's; gives how many there are. As rows are sorted, the first fellow of one in each of the cells around it never
    lies before that of the row before."""
    count, bound = 0, np.empty(ROWS_IN_CACHE, np.float32)
    last, last_of_others = rows.intervals[:, -1], others.intervals[:, -1]
    around = np.array([-width - 1, -width, 1 - width, -1, 0, 1, width - 1, width, width + 1])
    fellows = np.zeros(around.size, np.int64)
    for i in range(rows.owner.size):
        shortest, longest = last[i] - tolerance, last[i] + tolerance
        for k in range(around.size):
            looked_at, low = rows.cell[i] + around[k], fellows[k]
            while low < others.cell.size and (others.cell[low] < looked_at or (others.cell[low] == looked_at and
                                                                               last_of_others[low] < shortest)):
                low += 1
            fellows[k] = high = low
            while high < others.cell.size and others.cell[high] == looked_at and last_of_others[high] <= longest:
                low, high = high, min(high + ROWS_IN_CACHE, others.cell.size)
                while others.cell[high - 1] != looked_at or last_of_others[high - 1] > longest:
                    high -= 1
                add_product(bound, others.rest[low:high], rows.rest[i], False)
                for axis in range(rows.heads.shape[0]):
                    add_product(bound, others.heads[axis, low:high], rows.heads[axis, i], True)
                for j in range(low, high):
                    if bound[j - low] >= least - ROUNDING and rows.owner[i] < others.owner[j] and alike(
                            rows.intervals[i], others.intervals[j], vectors, rows.beat[i], others.beat[j], tolerance,
                            least) and in_step(moments, ends, rows.owner[i], others.owner[j],
                                               rows.begin[i] - others.begin[j]):
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
