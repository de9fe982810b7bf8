"""ecg-tune as a command: tuned runs and every trial."""

import os
import subprocess
import sys
from pathlib import Path

from ecgscale.contracts import TUNING, OptimizerSpec, PlannedRun, Tuning
from tests.tiny_corpus import planned, write_corpus, write_split

ROOT = Path(__file__).parents[2]


def test_two_rates(tmp_path):
    corpus = write_corpus(tmp_path / "shard", count=24)
    write_split(corpus, tmp_path / "split")
    tuning = Tuning(group="regnet-sgd", low=1e-6, high=0.3, trials=2, epochs=1)
    plans = [planned(optimizer=OptimizerSpec(name="sgd", lr=1e-3), seed=seed).model_copy(update={"tuning": tuning})
             for seed in (0, 1)]
    PlannedRun.write_lines(plans, tmp_path / "runs.jsonl")

    def ecg_tune(out: str) -> str:
        done = subprocess.run(
            [sys.executable, ROOT / "bin/ecg-tune", "--runs", tmp_path / "runs.jsonl", "--corpus", tmp_path / "shard",
             "--split", tmp_path / "split", "--checkpoints", tmp_path / "kept", "--out", tmp_path / out,
             "--cpus", "1", "--device", "cpu"],
            text=True, capture_output=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT / "lib")})
        assert done.returncode == 0, done.stderr
        return done.stderr

    said = ecg_tune("tuned")
    trials = TUNING.read(tmp_path / "tuned/tuning.csv")
    assert trials["lr"].tolist() == [1e-6, 0.3]
    assert trials["synthetic"].all()
    best = trials.loc[trials["valid_loss"].idxmin(), "lr"]
    assert trials.loc[trials["kept"], "lr"].tolist() == [best]
    assert "end of 1e-06 to 0.3: widen it" in said
    tuned = PlannedRun.read_lines(tmp_path / "tuned/runs.jsonl")
    assert [(plan.spec.optimizer.lr, plan.spec.seed) for plan in tuned] == [(best, 0), (best, 1)]
    assert {plan.tuning.chosen for plan in tuned} == set(trials.loc[trials["kept"], "run_id"])
    # a retried task trains no trial again and comes to the same rates
    assert ecg_tune("again").count("was finished before") == 2
    assert (tmp_path / "again/runs.jsonl").read_bytes() == (tmp_path / "tuned/runs.jsonl").read_bytes()
