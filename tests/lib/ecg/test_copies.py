"""The same heart twice, planted: copies at another rate, gain, length, beginning and filter, among other hearts."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.signal import butter, resample_poly, sosfiltfilt

from ecgscale.ecg import copies
from ecgscale.ecg.copies import find_copies
from ecgscale.ecg.recipe import RECIPES, prepare

RATE = 500


def heart(seed: int, seconds: float = 10) -> np.ndarray:
    """(samples, 12) millivolts at 500 Hz: beats of one shape at irregular moments, and noise below 40 Hz."""
    rng = np.random.default_rng(seed)
    times = np.arange(int(seconds * RATE)) / RATE
    pace = rng.uniform(0.6, 1.1)
    moments = np.cumsum(pace + rng.normal(0, 0.03, 40))
    shape = rng.normal(0, 0.4, (3, 12))
    signal = sum(height * np.exp(-0.5 * ((times[:, None] - moment - delay) / width) ** 2)
                 for moment in moments for height, delay, width in zip(shape, (-0.16, 0, 0.25), (0.03, 0.012, 0.06),
                                                                       strict=True))
    noise = sosfiltfilt(butter(3, 40, fs=RATE, output="sos"), rng.normal(0, 0.05, signal.shape), axis=0)
    return 3 * signal + noise


def groups(recordings: list[tuple[np.ndarray, float]]) -> np.ndarray:
    made = [prepare(np.ascontiguousarray(signal), rate, RECIPES["study-100"]) for signal, rate in recordings]

    class Corpus(SimpleNamespace):
        def __len__(self):
            return len(made)

        def close(self):
            pass

    return find_copies(Corpus(rate=100.0, signal=lambda index: made[index].astype(np.float16)))


COPIES = {
    "100 Hz": lambda x: (resample_poly(x, 1, 5, axis=0), 100),
    "250 Hz": lambda x: (resample_poly(x, 1, 2, axis=0), 250),
    "gain": lambda x: (2.5 * x, RATE), "offset": lambda x: (x + 0.3, RATE),
    "first half": lambda x: (x[: len(x) // 2], RATE), "later part": lambda x: (x[1237:], RATE),
    "0.5 to 25 Hz": lambda x: (sosfiltfilt(butter(2, (0.5, 25), "bandpass", fs=RATE, output="sos"), x, axis=0), RATE),
    "1 uV": lambda x: (np.rint(x * 1000) / 1000, RATE)}


@pytest.mark.parametrize("kind", COPIES)
def test_a_copy_is_found_among_other_hearts(kind):
    found = groups([(heart(seed), RATE) for seed in range(12)] + [COPIES[kind](heart(5))])
    assert found[12] == found[5] >= 0
    assert (np.delete(found, [5, 12]) == -1).all()


@pytest.mark.parametrize("samples", [1, 2000, 4000])
def test_blocks_of_any_size_find_the_same(monkeypatch, samples):
    hearts = [(heart(seed), RATE) for seed in (0, 1, 2, 1, 3, 0, 1)]
    at_once = groups(hearts)
    monkeypatch.setattr(copies, "SAMPLES_AT_ONCE", samples)
    np.testing.assert_array_equal(groups(hearts), at_once)
    assert at_once.tolist() == [0, 1, -1, 1, -1, 0, 1]


def test_a_few_recordings_at_a_time_find_the_same(monkeypatch):
    hearts = [(heart(seed), RATE) for seed in (0, 1, 2, 1, 3, 0, 1)]
    at_once = groups(hearts)
    monkeypatch.setattr(copies, "RECORDINGS_AT_ONCE", 2)
    np.testing.assert_array_equal(groups(hearts), at_once)
    assert len({*at_once.tolist()}) == 3                # two hearts with copies, and -1


@pytest.mark.parametrize("kind", COPIES)
def test_a_copy_is_found_in_one_lead(kind):
    hearts = [heart(seed)[:, 1:2] for seed in range(12)]
    found = groups([(x, RATE) for x in hearts] + [COPIES[kind](hearts[5])])
    assert found[12] == found[5] >= 0
    assert (np.delete(found, [5, 12]) == -1).all()


def test_two_seconds_are_enough_where_both_begin_together():
    """Two or three beats, of which the first stands at the edge that a filter bends."""
    hearts = [heart(seed, 2) for seed in range(12)]
    found = groups([(x, RATE) for x in hearts] + [(resample_poly(x, 1, 5, axis=0), 100) for x in hearts])
    assert (found[:12] == found[12:]).all()
    assert len(set(found) - {-1}) >= 11     # one may have a single beat


def test_other_recordings_of_one_heart_are_no_copies():
    """One shape of beats at other moments with other noise."""
    long = heart(3, 40)
    assert (groups([(long[first : first + 5000], RATE) for first in (0, 5000, 10000, 15000)]) == -1).all()


@pytest.mark.parametrize("noise", [0.05, 0.3])
def test_what_lies_as_well_a_beat_further_on_is_no_copy(noise):
    """A pacemaker on two days: beats 0.8 s apart on both, and the noise of each day. In PTB-XL nine of ten pairs that
    correlate by 0.9 are such. Its copies differ by a little of their own."""
    rng = np.random.default_rng(2)
    beat = np.tile(rng.normal(size=(80, 12)), (13, 1))[:1000]
    one, other = (beat + rng.normal(0, noise, beat.shape) for _ in range(2))
    copy = 2 * one + rng.normal(0, noise / 5, beat.shape)
    assert copies.correlation(*(x.astype(np.float32) for x in (one, other)), 0, 200) > 0.9
    assert not copies.are_copies(one, other, 0, 80, 200)
    assert copies.are_copies(one, copy, 0, 80, 200)
    assert copies.are_copies(one[300:], copy, -300, 80, 200)


def test_two_pieces_of_one_recording_that_share_half_are_no_copies():
    """Three quarters of the shorter one have to be the same; of nine tenths they are."""
    long = heart(3, 20)
    assert groups([(long[first : first + 5000], RATE) for first in (0, 2500)]).tolist() == [-1, -1]
    assert groups([(long[first : first + 5000], RATE) for first in (0, 500)]).tolist() == [0, 0]


@pytest.mark.parametrize(("later", "expected"), [(200, True), (240, True), (260, False), (400, False)])
def test_three_quarters_of_the_shorter_recording_are_shared_at_least(later, expected):
    long = np.random.default_rng(1).normal(size=(1400, 12)).astype(np.float32)
    assert copies.are_copies(long[:1000], long[later : later + 1000], later, 80, 200) is expected


def test_a_beat_is_the_median_of_the_recordings_own_intervals():
    moments = np.array([0, 800, 1800, 2900, 100, 700, 1200])        # ms: 800, 1000, 1100; 600, 500
    every = copies.Beats(moments, np.empty((7, 0), np.int8), np.array([4, 7]))
    assert [copies.beat_of(every, owner, 100.0) for owner in (0, 1)] == [100, 55]


def test_recordings_without_beats_have_no_copies():
    assert (groups([(np.zeros((5000, 12)), RATE), (np.full((5000, 12), 0.1), RATE)]) == -1).all()
    assert not len(groups([]))


@pytest.mark.parametrize("leads", [1, 12])
def test_of_many_hearts_that_beat_alike_few_pairs_are_compared(monkeypatch, leads):
    """Beats of one lead point one way in every heart, and those of a generator in all leads; without their moments half
    a percent of all pairs would be laid over each other, of 100,000 recordings 24 million."""
    compared = []
    monkeypatch.setattr(copies, "look_alike", lambda _, found, __: np.zeros(len(found), bool) | bool(
        compared.extend(found)))
    rng = np.random.default_rng(3)
    moments = np.cumsum(rng.uniform(0.5, 1.2, (400, 1)) + rng.normal(0, 0.03, (400, 12)), axis=1)
    shape = np.concatenate([np.zeros(18), [0.2, 0.6, 1.0, 0.5, -0.3, -0.1, 0.0]])

    def signal(owner: int) -> np.ndarray:
        beats = np.bincount((100 * moments[owner][moments[owner] < 10]).astype(int), minlength=1000)
        return np.tile(np.convolve(beats, shape, "same")[:, None], leads)

    class Corpus(SimpleNamespace):
        def __len__(self):
            return len(moments)

        def close(self):
            pass

    find_copies(Corpus(rate=100.0, signal=signal))
    assert 0 < len(compared) < 0.002 * 400 * 399 / 2


def test_intervals_at_the_very_end_of_the_tolerance_agree():
    owners, intervals = np.array([0, 1]), np.array([[800.0, 800.0, 800.0], [800.0, 795.0, 800.0]])
    every = copies.Beats(np.tile(800.0 * np.arange(4), 2), np.full((8, 2), 90, np.int8), np.array([4, 8]))
    for tolerance, pairs in ((5.0, 1), (4.9, 0)):
        assert len(found_among(every, owners, np.array([0, 4]), np.zeros(2), intervals, tolerance)) == pairs


def found_among(every, owners, beat, begin, intervals, tolerance):
    axes = copies.foremost(every.vectors)
    rows = copies.in_cells(owners, beat, begin, intervals, every.vectors, tolerance, 1000, axes)
    return copies.candidates(rows, rows, every, tolerance, 1000, 100.0)


@pytest.mark.parametrize("leads", [1, 2, 12])
def test_the_short_look_at_beats_misses_no_pair(leads):
    """Hearts that all beat alike, as paced and made-up ones do: rows of beats against every row, each one whole. A copy
    of a steady heart agrees with it at each beat, and is one at a single shift: all are given."""
    rng = np.random.default_rng(leads)
    shapes = rng.normal(0, 1, (300, 2 * leads))
    shapes[150:] = shapes[:150] + rng.normal(0, rng.uniform(0, 0.4, (150, 1)), (150, 2 * leads))
    vectors = np.repeat(127 * shapes / np.linalg.norm(shapes, axis=1, keepdims=True), 6, axis=0)
    vectors = np.rint(vectors + rng.normal(0, 3, vectors.shape)).clip(-127, 127).astype(np.int8)
    row = (6 * np.arange(300)[:, None] + np.arange(3)).ravel()[:, None] + np.arange(4)      # three rows a heart
    owners, intervals = row[:, 0] // 6, rng.choice([798.0, 800.0, 806.0], (900, 3), p=[0.45, 0.5, 0.05])
    every = copies.Beats(np.tile(800.0 * np.arange(6), 300), vectors, 6 * np.arange(1, 301))
    found = found_among(every, owners, row[:, 0], 800.0 * (row[:, 0] % 6), intervals, 5.0)
    beats = vectors[row].astype(int)
    close = (np.abs(intervals[:, None] - intervals) <= 5).all(axis=2)
    alike = (np.einsum("ibk,jbk->ijb", beats, beats) >= int(0.97 * 127**2)).all(axis=2)
    pairs = {(owners[i], owners[j], 80 * (i % 3 - j % 3)) for i, j in np.argwhere(close & alike)
             if owners[i] < owners[j]}
    assert {*map(tuple, found.tolist())} == pairs
    assert 50 < len(pairs) == len(found)
