"""Files between stages: written whole, read back as they were, refused by name when they are another version."""

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from ecgscale import contracts
from ecgscale.contracts import ContractError, OptimizerSpec, RunSpec, whole

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
    with pytest.raises(ContractError, match=r"cut off|not a readable Parquet file"):
        contracts.REJECTS.read(tmp_path / name)


def test_a_csv_that_names_no_schema_is_refused(tmp_path):
    REJECTED.to_csv(tmp_path / "rejects.csv", index=False)
    with pytest.raises(ContractError, match="names no schema"):
        contracts.REJECTS.read(tmp_path / "rejects.csv")


def test_missing_and_foreign_columns_are_named(tmp_path):
    with pytest.raises(ContractError, match="'reason' is missing, 'cause' is unknown"):
        contracts.REJECTS.write(REJECTED.rename(columns={"reason": "cause"}), tmp_path / "rejects.csv")
    assert list(tmp_path.iterdir()) == []


def test_empty_csv_keeps_its_columns(tmp_path):
    contracts.REJECTS.write(REJECTED[:0], tmp_path / "rejects.csv")
    back = contracts.REJECTS.read(tmp_path / "rejects.csv")
    assert list(back) == list(REJECTED)
    assert len(back) == 0


def test_parquet_opens_without_us(tmp_path):
    contracts.REJECTS.write(REJECTED, tmp_path / "rejects.parquet")
    pd.testing.assert_frame_equal(pq.read_table(tmp_path / "rejects.parquet").to_pandas(), REJECTED)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail():
        with whole(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_folder_is_replaced_whole(tmp_path):
    for text in ("one", "two"):
        with whole(tmp_path / "folder") as temporary:
            temporary.mkdir()
            (temporary / text).write_text(text)
    assert [p.name for p in (tmp_path / "folder").iterdir()] == ["two"]


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
    body = json.loads(run.to_line())
    for change, words in (({"schema": "ecgscale.planned-run/9"}, "planned-run/9"), ({"more": 1}, "more"),
                          ({"ledger": ledger | {"params": "many"}}, "ledger.params")):
        with pytest.raises(ContractError, match=words):
            contracts.PlannedRun.from_text(json.dumps(body | change), "runs.jsonl", line=3)


def test_numbers_out_of_range_are_refused():
    with pytest.raises(ValueError, match="greater than 0"):
        OptimizerSpec(name="sgd", lr=0)


def test_committed_examples_are_of_the_current_schema():
    """Every committed file between stages can be read by this version."""
    assert len(contracts.RUNS.read(ROOT / "assets/examples/runs.csv"))
