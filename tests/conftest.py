"""What all tests share: the folder of real recordings, where there is one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ecgscale.machine.confined import confine

ROOT = Path(__file__).parents[1]


def pytest_configure():
    """The tests' own process sends no usage either, and its matrices, small ones, have one thread: two processes of two
    threads stand in each other's way. What it starts gets none of these variables: commands must see to that themselves
    (tests/lib/machine/test_confined.py)."""
    before = dict(os.environ)
    confine()
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    import onnxruntime  # noqa: F401 - reads its variable once, when it is loaded, as do the next two
    import scipy.linalg  # noqa: F401 - and numpy

    os.environ.clear()
    os.environ.update(before)


def pytest_collection_modifyitems(items):
    """`make test` deals whole files to its two processes in this order: the pipeline's first, as they take longest."""
    items.sort(key=lambda item: "tests/pipeline" not in item.nodeid)


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
