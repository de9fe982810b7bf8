"""What each scheduler is asked for, read from the headers that Nextflow writes for it. The schedulers are stand-ins
that refuse every job: the headers are there by then. Real Slurm is tried by `make engines`."""

import os
import subprocess
import time

import pytest

from tests.pipeline.conftest import ROOT

PIPELINE = """
process PREPARE { label 'cpu'
    script: 'true' }
process TRAIN { label 'gpu'
    input: val number
    script: 'true' }
workflow { PREPARE(); TRAIN(Channel.of(1, 2)) }
"""
ASKED = {       # profile -> what every job asks for; what a GPU's job asks for beside it; an array of two
    "slurm": (["SBATCH -p gpus", "SBATCH -A ecg"],
              ["-c 4", "--mem 16384M", "-t 24:00:00", "--gres=gpu:1"], "--array 0-1"),
    "pbs": (["PBS -q gpus", "PBS -P ecg"],
            ["-l nodes=1:ppn=4:gpus=1", "-l mem=16gb", "-l walltime=24:00:00"], "-t 0-1"),
    "pbspro": (["PBS -q gpus", "PBS -P ecg"], ["-l select=1:ncpus=4:mem=16384mb:ngpus=1"], "-J 0-1"),
    "lsf": (["BSUB -q gpus", "BSUB -G ecg"], ["-n 4", "rusage[mem=16384]", "-W 24:00", "-gpu num=1"], "[1-2]"),
    "sge": (["-q gpus"], ["-pe smp 4", "mem_free=16384M", "-l gpu=1"], None),       # none there: conf/sge.config
}


@pytest.fixture(scope="module")
def refusing(tmp_path_factory):
    """A folder of schedulers' commands that refuse jobs and have no queue."""
    folder = tmp_path_factory.mktemp("schedulers")
    for name in ("sbatch", "qsub", "bsub"):
        (folder / name).write_text("#!/bin/bash\nexit 1\n")
    for name in ("squeue", "qstat", "bjobs"):
        (folder / name).write_text("#!/bin/bash\n")
    for path in folder.iterdir():
        path.chmod(0o755)
    return folder


def wrappers(folder, schedulers, count, *arguments) -> list[str]:
    """Start the small pipeline; as soon as it has written `count` wrappers of jobs, end it and give them."""
    (folder / "main.nf").write_text(PIPELINE)
    run = subprocess.Popen(
        [ROOT / "nextflow", "-C", ROOT / "nextflow.config", "run", "main.nf", "-process.errorStrategy", "ignore",
         *arguments], cwd=folder, env={**os.environ, "PATH": f"{schedulers}:{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until, found = time.monotonic() + 120, []
    while len(found) < count and run.poll() is None and time.monotonic() < until:
        time.sleep(0.2)
        found = [path.read_text() for path in (folder / "work").rglob(".command.run")]
    run.kill()
    run.wait()
    return [path.read_text() for path in (folder / "work").rglob(".command.run")]


@pytest.mark.parametrize("profile", ASKED)
def test_what_a_scheduler_is_asked_for(tmp_path, refusing, profile):
    """Queue and account everywhere, a GPU for training alone, arrays and scratch by parameter; with -profile cuda."""
    everywhere, trained, array = ASKED[profile]
    scripts = wrappers(tmp_path, refusing, 4 if array else 3, "-profile", f"{profile},cuda", "--queue", "gpus",
                       "--account", "ecg", "--scratch", "/scratch", "--max_cpus", "8",
                       *(["--array", "2"] if array else []))
    headers = ["\n".join(line for line in text.splitlines() if line.startswith(("#SBATCH", "#PBS", "#BSUB", "#$")))
               for text in scripts]
    prepare = [header for header in headers if "nf-PREPARE" in header]
    training = [header for header in headers if "nf-TRAIN" in header]
    assert len(prepare) == 1
    assert len(training) == (3 if array else 2)         # an array has a header of its own
    for header in headers:
        assert all(word in header for word in everywhere), header
    for header in training:
        assert all(word in header for word in trained), header
    assert "gpu=" not in prepare[0].replace("gpus", "")
    assert "gpu:" not in prepare[0]
    assert "ngpus" not in prepare[0]
    assert sum(str(array) in header for header in training) == (1 if array else 0)
    assert sum("nxf_mktemp /scratch" in text for text in scripts) >= 2
