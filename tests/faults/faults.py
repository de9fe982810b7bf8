"""What clusters do to a run, done to it on purpose: `make faults`, some minutes, outside `make test`.

Each test says what is expected: nothing lost, nothing stale, and a message that says what to do.
"""

import json
import os
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
import yaml

from ecgscale import contracts
from tests.pipeline.conftest import ROOT, Run, from_a_terminal, nextflow

EPOCHS = 60         # of some tenths of a second: each blow has to find a run in training
ARGUMENTS = ("-profile", "test", "--study", "study.yaml", "--train_batch", "3", "-resume")


def write_study(folder: Path) -> None:
    study = yaml.safe_load((ROOT / "assets/studies/test.yaml").read_text())
    study.pop("tuning", None)       # its trials are runs of one epoch, with checkpoints of their own
    for group in study["runs"]:
        group["training"]["epochs"] = EPOCHS
        for optimizer in group["optimizers"]:
            optimizer["lr"] = optimizer["lr"]["high"] if isinstance(optimizer["lr"], dict) else optimizer["lr"]
    (folder / "study.yaml").write_text(yaml.safe_dump(study))


def epochs(folder: Path) -> list[dict]:
    """The log of all checkpoints: one line when an epoch begins, one when it has ended and is kept."""
    logs = folder.glob(".ecgscale/checkpoints/*/epochs.jsonl")
    return [json.loads(line) | {"run": path.parent.name} for path in logs for line in path.read_text().splitlines()]


def wait_for(folder: Path, run: subprocess.Popen, ended: int) -> None:
    until = time.monotonic() + 300
    while sum(line["event"] == "end" for line in epochs(folder)) < ended:
        assert run.poll() is None, (folder / "console.txt").read_text()
        assert time.monotonic() < until
        time.sleep(0.05)


def tasks(folder: Path) -> list[int]:
    """Processes that work in the run's work folder."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if Path(os.readlink(place)).is_relative_to(folder / "work"):
                found.append(int(place.parent.name))
        except OSError:
            continue
    return found


@pytest.fixture(scope="module")
def quiet(tmp_path_factory) -> Run:
    """The same study, left in peace."""
    folder = tmp_path_factory.mktemp("quiet")
    write_study(folder)
    run = nextflow(folder, *ARGUMENTS)
    assert run.code == 0, run.text
    return run


@pytest.fixture(scope="module")
def struck(tmp_path_factory) -> Run:
    """A run that is interrupted, loses its node, and loses a task to the kernel; begun again with -resume each time."""
    folder = tmp_path_factory.mktemp("struck")
    write_study(folder)
    run = from_a_terminal(folder, *ARGUMENTS)
    wait_for(folder, run, ended=10)
    os.killpg(run.pid, signal.SIGINT)                       # Ctrl-C
    run.wait(120)
    time.sleep(3)
    assert tasks(folder) == [], "Ctrl-C leaves no task behind"
    run = from_a_terminal(folder, *ARGUMENTS)
    wait_for(folder, run, ended=80)
    for process in [run.pid, *tasks(folder)]:               # the node dies, Nextflow with it
        os.kill(process, signal.SIGKILL)
    run.wait()
    run = from_a_terminal(folder, *ARGUMENTS)
    wait_for(folder, run, ended=130)
    for process in tasks(folder):                           # out of memory: the kernel ends the task alone
        command = Path(f"/proc/{process}/cmdline").read_bytes()
        if b"ecg-train" in command:
            os.kill(process, signal.SIGKILL)
    run.wait(600)
    text = (folder / "console.txt").read_text()
    assert run.returncode == 0, text
    return Run(run.returncode, text, folder, folder / "results")


def test_no_epoch_is_trained_twice(struck):
    """Three blows, and every epoch of every run ended exactly once: checkpoints continue."""
    ended = Counter((line["run"], line["epoch"]) for line in epochs(struck.folder) if line["event"] == "end")
    assert len(ended) == 3 * EPOCHS
    assert set(ended.values()) == {1}


def test_a_killed_task_is_submitted_again(struck):
    assert "terminated with an error exit status (137) -- Execution is retried (1)" in struck.text


def test_the_results_are_those_of_an_undisturbed_run(struck, quiet):
    columns = ["run_id", "status", "train_loss", "valid_loss", "best_epoch", "test_auroc", "samples_seen"]
    pd.testing.assert_frame_equal(contracts.RUNS.read(struck.results / "table/runs.parquet")[columns],
                                  contracts.RUNS.read(quiet.results / "table/runs.parquet")[columns])
    published = {name for name in quiet.files() if not name.startswith("pipeline_info/")}
    assert {name for name in struck.files() if not name.startswith("pipeline_info/")} == published


def test_a_full_disk(tmp_path):
    """25 MB for the work folder: a message, no half of a shard published; with room again, -resume ends the run."""
    write_study(tmp_path)
    work = tmp_path / "work"
    work.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=25m", "tmpfs", work], capture_output=True,
                             check=False)
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        run = nextflow(tmp_path, *ARGUMENTS)
        assert run.code != 0
        assert "No space left on device. Make room there and run again (the pipeline with -resume)" in run.text
        for shard in run.results.glob("corpus/*-1of1"):
            contracts.Shard.read(shard / "shard.json")
            contracts.RECORDS.read(shard / "records.parquet")
        subprocess.run(["mount", "-o", "remount,size=2g", work], check=True)
        again = nextflow(tmp_path, *ARGUMENTS)
        assert again.code == 0, again.text
        assert "SYNTH" in again.tasks("Cached")
    finally:
        subprocess.run(["umount", "-l", work], check=True)
