"""Processes side by side: what is left of them, and what is said of their end."""

import os
import signal
import subprocess
import sys
import time

import pytest

from ecgscale.machine.processes import fresh_pool


def test_a_process_that_the_system_kills_ends_the_command_as_if_it_had_been_killed(capsys):
    """Exit code 128 + SIGKILL (POSIX shells), for which Nextflow tries again with more memory (conf/base.config)."""
    with pytest.raises(SystemExit) as ended, fresh_pool("fitting", 1, 1, os.getpid) as pool:
        pool.submit(signal.raise_signal, signal.SIGKILL).result()
    assert ended.value.code == 128 + signal.SIGKILL
    assert "a fitting process was killed, probably for memory" in capsys.readouterr().err


SLEEPERS = """
import signal, sys, time
from ecgscale import command
from ecgscale.machine.processes import fresh_pool

def main(_):
    with fresh_pool("sleeping", 2, threads=1) as pool:
        pool.submit(time.sleep, 0).result()
        print("begun", flush=True)
        sleeping = [pool.submit(time.sleep, 1000) for _ in range(3)]
        pool.submit(int, sys.argv[1]).result() if sys.argv[1:] else [one.result() for one in sleeping]

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)    # also where the tests run with Ctrl-C ignored
    command.run(main)
"""


def test_ctrl_c_ends_all_at_once_and_quietly(tmp_path):
    """As a terminal sends it, to every process of the group; exit code 128 + SIGINT (POSIX shells)."""
    (tmp_path / "sleepers.py").write_text(SLEEPERS)
    sleepers = subprocess.Popen([sys.executable, tmp_path / "sleepers.py"], stdout=subprocess.PIPE, text=True,
                                stderr=subprocess.PIPE, start_new_session=True)
    assert sleepers.stdout.readline() == "begun\n"
    os.killpg(sleepers.pid, signal.SIGINT)
    _, said = sleepers.communicate(timeout=100)
    assert (sleepers.returncode, said) == (128 + signal.SIGINT, "")
    while group_is_there(sleepers.pid):     # Python's own tracker of resources takes a moment longer
        time.sleep(0.1)


def group_is_there(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_an_exception_does_not_wait_for_the_others(tmp_path):
    script = tmp_path / "failing.py"
    script.write_text(SLEEPERS.replace("range(3)", "range(1)"))
    failed = subprocess.run([sys.executable, script, "no number"], capture_output=True, text=True, timeout=100,
                            check=False)
    assert failed.returncode == 1
    assert "ValueError: invalid literal for int() with base 10: 'no number'" in failed.stderr
