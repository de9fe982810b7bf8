"""Processes side by side: what is left of them, and what is said of their end."""

import os
import signal

import pytest

from ecgscale.processes import fresh_pool


def test_a_process_that_the_system_kills_ends_the_command_as_if_it_had_been_killed(capsys):
    """Exit code 128 + SIGKILL (POSIX shells), for which Nextflow tries again with more memory (conf/base.config)."""
    with pytest.raises(SystemExit) as ended, fresh_pool("fitting", 1, os.getpid) as pool:
        pool.submit(signal.raise_signal, signal.SIGKILL).result()
    assert ended.value.code == 128 + signal.SIGKILL
    assert "a fitting process was killed, probably for memory" in capsys.readouterr().err
