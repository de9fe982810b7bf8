"""ecg-train as a command: what it writes, and a process killed by signal 9 that is started again."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from ecgscale.contracts import HISTORY, LossSpec, OptimizerSpec, PlannedRun, RunResult
from ecgscale.ecg.corpus import Corpus
from ecgscale.training.train import train_batch
from tests.tiny_corpus import CONVNEXT, planned, split_of, write_corpus, write_split

ROOT = Path(__file__).parents[2]


def prepare(folder: Path, *plans: PlannedRun, cpus: int = 1) -> list[str]:
    """Corpus, split and runs in `folder`; the arguments of ecg-train without --checkpoints and --out."""
    corpus = write_corpus(folder / "shard")
    PlannedRun.write_lines(plans, folder / "runs.jsonl")
    return ["--runs", f"{folder}/runs.jsonl", "--corpus", f"{folder}/shard", "--cpus", str(cpus), "--device", "cpu",
            "--split", str(write_split(corpus, folder / "split"))]


def start(arguments: list[str], **options) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, ROOT / "bin/ecg-train", *arguments], text=True, stderr=subprocess.PIPE,
                            env={**os.environ, "PYTHONPATH": str(ROOT / "lib")}, **options)


def test_part_of_a_study_side_by_side(tmp_path):
    """Two runs on two processors have a process and a thread each, and the weights of a run that is alone."""
    plans = [planned(epochs=2, seed=seed) for seed in range(4)]
    large = plans[0].ledger.model_copy(update={"step_flops": 10**10})   # worth a process of its own
    plans = [plan.model_copy(update={"ledger": large}) for plan in plans]
    arguments = [*prepare(tmp_path, *plans, cpus=2), "--checkpoints", f"{tmp_path}/kept", "--out",
                 f"{tmp_path}/trained"]
    process = start([*arguments, "--take", "1:3"])
    said = process.communicate()[1]
    assert process.returncode == 0, said
    for number, plan in enumerate(plans[1:3], 1):
        assert f"run {number}/2 {plan.spec.run_id} epoch 2/2 train 0." in said
    assert {path.name for path in (tmp_path / "trained").iterdir()} == {plan.spec.run_id for plan in plans[1:3]}
    corpus = Corpus.open([tmp_path / "shard"])
    train_batch(plans[1:3], corpus, *split_of(corpus), tmp_path / "alone", tmp_path / "other", "cpu", 1)
    for plan in plans[1:3]:
        folder = tmp_path / "trained" / plan.spec.run_id
        assert {path.name for path in folder.iterdir()} == {
            "run.json", "history.csv", "datapackage.json", "weights.safetensors"}
        result = RunResult.read(folder / "run.json")
        assert (result.spec, result.threads) == (plan.spec, 1)
        alone = tmp_path / "alone" / plan.spec.run_id / "weights.safetensors"
        assert alone.read_bytes() == (folder / "weights.safetensors").read_bytes()


def test_ctrl_c_ends_runs_side_by_side_and_says_nothing_more(tmp_path):
    """As a terminal sends it to the whole group; four runs are more than two processes have begun."""
    plans = [planned(epochs=100_000, seed=seed) for seed in range(4)]
    arguments = [*prepare(tmp_path, *plans, cpus=2), "--checkpoints", f"{tmp_path}/kept", "--out",
                 f"{tmp_path}/trained"]
    process = start(arguments, start_new_session=True,
                    preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    first = process.stderr.readline()
    os.killpg(process.pid, signal.SIGINT)
    said = first + process.communicate(timeout=100)[1]
    assert process.returncode == 130, said
    assert all(line.startswith("run ") for line in said.splitlines()), said
    assert not (tmp_path / "trained").exists()


def test_kill_9_and_again(tmp_path):
    """Killed after the second epoch has ended; then in a new output folder, as a retried task has. Same weights."""
    plan = planned(epochs=30)
    arguments = prepare(tmp_path, plan)
    killed = start([*arguments, "--checkpoints", f"{tmp_path}/kept", "--out", f"{tmp_path}/first"])
    while not (logs := list((tmp_path / "kept").glob("*/epochs.jsonl"))) or logs[0].read_text().count('"end"') < 2:
        assert killed.poll() is None, killed.stderr.read()
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    killed.stderr.close()
    before = logs[0].read_text().count('"end"')
    assert before < 30
    again = start([*arguments, "--checkpoints", f"{tmp_path}/kept", "--out", f"{tmp_path}/second"])
    said = again.communicate()[1]
    assert again.returncode == 0, said

    corpus = Corpus.open([tmp_path / "shard"])
    whole, = train_batch([plan], corpus, *split_of(corpus), tmp_path / "whole", tmp_path / "other", "cpu", 1)
    cut = RunResult.read(tmp_path / "second" / plan.spec.run_id / "run.json")
    assert (whole.resumed, cut.resumed) == (0, 1)
    measured = {"seconds", "device_seconds", "peak_memory_bytes", "resumed", "ended", "code_digest"}
    assert cut.model_dump(exclude=measured) == whole.model_dump(exclude=measured)
    weights = [tmp_path / way / plan.spec.run_id / "weights.safetensors" for way in ("whole", "second")]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    events = [json.loads(line) for line in logs[0].read_text().splitlines()]
    assert [event["epoch"] for event in events if event["event"] == "end"] == list(range(30))
    begun = [event["epoch"] for event in events if event["event"] == "begin"]
    assert all(begun.count(epoch) == 1 for epoch in range(before))


def test_bad_input_is_one_line_without_traceback(tmp_path):
    arguments = prepare(tmp_path, planned())
    (tmp_path / "datapackage.json").unlink()        # which would say first that the file was changed
    (tmp_path / "runs.jsonl").write_text('{"schema": "ecgscale.planned-run/1", "spec": {}}\n')
    process = start([*arguments, "--checkpoints", f"{tmp_path}/kept", "--out", f"{tmp_path}/trained"])
    said = process.communicate()[1]
    assert process.returncode == 2
    assert f"{tmp_path}/runs.jsonl:1: " in said
    assert "Traceback" not in said
    assert not (tmp_path / "trained").exists()


def test_two_processes_of_torchrun_train_as_one(tmp_path):
    """Each takes half of every batch; gradients are averaged: the weights of one process, to the rounding."""
    model = CONVNEXT.model_copy(update={"params": CONVNEXT.params | {"stochastic_depth": 0.0}})
    plans = [planned(model=model, epochs=2, batch_size=9, optimizer=OptimizerSpec(name="sgd", lr=0.05),
                     loss=LossSpec(reduction=reduction)) for reduction in ("sum", "mean")]
    arguments = prepare(tmp_path, *plans)
    launched = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
                ROOT / "bin/ecg-train", *arguments, "--checkpoints", f"{tmp_path}/kept", "--out", f"{tmp_path}/two"]
    done = subprocess.run(launched, text=True, capture_output=True, check=False, timeout=300,
                          env={**os.environ, "PYTHONPATH": str(ROOT / "lib"), "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    corpus = Corpus.open([tmp_path / "shard"])
    one = train_batch(plans, corpus, *split_of(corpus), tmp_path / "one", tmp_path / "other", "cpu", 1)
    for plan, alone in zip(plans, one, strict=True):
        together = RunResult.read(tmp_path / "two" / plan.spec.run_id / "run.json")
        assert together.notes == ("2 processes",)
        assert together.clipped_share == alone.clipped_share
        assert together.samples_seen == alone.samples_seen
        for name in ("train_loss", "valid_loss"):
            assert getattr(together, name) == pytest.approx(getattr(alone, name), rel=1e-4)
        curves = [HISTORY.read(tmp_path / way / plan.spec.run_id / "history.csv") for way in ("one", "two")]
        assert curves[1]["valid_auroc"].tolist() == pytest.approx(curves[0]["valid_auroc"].tolist(), abs=0.02)
        left, right = (load_file(tmp_path / way / plan.spec.run_id / "weights.safetensors") for way in ("one", "two"))
        for name in left:
            torch.testing.assert_close(right[name], left[name], rtol=1e-3, atol=1e-5)
