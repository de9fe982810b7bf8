"""A line of the sample sheet: a source's folder, how it is laid out, and the tables that speak of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from ecgscale.contracts import Shard
from ecgscale.contracts.labels import label_set_folder, read_label_set
from ecgscale.ecg import datasets
from ecgscale.ecg.label_table import read_labels
from ecgscale.ecg.leads import leads_listed
from ecgscale.ecg.people import read_people
from ecgscale.ecg.prepare import prepare_shard
from ecgscale.ecg.recipe import recipe_named
from ecgscale.errors import UserError


class Source(NamedTuple):
    """Tables: `patients` (record, and patient, fold or site), `labels` (record and codes), and `mapping` (code and to),
    which translates its codes; without one the label set's own table for this dataset does."""

    name: str
    folder: Path
    dataset: str = datasets.DEFAULT
    rate: float | None = None           # Hz, of a dataset that is served at several
    patients: Path | None = None
    labels: Path | None = None
    mapping: Path | None = None
    leads: str = ""                     # names of the signals, in their order; none: as the files say


def prepare_source(source: Source, shard: str, data: Any, label_set: str | Path | None, out: Path,
                   recipe: str | None = None) -> Shard:
    """PREPARE of one shard of a source. `data`: that section of a study; `label_set` goes before the study's; `recipe`:
    one of the study's, its first where None. Raises UserError for a recipe that the study does not list.

    Of a dataset that is served at several rates, every recipe reads the recordings of the first: they are to be the
    same ones.
    """
    if recipe and recipe not in data.recipes:
        raise UserError(f"the study does not list {recipe!r}", field="--recipe",
                        remedy=f"It lists {', '.join(data.recipes)}")
    first = recipe_named(data.recipes[0])
    chosen, folder = recipe_named(recipe) if recipe else first, label_set_folder(label_set or data.labels)
    own = folder / "from" / f"{source.dataset}.csv"
    labels = read_label_set(folder).translating(source.mapping or (own if own.is_file() else None))
    dataset = datasets.open_dataset(source.folder, source.dataset,
                                    datasets.Asked(source.rate, first.rate, data.likelihood, data.leads,
                                                   leads_listed(source.leads)))
    tables = [read_people(source.patients)] if source.patients else []
    tables += [read_labels(source.labels)] if source.labels else []
    return prepare_shard(source.folder, source.name, shard, chosen, labels, out, data.max_rejected, dataset, tables,
                         data.max_unmatched, data.leads)
