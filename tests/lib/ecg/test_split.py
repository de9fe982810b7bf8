"""Folds: shares of the published study, no leaks between parts, and a leak that the audit must find."""

import hashlib
from collections import namedtuple

import numpy as np
import pandas as pd
import pytest

from ecgscale.ecg.split import audit, groups, in_all, split_recordings
from ecgscale.errors import UserError

Prepared = namedtuple("Prepared", ["recipe", "records"])
CLASSES = tuple(f"c{place}" for place in range(26))


def corpus(count: int, seed: int = 0, patient_size: float = 2.0) -> tuple[pd.DataFrame, np.ndarray]:
    """Recordings of three sources, patients known in two, classes from common (40 %) to absent."""
    rng = np.random.default_rng(seed)
    source = rng.choice(["ptb-xl", "ptb", "georgia"], count, p=[0.5, 0.1, 0.4])
    patient = [None if name == "georgia" else f"{name}/{rng.integers(count / patient_size)}" for name in source]
    content = [f"{number:016x}" for number in range(count)]
    for copy in range(0, count // 20):                      # every twentieth recording has a twin
        content[-copy - 1] = content[copy]
    prevalence = np.concatenate([np.geomspace(0.4, 0.004, 25), [0.0]])
    labels = rng.random((count, 26)) < prevalence
    records = pd.DataFrame({"record": [f"{name}/g1/{number:05d}" for number, name in enumerate(source)],
                            "source": source, "patient": patient, "content": content})
    return records, labels


def meetings(names, parts) -> int:
    """Names that stand in more than one part, counted with plain sets."""
    seen: dict[str, set[str]] = {}
    for name, part in zip(names, parts, strict=True):
        seen.setdefault(name, set()).add(part)
    return sum(len(found) > 1 for found in seen.values())


@pytest.mark.parametrize("method", ["records", "patients"])
def test_shares_of_the_study(method):
    """0.3, 0.3, 0.3, 0.1 within one point, for all recordings; labels and sources within three."""
    records, labels = corpus(4000)
    split = split_recordings(records, labels, method, seed=1)
    shares = split.fold.value_counts(normalize=True).sort_index()
    assert shares.to_numpy() == pytest.approx([0.3, 0.3, 0.3, 0.1], abs=0.01)
    for fold, expected in enumerate([0.3, 0.3, 0.3, 0.1]):
        inside = (split.fold == fold).to_numpy()
        common = labels.sum(axis=0) >= 100
        assert labels[inside].sum(axis=0)[common] / labels.sum(axis=0)[common] == pytest.approx(expected, abs=0.03)
        for source in ("ptb-xl", "ptb", "georgia"):
            of_source = (records.source == source).to_numpy()
            assert (inside & of_source).sum() / of_source.sum() == pytest.approx(expected, abs=0.03)


def test_patients_never_meet_where_recordings_do():
    """The planted patients and twins leak in a split by recording (the published one) and never in ours."""
    records, labels = corpus(2000)
    leaks = {}
    for method in ("records", "patients"):
        split = split_recordings(records, labels, method, seed=1)
        known = split.dropna(subset="patient")
        leaks[method] = (meetings(known.patient, known.part), meetings(records.content, split.part))
        found = audit(records, labels, CLASSES, split)
        assert (found["known_patient_overlap"], found["duplicate_overlap"]) == leaks[method]
    assert leaks["patients"] == (0, 0)
    assert min(leaks["records"]) > 30


def test_other_recipes_are_dealt_the_same_recordings():
    """A recording that another recipe rejects, or that is not the same one there, is in no part, aloud."""
    records, labels = corpus(400)
    split = split_recordings(records, labels, "patients", seed=1)
    other = records.drop(index=3)
    other.loc[7, "content"] = "another"
    made, lacking = in_all(split, records, [Prepared({"name": "wide"}, other)])
    assert lacking == ["2 recordings that wide rejects are in no part"]
    assert made.equals(split.drop(index=[3, 7]).reset_index(drop=True))
    same, lacking = in_all(split, records, [Prepared({"name": "wide"}, records)])
    assert same.equals(split)
    assert not lacking
    with pytest.raises(UserError, match="no recording of the corpus was prepared by wide too"):
        in_all(split, records, [Prepared({"name": "wide"}, other.assign(content="x"))])


def test_audit_says_unknown_where_patients_are_unknown():
    records, labels = corpus(400)
    found = audit(records, labels, CLASSES, split_recordings(records, labels, "records", seed=1))
    assert found["patient_overlap"] == "unknown"
    assert found["by_source"]["georgia"]["patient_overlap"] == "unknown"
    assert found["by_source"]["ptb-xl"]["patient_overlap"] > 0
    known = (records.source != "georgia").to_numpy()
    split = split_recordings(records[known], labels[known], "patients", seed=1)
    assert audit(records[known], labels[known], CLASSES, split)["patient_overlap"] == 0
    assert sum(found["positives"]["c0"].values()) == labels[:, 0].sum()


def test_real_duplicates_stay_together(shared):
    """Georgia holds two files with the same samples (E07509 and E07510): apart in some splits by record, never here."""
    files = sorted((shared / "data" / "physionet2021").glob("*/*.mat"))
    records = pd.DataFrame({"record": [f"{file.parent.name}/{file.stem}" for file in files],
                            "source": [file.parent.name for file in files], "patient": None,
                            "content": [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]})
    labels = np.random.default_rng(0).random((len(files), 26)) < 0.2
    assert records.content.duplicated().sum() == 1
    leaks = {method: sum(audit(records, labels, CLASSES, split_recordings(records, labels, method, seed))[
        "duplicate_overlap"] for seed in range(20)) for method in ("records", "patients")}
    assert leaks["patients"] == 0 < leaks["records"]


def test_groups_join_through_others():
    """a-b share a patient, b-c the samples, so a, b and c are one group; d is alone."""
    records = pd.DataFrame({"patient": ["p", "p", None, None], "content": ["1", "2", "2", "3"]})
    a, b, c, d = groups(records)
    assert a == b == c != d


def test_order_of_records_and_seed():
    records, labels = corpus(300)
    split = split_recordings(records, labels, "patients", seed=1)
    mixed = np.random.default_rng(5).permutation(len(records))
    again = split_recordings(records.iloc[mixed], labels[mixed], "patients", seed=1)
    assert (again.set_index("record").fold.reindex(records.record).to_numpy() == split.fold).all()
    assert (split_recordings(records, labels, "patients", seed=2).fold != split.fold).any()


@pytest.mark.parametrize("count", [4, 10, 34])
@pytest.mark.parametrize("method", ["records", "patients"])
def test_tiny_corpora(count, method):
    records, labels = corpus(count, patient_size=1)
    records["patient"], records["content"] = None, [str(number) for number in range(count)]
    split = split_recordings(records, labels, method, seed=1)
    assert set(split.part) == {"train", "valid", "test"}
    assert set(split.fold) == {0, 1, 2, 3}


def test_leave_source_out():
    records, labels = corpus(600)
    records["content"] = records["record"]
    split = split_recordings(records, labels, "leave-source-out", seed=1, held_out="ptb")
    assert len(split) == 600
    assert (split.part.eq("test") == split.source.eq("ptb")).all()
    rest = split[split.source != "ptb"]
    assert rest.fold.value_counts(normalize=True).to_numpy() == pytest.approx([1 / 3] * 3, abs=0.02)
    assert meetings(rest.patient.dropna(), rest.part[rest.patient.notna()]) == 0
    with pytest.raises(UserError, match=r"'mars' is not in the corpus.*georgia, ptb, ptb-xl"):
        split_recordings(records, labels, "leave-source-out", seed=1, held_out="mars")


def test_what_the_held_out_source_would_know_is_in_no_part():
    """A copy of a held-out recording, and another recording of the copy's patient."""
    records, labels = corpus(600)
    records["content"] = records["record"]
    held = records.index[records.source == "ptb"][0]
    copy, other, third = records.index[records.source == "ptb-xl"][:3]
    records.loc[copy, "content"] = records.loc[held, "content"]
    records["patient"] = [f"{source}/{number}" for number, source in enumerate(records.source)]
    records.loc[other, "patient"] = records.loc[copy, "patient"]
    split = split_recordings(records, labels, "leave-source-out", seed=1, held_out="ptb")
    assert set(records.record) - set(split.record) == set(records.record[[copy, other]])
    assert records.record[third] in set(split.record)
    found = audit(records, labels, CLASSES, split)
    assert found["duplicate_overlap"] == found["patient_overlap"] == 0
    assert [found["by_source"][name]["left_out"] for name in ("georgia", "ptb", "ptb-xl")] == [0, 0, 2]


def test_own_column():
    records, labels = corpus(40)
    with pytest.raises(UserError, match="no fold column"):
        split_recordings(records, labels, "column", seed=1)
    records["fold"] = [number % 4 for number in range(40)]
    split = split_recordings(records, labels, "column", seed=1)
    assert (split.fold == records.fold).all()
    assert split.part.tolist()[:4] == ["train", "train", "valid", "test"]
    records.loc[7, "fold"] = 9
    with pytest.raises(UserError, match="no fold from 0 to 3"):
        split_recordings(records, labels, "column", seed=1)
    records["fold"] = 0
    with pytest.raises(UserError, match="no recording is in the valid part"):
        split_recordings(records, labels, "column", seed=1)


def test_too_few():
    records, labels = corpus(3)
    with pytest.raises(UserError, match="cannot fill 4 folds"):
        split_recordings(records, labels, "records", seed=1)
