"""How many processors a process may use, and how that is told to the numeric libraries. Imports none of them."""

import os


def usable_cpus() -> int:
    """Processors this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def limit_cpus(cpus: int | None) -> int:
    """Tell every numeric library how many threads it has. Call it before they are imported. Gives the number."""
    cpus = cpus or usable_cpus()
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[name] = str(cpus)
    return cpus
