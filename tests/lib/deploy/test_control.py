"""The A/A control: quiet on a simulated quiet machine, loud under planted disturbances, blind to what its arms are."""

from dataclasses import replace

import numpy as np
import pytest

from ecgscale.contracts import LATENCY, Control
from ecgscale.deploy import control
from ecgscale.deploy.block import Configuration
from ecgscale.deploy.control import Look, around, deviations, limit, verdict
from ecgscale.deploy.runtimes import DeployedModel
from ecgscale.design.study import Deploy
from tests.lib.deploy.test_bench import Planted, kind, measured, planted
from tests.tiny_models import exported_model

TOLERANCE = 0.1


def simulated(rng, looks=40, slow=(), bias=0.0):
    """Looks at a control of 2 ms: 30 calls an arm, 4 % noise a call, one call in 50 three times as slow (an interrupt).

    `slow`: (first look, last look, factor) of disturbances; `bias`: of the second arm.
    """
    calls = 2 * np.exp(0.04 * rng.standard_normal((looks, 2, 30))) * np.where(rng.random((looks, 2, 30)) < 0.02, 3, 1)
    calls[:, 1] *= 1 + bias
    for first, last, factor in slow:
        calls[first:last] *= factor
    return [Look(*pair) for pair in np.median(calls, axis=2)]


def voided(looks):
    """Share of the blocks between the looks that are void."""
    return 1.0 if verdict(looks, TOLERANCE) else float(np.mean(np.abs(around(looks)) > limit(looks, TOLERANCE)))


def test_a_quiet_machine_raises_no_false_alarm():
    """1,000 runs of 40 looks on a quiet machine: at most one run in 100 has a void block."""
    rng = np.random.default_rng(1)
    assert np.mean([voided(simulated(rng)) > 0 for _ in range(1000)]) <= 0.01


@pytest.mark.parametrize("factor", [1.2, 1.5, 3.0])
def test_a_disturbance_voids_the_blocks_beside_it_and_no_others(factor):
    """A neighbour from look 10 to 19: the blocks 9 to 19 touch one of these looks."""
    rng = np.random.default_rng(2)
    for _ in range(100):
        looks = simulated(rng, slow=[(10, 20, factor)])
        assert verdict(looks, TOLERANCE) == ""
        assert set(np.flatnonzero(np.abs(around(looks)) > limit(looks, TOLERANCE))) == set(range(9, 20))


def test_a_machine_that_is_disturbed_most_of_the_time_voids_the_run():
    looks = simulated(np.random.default_rng(3), slow=[(5, 35, 1.5)])
    assert verdict(looks, TOLERANCE).startswith("disturbed run: 75% of the looks")


def test_arms_that_differ_void_the_run():
    rng = np.random.default_rng(4)
    assert verdict(simulated(rng, bias=0.03), TOLERANCE) == ""        # two copies in memory are never quite equal
    assert verdict(simulated(rng, bias=0.2), TOLERANCE).endswith("two arms of the A/A control differ by +20%")


def test_a_control_that_scatters_by_itself_is_not_taken_for_a_disturbed_machine():
    """Looks that scatter by 6 %, as a network of 1 ms did here: 24 % is what such a control resolves."""
    rng = np.random.default_rng(5)
    void = []
    for _ in range(200):
        looks = [Look(level, level) for level in 1 + 0.06 * rng.standard_normal(146)]
        assert 0.15 < limit(looks, TOLERANCE) < 0.33
        void.append(voided(looks))
    assert np.mean(void) < 0.01
    assert limit(simulated(rng), TOLERANCE) == TOLERANCE
    assert limit(simulated(rng)[:5], 0.001) == 0.001                  # too few to tell their scatter


def test_levels_are_relative_to_the_quiet_ones():
    looks = [Look(1, 1), Look(1, 1), Look(2, 2), Look(1.0, 1.02)]
    assert np.allclose(deviations(looks), [0, 0, 1, 0.01])
    assert around(looks) == pytest.approx([0, 1, 1])
    assert around(looks[:1]) == []


class Disturbed(Planted):
    """Sleeps 2 ms a call, and 6 ms in the seconds that are planted as disturbed, whoever calls."""

    delays = (0.002,)
    calls = 0
    noisy = range(0)

    def execute(self):
        Disturbed.calls += 1
        self.delay = 0.006 if Disturbed.calls in Disturbed.noisy else 0.002
        super().execute()


def test_the_blocks_of_a_disturbed_minute_are_void_and_measured_again(tmp_path, monkeypatch):
    """The disturbance covers a whole block and the looks beside it: no drift, and every repeat agrees."""
    monkeypatch.setattr(control, "SECONDS", 0.0)
    planted(monkeypatch, watched=True, one=Disturbed)
    monkeypatch.setattr(Disturbed, "noisy", range(150, 320))
    table = measured(tmp_path, ["one"], Deploy(repeats=3, min_count=40, min_seconds=0), tolerance=0.5)
    found = Control.read(tmp_path / "out/control.json")
    assert found.disturbed > 0
    assert found.reason == ""
    void = table[table["status"] == "void"]
    assert len(void) > 0
    assert void["reason"].str.contains("A/A control|drift").all()
    assert (table["status"] == "ok").sum() >= 2
    assert (table.loc[table["status"] == "ok", "control"].abs() < 0.5).all()
    assert len(found.first_ms) == len(table) + 1


def test_the_control_is_blind_and_its_arms_are_two_copies(tmp_path, monkeypatch):
    """Two runtimes are opened for it, once; each look calls both equally often, in drawn order."""
    class Watched(Planted):
        delays = (0.0,)
        order = ()

        def execute(self):
            Watched.order = (*Watched.order, id(self))

    planted(monkeypatch, watched=True, one=Watched)
    monkeypatch.setattr(control, "SECONDS", 0.0)
    monkeypatch.setattr(control, "arms", {})
    chosen = Configuration(DeployedModel.read(exported_model()), "one", "cpu", "", "single", 1, 1)
    looks = [control.look(chosen, seed) for seed in range(3)]
    first, second = next(iter(control.arms.values()))
    assert first is not second
    calls = [arm for arm in Watched.order if arm in (id(first), id(second))][-6 * control.CALLS:]
    assert calls.count(id(first)) == calls.count(id(second)) == 3 * control.CALLS
    pairs = list(zip(calls[::2], calls[1::2], strict=True))
    assert all(a != b for a, b in pairs)
    assert len(set(pairs)) == 2                              # now one first, now the other
    assert len(looks) == 3
    control.look(replace(chosen, batch=2), 3)
    [others] = control.arms.values()                         # another control has copies of its own
    assert {id(first), id(second)}.isdisjoint(map(id, others))


def test_a_run_says_how_far_the_control_was(tmp_path, monkeypatch):
    monkeypatch.setattr(control, "SECONDS", 0.0)
    planted(monkeypatch, watched=True, one=kind(0.002))
    measured(tmp_path, ["one"], Deploy(repeats=2, min_count=20, min_seconds=0), tolerance=9)
    table, found = LATENCY.read(tmp_path / "out/latency.parquet"), Control.read(tmp_path / "out/control.json")
    assert table["control"].notna().all()
    assert (found.runtime, found.device, found.machine) == ("one", "cpu", "lab")
    assert len(found.first_ms) == len(found.second_ms) == 3
    assert found.ratio == pytest.approx(1, abs=0.5)
    assert found.synthetic
