"""No command asks a network for anything; what it keeps for the next one lies in a folder that only its user writes."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from ecgscale.machine.confined import cache_folder

ROOT = Path(__file__).parents[3]
# imported by every Python of the test, before anything else: whoever is asked for over the network is written down
GUARD = """
import os, socket
def tell(asked):
    with open(os.environ["ASKED"], "a") as log:
        log.write(f"{asked}\\n")
look_up, connect = socket.getaddrinfo, socket.socket.connect
socket.getaddrinfo = lambda host, *rest, **named: (tell(host), look_up(host, *rest, **named))[1]
class Told(socket.socket):
    def connect(self, address):
        if self.family != socket.AF_UNIX:
            tell(address)
        return super().connect(address)
socket.socket = Told
"""
EXPORT_AND_BENCH = """
import sys
from pathlib import Path
from ecgscale import command
def main(argv):
    import matplotlib.font_manager
    from ecgscale.deploy.bench import bench
    from ecgscale.design.study import Deploy
    from tests.tiny_models import exported_model
    model = exported_model()
    assert list(model.glob("*int8*")), "NNCF was not needed"
    deploy = Deploy(precisions=("float32",), repeats=1, min_count=5, min_seconds=0.01)
    bench([model], ["torch", "onnxruntime", "openvino"], ["cpu"], deploy, Path(sys.argv[1]), 1)
command.run(main)
"""


@pytest.fixture
def alone(tmp_path):
    """Runs Python with the guard and an empty home, without a network where the kernel allows that. Gives what was
    asked for over the network and what lies below the home folder."""
    (tmp_path / "guard").mkdir()
    (tmp_path / "guard" / "sitecustomize.py").write_text(GUARD)
    (tmp_path / "home").mkdir()
    apart = ["unshare", "--map-root-user", "--net"]
    if subprocess.run([*apart, "true"], capture_output=True, check=False).returncode:
        apart = []

    def run(*arguments):
        kept = {name: value for name, value in os.environ.items()       # where CI is said, nothing is ever sent
                if not name.startswith(("MPL", "XDG", "PYTEST", "CI"))}
        place = kept | {"PYTHONPATH": f"{tmp_path / 'guard'}:{ROOT / 'lib'}:{ROOT}", "HOME": str(tmp_path / "home"),
                        "ASKED": str(tmp_path / "asked")}
        done = subprocess.run([*apart, sys.executable, *map(str, arguments)], text=True, capture_output=True,
                              env=place, check=False)
        assert done.returncode == 0, done.stderr
        asked = tmp_path / "asked"
        return asked.read_text() if asked.exists() else "", sorted((tmp_path / "home").rglob("*"))

    return run


def test_the_guard_sees_a_request(alone):
    asked, _ = alone("-c", "import socket, contextlib\n"
                     "with contextlib.suppress(OSError): socket.create_connection(('example.org', 80))")
    assert "example.org" in asked


def test_export_and_bench_ask_nobody(alone, tmp_path):
    """NNCF, OpenVINO, ONNX Runtime would tell an analytics host; they and matplotlib keep files below the home."""
    assert alone("-c", EXPORT_AND_BENCH, tmp_path / "latency") == ("", [])


def test_a_home_that_cannot_be_written(alone, tmp_path):
    """Not even by root: nothing can be made below /proc."""
    code = "import os; os.environ['HOME'] = '/proc'\nfrom ecgscale import command\n" \
           "def main(argv): import matplotlib.font_manager, ecgscale.evaluation.metrics\ncommand.run(main)"
    assert alone("-c", code) == ("", [])


@pytest.mark.parametrize("taken", ["a link", "writable by others", "a file"])
def test_what_others_can_write_is_not_trusted(tmp_path, monkeypatch, taken):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    first = cache_folder()
    assert first == cache_folder()      # it lasts
    assert first.stat().st_mode & 0o077 == 0
    if taken == "writable by others":
        first.chmod(0o777)
    else:
        first.rmdir()
        if taken == "a link":
            (tmp_path / "theirs").mkdir()
            first.symlink_to(tmp_path / "theirs")
        else:
            first.touch()
    assert cache_folder() != first
