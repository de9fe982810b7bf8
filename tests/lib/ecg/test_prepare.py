"""A shard: accepted + rejected = found, values as the recipe makes them, nothing half-written."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import wfdb

from ecgscale.contracts import LEADS, RECORDS, REJECTS, Shard
from ecgscale.contracts.labels import read_label_set
from ecgscale.ecg.corpus import Corpus
from ecgscale.ecg.datasets import open_dataset
from ecgscale.ecg.datasets.wfdb_headers import headers_below
from ecgscale.ecg.facts import Facts, FactTable
from ecgscale.ecg.guards import FLAGS, REASONS
from ecgscale.ecg.people import read_people
from ecgscale.ecg.prepare import growing_array, prepare_shard
from ecgscale.ecg.recipe import RECIPES, prepare
from ecgscale.errors import UserError
from tests.tiny_records import write_record

LABELS = read_label_set()


@pytest.fixture
def source(tmp_path, record, signal):
    """Eight records in nested folders, of which one is truncated and one has a wrong checksum."""
    for place in range(8):
        record(f"A{place:04d}", signal(2500, seed=place))
    folder = tmp_path / "source"
    for place in (1, 3, 5):
        nested = folder / "g1" / "deep"
        nested.mkdir(parents=True, exist_ok=True)
        for ending in (".hea", ".mat"):
            (folder / f"A{place:04d}{ending}").rename(nested / f"A{place:04d}{ending}")
    with open(folder / "A0002.mat", "r+b") as stream:
        stream.truncate(1000)
    with open(folder / "A0004.mat", "r+b") as stream:
        stream.seek(5000)
        stream.write(b"\x12\x34")
    return folder


def made(folder, out, shard="1/1", recipe="study", limit=1.0, tables=()):
    return prepare_shard(folder, "georgia", shard, RECIPES[recipe], LABELS, out, limit, tables=tables)


def test_accepted_and_rejected_are_what_was_found(source, tmp_path):
    shard = made(source, tmp_path / "out")
    records = RECORDS.read(tmp_path / "out" / "records.parquet")
    rejects = REJECTS.read(tmp_path / "out" / "rejects.csv")
    assert (shard.found, shard.accepted, shard.rejected) == (8, 6, 2)
    assert list(records["record"]) == ["georgia/A0000", "georgia/A0006", "georgia/A0007", "georgia/g1/deep/A0001",
                                       "georgia/g1/deep/A0003", "georgia/g1/deep/A0005"]
    assert dict(zip(rejects["record"], rejects["reason"], strict=True)) == {
        "georgia/A0002": "truncated", "georgia/A0004": "checksum"}
    assert Shard.read(tmp_path / "out" / "shard.json") == shard


def test_signals_are_the_prepared_recordings_end_to_end(source, tmp_path, signal):
    made(source, tmp_path / "out")
    records = RECORDS.read(tmp_path / "out" / "records.parquet")
    signals = np.load(tmp_path / "out" / "signals.npy", mmap_mode="r", allow_pickle=False)
    assert signals.shape == (6 * 2500, 12)
    for row in records.itertuples():
        expected = prepare(signal(2500, seed=int(row.record[-1])) / 1000, 500.0, RECIPES["study"])
        found = signals[row.offset : row.offset + row.length].astype(float)
        np.testing.assert_allclose(found, expected, rtol=2**-11, atol=2**-24)       # half precision


def test_records_keep_what_a_unit_of_each_lead_is_in_millivolts(source, tmp_path, signal):
    """The stored signals times these are the filtered recording. Corpora of other recipes, and of earlier versions, say
    so or have none; the identity of a corpus is that of what is trained on."""
    for recipe in ("study", "study-millivolt"):
        made(source, tmp_path / recipe, recipe=recipe)
        corpus = Corpus.open([tmp_path / recipe])
        for place, name in enumerate(corpus.records["record"]):
            expected = prepare(signal(2500, seed=int(name[-1])) / 1000, 500.0, RECIPES["study-millivolt"])
            found = corpus.signal(place).astype(float) * corpus.units(place)
            np.testing.assert_allclose(found, expected - (recipe == "study") * expected.mean(axis=0), rtol=2**-10,
                                       atol=1e-4)
    assert not [name for name in RECORDS.read(tmp_path / "study-millivolt" / "records.parquet") if "mv_" in name]
    corpus = Corpus.open([tmp_path / "study"])
    corpus.records = corpus.records.drop(columns="mv_V6")
    assert corpus.units(0) is None


def test_an_example_without_flags_is_kept_as_recorded(record, tmp_path, signal):
    record("A1", dx="")
    record("A2", signal(6000, seed=3))
    shard = made(tmp_path / "source", tmp_path / "out")
    assert shard.example == "georgia/A2"
    example = np.load(tmp_path / "out" / "example.npy", allow_pickle=False)
    np.testing.assert_allclose(example, signal(6000, seed=3)[:5000] / 1000, rtol=1e-6)


@pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="no /proc")
def test_the_kernel_s_folders_are_no_source(source, monkeypatch):
    """Their links lead to the working folder of each process, and to the whole disk: looking through took minutes."""
    monkeypatch.chdir(source)
    assert headers_below(source)
    with pytest.raises(UserError, match=r"no \.hea file below"):
        open_dataset(Path("/proc/self"))


def test_nobody_looks_through_a_disk(tmp_path, source):
    """`ecg-score --truth /` read the names of all files for seconds; a folder of many others is given up in time."""
    with pytest.raises(UserError, match="the root of a disk"):
        headers_below(Path("/"))
    for place in range(5):
        (tmp_path / "many" / f"{place}").mkdir(parents=True)
    with pytest.raises(UserError, match=r"no \.hea file in the first 4 folders"):
        headers_below(tmp_path / "many", 4)
    assert headers_below(tmp_path / "many", None) == []
    assert headers_below(source, 1)


def test_shards_part_the_sorted_list(source, tmp_path):
    whole = headers_below(source)
    assert whole == sorted(whole)
    names = []
    for number in (1, 2, 3):
        out = tmp_path / f"s{number}"
        shard = made(source, out, f"{number}/3")
        assert shard.found == len(whole[number - 1 :: 3])
        names += list(RECORDS.read(out / "records.parquet")["record"])
        names += list(REJECTS.read(out / "rejects.csv")["record"])
    assert sorted(names) == sorted("georgia/" + name.removesuffix(".hea") for name in whole)


def test_a_shard_beyond_the_last_record_is_empty_not_an_error(source, tmp_path):
    assert made(source, tmp_path / "out", "9/9").found == 0
    assert np.load(tmp_path / "out" / "signals.npy", allow_pickle=False).shape == (0, 12)


def test_the_digest_is_of_recordings_and_recipe(source, tmp_path):
    first, again = made(source, tmp_path / "a"), made(source, tmp_path / "b")
    assert first == again
    assert (tmp_path / "a" / "signals.npy").read_bytes() == (tmp_path / "b" / "signals.npy").read_bytes()
    assert made(source, tmp_path / "c", recipe="wide").digest != first.digest


def test_too_many_rejects_stop_the_run_and_leave_nothing(source, tmp_path):
    message = (r"2 of 8 recordings are rejected, more than data.max_rejected = 0.1: 1 x truncated \(.*\); "
               r"1 x checksum .*for example georgia/A0002: A0002.mat has")
    with pytest.raises(UserError, match=message):
        made(source, tmp_path / "out", limit=0.1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source"]


def test_a_folder_without_headers_is_named(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"empty: no \.hea file below this folder"):
        made(tmp_path / "empty", tmp_path / "out")


def test_the_sum_of_the_signals_sees_a_wrong_and_a_moved_value(tmp_path):
    block = np.random.default_rng(0).normal(size=(100, 12))
    moved, wrong = block.copy(), block.copy()
    moved[[3, 4]] = block[[4, 3]]
    wrong[7, 5] += 0.01
    sums = []
    for blocks in ([block], [block[:30], block[30:]], [moved], [wrong], [block[30:], block[:30]]):
        with growing_array(tmp_path / "signals.npy") as signals:
            for part in blocks:
                signals.append(part)
        sums.append(signals.sum)
    words = block.astype(np.float32).astype(np.float16).reshape(-1).view(np.uint64).tolist()
    assert sums[0] == sums[1] == sum(word * (2 * place + 1) for place, word in enumerate(words)) % 2**64
    assert len(set(sums)) == 4


@pytest.mark.parametrize("shard", ["0/3", "4/3", "1", "a/b", "1/0", "-1/3"])
def test_an_impossible_shard(source, tmp_path, shard):
    with pytest.raises(UserError, match="is not a shard"):
        made(source, tmp_path / "out", shard)


def test_linked_folders_are_followed_once(source):
    (source / "loop").symlink_to(source)
    (source / "more").symlink_to(source / "g1")
    assert len(headers_below(source)) == 8


def test_hidden_files_are_no_records(source):
    (source / "._A0000.hea").write_bytes(b"\0\5\x16\7")
    (source / ".ipynb_checkpoints").mkdir()
    (source / ".ipynb_checkpoints" / "A0000-checkpoint.hea").write_text("A0000 12 500 2500\n")
    assert len(headers_below(source)) == 8


def test_records_of_one_name_in_two_folders_stay_apart(tmp_path, signal):
    for seed, place in enumerate(("g1", "g2")):
        write_record(tmp_path / "source" / place, "A1", signal(seed=seed))
    made(tmp_path / "source", tmp_path / "out", limit=0.0)
    assert list(RECORDS.read(tmp_path / "out" / "records.parquet")["record"]) == ["georgia/g1/A1", "georgia/g2/A1"]


def test_patients_by_name_or_by_path(source, tmp_path):
    table = tmp_path / "patients.csv"
    table.write_text("record,patient\nA0000,p1\ng1/deep/A0001,p1\nA0003,p2\n")
    made(source, tmp_path / "out", tables=[read_people(table)])
    patients = RECORDS.read(tmp_path / "out" / "records.parquet").set_index("record")["patient"]
    assert patients["georgia/A0000"] == patients["georgia/g1/deep/A0001"] == "georgia/p1"
    assert patients["georgia/g1/deep/A0003"] == "georgia/p2"
    assert pd.isna(patients["georgia/A0006"])


def test_a_patients_table_of_other_recordings_is_an_error(source, tmp_path):
    with pytest.raises(UserError, match="patients table: names none of the 8 recordings below"):
        made(source, tmp_path / "out", tables=[FactTable({"B0000": Facts("p1")})])


@pytest.mark.parametrize("name", ["a/b", "", "../x", "a b", ".hidden"])
def test_a_source_is_a_plain_name(source, tmp_path, name):
    with pytest.raises(UserError, match="is not a name"):
        prepare_shard(source, name, "1/1", RECIPES["study"], LABELS, tmp_path / "out", 1.0)


def test_what_the_header_says_of_person_and_diagnosis(record, tmp_path):
    record("A1", dx="426783006,59118001,713427006,426783006,999", extra="#Synthetic: yes")
    record("A2", dx="")
    for name, age, sex in (("A2", "300", "Unknown"), ("A3", "NaN", "M"), ("A4", "0", "female")):
        path = record(name)
        path.write_text(path.read_text().replace("#Age: 61", f"#Age: {age}").replace("Female", sex))
    shard = made(tmp_path / "source", tmp_path / "out")
    rows = RECORDS.read(tmp_path / "out" / "records.parquet").set_index("record")
    first = rows.loc["georgia/A1"]
    assert first["codes"] == "426783006;59118001;713427006;999"
    assert first["y_713427006|59118001"]
    assert first["y_426783006"]
    assert rows.filter(like="y_").loc["georgia/A1"].sum() == 2
    assert set(first["flags"].split(";")) == {"repeated-code", "unknown-code", "duplicate-content"}
    assert first["synthetic"]
    assert shard.synthetic
    assert not rows.loc["georgia/A2", "synthetic"]
    assert rows["age"].isna().tolist() == [False, True, True, False]
    assert rows.loc["georgia/A4", "age"] == 0
    assert rows["sex"].tolist()[2:] == ["male", "female"]
    assert pd.isna(rows["sex"].iloc[1])


def test_duplicate_content_is_found_across_formats_and_lead_order(record, tmp_path, signal):
    record("A1")
    record("A2", signal()[:, ::-1], leads=LEADS[::-1])
    record("A3", signal(seed=2))
    wfdb.wrsamp("A4", fs=500, units=["mV"] * 12, sig_name=list(LEADS), d_signal=signal().astype(np.int64),
                fmt=["32"] * 12, adc_gain=[1000.0] * 12, baseline=[0] * 12, write_dir=str(tmp_path / "source"))
    made(tmp_path / "source", tmp_path / "out")
    flags = RECORDS.read(tmp_path / "out" / "records.parquet")["flags"]
    assert ["duplicate-content" in flag.split(";") for flag in flags] == [True, True, False, True]


@pytest.mark.parametrize(("rate", "length", "at_500"), [(1000, 4000, 2000), (250, 1000, 2000), (257, 2570, 5000)])
def test_other_rates_arrive_at_the_recipes_rate(record, tmp_path, signal, rate, length, at_500):
    record(digital=signal(length), rate=rate)
    made(tmp_path / "source", tmp_path / "out")
    row = RECORDS.read(tmp_path / "out" / "records.parquet").iloc[0]
    assert (row["rate"], row["length"]) == (rate, at_500)


def test_real_recordings_go_through(shared, tmp_path):
    """E07509 and E07510 of the public release hold the same samples."""
    shard = made(shared / "data" / "physionet2021" / "georgia", tmp_path / "out", limit=0)
    rows = RECORDS.read(tmp_path / "out" / "records.parquet").set_index("record")
    assert (shard.accepted, shard.rejected, shard.synthetic) == (14, 0, False)
    twins = rows.index[rows["flags"].str.contains("duplicate-content")]
    assert list(twins) == ["georgia/E07509", "georgia/E07510"]
    assert {flag for flags in rows["flags"] for flag in flags.split(";") if flag} <= set(FLAGS)
    assert rows.loc["georgia/E07503", ["age", "sex", "codes"]].tolist() == [77, "female", "253352002;427084000"]
    assert rows.loc["georgia/E07503", "y_427084000"]


def test_codes_are_known_words():
    assert all(code == code.lower() and " " not in code for code in (*REASONS, *FLAGS))


def test_what_a_disk_does_not_give_is_told_in_the_rejects(source, tmp_path):
    def failing(place):
        raise OSError(5, "Input/output error", place)

    dataset = replace(open_dataset(source), read=failing)
    shard = prepare_shard(source, "georgia", "1/1", RECIPES["study"], LABELS, tmp_path / "out", 1.0, dataset)
    assert shard.rejected == 8
    assert set(REJECTS.read(tmp_path / "out" / "rejects.csv")["detail"]) == {"Input/output error"}
