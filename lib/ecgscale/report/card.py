"""The data card: what a corpus holds, beside what was published, in one page that works offline."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ecgscale.contracts import (
    CLASS_COUNTS,
    REJECTS,
    SOURCE_COUNTS,
    check_digests,
    joined,
    marked,
    read_array,
    whole_folder,
    write_text,
)
from ecgscale.contracts.labels import PHYSIONET_2021, LabelSet
from ecgscale.contracts.written import read_rows
from ecgscale.ecg.corpus import EXAMPLE_SECONDS, Corpus, read_rejects
from ecgscale.ecg.guards import FLAGS, REASONS
from ecgscale.ecg.synthetic import SOURCES
from ecgscale.errors import UserError
from ecgscale.numbers import number
from ecgscale.paths import ASSETS
from ecgscale.report import card_figures, ecg_paper
from ecgscale.report.style import FIGURES, GENERATOR, RC, save

UNITS = {"lead": "standard deviations of the lead", "record": "standard deviations of the recording", "none": "mV"}
AS_RECORDED = "As recorded, not filtered."
CARD_FILES = {"card.html": marked(GENERATOR), "counts.csv": CLASS_COUNTS.wrote, "sources.csv": SOURCE_COUNTS.wrote,
              **{f"figures/{name}": wrote for name, wrote in FIGURES.items()}}


@dataclass(frozen=True)
class Listing:
    """A table of the card: caption, column heads, rows of text or numbers. `none`: what is said where it has no row."""

    caption: str
    head: tuple[str, ...]
    rows: list[tuple]
    none: str = ""

    def numeric(self, column: int) -> bool:
        """Whether it is set flush right: counts, or pairs of counts."""
        return all(not isinstance(row[column], str) or " / " in row[column] or row[column] in ("–", "unknown", "")
                   for row in self.rows)


def write_card(folders: Iterable[Path], labels: LabelSet, out: Path) -> None:
    """Write card.html, counts.csv, sources.csv and figures/*.svg, *.png into `out`."""
    corpus = Corpus.open(folders)
    rejects = joined(REJECTS, [read_rejects(folder, shard) for folder, shard in zip(corpus.folders, corpus.shards,
                                                                                    strict=True)])
    check_rejected(corpus, rejects)
    for folder, shard in zip(corpus.folders, corpus.shards, strict=True):
        check_digests(folder, shard.digests, "shard.json", ("example.npy",))
    told = [*corpus.lacking(), *other_labels(corpus, labels)]
    for source, note in told:
        print(f"{source}: {note}", file=sys.stderr)
    counts, table = count_classes(corpus, labels), by_source(corpus, rejects)
    with mpl.rc_context(RC):
        drawings = [card_figures.sources(table), card_figures.class_counts(counts)]
        if len(corpus):
            drawings += [card_figures.lengths_and_rates(corpus.records, corpus.rate), card_figures.ages(corpus.records)]
        drawings = [drawing for drawing in drawings if drawing]
    listings = [source_listing(table), note_listing(corpus, counts, told), class_listing(counts),
                reject_listing(rejects), flag_listing(corpus.records), duplicate_listing(corpus.records)]
    with whole_folder(out, CARD_FILES) as folder:
        (folder / "figures").mkdir(parents=True)
        pictures = [(drawing, Markup(save(drawing, folder / "figures", corpus.synthetic))) for drawing in drawings]
        pictures += [(sheet, Markup(ecg_paper.save(sheet, folder / "figures", corpus.synthetic)))
                     for sheet in examples(corpus)]
        template = ASSETS / "report"
        environment = Environment(loader=FileSystemLoader(template), autoescape=True, undefined=StrictUndefined,
                                  trim_blocks=True, lstrip_blocks=True)
        page = environment.get_template("card.html.j2").render(
            corpus=corpus, found=sum(shard.found for shard in corpus.shards), pictures=pictures,
            unit=UNITS.get(corpus.recipe.get("normalize"), corpus.unit),
            listings=[listing for listing in listings if listing.rows or listing.none],
            style=Markup((template / "style.css").read_text(encoding="utf-8")))
        write_text(folder / "card.html", page)
        CLASS_COUNTS.write(counts.assign(synthetic=corpus.synthetic), folder / "counts.csv")
        SOURCE_COUNTS.write(table.assign(synthetic=corpus.synthetic), folder / "sources.csv")


def check_rejected(corpus: Corpus, rejects: pd.DataFrame) -> None:
    """Raises UserError where a recording is rejected that was accepted: found = accepted + rejected."""
    both = rejects["record"].isin(corpus.records["record"])
    if both.any():
        raise UserError(f"record {rejects.loc[both, 'record'].iloc[0]!r} is among the accepted ones, too",
                        field="rejects.csv", remedy="Prepare its shard again")


def other_labels(corpus: Corpus, labels: LabelSet) -> list[tuple[str, str]]:
    """In words: that the classes are named by another label set. In another order it is none."""
    if set(labels.codes) == set(corpus.classes):
        labels = labels.in_order(corpus.classes)
    if labels.digest == corpus.labels_digest:
        return []
    none = [code for code in corpus.classes if code not in labels.codes]
    lacking = f", and names {len(none)} of the {len(corpus.classes)} classes not" if none else ""
    return [("all", f"the label set is another one than that the recordings were prepared with{lacking}: give the same "
                    "with --labels")]


def names_of(corpus: Corpus, rejected: Iterable[str] = ()) -> list[str]:
    """Sources in the order of the shards, or their sites where they are told. rejected: source of each reject."""
    told = dict.fromkeys([*corpus.records["source"], *rejected])
    return [name for source in dict.fromkeys(shard.source for shard in corpus.shards)
            for name in sorted(one for one in told if one.partition("/")[0] == source) or [source]]


def count_classes(corpus: Corpus, labels: LabelSet) -> pd.DataFrame:
    """CLASS_COUNTS: recordings here, and in the public release where the source is of it.

    The release counts codes; the two codes of a joined class are added.
    """
    names = {code: (short, "") for code, short in zip(corpus.classes, corpus.abbreviations, strict=True)}
    names |= zip(labels.codes, zip(labels.abbreviations, labels.names, strict=True), strict=True)
    released = read_rows(PHYSIONET_2021 / "prevalence.csv", ("code", *SOURCES))
    rows = []
    for source in names_of(corpus):
        inside = corpus.labels[(corpus.records["source"] == source).to_numpy()].sum(axis=0)
        for code, recordings in zip(corpus.classes, inside, strict=True):
            published = [int(row[source]) for row in released if row["code"] == code] if source in SOURCES else []
            rows.append((source, code, *names[code], int(recordings),
                         sum(published) if published else None))
    columns = ["source", "class", "abbreviation", "name", "recordings", "published"]
    return pd.DataFrame(rows, columns=columns).astype({"published": "Int64"})


def by_source(corpus: Corpus, rejects: pd.DataFrame) -> pd.DataFrame:
    """SOURCE_COUNTS of each source, or of each of its sites where they are told."""
    rows = []
    for name in names_of(corpus, rejects["source"]):
        records, rejected = corpus.records[corpus.records["source"] == name], int(rejects["source"].eq(name).sum())
        sexes, unknown = records["sex"].value_counts(), int(records["patient"].isna().sum())
        rows.append({
            "source": name, "found": len(records) + rejected, "accepted": len(records), "rejected": rejected,
            "published": SOURCES[name].published if name in SOURCES else None,
            "patients": records["patient"].nunique() if unknown < len(records) else None, "patient_unknown": unknown,
            "rates": ", ".join(f"{rate:g}" for rate in sorted(records["rate"].unique())),
            "female": int(sexes.get("female", 0)), "male": int(sexes.get("male", 0)),
            "sex_unknown": int(records["sex"].isna().sum()), "age_unknown": int(records["age"].isna().sum()),
            **spread("age", records["age"].dropna()), **spread("seconds", records["length"] / corpus.rate)})
    return pd.DataFrame(rows).astype({"published": "Int64", "patients": "Int64"})


def spread(name: str, values: pd.Series) -> dict[str, float]:
    """Median and range, NaN of no values."""
    return {f"{name}_median": values.median(), f"{name}_low": values.min(), f"{name}_high": values.max()}


def source_listing(table: pd.DataFrame) -> Listing:
    def median(row, name: str) -> str:
        values = [getattr(row, f"{name}_{which}") for which in ("median", "low", "high")]
        return "–" if pd.isna(values[0]) else "{:.3g} ({:.3g} to {:.3g})".format(*values).replace(" ", "\u00a0")

    rows = [(row.source, row.found, row.accepted, row.rejected, whole_number(row.published),
             "unknown" if pd.isna(row.patients) else int(row.patients), row.rates, median(row, "seconds"),
             median(row, "age"), row.age_unknown, row.female, row.male, row.sex_unknown)
            for row in table.itertuples()]
    if len(table) > 1:
        rows.append(("all", *(int(table[name].sum()) for name in ("found", "accepted", "rejected")),
                     whole_number(table["published"].sum(min_count=1)), "", "", "", "",
                     *(int(table[name].sum()) for name in ("age_unknown", "female", "male", "sex_unknown"))))
    return Listing("Sources, beside the public release. Length in seconds and age in years: median (range)",
                   ("source", "found", "accepted", "rejected", "published", "patients", "rate (Hz)", "length", "age",
                    "age unknown", "female", "male", "sex unknown"), rows)


def whole_number(value: float) -> int | str:
    return "–" if pd.isna(value) else int(value)


def note_listing(corpus: Corpus, counts: pd.DataFrame, told: list[tuple[str, str]]) -> Listing:
    """What PREPARE chose, left out or found no match for, what else is told, and the classes that nobody has."""
    rows = list(dict.fromkeys((shard.source, note) for shard in corpus.shards for note in shard.notes)) + told
    totals = counts.groupby("abbreviation", sort=False)["recordings"].sum()
    none = list(totals.index[totals == 0])
    if none:
        rows.append(("all", f"{len(none)} of {len(totals)} classes have no recording: {', '.join(none)}"))
    return Listing("What was chosen, left out or does not match", ("source", "note"), rows)


def class_listing(counts: pd.DataFrame) -> Listing:
    """Each cell: here / published; a dash where both are none."""
    rows = []
    for (short, name), cells in counts.groupby(["abbreviation", "name"], sort=False):
        pairs = [(cells["recordings"].sum(), cells["published"].sum(min_count=1)),
                 *zip(cells["recordings"], cells["published"], strict=True)]
        rows.append((short, name, *("–" if not here and (pd.isna(published) or not published)
                                    else f"{here} / {whole_number(published)}" for here, published in pairs)))
    return Listing("Recordings of each class: here / in the public release",
                   ("class", "name", "all", *counts["source"].unique()), rows)


def reject_listing(rejects: pd.DataFrame) -> Listing:
    counts = rejects.groupby(["reason", "source"]).size()
    rows = [(reason, REASONS.get(reason, ""), source, count) for (reason, source), count in counts.items()]
    return Listing("Rejected recordings by reason", ("reason", "meaning", "source", "recordings"), rows,
                   none="No recording was rejected.")


def flag_listing(records: pd.DataFrame) -> Listing:
    counts = Counter((flag, source) for flags, source in zip(records["flags"], records["source"], strict=True)
                     for flag in flags.split(";") if flag)
    rows = [(flag, FLAGS.get(flag, ""), source, count) for (flag, source), count in sorted(counts.items())]
    return Listing("Accepted with a flag", ("flag", "meaning", "source", "recordings"), rows,
                   none="No recording has a flag.")


def duplicate_listing(records: pd.DataFrame, most: int = 50) -> Listing:
    """Recordings with the same samples, within and across sources."""
    twins = records[records["content"].duplicated(keep=False)].groupby("content")["record"].agg(list)
    rows = [(", ".join(names),) for names in sorted(twins, key=lambda names: names[0])[:most]]
    count = "1 group" if len(twins) == 1 else f"{len(twins)} groups"
    return Listing(f"Recordings that hold the same samples ({count})", ("records",), rows)


def examples(corpus: Corpus) -> list[ecg_paper.Sheet]:
    """One recording of each source on ECG paper. Raises UserError for a file that does not hold one."""
    return [ecg_paper.draw(example_of(folder, row, corpus), row["rate"], record, about(row), AS_RECORDED, corpus.leads)
            for record, row, folder in shown(corpus)]


def example_of(folder: Path, row: pd.Series, corpus: Corpus) -> np.ndarray:
    """(samples, leads) mV of example.npy, the first seconds of this row of the records."""
    values, leads = read_array(folder / "example.npy"), len(corpus.leads)
    seconds = min(EXAMPLE_SECONDS, row["length"] / corpus.rate)     # of a length that another rate rounds
    off = abs(len(values) - seconds * row["rate"]) if values.ndim else np.inf
    if values.ndim != 2 or values.shape[1] != leads or values.dtype.kind != "f" or (
            off > 1 + row["rate"] / corpus.rate or not np.isfinite(values).all()):
        raise UserError(f"{values.dtype} of shape {values.shape} is no recording of {number(seconds, 3)} s and {leads} "
                        "leads in mV", file=folder / "example.npy", remedy="Prepare this shard again")
    return values


def shown(corpus: Corpus) -> list[tuple[str, pd.Series, Path]]:
    """The recording of each source that is drawn: its name, its row of the records, and the folder of its shard."""
    found: dict[str, tuple[str, pd.Series, Path]] = {}
    rows = corpus.records.set_index("record")
    for shard, folder in zip(corpus.shards, corpus.folders, strict=True):
        if shard.example is not None and shard.source not in found:
            found[shard.source] = shard.example, rows.loc[shard.example], folder
    return list(found.values())


def about(row: pd.Series) -> str:
    """Of a row of the records: "61 years, female; codes 426783006, 164889003."."""
    person = ", ".join(part for part in ("" if pd.isna(row["age"]) else f"{row['age']:g} years",
                                         "" if pd.isna(row["sex"]) else row["sex"]) if part)
    codes = f"codes {row['codes'].replace(';', ', ')}" if row["codes"] else "no diagnosis"
    return f"{person or 'Age and sex unknown'}; {codes}."
