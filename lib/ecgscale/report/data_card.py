"""The data card within the report: people, lengths, rates, flags and copies of the recordings, from their records."""

from __future__ import annotations

import matplotlib as mpl

from ecgscale.report import card, card_figures
from ecgscale.report.inputs import Inputs
from ecgscale.report.style import RC, Drawing
from ecgscale.report.tables import DataTable, table


def parts(inputs: Inputs) -> list[DataTable | Drawing | None]:
    """As in card.html, but for the drawn recordings; empty where the records are not at hand."""
    corpus = inputs.corpus
    if corpus is None:
        return []
    sources = card.by_source(corpus)
    with mpl.rc_context(RC):
        drawings = [card_figures.sources(sources)]
        if len(inputs.classes):
            drawings.append(card_figures.class_counts(inputs.classes))
        if len(corpus):
            drawings += [card_figures.lengths_and_rates(corpus.records, corpus.rate), card_figures.ages(corpus.records)]
    listings = (card.source_listing(sources), card.flag_listing(corpus.records),
                card.duplicate_listing(corpus.records))
    return [*map(as_table, listings[:1]), *drawings, *map(as_table, listings[1:])]


def as_table(listing: card.Listing) -> DataTable | None:
    return table(listing.caption, {name: listing.numeric(place) for place, name in enumerate(listing.head)},
                 listing.rows)
