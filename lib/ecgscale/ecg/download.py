"""The public release from PhysioNet or from its public bucket: resumed, in parallel, every file held against its sum.

The release lists its files in SHA256SUMS.txt, which is both the list to fetch and the proof. A file arrives as
`NAME.part` and gets its name only when its sum is right; a second call goes on where the first one stopped.
"""

from __future__ import annotations

import hashlib
import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from threading import Lock
from urllib.parse import quote, urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3

from ecgscale.contracts import refuse_foreign, write_text
from ecgscale.ecg.synthetic import SOURCES
from ecgscale.errors import UserError

RELEASES = {
    "physionet": "https://physionet.org/files/challenge-2021/1.0.3/",
    "bucket": "https://physionet-open.s3.amazonaws.com/challenge-2021/1.0.3/",
}
SUMS = "SHA256SUMS.txt"
SHEET_HEAD = "source,path,patients\n"
SUM_LINE = re.compile(r"([0-9a-f]{64})\s+\*?(?:\./)?(\S.*)")
PLAIN_PATH = re.compile(r"training/[\w.-]+(/[\w.-]+)+\.(hea|mat|dat)")
LARGEST_FILE, BLOCK = 2_000_000_000, 1 << 18     # bytes
LONGEST_PAUSE = 60.0        # seconds
BATCH, MOST_FAILURES = 500, 20
SECONDS_BETWEEN_LINES = 10.0


class Failed(Exception):  # noqa: N818 - one file's outcome, collected and told at the end
    """A file that cannot be had, and why."""


class Cut(Exception):  # noqa: N818
    """A transfer that another try may complete."""


@dataclass
class Progress:
    """What has arrived; threads add to it."""

    total: int
    done: int = 0
    kept: int = 0
    bytes: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)
    spoken: float = field(default_factory=time.monotonic)
    lock: Lock = field(default_factory=Lock)

    def speak(self, always: bool = False) -> None:
        now = time.monotonic()
        if always or now - self.spoken > SECONDS_BETWEEN_LINES:
            self.spoken = now
            rate = self.bytes / 1e6 / max(now - self.started, 1e-3)
            print(f"{self.done} of {self.total} files ({self.kept} were there), {self.bytes / 1e6:.0f} MB, "
                  f"{rate:.1f} MB/s, {len(self.failures)} failed", file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Server:
    """Where to fetch from, and how patiently. `pause` seconds before the second attempt, doubled for each further."""

    base: str
    workers: int = 8
    attempts: int = 6
    pause: float = 1.0

    def pool(self) -> urllib3.PoolManager:
        parts = urlsplit(self.base)
        options = {"maxsize": self.workers, "block": True, "retries": urllib3.Retry(0, redirect=3),
                   "timeout": urllib3.Timeout(connect=20, read=60)}
        proxy = None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)
        return urllib3.ProxyManager(proxy, **options) if proxy else urllib3.PoolManager(**options)


def download(out: Path, sources: list[str], server: Server) -> Progress:
    """Fetch the sources' records below `out` (out/<source>/...) and write out/sheet.csv, the pipeline's sample sheet.

    Raises UserError naming the first files that could not be had; what has arrived stays for the next call.
    """
    unknown = sorted(set(sources) - set(SOURCES))
    if unknown:
        raise UserError(f"unknown source {unknown[0]!r}", field="--sources", remedy=f"Known: {', '.join(SOURCES)}")
    if urlsplit(server.base).scheme not in ("http", "https"):
        raise UserError(f"{server.base!r} is not an http address", field="--from")
    refuse_foreign(out, {"sheet.csv": wrote_sheet})
    pool = server.pool()
    files = listed(pool, server, sources, out)
    progress = Progress(total=len(files))
    with ThreadPoolExecutor(server.workers) as threads:
        for start in range(0, len(files), BATCH):
            work = [threads.submit(fetch, pool, server, path, wanted, out, progress)
                    for path, wanted in files[start : start + BATCH]]
            for one in work:
                try:
                    one.result()
                except OSError as error:
                    threads.shutdown(cancel_futures=True)
                    raise UserError(f"cannot write ({error.strerror})", file=error.filename or out) from None
                progress.speak()
            if len(progress.failures) > MOST_FAILURES:
                break
    progress.speak(always=True)
    if progress.failures:
        path, why = next(iter(progress.failures.items()))
        raise UserError(f"{len(progress.failures)} files could not be had, for example {path}: {why}", file=server.base,
                        remedy="Call it again: it goes on where it stopped")
    write_text(out / "sheet.csv", SHEET_HEAD + "".join(f"{name},{name},\n" for name in sources), wrote_sheet)
    return progress


def listed(pool: urllib3.PoolManager, server: Server, sources: list[str], out: Path) -> list[tuple[str, str]]:
    """(path in the release, SHA-256) of the sources' records; the list stays as out/SHA256SUMS.txt."""
    address, file = server.base + SUMS, out / SUMS
    try:
        arrive(pool, server, address, file, None)
    except Failed as error:
        raise UserError(f"the list of files could not be had: {error}", file=address,
                        remedy="Check the address and the network, or name the other place with --from") from None
    files = []
    for line, text in enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        if not text.strip():
            continue
        found = SUM_LINE.fullmatch(text.strip())
        if found is None:
            raise UserError(f"{text[:80]!r} is not a sum and a path", file=address, line=line)
        parts = found[2].split("/")
        if len(parts) > 2 and parts[1] in sources and PLAIN_PATH.fullmatch(found[2]) and not {".", ".."} & set(parts):
            files.append((found[2], found[1]))
    missing = [name for name in sources if not any(path.startswith(f"training/{name}/") for path, _ in files)]
    if missing:
        raise UserError(f"no records of {', '.join(missing)} are listed", file=address)
    return files


def fetch(pool: urllib3.PoolManager, server: Server, path: str, wanted: str, out: Path, progress: Progress) -> None:
    """One file of the release: out/<source>/... A failure is noted, not raised."""
    target = out / path.removeprefix("training/")
    try:
        if target.is_file() and sha256(target) == wanted:
            kept, size = 1, 0
        else:
            kept, size = 0, arrive(pool, server, server.base + quote(path), target, wanted)
        with progress.lock:
            progress.done += 1
            progress.kept += kept
            progress.bytes += size
    except Failed as error:
        with progress.lock:
            progress.failures[path] = str(error)


def arrive(pool: urllib3.PoolManager, server: Server, address: str, target: Path, wanted: str | None) -> int:
    """Bring `address` to `target` in as many attempts as the server's patience allows. Gives bytes transferred.

    Raises Failed. What has arrived of a cut transfer is kept and continued; what has a wrong sum is thrown away.
    """
    part = target.with_name(target.name + ".part")
    part.parent.mkdir(parents=True, exist_ok=True)
    size, problem = 0, ""
    for attempt in range(server.attempts):
        if attempt:
            time.sleep(min(server.pause * 2 ** (attempt - 1), LONGEST_PAUSE))
        try:
            size += transfer(pool, address, part)
        except (urllib3.exceptions.HTTPError, Cut) as error:
            problem = str(error) or type(error).__name__
            continue
        if wanted is None or sha256(part) == wanted:
            take_place(part, target)
            return size
        problem = "the bytes that arrived have another SHA-256 than the release lists"
        part.unlink()
    raise Failed(f"{problem} ({server.attempts} attempts)")


def take_place(part: Path, target: Path) -> None:
    """Give what arrived its name. Another file of that name stays, as NAME.changed: the user may have made it so."""
    if target.exists() and sha256(target) != sha256(part):
        names = (target.with_name(f"{target.name}.changed{number or ''}") for number in count())
        kept = next(name for name in names if not name.exists())
        target.rename(kept)
        print(f"{target}: its bytes are not the release's: kept as {kept.name}", file=sys.stderr, flush=True)
    part.replace(target)


def wrote_sheet(file: Path) -> bool:
    """Whether a sheet holds nothing but rows of ours: one that the user has edited is not replaced."""
    head, *rows = file.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    return head == SHEET_HEAD and set(rows) <= {f"{name},{name},\n" for name in SOURCES}


def transfer(pool: urllib3.PoolManager, address: str, part: Path) -> int:
    """One request; goes on behind what `part` holds. Raises Cut or urllib3's HTTPError when another try may help."""
    held = part.stat().st_size if part.is_file() else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={held}-"} if held else {})
    response = pool.request("GET", address, headers=headers, preload_content=False)
    try:
        if response.status == 416:          # nothing behind what is held: complete, or of another file
            if f"*/{held}" != response.headers.get("Content-Range", "").removeprefix("bytes "):
                part.unlink()
                raise Cut("the server's file is shorter than what was held")
            return 0
        if response.status in (408, 425, 429) or response.status >= 500:
            raise Cut(f"the server answered {response.status}")
        going_on = response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {held}-")
        if response.status != 200 and not going_on:
            raise Failed(f"the server answered {response.status}")
        size = 0
        with open(part, "ab" if going_on else "wb") as stream:
            while block := response.read1(BLOCK):       # read1: what came before a cut is kept
                size += stream.write(block)
                if size > LARGEST_FILE:
                    raise Failed(f"more than {LARGEST_FILE} bytes")
        return size
    finally:
        response.drain_conn() if response.status >= 400 else response.release_conn()


def sha256(file: Path) -> str:
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
