"""What every command in bin/ shares: `--help` with an example, CPU limits, and errors without a traceback."""

import argparse
import errno
import io
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

from ecgscale import __version__
from ecgscale.errors import FAILING, FULL, UserError, shortened
from ecgscale.machine.confined import confine
from ecgscale.machine.processors import limit_cpus

MOST_THREADS = 4096     # far above what a machine has


class Once(argparse.Action):
    """Keeps one value; a second would replace the first without a word."""

    def __call__(self, parser, namespace, values, option_string=None):
        if self.dest in parser.given:
            parser.error(f"argument {option_string}: given twice")
        parser.given.add(self.dest)
        setattr(namespace, self.dest, values)


class Parser(argparse.ArgumentParser):
    """Takes lists in one part or several (`--map a=A b=B`, `--map a=A --map b=B`), a single value once. Refuses text
    that no file of ours can hold: what a terminal gave that is not UTF-8. A path may be."""

    def __init__(self, **settings):
        super().__init__(**settings)
        self.given: set[str] = set()
        for name in (None, "store"):
            self.register("action", name, Once)

    def add_argument(self, *names, **settings):
        if names[0].startswith("-") and settings.get("nargs") in ("+", "*"):
            settings.setdefault("action", "extend")
        return super().add_argument(*names, **settings)

    def parse_args(self, args=None, namespace=None):
        self.given.clear()
        found = super().parse_args(args, namespace)
        for name, value in vars(found).items():
            for text in value if isinstance(value, list) else [value]:
                if isinstance(text, str) and any("\ud800" <= letter <= "\udfff" for letter in text):
                    self.error(f"argument --{name.replace('_', '-')}: {text[:80]!r} is not UTF-8")
        return found


def parser(description: str, example: str) -> argparse.ArgumentParser:
    """An argument parser that shows one example and knows --version."""
    made = Parser(
        description=description, epilog=f"example:\n  {example}", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--version", action="version", version=f"ecgscale {__version__}")
    return made


def add_cpus(made: argparse.ArgumentParser) -> None:
    made.add_argument("--cpus", type=threads, metavar="N", help="threads to use (default: all this process may use)")


def positive(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text[:80]!r} is not a whole number above 0 and below 10^9")
    return int(text)


def threads(text: str) -> int:
    if positive(text) > MOST_THREADS:
        raise argparse.ArgumentTypeError(f"{text} threads, at most {MOST_THREADS}")
    return int(text)


def file(text: str) -> Path:
    """A file that is there: no folder, and no pipe, which a reader would wait for."""
    path = existing(text)
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"{text}: {'a folder' if path.is_dir() else 'no plain file'}, not a file")
    return path


def folder(text: str) -> Path:
    path = existing(text)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text}: a file, not a folder")
    return path


def named(text: str) -> Path:
    """A path; an empty text, as of a variable that is not set, would be the current folder."""
    if not text.strip():
        raise argparse.ArgumentTypeError("no name; the current folder is .")
    return Path(text)


def existing(text: str) -> Path:
    path = named(text)
    try:
        found = path.exists()
    except (OSError, ValueError) as error:      # a name that no file system takes, a folder that is not ours to see
        raise argparse.ArgumentTypeError(f"{text[:200]}: {error}") from None
    if not found:
        raise argparse.ArgumentTypeError(f"{text[:200]}: no such file or folder")
    return path


def new_folder(text: str) -> Path:
    """Where results go: a folder, there already or not."""
    return place(text, Path.is_dir, "a file, not a folder")


def new_file(text: str) -> Path:
    """Where one result goes: a file, there already or not. The datapackage.json beside a table names it, in UTF-8."""
    if not Path(text).name.isprintable():
        raise argparse.ArgumentTypeError(f"{text[:200]!r} is not UTF-8, or holds signs that are not printed")
    return place(text, Path.is_file, "not a file")


def new(text: str) -> Path:
    """Where a result goes that is a file or a folder."""
    return place(text, Path.exists, "")


def place(text: str, fits: Callable[[Path], bool], problem: str) -> Path:
    path = named(text)
    try:
        if path.exists() and not fits(path):
            raise argparse.ArgumentTypeError(f"{text}: {problem}")
        if os.path.islink(os.path.realpath(path)):
            raise argparse.ArgumentTypeError(f"{text}: a link that leads to itself")
        above = next(folder for folder in path.absolute().parents if folder.exists())
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"{text[:200]}: {error}") from None
    if not above.is_dir():
        raise argparse.ArgumentTypeError(f"{text}: {above} is a file, not a folder")
    return path


def hold_streams() -> io.StringIO:
    """A stream that the shell closed (`>&-`) is opened on nothing: else the next file that is opened has its number,
    and what a library prints lands in it. So is one that was opened for reading only (`1<file`), which fails as late
    as it is flushed. What is printed is kept, so that its loss is noticed (`ended`)."""
    lost = io.StringIO()
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.write(number, b"") if number else os.fstat(number)      # nothing, which a stream for reading refuses too
        except OSError as error:
            if error.errno != errno.EBADF:      # a full disk says so when something is printed
                continue
            nothing = os.open(os.devnull, os.O_RDWR)      # has the lowest number that is free
            if nothing != number:
                os.dup2(nothing, number)
                os.close(nothing)
                setattr(sys, name, None)
    sys.stdout, sys.stderr = sys.stdout or lost, sys.stderr or io.StringIO()
    return lost


def ended(main: Callable[[list[str] | None], int | None], lost: io.StringIO) -> int | str | None:
    """The exit code of `main`. Raises UserError where stdout took nothing before it began, and OSError where what was
    printed cannot be written."""
    try:
        code = main(None)
    except SystemExit as end:       # of argparse, --help among them
        code = end.code
    if lost.getvalue():
        raise UserError("is closed, or open for reading only: what was to be printed there is lost", file="stdout",
                        remedy="Send it to a file, or to /dev/null")
    try:
        sys.stdout.flush()
    except OSError:
        let_go()
        raise
    return code


def let_go() -> None:
    """What stdout still holds goes nowhere: Python would try again as it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def run(main: Callable[[list[str] | None], int | None]) -> None:
    """Run a command's `main`: a UserError, a disk that is full or fails, a forbidden folder or too little memory ends
    with its message and exit code 2, Ctrl-C with 130. So does a closed stdout, where something was printed."""
    in_utf_8()
    lost = hold_streams()
    confine()
    limit_cpus(None)        # a command that takes --cpus says another number
    try:
        check_here()
        sys.exit(ended(main, lost))
    except UserError as error:
        print(f"{Path(sys.argv[0]).name}: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        let_go()
        sys.exit(1)
    except OSError as error:
        if error.errno not in (*FULL, *FAILING):
            raise
        full = error.errno in FULL
        remedy = ". Make room there and run again (the pipeline with -resume): what is finished is kept" if full else ""
        told = shortened(str(error.filename or "reading or writing a file"))
        print(f"{Path(sys.argv[0]).name}: {told}: {error.strerror}{remedy}", file=sys.stderr)
        sys.exit(2)
    except MemoryError as error:
        why = f" ({error})" if str(error) else ""
        print(f"{Path(sys.argv[0]).name}: not enough memory{why}. Give it more, or less to do", file=sys.stderr)
        sys.exit(2)


def in_utf_8() -> None:
    """Names of files are UTF-8 here, whatever the locale says: by ISO 8859-1 a recording "Ü1" would have another name,
    and libraries that open files themselves would not find it. What a terminal cannot show is printed by number.

    Python takes an encoding when it begins, so the command begins again, once.
    """
    if sys.getfilesystemencoding() != "utf-8" and os.environ.get("PYTHONUTF8") != "1":
        os.environ["PYTHONUTF8"] = "1"
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def check_here() -> None:
    """Raises UserError where the current folder was removed: libraries ask for it, and some of them crash."""
    try:
        os.getcwd()
    except FileNotFoundError:
        raise UserError("the current folder was removed", remedy="Change to another one (cd), and call again") from None
