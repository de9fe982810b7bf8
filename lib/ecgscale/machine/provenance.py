"""What made a result: versions, code digest, machine. Reads metadata only, imports none of the libraries it names."""

import hashlib
import platform
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path

from ecgscale import __version__
from ecgscale.paths import ASSETS, PACKAGE

NAMED = (
    "numpy", "scipy", "pandas", "scikit-learn", "lmfit", "wfdb", "numba", "torch", "onnx", "onnxruntime",
    "onnxruntime-gpu", "onnxruntime-directml", "onnxruntime-ep-openvino",
    "onnxruntime-ep-webgpu", "openvino", "nncf", "coremltools", "executorch", "ai-edge-litert",
    "litert-torch",
)


@cache
def versions() -> dict[str, str]:
    """Python, ecgscale and the libraries that can change a number, as installed."""
    found = {"python": platform.python_version(), "ecgscale": __version__}
    for name in NAMED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def installed() -> dict[str, str]:
    """Python, the system, this code, and every package installed beside it."""
    found = {
        "python": platform.python_version(), "ecgscale": __version__, "code": code_digest(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }
    return found | dict(sorted((each.name.lower(), each.version) for each in metadata.distributions()))


@cache
def code_digest() -> str:
    """SHA-256 over the package's source files and their relative paths, 16 hex digits. An installed package holds
    assets/ too, which lie beside lib/ in a checkout: they are not counted, so that both have one digest."""
    total = hashlib.sha256()
    for path in sorted(path for path in PACKAGE.rglob("*.py") if ASSETS not in path.parents):
        total.update(path.relative_to(PACKAGE).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return total.hexdigest()[:16]


@cache
def cpu_name() -> str:
    """The processor as the operating system names it. ARM's /proc/cpuinfo holds numbers, for which lscpu has names."""
    if platform.system() == "Darwin":
        named = told("sysctl", "-n", "machdep.cpu.brand_string")
    else:
        named = model_name(text(Path("/proc/cpuinfo"))) or model_name(told("env", "LC_ALL=C", "lscpu"))
    return named or platform.processor() or platform.machine()


def model_name(printed: str | None) -> str | None:
    lines = (printed or "").splitlines()
    return next((line.split(":", 1)[1].strip() for line in lines if line.lower().startswith("model name")), None)


def text(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None


def told(*command: str) -> str | None:
    """What a program of the system prints, None where there is none or it fails."""
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=20).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
