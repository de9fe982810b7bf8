"""Energy where a counter exists: NVML (NVIDIA boards), RAPL (processor packages), powermetrics (Apple), else None.

RAPL and NVML count for the whole package or board, so what else runs there is in the figure too. Tested on recorded
text and planted counters; NVML and powermetrics were never run on their hardware by us.
"""

from __future__ import annotations

import ctypes
import os
import platform
import re
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter

SYS = Path("/sys")
RAPL = "class/powercap"
POWERMETRICS = ("powermetrics", "--samplers", "cpu_power", "-i", "100")
SAMPLE = re.compile(r"^\*\*\* Sampled system activity .*\((?P<ms>[\d.]+)ms elapsed\) \*\*\*$")
POWER = re.compile(r"^Combined Power \(CPU \+ GPU \+ ANE\): (?P<mw>[\d.]+) mW$")
Reader = Callable[[], float | None]      # joules since it was made


class Meter:
    """Joules used within a `with` block, and whose counter told them; both None where none does."""

    source: str | None = None
    joules: float | None = None

    def __init__(self, device: str):
        self.device = device

    def __enter__(self) -> Meter:
        self.source, self.read = counter(self.device)
        return self

    def __exit__(self, *_) -> None:
        self.joules = self.read() if self.read else None


def counter(device: str) -> tuple[str | None, Reader | None]:
    """The counter that holds this device, by name, and its reader."""
    if device == "cuda":
        read = nvml()
        return ("NVML board", read) if read else (None, None)
    if platform.system() == "Darwin":
        read = powermetrics()
        return ("powermetrics CPU + GPU + ANE", read) if read else (None, None)
    read = rapl() if device in ("cpu", "openvino") else None
    return ("RAPL packages", read) if read else (None, None)


def rapl(root: Path = SYS) -> Reader | None:
    """Joules of all processor packages. None where the kernel has no counter or does not let us read it."""
    zones = [zone for zone in sorted((root / RAPL).glob("intel-rapl:?")) if microjoules(zone / "energy_uj") is not None]
    if not zones:
        return None
    spans = [microjoules(zone / "max_energy_range_uj") or float("inf") for zone in zones]
    last = [microjoules(zone / "energy_uj") for zone in zones]
    total = 0.0

    def read() -> float:
        nonlocal total
        for i, zone in enumerate(zones):
            now = microjoules(zone / "energy_uj")
            now = last[i] if now is None else now
            total += (now - last[i] + (spans[i] if now < last[i] else 0)) * 1e-6     # the counter wraps
            last[i] = now
        return total

    return read


def microjoules(path: Path) -> float | None:
    try:
        content = path.read_text().strip()
    except OSError:
        return None
    return float(content) if content.isdigit() else None


def nvml(library: Callable[[], ctypes.CDLL] = lambda: ctypes.CDLL("libnvidia-ml.so.1"),
         uuid: str | None = None) -> Reader | None:
    """Joules of an NVIDIA board (nvmlDeviceGetTotalEnergyConsumption, millijoules; Volta and newer).

    The one that `uuid` ("GPU-...") names, or the machine's first.
    """
    try:
        found = library()
    except OSError:
        return None
    device, value = ctypes.c_void_p(), ctypes.c_ulonglong()
    if found.nvmlInit_v2():
        return None
    if (found.nvmlDeviceGetHandleByUUID(uuid.encode(), ctypes.byref(device)) if uuid else
            found.nvmlDeviceGetHandleByIndex_v2(0, ctypes.byref(device))):
        return None

    def millijoules() -> int | None:
        return None if found.nvmlDeviceGetTotalEnergyConsumption(device, ctypes.byref(value)) else value.value

    start = millijoules()
    return None if start is None else lambda: (millijoules() - start) * 1e-3


def powermetrics(command: Sequence[str] = POWERMETRICS) -> Reader | None:
    """Joules of Apple's CPU, GPU and Neural Engine: mean power by `powermetrics`, which needs root, times duration."""
    if os.geteuid() != 0:
        return None
    text = tempfile.TemporaryFile("w+")  # noqa: SIM115 - lives as long as the reader
    try:
        process = subprocess.Popen(command, stdout=text, stderr=subprocess.DEVNULL)
    except OSError:
        return None
    start = perf_counter()

    def read() -> float | None:
        seconds = perf_counter() - start
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
        text.seek(0)
        watts = powermetrics_watts(text.read())
        return None if watts is None else watts * seconds

    return read


def powermetrics_watts(text: str) -> float | None:
    """Mean power in what `powermetrics` printed, weighted by the samples' durations. None without a whole sample."""
    joules = total = seconds = 0.0
    for line in text.splitlines():
        if sample := SAMPLE.match(line):
            seconds = float(sample["ms"]) * 1e-3
        elif power := POWER.match(line):
            joules, total = joules + float(power["mw"]) * 1e-3 * seconds, total + seconds
    return joules / total if total else None
