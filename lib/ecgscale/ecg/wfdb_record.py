"""One recording from disk by the WFDB rules: header, samples as stored, and what belongs to the 12 leads.

Headers are read here; samples of the usual case (format 16, one file, one sample a frame, as in the MATLAB v4 files
of PhysioNet/CinC 2021) are read straight from the file, every other format is decoded by the wfdb package. Both
give the same numbers. Format: https://wfdb.io/spec/header-files.html; MATLAB v4: MathWorks, "MAT-File Format".
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from ecgscale.ecg.filters import compiled
from ecgscale.ecg.guards import (
    MOST_VALUES,
    Rejected,
    check_length,
    check_rate,
    check_sums,
    lead_order,
    millivolts_per_unit,
)

LARGEST_HEADER = 1 << 17        # bytes: a thousand signals
MOST_SIGNALS = 1_000
PLAIN_NAME = re.compile(r"[^/\\:\0]+")
# bytes a sample; FLAC-coded formats (508, 516, 524) have no fixed size
BYTES = {"8": 1, "16": 2, "24": 3, "32": 4, "61": 2, "80": 1, "160": 2, "212": 1.5, "310": 4 / 3, "311": 4 / 3}
PLAIN = {"16": "<i2", "61": ">i2"}
MATRIX_TYPES = {"16": 30, "32": 20, "80": 50}       # MATLAB v4: little-endian matrix of int16, int32, uint8
# the value that marks an invalid sample
INVALID = {"80": -(1 << 7), "508": -(1 << 7), "310": -(1 << 9), "311": -(1 << 9), "212": -(1 << 11),
           "16": -(1 << 15), "61": -(1 << 15), "160": -(1 << 15), "516": -(1 << 15),
           "24": -(1 << 23), "524": -(1 << 23), "32": -(1 << 31)}
NO_MARK = -(1 << 31) - 1         # format 8 stores differences and cannot mark a sample

RECORD_LINE = re.compile(
    r"(?P<name>[^\s/]+)(?:/(?P<segments>\d{1,9}))?\s+(?P<signals>\d{1,9})"
    r"(?:\s+(?P<rate>[\d.eE+-]+)(?:/\S*)?(?:\s+(?P<samples>\d{1,15})(?:\s.*)?)?)?\s*")
SIGNAL_LINE = re.compile(      # as wfdb reads it, a name may follow although fields before it are left out
    r"(?P<file>\S+)\s+(?P<format>\d{1,4})(?:x(?P<frame>\d{1,6}))?(?::(?P<skew>\d{1,9}))?(?:\+(?P<offset>\d{1,15}))?"
    r"(?:\s+(?P<gain>[^\s(/]+)(?:\((?P<baseline>-?\d{1,15})\))?(?:/(?P<unit>\S+))?)?"
    r"(?:\s+(?P<bits>\d{1,4}))?(?:\s+(?P<zero>-?\d{1,15}))?(?:\s+(?P<first>-?\d{1,15}))?(?:\s+(?P<sum>-?\d{1,15}))?"
    r"(?:\s+(?P<block>\d{1,9}))?(?:\s+(?P<name>\S.*?))?\s*")
COMMENT = re.compile(r"#\s*(\w[\w ]*?)\s*:\s*(.*?)\s*$")


class Signal(NamedTuple):
    """One signal line. `first` and `sum` are None where the header does not give them."""

    name: str
    file: str
    format: str
    frame: int          # samples a frame
    skew: int
    offset: int         # bytes before the samples
    gain: float         # digital steps a unit; nan where missing or not a number
    baseline: int       # digital value of 0
    unit: str
    first: int | None
    sum: int | None


@dataclass(frozen=True)
class Header:
    """A header file. `frames` is None where the header leaves it to the file's size."""

    rate: float                 # frames a second
    frames: int | None
    segments: int               # 0: the signals stand in this header
    signals: tuple[Signal, ...]
    comments: dict[str, str]    # key in lower case -> value; a repeated key's values joined by a comma


@dataclass(frozen=True)
class Recording:
    """The 12 leads in the standard order, as stored: millivolts = (digital - baseline) / gain x per lead factor."""

    rate: float                 # samples a second
    digital: np.ndarray         # (samples, 12) int16 or int32
    gain: np.ndarray            # (12,) digital steps a unit
    baseline: np.ndarray        # (12,)
    factor: np.ndarray          # (12,) millivolts a unit
    invalid: np.ndarray         # (12,) the value that marks an invalid sample
    sums: tuple[tuple[str, int | None, int | None], ...]    # name, checksum, initial value; empty once checked
    flags: frozenset[str]
    comments: dict[str, str]

    def physical(self) -> np.ndarray:
        """(samples, 12) float64 in the header's units, invalid samples NaN: what wfdb calls p_signal."""
        values = (self.digital.astype(np.float64) - self.baseline) / self.gain
        values[self.digital == self.invalid] = np.nan
        return values

    def millivolts(self) -> np.ndarray:
        """(samples, 12) float64, of a recording without invalid samples."""
        return scaled(self.digital, self.baseline, self.factor / self.gain)


@compiled
def scaled(digital, baseline, scale):
    out = np.empty(digital.shape)
    for i in range(digital.shape[0]):
        for k in range(digital.shape[1]):
            out[i, k] = (digital[i, k] - baseline[k]) * scale[k]
    return out


def read_header(path: Path) -> Header:
    """Read a .hea file. Raises Rejected."""
    try:
        with open(path, "rb", buffering=0) as stream:
            raw = stream.read(LARGEST_HEADER + 1)
    except OSError as error:
        raise Rejected("unreadable", f"header: {error.strerror}") from None
    if len(raw) > LARGEST_HEADER or b"\0" in raw:
        raise Rejected("header", "larger than a header or not text")
    lines, comments = [], {}
    for line in raw.decode("utf-8", errors="replace").splitlines():
        line = line.strip()
        if line.startswith("#"):
            if found := COMMENT.match(line):
                key, value = found[1].lower(), found[2]
                comments[key] = f"{comments[key]},{value}" if key in comments else value
        elif line:
            lines.append(line)
    record = RECORD_LINE.fullmatch(lines[0]) if lines else None
    if record is None:
        raise Rejected("header", f"record line {lines[0][:80]!r}" if lines else "no record line")
    count, segments = int(record["signals"]), int(record["segments"] or 0)
    if not segments and (len(lines) - 1 < count or count > MOST_SIGNALS):
        raise Rejected("header", f"{count} signals announced, {len(lines) - 1} described")
    return Header(
        rate=number(record["rate"]),
        frames=int(record["samples"]) if record["samples"] else None,
        segments=segments,
        signals=() if segments else tuple(read_signal_line(line) for line in lines[1 : count + 1]),
        comments=comments,
    )


def read_signal_line(line: str) -> Signal:
    found = SIGNAL_LINE.fullmatch(line)
    if found is None:
        raise Rejected("header", f"signal line {line[:80]!r}")
    (file, kind, frame, skew, offset, gain, baseline, unit, _bits, zero, first, total, _block, name) = found.groups()
    if not PLAIN_NAME.fullmatch(file) or file in (".", ".."):
        raise Rejected("path", f"signal file {file!r}")
    return Signal(
        name=name or "", file=file, format=kind, frame=int(frame or 1), skew=int(skew or 0), offset=int(offset or 0),
        gain=number(gain), baseline=int(baseline if baseline is not None else zero or 0), unit=unit or "mV",
        first=None if first is None else int(first), sum=None if total is None else int(total))


def number(text: str | None) -> float:
    try:
        return float(text)
    except (TypeError, ValueError):
        return float("nan")


def read_recording(path: Path) -> Recording:
    """Read a recording by the path of its .hea file. Raises Rejected with a reason code."""
    header = read_header(path)
    if header.segments:
        raise Rejected("header", "a record of several segments: join them first (wfdb.rdrecord, wfdb.wrsamp)")
    order, flags = lead_order([signal.name for signal in header.signals])
    leads = [header.signals[position] for position in order]
    for lead in leads:
        if not np.isfinite(lead.gain) or lead.gain == 0:
            raise Rejected("gain", f"lead {lead.name}: no gain, so no voltage")
    factor = np.array([millivolts_per_unit(lead.unit) for lead in leads])
    check_rate(header.rate * max(lead.frame for lead in leads))
    check_size(header)
    if any(lead.sum is None for lead in leads):
        flags.add("no-checksum")
    plain = is_plain(header)
    if plain:
        digital, rate = read_plain(path.parent, header), header.rate
        if order != list(range(digital.shape[1])):
            digital = np.ascontiguousarray(digital[:, order])
    else:
        digital, rate, mixed = read_by_wfdb(path, header, order)
        flags |= mixed
    check_rate(rate)
    check_length(rate, len(digital))
    return Recording(
        rate=rate, digital=digital, factor=factor, gain=np.array([lead.gain for lead in leads]),
        baseline=np.array([float(lead.baseline) for lead in leads]),
        invalid=np.array([INVALID.get(lead.format, NO_MARK) for lead in leads]),
        sums=tuple((lead.name, lead.sum, lead.first) for lead in leads) if plain else (),
        flags=frozenset(flags), comments=header.comments)


def check_size(header: Header) -> None:
    """No more values than are read in one piece; before anything is allocated."""
    values = (header.frames or 0) * sum(signal.frame for signal in header.signals)
    if values > MOST_VALUES:
        raise Rejected("too-long", f"{values} values are announced, at most {MOST_VALUES} are read")


def open_signals(folder: Path, file: str, signals: Sequence[Signal], frames: int | None) -> BinaryIO:
    """A signal file, found long enough for its signals and, if of MATLAB, of the shape that the header announces."""
    try:
        stream = open(folder / file, "rb", buffering=0)  # noqa: SIM115 - the caller closes it
    except OSError as error:
        raise Rejected("missing-file", f"{file}: {error.strerror}") from None
    width = BYTES.get(signals[0].format)
    try:
        if frames is not None and width is not None:
            size, offset = os.fstat(stream.fileno()).st_size, signals[0].offset
            needed = offset + int(frames * width * sum(signal.frame for signal in signals))
            if size < max(needed, 1):
                raise Rejected("truncated", f"{file} has {size} bytes, {needed} are announced")
            if file.endswith(".mat"):
                check_matrix(file, stream.read(20), signals, frames)
    except Rejected:
        stream.close()
        raise
    return stream


def check_matrix(file: str, head: bytes, signals: Sequence[Signal], frames: int) -> None:
    """The MATLAB v4 header (type, rows, columns, imaginary, length of the name) says what the WFDB header says."""
    kind, rows, columns, imaginary, name = struct.unpack("<5i", head.ljust(20, b"\0"))
    expected = MATRIX_TYPES.get(signals[0].format, kind)
    told, asked = (kind, rows, columns, imaginary, 20 + name), (expected, len(signals), frames, 0, signals[0].offset)
    if told != asked:
        raise Rejected("matrix-header", f"{file}: type, rows, columns, imaginary, offset are {told}, not {asked}")


def is_plain(header: Header) -> bool:
    """Whether the samples are int16, interleaved in one file."""
    first = header.signals[0]
    return header.frames is not None and first.format in PLAIN and all(
        signal.format == first.format and signal.frame == 1 and signal.skew == 0
        and signal.file == first.file and signal.offset == first.offset for signal in header.signals)


def read_plain(folder: Path, header: Header) -> np.ndarray:
    """(samples, signals) int16."""
    first = header.signals[0]
    with open_signals(folder, first.file, header.signals, header.frames) as stream:
        samples = np.empty((header.frames, len(header.signals)), dtype=PLAIN[first.format])
        stream.seek(first.offset)
        if stream.readinto(samples.data) != samples.nbytes:
            raise Rejected("truncated", f"{first.file} ended early")
    return samples.astype(np.int16, copy=False)


def read_by_wfdb(path: Path, header: Header, order: list[int]) -> tuple[np.ndarray, float, set[str]]:
    """Any other format: (samples, 12) int32 or int64, samples a second, flags. Checks sums, for the samples as stored.

    Leads of several samples a frame keep them all; where leads differ in that, wfdb averages each frame.
    """
    import wfdb

    for file in dict.fromkeys(signal.file for signal in header.signals):
        open_signals(path.parent, file, [one for one in header.signals if one.file == file], header.frames).close()

    def read(**options) -> wfdb.Record:
        try:
            return wfdb.rdrecord(str(path.with_suffix("")), physical=False, return_res=64, **options)
        except Exception as error:      # wfdb and soundfile raise many kinds on a broken file
            raise Rejected("unreadable", f"{type(error).__name__}: {error}"[:200]) from None

    stored = read(smooth_frames=False, ignore_skew=True).e_d_signal
    leads = [header.signals[position] for position in order]
    for position, lead in zip(order, leads, strict=True):
        check_sums(lead.name, int(stored[position].sum()), int(stored[position][0]), lead.sum, lead.first)
    frames = {lead.frame for lead in leads}
    skew = max(signal.skew for signal in header.signals)
    if len(frames) > 1:
        digital, rate, flags = read(smooth_frames=True).d_signal[:, order], header.rate, {"mixed-rates"}
    else:
        if skew:
            stored = read(smooth_frames=False).e_d_signal
        digital = np.stack([stored[position] for position in order], axis=1)
        rate, flags = header.rate * frames.pop(), set()
    samples = len(digital) - skew * round(rate / header.rate)      # skewed leads have no samples for the last frames
    return np.ascontiguousarray(digital[:samples], dtype=np.int32), rate, flags
