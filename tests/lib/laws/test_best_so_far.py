"""Curves of best values so far: planted ones, of which the repeats say nothing of their own."""

import numpy as np
import pytest

from ecgscale.laws import average, extrapolate
from ecgscale.laws.best_so_far import best_so_far, later_fall, plateau_ends


def checkpoints(seed, points=60):
    """A training's error rate at even steps, 3 % noise, best values so far: the first half and the second."""
    random = np.random.default_rng(seed)
    step = np.arange(1, 2 * points + 1) * 1000.0
    floor, start, slope = random.uniform(0.1, 0.5), random.uniform(0.8, 1.0), random.uniform(0.2, 0.6)
    y = (floor + (start - floor) * (step / 1000) ** -slope) * np.exp(0.03 * random.standard_normal(len(step)))
    y = np.minimum.accumulate(y)
    return step[:points], y[:points], step[points:], y[points:]


def judged(count):
    """Root mean square of log(prediction / truth) and share inside the 90 % interval, means over planted curves."""
    found = []
    for seed in range(count):
        x, y, at, truth = checkpoints(seed)
        ahead = extrapolate(x, y, at)
        found.append((np.sqrt(np.mean(np.log(ahead.y / truth) ** 2)),
                      np.mean((ahead.low <= truth) & (truth <= ahead.high))))
    return np.mean(found, axis=0)


def test_repeats_are_no_measurements(monkeypatch):
    """Taken for measurements they cost a tenth of the error, and 90 % intervals hold less than 90 %."""
    error, held = judged(40)
    monkeypatch.setattr(average, "best_so_far", lambda log_y: False)
    error_of_repeats, held_of_repeats = judged(40)
    assert error < 0.92 * error_of_repeats
    assert held_of_repeats < 0.9 <= held < 0.98


def test_a_curve_of_best_values_does_not_rise_again():
    """Six steps, the last one deep: a law through all points lies above it, and the next best value cannot."""
    x = np.arange(1.0, 41.0)
    y = np.repeat([1.0, 0.9, 0.85, 0.82, 0.8, 0.6], [4, 6, 8, 10, 10, 2])
    ahead = extrapolate(x, y, [30.0, 41.0, 45.0])
    assert ahead.best_so_far
    assert (ahead.y[1:] <= 0.6).all()
    assert ahead.y[0] > 0.7                             # inside the curve it is the curve's
    assert (ahead.low < ahead.y).all()
    assert (ahead.y < ahead.high).all()


@pytest.mark.parametrize(("y", "told"), [
    ([5, 4, 4, 3, 3, 2], True), ([5, 4, 3, 2, 1, 0.5], False), ([5, 4, 4, 4.1, 3, 2], False),
    ([*np.geomspace(5, 2, 19), 2], False),              # one repeat in nineteen steps is chance
])
def test_what_never_rises_and_repeats_is_told(y, told):
    assert best_so_far(np.log(y)) is told
    assert extrapolate(np.arange(1.0, len(y) + 1), y, [30.0]).best_so_far is told


def test_plateaus_count_by_their_ends():
    y = np.array([9, 7, 7, 7, 6, 6, 5, 4, 4, 4, 4, 3.0])
    assert np.flatnonzero(plateau_ends(np.log(y))).tolist() == [0, 1, 3, 4, 5, 6, 7, 10, 11]
    assert plateau_ends(np.log([3, 3, 3, 2, 2, 2, 2.0])).all()              # four ends alone tell too little


def test_the_later_falls_are_told():
    """Of eight steps the falls among the last four: log 2 and log 4."""
    y = np.array([64, 32, 32, 16, 16, 8, 8, 2, 2.0])
    assert later_fall(np.log(y)) == pytest.approx(np.sqrt((np.log(2) ** 2 + np.log(4) ** 2) / 2))
    assert later_fall(np.zeros(5)) == 0
