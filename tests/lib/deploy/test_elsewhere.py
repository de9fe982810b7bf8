"""Results of another machine: joined when they belong to the same files, refused otherwise."""

import json

import pandas as pd
import pytest

from ecgscale.contracts import LATENCY, TIMES, ContractError, Control, Environment
from ecgscale.deploy import bench, elsewhere
from ecgscale.design.study import Deploy
from ecgscale.errors import UserError
from tests.documents import editable
from tests.lib.deploy.test_bench import kind, planted
from tests.lib.report.test_page import control_document
from tests.tiny_models import exported_model


def measured(folder, machine, monkeypatch, others=()):
    planted(monkeypatch, one=kind(0.0))
    deploy = Deploy(repeats=1, min_count=20, min_seconds=0)
    return bench.bench([exported_model()], ["one"], ["cpu", "gpu"], deploy, folder, 1, machine, others=others,
                       tolerance=9)


def test_rows_times_and_environments_stand_beside_each_other(tmp_path, monkeypatch):
    there = measured(tmp_path / "mac", "Ann's Mac", monkeypatch)
    both = measured(tmp_path / "here", "here", monkeypatch, [tmp_path / "mac"])
    assert list(both["machine"].unique()) == ["here", "Ann's Mac"]
    kept = both[both["machine"] == "Ann's Mac"].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, there, check_dtype=False)
    assert LATENCY.read(tmp_path / "here/latency.parquet").shape == both.shape
    times = TIMES.read(tmp_path / "here/times.parquet")
    assert times.groupby("machine").size().to_dict() == {"here": 20, "Ann's Mac": 20}
    mac = elsewhere.file_name("Ann's Mac")
    assert Environment.read(tmp_path / f"here/environment-{mac}.json").machine == "Ann's Mac"
    assert Environment.read(tmp_path / "here/environment.json").machine == "here"


def test_the_control_of_another_machine_comes_along(tmp_path, monkeypatch):
    measured(tmp_path / "mac", "Ann's Mac", monkeypatch)
    control = control_document()
    control.write(tmp_path / "mac/control.json")
    measured(tmp_path / "here", "here", monkeypatch, [tmp_path / "mac"])
    mac = elsewhere.file_name("Ann's Mac")
    assert Control.read(tmp_path / f"here/control-{mac}.json") == control


def test_machines_whose_names_are_written_alike_keep_files_of_their_own():
    """A name that a file can bear stays; "a b" and "a_b" were one file, and the second replaced the first."""
    assert elsewhere.file_name("node-3.local") == "node-3.local"
    alike = ("a b", "a_b", "a/b", "a  b", "Übung", "x" * 200, "x" * 201)
    assert len({elsewhere.file_name(name) for name in alike}) == len(alike)


def test_the_same_machine_twice_is_refused(tmp_path, monkeypatch):
    measured(tmp_path / "a", "here", monkeypatch)
    with pytest.raises(UserError, match="machine 'here' was measured already"):
        measured(tmp_path / "b", "here", monkeypatch, [tmp_path / "a"])
    assert not (tmp_path / "b/latency.parquet").exists()


@pytest.mark.parametrize(("column", "value", "words"), [
    ("artefact_digest", "0" * 16, "was measured with another file"), ("run_id", "f" * 12, "is not one of the models")])
def test_results_of_other_files_are_refused(tmp_path, monkeypatch, column, value, words):
    table = measured(tmp_path / "a", "there", monkeypatch)
    table.loc[table["status"] == "ok", column] = value
    LATENCY.write(table, tmp_path / "a/latency.parquet")
    with pytest.raises(UserError, match=words):
        measured(tmp_path / "b", "here", monkeypatch, [tmp_path / "a"])


def test_another_schema_is_refused_by_name(tmp_path, monkeypatch):
    measured(tmp_path / "a", "there", monkeypatch)
    document = editable(tmp_path / "a/environment.json") | {"schema": "ecgscale.environment/9"}
    (tmp_path / "a/environment.json").write_text(json.dumps(document))
    with pytest.raises(ContractError, match=r"ecgscale\.environment/9"):
        measured(tmp_path / "b", "here", monkeypatch, [tmp_path / "a"])
