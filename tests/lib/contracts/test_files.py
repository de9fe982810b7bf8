"""Files between stages: written whole, read back as they were, refused by name when they are another version."""

import json
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from ecgscale import contracts
from ecgscale.contracts import Artefact, ContractError, OptimizerSpec, RunSpec
from ecgscale.contracts.reading import plain_file, read_arrays, read_json
from ecgscale.deploy.runtimes import DeployedModel, Unavailable
from tests.data_packages import check_package

ROOT = Path(__file__).parents[3]
SPEC = {"study": "s", "model": {"family": "regnet", "params": {"depth": 4}}, "optimizer": {"name": "sgd", "lr": 0.1}}
REJECTED = pd.DataFrame({"record": ["ptb/a", "ptb/b"], "source": ["ptb", "ptb"], "reason": ["truncated", "gain-zero"],
                         "detail": ['12 bytes, "mat"', "a\nb, c"]})


@pytest.mark.parametrize("name", ["rejects.csv", "rejects.parquet"])
def test_table_reads_back(tmp_path, name):
    contracts.REJECTS.write(REJECTED, tmp_path / name)
    pd.testing.assert_frame_equal(contracts.REJECTS.read(tmp_path / name), REJECTED)


@pytest.mark.parametrize("name", ["rejects.csv", "rejects.parquet"])
def test_another_version_is_refused_by_name(tmp_path, name):
    replace(contracts.REJECTS, version=2).write(REJECTED, tmp_path / name)
    with pytest.raises(ContractError, match=r"ecgscale\.rejects/2.*ecgscale\.rejects/1"):
        contracts.REJECTS.read(tmp_path / name)


@pytest.mark.parametrize("name", ["rejects.csv", "rejects.parquet"])
def test_a_table_that_was_cut_off_is_refused(tmp_path, name):
    """A work folder whose file lost its end: never fewer rows, or half a number, without a word."""
    contracts.REJECTS.write(REJECTED, tmp_path / name)
    whole_file = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole_file[:-3])
    with pytest.raises(ContractError, match="changed or cut short"):
        contracts.REJECTS.read(tmp_path / name)
    (tmp_path / "datapackage.json").unlink()
    with pytest.raises(ContractError, match=r"cut off|not a readable Parquet file"):
        contracts.REJECTS.read(tmp_path / name)


def test_a_csv_is_plain_and_the_package_beside_it_describes_it(tmp_path):
    contracts.REJECTS.write(REJECTED, tmp_path / "rejects.csv")
    contracts.REJECTS.write(REJECTED, tmp_path / "Again 2.parquet")
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "rejects.csv"), REJECTED)
    assert check_package(tmp_path) == 2
    package = json.loads((tmp_path / "datapackage.json").read_text())
    assert [resource["name"] for resource in package["resources"]] == ["again-2.parquet", "rejects.csv"]
    assert {resource["schema"]["name"] for resource in package["resources"]} == {"ecgscale.rejects"}


def test_a_csv_without_package_is_read_by_its_columns(tmp_path):
    REJECTED.to_csv(tmp_path / "rejects.csv", index=False)
    pd.testing.assert_frame_equal(contracts.REJECTS.read(tmp_path / "rejects.csv"), REJECTED)
    REJECTED.assign(detail=[None, "a"]).to_csv(tmp_path / "rejects.csv", index=False)
    assert contracts.REJECTS.read(tmp_path / "rejects.csv")["detail"].isna().tolist() == [True, False]
    REJECTED.drop(columns="reason").to_csv(tmp_path / "rejects.csv", index=False)
    with pytest.raises(ContractError, match="'reason' is missing"):
        contracts.REJECTS.read(tmp_path / "rejects.csv")
    (tmp_path / "history.csv").write_text(",".join(contracts.HISTORY.columns) + "\n" + ",".join("one" * 8) + "\n")
    with pytest.raises(ContractError, match="history"):
        contracts.HISTORY.read(tmp_path / "history.csv")


def test_a_csv_of_the_old_form_is_read_and_says_how_to_renew_it(tmp_path, capsys):
    """Its first line was a comment that named schema and version."""
    path, old = tmp_path / "rejects.csv", "# ecgscale.rejects/1\n"
    contracts.REJECTS.write(REJECTED, path)
    (tmp_path / "datapackage.json").unlink()
    plain = path.read_text()
    path.write_text(old + plain)
    pd.testing.assert_frame_equal(contracts.REJECTS.read(path), REJECTED)
    assert "delete that line to renew it" in capsys.readouterr().err
    path.write_text(old.replace("/1", "/9") + plain)
    with pytest.raises(ContractError, match=r"rejects\.csv:1: holds 'ecgscale\.rejects/9'"):
        contracts.REJECTS.read(path)


def test_the_package_keeps_what_is_not_ours_and_a_broken_one_stops_before_anything_is_written(tmp_path):
    package, theirs = tmp_path / "datapackage.json", {"name": "theirs", "path": "theirs.csv"}
    package.write_text(json.dumps({"title": "of theirs", "resources": [theirs]}))
    for _ in range(2):
        contracts.REJECTS.write(REJECTED, tmp_path / "rejects.csv")
    found = json.loads(package.read_text())
    assert found["title"] == "of theirs"
    assert [resource["path"] for resource in found["resources"]] == ["rejects.csv", "theirs.csv"]
    for broken in ("{", "[]", '{"resources": 1}', "[" * 100_000, "\udcff"):
        package.write_bytes(broken.encode("utf-8", "surrogateescape"))
        for act in (lambda: contracts.REJECTS.write(REJECTED, tmp_path / "other.csv"),
                    lambda: contracts.REJECTS.read(tmp_path / "rejects.csv")):
            with pytest.raises(ContractError, match="not a Data Package"):
                act()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["datapackage.json", "rejects.csv"]


SAVED_AGAIN = {     # what these programs write of one row: whole numbers, text that looks like one, a flag, no value
    "pandas": '{}epoch,lr,train_loss,valid_loss,clipped_share,samples,seconds,data_wait_share,synthetic\n'
              '{}0,0.1,,0.5,0.0,32.0,1.5,0.25,True\n',
    "Excel": '\ufeff{}epoch,lr,train_loss,valid_loss,clipped_share,samples,seconds,data_wait_share,synthetic\r\n'
             '{}0,1.00E-01,,0.5,0,32,1.5,0.25,TRUE\r\n',
    "R": '{}"epoch","lr","train_loss","valid_loss","clipped_share","samples","seconds","data_wait_share","synthetic"\n'
         '{}0,0.1,NA,0.5,0,32,1.5,0.25,TRUE\n',
}


@pytest.mark.parametrize("rows", ["", "numbered"])
@pytest.mark.parametrize("program", SAVED_AGAIN)
def test_a_csv_that_another_program_saved_is_read(tmp_path, program, rows):
    head, row = ({"pandas": (",", "0,"), "R": ('"",', '"1",'), "Excel": (",", "1,")}[program] if rows else ("", ""))
    (tmp_path / "history.csv").write_text(SAVED_AGAIN[program].format(head, row), encoding="utf-8", newline="")
    expected = pd.DataFrame({"epoch": [0], "lr": [0.1], "train_loss": [float("nan")], "valid_loss": [0.5],
                             "clipped_share": [0.0], "samples": [32], "seconds": [1.5], "data_wait_share": [0.25],
                             "synthetic": [True]})
    pd.testing.assert_frame_equal(contracts.HISTORY.read(tmp_path / "history.csv"), expected)


def test_a_name_that_a_spreadsheet_made_a_number_is_told(tmp_path, capsys):
    """Excel makes 123456789e12 and 123456789012, both possible run_ids, 1.23E+20 and 1.23457E+11, a cell at a time."""
    rows = REJECTED.assign(record=["1.23457E+11", "98e7c21fab04"])
    rows.to_csv(tmp_path / "rejects.csv", index=False)
    assert contracts.REJECTS.read(tmp_path / "rejects.csv")["record"].tolist() == rows["record"].tolist()
    assert "record: 1.23457E+11 is what a spreadsheet made of a name (1 of 2 rows)" in capsys.readouterr().err
    contracts.REJECTS.write(REJECTED.assign(record=["123456789e12", "123456789012"]), tmp_path / "again.csv")
    contracts.REJECTS.read(tmp_path / "again.csv")
    assert capsys.readouterr().err == ""


def test_a_share_of_a_whole_number_is_no_whole_number(tmp_path):
    text = SAVED_AGAIN["pandas"].format("", "").replace("32.0", "32.5")
    (tmp_path / "history.csv").write_text(text)
    with pytest.raises(ContractError, match="history"):
        contracts.HISTORY.read(tmp_path / "history.csv")


@pytest.mark.parametrize("table", [table for table in vars(contracts).values() if isinstance(table, contracts.Table)],
                         ids=lambda table: table.name)
def test_every_column_is_declared_in_full(table):
    """A meaning for all, a unit for all numbers and nothing else, and no version that is still to come."""
    for name, column in {**table.columns, **table.optional, **table.prefixes}.items():
        assert column.meaning, name
        assert bool(column.unit) == (column.kind in (contracts.WHOLE, contracts.REAL)), name
        assert 1 <= column.since <= table.version, name


def test_missing_and_foreign_columns_are_named(tmp_path):
    with pytest.raises(ContractError, match="'reason' is missing, 'cause' is unknown"):
        contracts.REJECTS.write(REJECTED.rename(columns={"reason": "cause"}), tmp_path / "rejects.csv")
    assert list(tmp_path.iterdir()) == []


def test_empty_csv_keeps_its_columns(tmp_path):
    contracts.REJECTS.write(REJECTED[:0], tmp_path / "rejects.csv")
    back = contracts.REJECTS.read(tmp_path / "rejects.csv")
    assert list(back) == list(REJECTED)
    assert len(back) == 0


def test_a_parquet_file_of_more_cells_than_are_read_is_refused(tmp_path, monkeypatch):
    contracts.REJECTS.write(REJECTED, tmp_path / "rejects.parquet")
    monkeypatch.setattr("ecgscale.contracts.tables.MOST_CELLS", 7)
    with pytest.raises(ContractError, match="announces 8 cells, at most 7 are read"):
        contracts.REJECTS.read(tmp_path / "rejects.parquet")


def test_parquet_opens_without_us(tmp_path):
    contracts.REJECTS.write(REJECTED, tmp_path / "rejects.parquet")
    pd.testing.assert_frame_equal(pq.read_table(tmp_path / "rejects.parquet").to_pandas(), REJECTED)


def test_whole_numbers_that_another_program_kept_as_real_ones_are_whole(tmp_path):
    """pandas makes 3.0 of a 3 where a column has gaps; read as it stood, it was no place in a list."""
    contracts.SPLIT.write(pd.DataFrame({"record": ["a/1", "a/2"], "source": "a", "patient": None, "fold": [0, 3],
                                        "part": "train"}), tmp_path / "split.parquet")
    table = pq.read_table(tmp_path / "split.parquet")
    place = table.schema.get_field_index("fold")
    pq.write_table(table.set_column(place, "fold", table["fold"].cast(pa.float64())), tmp_path / "split.parquet")
    (tmp_path / "datapackage.json").unlink()
    fold = contracts.SPLIT.read(tmp_path / "split.parquet")["fold"]
    assert fold.dtype == "int64"
    assert fold.tolist() == [0, 3]


def test_one_column_of_another_type_is_refused(tmp_path):
    """As a program writes that keeps our metadata and makes text of a column of numbers."""
    rows = pd.DataFrame({name: ["a" if column.kind is contracts.TEXT else 3] for name, column in
                         contracts.SOURCE_COUNTS.columns.items()}).assign(found="many")
    table = pa.Table.from_pandas(rows, preserve_index=False).replace_schema_metadata(
        {"ecgscale": contracts.SOURCE_COUNTS.schema_id()})
    pq.write_table(table, tmp_path / "sources.parquet")
    with pytest.raises(ContractError, match="many"):
        contracts.SOURCE_COUNTS.read(tmp_path / "sources.parquet")


def test_run_id_is_the_digest_of_everything_else():
    spec = RunSpec.make(**SPEC)
    assert spec.run_id == RunSpec.make(**SPEC).run_id
    others = [RunSpec.make(**SPEC | {"seed": 1}), RunSpec.make(**SPEC | {"optimizer": {"name": "sgd", "lr": 0.2}}),
              RunSpec.make(**SPEC | {"augment": ("noise",)}), RunSpec.make(**SPEC | {"study": "t"})]
    assert len({spec.run_id, *(other.run_id for other in others)}) == 5


def test_documents_refuse_unknown_members_and_other_versions(tmp_path):
    ledger = {name: 1 for name, member in contracts.Ledger.model_fields.items() if member.is_required()}
    run = contracts.PlannedRun(spec=RunSpec.make(**SPEC), ledger=contracts.Ledger(**ledger))
    contracts.PlannedRun.write_lines([run, run], tmp_path / "runs.jsonl")
    assert contracts.PlannedRun.read_lines(tmp_path / "runs.jsonl") == [run, run]
    body = run.body()
    del body["sha256"]
    for change, words in (({"schema": "ecgscale.planned-run/9"}, "planned-run/9"), ({"more": 1}, "more"),
                          ({"ledger": ledger | {"params": "many"}}, "ledger.params")):
        with pytest.raises(ContractError, match=words):
            contracts.PlannedRun.from_text(json.dumps(body | change), "runs.jsonl", line=3)


def test_one_epoch_of_one_window_a_step_is_a_run():
    spec = RunSpec.make(**SPEC | {"epochs": 1, "batch_size": 1})
    assert (spec.epochs, spec.batch_size) == (1, 1)


def test_numbers_out_of_range_are_refused():
    with pytest.raises(ValueError, match="greater than 0"):
        OptimizerSpec(name="sgd", lr=0)


def test_committed_tables_are_of_the_current_schema():
    """Every committed file between stages can be read by this version, and opened by everybody."""
    assert len(contracts.RUNS.read(ROOT / "assets/examples/runs.csv"))
    packages = sorted((ROOT / "assets").rglob("datapackage.json"))
    assert [check_package(path.parent) for path in packages] == [1, 3, 3, 2, 2, 7, 5, 1, 1, 1, 3, 1, 2]


@pytest.mark.parametrize("text", ["=cmd|'/c calc'!A0", "+1", "-x", "@SUM(A1)", "\tx", "'=1", "''+2", "plain",
                                  "'quoted'", "-"])
def test_no_cell_is_a_formula_and_every_text_comes_back(tmp_path, text):
    contracts.REJECTS.write(REJECTED.assign(detail=text), tmp_path / "rejects.csv")
    cells = pd.read_csv(tmp_path / "rejects.csv", keep_default_na=False, dtype=str).to_numpy().ravel()
    assert not [cell for cell in cells if cell[:1] in ("=", "+", "-", "@", "\t", "\r")]
    assert set(contracts.REJECTS.read(tmp_path / "rejects.csv")["detail"]) == {text}


def test_a_parquet_file_is_of_the_schema_that_it_says_itself(tmp_path):
    """Also where the package beside it is gone, or says another."""
    replace(contracts.REJECTS, version=2).write(REJECTED, tmp_path / "rejects.parquet")
    (tmp_path / "datapackage.json").unlink()
    with pytest.raises(ContractError, match=r"ecgscale\.rejects/2"):
        contracts.REJECTS.read(tmp_path / "rejects.parquet")


def test_digests_are_the_first_of_sha256():
    """Of the canonical JSON {"a":1}; run ids and recipes are known by them, so they never change."""
    known = "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862"
    assert [contracts.digest({"a": 1}), contracts.digest({"a": 1}, 12)] == [known[:16], known[:12]]
    assert len(RunSpec.make(**SPEC).run_id) == 12


@pytest.mark.parametrize("text", ["NaN", "[-Infinity]", "1e999", '{"a": -1e999}'])
def test_numbers_that_are_not_finite_are_no_json(text):
    with pytest.raises(ContractError, match="is not a finite number"):
        read_json(text, "document.json")


@pytest.mark.parametrize("text", ["inf", "-Infinity", "NaN", "1" * 400])
def test_a_text_that_is_no_finite_number_is_none(tmp_path, text):
    """pydantic takes a text for the number that it says."""
    body = {"schema": contracts.Control.schema_id(), **made_control().model_dump(mode="json"), "second_ms": [0.5, text]}
    (tmp_path / "control.json").write_text(json.dumps(body))
    with pytest.raises(ContractError, match=r"control\.json: second_ms\.1: is not a finite number"):
        contracts.Control.read(tmp_path / "control.json")


@pytest.mark.parametrize("name", ["runs.csv", "runs.parquet"])
def test_a_column_that_stands_there_twice_is_refused(tmp_path, name):
    table = pa.table({"run_id": ["r1"], "part": ["test"]}).append_column("part", pa.array(["test"]))
    pacsv.write_csv(table, tmp_path / name) if name.endswith("csv") else pq.write_table(table, tmp_path / name)
    with pytest.raises(ContractError, match="'part' stands there twice"):
        contracts.METRICS.read(tmp_path / name)


def made_control() -> contracts.Control:
    return contracts.Control(machine="lab", run_id="r", model="m", runtime="torch", device="cpu", option="", threads=1,
                             first_ms=(0.5, 0.6), second_ms=(0.5, 0.6), ratio=1, ratio_low=0.9, ratio_high=1.1,
                             drift=0, disturbed=0, tolerance=0.1, limit=0.1, reason="", synthetic=True)


@pytest.mark.parametrize("number", [2**63 - 1, 1 - 2**63])
def test_whole_numbers_are_those_of_64_bits(tmp_path, number):
    assert read_json(str(number), tmp_path) == number
    with pytest.raises(ContractError, match="does not fit into 64 bits"):
        read_json(str(number + (1 if number > 0 else -1)), tmp_path)


def test_a_file_of_as_many_bytes_as_are_read_is_read(tmp_path):
    (tmp_path / "a").write_bytes(b"12345")
    assert plain_file(tmp_path / "a", 5) == tmp_path / "a"
    with pytest.raises(ContractError, match="has 5 bytes, at most 4 are read"):
        plain_file(tmp_path / "a", 4)


def test_arrays_of_either_order_and_version(tmp_path):
    values = np.arange(12.0).reshape(3, 4)
    with zipfile.ZipFile(tmp_path / "arrays.npz", "w") as archive:
        for name, array, version in (("rows", values, (1, 0)), ("columns", np.asfortranarray(values), (1, 0)),
                                     ("second", values, (2, 0))):
            with archive.open(f"{name}.npy", "w") as stream:
                np.lib.format.write_array(stream, array, version)
    found = read_arrays(tmp_path / "arrays.npz", ("rows", "columns", "second"))
    for array in found.values():
        np.testing.assert_array_equal(array, values)
    assert len(found) == 3


@pytest.mark.parametrize("name", ["fronts.csv", "fronts.parquet"])
def test_only_columns_declared_so_may_be_infinite(tmp_path, name):
    """The open end of an interval; a cost or a score is a number."""
    ends = contracts.AHEAD.empty().reindex([0, 1]).assign(x=[1.0, 2.0], y=0.5, low=[0.1, -np.inf], high=np.inf)
    contracts.AHEAD.write(ends, tmp_path / name)
    assert contracts.AHEAD.read(tmp_path / name)["high"].tolist() == [np.inf, np.inf]
    contracts.AHEAD.write(ends.assign(y=[0.5, np.inf]), tmp_path / name)
    with pytest.raises(ContractError, match=r"infinite in row 2.*") as refused:
        contracts.AHEAD.read(tmp_path / name)
    assert refused.value.field == "y"


def test_what_an_older_plan_does_not_say_was_not_done(tmp_path):
    """Members that came later: their absence means none."""
    before = contracts.Plan(study="a", seed=1, runs=3, rejected={}, duplicates=0, forward_flops={}, params={},
                            train_flops=None, hours=[])
    assert (before.thinned, before.tuning_groups, before.rounds, before.synthetic) == (0, 0, 0, False)
    assert before.tuning_flops is before.round_flops is before.train_records is None


BLOCK = {"run_id": "a", "model": "m", "family": "vit", "params": 10.0, "forward_flops": 2e3, "machine": "box",
         "runtime": "torch", "device": "cpu", "scenario": "single", "batch": 1, "threads": 2, "repeat": 1,
         "status": "ok", "count": 100, "min_ms": 0.8, "mean_ms": 1.1, "p50_ms": 1.0, "p50_low_ms": 0.9,
         "p50_high_ms": 1.2, "p90_ms": 1.4, "synthetic": True}


@pytest.mark.parametrize(("spoil", "field"), [
    ({"p50_low_ms": 1.2, "p50_high_ms": 0.9}, "p50_low_ms"),        # columns that were exchanged
    ({"p50_ms": 0.9, "p50_low_ms": 1.0}, "p50_low_ms"),
    ({"p50_ms": 1000.0}, "p50_ms"),                                 # in us, the others in ms
    ({"min_ms": 100.0}, "min_ms"),
    ({"mean_ms": -1.1}, "mean_ms"), ({"forward_flops": -2e3}, "forward_flops"), ({"threads": -2}, "threads"),
    ({"machine": None}, "machine"), ({"threads": None}, "threads")])
@pytest.mark.parametrize("name", ["latency.csv", "latency.parquet"])
def test_columns_that_were_exchanged_or_scaled_alone_are_met(tmp_path, name, spoil, field):
    """No package, so no digest: what a table says of itself tells. 0.9 <= 1.0 <= 1.2 as it is written."""
    rows = pd.DataFrame([dict.fromkeys(contracts.LATENCY.columns) | BLOCK | more for more in ({}, spoil)])
    contracts.LATENCY.write(rows.head(1), tmp_path / name)
    assert len(contracts.LATENCY.read(tmp_path / name)) == 1
    contracts.LATENCY.write(rows, tmp_path / name)
    (tmp_path / "datapackage.json").unlink()
    with pytest.raises(ContractError, match="in row 2") as met:
        contracts.LATENCY.read(tmp_path / name)
    assert met.value.field == field


def test_the_ends_of_any_interval_are_in_order(tmp_path):
    rows = contracts.AHEAD.empty().reindex([0, 1, 2]).assign(x=1.0, y=0.5, low=[0.1, np.nan, 0.6], high=[0.9, 0.5, 0.4])
    contracts.AHEAD.write(rows.head(2), tmp_path / "a.csv")
    assert len(contracts.AHEAD.read(tmp_path / "a.csv")) == 2
    contracts.AHEAD.write(rows, tmp_path / "a.csv")
    with pytest.raises(ContractError, match="low: is above high in row 3"):
        contracts.AHEAD.read(tmp_path / "a.csv")
    contracts.AHEAD.write(rows.head(2).assign(level=[0.9, 90.0]), tmp_path / "a.csv")
    with pytest.raises(ContractError, match="level: is not from 0 to 1 in row 2"):
        contracts.AHEAD.read(tmp_path / "a.csv")


def test_a_file_of_which_no_batch_is_told_takes_one_window():
    """Documents of earlier versions do not say: what was exported then took one window a call."""
    told = Artefact(format="onnx", precision="float32", file="model.onnx", status="ok")
    model = DeployedModel(Path(), SimpleNamespace(artefacts=(told,)), np.zeros((1, 1, 1)), np.zeros((1, 1)))
    assert model.artefact("onnx", "float32") == told
    with pytest.raises(Unavailable, match="no export of onnx float32"):
        model.artefact("onnx", "float32", batch=4)


@pytest.mark.parametrize("table", [table for table in vars(contracts).values() if isinstance(table, contracts.Table)
                                   and table.keys], ids=lambda table: table.name)
def test_a_row_that_stands_there_twice_is_refused(tmp_path, table):
    """By its keys, whatever else it says; no package, so no digest."""
    rows = pd.DataFrame([{name: f"a{place}" if table.type_of(name).name == "string" else None
                          for name in table.columns} for place in (0, 1, 0)])
    table.write(rows.head(2), tmp_path / "table.csv")
    assert len(table.read(tmp_path / "table.csv")) == 2
    table.write(rows, tmp_path / "table.csv")
    (tmp_path / "datapackage.json").unlink()
    with pytest.raises(ContractError, match="stands there before in row 3"):
        table.read(tmp_path / "table.csv")
