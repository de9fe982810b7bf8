"""What a latency was measured on: processor, clocks, heat, power source, memory peak.

Everything that cannot be read here is None, never a guess. Linux counters are files below /proc and /sys.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import re
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

from ecgscale.machine.processors import usable_cpus
from ecgscale.machine.provenance import cpu_name, text, told, versions

SYS = Path("/sys")


def environment(machine: str, threads: int, devices: list[dict[str, Any]]) -> dict[str, Any]:
    """Members of the document Environment."""
    return {
        "machine": machine, "cpu": cpu_name(), "cores": usable_cpus(), "threads": threads,
        "memory_bytes": memory_bytes(), "os": f"{platform.system()} {platform.release()} {platform.machine()}",
        "container": container(), "devices": devices, "state": state(), "versions": versions(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def memory_bytes() -> int | None:
    """Physical memory of the machine."""
    with contextlib.suppress(AttributeError, ValueError, OSError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return None


def container() -> str | None:
    """The container engine that this process runs in, as its own marks tell."""
    for variable in ("APPTAINER_CONTAINER", "SINGULARITY_CONTAINER", "container"):
        if os.environ.get(variable):
            return os.environ[variable]
    marks = {"/.dockerenv": "docker", "/run/.containerenv": "podman"}
    return next((name for mark, name in marks.items() if Path(mark).exists()), None)


def state(root: Path = SYS) -> dict[str, Any]:
    """Clocks (MHz), governor, temperature (°C), power source, load: what a person needs to doubt a measurement."""
    cpu = root / "devices/system/cpu"
    heat = [number(zone) for zone in sorted((root / "class/thermal").glob("thermal_zone*/temp"))]
    supplies = {text(p / "type"): text(p / "online") or text(p / "status")
                for p in sorted((root / "class/power_supply").glob("*"))}
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {
        "governor": text(cpu / "cpu0/cpufreq/scaling_governor"),
        "clock_mhz": scaled(number(cpu / "cpu0/cpufreq/scaling_cur_freq"), 1e-3) or proc_clock(),
        "max_clock_mhz": scaled(number(cpu / "cpu0/cpufreq/cpuinfo_max_freq"), 1e-3),
        "boost": text(cpu / "cpufreq/boost"),
        "temperature_c": scaled(max((h for h in heat if h is not None), default=None), 1e-3),
        "power": supplies or None,
        "load_1min": load,
        "gpu": told("nvidia-smi", "--query-gpu=name,driver_version,clocks.sm,temperature.gpu,power.draw",
                    "--format=csv,noheader"),
    } | (apple(told("pmset", "-g", "batt"), told("pmset", "-g", "therm")) if platform.system() == "Darwin" else {})


def number(path: Path) -> float | None:
    content = text(path)
    return float(content) if content and content.lstrip("-").isdigit() else None


def scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def proc_clock() -> float | None:
    lines = (text(Path("/proc/cpuinfo")) or "").splitlines()
    return next((float(line.split(":")[1]) for line in lines if line.startswith("cpu MHz")), None)


def apple(battery: str | None, thermal: str | None) -> dict[str, Any]:
    """Power source and thermal state in what `pmset -g batt` and `pmset -g therm` print."""
    source = re.search(r"Now drawing from '([^']+)'", battery or "")
    limit = re.search(r"CPU_Speed_Limit\s*=\s*(\d+)", thermal or "")
    calm = "No thermal warning level has been recorded" in (thermal or "")
    return {"power": source[1] if source else None,
            "thermal": f"CPU speed limit {limit[1]} %" if limit else "no thermal warning" if calm else None}


class Neighbours:
    """Processors that other processes (or, under a hypervisor, other guests) kept busy within a `with` block, mean.

    None where /proc/stat does not tell. A load that is there all the time moves no control and drifts nowhere.
    """

    cpus: float | None = None

    def __enter__(self) -> Neighbours:
        self.start = perf_counter(), busy_seconds(), own_seconds()
        return self

    def __exit__(self, *_) -> None:
        (begin, busy, own), now = self.start, busy_seconds()
        if busy is not None and now is not None:
            self.cpus = max(0.0, (now - busy - (own_seconds() - own)) / (perf_counter() - begin))


def busy_seconds(stat: Path = Path("/proc/stat")) -> float | None:
    """Seconds that all processors together were busy or stolen since the start of the machine."""
    try:
        user, nice, system, _, _, irq, softirq, steal = map(int, (text(stat) or "").split()[1:9])
    except ValueError:
        return None
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def own_seconds() -> float:
    times = os.times()
    return times.user + times.system


class PeakMemory:
    """Growth of this process's resident memory to its peak within a `with` block, in bytes. None where unreadable."""

    bytes: int | None = None

    def __enter__(self) -> PeakMemory:
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL("libc.so.6").malloc_trim(0)           # or the next model reuses what the last one left
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")     # resets VmHWM
            self.before = status_bytes("VmRSS")
        return self

    def __exit__(self, *error) -> None:
        with contextlib.suppress(OSError, AttributeError):
            self.bytes = max(0, status_bytes("VmHWM") - self.before)


def status_bytes(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise OSError(field)
