"""The one exception for mistakes a person can mend: commands print it without a traceback and exit with 2."""

import errno

FULL = (errno.ENOSPC, errno.EDQUOT)     # of a disk: room helps, another place need not be named


class UserError(Exception):
    """A mistake in what was given: says what is wrong, where (file, line, field), and what to do about it."""

    def __init__(self, problem: str, *, file=None, line: int | None = None, field: str | None = None, remedy=""):
        self.problem, self.file, self.line, self.field, self.remedy = problem, file, line, field, remedy
        super().__init__(str(self))

    def __str__(self) -> str:
        place = "" if self.file is None else str(self.file) + (f":{self.line}" if self.line else "")
        parts = [part for part in (place, self.field) if part]
        head = ": ".join([*parts, self.problem])
        return f"{head}{'' if head.endswith('?') else '.'} {self.remedy}" if self.remedy else head
