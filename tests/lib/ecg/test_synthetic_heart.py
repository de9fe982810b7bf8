"""Each diagnosis is read off the finished samples with the criterion that cardiologists use, not off the parameters.

Criteria: AHA/ACCF/HRS recommendations (Circulation 2009); Bazett's QTc; Einthoven's and Goldberger's lead identities.
The times of the beats are the planted ones; that they are where the samples beat has its own test.
"""

from copy import deepcopy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import binary_closing, uniform_filter1d
from scipy.signal import butter, find_peaks, periodogram, sosfiltfilt

from ecgscale.contracts import LEADS
from ecgscale.ecg.synthetic_diagnoses import EXCLUDES, RHYTHMS, UNSCORED, draw_body, heart_with
from ecgscale.ecg.synthetic_heart import PREMATURE_ATRIAL, PREMATURE_VENTRICULAR, QRS, Heart, beats, leads, shaped

RATE, SECONDS = 500, 14.0
BEFORE = 140            # samples of a mean beat that come before its QRS onset
SEEDS = range(8)


class Ecg:
    """One recording without hum, in mV, and what a cardiologist measures on it."""

    def __init__(self, *diagnoses: str, seed: int = 0, difficulty: float = 0.0):
        rng = np.random.default_rng([seed, *map(ord, "".join(diagnoses))])
        body = draw_body(diagnoses, rng)
        heart = heart_with(diagnoses, body, difficulty, rng)
        planted = beats(heart, SECONDS - 1 / RATE, deepcopy(rng))
        self.samples = leads(heart, SECONDS, RATE, difficulty, 50.0, rng)
        self.mv = dict(zip(LEADS, uniform_filter1d(self.samples / 1000.0, 5, axis=1), strict=True))
        inside = (planted.onset > 0.5) & (planted.onset < SECONDS - 1)
        self.onset, self.rr, self.kind = planted.onset[inside], planted.rr[inside], planted.kind[inside]

    def mean_beat(self, lead: str, kind: int | None = None) -> np.ndarray:
        """Median of the beats (conducted ones, or of one kind); QRS onset at BEFORE, PQ segment as zero."""
        chosen = self.kind != PREMATURE_VENTRICULAR if kind is None else self.kind == kind
        starts = np.rint(self.onset[chosen] * RATE).astype(int) - BEFORE
        cut = np.array([self.mv[lead][start:start + 440] for start in starts])
        return np.median(cut - cut[:, BEFORE - 12:BEFORE - 6].mean(axis=1, keepdims=True), axis=0)

    def qrs(self, lead: str) -> np.ndarray:
        """The mean beat from its onset for 190 ms."""
        return self.mean_beat(lead)[BEFORE:BEFORE + 95]

    def qrs_seconds(self, kind: int | None = None) -> float:
        """Time in which the mean beat moves faster than an eighth of its fastest, gaps up to 30 ms included."""
        mean = np.array([self.mean_beat(lead, kind) for lead in LEADS])[:, BEFORE - 10:BEFORE + 110]
        speed = uniform_filter1d(np.sqrt((np.diff(mean, axis=1) ** 2).sum(axis=0)), 3)
        fast = np.flatnonzero(binary_closing(np.pad(speed > speed.max() / 8, 15), np.ones(15))[15:-15])
        return max(map(len, np.split(fast, np.flatnonzero(np.diff(fast) > 1) + 1))) / RATE

    def axis_degrees(self) -> float:
        """Frontal QRS axis from the net areas of I and aVF."""
        return float(np.degrees(np.arctan2(self.qrs("aVF").sum() * 2 / np.sqrt(3), self.qrs("I").sum())))

    def t_peak(self, lead: str) -> tuple[float, float]:
        """Seconds after QRS onset and mV of the largest deflection from 180 ms on, before the next beat's P wave."""
        last = int(min(0.60, 0.75 * np.median(self.rr)) * RATE)
        beat = self.mean_beat(lead)[BEFORE + 90:BEFORE + last]
        place = np.abs(beat).argmax()
        return place / RATE + 0.18, float(beat[place])


def ecgs(*diagnoses: str) -> list[Ecg]:
    return [Ecg(*diagnoses, seed=seed) for seed in SEEDS]


def test_limb_lead_identities():
    """Einthoven exactly; Goldberger to the half step that rounding leaves."""
    for ecg in (Ecg("NSR", difficulty=1.0), Ecg("AF", "RBBB", difficulty=0.5)):
        one, two, three, avr, avl, avf = ecg.samples[:6].astype(int)
        assert (three == two - one).all()
        for derived, doubled in ((avr, -one - two), (avl, 2 * one - two), (avf, 2 * two - one)):
            assert np.abs(2 * derived - doubled).max() <= 1


@pytest.mark.parametrize("diagnosis", ["NSR", "SB", "STach", "RBBB", "LQT"])
def test_samples_beat_where_planted(diagnosis):
    """A QRS detector (band-passed energy over all leads) finds each planted beat and no other."""
    band = butter(2, (5, 18), "bandpass", fs=RATE, output="sos")
    for ecg in ecgs(diagnosis):
        energy = uniform_filter1d((sosfiltfilt(band, ecg.samples / 1000.0) ** 2).sum(axis=0), 65)
        found = find_peaks(energy, height=0.25 * energy.max(), distance=int(0.28 * RATE))[0] / RATE
        found = found[(found > ecg.onset[0]) & (found < ecg.onset[-1] + 0.15)]
        assert len(found) == len(ecg.onset)
        assert np.ptp(found - ecg.onset) < 0.03


@pytest.mark.parametrize(("diagnosis", "low", "high"), [
    ("NSR", 59, 101), ("SB", 30, 60), ("STach", 99, 165), ("Brady", 30, 60), ("PR", 55, 92)])
def test_rate(diagnosis, low, high):
    assert all(low < 60 / ecg.rr.mean() < high for ecg in ecgs(diagnosis))


def test_rhythm_is_irregular_only_where_it_should_be():
    """Coefficient of variation of RR: fibrillation above a tenth, regular rhythms below a twentieth."""
    def variation(diagnosis: str) -> list[float]:
        return [ecg.rr.std() / ecg.rr.mean() for ecg in ecgs(diagnosis)]

    assert min(variation("AF")) > 0.10
    assert all(np.ptp(ecg.rr) > 0.12 for ecg in ecgs("SA"))              # definition: PP differs by more than 120 ms
    for diagnosis in ("NSR", "STach", "PR", "SB"):
        assert max(variation(diagnosis)) < 0.05


def p_peak(ecg: Ecg) -> tuple[float, float]:
    """Seconds before QRS onset and mV of lead II's last peak before the QRS; nan where there is none."""
    beat = ecg.mean_beat("II")[:BEFORE - 15]
    peaks, found = find_peaks(beat, prominence=0.02)
    return ((BEFORE - peaks[-1]) / RATE, found["prominences"][-1]) if len(peaks) else (np.nan, np.nan)


def test_p_waves():
    """Before each sinus beat; none in fibrillation, ventricular pacing from the atria's silence, junctional rhythm."""
    assert all(p_peak(ecg)[1] > 0.05 for ecg in ecgs("NSR"))
    assert np.nanmedian([p_peak(ecg)[1] for ecg in ecgs("AF")] + [0.0]) < 0.05


def test_pr_interval():
    """P peak to QRS is PR less about 60 ms: at most 0.2 s in sinus rhythm, more in first-degree block."""
    usual = [p_peak(ecg)[0] for ecg in ecgs("NSR")]
    assert 0.06 < min(usual) < max(usual) < 0.15
    for diagnosis in ("IAVB", "LPR"):
        found = [p_peak(ecg)[0] for ecg in ecgs(diagnosis)]
        assert min(found) > 0.145
        assert np.median(found) > np.median(usual) + 0.05


def test_flutter_waves_of_240_to_340_a_minute():
    """Away from the QRS, aVF holds a spectral line of that rate and some tenths of a millivolt; in sinus rhythm not."""
    def line(ecg: Ecg) -> float:
        quiet = ecg.mv["aVF"].copy()
        for start in np.rint(ecg.onset * RATE).astype(int):
            quiet[start - 5:start + 60] = np.linspace(quiet[start - 5], quiet[start + 59], 65)
        frequency, power = periodogram(quiet, RATE, scaling="spectrum")
        return float(np.sqrt(2 * power[(frequency > 3.9) & (frequency < 5.8)].max()))

    assert min(line(ecg) for ecg in ecgs("AFL")) > 1.3 * max(line(ecg) for ecg in ecgs("NSR"))


@pytest.mark.parametrize(("diagnosis", "low", "high"), [
    ("NSR", 0.060, 0.110), ("LAnFB", 0.070, 0.120), ("IRBBB", 0.090, 0.122), ("NSIVCB", 0.105, 0.150),
    ("RBBB", 0.120, 0.190), ("LBBB", 0.120, 0.190), ("BBB", 0.120, 0.190), ("PR", 0.130, 0.200)])
def test_qrs_duration(diagnosis, low, high):
    found = [ecg.qrs_seconds() for ecg in ecgs(diagnosis)]
    assert low < min(found) < max(found) < high


def test_right_bundle_branch_block():
    """Late R' in V1, late S in I and V6."""
    for ecg in ecgs("RBBB"):
        assert ecg.qrs("V1")[45:70].max() > 0.2
        assert ecg.qrs("I")[40:70].min() < -0.1
        assert ecg.qrs("V6")[40:70].min() < -0.15


def test_left_bundle_branch_block():
    """V1 negative, no q and a broad R in I and V6, T waves opposite to the QRS there."""
    for ecg in ecgs("LBBB"):
        assert ecg.qrs("V1").max() < 0.1
        assert ecg.qrs("V1").min() < -0.5
        for lead in ("I", "V6"):
            assert ecg.qrs(lead)[:40].min() > -0.06
            assert (ecg.qrs(lead) > 0.3 * ecg.qrs(lead).max()).sum() / RATE > 0.07
            assert ecg.t_peak(lead)[1] < 0


def test_axis():
    assert all(-30 < ecg.axis_degrees() < 90 for ecg in ecgs("NSR"))
    assert all(-90 < ecg.axis_degrees() < -30 for ecg in ecgs("LAD"))
    assert all(90 < ecg.axis_degrees() < 180 for ecg in ecgs("RAD"))


@pytest.mark.parametrize("shape", QRS)
def test_the_waves_of_a_qrs_follow_each_other_within_its_duration(shape):
    """By the definition of a duration: a wave beyond it would be a beat that lasts longer than is said."""
    centre, width = QRS[shape][:, :2].T
    assert (np.diff(centre) > 0).all()
    assert 0 < (centre - width).min() < (centre + width).max() < 1


@pytest.mark.parametrize("axis", [-60, 0, 45, 120])
def test_the_net_force_of_a_beat_points_along_its_axis(axis):
    """Area is height times width: what a cardiologist counts in I and aVF."""
    waves = shaped(Heart(axis=axis))
    across, down = waves[:, 1] @ waves[:, 2:4]
    assert np.degrees(np.arctan2(down, across)) == pytest.approx(axis)


def test_left_anterior_fascicular_block():
    """Axis -45 degrees and beyond, qR in aVL, rS in II, III, aVF."""
    for ecg in ecgs("LAnFB", "LAD"):
        assert -90 < ecg.axis_degrees() < -40
        assert ecg.qrs("aVL")[:20].min() < -0.02 < 0.2 < ecg.qrs("aVL").max()
        for lead in ("II", "III", "aVF"):
            assert ecg.qrs(lead)[:20].max() > 0.03
            assert -ecg.qrs(lead).min() > ecg.qrs(lead).max()


def test_low_voltage():
    """Peak to peak QRS below 0.5 mV in all limb leads and below 1.0 mV in all chest leads; not so in sinus rhythm."""
    def highest(ecg: Ecg, names: tuple[str, ...]) -> float:
        return max(np.ptp(ecg.qrs(lead)[:60]) for lead in names)

    for ecg in ecgs("LQRSV"):
        assert highest(ecg, LEADS[:6]) < 0.5
        assert highest(ecg, LEADS[6:]) < 1.0
    assert all(highest(ecg, LEADS[:6]) > 0.55 for ecg in ecgs("NSR"))


def qtc_seconds(ecg: Ecg) -> float:
    """End of T by the tangent at its steepest fall in V4, over the root of RR (Bazett)."""
    place = BEFORE + int(ecg.t_peak("V4")[0] * RATE)
    fall = uniform_filter1d(ecg.mean_beat("V4"), 9)[place:place + 60]
    slope = np.diff(fall)
    steepest = slope.argmin()
    foot = np.median(ecg.mean_beat("V4")[:20]) * 0.0
    end = place + steepest + (fall[steepest] - foot) / -slope[steepest]
    return (end - BEFORE) / RATE / np.sqrt(np.mean(ecg.rr))


def test_qt_interval():
    """QTc up to 450 ms in sinus rhythm (460 in women), above in long QT."""
    usual, long = ([qtc_seconds(ecg) for ecg in ecgs(name)] for name in ("NSR", "LQT"))
    assert 0.33 < min(usual) < max(usual) < 0.46
    assert min(long) > 0.45


def test_t_waves():
    def lateral(ecg: Ecg) -> np.ndarray:
        return np.array([ecg.t_peak(lead)[1] for lead in ("I", "II", "V2", "V3", "V4", "V5", "V6")])

    sinus = [lateral(ecg) for ecg in ecgs("NSR")]
    assert min(map(min, sinus)) > 0
    assert all(lateral(ecg).min() < -0.1 for ecg in ecgs("TInv"))
    assert np.median([abs(lateral(ecg)).max() for ecg in ecgs("TAb")]) < 0.6 * np.median([max(one) for one in sinus])


def test_q_waves():
    """Below -0.1 mV for 30 ms before any R, in I, II, aVF or V2."""
    def widest(ecg: Ecg) -> float:
        longest = 0
        for lead in ("I", "II", "aVF", "V2"):
            qrs = ecg.qrs(lead)
            rises = np.flatnonzero(qrs > 0.05)
            longest = max(longest, (qrs[: rises[0] if len(rises) else 40] < -0.1).sum())
        return longest / RATE

    assert all(widest(ecg) >= 0.026 for ecg in ecgs("QAb"))
    assert all(widest(ecg) < 0.02 for ecg in ecgs("NSR"))


def test_poor_r_progression():
    """R of V3 at most 0.3 mV; in sinus rhythm it is higher."""
    assert all(ecg.qrs("V3").max() <= 0.3 for ecg in ecgs("PRWP"))
    assert np.median([ecg.qrs("V3").max() for ecg in ecgs("NSR")]) > 0.5


@pytest.mark.parametrize(("diagnosis", "kind", "low", "high"), [
    ("PAC", PREMATURE_ATRIAL, 1.6, 1.93), ("PVC", PREMATURE_VENTRICULAR, 1.93, 2.07)])
def test_premature_beats(diagnosis, kind, low, high):
    """Early, then a pause: the two intervals make two usual ones after a ventricular beat, less after an atrial."""
    sums = []
    for ecg in ecgs(diagnosis):
        early = np.flatnonzero(ecg.kind[:-1] == kind)
        assert len(early) >= 1
        assert (ecg.rr[early] < 0.82 * np.median(ecg.rr)).all()
        sums += list((ecg.rr[early] + ecg.rr[early + 1]) / np.median(ecg.rr))
    assert low < np.median(sums) < high


def test_no_ectopic_recording_without_an_ectopic_beat():
    """However mild: where both labels say premature beats, ten seconds hold one of each."""
    for seed in range(60):
        rng = np.random.default_rng(seed)
        heart = heart_with(["PAC", "PVC"], draw_body(["PAC", "PVC"], rng), 1.0, rng)
        made = beats(heart, 10.0, rng)
        inside = (made.onset > 0) & (made.onset < 9.8)
        assert {PREMATURE_ATRIAL, PREMATURE_VENTRICULAR} <= set(made.kind[inside])


def test_premature_ventricular_beats_are_wide_and_their_t_wave_turns():
    for ecg in ecgs("PVC"):
        assert ecg.qrs_seconds(PREMATURE_VENTRICULAR) > 0.115 > ecg.qrs_seconds()
        lead = max(LEADS, key=lambda name: np.ptp(ecg.mean_beat(name, PREMATURE_VENTRICULAR)))
        beat = ecg.mean_beat(lead, PREMATURE_VENTRICULAR)[BEFORE:]
        qrs, t_wave = beat[:85], beat[105:250]
        assert qrs[abs(qrs).argmax()] * t_wave[abs(t_wave).argmax()] < 0


def test_pacing_spikes():
    """A deflection of some milliseconds right before each wide QRS, which no other rhythm has."""
    def sharpest(ecg: Ecg) -> float:
        jumps = np.abs(np.diff(ecg.samples[1].astype(float), 2))
        return float(np.median([jumps[round(at * RATE) - 12:round(at * RATE)].max() for at in ecg.onset]))

    assert min(sharpest(ecg) for ecg in ecgs("PR")) > 3 * max(sharpest(ecg) for ecg in ecgs("LBBB"))


def test_difficulty_adds_noise():
    def noise(difficulty: float) -> float:
        return float(np.median([np.diff(Ecg("NSR", seed=seed, difficulty=difficulty).samples[7].astype(float), 2).std()
                                for seed in range(4)]))

    assert noise(0.0) < 0.5 * noise(0.5) < 0.5 * noise(1.0)


GOLDEN = Path(__file__).parent / "synthetic_hearts.csv"
EVERY = ("", *RHYTHMS, *EXCLUDES, *UNSCORED)


def fingerprint(diagnosis: str) -> pd.DataFrame:
    """Standard deviation and mean speed of each lead, of four hearts with the diagnosis: (4 rows, 24 columns) in uV."""
    rows = {}
    for seed in range(4):
        samples = Ecg(*filter(None, [diagnosis]), seed=seed, difficulty=0.5).samples
        rows[f"{diagnosis or 'none'} {seed}"] = [*samples.std(axis=1), *np.abs(np.diff(samples, axis=1)).mean(axis=1)]
    return pd.DataFrame.from_dict(rows, orient="index", columns=[*LEADS, *(f"speed {lead}" for lead in LEADS)])


def test_hearts_of_a_seed_stay_what_they_are():
    """Figures of the demo and of the docs rest on them. Meant to change? `python -m tests.lib.ecg.test_synthetic_heart`
    writes the file anew; the demo's figures change with it."""
    now = pd.concat(map(fingerprint, EVERY))
    pd.testing.assert_frame_equal(now, pd.read_csv(GOLDEN, index_col=0), rtol=1e-4, check_names=False)


if __name__ == "__main__":
    pd.concat(map(fingerprint, EVERY)).to_csv(GOLDEN, float_format="%.6g")
