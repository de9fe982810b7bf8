"""A command of bin/, run as a user runs it."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def run_command(command: str, *arguments, **environment: str) -> subprocess.CompletedProcess:
    """What a command of this folder said and how it ended; `environment`: further variables."""
    return subprocess.run([sys.executable, ROOT / "bin" / command, *map(str, arguments)], text=True, check=False,
                          capture_output=True, env={**os.environ, "PYTHONPATH": str(ROOT / "lib"), **environment})
