"""Control groups as the documentation of the kernel lays them out (cgroup-v1: sched-bwc; cgroup-v2), and a real one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ecgscale.machine.processors import cpu_quota

ROOT = Path(__file__).parents[3]
NO_LIMIT_1 = {"cpu.cfs_quota_us": "-1\n", "cpu.cfs_period_us": "100000\n"}
HALF_1 = {"cpu.cfs_quota_us": "50000\n", "cpu.cfs_period_us": "100000\n"}


@pytest.mark.parametrize(("own", "groups", "quota"), [
    ("0::/\n", {"": {"cpu.max": "150000 100000\n"}}, 1.5),                              # version 2, inside a container
    ("0::/\n", {"": {"cpu.max": "max 100000\n"}}, None),
    ("0::/a/b\n", {"a": {"cpu.max": "200000 100000\n"}, "a/b": {"cpu.max": "max 100000\n"}}, 2.0),     # of one above
    ("0::/a/b\n", {"a": {"cpu.max": "100000 100000\n"}, "a/b": {"cpu.max": "300000 100000\n"}}, 1.0),
    ("4:cpu,cpuacct:/\n0::/\n", {"cpu,cpuacct": HALF_1}, 0.5),                          # version 1
    ("4:cpu,cpuacct:/docker/1\n", {"cpu/docker/1": HALF_1, "cpu": NO_LIMIT_1}, 0.5),
    ("4:cpu:/docker/1\n", {"cpu": HALF_1}, 0.5),                # the host's path, seen from inside the container
    ("4:cpu:/\n", {"cpu": NO_LIMIT_1}, None), ("3:cpuset:/x\n0::/\n", {}, None), ("0::/../..\n", {}, None),
])
def test_quota(tmp_path, own, groups, quota):
    (tmp_path / "own").write_text(own)
    for group, files in groups.items():
        (tmp_path / "mounted" / group).mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (tmp_path / "mounted" / group / name).write_text(text)
    assert cpu_quota(tmp_path / "mounted", tmp_path / "own") == quota


def test_no_control_groups(tmp_path):
    assert cpu_quota(tmp_path, tmp_path / "none") is None


@pytest.fixture
def one_processor():
    """A control group of this machine whose processes get one processor's time."""
    for top in (Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup")):
        group = top / f"ecgscale-test-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            for name, text in (("cpu.cfs_quota_us", "100000"), ("cpu.max", "100000 100000")):
                if (group / name).exists():
                    (group / name).write_text(text)
                    yield group
                    return
        except OSError:
            continue
        finally:
            group.rmdir()
    pytest.skip("no control group with a quota can be made here: that takes root and the controller cpu")


def test_every_command_keeps_to_a_quota(one_processor):
    """Of those that ask for no number of threads, too: the libraries are told before they are imported."""
    code = ("import os\nfrom ecgscale import command\n"
            "command.run(lambda argv: print(os.environ['OMP_NUM_THREADS'], os.environ['NUMBA_NUM_THREADS']))")
    done = subprocess.run(
        ["bash", "-c", f"echo $$ > {one_processor}/cgroup.procs && exec \"$@\"", "bash", sys.executable, "-c", code],
        text=True, capture_output=True, check=True, env={**os.environ, "PYTHONPATH": str(ROOT / "lib")})
    assert done.stdout == "1 1\n"
