"""Where the data that the code reads lies: assets/ of the checkout, or the copy inside an installed package."""

from pathlib import Path

PACKAGE = Path(__file__).parent


def beside(name: str) -> Path:
    """A folder of the checkout, or its copy inside an installed package."""
    return next(folder for folder in (PACKAGE / name, PACKAGE.parents[1] / name) if folder.is_dir())


ASSETS = beside("assets")
