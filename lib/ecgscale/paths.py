"""Where the data that the code reads lies: assets/ of the checkout, or the copy inside an installed package."""

from pathlib import Path

PACKAGE = Path(__file__).parent


def beside(name: str) -> Path:
    """A folder of the checkout, or its copy inside an installed package."""
    copied = PACKAGE / name
    return copied if copied.is_dir() else PACKAGE.parents[1] / name


ASSETS = beside("assets")
