"""Recordings as devices and strangers leave them: each is read or rejected with a reason, soon and within its size."""

import os

import numpy as np
import pytest

from ecgscale.ecg.guards import Rejected
from ecgscale.ecg.wfdb_header import read_header
from ecgscale.ecg.wfdb_record import read_recording

NAMES = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")


def write(folder, record_line="A 12 500 600", form="16", tail="0 0 0 0", comments="", samples=None):
    """A record of twelve leads in A.dat; gives the path of its header."""
    samples = np.random.default_rng(0).integers(-900, 900, (600, 12)) if samples is None else samples
    samples.astype("<i2").tofile(folder / "A.dat")
    lines = [record_line, *(f"A.dat {form} 1000/mV 16 {tail} {name}" for name in NAMES)]
    (folder / "A.hea").write_text("\n".join(lines) + "\n" + comments)
    return folder / "A.hea"


@pytest.mark.parametrize("record_line", ["A 12 500", "A 12 500 0", "A 12 500 600 2006",
                                         "A 12 500 600 12:30:00 99/99/99"])
@pytest.mark.parametrize("form", ["16", "16x1:0"])
def test_lengths_and_dates_say_the_same_in_each_format(tmp_path, record_line, form):
    """The length of the file where the header has none; a date that is none is no matter."""
    assert read_recording(write(tmp_path, record_line, form)).digital.shape == (600, 12)


@pytest.mark.parametrize(("form", "reason"), [("16:999999999", "too-long"), ("16:700", "header"), ("16x0", "header"),
                                              ("16x999999", "rate"), ("16+999999999", "truncated")])
def test_few_bytes_take_little(tmp_path, form, reason):
    with pytest.raises(Rejected, match=reason):
        read_recording(write(tmp_path, form=form))


def test_a_sparse_file_is_not_the_length_of_a_recording(tmp_path):
    header = write(tmp_path, "A 12 500")
    os.truncate(tmp_path / "A.dat", 10**12)
    with pytest.raises(Rejected, match="too-long"):
        read_recording(header)


@pytest.mark.parametrize("name", ["A.hea", "A.dat"])
def test_a_pipe_is_not_waited_for(tmp_path, name):
    header = write(tmp_path)
    (tmp_path / name).unlink()
    os.mkfifo(tmp_path / name)
    with pytest.raises(Rejected, match="no plain file"):
        read_recording(header)


def test_a_name_that_is_too_long_rejects_its_recording(tmp_path):
    (tmp_path / "A.hea").write_text("A/1 12 500 600\n" + "x" * 400 + " 600\n")
    with pytest.raises(Rejected, match="missing-file"):
        read_recording(tmp_path / "A.hea")


@pytest.mark.parametrize("comments", ["#" + " " * 60_000 + "a", "# " + "a " * 30_000, "# a" + " " * 60_000 + ":b"])
def test_long_comments_are_read_in_no_time(tmp_path, comments):
    assert len(read_header(write(tmp_path, comments=comments)).signals) == 12     # their square took minutes


def test_a_comment_ends_with_its_line_only(tmp_path):
    header = write(tmp_path)
    header.write_bytes(b"# Rx: aspirin\x85 100 mg\r\n" + header.read_bytes() + b"# Dx: 426783006\r# Age: 61\n")
    assert read_header(header).comments == {"rx": "aspirin\x85 100 mg", "dx": "426783006", "age": "61"}


def test_other_versions_of_matlab_are_named(tmp_path):
    header = write(tmp_path)
    header.write_text(header.read_text().replace("A.dat", "A.mat"))
    (tmp_path / "A.mat").write_bytes(b"MATLAB 5.0 MAT-file, Platform: posix".ljust(20_000))
    with pytest.raises(Rejected, match="a MATLAB 5 file, not MATLAB v4"):
        read_recording(header)


def test_an_initial_value_of_zero_says_nothing_and_another_is_held(tmp_path):
    samples = np.random.default_rng(1).integers(1, 900, (600, 12))
    assert read_recording(write(tmp_path, samples=samples)).sums[0][1:] == (None, None)
    samples[0, 0] = 5
    header = write(tmp_path, samples=samples)
    header.write_text(header.read_text().replace("16 0 0 0 0 I\n", f"16 0 6 {samples[:, 0].sum() % 65536} 0 I\n"))
    assert read_recording(header).sums[0][2] == 6       # held against the samples by `inspect`
