"""Processes of a pool that leave nothing behind."""

import multiprocessing
import os
import threading


def follow_parent() -> None:
    """End this process when the one that started it is gone, even by signal 9."""
    parent = multiprocessing.parent_process()

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
