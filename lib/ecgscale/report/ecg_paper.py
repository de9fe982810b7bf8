"""A recording on ECG paper: 25 mm/s, 10 mm/mV, small squares of 1 mm and large ones of 5 mm, as an SVG to scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from textwrap import shorten

import numpy as np
import vl_convert

from ecgscale.contracts import LEADS, digest, whole
from ecgscale.report.charts import paletted
from ecgscale.report.style import COLOURS, INK, inline, wrote_figure

SPEED, GAIN = 25.0, 10.0                                    # mm/s, mm/mV: the standard of diagnostic ECGs
COLUMNS = (("I", "II", "III"), ("aVR", "aVL", "aVF"), ("V1", "V2", "V3"), ("V4", "V5", "V6"))
COLUMN_SECONDS, ROW, ABOVE, HEAD, MARGIN = 2.5, 30.0, 10.0, 8.0, 6.0    # s; mm: paper above the rows, the heading
PULSE = 10.0                                                # mm left of the leads, for the pulse of 1 mV and 0.2 s
UNIT = 0.01                                                 # mm of one unit of the drawing: whole numbers are short
SCALE_WORDS = f"{SPEED:g} mm/s, {GAIN:g} mm/mV"
HEADING = 96                                                # letters that fit above the paper
SCALE = 1.5                                                 # of the PNG: pixels a 96th of an inch


@dataclass(frozen=True)
class Sheet:
    """A drawn recording with the words that belong to it, as Drawing and Chart have them. `svg` lacks its heading."""

    name: str
    title: str
    caption: str
    alt: str
    svg: str
    ours: bool = True


@dataclass(frozen=True)
class Copy:
    """A sheet that was drawn before, as pixels."""

    name: str
    title: str
    caption: str
    alt: str
    png: bytes
    ours: bool = True


def draw(millivolts: np.ndarray, rate: float, record: str, about: str, state: str, leads: Sequence[str] = LEADS,
         title: str = "") -> Sheet:
    """(samples, leads) mV on paper, a pulse of 1 mV before each row. Twelve leads: three rows of four leads of 2.5 s
    and lead II below; fewer: a row of 10 s each. `state`: in what state the signals are, in words."""
    whole_ecg = tuple(leads) == LEADS
    strips = ("II",) if whole_ecg else tuple(leads)
    rows = len(strips) + (3 if whole_ecg else 0)
    wide, high = PULSE + 4 * COLUMN_SECONDS * SPEED, rows * ROW
    held = dict(zip(leads, millivolts.T, strict=True))
    parts = [paper(wide, high), *(pulse(row) for row in range(rows))]
    for column, names in enumerate(COLUMNS if whole_ecg else ()):
        parts += [trace(held[name], rate, name, column * COLUMN_SECONDS, (column + 1) * COLUMN_SECONDS, row)
                  for row, name in enumerate(names)]
    parts += [trace(held[name], rate, name, 0.0, 4 * COLUMN_SECONDS, rows - len(strips) + place)
              for place, name in enumerate(strips)]
    parts.append(text(wide, high + 4, SCALE_WORDS, anchor="end"))
    size = wide + 2 * MARGIN, high + ABOVE + HEAD + 2 * MARGIN
    box = [round(value / UNIT) for value in (-MARGIN, -ABOVE - HEAD - MARGIN, *size)]
    svg = (f'<svg xmlns="http://www.w3.org/2000/svg" width="{size[0]:g}mm" height="{size[1]:g}mm" '
           f'viewBox="{" ".join(map(str, box))}">\n' + "\n".join(parts) + "\n</svg>")
    kind = "Twelve-lead electrocardiogram" if whole_ecg else f"Electrocardiogram (lead {', '.join(leads)})"
    return Sheet(name=file_name(record), title=title or record, svg=svg, caption=caption(about, state),
                 alt=f"{kind} of recording {record} on standard paper. {about}")


def file_name(record: str) -> str:
    """A record's name as that of its figure; other signs than letters, digits and the source's / keep apart by a
    digest, or `a-b/1` would be shown with the recording of `a_b/1`; and so do small letters behind it: macOS and
    Windows take `a/X1` and `a/x1` for one file."""
    plain = "".join(letter if letter.isalnum() else "-" for letter in record)
    kept = record.replace("/", "", 1).isalnum() and (name := record.rpartition("/")[2]) == name.upper()
    return f"ecg-{plain}" if kept else f"ecg-{plain}-{digest(record, 6)}"


def caption(about: str, state: str) -> str:
    return f"{about} {SCALE_WORDS}; small squares are 1 mm (40 ms, 0.1 mV). {state}"


def units(millimetres: np.ndarray | float) -> np.ndarray:
    return np.rint(np.asarray(millimetres) / UNIT).astype(int)


def paper(wide: float, high: float) -> str:
    """The squares, small and large."""
    made = []
    for every, line in ((1.0, 0.08), (5.0, 0.22)):
        side, stroke = units(every), units(line)
        made.append(f'<pattern id="squares-{every:g}" width="{side}" height="{side}" patternUnits="userSpaceOnUse">'
                    f'<path d="M{side} 0H0V{side}" fill="none" stroke="#e8a9a0" stroke-width="{2 * stroke}"/></pattern>'
                    f'<rect y="{units(-ABOVE)}" width="{units(wide)}" height="{units(ABOVE + high)}" '
                    f'fill="url(#squares-{every:g})"/>')
    return "\n".join(made)


def middle(row: int) -> float:
    """Height of a row's zero line below the top of the paper, in mm."""
    return (row + 0.5) * ROW


def pulse(row: int) -> str:
    """1 mV for 0.2 s."""
    x = np.array([1, 3, 3, 8, 8, 10]) * 1.0
    return line(x, middle(row) - GAIN * np.array([0, 0, 1, 1, 0, 0]), "pulse")


def trace(millivolts: np.ndarray, rate: float, name: str, start: float, stop: float, row: int) -> str:
    """One lead from `start` to `stop` seconds, with its name."""
    values = millivolts[round(start * rate) : round(stop * rate)]
    x = PULSE + (start + np.arange(len(values)) / rate) * SPEED
    return line(x, middle(row) - values * GAIN, f"lead {name}") + text(
        PULSE + start * SPEED + 1, middle(row) - 0.5 * ROW + 5, name)


def line(x: np.ndarray, y: np.ndarray, kind: str) -> str:
    """Through the points (mm), as steps of whole units from one to the next."""
    if not len(x):
        return ""
    x, y = units(x), units(y)
    steps = "".join(f" {dx}{' ' if dy >= 0 else ''}{dy}" for dx, dy in zip(
        np.diff(x).tolist(), np.diff(y).tolist(), strict=True))
    return (f'<path class="{kind}" d="M{x[0]} {y[0]}l{steps.strip() or "0 0"}" fill="none" stroke="{INK}" '
            f'stroke-width="{units(0.25)}" stroke-linejoin="round"/>')


def text(x: float, y: float, words: str, anchor: str = "start", size: float = 3.2, more: str = "") -> str:
    return (f'<text x="{units(x)}" y="{units(y)}" font-family="DejaVu Sans, sans-serif" font-size="{units(size)}" '
            f'text-anchor="{anchor}" fill="{INK}"{more}>{escape(words)}</text>')


def save(sheet: Sheet, folder: Path, synthetic: bool) -> str:
    """Write NAME.svg and NAME.png; give the SVG for inlining. Synthetic data is named in the figure itself."""
    synthetic = synthetic and sheet.ours
    heading = shorten(("SYNTHETIC DATA · " if synthetic else "") + sheet.title, HEADING, placeholder=" …")
    head = text(0, -ABOVE - HEAD + 4, heading, size=4.2, more=' font-weight="bold"')
    head = head.replace(f'fill="{INK}"', f'fill="{COLOURS["vermillion"]}"') if synthetic else head
    svg = sheet.svg.replace("</svg>", f"{head}\n</svg>\n<!-- ecgscale -->\n")
    with whole(folder / f"{sheet.name}.svg", wrote_figure) as path:
        path.write_text(svg, encoding="utf-8")
    back = f'{svg[: svg.index(">") + 1]}<rect x="-9999" y="-9999" width="99999" height="99999" fill="white"/>'
    png = vl_convert.svg_to_png(back + svg[svg.index(">") + 1 :], scale=SCALE)
    with whole(folder / f"{sheet.name}.png", wrote_figure) as path:
        path.write_bytes(paletted(png, heading))
    return inline(svg, sheet.name, sheet.alt)
