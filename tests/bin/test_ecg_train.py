"""ecg-train as a command: what it writes, and a process killed by signal 9 that is started again."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from ecgscale.contracts import PlannedRun, RunResult
from ecgscale.ecg.corpus import Corpus
from ecgscale.train import train_batch

from tests.tiny_corpus import planned, split_of, write_corpus, write_split

ROOT = Path(__file__).parents[2]


def prepare(folder: Path, *plans: PlannedRun) -> list[str]:
    """Corpus, split and runs in `folder`; the arguments of ecg-train without --checkpoints and --out."""
    corpus = write_corpus(folder / "shard")
    PlannedRun.write_lines(plans, folder / "runs.jsonl")
    return ["--runs", f"{folder}/runs.jsonl", "--corpus", f"{folder}/shard", "--cpus", "1", "--device", "cpu",
            "--split", str(write_split(corpus, folder / "split"))]


def start(arguments: list[str], **options) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, ROOT / "bin/ecg-train", *arguments], text=True, stderr=subprocess.PIPE,
                            env={**os.environ, "PYTHONPATH": str(ROOT / "lib")}, **options)


def test_part_of_a_study(tmp_path):
    plans = [planned(epochs=1, seed=seed) for seed in range(4)]
    arguments = [*prepare(tmp_path, *plans), "--checkpoints", f"{tmp_path}/kept", "--out", f"{tmp_path}/trained"]
    process = start([*arguments, "--take", "1:3"])
    said = process.communicate()[1]
    assert process.returncode == 0, said
    assert said.startswith(f"run 1/2 {plans[1].spec.run_id} epoch 1/1 train 0.")
    assert {path.name for path in (tmp_path / "trained").iterdir()} == {plan.spec.run_id for plan in plans[1:3]}
    for plan in plans[1:3]:
        folder = tmp_path / "trained" / plan.spec.run_id
        assert {path.name for path in folder.iterdir()} == {"run.json", "history.csv", "weights.safetensors"}
        assert RunResult.read(folder / "run.json").spec == plan.spec


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
    measured = {"seconds", "device_seconds", "peak_memory_bytes", "resumed"}
    assert cut.model_dump(exclude=measured) == whole.model_dump(exclude=measured)
    weights = [tmp_path / way / plan.spec.run_id / "weights.safetensors" for way in ("whole", "second")]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    events = [json.loads(line) for line in logs[0].read_text().splitlines()]
    assert [event["epoch"] for event in events if event["event"] == "end"] == list(range(30))
    begun = [event["epoch"] for event in events if event["event"] == "begin"]
    assert all(begun.count(epoch) == 1 for epoch in range(before))


def test_bad_input_is_one_line_without_traceback(tmp_path):
    arguments = prepare(tmp_path, planned())
    (tmp_path / "runs.jsonl").write_text('{"schema": "ecgscale.planned-run/1", "spec": {}}\n')
    process = start([*arguments, "--checkpoints", f"{tmp_path}/kept", "--out", f"{tmp_path}/trained"])
    said = process.communicate()[1]
    assert process.returncode == 2
    assert f"{tmp_path}/runs.jsonl:1: " in said
    assert "Traceback" not in said
    assert not (tmp_path / "trained").exists()
