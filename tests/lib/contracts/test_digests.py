"""What has a digest is not read once it was changed: splits, weights, tables."""

import pandas as pd
import pytest
import safetensors.torch
import torch

from ecgscale.contracts import SPLIT, ContractError, SplitInfo, read_split, read_tensors, write_split, write_tensors

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


def test_tensors_come_back_with_what_was_said_of_them(tmp_path):
    write_tensors(tmp_path / "w.safetensors", TENSORS, {"run_id": "r"})
    about, tensors = read_tensors(tmp_path / "w.safetensors")
    assert about == {"run_id": "r"}
    assert tensors.keys() == TENSORS.keys()
    assert all(torch.equal(tensors[name], TENSORS[name]) for name in TENSORS)


def test_any_flipped_bit_of_tensors_is_found(tmp_path):
    path = tmp_path / "w.safetensors"
    write_tensors(path, TENSORS, {"run_id": "r"})
    content = path.read_bytes()
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 1 << place % 8
        path.write_bytes(changed)
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
    rows = pd.concat([ROWS] * 2000, ignore_index=True)
    SPLIT.write(rows.assign(record=[f"r{k * 7919 % 99991}" for k in range(len(rows))]), tmp_path / "split.parquet")
    content = bytearray((tmp_path / "split.parquet").read_bytes())
    content[len(content) // 3] ^= 0x10
    (tmp_path / "split.parquet").write_bytes(content)
    with pytest.raises(ContractError, match="not a readable Parquet file"):
        SPLIT.read(tmp_path / "split.parquet")
