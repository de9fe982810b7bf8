"""What made a result: versions, code digest, machine. Reads metadata only, imports none of the libraries it names."""

import hashlib
import os
import platform
from functools import cache
from importlib import metadata
from pathlib import Path

from ecgscale.paths import PACKAGE

NAMED = (
    "numpy", "scipy", "pandas", "scikit-learn", "lmfit", "wfdb", "numba", "torch", "onnx", "onnxruntime", "openvino",
    "nncf", "coremltools",
)


@cache
def versions() -> dict[str, str]:
    """Python, ecgscale and the libraries that can change a number, as installed."""
    found = {"python": platform.python_version(), "ecgscale": metadata.version("ecgscale")}
    for name in NAMED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def installed() -> dict[str, str]:
    """Python, the system, this code, and every package installed beside it."""
    found = {
        "python": platform.python_version(), "ecgscale": metadata.version("ecgscale"), "code": code_digest(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }
    return found | dict(sorted((each.name.lower(), each.version) for each in metadata.distributions()))


@cache
def code_digest() -> str:
    """SHA-256 over the package's source files and their relative paths, 16 hex digits."""
    total = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        total.update(path.relative_to(PACKAGE).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return total.hexdigest()[:16]


def cpu_name() -> str:
    """The processor as the operating system names it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def usable_cpus() -> int:
    """Processors this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
