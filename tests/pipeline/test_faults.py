"""Faults that are cheap to make; the expensive ones stand in tests/faults, run by `make faults`."""

import fcntl
import os
import re
import signal
import subprocess
import time

from tests.pipeline.conftest import ROOT, from_a_terminal, nextflow

KILLED = """
process TRAIN {
    label 'gpu'
    output: stdout
    script:
    "echo ${task.memory.toGiga()} ${task.time.toHours()} > asked; [ ${task.attempt} = 3 ] || kill -9 \\$\\$"
}
process SAMPLE {
    label 'small'
    input: val number
    script: 'exit 2'
}
workflow { TRAIN() | map { 1 } | SAMPLE }
"""


def test_a_killed_task_gets_more_memory_and_time_and_a_mistake_is_not_repeated(tmp_path):
    """Exit code 137 twice, then success; exit code 2 once, and the run ends."""
    (tmp_path / "main.nf").write_text(KILLED)
    done = subprocess.run(
        [ROOT / "nextflow", "-C", ROOT / "nextflow.config", "run", "main.nf", "--max_memory", "10.GB"], cwd=tmp_path,
        text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    asked = sorted(tuple(map(int, path.read_text().split())) for path in tmp_path.glob("work/*/*/asked"))
    assert asked == [(4, 24), (8, 48), (10, 72)]            # 12 GB would be more than --max_memory
    assert len(re.findall("exit status \\(137\\) -- Execution is retried", done.stdout)) == 2
    assert done.stdout.count("process > SAMPLE") == 1
    assert done.returncode != 0


def test_two_runs_in_one_results_folder(tmp_path):
    """The second one is refused before it writes anything, and told what to do."""
    lock = tmp_path / "results/pipeline_info/.lock"
    lock.parent.mkdir(parents=True)
    with open(lock, "w") as first:
        first.write("process 7 on node3, started yesterday")
        first.flush()
        fcntl.lockf(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
        run = nextflow(tmp_path, "-profile", "test", "-stub-run")
    assert run.code != 0
    assert ("another run writes there (process 7 on node3, started yesterday). "
            "Wait until it has ended, or give this one another --outdir") in run.text
    assert run.tasks() == []


def test_ctrl_c_says_how_to_go_on(tmp_path):
    """The signal goes to the whole process group, as from a terminal. `make faults` goes on from there."""
    run, console = from_a_terminal(tmp_path, "-profile", "test", "-stub-run"), tmp_path / "console.txt"
    until = time.monotonic() + 120
    while console.read_text().count("Submitted process") < 5 and run.poll() is None and time.monotonic() < until:
        time.sleep(0.1)
    os.killpg(run.pid, signal.SIGINT)
    assert run.wait(60) != 0
    assert "tasks are kept. To go on, run the same command with -resume" in console.read_text()
