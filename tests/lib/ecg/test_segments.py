"""Records of several segments: joined as wfdb joins them, each piece guarded, none of them a record of its own."""

from pathlib import Path

import numpy as np
import pytest
import wfdb

from ecgscale.contracts import LEADS, RECORDS
from ecgscale.contracts.labels import read_label_set
from ecgscale.ecg.datasets.wfdb_headers import headers_below
from ecgscale.ecg.guards import Rejected
from ecgscale.ecg.prepare import prepare_shard
from ecgscale.ecg.recipe import RECIPES
from ecgscale.ecg.wfdb_record import read_recording
from tests.tiny_records import twelve_leads

COMMENTS = "# Age: 44\n#Sex: Male\n#Dx: 426783006\n"


@pytest.fixture
def long(tmp_path, record, signal):
    """`long(...)` writes record L of the segments L_1 (MATLAB, 16) and L_2 (212); gives its header's path."""
    def write(line: str = "L/2 12 500 2500", segments: str = "L_1 1000\nL_2 1500\n", **second) -> Path:
        digital = signal(2500)
        record("L_1", digital[:1000], dx="")
        folder = tmp_path / "source"
        values = {"fs": 500, "units": ["mV"] * 12, "sig_name": list(LEADS), "fmt": ["212"] * 12,
                  "d_signal": digital[1000:].astype(np.int64), "adc_gain": [1000.0] * 12, "baseline": [0] * 12}
        wfdb.wrsamp("L_2", write_dir=str(folder), **values | second)
        path = folder / "L.hea"
        path.write_text(f"{line}\n{segments}{COMMENTS}")
        return path
    return write


def test_segments_are_joined_as_wfdb_joins_them(long, signal):
    path = long()
    ours = read_recording(path)
    np.testing.assert_array_equal(ours.digital, signal(2500))
    np.testing.assert_array_equal(ours.physical(), wfdb.rdrecord(str(path.with_suffix(""))).p_signal)
    assert (ours.rate, ours.comments["dx"], ours.comments["age"]) == (500, "426783006", "44")


def test_a_layout_and_the_order_of_the_leads_in_it(long, signal):
    """Variable layout: the first segment has no samples, the others name their leads in an order of their own."""
    turned = [*range(6, 12), *range(6)]
    path = long("L/3 12 500 2500", "L_0 0\nL_1 1000\nL_2 1500\n", sig_name=[LEADS[place] for place in turned],
                d_signal=signal(2500)[1000:, turned].astype(np.int64))
    (path.parent / "L_0.hea").write_text(
        "L_0 12 500 0\n" + "".join(f"~ 0 1000(0)/mV 16 0 0 0 0 {lead}\n" for lead in LEADS))
    ours = read_recording(path)
    assert ours.flags == {"lead-order"}
    np.testing.assert_allclose(ours.physical(), wfdb.rdrecord(str(path.with_suffix(""))).p_signal, atol=1e-12)


def corrupt(path: Path) -> None:
    with open(path.with_name("L_1.mat"), "r+b") as stream:
        stream.seek(500)
        stream.write(b"\x12\x34")


BROKEN = {
    "outside": ("path", {"segments": "../L_1 1000\nL_2 1500\n"}, None),
    "absolute": ("path", {"segments": "/etc/passwd 1000\nL_2 1500\n"}, None),
    "itself": ("header", {"segments": "L 1000\nL_2 1500\n"}, None),
    "no numbers": ("header", {"segments": "L_1\nL_2\n"}, None),
    "other length": ("header", {"segments": "L_1 1001\nL_2 1500\n"}, None),
    "other sum": ("header", {"line": "L/2 12 500 2600"}, None),
    "other rate": ("header", {"line": "L/2 12 250 2500"}, None),
    "other gain": ("header", {"adc_gain": [200.0] * 12}, None),
    "absurd length": ("too-long", {"segments": "L_1 1000\nL_2 999999999999\n"}, None),
    "a gap": ("invalid-samples", {"line": "L/3 12 500 2600", "segments": "L_1 1000\n~ 100\nL_2 1500\n"}, None),
    "one is missing": ("missing-file", {}, lambda path: path.with_name("L_2.hea").unlink()),
    "its samples are missing": ("missing-file", {}, lambda path: path.with_name("L_2.dat").unlink()),
    "invalid samples": ("invalid-samples", {"d_signal": np.full((1500, 12), -2048)}, None),
    "wrong samples": ("checksum", {}, corrupt),
}


@pytest.mark.parametrize(("reason", "given", "change"), BROKEN.values(), ids=BROKEN.keys())
def test_what_is_wrong_with_a_piece_rejects_the_record(long, reason, given, change):
    path = long(**given)
    if change:
        change(path)
    with pytest.raises(Rejected) as caught:
        read_recording(path)
    assert caught.value.reason == reason


def test_pieces_are_no_records_of_their_own(long, record, signal, tmp_path):
    path = long()
    record("A1", signal(seed=3))
    assert headers_below(path.parent) == ["A1.hea", "L.hea"]
    made = prepare_shard(path.parent, "own", "1/1", RECIPES["study"], read_label_set(), tmp_path / "out", 0.0)
    assert (made.found, made.accepted) == (2, 2)
    rows = RECORDS.read(tmp_path / "out" / "records.parquet").set_index("record")
    assert rows.loc["own/L", ["length", "codes", "sex"]].tolist() == [2500, "426783006", "male"]


def test_pieces_that_share_the_samples_of_their_record_are_no_records(tmp_path):
    """L/2 of L_1 and L_2, all three with samples in L.dat: one record, not three across train, valid and test."""
    folder = tmp_path / "source"
    folder.mkdir()
    half = 500
    (folder / "L.dat").write_bytes(twelve_leads(2 * half).astype("<i2").tobytes())
    (folder / "L.hea").write_text(f"L/2 12 500 {2 * half}\nL_1 {half}\nL_2 {half}\n")
    for name, skipped in (("L_1", 0), ("L_2", half)):
        own = [f"L.dat 16+{24 * skipped} 1000(0)/mV 16 0 {lead}" for lead in LEADS]
        (folder / f"{name}.hea").write_text("\n".join([f"{name} 12 500 {half}", *own]) + "\n")
    assert headers_below(folder) == ["L.hea"]
