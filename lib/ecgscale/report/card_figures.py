"""Figures of the data card: counts beside the published ones, lengths, ages, and recordings on ECG paper."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axis import Axis
from matplotlib.collections import LineCollection
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from ecgscale.contracts import LEADS
from ecgscale.report.style import COLOURS, INK, RC, Drawing, figure

PAPER_SPEED, PAPER_GAIN = 25.0, 10.0                        # mm/s, mm/mV: the standard of diagnostic ECGs
COLUMNS = (("I", "II", "III"), ("aVR", "aVL", "aVF"), ("V1", "V2", "V3"), ("V4", "V5", "V6"))
COLUMN_SECONDS, ROW_HEIGHT, HEADROOM, MARGIN = 2.5, 30.0, 10.0, 12.0      # s, mm, mm, mm
PULSE = 10.0                                                # mm left of the leads, for the pulse of 1 mV and 0.2 s


def draw_ecg(millivolts: np.ndarray, rate: float, record: str, about: str, leads: Sequence[str] = LEADS) -> Drawing:
    """(samples, leads) mV on paper, a pulse of 1 mV before each row; to scale in the SVG file. Twelve leads: three rows
    of four leads of 2.5 s and lead II below; fewer: a row of 10 s each."""
    whole = tuple(leads) == LEADS
    strips = ("II",) if whole else leads
    count = len(strips) + (3 if whole else 0)
    kind = "Twelve-lead electrocardiogram" if whole else f"Electrocardiogram (lead {', '.join(leads)})"
    with mpl.rc_context(RC):
        width, rows = PULSE + 4 * COLUMN_SECONDS * PAPER_SPEED, count * ROW_HEIGHT
        height = rows + HEADROOM
        size = ((width + 2 * MARGIN) / 25.4, (height + 2 * MARGIN) / 25.4)
        sheet = Figure(figsize=size, layout="constrained")
        sheet.set_layout_engine("none")     # the paper stays where it is put, to scale
        paper = sheet.add_axes((MARGIN / 25.4 / size[0], MARGIN / 25.4 / size[1], width / 25.4 / size[0],
                                height / 25.4 / size[1]))
        paper.set(xlim=(-PULSE, width - PULSE), ylim=(0, height), xticks=[], yticks=[])
        paper.grid(False)
        for every, line in ((1.0, 0.25), (5.0, 0.7)):
            ticks = [[(x, 0), (x, height)] for x in np.arange(-PULSE, width - PULSE + every, every)]
            ticks += [[(-PULSE, y), (width - PULSE, y)] for y in np.arange(0, height + every, every)]
            paper.add_collection(LineCollection(ticks, colors="#e8a9a0", linewidths=line))
        pulse = np.array([[-9, 0], [-7, 0], [-7, PAPER_GAIN], [-2, PAPER_GAIN], [-2, 0], [0, 0]])
        paper.add_collection(LineCollection([pulse + np.array([0, (row + 0.5) * ROW_HEIGHT]) for row in range(count)],
                                            colors=INK, linewidths=0.7))
        held = dict(zip(leads, millivolts.T, strict=True))
        for column, names in enumerate(COLUMNS if whole else ()):
            for row, name in enumerate(names):
                start, middle = column * COLUMN_SECONDS, rows - (row + 0.5) * ROW_HEIGHT
                draw_lead(paper, held[name], rate, name, start, start + COLUMN_SECONDS, middle)
        for place, name in enumerate(reversed(strips)):
            draw_lead(paper, held[name], rate, name, 0.0, 4 * COLUMN_SECONDS, (place + 0.5) * ROW_HEIGHT)
    return Drawing(
        name="ecg-" + "".join(letter if letter.isalnum() else "-" for letter in record), title=record, figure=sheet,
        caption=f"{about} {PAPER_SPEED:g} mm/s, {PAPER_GAIN:g} mm/mV; small squares are 1 mm (40 ms, 0.1 mV). As "
                "recorded, not filtered.",
        alt=f"{kind} of recording {record} on standard paper")


def draw_lead(paper, samples: np.ndarray, rate: float, name: str, start: float, stop: float, middle: float) -> None:
    """One lead from `start` to `stop` seconds around the height `middle` (mm)."""
    values = samples[round(start * rate) : round(stop * rate)]
    seconds = start + np.arange(len(values)) / rate
    paper.plot(seconds * PAPER_SPEED, middle + values * PAPER_GAIN, color=INK, linewidth=0.7)
    paper.text(start * PAPER_SPEED + 1, middle + 0.5 * ROW_HEIGHT - 4, name, fontsize=8, color=INK)


def class_counts(counts: pd.DataFrame) -> Drawing:
    """One row a class: recordings of this corpus and of the public release."""
    totals = counts.groupby("abbreviation", sort=False)[["recordings", "published"]].sum(min_count=1)
    totals = totals.sort_values("recordings")
    drawn = figure(9, 1.2 + 0.22 * len(totals))
    panel, places = drawn.subplots(), np.arange(len(totals))
    panel.hlines(places, 0.7, totals["recordings"].clip(lower=0.7), color=COLOURS["blue"], linewidth=1)
    some = totals["recordings"].to_numpy() > 0
    panel.plot(totals["recordings"][some], places[some], "o", color=COLOURS["blue"], label="this corpus")
    if not some.all():
        panel.plot(np.full((~some).sum(), 0.7), places[~some], "o", color=COLOURS["blue"], markerfacecolor="white",
                   label="none in this corpus")
    if totals["published"].notna().any():
        panel.plot(totals["published"], places, "|", color=COLOURS["vermillion"], markersize=9, markeredgewidth=2,
                   label="public release, same sources")
    panel.set(xscale="log", yticks=places, yticklabels=totals.index, xlabel="recordings (log)", ylim=(-1, len(totals)))
    plain(panel.xaxis)
    panel.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3)
    return Drawing("classes", "Recordings of each class", "A recording may belong to several classes.",
                   "Dot plot of the number of recordings of each class beside the published number", drawn)


def lengths_and_rates(records: pd.DataFrame, rate: float) -> Drawing:
    sources = sorted(records["source"].unique())
    drawn = figure(9, 1.6 + 0.3 * len(sources))
    lengths, rates = drawn.subplots(1, 2, width_ratios=(2, 1))
    seconds = records["length"] / rate
    edges = np.geomspace(max(0.5, seconds.min() * 0.95), seconds.max() * 1.05, 40)
    counts = np.array([np.histogram(seconds[records["source"] == name], edges)[0] for name in sources])
    strips = lengths.pcolormesh(edges, np.arange(len(sources) + 1), np.ma.masked_equal(counts, 0), cmap="cividis_r",
                                norm=LogNorm(1, max(10, counts.max())), edgecolor="white", linewidth=0.3)
    lengths.set(xscale="log", xlabel="length (s, log)", yticks=np.arange(len(sources)) + 0.5, yticklabels=sources,
                ylim=(len(sources), 0))
    lengths.grid(False)
    plain(lengths.xaxis, minor=True)
    plain(drawn.colorbar(strips, ax=lengths, label="recordings (log)", pad=0.02).ax.yaxis)
    count = records["rate"].value_counts().sort_index()
    rates.bar([f"{one:g}" for one in count.index], count.to_numpy(), color=COLOURS["blue"])
    rates.set(yscale="log", ylim=(0.7, None), xlabel="rate as recorded (Hz)", ylabel="recordings (log)")
    plain(rates.yaxis)
    return Drawing("lengths", "Lengths and sampling rates", "Lengths of the prepared recordings by source: the "
                   "darker, the more; blank where there is none. Rates before resampling.",
                   "Strips of the number of recordings by length and source, and bars of sampling rates", drawn)


def ages(records: pd.DataFrame) -> Drawing | None:
    known = records.dropna(subset=["age"])
    if known.empty:
        return None
    drawn = figure(9, 3.0)
    panel = drawn.subplots()
    groups = [(name, colour, known.loc[known["sex"].fillna("unknown") == name, "age"])
              for name, colour in (("female", "purple"), ("male", "sky"), ("unknown", "black"))]
    groups = [group for group in groups if len(group[2])]
    panel.hist([values for _, _, values in groups], np.arange(0, 125, 5), stacked=True,
               label=[f"{name} ({len(values)})" for name, _, values in groups],
               color=[COLOURS[colour] for _, colour, _ in groups])
    panel.set(xlabel="age (years)", ylabel="recordings")
    panel.legend()
    return Drawing("ages", "Age and sex", f"Of {len(known)} recordings with a known age; {len(records) - len(known)} "
                   "have none.", "Stacked histogram of ages by sex", drawn)


def sources(table: pd.DataFrame) -> Drawing:
    """Accepted and rejected recordings of each source beside what was published."""
    drawn = figure(9, 0.9 + 0.4 * len(table))
    panel, places = drawn.subplots(), np.arange(len(table))[::-1]
    panel.hlines(places, 0.7, table["accepted"].clip(lower=0.7), color=COLOURS["blue"], linewidth=1)
    panel.plot(table["accepted"].clip(lower=0.7), places, "o", color=COLOURS["blue"], label="accepted")
    rejected = table["rejected"].to_numpy() > 0
    if rejected.any():
        panel.plot(table["rejected"][rejected], places[rejected], "x", color=COLOURS["vermillion"], markersize=7,
                   markeredgewidth=2, label="rejected")
    if table["published"].notna().any():
        panel.plot(table["published"].astype(float), places, "|", color=INK, markersize=12, markeredgewidth=2,
                   label="in the public release")
    panel.set(xscale="log", yticks=places, yticklabels=table["source"], xlabel="recordings (log)",
              ylim=(-0.6, len(table) - 0.4))
    plain(panel.xaxis)
    panel.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return Drawing("sources", "Recordings of each source", "A source without any stands at the left edge.",
                   "Dot plot of accepted and rejected recordings by source, with the published number", drawn)


def plain(axis: Axis, minor: bool = False) -> None:
    """Numbers as people write them on a logarithmic axis; with `minor`, also 2 and 5 between the powers of ten."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axis.set_minor_formatter(NullFormatter())
    if minor:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
