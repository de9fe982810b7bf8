"""Against a loopback server that cuts connections, sends wrong bytes and answers 503, as a bad day would."""

import contextlib
import hashlib
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread

import numpy as np
import pytest

from ecgscale.ecg.download import MOST_FAILURES, RELEASES, SUMS, Server, download
from ecgscale.errors import UserError


class Release(ThreadingHTTPServer):
    """Files by path, and by path a list of troubles, one a request, before it is served well."""

    daemon_threads = True

    def __init__(self):
        rng = np.random.default_rng(0)
        self.files = {f"training/{source}/g1/{name}{ending}": rng.bytes(size)
                      for source in ("georgia", "ptb") for name in ("A1", "A2", "A3")
                      for ending, size in ((".hea", 700), (".mat", 120_024))}
        self.files["training/georgia/RECORDS"] = b"A1\n"
        self.troubles: dict[str, list[str]] = {}
        self.asked, self.sent, self.lock = Counter(), Counter(), Lock()
        super().__init__(("127.0.0.1", 0), Handler)

    def sums(self, more: str = "") -> bytes:
        lines = [f"{hashlib.sha256(content).hexdigest()}  {path}\n" for path, content in self.files.items()]
        return "".join(lines).encode() + more.encode()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path, release = self.path.removeprefix("/release/"), self.server
        content = release.files.get(path, release.sums() if path == SUMS else None)
        with release.lock:
            release.asked[path] += 1
            trouble = release.troubles.get(path, []).pop(0) if release.troubles.get(path) else ""
        if content is None or trouble == "404":
            return self.answer(404, b"")
        if trouble == "503":
            return self.answer(503, b"busy")
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        if trouble == "no ranges":
            start = 0
        if start >= len(content):
            return self.answer(416, b"", f"bytes */{len(content)}")
        body = content[start:]
        if trouble == "wrong bytes":
            body = bytes(len(body))
        self.answer(206 if start else 200, body, f"bytes {start}-{len(content) - 1}/{len(content)}" if start else "",
                    len(body) // 2 if trouble == "cut" else None)

    def answer(self, status: int, body: bytes, content_range: str = "", cut: int | None = None):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if content_range:
            self.send_header("Content-Range", content_range)
        self.end_headers()
        self.wfile.write(body[:cut])
        with self.server.lock:
            self.server.sent[self.path.removeprefix("/release/")] += len(body[:cut])
        if cut is not None:
            self.wfile.flush()
            self.close_connection = True

    def log_message(self, *_):
        pass


@pytest.fixture
def release():
    served = Release()
    thread = Thread(target=served.serve_forever, daemon=True)
    thread.start()
    yield served
    served.shutdown()
    served.server_close()


def server(release, **options) -> Server:
    return Server(f"http://127.0.0.1:{release.server_port}/release/", workers=3, pause=0.01, **options)


def assert_complete(release, out, sources=("georgia", "ptb")):
    wanted = {path.removeprefix("training/"): content for path, content in release.files.items()
              if path.split("/")[1] in sources and not path.endswith("RECORDS")}
    found = {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*.*")
             if path.name not in ("sheet.csv", SUMS)}
    assert found == wanted


def test_everything_arrives_and_a_sample_sheet_with_it(release, tmp_path, capfd):
    progress = download(tmp_path, ["georgia", "ptb"], server(release))
    assert_complete(release, tmp_path)
    assert (progress.done, progress.kept, progress.failures) == (12, 0, {})
    assert (tmp_path / "sheet.csv").read_text() == "source,path,patients\ngeorgia,georgia,\nptb,ptb,\n"
    assert "12 of 12 files (0 were there), 1 MB" in capfd.readouterr().err


def test_only_the_sources_that_are_wanted(release, tmp_path):
    download(tmp_path, ["ptb"], server(release))
    assert_complete(release, tmp_path, ("ptb",))


def test_a_second_call_transfers_nothing(release, tmp_path):
    download(tmp_path, ["georgia"], server(release))
    before = release.asked.copy()
    progress = download(tmp_path, ["georgia"], server(release))
    assert (progress.done, progress.kept, progress.bytes) == (6, 6, 0)
    assert release.asked - before == Counter({SUMS: 1})


def test_a_file_that_was_changed_on_disk_is_fetched_again(release, tmp_path):
    download(tmp_path, ["georgia"], server(release))
    (tmp_path / "georgia/g1/A1.mat").write_bytes(b"spoiled")
    assert download(tmp_path, ["georgia"], server(release)).kept == 5
    assert (tmp_path / "georgia/g1/A1.mat.changed").read_bytes() == b"spoiled"      # it may be the user's own
    (tmp_path / "georgia/g1/A1.mat.changed").unlink()
    assert_complete(release, tmp_path, ("georgia",))


@pytest.mark.parametrize(("name", "content"), [("sheet.csv", "source,path,patients\ngeorgia,georgia,mine.csv\n"),
                                               ("sheet.csv", "mine\n"), (SUMS, "0" * 64 + "  thesis.txt\n")])
def test_files_of_the_user_stay(release, tmp_path, name, content):
    (tmp_path / name).write_text(content)
    with contextlib.suppress(UserError):
        download(tmp_path, ["georgia"], server(release))
    kept = [file.read_text() for file in tmp_path.glob(f"{name}*")]
    assert content in kept


def test_a_cut_connection_is_resumed_where_it_broke(release, tmp_path):
    path = "training/georgia/g1/A1.mat"
    release.troubles[path] = ["cut", "cut", "cut"]
    download(tmp_path, ["georgia"], server(release))
    assert_complete(release, tmp_path, ("georgia",))
    assert release.asked[path] == 4
    assert release.sent[path] == 120_024        # no byte twice


def test_a_killed_call_is_resumed(release, tmp_path):
    path = "training/georgia/g1/A1.mat"
    part = tmp_path / "georgia/g1/A1.mat.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(release.files[path][:100_000])
    download(tmp_path, ["georgia"], server(release))
    assert_complete(release, tmp_path, ("georgia",))
    assert release.sent[path] == 20_024


def test_a_part_that_was_complete_is_not_fetched_again(release, tmp_path):
    path = "training/georgia/g1/A1.mat"
    part = tmp_path / "georgia/g1/A1.mat.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(release.files[path])
    download(tmp_path, ["georgia"], server(release))
    assert_complete(release, tmp_path, ("georgia",))
    assert release.sent[path] == 0


@pytest.mark.parametrize("held", [b"other bytes than the release has", bytes(200_000)])
def test_a_part_of_something_else_is_thrown_away(release, tmp_path, held):
    part = tmp_path / "georgia/g1/A1.mat.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(held)
    download(tmp_path, ["georgia"], server(release))
    assert_complete(release, tmp_path, ("georgia",))


@pytest.mark.parametrize("troubles", [["503"], ["503", "503", "503"], ["wrong bytes"], ["wrong bytes", "cut", "503"],
                                      ["cut", "no ranges"], ["cut", "wrong bytes"]])
def test_troubles_that_pass(release, tmp_path, troubles):
    for path in release.files:
        release.troubles[path] = list(troubles)
    release.troubles[SUMS] = [one for one in troubles if one in ("503", "cut", "no ranges")]
    download(tmp_path, ["georgia", "ptb"], server(release))
    assert_complete(release, tmp_path)


@pytest.mark.parametrize(("trouble", "why"), [("wrong bytes", "another SHA-256"), ("503", "answered 503"),
                                              ("404", "answered 404")])
def test_what_cannot_be_had_is_named_and_the_rest_arrives(release, tmp_path, trouble, why):
    release.troubles["training/ptb/g1/A2.mat"] = [trouble] * 100
    with pytest.raises(UserError, match=f"1 files could not be had, for example training/ptb/g1/A2.mat: .*{why}"):
        download(tmp_path, ["ptb"], server(release, attempts=3))
    names = {path.name for path in (tmp_path / "ptb/g1").iterdir()}
    assert names - {"A2.mat.part"} == {"A1.hea", "A1.mat", "A2.hea", "A3.hea", "A3.mat"}
    assert not (tmp_path / "sheet.csv").exists()
    release.troubles.clear()
    assert download(tmp_path, ["ptb"], server(release)).kept == 5
    assert_complete(release, tmp_path, ("ptb",))


def test_a_server_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match=r"SHA256SUMS.txt: the list of files could not be had: .*Connection refused"):
        download(tmp_path, ["ptb"], Server("http://127.0.0.1:9/release/", attempts=2, pause=0.01))


def test_many_failures_end_it_early(release, tmp_path):
    rng = np.random.default_rng(1)
    release.files |= {f"training/ptb/g2/B{place}.mat": rng.bytes(10) for place in range(700)}
    release.troubles |= {path: ["404"] * 3 for path in release.files}
    with pytest.raises(UserError, match="files could not be had"):
        download(tmp_path, ["ptb"], server(release))
    assert MOST_FAILURES < sum(release.asked.values()) < 600


def test_no_path_leaves_the_folder(release, tmp_path):
    """Paths of the list are the server's words: only plain ones below training/<source> are taken."""
    wrong = ["../../etc/passwd", "training/ptb/../../x.mat", "/etc/x.mat", "training/ptb/./x.mat",
             "training/ptb/a b.mat"]
    release.sums = lambda: "".join(f"{'0' * 64}  {path}\n" for path in wrong).encode() + Release.sums(release)
    download(tmp_path / "out", ["ptb"], server(release))
    assert_complete(release, tmp_path / "out", ("ptb",))
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_lists_as_other_programs_write_them(release, tmp_path):
    """sha256sum marks binary files by an asterisk; find and xargs give paths below a dot; a last line may be empty."""
    plain = release.sums()
    release.sums = lambda: plain.replace(b"  training/", b" *./training/") + b"\n"
    download(tmp_path, ["georgia", "ptb"], server(release))
    assert_complete(release, tmp_path)


def test_a_list_that_is_no_list(release, tmp_path):
    release.sums = lambda: b"<html>Sign in</html>\n"
    with pytest.raises(UserError, match=r"SHA256SUMS.txt:1: '<html>Sign in</html>' is not a sum and a path"):
        download(tmp_path, ["ptb"], server(release))


def test_unknown_sources_and_addresses(tmp_path):
    with pytest.raises(UserError, match=r"unknown source 'umich'\. Known: cpsc_2018"):
        download(tmp_path, ["umich"], Server(RELEASES["bucket"]))
    with pytest.raises(UserError, match="is not an http address"):
        download(tmp_path, ["ptb"], Server("file:///etc/"))
