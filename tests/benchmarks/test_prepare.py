"""Preparation against the published study's procedure on the same real recordings, one core: compare within the group.

The study's: scipy.io.loadmat, header lines by number, sosfiltfilt in float64, z-score, torch.save of one file a record.
Ours does every guard, digests and the conversion to float16 as well. Goal: at least 3 times as many records a second.
"""

import time

import numpy as np
import pytest
import scipy.io
import torch
import wfdb
from scipy.signal import butter, sosfiltfilt

from ecgscale.contracts.labels import read_label_set
from ecgscale.ecg.datasets import open_dataset
from ecgscale.ecg.label_table import read_labels
from ecgscale.ecg.prepare import Told, growing_array, prepare_places
from ecgscale.ecg.recipe import RECIPES


@pytest.fixture(scope="module")
def folder(shared):
    torch.set_num_threads(1)
    return shared / "data" / "physionet2021"


def study_procedure(folder, out):
    sections = butter(3, [1, 47], "bandpass", fs=500, output="sos")
    for path in sorted(folder.rglob("*.hea")):
        signal = scipy.io.loadmat(path.with_suffix(".mat"))["val"].astype(np.float64)
        lines = path.read_text().splitlines()
        age, sex, codes = lines[13].split(":")[1], lines[14].split(":")[1], lines[15].split(":")[1].strip().split(",")
        signal = sosfiltfilt(sections, signal)
        signal = (signal - signal.mean(axis=1, keepdims=True)) / (signal.std(axis=1, keepdims=True) + 1e-6)
        torch.save({"signal": torch.from_numpy(signal), "age": age, "sex": sex, "dx": codes}, out / f"{path.stem}.pt")


def our_procedure(folder, out):
    with growing_array(out / "signals.npy") as signals:
        dataset = open_dataset(folder)
        told = Told(dataset, (dataset.facts,), read_label_set())
        rows, *_ = prepare_places(dataset.places, "real", RECIPES["study"], signals, told)
    assert len(rows) == 34


@pytest.mark.benchmark(group="prepare 34 recordings")
def test_the_studys_procedure(benchmark, folder, tmp_path):
    benchmark(study_procedure, folder, tmp_path)


@pytest.mark.benchmark(group="prepare 34 recordings")
def test_ours(benchmark, folder, tmp_path):
    benchmark(our_procedure, folder, tmp_path)


@pytest.mark.benchmark(group="prepare 34 recordings")
def test_wfdb_reading_alone(benchmark, folder):
    benchmark(lambda: [wfdb.rdrecord(str(path.with_suffix(""))) for path in sorted(folder.rglob("*.hea"))])


@pytest.mark.bench
def test_a_labels_table_takes_the_time_of_its_lines(tmp_path):
    """Of one record as of many: 54,000 lines of one, half a megabyte, took 2.6 s, and twice as many four times that."""
    def seconds(records: int) -> float:
        lines = "".join(f"A{number % records},AF\n" for number in range(60_000))
        (tmp_path / "labels.csv").write_text("record,code\n" + lines)
        began = time.process_time()
        read_labels(tmp_path / "labels.csv")
        return time.process_time() - began

    assert seconds(1) < 2 * seconds(60_000)
