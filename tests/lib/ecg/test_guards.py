"""Each reason and each flag on a recording broken for it, and none of them on a sound one."""

from itertools import groupby

import numpy as np
import pytest

from ecgscale.contracts import LEADS
from ecgscale.contracts.labels import read_label_set
from ecgscale.ecg.datasets import challenge_comments
from ecgscale.ecg.guards import FLAGS, REASONS, Rejected, Scan, check_amplitude, check_limb_leads, longest_run, scan
from ecgscale.ecg.prepare import describe, inspect
from ecgscale.ecg.wfdb_record import read_recording

LABELS = read_label_set()


def outcome(path) -> set[str]:
    """{reason} of a rejected recording, the flags of an accepted one."""
    try:
        recording = read_recording(path)
        flags = inspect(recording)
    except Rejected as rejected:
        return {rejected.reason if rejected.detail else "no detail"}
    told = describe(recording, flags, LABELS, challenge_comments(recording.comments))
    return {flag for flag in told["flags"].split(";") if flag}


def rewritten(path, old: str, new: str, times: int = -1):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, times))
    return path


def patched(path, at: int, raw: bytes):
    matrix = path.with_suffix(".mat")
    content = bytearray(matrix.read_bytes())
    content[at : at + len(raw)] = raw
    matrix.write_bytes(content)
    return path


def changed(signal, lead: int, values) -> np.ndarray:
    digital = signal()
    digital[:, lead] = values
    return digital


BROKEN_HEADERS = {
    "no record line": ("header", lambda text: "# nothing\n"),
    "too few signal lines": ("header", lambda text: "\n".join(text.splitlines()[:6])),
    "signal line": ("header", lambda text: text.replace("16x1+24", "sixteen", 1)),
    "binary": ("header", lambda text: text + "\0"),
    "several segments": ("header", lambda text: text.replace("A0001 12", "A0001/2 12", 1)),
    "more segments than lines": ("header", lambda text: text.replace("A0001 12", "A0001/900 12", 1)),
    "huge count": ("header", lambda text: text.replace("A0001 12", "A0001 999999999", 1)),
    "number of 5000 digits": ("header", lambda text: text.replace(" 2500\n", " " + "9" * 5000 + "\n", 1)),
    "outside": ("path", lambda text: text.replace("A0001.mat", "../A0001.mat")),
    "other file": ("missing-file", lambda text: text.replace("A0001.mat", "A0002.mat")),
    "more samples than the file": ("truncated", lambda text: text.replace(" 2500\n", " 2501\n", 1)),
    "absurd length": ("too-long", lambda text: text.replace(" 2500\n", " 999999999999\n", 1)),
    "fewer samples than the matrix": ("matrix-header", lambda text: text.replace(" 2500\n", " 2400\n", 1)),
    "other offset": ("matrix-header", lambda text: text.replace("+24", "+20")),
    "unknown format": ("unreadable", lambda text: text.replace("16x1+24", "7x1+24")),
    "rate 0": ("rate", lambda text: text.replace(" 500 ", " 0 ", 1)),
    "rate missing": ("rate", lambda text: text.replace(" 500 2500", "", 1)),
    "rate in kHz": ("rate", lambda text: text.replace(" 500 ", " 0.5 ", 1)),
    "rate not a number": ("rate", lambda text: text.replace(" 500 ", " e5e ", 1)),
    "missing lead": ("missing-lead", lambda text: text.replace(" 0 V6", " 0 Resp")),
    "no names": ("missing-lead", lambda text: "\n".join(" ".join(line.split()[:8]) if ".mat" in line else line
                                                        for line in text.splitlines())),
    "lead twice": ("duplicate-lead", lambda text: text.replace(" 0 V6", " 0 V5")),
    "gain 0": ("gain", lambda text: text.replace("1000(0)", "0(0)", 1)),
    "gain infinite": ("gain", lambda text: text.replace("1000(0)", "1e999(0)", 1)),
    "gain not a number": ("gain", lambda text: text.replace("1000(0)", "much(0)", 1)),
    "unit": ("unit", lambda text: text.replace("/mV", "/mmHg", 1)),
    "checksum": ("checksum", lambda text: text.replace(" 0 V6", "1 0 V6")),
    "first sample": ("first-sample", lambda text: text.replace("16 0 ", "16 0 9", 1)),
}


@pytest.mark.parametrize(("reason", "change"), BROKEN_HEADERS.values(), ids=BROKEN_HEADERS.keys())
def test_a_broken_header_has_its_reason(record, reason, change):
    path = record()
    path.write_text(change(path.read_text()))
    assert outcome(path) == {reason}


def test_a_recording_without_samples(record):
    path = rewritten(record(digital=np.zeros((1, 12), np.int16)), "500 1\n", "500 0\n")
    path = patched(path, 8, b"\0")
    path.with_suffix(".mat").write_bytes(path.with_suffix(".mat").read_bytes()[:24])
    assert outcome(path) == {"too-short"}       # the matrix has no columns either


def test_a_broken_matrix_has_its_reason(record):
    assert outcome(patched(record(), 0, b"\x00\0\0\0")) == {"matrix-header"}       # doubles
    assert outcome(patched(record(), 4, b"\xc4\x09\0\0\x0c\0\0\0")) == {"matrix-header"}     # transposed
    assert outcome(patched(record(), 12, b"\1")) == {"matrix-header"}              # imaginary
    assert outcome(patched(record(), 20_000, b"\xff\x13")) == {"checksum"}
    path = record()
    matrix = path.with_suffix(".mat")
    whole = matrix.read_bytes()
    for size in (0, 10, 24, 30_000, len(whole) - 1):
        matrix.write_bytes(whole[:size])
        assert outcome(path) == {"truncated"}
    matrix.unlink()
    assert outcome(path) == {"missing-file"}


def test_a_file_holds_its_prolog_and_its_samples(record):
    """As wfdb, which skips the bytes that `+24` names: a file of samples alone is 24 bytes short."""
    path = rewritten(record(), ".mat", ".dat")
    content = path.with_suffix(".mat").read_bytes()
    path.with_suffix(".dat").write_bytes(content)
    assert outcome(path) == set()
    path.with_suffix(".dat").write_bytes(content[24:])
    assert outcome(path) == {"truncated"}


def test_a_header_that_cannot_be_opened(tmp_path):
    (tmp_path / "A0001.hea").mkdir()
    assert outcome(tmp_path / "A0001.hea") == {"unreadable"}


def test_a_broken_flac_file_is_unreadable(record):
    path = rewritten(record(), "16x1+24", "516x1+0")
    rewritten(path, ".mat", ".dat")
    path.with_suffix(".dat").write_bytes(b"fLaC" + bytes(100))
    assert outcome(path) == {"unreadable"}


def test_values_have_their_reason(record, signal):
    short = record(digital=signal(499))
    assert outcome(short) == {"too-short"}
    assert outcome(record(digital=np.full((2500, 12), 7, np.int16))) == {"no-signal"}
    assert outcome(record(gain=1)) == {"amplitude"}             # written as if one step were 1 mV
    assert outcome(record(unit="V")) == {"amplitude"}
    assert outcome(record(unit="nV")) == {"amplitude"}
    digital = signal()
    digital[100, 5] = -32768
    assert outcome(record(digital=digital)) == {"invalid-samples"}


def test_a_record_too_long_to_read_in_one_piece(record):
    path = record()
    samples = 60_000_000 // 12
    rewritten(path, " 2500\n", f" {samples}\n", 1)
    with open(path.with_suffix(".mat"), "r+b") as stream:       # a sparse file takes no room on disk
        stream.truncate(24 + 24 * samples)
        stream.seek(8)
        stream.write(samples.to_bytes(4, "little"))
    assert outcome(path) == {"too-long"}


@pytest.mark.parametrize(("unit", "gain"), [("mV", 1000), ("mv", 1000), ("MV", 1000), ("uV", 1), ("UV", 1), ("µV", 1),
                                            ("V", 1_000_000), ("nV", 0.001)])
def test_units_in_any_case_mean_the_same_voltage(record, signal, unit, gain):
    recording = read_recording(record(unit=unit, gain=gain))
    np.testing.assert_allclose(recording.millivolts(), signal() / 1000, rtol=1e-12)


def test_a_sound_recording_has_no_flag(record, signal):
    assert outcome(record()) == set()
    assert outcome(record(digital=np.rint(signal() / 4.88).astype(int).astype(np.int16), gain=1000 / 4.88)) == set()
    coarse = np.rint(np.rint(signal() / 4.88) * 4.88).astype(np.int16)     # as some sources are: coarser than written
    assert outcome(record(digital=coarse)) == set()


def flat_for_two_seconds(signal):
    digital = signal()
    digital[700:1700, 9] = digital[700, 9]
    return digital


def without_sum_of(path, lead: str):
    """The lead's line ends after gain, resolution, zero and name, as wfdb reads it too."""
    lines = [line if not line.endswith(f" {lead}") else " ".join([*line.split()[:5], lead])
             for line in path.read_text().splitlines()]
    path.write_text("\n".join(lines))
    return path


FLAGGED = {
    "lead-order": lambda record, signal: record(digital=signal()[:, ::-1], leads=LEADS[::-1]),
    "extra-lead": lambda record, signal: record(digital=np.hstack([signal(), signal()[:, :1]]), leads=(*LEADS, "VZ")),
    "no-checksum": lambda record, signal: without_sum_of(record(), "V6"),
    "flat-lead": lambda record, signal: record(digital=changed(signal, 8, 3)),
    "saturated-lead": lambda record, signal: record(digital=changed(signal, 8, np.clip(signal()[:, 8], -300, 300))),
    "high-amplitude": lambda record, signal: record(
        digital=changed(signal, 8, np.where(np.arange(2500) == 900, 32_000, signal()[:, 8]))),
    "limb-leads": lambda record, signal: record(digital=signal()[:, [1, 0, *range(2, 12)]]),
    "no-scored-label": lambda record, signal: record(dx="164873001"),
    "unknown-code": lambda record, signal: record(dx="426783006,1234567"),
    "repeated-code": lambda record, signal: record(dx="426783006,164889003,426783006"),
}


@pytest.mark.parametrize("flag", FLAGGED)
def test_each_flag(record, signal, flag):
    assert outcome(FLAGGED[flag](record, signal)) == {flag}


def test_the_longest_flat_stretch_is_that_of_runs_of_equal_samples():
    """Reference: itertools.groupby. From twice the block on it is exact; what only returns to a value is no run."""
    random = np.random.default_rng(5)
    for low in (1, 12, 40, 90):
        values = np.repeat(random.integers(0, 3, 400), random.integers(low, 2 * low, 400))
        longest = max(len(list(same)) for _, same in groupby(values.tolist()))
        found = longest_run(values, 20)
        assert found <= longest
        assert found == longest or longest < 40
    there_and_back = np.tile([7, 8], 500)
    assert longest_run(there_and_back, 20) == 0
    there_and_back[2:200:2] = there_and_back[3:200:2] = 7
    assert longest_run(there_and_back, 20) == 199


def test_a_stretch_of_two_seconds_is_flat_and_a_shorter_one_is_not(record, signal):
    for start in range(0, 1500, 97):
        digital = signal()
        digital[start : start + 1000, 9] = 5
        assert scan(np.ascontiguousarray(digital.T), 500.0).flat[9] >= 1000
        digital = signal()
        digital[start : start + 900, 9] = 5
        assert scan(np.ascontiguousarray(digital.T), 500.0).flat[9] < 1000


def test_no_diagnosis_is_also_no_scored_label(record):
    assert outcome(record(dx="")) == {"no-diagnosis", "no-scored-label"}
    assert outcome(record(dx="Unknown")) == {"no-diagnosis", "no-scored-label"}


def test_scan_equals_numpy(signal):
    rows = np.ascontiguousarray(signal().T)
    seen = scan(rows, 500.0)
    np.testing.assert_array_equal(seen.total, rows.sum(axis=1, dtype=np.int64))
    np.testing.assert_array_equal(seen.low, rows.min(axis=1))
    np.testing.assert_array_equal(seen.high, rows.max(axis=1))
    middle = rows.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(seen.deviation, np.abs(rows - middle).mean(axis=1), rtol=0.01)   # from a whole number
    steps = np.abs(np.diff(rows.astype(int), axis=1))
    np.testing.assert_array_equal(seen.step, np.where(steps > 0, steps, 1 << 20).min(axis=1))
    at_low, at_high = (rows == rows.min(axis=1)[:, None]).sum(axis=1), (rows == rows.max(axis=1)[:, None]).sum(axis=1)
    np.testing.assert_array_equal(seen.at_extreme, np.maximum(at_low, at_high))


def test_real_recordings_are_accepted_and_their_oddities_flagged(shared):
    """JS20004 and JS20008 have a lead of zeros throughout; HR06006 is clipped in II and aVF (56 samples at -375)."""
    found = {}
    for path in sorted((shared / "data" / "physionet2021").rglob("*.hea")):
        for flag in outcome(path) - {"no-scored-label", "repeated-code"}:
            found.setdefault(flag, []).append(path.stem)
    assert found == {"flat-lead": ["JS20004", "JS20008"], "saturated-lead": ["HR06006"]}


def test_bytes_changed_at_random_end_in_a_reason_not_in_a_crash(record, signal):
    path = record(digital=signal(600))
    matrix, rng = path.with_suffix(".mat"), np.random.default_rng(0)
    header, values = path.read_bytes(), matrix.read_bytes()
    words = [b"0", b"-1", b"9" * 12, b"1e309", b"nan", b":", b"+", b"/", b"(", b" ", b"\n", b"#", b"212", b"\xff"]
    seen = set()
    for _ in range(400):
        broken, place = bytearray(header), rng.integers(len(header))
        broken[place : place + rng.integers(4)] = words[rng.integers(len(words))]
        spoiled = bytearray(values)
        spoiled[rng.integers(24 if rng.random() < 0.3 else len(values))] = rng.integers(256)
        path.write_bytes(broken)
        matrix.write_bytes(spoiled if rng.random() < 0.5 else values)
        seen |= outcome(path)
    assert len(seen & set(REASONS)) > 8
    assert seen <= set(REASONS) | set(FLAGS)


def test_every_code_says_what_it_means():
    assert all(meaning and meaning == meaning.strip() for meaning in (REASONS | FLAGS).values())
    assert not set(REASONS) & set(FLAGS)


def test_limb_leads_agree_whatever_gain_and_baseline_each_has():
    """Einthoven's and Goldberger's identities are of millivolts, not of the numbers in the file."""
    one, two = np.random.default_rng(1).normal(0, 0.3, (2, 2000))
    millivolts = np.stack([one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2, *[one] * 6])
    gain, baseline = np.array([1000.0, 800, 500, 400, 250, 200, *[1000] * 6]), 37.0 * np.arange(12)
    rows = np.rint(millivolts * gain[:, None] + baseline[:, None]).astype(np.int16)
    assert check_limb_leads(rows, scan(rows, 500.0), gain, baseline, np.ones(12)) == set()
    rows[2] += 50
    assert check_limb_leads(rows, scan(rows, 500.0), gain, baseline, np.ones(12)) == {"limb-leads"}


@pytest.mark.parametrize(("edge", "beyond"), [(1.0, 0.999), (5000.0, 5001.0)])
def test_a_microvolt_and_five_millivolts_are_still_accepted(edge, beyond):
    """As the reason says: above 5 mV, or below 1 uV. 1000 steps a mV."""
    def check(deviation: float) -> set[str]:
        none, some = np.zeros(1), np.full(1, deviation)
        seen = Scan(total=none, low=-some, high=some, at_extreme=none, deviation=some, step=none, flat=none)
        return check_amplitude(seen, np.full(1, 1000.0), np.ones(1), ["I"])

    assert check(edge) == set()
    with pytest.raises(Rejected, match="mean deviation"):
        check(beyond)
