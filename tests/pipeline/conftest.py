"""Nextflow, run as a user runs it. A call costs seconds: few calls, looked at from many sides."""

import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Run:
    code: int
    text: str           # stdout and stderr
    folder: Path        # where it was started
    results: Path
    apart: tuple[str, ...] = ()     # what it was set apart from the machine by

    def tasks(self, word: str = "Submitted") -> list[str]:
        """Names of the processes that were submitted (or "Cached"), without their chapter."""
        lines = [line for line in self.text.splitlines() if f"{word} process > " in line]
        return [line.split(" > ")[1].split(" (")[0].split(":")[-1].strip() for line in lines]

    def files(self) -> list[str]:
        return sorted(p.relative_to(self.results).as_posix() for p in self.results.rglob("*") if p.is_file())


# before a command: a network namespace without interfaces; and a read-only root, where the user is not root
NO_NETWORK = ("unshare", "--map-root-user", "--net")
AS_IN_AN_IMAGE = (*NO_NETWORK, "--mount", sys.executable, str(Path(__file__).with_name("read_only.py")), ".")


def kernel_sets_apart(folder: Path) -> tuple[str, ...]:
    """The most of the two that it allows."""
    for apart in (AS_IN_AN_IMAGE, NO_NETWORK):
        try:
            subprocess.run([*apart, "true"], capture_output=True, check=True, cwd=folder)
            return apart
        except (FileNotFoundError, subprocess.CalledProcessError):      # not Linux; not allowed
            continue
    return ()


def nextflow(folder: Path, *arguments: str, project: Path = ROOT, name: str = "", outdir: str = "results",
             environment: dict[str, str] | None = None, apart: tuple[str, ...] = ()) -> Run:
    """`nextflow run` of the project, or of a `name` that Nextflow knows, started in `folder`, results in its `outdir`;
    `apart`: what stands before it."""
    done = subprocess.run(
        [*apart, project / "nextflow", "run", name or project, "--outdir", outdir, *arguments], cwd=folder,
        text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=900, check=False,
        env={**os.environ, "NXF_ANSI_LOG": "false", **(environment or {})})
    return Run(done.returncode, done.stdout, folder, folder / outdir, apart)


def from_a_terminal(folder: Path, *arguments: str) -> subprocess.Popen:
    """The same in the background, its words in console.txt: a process group of its own that Ctrl-C reaches.

    A shell starts background jobs with SIGINT ignored, Java keeps to what it finds, and the tests may be such a job.
    """
    with open(folder / "console.txt", "a") as log:
        return subprocess.Popen(
            [ROOT / "nextflow", "run", ROOT, "--outdir", "results", *arguments], cwd=folder, stdout=log,
            stderr=subprocess.STDOUT, start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))


@pytest.fixture(scope="session")
def small_run(tmp_path_factory) -> Run:
    """The test profile for real: a synthetic corpus through every process to the report. Without a network and with a
    read-only root, where the kernel allows that; only the launcher's first start may fetch Nextflow."""
    subprocess.run([ROOT / "nextflow", "-v"], cwd=tmp_path_factory.mktemp("fetched"), capture_output=True, check=True)
    folder = tmp_path_factory.mktemp("small")
    run = nextflow(folder, "-profile", "test", apart=kernel_sets_apart(folder))
    assert run.code == 0, run.text
    return run


EACH_CONFIGURATION = """
workflow {
    file(params.asked).readLines().each { line ->
        println "asked: ${line}"
        nextflow.plugin.Plugins.stop()      // each command starts them anew
        def code = new nextflow.cli.Launcher().command((['config', '-flat'] + line.tokenize()) as String[]).run()
        if (code) error "no configuration of ${line}"
    }
}
"""


def configurations(folder: Path, asked: dict[str, str], **environment: str) -> dict[str, dict[str, str]]:
    """What `nextflow config -flat` says of each `{name: "PROJECT -profile A,B"}`, as {setting: value}: all by one
    Nextflow, whose start takes longer than a dozen answers."""
    (folder / "main.nf").write_text(EACH_CONFIGURATION)
    (folder / "asked").write_text("\n".join(asked.values()))
    said = subprocess.run([ROOT / "nextflow", "run", "main.nf", "--asked", "asked"], cwd=folder, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                          env={**os.environ, "NXF_ANSI_LOG": "false", **environment})
    assert said.returncode == 0, said.stdout
    texts = re.split("^asked: .*\n", said.stdout, flags=re.MULTILINE)[1:]
    return {name: dict(line.split(" = ", 1) for line in text.splitlines() if " = " in line)
            for name, text in zip(asked, texts, strict=True)}


def with_defaults(folder: Path, **given: str) -> Path:
    """The project's configuration in a folder of its own, where these parameters have other defaults: `nextflow config`
    takes no parameters."""
    folder.mkdir()
    for name in ("conf", "assets"):
        (folder / name).symlink_to(ROOT / name)
    text = (ROOT / "nextflow.config").read_text()
    for name, value in given.items():
        before, rest = text.split(f"\n    {name} ", 1)
        text = f"{before}\n    {name} = '{value}' //{rest}"
    (folder / "nextflow.config").write_text(text)
    return folder


def copy_project(folder: Path, name: str = "project") -> Path:
    """All that a run of the pipeline needs, to be edited."""
    copy = folder / name
    copy.mkdir()
    for name in ("main.nf", "nextflow", "nextflow.config", "nextflow_schema.json"):
        shutil.copy(ROOT / name, copy)
    for name in ("bin", "conf", "modules", "subworkflows", "lib", "assets"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in (".venv", ".engine"):
        if (ROOT / name).exists():
            (copy / name).symlink_to(ROOT / name)
    return copy


@pytest.fixture
def project(tmp_path):
    """A copy of the project that a test may edit."""
    return copy_project(tmp_path)
