"""A process of its own for what may crash: a driver that takes its process down costs one row, not the run."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from ecgscale.deploy.runtimes import Unavailable, one_line
from ecgscale.errors import UserError
from ecgscale.machine.confined import confine

START = "spawn"      # a fresh interpreter: a fork would carry threads and locks of libraries along


class CrashedError(Exception):
    """The process ended without an answer."""


class Apart:
    """Calls functions in another process, one after the other; a new one is started when it dies."""

    def __enter__(self) -> Apart:
        self.process = None
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    def call(self, function: Callable, *arguments: Any) -> Any:
        """What the function gives, or raises. Raises CrashedError when its process died meanwhile."""
        if self.process is None:
            self.start()
        try:
            self.pipe.send((function, arguments))
            good, answer = self.pipe.recv()
        except (EOFError, ConnectionError):
            self.process.join()
            reason = ended(self.process.exitcode)
            self.stop()
            raise CrashedError(reason) from None
        if good:
            return answer
        raise answer

    def start(self) -> None:
        context = multiprocessing.get_context(START)
        self.pipe, theirs = context.Pipe()
        process = context.Process(target=serve, args=(theirs,))
        process.start()
        self.process = process
        theirs.close()       # or its end would never be noticed

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()     # it waits for a call, or the caller was interrupted
            self.process.join()
            self.pipe.close()
            self.process = None


def serve(pipe: Connection) -> None:
    """Answer calls until the pipe is closed."""
    confine()
    signal.signal(signal.SIGINT, signal.SIG_IGN)     # Ctrl-C is the parent's to handle
    while True:
        try:
            function, arguments = pipe.recv()
        except EOFError:
            return
        try:
            answer = True, function(*arguments)
        except (UserError, Unavailable) as error:
            answer = False, error
        except Exception as error:  # a library's own exception may not survive the way back
            answer = False, RuntimeError(one_line(error))
        pipe.send(answer)


def ended(code: int | None) -> str:
    """ -11 -> "the runtime's process died: SIGSEGV"."""
    if code is not None and code < 0:
        return f"the runtime's process died: {signal.Signals(-code).name}"
    return f"the runtime's process ended with exit code {code}"
