"""What Nextflow itself costs: the pipeline on stubs, with many runs. The seconds, with Nextflow's start, stand in
docs/how-to/scale.md.

    python -m pytest -m bench -s tests/benchmarks/test_overhead.py
"""

import os
import re
import time

import pytest

from tests.pipeline.conftest import copy_project, nextflow

SIZES = [(10, 1), (10, 6), (100, 1), (100, 6), (100, 32), (1000, 6), (1000, 32), (1000, 1)]    # runs, runs a task


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project whose SAMPLE plans as many runs as RUNS says, when it is a stub."""
    copy = copy_project(tmp_path_factory.mktemp("overhead"))
    sample = copy / "modules/sample/main.nf"
    plan = r'for run in \$(seq \$RUNS); do echo "{\\"run\\": \$run}"; done > plan/runs.jsonl'
    text = sample.read_text()
    edited = re.sub(r'(stub:\s+""".*?)(\n *""")', lambda found: f"{found[1]}\n    {plan}{found[2]}", text,
                    flags=re.DOTALL)
    assert edited != text
    sample.write_text(edited)
    return copy


@pytest.mark.parametrize(("runs", "batch"), SIZES)
def test_a_run_of_stubs(tmp_path, project, monkeypatch, runs, batch):
    monkeypatch.setenv("RUNS", str(runs))
    started = time.perf_counter(), os.times()
    run = nextflow(tmp_path, "-profile", "test", "-stub-run", "--train_batch", str(batch), project=project)
    seconds, ended = time.perf_counter() - started[0], os.times()
    assert run.code == 0, run.text
    assert len(list((run.results / "trained").iterdir())) == runs
    processor = (ended.children_user - started[1].children_user) + (ended.children_system - started[1].children_system)
    print(f"\n{runs} runs by {batch}: {len(run.tasks())} tasks, {seconds:.1f} s, {processor:.1f} s of processor time")
