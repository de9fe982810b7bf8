"""What has a digest is not read once it was changed: splits, weights, tables."""

import errno
import hashlib
import json
import resource

import pandas as pd
import pytest
import safetensors.torch
import torch

from ecgscale.contracts import (
    METRICS,
    RUNS,
    SPLIT,
    ContractError,
    Plan,
    PlannedRun,
    SplitInfo,
    read_split,
    read_tensors,
    write_split,
    write_tensors,
)
from ecgscale.tables.runs import read_runs
from tests.data_packages import check_package
from tests.tiny_corpus import planned

ROWS = pd.DataFrame({"record": list("abcd"), "source": "s", "patient": None, "fold": [0, 1, 2, 3],
                     "part": ["train", "train", "valid", "test"]})
TENSORS = {"weight": torch.arange(12.0).reshape(3, 4), "half": torch.ones(5, dtype=torch.bfloat16),
           "step": torch.tensor(7), "empty": torch.zeros(0)}


def info(rows=ROWS) -> SplitInfo:
    return SplitInfo(method="records", seed=1, counts={}, audit={}, corpus_digest="c", digest=SplitInfo.digest_of(rows),
                     synthetic=True)


def test_a_split_with_other_parts_is_refused(tmp_path):
    write_split(ROWS, info(), tmp_path)
    pd.testing.assert_series_equal(read_split(tmp_path)[0]["part"], ROWS["part"])
    SPLIT.write(ROWS.assign(part=ROWS["part"][::-1].to_numpy()), tmp_path / "split.parquet")
    with pytest.raises(ContractError, match="changed or cut short"):
        read_split(tmp_path)


def test_other_patients_are_seen_by_the_files_own_digest(tmp_path):
    """They are not part of the rows' digest, but a bootstrap draws them."""
    write_split(ROWS, info(), tmp_path)
    SPLIT.write(ROWS.assign(patient="s/one"), tmp_path / "split.parquet")
    with pytest.raises(ContractError, match="changed or cut short"):
        read_split(tmp_path)


def each_flipped(path):
    """Every place of a file in turn, with one bit of its byte turned over there."""
    content = path.read_bytes()
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 1 << place % 8
        path.write_bytes(changed)
        yield place


def test_any_flipped_bit_of_a_document_is_found(tmp_path):
    path = tmp_path / "split.json"
    info().write(path)
    for place in each_flipped(path):
        try:
            read = SplitInfo.read(path)
        except ContractError:
            continue
        assert read == info(), place        # white space between its members


def test_a_number_that_was_changed_in_a_line_is_found_by_its_line(tmp_path):
    """The digest is SHA-256 of the other members as canonical JSON (`jq -cS`), so their order and spaces are free."""
    SplitInfo.write_lines([info(), info()], tmp_path / "all.jsonl")
    first, second = (json.loads(line) for line in (tmp_path / "all.jsonl").read_text().splitlines())
    told = {name: value for name, value in first.items() if name not in ("schema", "sha256")}
    canonical = json.dumps(told, sort_keys=True, separators=(",", ":")).encode()
    assert first["sha256"] == hashlib.sha256(canonical).hexdigest()[:16]
    reordered = json.dumps(dict(reversed(first.items())), indent=None, separators=(" , ", ": "))
    (tmp_path / "datapackage.json").unlink()
    (tmp_path / "all.jsonl").write_text(f"{reordered}\n{json.dumps(second | {'seed': 2})}\n")
    with pytest.raises(ContractError, match=r"all\.jsonl:2: its sha256 is not that of its content.*again, or leave"):
        SplitInfo.read_lines(tmp_path / "all.jsonl")
    del second["sha256"]                    # as the message says, and as earlier versions wrote
    (tmp_path / "all.jsonl").write_text(f"{reordered}\n{json.dumps(second | {'seed': 2})}\n")
    assert [read.seed for read in SplitInfo.read_lines(tmp_path / "all.jsonl")] == [1, 2]


def test_a_line_that_is_missing_from_a_file_of_lines_is_noticed(tmp_path):
    """Each line is whole: only the digest of the file, kept beside it, tells."""
    path = tmp_path / "all.jsonl"
    seeds = [info().model_copy(update={"seed": seed}) for seed in range(4)]
    SplitInfo.write_lines(seeds, path)
    assert SplitInfo.read_lines(path) == seeds
    assert check_package(tmp_path) == 1
    lines = path.read_text().splitlines(keepends=True)
    for found in (lines[:3], lines[1:], lines[:1] + lines[2:], [], [*lines, lines[0]], lines[::-1]):
        path.write_text("".join(found))
        with pytest.raises(ContractError, match=CHANGED):
            SplitInfo.read_lines(path)
    path.write_text("".join(lines[:3]))         # meant: a file of one's own, or without the digest
    (tmp_path / "some.jsonl").write_text("".join(lines[:3]))
    kept = json.loads((tmp_path / "datapackage.json").read_text())
    del kept["resources"][0]["hash"]
    (tmp_path / "datapackage.json").write_text(json.dumps(kept))
    assert SplitInfo.read_lines(path) == SplitInfo.read_lines(tmp_path / "some.jsonl") == seeds[:3]


def test_a_file_of_lines_without_its_package_is_counted_aloud_or_by_its_plan(tmp_path, capsys):
    """Whole lines tell nothing of those that are missing: plan.json says how many runs there are."""
    runs = [planned(study=name) for name in "abc"]
    alone = tmp_path / "runs.jsonl"
    alone.write_text("".join(run.to_line() + "\n" for run in runs[:2]))
    assert PlannedRun.read_lines(alone) == runs[:2]
    assert "runs.jsonl: 2 lines, and no datapackage.json beside it" in capsys.readouterr().err
    Plan(study="a", seed=1, runs=3, rejected={}, duplicates=0, forward_flops={}, params={}, train_flops=None,
         hours=[]).write(tmp_path / "plan.json")
    with pytest.raises(ContractError, match=r"2 lines, and plan\.json beside it plans 3 runs"):
        PlannedRun.read_lines(alone)
    alone.write_text("".join(run.to_line() + "\n" for run in runs))
    assert PlannedRun.read_lines(alone) == runs
    assert not capsys.readouterr().err
    alone.rename(tmp_path / "some.jsonl")
    assert PlannedRun.read_lines(tmp_path / "some.jsonl") == runs
    assert "some.jsonl: 3 lines" in capsys.readouterr().err


def test_tensors_come_back_with_what_was_said_of_them(tmp_path):
    write_tensors(tmp_path / "w.safetensors", TENSORS, {"run_id": "r"})
    about, tensors = read_tensors(tmp_path / "w.safetensors")
    assert about == {"run_id": "r"}
    assert tensors.keys() == TENSORS.keys()
    assert all(torch.equal(tensors[name], TENSORS[name]) for name in TENSORS)


def test_tensors_without_room_are_told_by_the_systems_own_number(tmp_path):
    """The library tells it in words alone. A limit of the file's size stands for the full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(OSError, match=r"w\.safetensors") as raised:
            write_tensors(tmp_path / "w.safetensors", {"weight": torch.zeros(10000)}, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert raised.value.errno == errno.EFBIG
    assert not list(tmp_path.iterdir())


def test_any_flipped_bit_of_tensors_is_found(tmp_path):
    path = tmp_path / "w.safetensors"
    write_tensors(path, TENSORS, {"run_id": "r"})
    for place in each_flipped(path):
        try:
            about, tensors = read_tensors(path)
        except ContractError:
            continue
        # white space within the header's JSON, or the length that it fills
        assert about == {"run_id": "r"}, place
        assert all(torch.equal(tensors[name], TENSORS[name]) for name in TENSORS), place


def test_weights_of_an_earlier_version_are_read_with_a_word_and_those_of_others_refused(tmp_path, capsys):
    safetensors.torch.save_file(TENSORS, tmp_path / "old.safetensors", metadata={"ecgscale": '{"run_id": "r"}'})
    assert read_tensors(tmp_path / "old.safetensors")[0] == {"run_id": "r"}
    assert "keeps no digest" in capsys.readouterr().err
    safetensors.torch.save_file(TENSORS, tmp_path / "other.safetensors")
    with pytest.raises(ContractError, match="another program"):
        read_tensors(tmp_path / "other.safetensors")


def test_a_flipped_byte_of_a_parquet_page_is_found(tmp_path):
    """Also where the file stands alone."""
    rows = pd.concat([ROWS] * 2000, ignore_index=True)
    SPLIT.write(rows.assign(record=[f"r{k * 7919 % 99991}" for k in range(len(rows))]), tmp_path / "split.parquet")
    content = bytearray((tmp_path / "split.parquet").read_bytes())
    content[len(content) // 3] ^= 0x10
    (tmp_path / "split.parquet").write_bytes(content)
    (tmp_path / "datapackage.json").unlink()
    with pytest.raises(ContractError, match="not a readable Parquet file"):
        SPLIT.read(tmp_path / "split.parquet")


CHANGED = r"is not what datapackage\.json beside it keeps a digest of.*Make it again"


def example(table):
    values = {"string": "a", "integer": 3, "number": 0.25, "boolean": True}
    return pd.DataFrame({name: [values[column.kind.name]] * 3 for name, column in table.columns.items()})


@pytest.mark.parametrize("name", ["metrics.csv", "metrics.parquet"])
def test_a_number_that_was_changed_in_a_table_is_found(tmp_path, name):
    """By hand in a CSV, or by a program that writes a whole and readable Parquet file."""
    METRICS.write(example(METRICS), tmp_path / name)
    assert METRICS.read(tmp_path / name)["estimate"].tolist() == [0.25] * 3
    package = (tmp_path / "datapackage.json").read_bytes()
    METRICS.write(example(METRICS).assign(estimate=0.75), tmp_path / name)
    (tmp_path / "datapackage.json").write_bytes(package)
    with pytest.raises(ContractError, match=CHANGED) as refused:
        METRICS.read(tmp_path / name)
    assert str(tmp_path / name) in str(refused.value)
    with pytest.raises(ContractError, match=CHANGED):
        METRICS.read(tmp_path / name, columns=["estimate"])
    kept = json.loads(package)
    del kept["resources"][0]["hash"]            # as the message says
    (tmp_path / "datapackage.json").write_text(json.dumps(kept))
    assert METRICS.read(tmp_path / name)["estimate"].tolist() == [0.75] * 3


def test_the_digest_is_what_sha256sum_says(tmp_path):
    METRICS.write(example(METRICS), tmp_path / "metrics.csv")
    [resource] = json.loads((tmp_path / "datapackage.json").read_text())["resources"]
    content = (tmp_path / "metrics.csv").read_bytes()
    assert resource["hash"] == f"sha256:{hashlib.sha256(content).hexdigest()}"
    assert resource["bytes"] == len(content)


def test_a_table_that_was_linked_is_held_against_the_package_of_its_own_folder(tmp_path):
    """Nextflow links runs.parquet alone into the task of FIT."""
    (tmp_path / "table").mkdir()
    (tmp_path / "task").mkdir()
    link = tmp_path / "task/runs.parquet"
    rows = example(RUNS).assign(run_id=list("abc"))
    RUNS.write(rows, tmp_path / "table/runs.parquet")
    link.symlink_to(tmp_path / "table/runs.parquet")
    assert len(read_runs(link).frame) == 3
    rows.assign(params=1.0).to_parquet(tmp_path / "table/runs.parquet")     # no longer ours, by its metadata
    with pytest.raises(ContractError, match=CHANGED):
        read_runs(link)


def test_a_run_table_that_a_person_edited_is_read_and_said_to_be_another_one(tmp_path):
    """runs.csv is for people: they leave rows out and add columns. A table without a package has no digest."""
    rows = example(RUNS).assign(run_id=list("abc"), test_loss=0.5)
    RUNS.write(rows, tmp_path / "runs.csv")
    assert not [each for each in read_runs(tmp_path / "runs.csv").columns.notices if "digest" in each]
    lines = (tmp_path / "runs.csv").read_text().splitlines(keepends=True)
    (tmp_path / "runs.csv").write_text("".join(lines[:-1]))
    read = read_runs(tmp_path / "runs.csv")
    assert len(read.frame) == 2
    assert [each for each in read.columns.notices if "its digest is another one" in each]
    (tmp_path / "datapackage.json").unlink()
    assert not [each for each in read_runs(tmp_path / "runs.csv").columns.notices if "digest" in each]
