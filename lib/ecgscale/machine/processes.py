"""Processes side by side that leave nothing behind, and whose end is told."""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any

from ecgscale.machine.confined import confine
from ecgscale.machine.processors import limit_cpus

OUT_OF_MEMORY = 137     # exit code of a process killed by the system: Nextflow tries again with more memory


@contextmanager
def fresh_pool(work: str, workers: int, threads: int, begin: Callable[..., None] | None = None,
               *arguments: Any) -> Iterator[ProcessPoolExecutor]:
    """A pool of fresh processes of `threads` threads, each of which calls `begin(*arguments)` first.

    Where one is killed, the command says so, naming the work, and ends with OUT_OF_MEMORY. Ctrl-C or an exception ends
    them all at once, whatever they are at and however much is left to do.
    """
    limit_cpus(threads)
    context, others = multiprocessing.get_context("spawn"), multiprocessing.active_children()
    with ProcessPoolExecutor(workers, context, initializer=begin_worker, initargs=(begin, *arguments)) as pool:
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})     # for good in what is started now
        for _ in range(workers):
            pool.submit(os.getpid)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        try:
            yield pool
        except BrokenProcessPool:
            print(f"a {work} process was killed, probably for memory: run again to continue", file=sys.stderr)
            raise SystemExit(OUT_OF_MEMORY) from None
        except BaseException:
            for process in set(multiprocessing.active_children()).difference(others):
                process.kill()
            raise


def begin_worker(begin: Callable[..., None] | None, *arguments: Any) -> None:
    """It ends when the process that started it is gone, even by signal 9."""
    confine()
    parent = multiprocessing.parent_process()

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
    if begin:
        begin(*arguments)
