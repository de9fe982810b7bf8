"""Entry point of the commands of an installed package: each runs the file of its name in bin/, as Nextflow does."""

import runpy
import sys
from pathlib import Path

from ecgscale.paths import beside


def main() -> None:
    """Windows puts .exe behind the name."""
    runpy.run_path(str(beside("bin") / Path(sys.argv[0]).name.removesuffix(".exe")), run_name="__main__")
