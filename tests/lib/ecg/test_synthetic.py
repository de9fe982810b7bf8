"""The synthetic corpus is a folder of PhysioNet-2021 records: wfdb and SciPy read it as they read the real one."""

import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import wfdb
from scipy.io import loadmat
from scipy.signal import butter, sosfiltfilt

from ecgscale.contracts import LEADS
from ecgscale.contracts.labels import PHYSIONET_2021, read_label_set
from ecgscale.ecg.synthetic import SOURCES, balance, make, plan, share, write_corpus
from ecgscale.ecg.synthetic_diagnoses import BLOCKS, EXCLUDES, RHYTHMS, draw_diagnoses
from ecgscale.errors import UserError


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("synthetic") / "corpus"
    write_corpus(out, 60, seed=3, cpus=1)
    return out


def headers(corpus: Path, source: str = "*") -> list[Path]:
    return sorted(corpus.glob(f"{source}/**/*.hea"))


def test_wfdb_reads_every_record(corpus):
    """wfdb's samples, units, checksums and first samples agree with the header, for each source's rate and lengths."""
    found = headers(corpus)
    assert len(found) == 60
    for header in found:
        record = wfdb.rdrecord(str(header.with_suffix("")), physical=False)
        source = SOURCES[header.relative_to(corpus).parts[0]]
        assert record.calc_checksum() == [checksum % 65536 for checksum in record.checksum]
        assert record.d_signal[0].tolist() == record.init_value
        assert tuple(record.sig_name) == LEADS
        assert record.adc_gain == [1000.0] * 12
        assert set(record.units) == {source.unit}
        assert record.fs == source.rate
        assert source.seconds[0] * source.rate <= record.sig_len <= source.seconds[1] * source.rate
        assert record.fmt == ["16"] * 12
        assert record.byte_offset == [24] * 12


def test_matlab_file_as_the_challenge_has_it(corpus):
    """scipy.io.loadmat gives `val`, (12, samples) int16: what the Challenge's own example code reads."""
    header = headers(corpus, "georgia")[0]
    value = loadmat(header.with_suffix(".mat"))["val"]
    record = wfdb.rdrecord(str(header.with_suffix("")), physical=False)
    assert value.dtype == np.int16
    assert np.array_equal(value.T, record.d_signal)


def comments(header: Path) -> dict[str, str]:
    lines = [line[1:].strip() for line in header.read_text().splitlines() if line.startswith("#")]
    return dict(line.split(":", 1) for line in lines)


def test_headers_say_what_they_are(corpus):
    known = set(read_label_set().places) | {"429622005", "164931005", "164873001"}
    for header in headers(corpus):
        told = {key: value.strip() for key, value in comments(header).items()}
        assert told["Synthetic"] == "yes"
        assert told["Generator"].endswith("seed 3")
        assert set(told["Dx"].split(",")) <= known
        assert told["Sex"] in ("Female", "Male", "Unknown")
        assert told["Age"] == "NaN" or 0 < int(told["Age"]) < 120
    spacings = {header.read_text().count("\n# ") > 0 for header in headers(corpus)}
    assert spacings == {True, False}                                # "#Dx: " and "# Dx: ", as in the release
    first = {next(iter(comments(header))) for header in headers(corpus)}
    assert first == {"Age", "Dx"}                                   # and not always in the same order


def test_layout(corpus):
    """Eight folders, records in nested ones, a sheet with paths relative to it, patients tables that fit."""
    sheet = pd.read_csv(corpus / "sheet.csv", dtype=str)
    assert sheet.columns.tolist() == ["source", "path", "patients"]
    assert set(sheet.source) == set(SOURCES)
    for row in sheet.itertuples():
        below = {header.relative_to(corpus / row.path).with_suffix("").as_posix()
                 for header in headers(corpus, row.source)}
        assert all("/" in name for name in below)
        if SOURCES[row.source].patients:
            table = pd.read_csv(corpus / row.patients, dtype=str)
            assert set(table.record) == below
            assert table.record.is_unique
        else:
            assert pd.isna(row.patients)
    names = [header.name for header in headers(corpus)]
    assert len(names) == len(set(names))


def test_several_recordings_of_one_patient():
    """As many a patient as published (PTB-XL: 21,837 of 18,885 patients), and they agree on age and sex."""
    for source in ("st_petersburg_incart", "ptb", "ptb-xl"):
        planned = plan(400, seed=1, sources=[source])
        patients = Counter(one.patient for one in planned)
        expected = SOURCES[source].published / SOURCES[source].patients
        assert len(planned) / len(patients) == pytest.approx(expected, rel=0.15)
    assert max(Counter(one.patient for one in plan(400, 1, ["georgia"])).values()) == 1
    planned = plan(40, 1, ["st_petersburg_incart"], holter_seconds=5)
    people: dict[int, set[tuple[str, str]]] = {}
    for one in planned:
        told = make(one, 1, 0.5)[1]
        if "NaN" not in told.values() and "Unknown" not in told.values():
            people.setdefault(one.patient, set()).add((told["Age"], told["Sex"]))
    assert 5 < len(people) < len(planned) - 5
    assert {len(found) for found in people.values()} == {1}
    assert {sex for found in people.values() for _, sex in found} == {"Female", "Male"}


def noise_wander_voltage(header: Path) -> list[float]:
    """Standard deviations above 45 Hz and below 0.6 Hz, and the span of 99 % of the samples: mV, means over leads."""
    samples = wfdb.rdrecord(str(header.with_suffix(""))).p_signal
    bands = [sosfiltfilt(butter(3, edge, kind, fs=500, output="sos"), samples, axis=0)[250:-250].std(axis=0).mean()
             for edge, kind in ((45, "highpass"), (0.6, "lowpass"))]
    return [*bands, np.mean(np.percentile(samples, 99.5, axis=0) - np.percentile(samples, 0.5, axis=0))]


def test_noise_wander_and_voltage_are_those_of_real_recordings(shared, tmp_path):
    """Medians over 34 real recordings of Georgia, PTB-XL and Ningbo and 60 of ours at the default difficulty."""
    write_corpus(tmp_path / "corpus", 60, seed=1, sources=["georgia", "ptb-xl", "ningbo"])
    real, ours = (np.median([noise_wander_voltage(header) for header in folder.glob("*/**/*.hea")], axis=0)
                  for folder in (shared / "data" / "physionet2021", tmp_path / "corpus"))
    assert np.abs(np.log(ours / real)).max() < np.log(1.6)


def digest(folder: Path) -> str:
    total = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            total.update(file.relative_to(folder).as_posix().encode() + file.read_bytes())
    return total.hexdigest()


def test_sources_are_as_large_as_published():
    """The 88,253 public recordings of the Challenge 2021, doi:10.1088/1361-6579/ac79fd."""
    assert sum(source.published for source in SOURCES.values()) == 88253


def test_holters_of_the_published_length():
    """30 minutes at 257 Hz: 462,600 samples, as in INCART."""
    one = plan(1, 1, ["st_petersburg_incart"], holter_seconds=1800)[0]
    samples, _ = make(one, 1, 0.5)
    assert samples.shape == (12, 462_600)


def test_same_bytes_for_any_number_of_processes(tmp_path):
    write_corpus(tmp_path / "one", 130, seed=5, sources=["georgia", "ptb-xl"], cpus=1)
    write_corpus(tmp_path / "two", 130, seed=5, sources=["georgia", "ptb-xl"], cpus=2)
    write_corpus(tmp_path / "other", 130, seed=6, sources=["georgia", "ptb-xl"], cpus=1)
    assert digest(tmp_path / "one") == digest(tmp_path / "two") != digest(tmp_path / "other")


def test_published_prevalence_in_a_large_corpus():
    """At 50,000 recordings every class has its share of the public release within half a point (prevalence.csv)."""
    planned = plan(50_000, seed=1)
    sizes = Counter(one.source for one in planned)
    found = Counter((one.source, name) for one in planned for name in one.diagnoses)
    table = pd.read_csv(PHYSIONET_2021 / "prevalence.csv").groupby("code")[list(SOURCES)].sum()
    labels = read_label_set()
    for source in ("cpsc_2018", "ptb-xl", "georgia", "chapman_shaoxing", "ningbo"):
        for code, name in zip(labels.codes, labels.abbreviations, strict=True):
            published = table.loc[code, source] / SOURCES[source].published
            assert found[source, name] / sizes[source] == pytest.approx(published, abs=0.005)
    assert sizes["ningbo"] / 50_000 == pytest.approx(34_905 / 88_253, abs=0.001)


def test_small_corpus_holds_every_class():
    """1,600 recordings: all 26 classes occur, at least 22 of them twenty times."""
    planned = plan(1600, seed=1)
    counts = Counter(name for one in planned for name in one.diagnoses)
    scored = [counts[name] for name in read_label_set().abbreviations]
    assert min(scored) >= 5
    assert sum(count >= 20 for count in scored) >= 22
    assert len(planned) == 1600


def test_more_rhythms_expected_than_recordings_keep_their_proportion():
    told = draw_diagnoses({"NSR": 300, "AF": 100}, 100, False, np.random.default_rng(3))
    assert [sum(name in diagnoses for diagnoses in told) for name in ("NSR", "AF")] == [75, 25]


def test_diagnoses_together_are_possible():
    for one in plan(20_000, seed=2):
        given = set(one.diagnoses)
        assert len(given & set(RHYTHMS)) <= 1
        assert len(given & set(BLOCKS)) <= 1
        assert not any(name in given and given & set(EXCLUDES[name]) for name in EXCLUDES)
        assert "LAnFB" not in given or "LAD" in given
        assert not {"LQRSV", "LVH"} <= given
        assert len(one.codes) == len(given)
    assert not any("NSR" in one.diagnoses and len(one.diagnoses) > 1 for one in plan(2000, 1, ["cpsc_2018"]))


def test_sizes():
    assert balance(100) == balance(2000) == 0.5 < balance(10_000) < 1.0 == balance(50_000) == balance(10**6)
    assert share(10, [1, 1, 2]) in ([3, 2, 5], [2, 3, 5], [2, 2, 6], [3, 3, 4])
    assert sum(share(1600, [3.0, 1e-6, 9.0])) == 1600
    assert share(1600, [3.0, 1e-6, 9.0])[1] == 1
    assert sum(share(2, [1.0] * 8)) == 2
    assert [len(plan(count, 1)) for count in range(1, 12)] == list(range(1, 12))


def test_refusals(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    for used in ("full", "full/thesis.txt"):
        with pytest.raises(UserError, match="not an empty folder"):
            write_corpus(tmp_path / used, 10, seed=1)
    with pytest.raises(UserError, match=r"no source 'mars'.*ptb-xl"):
        write_corpus(tmp_path / "new", 10, seed=1, sources=["mars"])
    with pytest.raises(UserError, match="GB are needed"):
        write_corpus(tmp_path / "new", 3000, seed=1, sources=["st_petersburg_incart"], holter_seconds=1e6)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full"]
