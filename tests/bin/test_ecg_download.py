"""The command against an address where nothing answers; transfers are tested in tests/lib/ecg/test_download.py."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_mistake_is_one_message(tmp_path):
    command = [sys.executable, str(ROOT / "bin" / "ecg-download"), "--out", str(tmp_path), "--sources", "umich"]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "lib")}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("ecg-download: --sources: unknown source 'umich'. Known: cpsc_2018")
    assert list(tmp_path.iterdir()) == []
