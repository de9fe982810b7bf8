"""How many processors a process may use, and how that is told to the numeric libraries. Imports none of them."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

CGROUPS, OWN_CGROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def usable_cpus() -> int:
    """Processors this process may run on: those of its affinity, or of a container's quota where that is less (rounded
    up, as Java does)."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cpu_quota()
    return cores if quota is None else max(1, min(cores, math.ceil(quota)))


def cpu_quota(mounted: Path = CGROUPS, own: Path = OWN_CGROUPS) -> float | None:
    """Processors' worth of time that the control groups of this process have, None without a limit.

    Control groups of version 1 and 2 as the kernel documents them (cpu.cfs_quota_us over cpu.cfs_period_us; cpu.max).
    A group lies below others, and the tightest of all counts. Inside a container its own group is the top.
    """
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return None
    found = []
    for line in lines:
        number, controllers, path = line.split(":", 2)
        if number == "0" and not controllers:
            tops = [mounted, mounted / "unified"]
        elif "cpu" in controllers.split(","):
            tops = [mounted / controllers, mounted / "cpu"]
        else:
            continue
        found += [limit for top in tops for folder in upwards(top, path) for limit in limits(folder)]
    return min(found, default=None)


def upwards(top: Path, path: str) -> Iterator[Path]:
    """The folder `path` below `top`, then those above it, to `top` itself."""
    folder = top / path.strip("/")
    while folder != top and top in folder.parents:
        yield folder
        folder = folder.parent
    yield top


def limits(folder: Path) -> Iterator[float]:
    """Quota over period, as either version writes them in the folder of a group."""
    try:
        quota, period = (folder / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota, period = ((folder / f"cpu.cfs_{name}_us").read_text().strip() for name in ("quota", "period"))
        except OSError:
            return
    if quota.isdigit() and period.isdigit() and int(period):      # "max" and "-1": none
        yield int(quota) / int(period)


def limit_cpus(cpus: int | None) -> int:
    """Tell every numeric library how many threads it has. Call it before they are imported. Gives the number."""
    cpus = cpus or usable_cpus()
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[name] = str(cpus)
    return cpus
