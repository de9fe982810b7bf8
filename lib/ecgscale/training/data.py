"""From the memory-mapped corpus to batches: random crops for training, fixed windows for everything that is judged.

Order, crops and augmentation of an epoch are a function of (seed, epoch) alone: no generator lives from one step to the
next, so a run that continues from a checkpoint sees what an uninterrupted one sees. The corpus holds (samples, leads);
networks take (batch, lead, time).
"""

from __future__ import annotations

import hashlib
import queue
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

import numpy as np
import pandas as pd
import torch

from ecgscale.contracts import LEADS, RunSpec
from ecgscale.errors import UserError
from ecgscale.training.augment import Drawn, augment, check, draw, white_noise

ORDER, CROP, NOISE, FIRST_AUGMENTATION = 0, 1, 7, 8  # random streams of an epoch, step 0; of a run, epoch 0
TOGETHER = 2**25            # bytes of batches prepared at a time by a thread that trains too
Item = TypeVar("Item")


def generator(seed: int, epoch: int, step: int, stream: int) -> np.random.Generator:
    """A counter-based generator (Philox) of its own for each (seed, epoch, step, stream)."""
    key = (seed % 2**64) << 64 | (epoch % 2**24) << 40 | (step % 2**32) << 8 | stream
    return np.random.Generator(np.random.Philox(key=key))


# -------------------------------------------------------------------------------------------------- which recordings


def part_of(corpus, split: pd.DataFrame, part: str) -> np.ndarray:
    """Positions in the corpus of the recordings of one part, in the corpus's order. Raises UserError if none."""
    positions = np.sort(corpus.positions(split.loc[split["part"] == part, "record"]))
    if not len(positions):
        raise UserError(f"no recording in the part {part!r}", field="part",
                        remedy="Training needs recordings in 'train' and in 'valid': see the split of the study file")
    return positions


def subset(records: Sequence[str], fraction: float, split_digest: str) -> np.ndarray:
    """Places of a nested subset: `round(fraction * n)` recordings, at least one, sorted.

    Recordings are ranked by a hash of their name and the split's digest, and the first ones are taken: a smaller
    fraction is part of every larger one. The training seed plays no part, so replicated seeds share their data.
    """
    ranks = [hashlib.sha256(f"{split_digest}/{record}".encode()).digest() for record in records]
    ordered = sorted(range(len(records)), key=ranks.__getitem__)
    return np.sort(np.array(ordered[: max(1, round(fraction * len(records)))], dtype=np.int64))


def lead_columns(corpus, leads: Sequence[str]) -> slice | list[int]:
    """Columns of `leads` in the corpus, by name. Raises UserError for a lead that it does not hold."""
    missing = [lead for lead in leads if lead not in corpus.leads]
    if missing:
        raise UserError(f"the corpus has no lead {missing[0]!r}", field="leads",
                        remedy=f"Choose from {', '.join(corpus.leads)}")
    return columns_among(corpus.leads, leads)


def columns_among(held: Sequence[str], leads: Sequence[str]) -> slice | list[int]:
    columns = [list(held).index(lead) for lead in leads]
    return slice(None) if columns == list(range(len(held))) else columns


# ---------------------------------------------------------------------------------------------------- fixed windows


def tile(length: int, window: int) -> np.ndarray:
    """First samples of the fixed windows that cover a recording of `length` samples.

    Windows stand end to end; where samples remain, one more window is aligned to the recording's end. A recording
    shorter than the window gives one window at 0, which `windows` pads with zeros.

    >>> tile(2500, 1024).tolist()
    [0, 1024, 1476]
    """
    if length <= window:
        return np.zeros(1, dtype=np.int64)
    starts = np.arange(0, length - window + 1, window)
    return starts if starts[-1] + window == length else np.append(starts, length - window)


def windows(signal: np.ndarray, window: int) -> np.ndarray:
    """All fixed windows of a recording (samples, leads) as (windows, lead, window) float32, zero-padded at the end."""
    starts = tile(len(signal), window)
    cut = np.zeros((len(starts), window, signal.shape[1]), dtype=signal.dtype)
    for row, start in zip(cut, starts, strict=True):
        piece = signal[start : start + window]
        row[: len(piece)] = piece
    return by_lead(cut)


def by_lead(samples: np.ndarray) -> np.ndarray:
    """(batch, time, lead) as in the corpus -> (batch, lead, time) float32; torch turns thrice as fast as numpy."""
    turned = torch.from_numpy(samples).transpose(1, 2)
    return turned.to(torch.float32, memory_format=torch.contiguous_format, copy=True).numpy()


def fixed_batches(corpus, positions: np.ndarray, leads: Sequence[str], window: int,
                  size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Every fixed window of the recordings at `positions`, in order, `size` at a time.

    Yields windows (batch, lead, time) float32 and, for each, the place of its recording in `positions`.
    """
    columns = lead_columns(corpus, leads)
    held, owners, count = [], [], 0
    for place, position in enumerate(positions):
        cut = windows(corpus.signal(position)[:, columns], window)
        held.append(cut)
        owners.append(np.full(len(cut), place))
        count += len(cut)
        while count >= size:
            x, owner = np.concatenate(held), np.concatenate(owners)
            yield x[:size], owner[:size]
            held, owners, count = [x[size:]], [owner[size:]], count - size
    if count:
        yield np.concatenate(held), np.concatenate(owners)


# ----------------------------------------------------------------------------------------------------- random crops


def steps_of(count: int, size: int) -> int:
    """Batches of an epoch. One recording that is left over joins the batch before: batch norm has no variance of one
    sample, where a network ends in one value a channel."""
    return count // size + (count % size > (1 if count > size else 0))


class Crops:
    """Training batches of one run: each recording gives one random crop an epoch, in a new order each epoch.

    A recording of at least `window` samples is cut at a random place; a shorter one is put at a random place into
    zeros. The last batch of an epoch may be smaller, or larger by one. `soft` (recording, class), where given, stands
    after the labels.
    """

    def __init__(self, corpus, positions: np.ndarray, spec: RunSpec, soft: np.ndarray | None = None):
        check(spec.augment)
        self.corpus, self.positions, self.spec = corpus, positions, spec
        lead_columns(corpus, spec.leads)                    # raises where the corpus lacks one
        self.held = columns_among(LEADS, corpus.leads)      # of a crop, which has all twelve
        self.columns = columns_among(LEADS, spec.leads)
        self.targets = corpus.labels[positions].astype(np.float32)
        if soft is not None:
            self.targets = np.hstack([self.targets, soft.astype(np.float32)])
        self.lengths = corpus.records["length"].to_numpy()[positions]
        self.steps = steps_of(len(positions), spec.batch_size)
        self.batch_bytes = 4 * spec.batch_size * spec.window * len(spec.leads)
        self.white = np.zeros(0, np.float32)
        if "noise" in spec.augment:
            self.white = white_noise(spec.window, generator(spec.seed, 0, 0, NOISE))
        if spec.augment:    # loads what is compiled before the first step is waiting for it
            augment(np.empty((0, spec.window, len(LEADS)), np.float16), self.draw(0, 0), 0, self.white)

    def epoch(self, epoch: int, first: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Batches of one epoch from step `first` on: crops (batch, lead, time) and labels (batch, class), float32.

        In memory the leads of a moment stand together, as in the corpus: a CPU's convolutions want them so too.
        """
        spec, count = self.spec, len(self.positions)
        order = generator(spec.seed, epoch, 0, ORDER).permutation(count)
        free = np.abs(self.lengths - spec.window)
        places = generator(spec.seed, epoch, 0, CROP).integers(0, free, endpoint=True)
        drawn = self.draw(epoch, count)
        for step in range(first, self.steps):
            start = step * spec.batch_size
            chosen = order[start : start + spec.batch_size] if step < self.steps - 1 else order[start:]
            x = self.cut(chosen, places)
            x = augment(x, drawn, start, self.white) if spec.augment else torch.from_numpy(x).float().numpy()
            yield np.ascontiguousarray(x[:, :, self.columns]).transpose(0, 2, 1), self.targets[chosen]

    def draw(self, epoch: int, crops: int) -> Drawn:
        """What the augmentations of this run do to the crops of an epoch, in the order of their use."""
        leads = np.arange(len(LEADS))[self.columns]
        return draw(self.spec.augment, crops, self.spec.window, leads,
                    lambda number: generator(self.spec.seed, epoch, 0, FIRST_AUGMENTATION + number))

    def cut(self, chosen: np.ndarray, places: np.ndarray) -> np.ndarray:
        """Crops (batch, time, 12 leads) float16 of the recordings `chosen`, each at its place; leads that the corpus
        lacks are 0."""
        window, signals = self.spec.window, self.corpus.signals(self.positions[chosen])
        crops = (np.empty if self.held == slice(None) else np.zeros)((len(chosen), window, len(LEADS)), np.float16)
        for crop, signal, place in zip(crops, signals, places[chosen].tolist(), strict=True):
            if len(signal) >= window:
                crop[:, self.held] = signal[place : place + window]
            else:
                crop[:] = 0
                crop[place : place + len(signal), self.held] = signal
        return crops


def together(items: Iterable[Item], number: int) -> Iterator[Item]:
    """The same items, prepared `number` at a time: a step of a training leaves little of the loader in the caches."""
    items = iter(items)
    while prepared := deque(islice(items, number)):
        while prepared:
            yield prepared.popleft()


def ahead(items: Iterable[Item], depth: int = 2) -> Iterator[Item]:
    """The same items, prepared by a background thread up to `depth` ahead of their use.

    That thread works alone: with helpers of its own, as torch gives every thread, they and those of the training take
    the processors from one another, and a step takes twice the time.
    """
    ready: queue.Queue = queue.Queue(depth)
    closed = threading.Event()

    def put(kind: str, value) -> bool:
        while not closed.is_set():
            try:
                ready.put((kind, value), timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def prepare() -> None:
        torch.set_num_threads(1)    # of this thread: the caller keeps its own
        try:
            if all(put("item", item) for item in items):
                put("end", None)
        except BaseException as error:
            put("error", error)

    torch.get_num_threads()     # the caller's: torch settles a thread's number at its first use, by the last one set
    threading.Thread(target=prepare, daemon=True).start()
    try:
        while True:
            kind, value = ready.get()
            if kind == "end":
                return
            if kind == "error":
                raise value
            yield value
    finally:
        closed.set()
