"""Energy counters: RAPL below a made-up /sys, NVML as a planted library, powermetrics from text in its format."""

import sys
import time

import pytest

from ecgscale.machine import energy

POWERMETRICS = """\
Machine model: Mac16,10
OS version: 24C101

*** Sampled system activity (Sun Nov 22 10:00:00 2026 +0000) (100.50ms elapsed) ***

**** Processor usage ****

E-Cluster Online: 100%
CPU Power: 4800 mW
GPU Power: 20 mW
ANE Power: 0 mW
Combined Power (CPU + GPU + ANE): 4820 mW

*** Sampled system activity (Sun Nov 22 10:00:00 2026 +0000) (301.50ms elapsed) ***

CPU Power: 800 mW
GPU Power: 30 mW
ANE Power: 1990 mW
Combined Power (CPU + GPU + ANE): 2820 mW

*** Sampled system activity (Sun Nov 22 10:00:01 2026 +0000) (100.50ms elapsed) ***
"""


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{value}\n")


def test_rapl_sums_packages_and_survives_its_wrap(tmp_path):
    zones = [tmp_path / energy.RAPL / f"intel-rapl:{i}" for i in range(2)]
    for zone in zones:
        write(zone / "energy_uj", 900)
        write(zone / "max_energy_range_uj", 1000)
    read = energy.rapl(tmp_path)
    write(zones[0] / "energy_uj", 950)
    assert read() == pytest.approx(50e-6)
    write(zones[1] / "energy_uj", 30)               # past 1000 and on from 0
    assert read() == pytest.approx(180e-6)


class Nvml:
    """The three calls of libnvidia-ml.so.1 that are used; 0 is NVML_SUCCESS, 3 NVML_ERROR_NOT_SUPPORTED."""

    def __init__(self, millijoules, supported=True):
        self.millijoules, self.supported = iter(millijoules), supported

    def nvmlInit_v2(self):  # noqa: N802
        return 0

    def nvmlDeviceGetHandleByIndex_v2(self, index, device):  # noqa: N802
        return 0

    def nvmlDeviceGetHandleByUUID(self, uuid, device):  # noqa: N802
        return 0 if uuid == b"GPU-c0ffee" else 6

    def nvmlDeviceGetTotalEnergyConsumption(self, device, value):  # noqa: N802
        if not self.supported:
            return 3
        value._obj.value = next(self.millijoules)
        return 0


def test_nvml_counts_from_where_it_stood():
    read = energy.nvml(lambda: Nvml([5_000_000, 5_000_250, 5_001_000]))
    assert read() == pytest.approx(0.25)
    assert read() == pytest.approx(1.0)
    assert energy.nvml(lambda: Nvml([1, 2]), uuid="GPU-c0ffee")() == pytest.approx(0.001)
    assert energy.nvml(lambda: Nvml([1, 2]), uuid="GPU-another") is None


def test_no_counter_no_energy(tmp_path):
    def absent():
        raise OSError("libnvidia-ml.so.1: cannot open shared object file")

    assert energy.rapl(tmp_path) is None
    assert energy.nvml(absent) is None
    assert energy.nvml(lambda: Nvml([], supported=False)) is None       # boards older than Volta
    assert energy.powermetrics_watts("powermetrics must be invoked as the superuser\n") is None


def test_powermetrics_is_the_mean_power_of_whole_samples():
    assert energy.powermetrics_watts(POWERMETRICS) == pytest.approx((4.82 * 0.1005 + 2.82 * 0.3015) / 0.402)


def test_powermetrics_runs_beside_and_needs_root(tmp_path, monkeypatch):
    (tmp_path / "text").write_text(POWERMETRICS)
    program = f"import time; print(open({str(tmp_path / 'text')!r}).read(), flush=True); time.sleep(60)"
    monkeypatch.setattr(energy.os, "geteuid", lambda: 0)
    read = energy.powermetrics([sys.executable, "-c", program])
    time.sleep(0.5)
    joules = read()
    assert joules is None or joules > 3.32 * 0.5       # mean power times what passed; None: not printed yet
    assert energy.powermetrics(["/no/such/program"]) is None
    monkeypatch.setattr(energy.os, "geteuid", lambda: 501)
    assert energy.powermetrics([sys.executable, "-c", program]) is None


def test_a_meter_names_its_counter(monkeypatch):
    readings = iter([3.0])
    monkeypatch.setattr(energy.platform, "system", lambda: "Linux")
    monkeypatch.setattr(energy, "rapl", lambda: lambda: next(readings))
    with energy.Meter("cpu") as meter:
        pass
    assert (meter.source, meter.joules) == ("RAPL packages", 3.0)
    monkeypatch.setattr(energy, "nvml", lambda: None)
    for device in ("cuda", "directml", "gpu"):                          # a package's counter is not theirs
        with energy.Meter(device) as meter:
            pass
        assert (meter.source, meter.joules) == (None, None)
