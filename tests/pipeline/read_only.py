"""A command as an image runs it: the root is read-only, the user is not root, only /tmp and one folder are writable.

    unshare --map-root-user --mount --net python read_only.py FOLDER COMMAND ARGUMENT...

By the kernel alone, from Linux 5.12 on (mount_setattr); no engine is needed. The home is read-only like the rest.
"""

import ctypes
import os
import sys
from pathlib import Path

READ_ONLY, BIND, RECURSIVE, HERE, MOUNT_SETATTR = 1, 4096, 0x8000, -100, 442
AS_SOMEONE = ("unshare", "--map-user=1000", "--map-group=1000")     # and without any right over the mounts
kernel = ctypes.CDLL(None, use_errno=True)


def checked(code: int, place: str) -> None:
    if code:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), place)


def read_only(place: str, now: bool) -> None:
    """A mount and all below it."""
    wanted = (ctypes.c_uint64 * 4)(READ_ONLY * now, READ_ONLY * (not now), 0, 0)      # what is set, and what cleared
    checked(kernel.syscall(MOUNT_SETATTR, HERE, place.encode(), RECURSIVE, wanted, ctypes.sizeof(wanted)), place)


def main(folder: str, *command: str) -> None:
    writable = [place for place in ("/proc", "/dev/shm", "/tmp", str(Path(folder).resolve())) if Path(place).is_dir()]
    for place in writable[1:]:
        checked(kernel.mount(place.encode(), place.encode(), None, BIND, None), place)
    read_only("/", True)
    for place in writable:
        read_only(place, False)
    os.chdir(writable[-1])      # what stood below it before lies under the mount
    os.execvpe(AS_SOMEONE[0], [*AS_SOMEONE, *command], {**os.environ, "TMPDIR": "/tmp"})


if __name__ == "__main__":
    main(*sys.argv[1:])
