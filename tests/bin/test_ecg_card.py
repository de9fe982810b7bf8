"""The command on one tiny shard, as a user calls it."""

from functools import partial

import numpy as np
import wfdb

from ecgscale.contracts import LEADS
from ecgscale.contracts.labels import read_label_set
from ecgscale.ecg.prepare import prepare_shard
from ecgscale.ecg.recipe import RECIPES
from tests.commands import run_command

card = partial(run_command, "ecg-card")


def test_a_card_of_one_shard(tmp_path):
    values = np.random.default_rng(0).normal(0, 200, (1500, 12)).astype(np.int64)
    wfdb.wrsamp("s0", fs=500, units=["mV"] * 12, sig_name=list(LEADS), d_signal=values, fmt=["16"] * 12,
                adc_gain=[1000.0] * 12, baseline=[0] * 12, write_dir=str(tmp_path), comments=["Dx: 426783006"])
    prepare_shard(tmp_path, "ptb", "1/1", RECIPES["study"], read_label_set(), tmp_path / "shard", 0.0)
    done = card("--corpus", tmp_path / "shard", "--out", tmp_path / "card")
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 recording of 1 source" in (tmp_path / "card" / "card.html").read_text()


def test_a_folder_that_is_no_shard_is_named(tmp_path):
    done = card("--corpus", tmp_path, "--out", tmp_path / "card")
    assert done.returncode == 2
    assert "shard.json: no such file" in done.stderr
    assert not (tmp_path / "card").exists()
