"""Counters below a made-up /sys, and this machine's own memory."""

import numpy as np
import pytest

from ecgscale.deploy import machine


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{value}\n")


def test_energy_counter_sums_packages_and_survives_its_wrap(tmp_path):
    zones = [tmp_path / machine.RAPL / f"intel-rapl:{i}" for i in range(2)]
    for zone in zones:
        write(zone / "energy_uj", 900)
        write(zone / "max_energy_range_uj", 1000)
    read = machine.energy_counter(tmp_path)
    write(zones[0] / "energy_uj", 950)
    assert read() == pytest.approx(50e-6)
    write(zones[1] / "energy_uj", 30)               # past 1000 and on from 0
    assert read() == pytest.approx(180e-6)


def test_no_counter_no_energy(tmp_path):
    assert machine.energy_counter(tmp_path) is None


def test_state_reads_what_is_there_and_nothing_else(tmp_path):
    write(tmp_path / "devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance")
    write(tmp_path / "class/thermal/thermal_zone0/temp", 41000)
    write(tmp_path / "class/thermal/thermal_zone1/temp", 63500)
    write(tmp_path / "class/power_supply/AC/type", "Mains")
    write(tmp_path / "class/power_supply/AC/online", "1")
    found = machine.state(tmp_path)
    assert found["governor"] == "performance"
    assert found["temperature_c"] == 63.5
    assert found["power"] == {"Mains": "1"}
    assert found["max_clock_mhz"] is None
    assert machine.state(tmp_path / "nothing")["power"] is None


@pytest.mark.skipif(not hasattr(machine.os, "sched_getaffinity"), reason="/proc/self/clear_refs is Linux's")
def test_peak_memory_sees_what_was_freed_again():
    with machine.PeakMemory() as memory:
        np.ones(8_000_000).sum()
    if memory.bytes is None:
        pytest.skip("this kernel does not reset its memory peak")
    assert 60e6 < memory.bytes < 100e6


def test_environment_is_complete(tmp_path):
    made = machine.environment("here", 2, [{"runtime": "torch", "device": "cpu", "available": True}])
    made.write(tmp_path / "environment.json")
    again = type(made).read(tmp_path / "environment.json")
    assert again == made
    assert again.cpu
    assert again.cores >= 1
    assert again.memory_bytes > 1 << 28
