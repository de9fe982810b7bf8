"""Where the data and the commands lie: assets/ and bin/ of the checkout, or the copies inside an installed package."""

from pathlib import Path

PACKAGE = Path(__file__).parent


def beside(name: str) -> Path:
    return next(folder for folder in (PACKAGE / name, PACKAGE.parents[1] / name) if folder.is_dir())


ASSETS, BIN = beside("assets"), beside("bin")
