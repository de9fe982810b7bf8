"""A plugin of pytest: which lines of the package each test runs, and how long it takes.

The lines of a fixture are those of every test that uses it, its time that of the first. A test that takes longer than
MOST is ended, and is none that mutants meet.
"""

import json
import os
import signal
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path

import pytest

LIB = str(Path(__file__).parents[2] / "lib" / "ecgscale") + os.sep
MOST = float(os.environ.get("REACHED_MOST", "20"))      # seconds of the processor
found: dict[str, dict] = {}
unfit: set[str] = set()          # tests that fail or are skipped without any mutant
of_fixture: dict[pytest.FixtureDef, set[tuple[str, int]]] = {}
ran: set[tuple[str, int]] = set()       # (file, line), of the test or fixture at work


def see(frame, event, _):
    """A tracer; returns itself where lines are to be told."""
    if event == "call" and not frame.f_code.co_filename.startswith(LIB):
        return None
    ran.add((frame.f_code.co_filename, frame.f_lineno))
    return see


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef):
    global ran
    around, ran = ran, set()
    try:
        return (yield)
    finally:
        of_fixture[fixturedef] = ran
        ran = around | ran


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    def stop(*_):
        raise TimeoutError(f"more than {MOST:g} s")

    ran.clear()
    started = time.process_time()
    signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, MOST)
    threading.settrace(see)
    sys.settrace(see)
    try:
        return (yield)
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        sys.settrace(None)
        threading.settrace(None)
        used = (of_fixture.get(defined[-1], set()) for defined in item._fixtureinfo.name2fixturedefs.values())
        lines = defaultdict(list)
        for file, line in sorted(ran.union(*used)):
            lines[file.removeprefix(LIB)].append(line)
        found[item.nodeid] = {"seconds": time.process_time() - started, "lines": lines}


def pytest_runtest_logreport(report):
    if report.failed or report.skipped:
        unfit.add(report.nodeid)


def pytest_sessionfinish():
    told = {name: one for name, one in found.items() if name not in unfit}
    Path(os.environ["REACHED"]).write_text(json.dumps(told))
