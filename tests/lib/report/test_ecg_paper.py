"""Recordings on ECG paper: planted pulses measured on the drawing with a ruler.

Reference: the standard sheet of 25 mm/s and 10 mm/mV, small squares of 1 mm and large ones of 5 mm (Kligfield et al.,
Circulation 2007).
"""

import re

import numpy as np
import pytest
from PIL import Image

from ecgscale.report import ecg_paper


def ruler(svg: str) -> float:
    """Millimetres of one unit of the drawing, the same along and up."""
    width, height = (float(re.search(rf'<svg[^>]* {name}="([\d.]+)mm"', svg)[1]) for name in ("width", "height"))
    _, _, along, up = map(float, re.search(r'viewBox="([^"]*)"', svg)[1].split())
    assert width / along == pytest.approx(height / up)
    return width / along


def points(svg: str, kind: str) -> list[np.ndarray]:
    """(point, 2) in mm of every line of this class."""
    found = []
    for start, steps in re.findall(rf'<path class="{kind}" d="M([^l]*)l([^"]*)"', svg):
        numbers = np.array(re.findall(r"-?\d+", steps), dtype=float).reshape(-1, 2)
        found.append(ruler(svg) * np.cumsum(np.vstack([np.array(start.split(), dtype=float), numbers]), axis=0))
    return found


def sheet(values: np.ndarray, leads=ecg_paper.LEADS) -> str:
    return ecg_paper.draw(values, 500.0, "x", "", "", leads).svg


def test_a_pulse_of_1_mv_for_1_s_is_10_mm_high_and_25_mm_long():
    values = np.zeros((5000, 12))
    values[500:1000, 0] = 1.0                                   # lead I, from 1 s to 2 s
    (lead,) = points(sheet(values), "lead I")
    up = np.flatnonzero(lead[:, 1] < lead[0, 1] - 5)
    assert lead[0, 1] - lead[up, 1] == pytest.approx(np.full(500, 10.0))
    assert lead[up[0], 0] - lead[0, 0] == pytest.approx(25.0)
    assert lead[up[-1], 0] - lead[up[0], 0] == pytest.approx(25.0 * 499 / 500)
    assert lead[-1, 0] - lead[0, 0] == pytest.approx(2.5 * 25, abs=0.06)


def test_the_pulse_before_each_row_is_1_mv_of_200_ms():
    pulses = points(sheet(np.zeros((5000, 12))), "pulse")
    assert len(pulses) == 4
    for pulse in pulses:
        assert np.ptp(pulse[:, 1]) == pytest.approx(10)
        assert np.ptp(pulse[pulse[:, 1] == pulse[:, 1].min(), 0]) == pytest.approx(5)


def test_squares_are_1_and_5_mm():
    svg = sheet(np.zeros((5000, 12)))
    sides = {name: float(side) * ruler(svg) for name, side in re.findall(
        r'<pattern id="squares-(\d)" width="(\d+)" height="\2" patternUnits="userSpaceOnUse">', svg)}
    assert sides == pytest.approx({"1": 1.0, "5": 5.0})


def test_twelve_leads_stand_in_three_rows_of_four_above_lead_ii():
    """Each lead is a ramp of its own step, so that the piece that is drawn tells lead and time."""
    seconds = np.arange(5000) / 500
    values = np.stack([0.01 * (lead + 1) * seconds for lead in range(12)], axis=1)
    svg = sheet(values)
    for lead, name in enumerate(ecg_paper.LEADS):
        column, row = divmod(lead, 3)
        piece = points(svg, f"lead {name}")[0]
        assert len(piece) == 1250
        start = 10 + 62.5 * column
        assert piece[0] == pytest.approx([start, 30 * row + 15 - 0.1 * (lead + 1) * 2.5 * column], abs=0.006)
    whole = points(svg, "lead II")[1]
    assert len(whole) == 5000
    assert whole[-1] == pytest.approx([10 + 250 - 0.05, 105 - 0.2 * 9.998], abs=0.006)
    assert re.findall(r">([\w ,/]+)</text>", svg) == [
        "I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6", "II", "25 mm/s, 10 mm/mV"]


def test_rounding_does_not_add_up():
    """Steps are whole hundredths of a millimetre, each to where the signal is, not from where the last one was."""
    values = np.random.default_rng(0).normal(0, 0.3, (5000, 12))
    whole = points(sheet(values), "lead II")[1]
    assert np.abs(105 - whole[:, 1] - 10 * values[:, 1]).max() <= 0.0051


def test_fewer_leads_are_drawn_in_rows_of_their_own():
    svg = sheet(np.stack([np.full(5000, 0.5), np.full(5000, -0.5)], axis=1), ("II", "V5"))
    (upper,), (lower,) = points(svg, "lead II"), points(svg, "lead V5")
    assert len(upper) == len(lower) == 5000
    assert lower[0, 1] - upper[0, 1] == pytest.approx(40)       # 30 mm below, and 1 mV = 10 mm less
    assert "lead II, V5" in ecg_paper.draw(np.zeros((5000, 2)), 500.0, "x", "", "", ("II", "V5")).alt


def test_a_short_recording_leaves_the_paper_empty():
    svg = sheet(np.zeros((1500, 12)))
    lengths = {name: [len(one) for one in points(svg, f"lead {name}")] for name in ecg_paper.LEADS}
    assert [lengths[name][0] for name in ("I", "II", "III", "aVR")] == [1250, 1250, 1250, 250]
    assert lengths["II"] == [1250, 1500]
    assert lengths["V1"] == lengths["V6"] == []


def test_files_are_light_to_scale_and_name_synthetic_data(tmp_path):
    values = np.random.default_rng(0).normal(0, 0.2, (5000, 12))
    drawn = ecg_paper.draw(values, 500.0, "ptb/<x>", "", "", title="Wrong: <x>")
    inlined = ecg_paper.save(drawn, tmp_path, True)
    text = (tmp_path / f"{drawn.name}.svg").read_text()
    assert "SYNTHETIC DATA · Wrong: &lt;x&gt;" in text
    assert len(inlined) < 200_000
    ids = re.findall(r'id="([^"]*)"', inlined)
    assert re.fullmatch("ecg-ptb--x--[0-9a-f]{6}", drawn.name)
    assert ids == [f"{drawn.name}-squares-1", f"{drawn.name}-squares-5"]
    assert all(f"url(#{name})" in inlined for name in ids)
    picture = Image.open(tmp_path / f"{drawn.name}.png")
    assert picture.width / 272 == pytest.approx(1.5 * 96 / 25.4, rel=0.01)      # 10 s, pulse and margins
    pink, black = (np.abs(np.asarray(picture.convert("RGB")).astype(int) - shade).sum(axis=2) < 60
                   for shade in ([232, 169, 160], [27, 31, 36]))
    assert pink.mean() > 0.02
    assert black.mean() > 0.005
    ecg_paper.save(drawn, tmp_path, False)
    assert "SYNTHETIC" not in (tmp_path / f"{drawn.name}.svg").read_text()


def test_recordings_have_figures_of_their_own():
    """The report finds a recording's picture by this name: `a-b/1` and `a_b/1` had one, and one was shown for both."""
    assert ecg_paper.file_name("georgia/A0") == "ecg-georgia-A0"
    alike = ("a/b", "a-b", "a_b", "a-b/1", "a_b/1", "a/b-1", "a/b/1", "a/A\u0308", "a/A-", "a/x1", "a/X1")
    assert len({ecg_paper.file_name(record).lower() for record in alike}) == len(alike)
