"""What all tests share: the folder of real recordings, where there is one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ecgscale.machine.confined import confine

ROOT = Path(__file__).parents[1]


def pytest_configure():
    """The tests' own process sends no usage either. What it starts gets none of these variables: commands must see to
    that themselves (tests/lib/machine/test_confined.py)."""
    before = dict(os.environ)
    confine()
    import onnxruntime  # noqa: F401 - reads its variable once, when it is loaded

    os.environ.clear()
    os.environ.update(before)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """How `make test` deals the tests to its two processes: file by file, the pipeline's first as they take longest.

    All that looks at the one small run of the pipeline stays together, so that it is made once.
    """
    items.sort(key=lambda item: "tests/pipeline" not in item.nodeid)
    for item in items:
        together = "small_run" if "small_run" in item.fixturenames else str(item.path)
        item.add_marker(pytest.mark.xdist_group(together))


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real recordings and public learning curves that are not part of the project (see ECGSCALE_SHARED)."""
    folder = Path(os.environ.get("ECGSCALE_SHARED", ROOT.parent / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip(f"no real recordings at {folder}: set ECGSCALE_SHARED to the folder that holds data/")
    return folder


@pytest.fixture(scope="session")
def small_corpus(tmp_path_factory) -> Path:
    """A synthetic corpus of 80 recordings in the eight source folders, as `ecg-synth` writes it."""
    folder = tmp_path_factory.mktemp("synthetic") / "corpus"
    arguments = ["--records", "80", "--seed", "7", "--out", folder, "--cpus", "1"]
    subprocess.run([sys.executable, ROOT / "bin/ecg-synth", *arguments],
                   check=True, env={**os.environ, "PYTHONPATH": str(ROOT / "lib")})
    return folder
