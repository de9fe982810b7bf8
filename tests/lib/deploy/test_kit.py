"""The kit from the zip to the rows: in an environment that holds a runtime's wheel and nothing of ours, and the bundle
it sends, which is refused as soon as anything of it was changed."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from importlib import metadata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from packaging.requirements import Requirement

from ecgscale.contracts import LATENCY, TIMES, Environment, Export, file_digest
from ecgscale.deploy import session
from ecgscale.deploy.elsewhere import checked, merge, read
from ecgscale.deploy.kit import device, pack, unpack
from ecgscale.deploy.kit.make import LIST, make
from ecgscale.deploy.runtimes import DeployedModel
from ecgscale.deploy.tabulate import tabulate
from ecgscale.design.study import Deploy
from ecgscale.errors import UserError
from tests.lib.deploy.test_bench import kind, planted
from tests.tiny_models import exported_model

QUICK = Deploy(repeats=1, min_count=20, min_seconds=0.0)
FOREIGN = ("torch", "pandas", "scipy", "pydantic", "pyarrow", "ecgscale")


def bare_environment(folder: Path, *wanted: str) -> Path:
    """The Python of an environment that holds these distributions, what they require, and nothing else."""
    venv.create(folder, with_pip=False, symlinks=True)
    (packages,) = (folder / "lib").glob("python*/site-packages")
    waiting, seen = list(wanted), set()
    while waiting:
        one = metadata.distribution(waiting.pop())
        seen.add(one.name)
        required = [Requirement(text) for text in one.requires or ()]
        waiting += [each.name for each in required if each.name not in seen and (
            each.marker is None or each.marker.evaluate({"extra": ""}))]
        for top in {file.parts[0] for file in one.files} - {"..", "__pycache__"}:
            if not (packages / top).exists():
                (packages / top).symlink_to(Path(sysconfig.get_path("purelib")) / top)
    return folder / "bin" / "python"


def apart() -> list[str]:
    """Before a command: a network namespace without interfaces, where the kernel gives one."""
    words = ["unshare", "--map-root-user", "--net"]
    try:
        return words if subprocess.run([*words, "true"], capture_output=True, check=False).returncode == 0 else []
    except FileNotFoundError:
        return []


@pytest.fixture(scope="module")
def kit(tmp_path_factory) -> Path:
    """Made as a zip and unpacked elsewhere."""
    folder = tmp_path_factory.mktemp("kit")
    make([exported_model()], QUICK, folder / "kit.zip", ("onnx", "openvino"))
    zipfile.ZipFile(folder / "kit.zip").extractall(folder / "unpacked")
    return folder / "unpacked"


def measure(python: Path, kit: Path, *arguments, code: int = 0) -> subprocess.CompletedProcess:
    bare = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [*apart(), python, kit / "measure.py", *map(str, arguments)], text=True, cwd=python.parents[1],
        capture_output=True, check=False, env=bare | {"HOME": str(python.parents[1])})
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.mark.parametrize("wheels", [("onnxruntime",), ("onnxruntime", "openvino")], ids="+".join)
def test_a_kit_measures_where_only_a_runtime_is(kit, tmp_path, wheels):
    """From the zip, without torch, pandas, this project and a network; its rows are those of the pipeline's schema."""
    python = bare_environment(tmp_path / "env", "numpy", *wheels)
    for name in FOREIGN:
        assert subprocess.run([python, "-c", f"import {name}"], capture_output=True, check=False).returncode
    bundle = tmp_path / "bundle.zip"
    done = measure(python, kit, "--machine", "Ann's board", "--devices", "cpu", "--cpus", 1, "--out", bundle)
    said = done.stderr.splitlines()
    right = [place for place, line in enumerate(said) if ": right, logits within" in line]
    timed = [place for place, line in enumerate(said) if line.startswith("bench: round 1")]
    assert len(right) == len(timed) > 0
    assert max(right) < min(timed)                  # correctness first
    rows = checked(bundle).latency
    assert set(rows["runtime"]) == set(wheels)
    stands = rows[rows["status"].isin(["ok", "void"])]
    assert (stands["count"] >= 20).all()
    assert (stands["logit_difference"] < 0.2).all()
    assert stands["p50_low_ms"].notna().all()
    model = DeployedModel.read(exported_model())
    assert set(stands["artefact_digest"]) <= {artefact.digest for artefact in model.export.artefacts}
    merge([tmp_path], [exported_model()], tmp_path / "latency")       # the folder that holds the bundle
    assert len(LATENCY.read(tmp_path / "latency/latency.parquet")) == len(rows)
    (document,) = (tmp_path / "latency").glob("environment-*.json")
    environment = Environment.read(document)
    assert environment.machine == "Ann's board"
    assert environment.versions["kit"] == file_digest(kit / LIST, 64)
    assert not set(environment.versions) & {"torch", "pandas", "scipy"}
    assert not list(kit.rglob("__pycache__"))


def test_a_kit_that_was_changed_measures_nothing(kit):
    (name,) = (name for name in json.loads((kit / LIST).read_text())["files"] if name.endswith("sample_output.npy"))
    before = (kit / name).read_bytes()
    try:
        (kit / name).write_bytes(before[:-1] + b"9")
        assert re.search(r"sample_output\.npy.*was changed, cut short or left behind", listed(kit, code=2).stderr)
        (kit / name).unlink()
        assert "left behind" in listed(kit, code=2).stderr
    finally:
        (kit / name).write_bytes(before)
    assert "onnxruntime" in listed(kit).stdout


BAD = "import os; os.write(2, b'it ran'); os._exit(0)"


@pytest.mark.parametrize("name", [
    "code/sitecustomize.py", "code/numpy.py", "code/numpy/__init__.py", "code/ecgscale/json.py",
    "code/ecgscale/__pycache__/command.cpython-311.pyc", "code/ecgscale/command.cpython-311-x86_64-linux-gnu.so",
    "code/onnxruntime", "models/conftest.py", "code/ecgscale/errors.py"])
def test_what_was_added_to_a_kit_does_not_run(kit, tmp_path, name):
    """The last one takes the place of a file of ours; onnxruntime is a link to a folder elsewhere."""
    shutil.copytree(kit, tmp_path / "kit")
    place = tmp_path / "kit" / name
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.suffix:
        place.write_text(BAD)
    else:
        place.symlink_to(tmp_path)
    said = listed(tmp_path / "kit", code=2).stderr
    assert "Unpack the kit again" in said
    assert "it ran" not in said


def test_what_lies_beside_a_kit_s_folders_is_not_imported(kit, tmp_path):
    """An environment and bundles may lie there; a module there would go before Python's own, in every process."""
    shutil.copytree(kit, tmp_path / "kit")
    for name in ("json", "pathlib", "hashlib", "numpy", "multiprocessing", "sitecustomize", "usercustomize"):
        (tmp_path / "kit" / f"{name}.py").write_text(BAD)
    done = listed(tmp_path / "kit", cwd=tmp_path / "kit")
    assert "onnxruntime cpu" in done.stdout
    assert "it ran" not in done.stderr


def listed(kit: Path, code: int = 0, **options) -> subprocess.CompletedProcess:
    """What `measure.py --list` says with the Python of the tests."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run([sys.executable, kit / "measure.py", "--list", "--runtimes", "onnxruntime"], text=True,
                          capture_output=True, check=False, env=bare, **options)
    assert done.returncode == code, done.stderr
    return done


def test_the_same_kit_is_the_same_file(tmp_path):
    """As zip to the byte; as folder the same files."""
    for name in ("a.zip", "b.zip", "folder"):
        make([exported_model()], QUICK, tmp_path / name, ("onnx",))
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    packed = zipfile.ZipFile(tmp_path / "a.zip")
    assert sorted(packed.namelist()) == sorted(
        path.relative_to(tmp_path / "folder").as_posix() for path in (tmp_path / "folder").rglob("*") if path.is_file())
    assert not [name for name in packed.namelist() if "openvino-" in name or name.endswith(".safetensors")]
    with pytest.raises(UserError, match="has no file as coreml"):
        make([exported_model()], QUICK, tmp_path / "none.zip", ("coreml",))
    assert not (tmp_path / "none.zip").exists()


# ------------------------------------------------------------------------------------------------------------- bundles


@pytest.fixture(scope="module")
def run_there(tmp_path_factory):
    """A measuring run of planted runtimes, and its bundle."""
    model = DeployedModel.read(exported_model())
    kit = device.members({"models": [{"folder": "", "layers": model.layers,
                                      "export": model.export.model_dump(mode="json")}]})
    with pytest.MonkeyPatch.context() as patch:
        planted(patch, watched=True, one=kind(0.001), lost=None)
        done = session.run([model], ["one", "lost"], ["cpu", "gpu"], QUICK, 1, "board", tolerance=9)
        file = tmp_path_factory.mktemp("sent") / "bundle.zip"
        pack.write(done, kit, "0" * 64, file)
        yield done, file


@pytest.fixture
def sent(run_there, tmp_path) -> tuple[session.Session, Path]:
    return run_there[0], Path(shutil.copy(run_there[1], tmp_path))


def test_rows_of_a_bundle_are_those_of_the_run_itself(sent):
    """One implementation: what the pipeline would have written there, to the last digit."""
    done, file = sent
    here, there = tabulate(done), checked(file)
    pd.testing.assert_frame_equal(here.latency, there.latency)
    pd.testing.assert_frame_equal(here.times, there.times)
    assert here.control == there.control
    assert set(there.latency["status"]) == {"ok", "unavailable"}
    assert len(there.times) == 20
    assert TIMES.arrow(there.times, file).num_rows == 20


def again(file: Path, change=lambda body, times: None, sign: bool = False, **members: bytes) -> Path:
    """The bundle with its document and its times changed in place; `sign`: with digests that fit; and with further
    members."""
    archive = zipfile.ZipFile(file)
    body, times = json.loads(archive.read(pack.DOCUMENT)), np.load(archive.open(pack.TIMES)).copy()
    change(body, times)
    if sign:
        body["times"] = pack.digest_of(times)
        body["digest"] = pack.own_digest(body)
    place = file.with_name("again.zip")
    with zipfile.ZipFile(place, "w") as changed:
        changed.writestr(pack.DOCUMENT, json.dumps(body))
        changed.writestr(pack.TIMES, pack.array_bytes(times))
        for name, content in members.items():
            changed.writestr(name, content)
    return place


def test_a_bundle_saved_again_is_read(sent):
    assert len(checked(again(sent[1])).times) == 20


@pytest.mark.parametrize("change", [
    lambda body, times: body["settings"][0]["blocks"][0].update(seconds=0.5),
    lambda body, times: body["environment"].update(machine="another"),
    lambda body, times: body["settings"].pop(),
    lambda body, times: times.__imul__(0.5),
    lambda body, times: body.update(times="0" * 64),
])
def test_a_bundle_that_was_edited_is_refused(sent, change):
    with pytest.raises(UserError, match="it was edited or cut short"):
        unpack.read(again(sent[1], change))


@pytest.mark.parametrize(("change", "words"), [
    (lambda body, times: body["settings"][0]["blocks"][0].update(place=99), "lies beside no look"),
    (lambda body, times: body["settings"][0].update(model=1), "names no model"),
    (lambda body, times: body["settings"].append(body["settings"][-1]), "a configuration twice"),
    (lambda body, times: body["settings"][0].update(runtime="simulated"), "'simulated' is no runtime of ours"),
    (lambda body, times: body["settings"][0]["blocks"][0]["columns"].update(foreign=1), "'foreign' is unknown"),
    (lambda body, times: body["settings"][0]["blocks"][0]["columns"].update(warmup=2**70), "does not fit into 64 bits"),
    (lambda body, times: body["environment"].update(machine=""), "names no machine"),
    (lambda body, times: times.__imul__(-1), "times that are none"),
    (lambda body, times: body.update(schema="ecgscale.bundle/9"), "ecgscale.bundle/9"),
])
def test_a_bundle_that_contradicts_itself_is_refused(sent, change, words):
    """Even where its digests fit, as a forger's would."""
    with pytest.raises(UserError, match=words):
        checked(again(sent[1], change, sign=True))


@pytest.mark.parametrize("name", ["../../outside.txt", "/etc/outside", "times.npy.txt"])
def test_a_bundle_with_foreign_members_is_refused(sent, name):
    with pytest.raises(UserError, match="which no kit puts into a bundle"):
        unpack.read(again(sent[1], **{name: b"x"}))


def test_a_bundle_that_is_larger_than_is_read_is_refused(sent, monkeypatch):
    monkeypatch.setattr(unpack, "LARGEST_DOCUMENT", 100)
    with pytest.raises(UserError, match="at most 100 are read"):
        unpack.read(sent[1])


def test_what_is_no_bundle_is_refused(tmp_path):
    (tmp_path / "bundle.zip").write_bytes(b"PK no zip")
    with pytest.raises(UserError, match="not a readable bundle of a kit"):
        unpack.read(tmp_path / "bundle.zip")
    with zipfile.ZipFile(tmp_path / "half.zip", "w") as archive:
        archive.writestr(pack.DOCUMENT, "{}")
    with pytest.raises(UserError, match=r"bundle\.json and times\.npy, each once"):
        unpack.read(tmp_path / "half.zip")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no latencies here"):
        read([tmp_path / "empty"], [], set())


def test_bundles_of_one_machine_are_refused(sent):
    file = sent[1]
    again(file)
    with pytest.raises(UserError, match="machine 'board' was measured already"):
        read([file.parent], [], set())


def test_a_bundle_of_other_models_is_refused(sent, tmp_path):
    other = Export.read(exported_model() / "export.json").model_copy(update={"run_id": "f" * 12})
    other.write(tmp_path / "model/export.json")
    with pytest.raises(UserError, match="is not one of the models given"):
        merge([sent[1]], [tmp_path / "model"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_python_without_the_runtime_is_told_what_to_install(kit):
    """Python without its site-packages has no numpy: a message with its name and the README, no traceback."""
    done = subprocess.run([sys.executable, "-S", kit / "measure.py", "--list"], text=True, capture_output=True,
                          env={"PATH": os.environ["PATH"]})
    assert done.returncode == 2
    assert done.stderr.startswith("measure.py: numpy is not installed in the Python that runs this, ")
    assert "README.md" in done.stderr


def test_what_is_to_be_installed_is_what_the_locks_have():
    """Of the README in a kit and of the tutorial: a version that no index has would end there with pip's error."""
    root = Path(__file__).parents[3]
    locked = dict(re.findall(r"^([\w-]+)==([\w.]+)", "\n".join(
        (root / name).read_text() for name in ("requirements.lock", "containers/onnxruntime-gpu.lock")), re.MULTILINE))
    told = re.findall(r"\b([\w-]+)==([\d.]+\d)", "\n".join(
        (root / name).read_text() for name in ("assets/kit/README.md", "docs/tutorial/own-device.md")))
    known = [(name, version) for name, version in told if name in locked]
    assert {name for name, _ in known} >= {"onnxruntime", "onnxruntime-gpu", "openvino", "coremltools"}
    assert [one for one in known if locked[one[0]] != one[1]] == []
