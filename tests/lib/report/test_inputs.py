"""Latencies that a report is given: each machine once, and of the models at hand to the byte."""

from types import SimpleNamespace

import pytest

from ecgscale.contracts import LATENCY, ContractError
from ecgscale.errors import UserError
from ecgscale.report.inputs import check_latency
from tests.lib.report.test_page import latency_table, run_table


@pytest.fixture
def folder(tmp_path):
    """A function that writes latency.parquet of a machine; every measured file has the digest "a"."""
    def write(machine: str):
        rows = latency_table(run_table(synthetic=True), synthetic=True)
        rows = rows[rows["machine"] == "box"].assign(machine=machine)
        LATENCY.write(rows.assign(artefact_digest=rows["status"].map({"ok": "a"})), tmp_path / machine / "l.parquet")
        return tmp_path / machine / "l.parquet"
    return write


def models(digest: str, ids=("run03", "run04")):
    return [SimpleNamespace(run_id=one, artefacts=[SimpleNamespace(digest=digest)]) for one in ids]


def test_two_machines_of_the_same_files_are_taken(folder):
    check_latency([folder("box"), folder("mac")], models("a"))


def test_one_machine_twice_another_file_and_another_model_are_refused(folder, tmp_path):
    first = folder("box")
    second = tmp_path / "copy.parquet"
    second.write_bytes(first.read_bytes())
    with pytest.raises(UserError, match=r"copy\.parquet: machine: machine 'box' was measured already"):
        check_latency([first, second], [])
    with pytest.raises(UserError, match=r"was measured with another file \(digest a\)"):
        check_latency([first], models("b"))
    with pytest.raises(UserError, match="is not one of the models given"):
        check_latency([first], models("a", ids=("run03",)))


def test_a_file_that_is_no_latency_table_is_named(tmp_path):
    (tmp_path / "latency.parquet").write_bytes(b"PAR1 or not")
    with pytest.raises((ContractError, UserError), match=r"latency\.parquet"):
        check_latency([tmp_path / "latency.parquet"], [])
