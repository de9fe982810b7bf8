"""Folds of the whole public release in size and shape, beside the package's own ten folds of the same labels."""

import numpy as np
import pandas as pd
import pytest
from iterstrat.ml_stratifiers import MultilabelStratifiedKFold

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
