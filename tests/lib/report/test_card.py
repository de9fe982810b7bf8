"""The data card: counts as planted, published counts as in the official table."""

import csv
import io
import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ecgscale.contracts import CLASS_COUNTS, REJECTS, SOURCE_COUNTS, ContractError, Examples, read_all
from ecgscale.contracts.labels import read_label_set
from ecgscale.ecg.corpus import Corpus
from ecgscale.ecg.prepare import prepare_shard
from ecgscale.ecg.recipe import RECIPES
from ecgscale.errors import UserError
from ecgscale.report import card, data_card, inputs, page, tables
from ecgscale.report.ecg_paper import Copy
from ecgscale.report.inputs import Inputs
from ecgscale.report.style import Drawing
from tests.documents import editable

LABELS = read_label_set()


@pytest.fixture
def shards(tmp_path, record, signal):
    """georgia: four recordings, one truncated, two alike; own: one recording, of a source that was never published."""
    for place, dx in enumerate(("426783006,164889003", "426783006", "284470004,63593006", "164873001")):
        record(f"A{place}", signal(5000, seed=max(1, place)), dx=dx)
    with open(tmp_path / "source" / "A3.mat", "r+b") as stream:
        stream.truncate(100)
    made = []
    for source in ("georgia", "own"):
        made.append(tmp_path / source)
        prepare_shard(tmp_path / "source", source, "1/1", RECIPES["study"], LABELS, made[-1], 0.5)
    return made


def test_counts_stand_beside_the_published_ones(shards):
    counts = card.count_classes(Corpus.open(shards), LABELS).set_index(["source", "abbreviation"])
    assert counts.loc[("georgia", "NSR"), ["recordings", "published"]].tolist() == [2, 1752]
    assert counts.loc[("georgia", "AF"), ["recordings", "published"]].tolist() == [1, 570]
    assert counts.loc[("georgia", "PAC"), ["recordings", "published"]].tolist() == [1, 639 + 1]
    assert counts.loc[("own", "NSR"), "recordings"] == 2
    assert counts.loc[("own", "NSR"), "published"] is pd.NA


def test_people_lengths_and_rates_of_each_source(shards, tmp_path):
    card.write_card(shards, LABELS, tmp_path / "card")
    rows = SOURCE_COUNTS.read(tmp_path / "card" / "sources.csv").set_index("source")
    columns = ["found", "accepted", "rejected", "published", "female", "male", "sex_unknown", "age_median",
               "seconds_high", "patient_unknown"]
    assert rows.loc["georgia", columns].tolist() == [4, 3, 1, 10344, 3, 0, 0, 61, 10, 3]
    assert pd.isna(rows.loc["own", "published"])
    assert pd.isna(rows.loc["georgia", "patients"])


def test_published_counts_are_those_of_the_official_table(shared, shards):
    """reference/dx_mapping_scored.csv counts codes; the columns are sources."""
    columns = {"georgia": "Georgia"}
    with open(shared / "reference" / "dx_mapping_scored.csv", newline="") as stream:
        official = {row["SNOMEDCTCode"]: row for row in csv.DictReader(stream)}
    counts = card.count_classes(Corpus.open(shards), LABELS)
    for row in counts[counts["source"] == "georgia"].itertuples():
        codes = counts.loc[row.Index, "class"].split("|")
        assert row.published == sum(int(official[code][columns[row.source]]) for code in codes)


@pytest.mark.parametrize("name", ["rejects.csv", "example.npy"])
def test_a_reject_or_an_example_that_was_changed_is_refused(shards, tmp_path, name):
    """The card would draw another recording, or count another reason, without a word."""
    content = bytearray((shards[0] / name).read_bytes())
    content[-20] ^= 1
    (shards[0] / name).write_bytes(content)
    with pytest.raises(UserError, match=rf"{name}: is not what shard\.json beside it keeps a digest of"):
        card.write_card(shards, LABELS, tmp_path / "card")


@pytest.mark.parametrize(("column", "value", "words"), [
    ("source", "own", "source: 'own' is not of the source 'georgia'"), ("source", None, "source: is empty in row 1"),
    ("record", "A3", "record: 'A3' is not of the source 'georgia'"), ("reason", None, "reason: is empty in row 1"),
    ("record", "georgia/A0", "rejects.csv: record 'georgia/A0' is among the accepted ones, too"),
    ("reason", "the signal file is shorter", "reason: 'the signal file is shorter' is no reason to reject")])
def test_rejects_that_are_none_of_the_shard_are_refused(shards, tmp_path, column, value, words):
    """Without digests another shard's rejects, or columns that were exchanged, were counted for another source; an
    empty one was a traceback."""
    (shards[0] / "shard.json").write_text(json.dumps(editable(shards[0] / "shard.json") | {"digests": {}}))
    REJECTS.write(REJECTS.read(shards[0] / "rejects.csv").assign(**{column: value}), shards[0] / "rejects.csv")
    with pytest.raises(UserError, match=words):
        card.write_card(shards, LABELS, tmp_path / "card")


@pytest.mark.parametrize("damage", [lambda values: values[: len(values) // 2], lambda values: values[:0],
                                    lambda values: values * np.nan, lambda values: np.vstack([values, values])])
def test_an_example_that_is_no_recording_of_its_length_is_refused(shards, tmp_path, damage):
    (shards[0] / "shard.json").write_text(json.dumps(editable(shards[0] / "shard.json") | {"digests": {}}))
    np.save(shards[0] / "example.npy", damage(np.load(shards[0] / "example.npy")))
    with pytest.raises(UserError, match="is no recording of 10 s and 12 leads in mV"):
        card.write_card(shards, LABELS, tmp_path / "card")


def test_a_part_of_a_source_and_another_label_set_are_told(record, tmp_path, capsys):
    """The counts of a half stood beside the whole release; classes had no names, without a word."""
    for place in range(2):
        record(f"A{place}")
    prepare_shard(tmp_path / "source", "ptb", "1/2", RECIPES["study"], LABELS, tmp_path / "out", 0.0)
    capsys.readouterr()
    other = read_label_set("code-15")
    card.write_card([tmp_path / "out"], other, tmp_path / "card")
    said, page = capsys.readouterr().err, (tmp_path / "card/card.html").read_text()
    for words in ("1 of 2 shards are here: counts are of these alone", "the label set is another one"):
        assert words in said
        assert words in page
    counts = CLASS_COUNTS.read(tmp_path / "card/counts.csv")
    assert counts["abbreviation"].tolist() == list(LABELS.abbreviations)
    assert card.other_labels(Corpus.open([tmp_path / "out"]), LABELS.in_order(LABELS.codes[::-1])) == []


def test_rejects_that_are_missing_are_refused(shards, tmp_path):
    """shard.json of an earlier version keeps no digest of them, and its count does not fit."""
    (shards[0] / "shard.json").write_text(json.dumps(editable(shards[0] / "shard.json") | {"digests": {}}))
    rows = REJECTS.read(shards[0] / "rejects.csv")
    REJECTS.write(rows.iloc[:0], shards[0] / "rejects.csv")
    with pytest.raises(UserError, match=r"0 recordings, and shard\.json beside it has rejected 1"):
        card.write_card(shards, LABELS, tmp_path / "card")


def test_the_report_adds_the_sources_up(shards, tmp_path):
    card.write_card(shards, LABELS, tmp_path / "card")
    found = tables.classes(Inputs(pd.DataFrame(), classes=CLASS_COUNTS.read(tmp_path / "card" / "counts.csv")))
    rows = {row[0]: row[2:] for row in found.rows}
    assert (rows["NSR"], rows["PAC"]) == (("4", "1752"), ("2", "640"))


def test_the_report_holds_the_card(shards, tmp_path):
    """Sources, people, lengths and flags; nothing where the records are elsewhere."""
    card.write_card(shards, LABELS, tmp_path / "card")
    found = Inputs(pd.DataFrame(), classes=CLASS_COUNTS.read(tmp_path / "card" / "counts.csv"),
                   corpus=Corpus.open(shards), rejects=read_all(REJECTS, [one / "rejects.csv" for one in shards]))
    made = [part for part in data_card.parts(found) if part is not None]
    assert made[0].rows[0][:5] == ("georgia", "4", "3", "1", "10344")
    assert [part.name for part in made if isinstance(part, Drawing)] == ["sources", "classes", "lengths", "ages"]
    assert made[-1].rows[0] == ("georgia/A0, georgia/A1, own/A0, own/A1",)       # the same samples
    assert data_card.parts(Inputs(pd.DataFrame())) == []


def test_the_report_holds_the_drawn_recordings_of_the_card(shards, tmp_path):
    """In fewer colours, with who it is and what was found; not where the study leaves signals out of the page."""
    card.write_card(shards, LABELS, tmp_path / "card")
    named = ["georgia/A0", "own/A0"]
    found = Inputs(pd.DataFrame({"run_id": ["a"]}), corpus=Corpus.open(shards),
                   drawn=inputs.drawn(tmp_path / "card", [*named, "own/elsewhere"]))
    copies = data_card.recordings(found)
    assert [copy.name for copy in copies] == ["ecg-georgia-A0", "ecg-own-A0"]
    assert copies[0].caption.startswith("61 years, female; codes 426783006, 164889003. 25 mm/s, 10 mm/mV; ")
    assert copies[0].caption.endswith("As recorded, not filtered.")
    ours, cards = (np.asarray(Image.open(one).convert("RGB"), float) for one in (
        io.BytesIO(copies[0].png), tmp_path / "card/figures/ecg-georgia-A0.png"))
    assert np.abs(ours - cards).mean() < 4          # of 255
    assert len(copies[0].png) < 0.8 * (tmp_path / "card/figures/ecg-georgia-A0.png").stat().st_size
    section = page.data(found)
    assert [part for part in section.parts if isinstance(part, Copy)] == copies
    assert any("signals of single recordings" in notice for notice in section.notices)
    (tmp_path / "out").mkdir()
    assert page.picture(copies[0], tmp_path / "out", False).startswith('<img class="still" alt="Electrocardiogram of')
    assert (tmp_path / "out/ecg-georgia-A0.png").read_bytes() == copies[0].png

    none = replace(found, examples=Examples(run_id="a", synthetic=False, rate=500.0, classes=(), recordings=()))
    section = page.data(none)
    assert not [part for part in section.parts if isinstance(part, Copy)]
    assert "Drawn recordings are left out, as the study asks (evaluation.examples)." in section.text


def test_a_picture_of_the_card_that_is_none_is_refused(tmp_path):
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures/ecg-a-1.png").write_bytes(b"<svg onload=alert(1)>")
    with pytest.raises(ContractError, match="not a PNG picture of at most"):
        inputs.drawn(tmp_path, ["a/1"])
    header = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
    (tmp_path / "figures/ecg-a-1.png").write_bytes(header + b"\x7f\xff\xff\xff" * 2)
    with pytest.raises(ContractError, match="16,000,000 pixels"):
        inputs.drawn(tmp_path, ["a/1"])
    (tmp_path / "figures/ecg-a-1.png").write_bytes(header + b"\0\0\0\1" * 2)
    with pytest.raises(ContractError, match="not a readable PNG picture"):
        inputs.drawn(tmp_path, ["a/1"])
    assert inputs.drawn(None, ["a/1"]) == inputs.drawn(tmp_path, ["../../etc/passwd"]) == {}


def test_the_public_release_has_88253_recordings():
    assert sum(source.published for source in card.SOURCES.values()) == 88_253


def test_the_page_says_what_was_found_and_works_offline(shards, tmp_path):
    card.write_card(shards, LABELS, tmp_path / "card")
    text = (tmp_path / "card" / "card.html").read_text()
    words = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", text))
    assert "8 found, 6 accepted, 2 rejected" in words
    assert re.search(r"all \d\d of 26 classes have no recording: ", words)
    assert "What was chosen, left out or does not match" in words
    assert "truncated the signal file is shorter than the header says georgia 1" in words
    assert "georgia/A0, georgia/A1, own/A0, own/A1" in words       # the same samples, within and across sources
    assert "own 4 3 1 – unknown 500" in words
    assert not re.search(r'(src|href)="(?!#|data:image/png;base64,)', text)
    assert "Synthetic" not in text
    assert len(CLASS_COUNTS.read(tmp_path / "card" / "counts.csv")) == 2 * 26
    assert {path.name for path in (tmp_path / "card" / "figures").glob("*.svg")} == {
        "sources.svg", "classes.svg", "lengths.svg", "ages.svg", "ecg-georgia-A0.svg", "ecg-own-A0.svg"}


def test_synthetic_recordings_are_named_so(record, tmp_path):
    record("A1", extra="#Synthetic: yes")
    prepare_shard(tmp_path / "source", "ptb", "1/1", RECIPES["study"], LABELS, tmp_path / "out", 0.0)
    card.write_card([tmp_path / "out"], LABELS, tmp_path / "card")
    text = (tmp_path / "card" / "card.html").read_text()
    assert text.count("<caption>") == text.count('<span class="tag">synthetic data</span></caption>')
    assert "<title>Synthetic data: " in text
    assert "SYNTHETIC DATA" in (tmp_path / "card" / "figures" / "classes.svg").read_text()


def test_a_corpus_without_recordings_has_a_card(tmp_path, record):
    record("A1")
    prepare_shard(tmp_path / "source", "ptb", "2/2", RECIPES["study"], LABELS, tmp_path / "out", 0.0)
    card.write_card([tmp_path / "out"], LABELS, tmp_path / "card")
    assert "0 recordings" in (tmp_path / "card" / "card.html").read_text()
