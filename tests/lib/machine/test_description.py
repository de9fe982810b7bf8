"""State below a made-up /sys, and this machine's own memory."""

import numpy as np
import pytest

from ecgscale.contracts import Environment
from ecgscale.machine import description


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{value}\n")


def test_state_reads_what_is_there_and_nothing_else(tmp_path):
    write(tmp_path / "devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance")
    write(tmp_path / "class/thermal/thermal_zone0/temp", 41000)
    write(tmp_path / "class/thermal/thermal_zone1/temp", 63500)
    write(tmp_path / "class/power_supply/AC/type", "Mains")
    write(tmp_path / "class/power_supply/AC/online", "1")
    found = description.state(tmp_path)
    assert found["governor"] == "performance"
    assert found["temperature_c"] == 63.5
    assert found["power"] == {"Mains": "1"}
    assert found["max_clock_mhz"] is None
    assert description.state(tmp_path / "nothing")["power"] is None


def test_apples_power_source_and_thermal_state_from_the_text_of_pmset():
    """Text in the format of macOS 14; never run on a Mac by us."""
    battery = "Now drawing from 'Battery Power'\n -InternalBattery-0 (id=4522083)\t81%; discharging; 5:12 remaining"
    slow = "CPU Power notify\n\tCPU_Scheduler_Limit \t= 100\n\tCPU_Speed_Limit \t= 72\n"
    calm = "Note: No thermal warning level has been recorded\nNote: No performance warning level has been recorded"
    assert description.apple(battery, slow) == {"power": "Battery Power", "thermal": "CPU speed limit 72 %"}
    plugged = description.apple("Now drawing from 'AC Power'", calm)
    assert plugged == {"power": "AC Power", "thermal": "no thermal warning"}
    assert description.apple(None, None) == {"power": None, "thermal": None}


def test_busy_seconds_leave_out_idle_and_waiting(tmp_path):
    """Columns of /proc/stat, proc(5): user nice system idle iowait irq softirq steal guest guest_nice, in ticks."""
    write(tmp_path / "stat", "cpu  100 20 30 5000 700 1 2 40 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0")
    assert description.busy_seconds(tmp_path / "stat") == pytest.approx(193 / description.os.sysconf("SC_CLK_TCK"))
    assert description.busy_seconds(tmp_path / "none") is None


def test_neighbours_are_what_is_busy_but_not_us(monkeypatch):
    """10 seconds in which all processors together worked 14 and we 9: 0.5 of a processor was another's."""
    clock, busy, own = iter([0.0, 10.0]), iter([100.0, 114.0]), iter([1.0, 10.0])
    for name, values in (("perf_counter", clock), ("busy_seconds", busy), ("own_seconds", own)):
        monkeypatch.setattr(description, name, lambda values=values: next(values))
    with description.Neighbours() as neighbours:
        pass
    assert neighbours.cpus == pytest.approx(0.5)


@pytest.mark.skipif(not hasattr(description.os, "sched_getaffinity"), reason="/proc/self/clear_refs is Linux's")
def test_peak_memory_sees_what_was_freed_again():
    with description.PeakMemory() as memory:
        np.ones(8_000_000).sum()
    if memory.bytes is None:
        pytest.skip("this kernel does not reset its memory peak")
    assert 60e6 < memory.bytes < 100e6


def test_environment_is_complete(tmp_path):
    made = Environment(**description.environment("here", 2, [{"runtime": "torch", "device": "cpu", "available": True}]))
    made.write(tmp_path / "environment.json")
    again = type(made).read(tmp_path / "environment.json")
    assert again == made
    assert again.cpu
    assert again.cores >= 1
    assert again.memory_bytes > 1 << 28
