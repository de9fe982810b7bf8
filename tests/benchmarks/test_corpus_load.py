"""PREPARE and SPLIT as tasks at 1,000 and at 10,000 synthetic recordings: recordings a second, peak memory, bytes.

`extra_info` of each benchmark holds the figures; docs/explanation/preparation.md has those of one machine,
extrapolated to the release.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STUDY = ROOT / "assets/studies/mini.yaml"


def task(command: str, *arguments) -> dict[str, float]:
    """CPU seconds and peak memory of one command."""
    started = subprocess.Popen([sys.executable, ROOT / "bin" / command, *map(str, arguments)],
                               env=os.environ | {"PYTHONPATH": str(ROOT / "lib")}, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(started.pid, 0)
    started.returncode = os.waitstatus_to_exitcode(status)
    assert started.returncode == 0
    return {f"{command}_cpu_s": used.ru_utime + used.ru_stime, f"{command}_peak_MiB": used.ru_maxrss / 1024}


@pytest.mark.parametrize("count", [1000, 10_000])
def test_load(benchmark, tmp_path, count):
    task("ecg-synth", "--out", tmp_path / "raw", "--records", count, "--sources", "georgia", "--seed", 2)
    found: dict[str, float] = {}

    def through() -> None:
        found.update(task("ecg-prepare", "--source", "georgia", "--folder", tmp_path / "raw/georgia", "--study", STUDY,
                          "--out", tmp_path / "shard", "--cpus", 1))
        found.update(task("ecg-split", "--corpus", tmp_path / "shard", "--study", STUDY, "--out", tmp_path / "split"))

    benchmark.pedantic(through, rounds=1)
    size = sum(path.stat().st_size for path in (tmp_path / "shard").iterdir())
    benchmark.extra_info |= found | {"recordings_per_s": count / found["ecg-prepare_cpu_s"], "bytes_each": size / count}
