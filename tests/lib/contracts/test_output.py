"""A result takes its place whole or not at all, and what ecgscale did not write stays."""

import errno
import re
import tempfile
from pathlib import Path

import pandas as pd
import pytest

from ecgscale import contracts
from ecgscale.contracts import SPLIT, marked, remove_folder, whole, whole_folder, write_text
from ecgscale.errors import UserError

PACKAGE = Path(__file__).parents[3] / "lib" / "ecgscale"
OURS = marked(b"made by us")
MEMBERS = {"table.csv": OURS, "array.npy": None, "figures/*.svg": OURS}


def listing(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def make(folder: Path, more: str = "") -> None:
    with whole_folder(folder, MEMBERS) as temporary:
        (temporary / "figures").mkdir(parents=True)
        for name in ("table.csv", "array.npy", "figures/a.svg", *filter(None, [more])):
            (temporary / name).write_text("made by us" if name != "array.npy" else "numbers")


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("made by us, old")

    def fail():
        with whole(path, OURS) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert listing(tmp_path) == {"a.txt": b"made by us, old"}


def test_a_folder_of_ours_is_replaced_whole(tmp_path):
    make(tmp_path / "out", more="figures/old.svg")
    make(tmp_path / "out")
    assert set(listing(tmp_path / "out")) == {"table.csv", "array.npy", "figures/a.svg"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("name", ["thesis.txt", "figures/mine.png", "figures/deep/a.svg", "other.npy", ".hidden"])
def test_a_folder_that_holds_anything_else_stays_as_it_is(tmp_path, name):
    make(tmp_path / "out")
    (tmp_path / "out" / name).parent.mkdir(exist_ok=True)
    (tmp_path / "out" / name).write_text("mine")
    before = listing(tmp_path)
    with pytest.raises(UserError, match="did not write"):
        make(tmp_path / "out")
    with pytest.raises(UserError):
        remove_folder(tmp_path / "out", MEMBERS)
    assert listing(tmp_path) == before


@pytest.mark.parametrize(("name", "content"), [("table.csv", "the user's own table"), ("array.npy", "numbers"),
                                               ("figures/a.svg", "<svg/>")])
def test_a_name_alone_is_no_proof(tmp_path, name, content):
    """A table without the schema, and an array in a folder without one of ours beside it."""
    (tmp_path / "out" / name).parent.mkdir(parents=True)
    (tmp_path / "out" / name).write_text(content)
    with pytest.raises(UserError, match="did not write"):
        make(tmp_path / "out")
    assert (tmp_path / "out" / name).read_text() == content


def test_what_comes_while_the_command_works_stays_too(tmp_path):
    make(tmp_path / "out")

    def late():
        with whole_folder(tmp_path / "out", MEMBERS) as temporary:
            temporary.mkdir()
            (tmp_path / "out/late.txt").write_text("mine")

    with pytest.raises(UserError, match="late"):
        late()
    assert set(listing(tmp_path / "out")) == {"late.txt", "table.csv", "array.npy", "figures/a.svg"}


def test_links_are_followed_to_the_folder_and_never_out_of_it(tmp_path):
    (tmp_path / "place").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "place")
    make(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert "table.csv" in listing(tmp_path / "place")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/table.csv").write_text("made by us")
    (tmp_path / "place/figures/all").symlink_to(tmp_path / "mine")
    with pytest.raises(UserError, match="figures/all"):
        make(tmp_path / "link")
    assert (tmp_path / "mine/table.csv").exists()


@pytest.mark.parametrize("name", ["rejects.csv", "rejects.parquet", "shard.json", "page.txt"])
def test_a_file_is_replaced_by_name_and_schema(tmp_path, name):
    path, rows = tmp_path / name, pd.DataFrame({"record": ["a"], "source": ["b"], "reason": ["gain"], "detail": ["c"]})

    def write():
        if name.startswith("rejects"):
            contracts.REJECTS.write(rows, path)
        elif name == "shard.json":
            write_text(path, '{\n  "schema": "ecgscale.shard/1"}', contracts.Shard.wrote)
        else:
            write_text(path, "made by us", OURS)

    for _ in range(2):
        write()
    for foreign in ("the user's own", '{"schema": "ecgscale.plan/1"}', "ecgscale.split/1"):
        path.write_text(foreign)
        with pytest.raises(UserError, match="not replaced"):
            write()
        assert path.read_text() == foreign
    path.write_text("")         # as mktemp makes it: nothing is lost
    write()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc, which takes no folders")
def test_a_place_that_takes_no_folder_is_refused_and_a_full_disk_is_not_taken_for_one(tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"nothing can be written there \(.*Name another place"):
        make(Path("/proc/nobody/out"))

    def full(**_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "mkdtemp", full)
    with pytest.raises(OSError, match="No space left"):
        make(tmp_path / "out")


def test_a_file_where_a_folder_is_wanted_and_the_other_way_round(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match="is a file"):
        make(tmp_path / "file")
    with pytest.raises(UserError, match="a folder above it is a file"):
        make(tmp_path / "file/below")
    with pytest.raises(UserError, match="is a folder"):
        write_text(tmp_path, "text", OURS)


def test_nothing_is_removed_anywhere_else():
    """One place replaces and removes what stands on disk; beside it a checkpoint's own state and a download's parts."""
    allowed = {"contracts/output.py": {"rmtree", "os.replace", "os.rename"}, "training/checkpoint.py": {"unlink"},
               "ecg/download.py": {"unlink"}}
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text()
        found = {word for word in ("rmtree", "unlink", "rmdir", "removedirs", "shutil.move", "os.remove", "os.replace",
                                   "os.rename") if re.search(rf"\b{re.escape(word)}\(", text)}
        assert found <= allowed.get(path.relative_to(PACKAGE).as_posix(), set()), path


def test_a_split_of_the_users_own_stays(tmp_path):
    rows = pd.DataFrame({"record": ["a"], "part": ["train"]})
    rows.to_parquet(tmp_path / "split.parquet")
    before = (tmp_path / "split.parquet").read_bytes()
    with pytest.raises(UserError, match="not replaced"):
        SPLIT.write(rows.assign(source="s", patient=None, fold=0), tmp_path / "split.parquet")
    assert (tmp_path / "split.parquet").read_bytes() == before
