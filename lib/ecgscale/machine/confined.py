"""A command asks no network for anything, and leaves no file outside the folders it is given but in a temporary one."""

import os
import sys
import tempfile
from pathlib import Path

from ecgscale.paths import PACKAGE


def confine() -> None:
    """Call it before a numeric library is imported, in every process.

    NNCF, OpenVINO and ONNX Runtime send their usage to an analytics host and keep an id below the home folder.
    Matplotlib keeps its settings there, numba what it compiled (beside the code, where that can be written), torch's
    compilers theirs.
    """
    sys.modules.setdefault("openvino_telemetry", None)      # an import of it fails; NNCF and OpenVINO go on without
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"               # read once, when the library is loaded
    names = ["MPLCONFIGDIR", "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR"]
    if not os.access(PACKAGE, os.W_OK):
        names.append("NUMBA_CACHE_DIR")
    missing = [name for name in names if name not in os.environ]
    if missing:
        caches = cache_folder()
        for name in missing:
            os.environ[name] = str(caches / name.split("_")[0].lower())


def cache_folder() -> Path:
    """A folder for temporary files that lasts from command to command and that nobody else can write: what is read
    back from there is trusted. A new one each time, where somebody took the name."""
    user = os.getuid() if hasattr(os, "getuid") else None
    folder = Path(tempfile.gettempdir()) / ("ecgscale" if user is None else f"ecgscale-{user}")
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return Path(tempfile.mkdtemp(prefix="ecgscale-"))
    mine = user is None or (found.st_uid == user and not found.st_mode & 0o022 and not folder.is_symlink())
    return folder if mine else Path(tempfile.mkdtemp(prefix="ecgscale-"))
