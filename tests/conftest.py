"""What all tests share: the folder of real recordings, where there is one."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real recordings and public learning curves that are not part of the project (see ECGSCALE_SHARED)."""
    folder = Path(os.environ.get("ECGSCALE_SHARED", ROOT.parent / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip(f"no real recordings at {folder}: set ECGSCALE_SHARED to the folder that holds data/")
    return folder
