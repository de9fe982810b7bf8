"""Leads by name: other names, what follows from two limb leads, corpora of fewer leads from files to crops."""

import itertools
import os
from pathlib import Path

import numpy as np
import pytest
import wfdb

from ecgscale.contracts import LEADS, read_array
from ecgscale.design.study import Data
from ecgscale.ecg.corpus import Corpus
from ecgscale.ecg.guards import Rejected
from ecgscale.ecg.leads import LIMB, available, brought, choose, lead_named, leads_listed
from ecgscale.ecg.source import Source, prepare_source
from ecgscale.ecg.wfdb_record import read_recording
from ecgscale.errors import UserError
from ecgscale.training.data import Crops
from tests.tiny_corpus import planned
from tests.tiny_records import twelve_leads, write_record

REAL = Path(os.environ.get("ECGSCALE_SHARED", Path(__file__).parents[4] / "shared")) / "data" / "physionet2021"
LIMBS = tuple(LIMB)


def prepared(folder: Path, taken=LEADS, out: str = "prepared", dataset: str = "wfdb-headers", limit: float = 0.0,
             **given) -> Corpus:
    place = folder.parent / out
    data = Data(leads=taken, max_rejected=limit)
    prepare_source(Source("one", folder, dataset, **given), "1/1", data, None, place)
    return Corpus.open([place])


@pytest.mark.parametrize(("name", "lead", "flag"), [
    ("avr", "aVR", ""), (" V1 ", "V1", ""), ("DII", "II", "lead-name"), ("D3", "III", "lead-name"),
    ("Lead II", "II", "lead-name"), ("lead 1", "I", "lead-name"), ("C4", "V4", "lead-name"),
    ("MDC_ECG_LEAD_AVL", "aVL", "lead-name"), ("Lead aVF (Einthoven)", "aVF", "lead-name"),
    ("MLII", "II", "mason-likar"), ("ML-I", "I", "mason-likar"), ("ML3", "III", "mason-likar"),
    ("V5 (ML)", "V5", "mason-likar"), ("Mason-Likar aVF", "aVF", "mason-likar"),
    ("ECG1", None, ""), ("1", None, ""), ("ECG", None, ""), ("V7", None, ""), ("V3R", None, ""), ("-aVR", None, ""),
    ("MCL1", None, ""), ("CM5", None, ""), ("Resp", None, ""), ("X", None, ""), ("", None, "")])
def test_names(name, lead, flag):
    """Those of hospitals, IEC 60601, MIT-BIH and DICOM; leads that are none of the twelve stay unknown."""
    assert lead_named(name) == (lead, flag)


# ------------------------------------------------------------------------------------- what follows from two others


@pytest.mark.parametrize("two", list(itertools.combinations(LIMBS, 2)), ids="-".join)
def test_any_two_limb_leads_give_the_other_four(two):
    """Einthoven's and Goldberger's formulas, from the potentials of three electrodes."""
    right, left, foot = np.random.default_rng(1).normal(size=(3, 100))
    middle = (right + left + foot) / 3
    truth = {"I": left - right, "II": foot - right, "III": foot - left, "aVR": 1.5 * (right - middle),
             "aVL": 1.5 * (left - middle), "aVF": 1.5 * (foot - middle)}
    np.testing.assert_allclose(brought(np.stack([truth[lead] for lead in two], axis=1), two, LIMBS),
                               np.stack(list(truth.values()), axis=1), atol=1e-12)


@pytest.mark.skipif(not REAL.is_dir(), reason="the real recordings are not there: set ECGSCALE_SHARED")
@pytest.mark.parametrize("two", [("I", "II"), ("I", "aVF"), ("III", "aVR"), ("aVL", "aVF")], ids="-".join)
def test_reckoned_leads_are_the_recorded_ones_of_real_recordings(two):
    """To the steps that the leads were digitized in, in the 31 of 34 recordings that keep the identities at all."""
    checked = 0
    for file in sorted(REAL.rglob("*.hea")):
        recording = read_recording(file)
        values = recording.millivolts()[:, :6]
        if np.abs(values[:, 2] - values[:, 1] + values[:, 0]).max() > 0.0101:       # two steps of 4.88 uV
            continue
        made = brought(values[:, [LIMBS.index(lead) for lead in two]], two, LIMBS)
        assert np.abs(made - values).max() < 0.03
        assert np.abs(made - values).mean() < 0.006
        checked += 1
    assert checked >= 31


@pytest.mark.parametrize(("held", "had"), [
    (("I", "II"), LIMBS), (("II", "V5"), ("II", "V5")), (("aVR", "III", "V1"), (*LIMBS, "V1")), (("V2",), ("V2",)),
    (("I", "II", *LEADS[6:]), LEADS)])
def test_what_can_be_had(held, had):
    assert available(held) == had


def test_a_recording_that_lacks_leads_says_which_can_be_had():
    with pytest.raises(Rejected, match=r"no V3, V6 among I, II, V1, V2, V4, V5\. Can be had: I, II, III, aVR, aVL, aVF,"
                                       " V1, V2, V4, V5$"):
        choose(("I", "II", "V1", "V2", "V4", "V5"))
    with pytest.raises(Rejected, match=r"no I, III, aVR, aVL, aVF among II, V5\. Can be had: II, V5"):
        choose(("II", "V5"), (*LIMBS, "V5"))
    with pytest.raises(Rejected, match="duplicate-lead: II is named twice"):
        choose(("DII", "Lead II"), ("II",))


def test_the_lead_of_the_limbs_goes_before_that_of_the_torso():
    assert choose(("MLII", "II", "V5"), ("II", "V5")) == ([1, 2], ("II", "V5"), {"extra-lead"})
    assert choose(("V5", "MLII"), ("II", "V5")) == ([1, 0], ("II", "V5"), {"mason-likar", "lead-order"})


# ------------------------------------------------------------------------------------------------ corpora of files


def test_eight_recorded_leads_make_the_corpus_of_twelve(tmp_path, capsys):
    """As many devices store them: I, II and the chest leads. The other four to their rounding of 1 uV."""
    kept = [0, 1, *range(6, 12)]
    for place in range(3):
        digital = twelve_leads(2500, place)
        write_record(tmp_path / "whole", f"A{place}", digital)
        write_record(tmp_path / "eight", f"A{place}", digital[:, kept], leads=[LEADS[lead] for lead in kept])
    whole, eight = prepared(tmp_path / "whole", out="a"), prepared(tmp_path / "eight", out="b")
    for place in range(3):
        np.testing.assert_allclose(eight.signal(place).astype(float), whole.signal(place).astype(float), atol=0.02)
    assert eight.records["flags"].str.contains("derived-lead").all()
    assert not whole.records["flags"].str.contains("derived-lead").any()
    said = "3 of 3 recordings: a limb lead is not recorded and was reckoned from two others"
    assert said in capsys.readouterr().err
    assert any(said in note for note in eight.shards[0].notes)


@pytest.mark.parametrize("leads", [("V2",), ("I", "II", "V2"), ("II", "V5"), ("aVF",), ("III", "V1", "V2", "V3", "V6")],
                         ids="-".join)
def test_a_subset_holds_the_columns_of_the_whole(tmp_path, leads):
    for place in range(2):
        write_record(tmp_path / "source", f"A{place}", twelve_leads(2500, place))
    whole, some = prepared(tmp_path / "source", out="a"), prepared(tmp_path / "source", leads, out="b").checked()
    columns = [LEADS.index(lead) for lead in leads]
    assert (some.leads, some.shards[0].leads) == (leads, leads)
    for place in range(2):
        np.testing.assert_array_equal(some.signal(place), whole.signal(place)[:, columns])
    example = read_array(tmp_path / "b" / "example.npy")
    np.testing.assert_allclose(example, twelve_leads(2500, 0)[:, columns] / 1000, rtol=1e-6)


def test_faults_of_leads_that_are_not_taken_reject_nothing(tmp_path):
    """A study of II alone does not ask what V3 was plugged into."""
    path = write_record(tmp_path / "source")
    path.write_text(path.read_text().replace(" 0 V3", " 0 Resp").replace("1000(0)/mV 16 0", "0(0)/mV 16 0", 1))
    assert len(prepared(tmp_path / "source", ("II",))) == 1
    with pytest.raises(UserError, match="a lead that the study takes is not recorded"):
        prepared(tmp_path / "source", out="all")


def test_a_holter_of_two_leads(tmp_path, capsys):
    """As MIT-BIH has them: MLII and V5 at 360 Hz in format 212. I does not follow from them."""
    folder = tmp_path / "holter"
    folder.mkdir()
    wfdb.wrsamp("100", fs=360, units=["mV"] * 2, sig_name=["MLII", "V5"], fmt=["212"] * 2, adc_gain=[200.0] * 2,
                baseline=[1024] * 2, d_signal=twelve_leads(3600)[:, [1, 10]].astype(int) // 5 + 1024,
                write_dir=str(folder))
    held = prepared(folder, ("II", "V5"))
    assert held.records["length"].tolist() == [5000]
    assert held.records["flags"].str.contains("mason-likar").all()
    assert "1 of 1 recordings: a lead from electrodes on the torso" in capsys.readouterr().err
    with pytest.raises(UserError, match=r"no I among MLII, V5\. Can be had: II, V5"):
        prepared(folder, ("I", "II"), out="two")


def test_names_that_the_sheet_gives(tmp_path):
    """Signals called ECG1 and ECG2, and arrays, which have no names; MIMIC's order of the augmented leads."""
    folder, order = tmp_path / "own", ["I", "II", "III", "aVR", "aVF", "aVL", "V1", "V2", "V3", "V4", "V5", "V6"]
    places = [LEADS.index(lead) for lead in order]
    folder.mkdir()
    np.save(folder / "n.npy", twelve_leads()[:, places] / 1000)
    table = prepared(folder, ("aVL", "aVF"), dataset="table", rate=500, leads=" ".join(order))
    write_record(tmp_path / "plain", "n", twelve_leads())
    plain = prepared(tmp_path / "plain", ("aVL", "aVF"), out="b")
    np.testing.assert_array_equal(table.signal(0), plain.signal(0))
    write_record(tmp_path / "two", "n", twelve_leads()[:, [1, 10, 3]], leads=("ECG1", "ECG2", "Resp"))
    named = prepared(tmp_path / "two", ("II", "V5"), out="c", leads="II, V5, -")
    write_record(tmp_path / "same", "n", twelve_leads())
    np.testing.assert_array_equal(named.signal(0), prepared(tmp_path / "same", ("II", "V5"), out="d").signal(0))
    with pytest.raises(UserError, match="3 signals, and 2 leads are named for them"):
        prepared(tmp_path / "two", ("II", "V5"), out="e", leads="II V5")
    with pytest.raises(UserError, match="leads: 'ECG1' is no lead"):
        leads_listed("II ECG1")


def test_an_array_of_one_lead(tmp_path):
    folder = tmp_path / "watch"
    folder.mkdir()
    for name, values in (("a", twelve_leads()[:, 0]), ("b", twelve_leads()[:, :1]), ("c", twelve_leads()[:, :1].T)):
        np.save(folder / f"{name}.npy", values / 1000)
    held = prepared(folder, ("I",), dataset="table", rate=500, leads="I")
    assert [held.signal(place).shape for place in range(3)] == [(2500, 1)] * 3
    np.testing.assert_array_equal(held.signal(0), held.signal(2))


# --------------------------------------------------------------------------------------------- from corpus to crops


def test_crops_of_a_corpus_of_two_leads_are_those_of_twelve(tmp_path):
    """Order, places and every augmentation: what a network sees of a lead does not depend on what else was prepared."""
    for place in range(9):
        write_record(tmp_path / "source", f"A{place}", twelve_leads(700 if place == 3 else 2500, place))
    whole, two = prepared(tmp_path / "source", out="a"), prepared(tmp_path / "source", ("II", "V5"), out="b")
    every = ("time_warp", "amplitude", "noise", "wander", "time_mask", "lead_dropout")
    for augment in ((), every):
        spec = planned(augment=augment, leads=("II", "V5"), batch_size=4).spec
        for (x, _), (y, _) in zip(Crops(whole, np.arange(9), spec).epoch(0), Crops(two, np.arange(9), spec).epoch(0),
                                  strict=True):
            np.testing.assert_array_equal(x, y)
    with pytest.raises(UserError, match="the corpus has no lead 'I'"):
        Crops(two, np.arange(9), planned(leads=("I", "II")).spec)


def test_a_changed_sample_of_one_lead_is_noticed(tmp_path):
    for place in range(2):
        write_record(tmp_path / "source", f"A{place}", twelve_leads(2501, place))
    corpus = prepared(tmp_path / "source", ("V1",), out="a")
    assert corpus.checked()
    array = np.lib.format.open_memmap(tmp_path / "a" / "signals.npy", mode="r+")
    array[[7, 8]] = array[[8, 7]]
    array.flush()
    with pytest.raises(UserError, match=r"signals\.npy"):
        Corpus.open([tmp_path / "a"]).checked()
