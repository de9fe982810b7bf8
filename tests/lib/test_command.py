"""What every command does at its door and at its end, whatever it is given: found by hostile calls of all of them."""

import argparse
import errno
import os
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd
import pytest

from ecgscale import command
from ecgscale.contracts import SPLIT, ContractError, SplitInfo, read_split, write_split
from ecgscale.contracts.labels import label_set_folder
from ecgscale.contracts.reading import read_json
from ecgscale.errors import UserError

ROOT = Path(__file__).parents[2]


def ended(capsys, monkeypatch, error: BaseException) -> str:
    def main(_):
        raise error

    monkeypatch.setattr(sys, "argv", ["ecg-any"])
    monkeypatch.setattr(command, "confine", lambda: None)
    with pytest.raises(SystemExit) as left:
        command.run(main)
    assert left.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize("number", [errno.EIO, errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR, errno.ESTALE])
def test_a_disk_that_fails_is_told_without_a_traceback(capsys, monkeypatch, number):
    """As read(2) and open(2) of Linux may end; /proc/self/mem gives EIO."""
    told = ended(capsys, monkeypatch, OSError(number, os.strerror(number), "a" * 5000))
    assert told == f"ecg-any: {'a' * 1000}...: {os.strerror(number)}\n"


def test_too_little_memory_is_told_without_a_traceback(capsys, monkeypatch):
    told = ended(capsys, monkeypatch, MemoryError("Unable to allocate 98.7 PiB"))
    assert told == "ecg-any: not enough memory (Unable to allocate 98.7 PiB). Give it more, or less to do\n"


@pytest.mark.parametrize(("ends", "code", "said"), [
    (">&-", 2, "stdout: is closed, or open for reading only: what was to be printed there is lost"),
    ("1<ask.py", 2, "open for reading only"), ("2<ask.py | cat", 0, ""), ("1<ask.py 2<ask.py", 2, ""),
    (">/dev/full", 2, "No space left on device"),
    ("| true", 1, ""), ("| cat", 0, ""), ("2>&- | cat", 0, ""), ("<&- | cat", 0, "")])
def test_an_answer_that_nobody_can_read_is_no_success(tmp_path, ends, code, said):
    """Of any command: exit 0 says that the answer came. The file that is opened first has the number of a closed
    stream: what a library prints to that number must not land in it."""
    if "full" in ends and not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    (tmp_path / "ask.py").write_text(
        "import contextlib, os, time\nfrom ecgscale import command\n"
        "def main(argv):\n    with open('made', 'w') as made:\n        with contextlib.suppress(OSError):\n"
        "            os.write(1, b'of a library\\n')\n        made.write('whole')\n    time.sleep(0.2)\n"
        "    print('answer')\ncommand.run(main)\n")
    done = subprocess.run(["bash", "-c", f'"$0" ask.py {ends}; exit "${{PIPESTATUS[0]}}"', sys.executable],
                          cwd=tmp_path, text=True, capture_output=True, check=False,
                          env={**os.environ, "PYTHONPATH": str(ROOT / "lib"), "PYTHONUNBUFFERED": ""})
    assert (done.returncode, (tmp_path / "made").read_text()) == (code, "whole")
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert "ignored" not in done.stderr


def test_a_defect_of_ours_still_shows_where_it_is(monkeypatch):
    monkeypatch.setattr(command, "confine", lambda: None)
    with pytest.raises(FileNotFoundError):
        command.run(lambda _: open("/nowhere"))  # noqa: SIM115


def test_a_folder_that_was_removed_is_told():
    """Libraries that ask for it crash: MKL, V8 and ONNX Runtime's preparation of a model did."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([sys.executable, ROOT / "bin/ecg-check", "--version"], capture_output=True, text=True,
                              check=False, cwd=folder, preexec_fn=lambda: os.rmdir(folder),
                              env={**os.environ, "PYTHONPATH": str(ROOT / "lib")})
        os.mkdir(folder)
    assert done.returncode == 2
    assert done.stderr.startswith("ecg-check: the current folder was removed. Change to another one")


@pytest.mark.parametrize("locale", ["C", "ISO-8859-1"])
def test_names_are_utf_8_whatever_the_locale_says(locale, tmp_path):
    """A name of two signs in UTF-8 was four by ISO 8859-1, and what was not ASCII could not be printed."""
    (tmp_path / "any").write_text("from ecgscale import command\nimport sys\n"
                                  "command.run(lambda _: print(sys.argv[1:], len(sys.argv[1])))\n")
    subprocess.run(["localedef", "-i", "de_DE", "-f", locale, tmp_path / "de_DE.ISO-8859-1"], check=False,
                   capture_output=True)
    done = subprocess.run([sys.executable, tmp_path / "any", "Ü1", b"\xff"], capture_output=True, check=False, env={
        **os.environ, "PYTHONPATH": str(ROOT / "lib"), "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0",
        "LOCPATH": str(tmp_path), "LC_ALL": "C" if locale == "C" else "de_DE.ISO-8859-1",
        "PYTHONIOENCODING": "ascii" if locale == "C" else "utf-8"})
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode() == ("['\\xdc1', '\\udcff'] 2\n" if locale == "C" else "['Ü1', '\\udcff'] 2\n")


@pytest.mark.parametrize("kind", [command.file, command.folder, command.existing, command.new_folder, command.new_file,
                                  command.new])
def test_an_empty_name_is_not_the_current_folder(kind):
    with pytest.raises(argparse.ArgumentTypeError, match="no name"):
        kind("")


def test_text_that_is_not_utf_8_and_a_million_threads_are_no_options(capsys):
    """Names of machines and sources stand in tables and pages; a path may have any name."""
    made = command.parser("Any.", "ecg-any")
    made.add_argument("--machine")
    made.add_argument("--out", type=command.new_folder)
    command.add_cpus(made)
    odd = os.fsdecode(b"caf\xe9")
    assert made.parse_args(["--out", odd, "--machine", "café", "--cpus", "4096"]).machine == "café"
    for option, value, told in (("--machine", odd, "'caf\\udce9' is not UTF-8"), ("--cpus", "99999", "99999 threads")):
        with pytest.raises(SystemExit):
            made.parse_args([option, value])
        assert told in capsys.readouterr().err


def test_a_list_in_several_parts_is_one_list_and_a_single_value_is_given_once(capsys):
    """`--map params=A --map loss=B` fitted a table by the last part alone, without a word, as argparse does it."""
    made = command.parser("Fit.", "ecg-fit")
    made.add_argument("--map", nargs="+", default=[])
    made.add_argument("--at", nargs="*", default=[], type=float)
    made.add_argument("--runs", "-r", default="runs.csv")
    made.add_argument("--part", choices=("valid", "test"), default="valid")
    for _ in range(2):                          # a parser that is asked twice starts anew
        found = made.parse_args(["--map", "a=A", "b=B", "--map", "c=C", "--at", "1", "--at", "2", "--runs", "x"])
        assert (found.map, found.at, found.runs, found.part) == (["a=A", "b=B", "c=C"], [1.0, 2.0], "x", "valid")
    assert made.parse_args([]).map == []
    for twice in (["--runs", "x", "-r", "x"], ["--part", "test", "--part=valid"]):
        with pytest.raises(SystemExit):
            made.parse_args(twice)
        assert "given twice" in capsys.readouterr().err


@pytest.mark.parametrize("name", sorted(one.name for one in (ROOT / "bin").glob("ecg-*")))
def test_no_option_of_a_command_drops_what_was_given_before(name, monkeypatch):
    """Each is made by `command.parser`, whose lists grow and whose single values come once."""
    made = []
    monkeypatch.setattr(command.Parser, "parse_args", lambda self, *_: made.append(self) or sys.exit(0))
    monkeypatch.setattr(sys, "argv", [name])
    with pytest.raises(SystemExit):
        runpy.run_path(str(ROOT / "bin" / name), run_name="__main__")
    actions = [one for one in made[0]._actions if one.option_strings]
    assert actions
    assert [one.dest for one in actions if type(one) is argparse._StoreAction] == []


@pytest.mark.parametrize("kind", [command.new_folder, command.new_file, command.new])
def test_no_result_goes_where_a_link_leads_to_itself(kind, tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "later").symlink_to(tmp_path / "gone")
    with pytest.raises(argparse.ArgumentTypeError, match="leads to itself"):
        kind(str(tmp_path / "loop"))
    assert kind(str(tmp_path / "later")) == tmp_path / "later"


def test_endless_names_and_lists_are_cut_in_a_message():
    told = str(UserError(f"no {'x' * 10**5}", file="y" * 10**5, field="z", remedy="Write " + "w" * 10**5))
    assert told == f"{'y' * 1000}... z: no {'x' * 1000}.... Write {'w' * 1000}..."
    assert len(str(UserError(", ".join(f"{k} is unknown" for k in range(10**4))))) < 5100


def test_results_may_lie_where_a_name_is_not_utf_8(tmp_path):
    """Arrow, given a path, takes none."""
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    rows = pd.DataFrame({"record": list("ab"), "source": "s", "patient": None, "fold": [0, 3],
                         "part": ["train", "test"]})
    info = SplitInfo(method="records", seed=1, counts={}, audit={}, corpus_digest="c",
                     digest=SplitInfo.digest_of(rows), synthetic=True)
    write_split(rows, info, folder)
    SPLIT.write(rows, folder / "split.csv")
    assert read_split(folder)[0]["record"].tolist() == SPLIT.read(folder / "split.csv")["record"].tolist() == ["a", "b"]


def test_a_file_of_results_has_a_name_that_a_document_can_hold(tmp_path):
    """datapackage.json lists it; a lone surrogate ended `ecg-extrapolate` with a traceback after its work."""
    for name in (os.fsdecode(b"caf\xe9.csv"), "a\nb.csv"):
        with pytest.raises(argparse.ArgumentTypeError, match="not UTF-8"):
            command.new_file(str(tmp_path / name))
    assert command.new_file(str(tmp_path / "café.csv")) == tmp_path / "café.csv"


def test_a_foreign_file_at_the_second_place_stops_the_first_one_too(tmp_path):
    (tmp_path / "split.json").write_text("mine")
    info = SplitInfo(method="records", seed=1, counts={}, audit={}, corpus_digest="c", digest="d", synthetic=True)
    with pytest.raises(UserError, match="stands there already"):
        write_split(pd.DataFrame({"record": ["a"], "source": "s", "patient": None, "fold": 0, "part": "train"}), info,
                    tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["split.json"]


@pytest.mark.parametrize("counts", [{}, {"train": 0}, {"train": -5}, {"valid": 3}])
def test_a_split_that_trains_on_nothing_is_refused_by_those_who_plan(counts):
    info = SplitInfo(method="records", seed=1, counts=counts, audit={}, corpus_digest="c", digest="d", synthetic=True)
    with pytest.raises(ContractError, match=r"counts\.train: .*no recording to train on"):
        assert info.train_records


@pytest.mark.parametrize("text", ["1" + "0" * 400, str(1 << 63), str(-(1 << 63))])
def test_a_whole_number_that_no_table_holds_is_refused_where_it_is_read(text):
    """int64 is what Arrow and pandas hold."""
    with pytest.raises(ContractError, match="64 bits"):
        read_json(f'{{"params": {text}}}', "run.json")
    assert read_json(str((1 << 63) - 1), "run.json") == 2**63 - 1


def test_a_name_that_no_file_system_takes_is_no_label_set():
    with pytest.raises(UserError, match=r"no label set 'a{990,1000}\.{4} Give a folder or one of"):
        label_set_folder("a" * 10**5)
