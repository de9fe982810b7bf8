"""Reading against the wfdb package: the same header fields and exactly the same values, in every format."""

import struct

import numpy as np
import pytest
import wfdb

from ecgscale.contracts import LEADS
from ecgscale.ecg.guards import Rejected
from ecgscale.ecg.wfdb_header import read_header
from ecgscale.ecg.wfdb_record import INVALID, is_plain, read_recording


def without_ending(path) -> str:
    return str(path.with_suffix(""))


def test_real_recordings_equal_wfdb_exactly(shared):
    paths = sorted((shared / "data" / "physionet2021").rglob("*.hea"))
    assert len(paths) == 34
    for path in paths:
        ours, theirs = read_recording(path), wfdb.rdrecord(without_ending(path))
        assert is_plain(read_header(path))
        np.testing.assert_array_equal(ours.physical(), theirs.p_signal)
        np.testing.assert_allclose(ours.millivolts(), theirs.p_signal, rtol=1e-15)       # mV and mv
        assert ours.rate == theirs.fs
        assert ours.comments["dx"] == next(line for line in theirs.comments if line.startswith("Dx:"))[3:].strip()


@pytest.mark.parametrize(("kind", "scale"), [("16", 1), ("24", 200), ("32", 20_000), ("80", 0.1), ("212", 1),
                                             ("508", 0.1), ("516", 1), ("524", 200)])
def test_every_format_that_wfdb_writes_equals_wfdb(tmp_path, signal, kind, scale):
    digital = np.rint(signal(2500) * scale).astype(np.int64)
    bound = {"80": 120, "508": 120, "212": 2000}.get(kind, 1 << 30)
    digital = np.clip(digital, -bound, bound)
    wfdb.wrsamp("r", fs=500, units=["mV"] * 12, sig_name=list(LEADS), d_signal=digital, fmt=[kind] * 12,
                adc_gain=[1000.0 * scale] * 12, baseline=[7] * 12, comments=["Dx: 426783006"], write_dir=str(tmp_path))
    ours = read_recording(tmp_path / "r.hea")
    np.testing.assert_array_equal(ours.digital, digital)
    np.testing.assert_array_equal(ours.physical(), wfdb.rdrecord(str(tmp_path / "r")).p_signal)


ENCODED = {
    "61": lambda values: values.astype(">i2"),
    "160": lambda values: (values.astype(int) + 32768).astype("<u2"),
    "8": lambda values: np.diff(values, axis=0, prepend=values[:1]).astype("i1"),
}


@pytest.mark.parametrize(("kind", "encode"), ENCODED.items(), ids=ENCODED.keys())
def test_formats_that_wfdb_only_reads_equal_wfdb(record, signal, kind, encode):
    digital = signal(2500) // 40
    path = record(digital=digital)
    path.with_suffix(".dat").write_bytes(encode(digital).tobytes())
    path.write_text(path.read_text().replace(".mat 16x1+24", f".dat {kind}"))
    ours = read_recording(path)
    np.testing.assert_array_equal(ours.digital, digital)
    np.testing.assert_array_equal(ours.physical(), wfdb.rdrecord(without_ending(path)).p_signal)


@pytest.mark.parametrize(("kind", "matlab", "encode"), [("32", 20, lambda values: values.astype("<i4")),
                                                        ("80", 50, lambda values: (values + 128).astype("u1"))])
def test_matlab_files_of_other_types_equal_wfdb(record, signal, kind, matlab, encode):
    digital = signal(2500) // 10
    path = record(digital=digital)
    matrix = path.with_suffix(".mat")
    matrix.write_bytes(struct.pack("<5i", matlab, 12, 2500, 0, 4) + b"val\0" + encode(digital).tobytes())
    path.write_text(path.read_text().replace("16x1+24", f"{kind}x1+24"))
    ours = read_recording(path)
    np.testing.assert_array_equal(ours.digital, digital)
    np.testing.assert_array_equal(ours.physical(), wfdb.rdrecord(without_ending(path)).p_signal)
    matrix.write_bytes(struct.pack("<5i", 30, 12, 2500, 0, 4) + matrix.read_bytes()[20:])
    with pytest.raises(Rejected, match="matrix-header"):
        read_recording(path)


def test_marks_of_invalid_samples_are_those_of_wfdb():
    from wfdb.io._signal import INVALID_SAMPLE_VALUE
    assert {kind: value for kind, value in INVALID_SAMPLE_VALUE.items() if value is not None} == INVALID


def test_several_samples_a_frame(tmp_path, signal):
    digital = signal(2500).astype(np.int64)
    slow = np.arange(1250, dtype=np.int64)
    names = [*LEADS, "Resp"]
    wfdb.wrsamp("r", fs=250, units=["mV"] * 13, sig_name=names, e_d_signal=[*digital.T, slow], fmt=["16"] * 13,
                samps_per_frame=[2] * 12 + [1], adc_gain=[1000.0] * 13, baseline=[0] * 13, write_dir=str(tmp_path))
    ours = read_recording(tmp_path / "r.hea")
    assert ours.rate == 500
    assert ours.flags == {"extra-lead"}
    np.testing.assert_array_equal(ours.digital, digital)


def test_leads_of_different_rates_are_averaged_by_frame_as_wfdb_does(tmp_path, signal):
    digital = signal(2500).astype(np.int64)
    signals = [digital[:, 0], *digital[::2, 1:].T]
    wfdb.wrsamp("r", fs=250, units=["mV"] * 12, sig_name=list(LEADS), e_d_signal=signals, fmt=["16"] * 12,
                samps_per_frame=[2] + [1] * 11, adc_gain=[1000.0] * 12, baseline=[0] * 12, write_dir=str(tmp_path))
    ours = read_recording(tmp_path / "r.hea")
    theirs = wfdb.rdrecord(str(tmp_path / "r"), physical=False, smooth_frames=True)
    assert (ours.rate, ours.flags) == (250, {"mixed-rates"})
    np.testing.assert_array_equal(ours.digital, theirs.d_signal)


def test_skewed_leads_are_aligned_as_wfdb_does(record):
    path = record()
    text = path.read_text().replace("16x1+24", "16x1:3+24", 1)
    path.write_text(text)
    theirs = wfdb.rdrecord(without_ending(path)).p_signal[:-3]
    ours = read_recording(path)
    np.testing.assert_array_equal(ours.physical(), theirs)


HEADERS = {
    "date": "A0001 12 500 2500 05-Feb-2020 11:39:16",
    "counter": "A0001 12 500/1(0) 2500 12:00:00 05/02/2020",
    "decimal rate": "A0001 12 500.0 2500",
}


@pytest.mark.parametrize("line", HEADERS.values(), ids=HEADERS.keys())
def test_record_lines(record, line):
    path = record()
    path.write_text("# a comment first\n\n" + line + "\n" + path.read_text().split("\n", 1)[1])
    header = read_header(path)
    assert (header.rate, header.frames, len(header.signals)) == (500, 2500, 12)


LINES = ["A0001.mat 16x1+24 1000(5)/mV 16 3 11 -22 0 aVR", "A0001.mat 16+24 200.5/uV 12 3 11 -22 0 V1",
         "A0001.dat 212 1e3(-4)", "a.dat 16 200(0)/mV 16 0 1 2 0 lead with spaces", "b.dat 16 200 12 1024",
         "b.dat 16 200(0)/mV 12 1024 V6", "b.dat 16 200 V6"]


@pytest.mark.parametrize("line", LINES)
def test_signal_lines_equal_wfdb(tmp_path, line):
    (tmp_path / "r.hea").write_text(f"r 1 500 10\n{line}\n")
    theirs, ours = wfdb.rdheader(str(tmp_path / "r")), read_header(tmp_path / "r.hea").signals[0]
    assert (ours.file, ours.format, ours.gain, ours.baseline, ours.unit, ours.offset) == (
        theirs.file_name[0], theirs.fmt[0], theirs.adc_gain[0], theirs.baseline[0], theirs.units[0],
        theirs.byte_offset[0] or 0)
    assert (ours.first, ours.sum, ours.name) == (theirs.init_value[0], theirs.checksum[0], theirs.sig_name[0] or "")


@pytest.mark.parametrize("comment", ["#Dx: 1,2", "# Dx:1,2", "#dx : 1,2  ", "##Dx:\t1,2",
                                     "#Dx: 1\n#Sx: Unknown\n#Dx: 2"])
def test_comments_by_key_whatever_their_order_and_spacing(record, comment):
    path = record()
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:13], "# Hx: Unknown", comment, "#Sex: Male", "#Age: 3"]) + "\n")
    comments = read_header(path).comments
    assert (comments["dx"], comments["age"], comments["sex"]) == ("1,2", "3", "Male")


ODD_HEADERS = {
    "Windows line ends": lambda text: text.replace("\n", "\r\n"),
    "tabs": lambda text: text.replace(" ", "\t"),
    "indented": lambda text: "\n".join(f"   {line}  " for line in text.splitlines()),
    "double spaces": lambda text: text.replace(" ", "  "),
    "byte order mark": lambda text: "\ufeff" + text,
    "gain as a decimal": lambda text: text.replace("1000(0)", "1000.0(0)"),
    "gain alone": lambda text: text.replace("1000(0)", "1000.0"),
    "negative gain": lambda text: text.replace("1000(0)", "-1000(0)"),
    "no frame count": lambda text: text.replace("16x1+24", "16+24"),
    "no length": lambda text: text.replace("500 2500", "500"),
    "rate as a decimal": lambda text: text.replace("500 2500", "500.000 2500"),
    "leads in lower case": lambda text: text.replace("aVR", "avr").replace(" I\n", " i\n").replace("V1", "v1"),
    "no age": lambda text: text.replace("#Age: 61\n", ""),
}


@pytest.mark.parametrize("change", ODD_HEADERS.values(), ids=ODD_HEADERS.keys())
def test_odd_headers_equal_wfdb(record, change):
    path = record()
    path.write_bytes(change(path.read_text()).encode())
    ours = read_recording(path)
    np.testing.assert_array_equal(ours.physical(), wfdb.rdrecord(without_ending(path)).p_signal)
    assert ours.comments["dx"] == "426783006"


@pytest.fixture
def cut(tmp_path, signal):
    """A record whose header tells no length, of so many bytes: 24 of something else, then 2500 frames of 12 leads."""
    def write(kept: int):
        wfdb.wrsamp("r", fs=500, units=["mV"] * 12, sig_name=list(LEADS), d_signal=signal(2500).astype(np.int64),
                    fmt=["16"] * 12, adc_gain=[1000.0] * 12, baseline=[0] * 12, write_dir=str(tmp_path))
        header, file = tmp_path / "r.hea", tmp_path / "r.dat"
        header.write_text(header.read_text().replace("500 2500", "500").replace("r.dat 16", "r.dat 16+24"))
        file.write_bytes((bytes(24) + file.read_bytes())[:kept])
        return header
    return write


def test_a_length_that_the_file_tells_counts_whole_frames(cut):
    """The last frame is cut in its middle."""
    path = cut(24 + 2 * 12 * 700 + 13)
    ours = read_recording(path).digital
    path.write_text(path.read_text().replace("r 12 500", "r 12 500 700"))       # wfdb reads no cut frame
    np.testing.assert_array_equal(ours, wfdb.rdrecord(without_ending(path), physical=False).d_signal)


@pytest.mark.parametrize("kept", [0, 10, 24, 24 + 23])
def test_a_file_without_a_whole_frame_is_too_short(cut, kept):
    with pytest.raises(Rejected) as caught:
        read_recording(cut(kept))
    assert caught.value.reason == "too-short"


def test_a_micro_sign_that_is_not_utf8(record):
    """wfdb drops it and reads volts."""
    path = record(gain=1)
    path.write_bytes(path.read_text().replace("/mV", "/µV").encode("latin-1"))
    assert read_recording(path).factor.tolist() == [1e-3] * 12


def test_leads_are_ordered_by_name(record, signal):
    digital = signal(2500)
    turned = [*range(6, 12), *range(6)]
    path = record(digital=digital[:, turned], leads=[LEADS[place].upper() for place in turned])
    ours = read_recording(path)
    assert ours.flags == {"lead-order"}
    np.testing.assert_array_equal(ours.digital, digital)


@pytest.mark.parametrize("file", ["../A0001.mat", "/etc/passwd", "..", "sub/A0001.mat", "c:A0001.mat"])
def test_no_path_leaves_the_folder(record, file):
    path = record()
    path.write_text(path.read_text().replace("A0001.mat", file))
    with pytest.raises(Rejected) as caught:
        read_recording(path)
    assert caught.value.reason == "path"
