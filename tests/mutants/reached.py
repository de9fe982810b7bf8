"""A plugin of pytest: which functions of the package each test calls, and how long it takes.

Its fixtures count as part of the test that they are made for. Functions are told by file and first line. A test that
takes longer than MOST is ended, and is none that mutants meet.
"""

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

LIB = str(Path(__file__).parents[2] / "lib" / "ecgscale") + os.sep
MOST = float(os.environ.get("REACHED_MOST", "20"))      # seconds of the processor
found: dict[str, dict] = {}
unfit: set[str] = set()          # tests that fail or are skipped without any mutant


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    called = set()

    def see(frame, event, _):
        if event == "call":
            called.add(frame.f_code)

    def stop(*_):
        raise TimeoutError(f"more than {MOST:g} s")

    started = time.process_time()
    signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, MOST)
    threading.setprofile(see)
    sys.setprofile(see)
    try:
        return (yield)
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        sys.setprofile(None)
        threading.setprofile(None)
        places = {f"{code.co_filename.removeprefix(LIB)}:{code.co_firstlineno}" for code in called
                  if code.co_filename.startswith(LIB)}
        found[item.nodeid] = {"seconds": time.process_time() - started, "functions": sorted(places)}


def pytest_runtest_logreport(report):
    if report.failed or report.skipped:
        unfit.add(report.nodeid)


def pytest_sessionfinish():
    told = {name: one for name, one in found.items() if name not in unfit}
    Path(os.environ["REACHED"]).write_text(json.dumps(told))
