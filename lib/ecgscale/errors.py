"""The one exception for mistakes a person can mend: commands print it without a traceback and exit with 2."""

import errno
import re

FULL = (errno.ENOSPC, errno.EDQUOT)     # of a disk: room helps, another place need not be named
FAILING = (errno.EACCES, errno.EROFS, errno.EPERM, errno.EIO, errno.ESTALE, errno.ELOOP, errno.ENAMETOOLONG,
           errno.ENOTDIR, errno.EISDIR, errno.EMFILE, errno.ENFILE, errno.ETIMEDOUT, errno.EAGAIN, errno.ENOMEM)
"""Of files, and of a process that cannot be started: no defect of ours."""
LONGEST_WORD, LONGEST_TEXT = 1000, 5000      # characters of what is told: a name or cell of others may be endless


class UserError(Exception):
    """A mistake in what was given: says what is wrong, where (file, line, field), and what to do about it."""

    def __init__(self, problem: str, *, file=None, line: int | None = None, field: str | None = None, remedy=""):
        self.problem, self.file, self.line, self.field, self.remedy = problem, file, line, field, remedy
        super().__init__(str(self))

    def __str__(self) -> str:
        place = "" if self.file is None else str(self.file) + (f":{self.line}" if self.line else "")
        parts = [part for part in (place, self.field) if part]
        head = shortened(": ".join([*parts, self.problem]))
        return f"{head}{'' if head.endswith('?') else '.'} {shortened(self.remedy)}" if self.remedy else head


def shortened(text: str) -> str:
    """What a person reads of a text, with endless words cut."""
    text = re.sub(rf"(\S{{{LONGEST_WORD}}})\S+", r"\1...", text)
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}..."
