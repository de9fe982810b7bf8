"""One recording from disk by the WFDB rules: samples as stored, and what belongs to the 12 leads.

Samples of the usual case (format 16, one file, one sample a frame, as in the MATLAB v4 files
of PhysioNet/CinC 2021) are read straight from the file, every other format is decoded by the wfdb package. Both
give the same numbers. Format: https://wfdb.io/spec/header-files.html; MATLAB v4: MathWorks, "MAT-File Format".
"""

from __future__ import annotations

import os
import struct
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ecgscale.contracts import LEADS
from ecgscale.ecg.guards import (
    MOST_VALUES,
    Rejected,
    check_length,
    check_rate,
    check_sums,
    millivolts_per_unit,
)
from ecgscale.ecg.leads import choose
from ecgscale.ecg.wfdb_header import Header, Signal, open_plain, read_header
from ecgscale.machine.compiled import compiled

# bytes a sample; FLAC-coded formats (508, 516, 524) have no fixed size
BYTES = {"8": 1, "16": 2, "24": 3, "32": 4, "61": 2, "80": 1, "160": 2, "212": 1.5, "310": 4 / 3, "311": 4 / 3}
PLAIN = {"16": "<i2", "61": ">i2"}
MATRIX_TYPES = {"16": 30, "32": 20, "80": 50}       # MATLAB v4: little-endian matrix of int16, int32, uint8
MATLAB_STARTS = {b"MATLAB 5.0 MAT-file": "MATLAB 5", b"MATLAB 7.3 MAT-file": "MATLAB 7.3", b"\x89HDF\r\n": "HDF5"}
# the value that marks an invalid sample
INVALID = {"80": -(1 << 7), "508": -(1 << 7), "310": -(1 << 9), "311": -(1 << 9), "212": -(1 << 11),
           "16": -(1 << 15), "61": -(1 << 15), "160": -(1 << 15), "516": -(1 << 15),
           "24": -(1 << 23), "524": -(1 << 23), "32": -(1 << 31)}
NO_MARK = -(1 << 31) - 1         # format 8 stores differences and cannot mark a sample

@dataclass(frozen=True)
class Recording:
    """Leads in the standard order, as stored: millivolts = (digital - baseline) / gain x per lead factor."""

    rate: float                 # samples a second
    digital: np.ndarray         # (samples, leads) int16 or int32
    gain: np.ndarray            # (leads,) digital steps a unit
    baseline: np.ndarray        # (leads,)
    factor: np.ndarray          # (leads,) millivolts a unit
    invalid: np.ndarray         # (leads,) the value that marks an invalid sample
    sums: tuple[tuple[str, int | None, int | None], ...]    # name, checksum, initial value; empty once checked
    flags: frozenset[str]
    comments: dict[str, str]
    leads: tuple[str, ...] = LEADS      # those that were read

    def physical(self) -> np.ndarray:
        """(samples, leads) float64 in the header's units, invalid samples NaN: what wfdb calls p_signal."""
        values = (self.digital.astype(np.float64) - self.baseline) / self.gain
        values[self.digital == self.invalid] = np.nan
        return values

    def millivolts(self) -> np.ndarray:
        """(samples, leads) float64, of a recording without invalid samples."""
        return scaled(self.digital, self.baseline, self.factor / self.gain)


@compiled
def scaled(digital, baseline, scale):
    out = np.empty(digital.shape)
    for i in range(digital.shape[0]):
        for k in range(digital.shape[1]):
            out[i, k] = (digital[i, k] - baseline[k]) * scale[k]
    return out


def read_recording(path: Path, wanted: Sequence[str] = LEADS, names: Sequence[str] = ()) -> Recording:
    """Read a recording by the path of its .hea file. Raises Rejected with a reason code.

    `wanted`: the leads that are read, or those from which they follow. `names` of the signals go before the header's.
    """
    header = read_header(path)
    made = (read_segments if header.segments else read_piece)(path, header, wanted, names)
    check_length(made.rate, len(made.digital))
    return made if header.name == path.stem else replace(made, flags=made.flags | {"record-name"})


def read_segments(path: Path, header: Header, wanted: Sequence[str], names: Sequence[str]) -> Recording:
    """A record in pieces: each is read and guarded as a record of its own, and they are joined end to end."""
    check_size((frames for _, frames in header.segments), len(LEADS))
    pieces: list[Recording] = []
    for name, frames in header.segments:
        if frames == 0:             # the layout of a record whose pieces hold different signals
            continue
        if name == "~":
            raise Rejected("invalid-samples", f"a gap of {frames} samples between segments")
        file = path.with_name(f"{name}.hea")
        with open_plain(file, "missing-file"):
            own = read_header(file)
        own = replace(own, frames=frames) if own.frames is None else own
        if own.segments or own.frames != frames or own.rate != header.rate:
            raise Rejected("header", f"segment {name}: {own.frames} samples at {own.rate:g} Hz, not {frames} at "
                                     f"{header.rate:g} Hz" if not own.segments else f"segment {name} has segments")
        piece = read_piece(file, own, wanted, names)
        for lead, (signal, total, first) in enumerate(piece.sums):
            values = piece.digital[:, lead]
            check_sums(signal, int(values.sum(dtype=np.int64)), int(values[0]), total, first)
        if (piece.digital == piece.invalid).any():
            raise Rejected("invalid-samples", f"in segment {name}")
        pieces.append(piece)
    if not pieces or header.frames not in (None, sum(frames for _, frames in header.segments)):
        raise Rejected("header", f"{header.frames} samples announced, the segments have "
                                 f"{sum(frames for _, frames in header.segments)}")
    one = pieces[0]
    for piece in pieces[1:]:
        for scale in ("leads", "gain", "baseline", "factor", "rate"):
            if not np.array_equal(getattr(piece, scale), getattr(one, scale)):
                raise Rejected("header", f"the segments differ in {scale}")
    return replace(one, digital=np.concatenate([piece.digital for piece in pieces]), sums=(),
                   invalid=np.full(len(one.leads), NO_MARK), comments=one.comments | header.comments,
                   flags=frozenset().union(*(piece.flags for piece in pieces)))


def read_piece(path: Path, header: Header, wanted: Sequence[str], names: Sequence[str]) -> Recording:
    """A record whose signals stand in its header."""
    if names and len(names) != len(header.signals):
        raise Rejected("header", f"{len(header.signals)} signals, and {len(names)} leads are named for them")
    order, held, flags = choose(names or [signal.name for signal in header.signals], wanted)
    leads = [header.signals[position] for position in order]
    for lead in leads:
        if not np.isfinite(lead.gain) or lead.gain == 0:
            raise Rejected("gain", f"lead {lead.name}: no gain, so no voltage")
    factor = np.array([millivolts_per_unit(lead.unit) for lead in leads])
    check_rate(header.rate * max(lead.frame for lead in leads))
    header = with_length(path.parent, header)
    check_size([header.frames + max(signal.skew for signal in header.signals)],
               sum(signal.frame for signal in header.signals))
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
    return Recording(
        rate=rate, digital=digital, factor=factor, gain=np.array([lead.gain for lead in leads]),
        baseline=np.array([float(lead.baseline) for lead in leads]),
        invalid=np.array([INVALID.get(lead.format, NO_MARK) for lead in leads]),
        sums=tuple((lead.name, lead.sum, lead.first) for lead in leads) if plain else (),
        flags=frozenset(flags), comments=header.comments, leads=held)


def check_size(frames: Iterable[int], samples: int) -> None:
    """No more values than are read in one piece, at `samples` a frame; before anything is allocated."""
    values = sum(frames) * samples
    if values > MOST_VALUES:
        raise Rejected("too-long", f"{values} values are announced, at most {MOST_VALUES} are read")


def with_length(folder: Path, header: Header) -> Header:
    """The header with the length of its shortest signal file, where it leaves that to the files."""
    if header.frames is not None:
        return header
    lengths = []
    for file, signals in by_file(header).items():
        with open_plain(folder / file, "missing-file") as stream:
            size, width = os.fstat(stream.fileno()).st_size, BYTES.get(signals[0].format)
        if width is None:
            raise Rejected("header", f"no length, and format {signals[0].format} does not tell it")
        samples = sum(signal.frame for signal in signals)
        lengths.append(int(max(0, size - signals[0].offset) // (width * samples)))
    if not min(lengths):
        raise Rejected("too-short", "no sample")
    return replace(header, frames=min(lengths))


def by_file(header: Header) -> dict[str, list[Signal]]:
    """Signals of each signal file, in the order of the header."""
    return {file: [one for one in header.signals if one.file == file]
            for file in dict.fromkeys(signal.file for signal in header.signals)}


def open_signals(folder: Path, file: str, signals: Sequence[Signal], frames: int) -> BinaryIO:
    """A signal file, found long enough for its signals and, if of MATLAB, of the shape that the header announces."""
    stream = open_plain(folder / file, "missing-file")
    width = BYTES.get(signals[0].format)
    try:
        if file.endswith(".mat"):
            check_version(file, stream.read(20))
            stream.seek(0)
        if width is not None:
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


def check_version(file: str, head: bytes) -> None:
    """Samples stand plainly in MATLAB v4 files only."""
    version = next((name for start, name in MATLAB_STARTS.items() if head.startswith(start)), None)
    if version:
        raise Rejected("matrix-header", f"{file}: a {version} file, not MATLAB v4. Save it again as version 4 "
                                        "(in Python: scipy.io.savemat(..., format='4'))")


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
    return first.format in PLAIN and all(
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
    """Any other format: (samples, leads) int32 or int64, samples a second, flags. Checks sums, as stored.

    Leads of several samples a frame keep them all; where leads differ in that, wfdb averages each frame.
    """
    import wfdb

    files = by_file(header)
    for file, signals in files.items():
        open_signals(path.parent, file, signals, header.frames).close()
    if max(signal.skew for signal in header.signals) >= header.frames:
        raise Rejected("header", f"a skew of {max(signal.skew for signal in header.signals)} frames of {header.frames}")

    def read(**options) -> wfdb.Record:
        try:
            return wfdb.rdrecord(record, physical=False, return_res=64, **options)
        except Exception as error:      # wfdb and soundfile raise many kinds on a broken file
            raise Rejected("unreadable", f"{type(error).__name__}: {error}"[:200]) from None

    with tempfile.TemporaryDirectory(prefix="ecgscale") as place:
        record = write_plainly(header, path.parent, files, Path(place))
        return decoded(header, order, read)


def write_plainly(header: Header, folder: Path, files: Iterable[str], place: Path) -> str:
    """The record as wfdb is to see it, so that a header means the same whatever its format: only what decodes samples,
    names of files and signals by number, and links to the files. Gives the path for wfdb."""
    names = {file: f"{number}.dat" for number, file in enumerate(files)}
    for file, name in names.items():
        (place / name).symlink_to((folder / file).resolve())
    lines = [f"r {len(header.signals)} {header.rate:.17g} {header.frames}"]
    lines += [f"{names[one.file]} {one.format}x{one.frame}:{one.skew}+{one.offset} 1(0)/mV 0 0 {one.first or 0} 0 0 "
              f"s{number}" for number, one in enumerate(header.signals)]
    (place / "r.hea").write_text("\n".join(lines) + "\n", encoding="ascii")
    return str(place / "r")


def decoded(header: Header, order: list[int], read: Callable) -> tuple[np.ndarray, float, set[str]]:
    """What `read_by_wfdb` gives, of a record that `read` (wfdb.rdrecord) reads."""
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
