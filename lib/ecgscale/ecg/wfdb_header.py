"""Headers by the WFDB rules: record line, signal or segment lines, and comments by key.

Format: https://wfdb.io/spec/header-files.html
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

from ecgscale.ecg.guards import Rejected

LARGEST_HEADER = 1 << 17        # bytes: a thousand signals
MOST_SIGNALS = 1_000
LONGEST_LINE = 1_000            # characters, of a line that is no comment
LINE_ENDS = re.compile(r"\r\n|\n|\r")        # and no other: 0x85 is an ellipsis in Windows' code page
PLAIN_NAME = re.compile(r"[^/\\:\0]+")

RECORD_LINE = re.compile(
    r"(?P<name>[^\s/]+)(?:/(?P<segments>\d{1,9}))?\s+(?P<signals>\d{1,9})"
    r"(?:\s+(?P<rate>[\d.eE+-]+)(?:/\S*)?(?:\s+(?P<samples>\d{1,15})(?:\s.*)?)?)?\s*")
SIGNAL_LINE = re.compile(      # as wfdb reads it, a name may follow although fields before it are left out
    r"(?P<file>\S+)\s+(?P<format>\d{1,4})(?:x(?P<frame>\d{1,6}))?(?::(?P<skew>\d{1,9}))?(?:\+(?P<offset>\d{1,15}))?"
    r"(?:\s+(?P<gain>[^\s(/]+)(?:\((?P<baseline>-?\d{1,15})\))?(?:/(?P<unit>\S+))?)?"
    r"(?:\s+(?P<bits>\d{1,4}))?(?:\s+(?P<zero>-?\d{1,15}))?(?:\s+(?P<first>-?\d{1,15}))?(?:\s+(?P<sum>-?\d{1,15}))?"
    r"(?:\s+(?P<block>\d{1,9}))?(?:\s+(?P<name>\S.*?))?\s*")
SEGMENT_LINE = re.compile(r"(\S+)\s+(\d{1,15})\s*")
COMMENT_KEY = re.compile(r"\w[\w ]*")


class Signal(NamedTuple):
    """One signal line. `first` and `sum` are None where the header does not give them: a missing initial value is 0 by
    the rules, so that 0 says nothing."""

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
    """A header file; `name`: of the record that it says it is of. `frames` is None where the header leaves it to the
    file's size."""

    name: str
    rate: float                 # frames a second
    frames: int | None
    signals: tuple[Signal, ...]
    segments: tuple[tuple[str, int], ...]   # of a record in pieces: each one's record name, "~" for a gap, and frames
    comments: dict[str, str]    # key in lower case -> value; a repeated key's values joined by a comma


def read_header(path: Path) -> Header:
    """Read a .hea file. Raises Rejected. A record of segments has no signals of its own."""
    with open_plain(path, "unreadable") as stream:
        raw = stream.read(LARGEST_HEADER + 1)
    if len(raw) > LARGEST_HEADER or b"\0" in raw:
        raise Rejected("header", "larger than a header or not text")
    lines, comments = [], {}
    for line in LINE_ENDS.split(text_of(raw)):
        line = line.strip()
        if line.startswith("#"):
            key, colon, value = line.lstrip("#").partition(":")
            key, value = key.strip().lower(), value.strip()
            if colon and COMMENT_KEY.fullmatch(key):
                comments[key] = f"{comments[key]},{value}" if key in comments else value
        elif len(line) > LONGEST_LINE:
            raise Rejected("header", f"a line of {len(line)} characters")
        elif line:
            lines.append(line)
    record = RECORD_LINE.fullmatch(lines[0]) if lines else None
    if record is None:
        raise Rejected("header", f"record line {lines[0][:80]!r}" if lines else "no record line")
    count, segments = int(record["signals"]), int(record["segments"] or 0)
    if len(lines) - 1 < (segments or count) or count > MOST_SIGNALS:
        raise Rejected("header", f"{segments or count} {'segments' if segments else 'signals'} announced, "
                                 f"{len(lines) - 1} described")
    described = [read_signal_line(line) for line in lines[1 : count + 1]] if not segments else []
    if not any(one.first or one.sum for one in described):      # devices that do not reckon write 0 for all of them
        described = [one._replace(sum=None) for one in described]
    return Header(
        name=record["name"],
        rate=number(record["rate"]),
        frames=int(record["samples"] or 0) or None,
        signals=tuple(described),
        segments=tuple(read_segment_line(line) for line in lines[1 : segments + 1]),
        comments=comments,
    )


def open_plain(path: Path, reason: str) -> BinaryIO:
    """A file to be read. Raises Rejected with `reason` where it is not there, or a pipe, which would be waited for."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise Rejected(reason, f"{path.name[:200]}: no plain file")
        return open(path, "rb", buffering=0)
    except (OSError, ValueError) as error:
        raise Rejected(reason, f"{path.name[:200]}: {getattr(error, 'strerror', error)}") from None


def text_of(raw: bytes) -> str:
    """A header is ASCII but for its comments and the micro sign; older files are not UTF-8."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def read_segment_line(line: str) -> tuple[str, int]:
    found = SEGMENT_LINE.fullmatch(line)
    if found is None:
        raise Rejected("header", f"segment line {line[:80]!r}")
    if not PLAIN_NAME.fullmatch(found[1]) or found[1] in (".", ".."):
        raise Rejected("path", f"segment {found[1]!r}")
    return found[1], int(found[2])


def read_signal_line(line: str) -> Signal:
    found = SIGNAL_LINE.fullmatch(line)
    if found is None:
        raise Rejected("header", f"signal line {line[:80]!r}")
    (file, kind, frame, skew, offset, gain, baseline, unit, _bits, zero, first, total, _block, name) = found.groups()
    if not PLAIN_NAME.fullmatch(file) or file in (".", ".."):
        raise Rejected("path", f"signal file {file!r}")
    if frame is not None and int(frame) == 0:
        raise Rejected("header", f"signal {name or file}: no sample in a frame")
    return Signal(
        name=name or "", file=file, format=kind, frame=int(frame or 1), skew=int(skew or 0), offset=int(offset or 0),
        gain=number(gain), baseline=int(baseline if baseline is not None else zero or 0), unit=unit or "mV",
        first=int(first or 0) or None, sum=None if total is None else int(total))


def number(text: str | None) -> float:
    try:
        return float(text)
    except (TypeError, ValueError):
        return float("nan")
