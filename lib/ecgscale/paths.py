"""Where the data that the code reads lies: assets/ of the checkout, or the copy inside an installed package."""

from pathlib import Path

PACKAGE = Path(__file__).parent
ASSETS = next(folder for folder in (PACKAGE / "assets", PACKAGE.parents[1] / "assets") if folder.is_dir())
