"""Shards as one corpus: order, views, what does not belong together."""

import json
import pickle

import numpy as np
import pytest

from ecgscale.contracts import RECORDS, concatenated_digest
from ecgscale.contracts.labels import read_label_set
from ecgscale.ecg.corpus import Corpus, sum_of
from ecgscale.ecg.prepare import prepare_shard
from ecgscale.ecg.recipe import RECIPES
from ecgscale.errors import UserError
from tests.documents import editable
from tests.tiny_corpus import write_corpus

LABELS = read_label_set()


@pytest.fixture
def shards(tmp_path, record, signal):
    for place in range(5):
        record(f"A{place}", signal(1500 + 100 * place, seed=place), dx="164889003" if place % 2 else "426783006")
    folders = [tmp_path / f"shard{number}" for number in (1, 2, 3)]
    for number, folder in enumerate(folders, 1):
        prepare_shard(tmp_path / "source", "ptb", f"{number}/3", RECIPES["study"], LABELS, folder, 0.0)
    return folders


def test_records_are_sorted_whatever_the_order_of_the_shards(shards):
    one, other = Corpus.open(shards), Corpus.open(shards[::-1])
    assert list(one.records["record"]) == [f"ptb/A{place}" for place in range(5)]
    assert one.records.equals(other.records)
    assert one.digest == other.digest == concatenated_digest(shard.digest for shard in one.shards)
    assert list(one.records["shard"]) == [0, 1, 2, 0, 1]
    assert (one.rate, one.unit, one.synthetic, len(one)) == (500, "z", False, 5)


def test_shards_of_several_recipes_are_a_corpus_each_the_one_asked_for_first(shards, tmp_path):
    others = [tmp_path / f"other{number}" for number in (1, 2, 3)]
    for number, folder in enumerate(others, 1):
        prepare_shard(tmp_path / "source", "ptb", f"{number}/3", RECIPES["study-100"], LABELS, folder, 0.0)
    both = [Corpus.open(shards), Corpus.open(others)]
    for first, second in (both, both[::-1]):
        found = Corpus.open_all([*shards, *others], first.digest)
        assert [(one.digest, one.rate) for one in found] == [(one.digest, one.rate) for one in (first, second)]
    with pytest.raises(UserError, match="no shard folder given"):
        Corpus.open_all([])


@pytest.mark.parametrize("part", ["../outside", "2", "0/3", "1/3/2", "½/1", "1/" + "9" * 400])
def test_a_part_that_is_none_is_refused(shards, part):
    document = editable(shards[0] / "shard.json")
    (shards[0] / "shard.json").write_text(json.dumps(document | {"shard": part}))
    with pytest.raises(UserError, match=r"shard\.json: shard: String should match pattern"):
        Corpus.open(shards)


@pytest.mark.parametrize("recipe", [{}, {"names": "study"}, {"name": 500}])
def test_a_recipe_without_a_name_is_refused(shards, recipe):
    """Found by fuzzing `ecg-train`: shards are sorted by it."""
    document = editable(shards[0] / "shard.json")
    (shards[0] / "shard.json").write_text(json.dumps(document | {"recipe": recipe}))
    with pytest.raises(UserError, match=r"shard\.json: .*recipe has no name"):
        Corpus.open_all(shards)


@pytest.mark.parametrize(("change", "said"), [
    ({"abbreviations": ["AF"]}, "1 abbreviations of 26 classes"),
    ({"classes": ["426783006"] * 26}, "a class stands in classes twice"),
    ({"leads": ["I", "II", "III", "aVR", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"]},
     "a lead stands in leads twice")])
def test_classes_leads_and_their_names_agree(shards, change, said):
    document = editable(shards[0] / "shard.json")
    (shards[0] / "shard.json").write_text(json.dumps(document | change))
    with pytest.raises(UserError, match=said):
        Corpus.open(shards)


@pytest.mark.parametrize(("column", "value", "words"), [
    *((column, None, f"a recording has no {column}") for column in ("record", "source", "codes", "flags", "content",
                                                                    "rate")),
    ("rate", 1e308, "a rate is not from 100 to 10000 Hz"), ("rate", 0.0, "a rate is not from 100 to 10000 Hz"),
    ("y_426783006", None, "a recording has no y_426783006"), ("synthetic", None, "a recording has no synthetic"),
    ("age", 61_000.0, "an age is not from 0 to 120 years"), ("age", -1.0, "an age is not from 0 to 120 years"),
    ("flags", "lead_order", "'lead_order' is no flag"), ("source", "ptb-xl", "'ptb-xl' is not of the source 'ptb'"),
    ("source", "PTB", "'PTB' is not of the source 'ptb'"), ("record", "ptb", "'ptb' is not of the source 'ptb'")])
def test_a_recording_without_what_each_has_is_refused(shards, column, value, words):
    """Of a shard without digests, as those of earlier versions: the data card fell over it, or counted it without a
    word."""
    document, rows = editable(shards[0] / "shard.json"), RECORDS.read(shards[0] / "records.parquet")
    (shards[0] / "shard.json").write_text(json.dumps(document | {"digests": {}}))
    rows = rows.astype({column: object})
    rows.loc[1, column] = value
    RECORDS.write(rows, shards[0] / "records.parquet")
    with pytest.raises(UserError, match=f"records.parquet: {column}: {words}"):
        Corpus.open(shards)


def test_a_drawn_recording_that_the_shard_does_not_hold_is_refused(shards):
    document = editable(shards[1] / "shard.json")
    assert document["example"].startswith("ptb/A")
    (shards[1] / "shard.json").write_text(json.dumps(document | {"example": "ptb/B0"}))
    with pytest.raises(UserError, match=r"shard2/shard.json: example: record 'ptb/B0' is not in records.parquet"):
        Corpus.open(shards)


def test_signals_are_memory_mapped_views_of_the_right_rows(shards):
    corpus = Corpus.open(shards)
    for index in range(5):
        view = corpus.signal(index)
        assert view.shape == (1500 + 100 * index, 12)
        assert isinstance(view.base.base, np.memmap)
        np.testing.assert_allclose(view.astype(float).std(axis=0), 1, atol=1e-2)
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 0


def test_labels_stand_in_the_order_of_the_classes(shards):
    corpus = Corpus.open(shards)
    rhythm, fibrillation = corpus.classes.index("426783006"), corpus.classes.index("164889003")
    np.testing.assert_array_equal(corpus.labels[:, rhythm], [True, False, True, False, True])
    np.testing.assert_array_equal(corpus.labels[:, fibrillation], [False, True, False, True, False])


def test_the_same_samples_in_two_shards_are_flagged(tmp_path, record, signal):
    for name, seed in (("A1", 1), ("A2", 1), ("A3", 2)):
        record(name, signal(seed=seed), dx="" if name == "A1" else "426783006")
    for number in (1, 2, 3):
        prepare_shard(tmp_path / "source", "ptb", f"{number}/3", RECIPES["study"], LABELS, tmp_path / str(number), 0.0)
    flags = Corpus.open([tmp_path / "1", tmp_path / "2", tmp_path / "3"]).records["flags"]
    assert list(flags) == ["duplicate-content;no-diagnosis;no-scored-label", "duplicate-content", ""]


def test_another_process_maps_for_itself(shards):
    corpus = Corpus.open(shards)
    before = np.array(corpus.signal(3))
    sent = pickle.dumps(corpus)
    assert len(sent) < 100_000
    np.testing.assert_array_equal(pickle.loads(sent).signal(3), before)  # noqa: S301 - what a DataLoader worker does


def test_positions_by_name(shards):
    corpus = Corpus.open(shards)
    np.testing.assert_array_equal(corpus.positions(["ptb/A3", "ptb/A0"]), [3, 0])
    with pytest.raises(UserError, match="'ptb/A9' is not in this corpus"):
        corpus.positions(["ptb/A3", "ptb/A9"])


def test_an_empty_shard_is_harmless(shards, tmp_path):
    prepare_shard(tmp_path / "source", "ptb", "9/9", RECIPES["study"], LABELS, tmp_path / "none", 0.0)
    assert len(Corpus.open([*shards, tmp_path / "none"])) == 5


def test_shards_of_two_recipes_are_refused(shards, tmp_path):
    prepare_shard(tmp_path / "source", "ptb", "1/1", RECIPES["wide"], LABELS, tmp_path / "wide", 0.0)
    with pytest.raises(UserError, match=r"recipe_digest: differs from that of"):
        Corpus.open([*shards, tmp_path / "wide"])


def test_a_shard_given_twice_is_refused(shards):
    with pytest.raises(UserError, match="'ptb/A0' stands in two shards"):
        Corpus.open([*shards, shards[0]])


def test_a_cut_signal_file_is_named(shards):
    with open(shards[0] / "signals.npy", "r+b") as stream:
        stream.truncate(5000)
    with pytest.raises(UserError, match=r"signals\.npy: not a readable NPY array"):
        Corpus.open(shards).signal(0)


@pytest.mark.parametrize(("change", "said"), [
    (lambda table: table.drop(columns="y_164889003"), "y_164889003: is missing"),
    (lambda table: table.assign(offset=table["offset"] + 7), "offset: record 'ptb/A0' does not begin"),
    (lambda table: table.iloc[:1], "1 recordings, and shard.json beside it has accepted 2"),
    (lambda table: table.assign(sex="F"), "sex: is not female or male"),
    (lambda table: table.assign(offset=0), "offset: record 'ptb/A3' does not begin"),
    (lambda table: table.assign(length=[0, table["length"].sum()]), "offset: record 'ptb/A0' does not begin")])
def test_rows_that_are_not_those_of_the_shard_are_refused(shards, change, said):
    """Without a digest in shard.json nothing else would say so: a view of other samples is no error."""
    document = editable(shards[0] / "shard.json")
    (shards[0] / "shard.json").write_text(json.dumps(document | {"digests": {}}))
    RECORDS.write(change(RECORDS.read(shards[0] / "records.parquet")), shards[0] / "records.parquet")
    with pytest.raises(UserError, match=said):
        Corpus.open(shards)


def test_no_folder_and_no_shard(tmp_path):
    with pytest.raises(UserError, match="no shard folder given"):
        Corpus.open([])
    with pytest.raises(UserError, match="no such file"):
        Corpus.open([tmp_path])


@pytest.mark.parametrize("place", [-1, 200, 4001])
def test_a_flipped_bit_of_the_signals_is_found(shards, place):
    folder = shards[0]
    Corpus.open([folder]).checked()
    content = bytearray((folder / "signals.npy").read_bytes())
    content[place] ^= 1
    (folder / "signals.npy").write_bytes(content)
    with pytest.raises(UserError, match=r"signals\.npy.*changed or cut short"):
        Corpus.open([folder]).checked()


def test_moved_samples_are_found(shards):
    folder = shards[0]
    signals = np.load(folder / "signals.npy")
    np.save(folder / "signals.npy", signals[::-1])
    with pytest.raises(UserError, match="changed or cut short"):
        Corpus.open([folder]).checked()


def test_other_labels_under_the_same_document_are_found(shards):
    folder = shards[0]
    records = RECORDS.read(folder / "records.parquet")
    labels = [name for name in records if name.startswith("y_")]
    RECORDS.write(records.assign(**{name: ~records[name] for name in labels}), folder / "records.parquet")
    with pytest.raises(UserError, match=r"records\.parquet.*shard\.json"):
        Corpus.open([folder])


def test_a_shard_of_an_earlier_version_is_read_with_a_word(tmp_path, capsys):
    write_corpus(tmp_path / "shard")
    place = tmp_path / "shard" / "shard.json"
    place.write_text(json.dumps({**editable(place), "signals_sum": None}))
    Corpus.open([tmp_path / "shard"]).checked()
    assert "keeps no sum of its signals" in capsys.readouterr().err
    signals = np.load(tmp_path / "shard" / "signals.npy")
    signals[-1, 3] = np.nan
    np.save(tmp_path / "shard" / "signals.npy", signals)
    with pytest.raises(UserError, match=r"signals\.npy: holds what is no finite number"):
        Corpus.open([tmp_path / "shard"]).checked()


def test_the_sum_does_not_depend_on_the_stretches(monkeypatch):
    signals = np.random.default_rng(3).normal(size=(1000, 12)).astype(np.float16)
    at_once = sum_of(signals)
    monkeypatch.setattr("ecgscale.ecg.corpus.ROWS_AT_ONCE", 77)
    assert sum_of(signals) == at_once


def test_shards_of_a_source_that_are_missing_are_told(shards):
    """The card counted a part of a source beside the whole public release."""
    assert Corpus.open(shards).lacking() == []
    assert Corpus.open(shards[:2]).lacking() == [("ptb", "2 of 3 shards are here: counts are of these alone")]
