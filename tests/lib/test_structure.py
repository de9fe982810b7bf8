"""The direction of imports that keeps the chapters apart (docs/contracts.md), read from the source with ast."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "lib" / "ecgscale"
BIN = PACKAGE.parents[1] / "bin"
MODULES = sorted(p.relative_to(PACKAGE).with_suffix("").as_posix() for p in PACKAGE.rglob("*.py"))
TORCH_FREE = ("check", "command", "errors", "paths", "provenance", "contracts/", "ecg/", "design/study", "design/space",
              "design/plan", "design/axes", "design/marked_yaml", "evaluation/", "deploy/bench", "deploy/latency",
              "deploy/speed", "deploy/elsewhere", "deploy/machine", "laws/", "analysis/", "report/")
PREDICTS = "evaluation/evaluate"


def imports(module: str) -> set[str]:
    """Modules that are imported when `module` is: those inside functions are left out."""
    found = set()
    stack = list(ast.parse((PACKAGE / f"{module}.py").read_text()).body)
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module} | {f"{node.module}.{name.name}" for name in node.names}
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            stack.extend(ast.iter_child_nodes(node))
    return {name for name in found if name}


def everything_imported(module: str) -> set[str]:
    """The same through our own modules."""
    names, seen = imports(module), {module}
    while names:
        ours = {n.removeprefix("ecgscale.").replace(".", "/") for n in names if n.startswith("ecgscale.")}
        ours = {f"{n}/__init__" if (PACKAGE / n).is_dir() else n for n in ours} & set(MODULES) - seen
        if not ours:
            return names
        seen |= ours
        names = names.union(*(imports(module) for module in ours))
    return names


@pytest.mark.parametrize("module", [m for m in MODULES if m.startswith(TORCH_FREE) and m != PREDICTS])
def test_no_torch(module):
    assert not {name for name in everything_imported(module) if name.split(".")[0] == "torch"}


def test_contracts_stand_alone():
    names = set().union(*(imports(module) for module in MODULES if module.startswith("contracts/")))
    assert {name.split(".")[1] for name in names if name.startswith("ecgscale.")} == {"contracts", "errors"}


def test_every_package_is_installed():
    """pyproject.toml names each package, so that an installed copy is whole."""
    project = tomllib.loads((PACKAGE.parents[1] / "pyproject.toml").read_text())
    packages = {p.parent.relative_to(PACKAGE.parent).as_posix().replace("/", ".") for p in PACKAGE.rglob("__init__.py")}
    assert set(project["tool"]["setuptools"]["packages"]) == packages | {"ecgscale.assets"}


@pytest.mark.parametrize("module", MODULES)
def test_nothing_imports_commands(module):
    assert not {name for name in imports(module) if name.split(".")[0] == "bin"}


def test_nothing_is_pickled():
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text()
        for word in ("import pickle", "torch.load(", "torch.save(", "allow_pickle=True", "joblib"):
            assert word not in text, f"{path.name}: {word}"


@pytest.mark.parametrize("command", sorted(p.name for p in BIN.iterdir()))
def test_help_shows_an_example_and_is_quick_to_import(command):
    """--help works without torch, OpenVINO or ONNX Runtime being imported."""
    code = ("import sys, runpy\nsys.argv = [sys.argv[1], '--help']\n"
            "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
            "except SystemExit as end: assert end.code == 0\n"
            "heavy = {'torch', 'openvino', 'onnxruntime', 'numba', 'sklearn'} & set(sys.modules)\n"
            "assert not heavy, heavy")
    done = subprocess.run([sys.executable, "-c", code, str(BIN / command)], text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"{command} " in done.stdout.split("example:")[1]
