"""The data card within the report: people, lengths, rates, flags and copies of the recordings, from their records."""

from __future__ import annotations

import matplotlib as mpl

from ecgscale.report import card, card_figures, ecg_paper
from ecgscale.report.inputs import Inputs
from ecgscale.report.style import RC, Drawing
from ecgscale.report.tables import DataTable, table


def parts(inputs: Inputs) -> list[DataTable | Drawing | ecg_paper.Copy | None]:
    """As in card.html; empty where the records are not at hand."""
    corpus = inputs.corpus
    if corpus is None:
        return []
    sources = card.by_source(corpus, inputs.rejects)
    with mpl.rc_context(RC):
        drawings = [card_figures.sources(sources)]
        if len(inputs.classes):
            drawings.append(card_figures.class_counts(inputs.classes))
        if len(corpus):
            drawings += [card_figures.lengths_and_rates(corpus.records, corpus.rate), card_figures.ages(corpus.records)]
    listings = (card.source_listing(sources), card.flag_listing(corpus.records),
                card.duplicate_listing(corpus.records))
    return [*map(as_table, listings[:1]), *drawings, *map(as_table, listings[1:]), *recordings(inputs)]


def recordings(inputs: Inputs) -> list[ecg_paper.Copy]:
    """The card's drawn recording of each source; none where the study leaves signals out of the page."""
    if inputs.corpus is None or left_out(inputs):
        return []
    return [ecg_paper.Copy(
        ecg_paper.file_name(record), f"A recording of {row['source']}: {record}",
        ecg_paper.caption(card.about(row), card.AS_RECORDED),
        f"Electrocardiogram of recording {record} on standard paper. {card.about(row)}", inputs.drawn[record])
        for record, row, _ in card.shown(inputs.corpus) if record in inputs.drawn]


def left_out(inputs: Inputs) -> bool:
    """Whether evaluation.examples of the study asks for no signal of single people."""
    return inputs.examples is not None and not inputs.examples.recordings


def as_table(listing: card.Listing) -> DataTable | None:
    return table(listing.caption, {name: listing.numeric(place) for place, name in enumerate(listing.head)},
                 listing.rows)
