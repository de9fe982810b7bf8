"""Figures of the data card: counts beside the published ones, lengths, ages."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axis import Axis
from matplotlib.colors import LogNorm
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from ecgscale.report.style import COLOURS, INK, Drawing, figure


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
    return Drawing("lengths", "Lengths and sampling rates", "Lengths of the prepared recordings by source, as "
                   "many as the bar of colours says; blank where there is none. Rates before resampling.",
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
