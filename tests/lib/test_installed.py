"""The package as others install it: a wheel, without the checkout, with every command under its name."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest

from ecgscale.machine.provenance import code_digest

ROOT = Path(__file__).parents[2]
NEEDED = ("lib", "bin", "assets", "pyproject.toml", "README.md", "LICENSE")
COMMANDS = sorted(path.name for path in (ROOT / "bin").iterdir())


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """The scripts' folder of an environment that holds the wheel, and sees what it depends on but not the checkout.

    pip has a home of its own: it asks rustc for its version, and rustup writes its settings there."""
    folder = tmp_path_factory.mktemp("installed")
    environment = os.environ | {"HOME": str(folder)}
    (folder / "source").mkdir()
    for name in NEEDED:
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / "source" / name)
    made = subprocess.run([sys.executable, "-m", "pip", "wheel", folder / "source", "--no-deps", "--no-index",
                           "--no-build-isolation", "--quiet", "-w", folder], capture_output=True, text=True,
                          check=False, env=environment)
    assert made.returncode == 0, made.stderr
    shutil.rmtree(folder / "source")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "env"], check=True)
    (wheel,) = folder.glob("ecgscale-*.whl")
    subprocess.run([sys.executable, "-m", "pip", "--python", folder / "env", "install", "--no-deps", "--no-index",
                    "--quiet", wheel], check=True, env=environment)
    (packages,) = (folder / "env" / "lib").glob("python*/site-packages")
    (packages / "depends.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "env" / "bin"


def run(command: Path, *arguments: str | Path) -> subprocess.CompletedProcess:
    return subprocess.run([command, *arguments], capture_output=True, text=True, check=False, cwd=command.parents[2])


def test_the_wheel_holds_what_the_code_reads(installed):
    (wheel,) = installed.parents[1].glob("ecgscale-*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {f"ecgscale/bin/{name}" for name in COMMANDS} < names
    assets = {path.relative_to(ROOT).as_posix() for path in (ROOT / "assets").rglob("*") if path.is_file()}
    assert {f"ecgscale/{name}" for name in assets} < names
    assert not [name for name in names if "/tests/" in name or name.endswith(".pyc")]


def test_every_command_is_installed_under_its_name(installed):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert project == dict.fromkeys(COMMANDS, "ecgscale.installed:main")
    for name in ("ecg-fit", "ecg-prepare"):
        told = run(installed / name, "--help")
        assert told.returncode == 0, told.stderr
        assert f"usage: {name}" in told.stdout


def test_an_installed_copy_has_the_digest_of_the_checkout(installed):
    """Else no image would be taken for the code of its project folder; assets hold Python, too (a kit's measure.py)."""
    told = run(installed / "python", "-c", "from ecgscale.machine.provenance import code_digest as d; print(d())")
    assert told.stdout.strip() == code_digest(), told.stderr


def test_an_installed_copy_answers_and_reads_its_own_assets(installed, tmp_path):
    told = run(installed / "python", "-c", "import ecgscale.paths as p; print(p.ASSETS)")
    assets = Path(told.stdout.strip())
    assert assets.is_relative_to(installed.parent)
    told = run(installed / "ecg-sample", "--study", assets / "studies" / "mini.yaml", "--out", tmp_path / "plan")
    assert told.returncode == 0, told.stderr
    assert (tmp_path / "plan" / "runs.jsonl").read_text().startswith('{"schema": "ecgscale.planned-run/')
    told = run(installed / "ecg-sample", "--study", "nowhere.yaml", "--out", tmp_path / "plan")
    assert "ecg-sample: error" in told.stderr
