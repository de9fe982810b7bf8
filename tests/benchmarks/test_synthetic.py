"""Recordings a second that the synthetic corpus makes, beside what wfdb needs to read one of them back."""

import numpy as np
import pytest
import wfdb

from ecgscale.ecg.synthetic import SOURCES, make, plan, write_chunk, write_record

TEN_SECONDS = plan(2000, 1, ["ptb-xl"])[:64]


@pytest.mark.benchmark(group="one ten-second recording at 500 Hz")
def test_make(benchmark):
    place = iter(range(10**9))
    benchmark(lambda: make(TEN_SECONDS[next(place) % 64], 1, 0.5))


@pytest.mark.benchmark(group="one ten-second recording at 500 Hz")
def test_make_and_write(benchmark, tmp_path):
    folder = tmp_path / "ptb-xl" / TEN_SECONDS[0].path
    folder.parent.mkdir(parents=True)
    place = iter(range(10**9))
    benchmark(lambda: write_chunk([TEN_SECONDS[next(place) % 64]], tmp_path, 1, 0.5))


@pytest.mark.benchmark(group="one ten-second recording at 500 Hz")
def test_baseline_wfdb_reads_it(benchmark, tmp_path):
    samples, person = make(TEN_SECONDS[0], 1, 0.5)
    write_record(tmp_path / "HR00001", samples, person, SOURCES["ptb-xl"], TEN_SECONDS[0].codes, 1)
    record = benchmark(lambda: wfdb.rdrecord(str(tmp_path / "HR00001"), physical=False))
    assert np.array_equal(record.d_signal.T, samples)


@pytest.mark.benchmark(group="plan of a corpus")
@pytest.mark.parametrize("count", [1_600, 100_000])
def test_plan(benchmark, count):
    assert len(benchmark.pedantic(plan, (count, 1), rounds=2)) == count
