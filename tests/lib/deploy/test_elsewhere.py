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
    """One block, whatever its times: calls of a microsecond drift tenfold on a busy machine, and would be repeated."""
    planted(monkeypatch, one=kind(0.0))
    deploy = Deploy(repeats=1, min_count=20, min_seconds=0)
    return bench.bench([exported_model()], ["one"], ["cpu", "gpu"], deploy, folder, 1, machine, others=others,
                       tolerance=float("inf"))


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
    alike = ("a b", "a_b", "a/b", "a  b", "Übung", "x" * 200, "x" * 201, "Box", "box")
    assert len({elsewhere.file_name(name).lower() for name in alike}) == len(alike)


@pytest.mark.parametrize(("name", "other"), [("model", "two"), ("family", "vit"), ("params", 7.0),
                                             ("forward_flops", 7.0)])
def test_a_run_has_one_name_and_one_cost_in_a_table(tmp_path, monkeypatch, name, other):
    """Where rows of a column were moved, one run stands there as two networks."""
    rows = measured(tmp_path / "a", "here", monkeypatch)
    elsewhere.check_rows(rows, tmp_path)
    rows.loc[0, name] = other
    with pytest.raises(UserError, match=r"of run .* it is .* and ") as met:
        elsewhere.check_rows(pd.concat([rows, measured(tmp_path / "b", "here", monkeypatch)]), tmp_path)
    assert met.value.field == name


def test_what_a_folder_came_without_is_told_and_another_machine_s_is_refused(tmp_path, monkeypatch):
    """The A/A control and the single calls are no part of every table that is passed on."""
    for machine in ("here", "there"):
        measured(tmp_path / machine, machine, monkeypatch)
    (tmp_path / "there/times.parquet").unlink()
    told = elsewhere.merge([tmp_path / "here", tmp_path / "there"], [], tmp_path / "out")
    assert "there: no single calls (times.parquet)" in told
    assert "here: no single calls (times.parquet)" not in told
    (tmp_path / "there/environment.json").write_bytes((tmp_path / "here/environment.json").read_bytes())
    with pytest.raises(UserError, match=r"is of 'here', which latency\.parquet beside it does not name"):
        elsewhere.merge([tmp_path / "there"], [], tmp_path / "again")


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


def trained(**columns) -> pd.DataFrame:
    return pd.DataFrame({"run_id": ["a", "b", "c", "d"], "status": ["finished", "finished", "failed", "finished"],
                         "family": "regnet", "params": [10, 10, 10, 20], "forward_flops": [5, 5, 5, 9],
                         "activations": [3, 3, 3, 4], "valid_challenge_score": [0.4, 0.5, 0.9, 0.3],
                         "test_challenge_score": [0.6, 0.2, 0.9, 0.3]} | columns)


def timed(**columns) -> pd.DataFrame:
    return pd.DataFrame({"run_id": ["x", "x", "y", "z"], "family": "regnet", "params": [10, 10, 30, 10],
                         "forward_flops": [5, 5, 8, 6], "activations": [3, 3, 4, 3], "p50_ms": [1.0, 1.1, 2.0, 3.0],
                         "artefact_status": "ok", "score_difference": 0.01} | columns)


def test_a_network_that_was_timed_with_other_weights_stands_for_the_run_that_validation_chose_of_it():
    """x is a network of a, b and the failed c; y and z are none of the table's, z by its FLOPs alone."""
    stands_for = elsewhere.timed_apart(timed(), trained())
    assert stands_for == {"x": "b"}
    rows = elsewhere.of_other_weights(timed(), stands_for)
    assert rows["run_id"].tolist() == ["b", "b", "y", "z"]
    assert rows["weights_of"].tolist()[:2] == ["x", "x"]
    assert rows["p50_ms"].tolist() == timed()["p50_ms"].tolist()
    assert rows["score_difference"].notna().tolist() == [False, False, True, True]      # measured on x's weights


@pytest.mark.parametrize(("latency", "runs"), [
    (timed(run_id=["a", "a", "y", "z"]), trained()),                            # of a run of the table
    (timed(run_id=["b", "x", "y", "z"]), trained()),                            # b was timed itself, beside x
    (timed(activations=[4, 4, 4, 4]), trained()),
    (timed().drop(columns="activations"), trained()), (timed(), trained().drop(columns="forward_flops")),
    (timed(), trained(valid_challenge_score=None))])
def test_what_is_not_the_same_network_or_was_timed_itself_stands_for_nothing_else(latency, runs):
    assert elsewhere.timed_apart(latency, runs) == {}


def test_a_folder_is_merged_for_a_run_table_and_says_what_it_took(tmp_path, monkeypatch):
    """Without the single calls, as tables are passed on; the device that does not answer has no network to place."""
    there = measured(tmp_path / "there", "there", monkeypatch)
    (tmp_path / "there/times.parquet").unlink()
    network = there.loc[there["status"].eq("ok"), elsewhere.NETWORK].iloc[0].to_dict()
    runs = pd.DataFrame([{"run_id": "of the table", "status": "finished", "valid_challenge_score": 0.5, **network}])
    told = elsewhere.merge([tmp_path / "there"], [], tmp_path / "out", runs)
    assert "1 of 1 networks were timed with other weights than the table's" in told[-1]
    merged = LATENCY.read(tmp_path / "out/latency.parquet")
    assert set(merged["run_id"]) == {"of the table"}
    assert set(merged["weights_of"]) == set(there["run_id"])
    assert TIMES.read(tmp_path / "out/times.parquet").empty
    told = elsewhere.merge([tmp_path / "there"], [], tmp_path / "again", runs.assign(params=1))
    assert told[-1] == "1 of 1 networks are not in the run table, and not used with it"
