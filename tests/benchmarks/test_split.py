"""Folds of the whole public release in size and shape, beside the package's own ten folds of the same labels; memory of
the search for copies among few and many recordings."""

import tracemalloc
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from iterstrat.ml_stratifiers import MultilabelStratifiedKFold

from ecgscale.ecg import copies
from ecgscale.ecg.split import audit, split_recordings
from ecgscale.ecg.synthetic import SOURCES


@pytest.fixture(scope="module")
def release() -> tuple[pd.DataFrame, np.ndarray]:
    """88,253 recordings of eight sources, patients where the release has them, 26 classes from 33 % to 0.3 %."""
    rng = np.random.default_rng(0)
    rows = [(source.folder, f"{source.folder}/{rng.integers(source.patients)}" if source.patients else None)
            for source in SOURCES.values() for _ in range(source.published)]
    records = pd.DataFrame(rows, columns=["source", "patient"])
    records["record"] = [f"{source}/{number}" for number, source in enumerate(records["source"])]
    records["content"] = records["record"]
    return records, rng.random((len(records), 26)) < np.geomspace(0.33, 0.003, 26)


@pytest.mark.benchmark(group="folds of 88,253 recordings")
@pytest.mark.parametrize("method", ["records", "patients"])
def test_split(benchmark, release, method):
    records, labels = release
    split = benchmark.pedantic(split_recordings, (records, labels, method, 1), rounds=2)
    assert split.fold.value_counts(normalize=True)[3] == pytest.approx(0.1, abs=0.01)


@pytest.mark.benchmark(group="folds of 88,253 recordings")
def test_baseline_ten_folds(benchmark, release):
    records, labels = release
    both = np.hstack([labels, pd.get_dummies(records["source"]).to_numpy(dtype=bool)])
    folds = MultilabelStratifiedKFold(10, shuffle=True, random_state=1)
    benchmark.pedantic(lambda: list(folds.split(both, both)), rounds=2)


@pytest.mark.benchmark(group="audit of 88,253 recordings")
def test_audit(benchmark, release):
    records, labels = release
    split = split_recordings(records, labels, "records", 1)
    found = benchmark.pedantic(audit, (records, labels, tuple(map(str, range(26))), split), rounds=2)
    assert found["known_patient_overlap"] > 1000


def peak_of_copies(count: int) -> int:
    """Bytes that the search holds at most among so many hearts of irregular beats, 10 s of two leads at 100 Hz."""
    shape = np.concatenate([np.zeros(18), [0.2, 0.6, 1.0, 0.5, -0.3, -0.1, 0.0]])

    def signal(owner: int) -> np.ndarray:
        rng = np.random.default_rng(owner)
        moments = np.cumsum(rng.uniform(0.5, 1.2) + rng.normal(0, 0.03, 24))
        beats = np.bincount((100 * moments[moments < 10]).astype(int), minlength=1000)
        return np.convolve(beats, shape, "same")[:, None] * rng.normal(1, 0.3, 2)

    class Corpus(SimpleNamespace):
        def __len__(self):
            return count

        def close(self):
            pass

    tracemalloc.start()
    copies.find_copies(Corpus(rate=100.0, signal=signal))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_memory_of_copies_grows_by_the_beats_alone(monkeypatch):
    """Blocks of a hundred: four times as many recordings take twice the memory at most, which their pairs would not."""
    monkeypatch.setattr(copies, "SAMPLES_AT_ONCE", 100_000)
    monkeypatch.setattr(copies, "RECORDINGS_AT_ONCE", 64)
    peak_of_copies(50)
    few, many = peak_of_copies(1000), peak_of_copies(4000)
    print(f"1,000: {few / 2**20:.1f} MiB, 4,000: {many / 2**20:.1f} MiB")
    assert many < 2 * few
