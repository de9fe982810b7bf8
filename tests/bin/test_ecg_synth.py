"""ecg-synth: a corpus from the command line, and its refusals."""

from functools import partial

import wfdb

from tests.commands import run_command

synth = partial(run_command, "ecg-synth")


def test_writes_a_corpus(tmp_path):
    made = synth("--out", str(tmp_path / "corpus"), "--records", "12", "--seed", "7", "--sources", "georgia,ptb",
                 "--cpus", "1")
    assert made.returncode == 0, made.stderr
    assert "georgia" in made.stderr
    headers = sorted((tmp_path / "corpus").glob("*/**/*.hea"))
    assert len(headers) == 12
    assert "Synthetic: yes" in wfdb.rdheader(str(headers[0].with_suffix(""))).comments
    assert (tmp_path / "corpus" / "sheet.csv").read_text().startswith("source,path,patients\n")


def test_refusals_leave_nothing(tmp_path):
    for arguments, problem in ((["--sources", "mars"], "no source 'mars'"), (["--difficulty", "2"], "from 0 to 1"),
                               (["--records", "0"], "whole number above 0"), (["--seed", "-1"], "0 or above")):
        made = synth("--out", str(tmp_path / "corpus"), *arguments)
        assert made.returncode == 2
        assert problem in made.stderr
        assert "Traceback" not in made.stderr
    assert not list(tmp_path.iterdir())
