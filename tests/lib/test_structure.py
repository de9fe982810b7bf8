"""The direction of imports that keeps the rooms apart (docs/reference/contracts.md), read from the source with ast."""

import ast
import functools
import itertools
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "lib" / "ecgscale"
BIN = PACKAGE.parents[1] / "bin"
ROOMS = ("errors", "paths", "numbers", "contracts", "machine", "ecg", "models", "design", "training", "evaluation",
         "deploy", "tables", "laws", "analysis", "report", "check", "command", "installed", "verbs")
"""In the order of the data: a room uses only those before it."""
MODULES = sorted(p.relative_to(PACKAGE).with_suffix("").as_posix() for p in PACKAGE.rglob("*.py"))
TORCH_FREE = ("check", "command", "errors", "numbers", "paths", "machine/", "contracts/", "ecg/", "design/study",
              "design/run_group", "design/space", "design/plan", "design/memory", "design/axes", "design/marked_yaml",
              "evaluation/", "deploy/bench", "deploy/elsewhere", "deploy/kit", "deploy/latency", "deploy/session",
              "deploy/size_law", "deploy/speed", "deploy/tabulate", "tables/", "laws/", "analysis/", "report/")
PREDICTS = "evaluation/evaluate"


@functools.cache
def imports(module: str, inside_functions: bool = False) -> set[str]:
    """Modules that are imported when `module` is; those that its functions import when called, where asked for."""
    return imports_of((PACKAGE / f"{module}.py").read_text(), inside_functions)


def imports_of(source: str, inside_functions: bool = False) -> set[str]:
    found = set()
    stack = list(ast.parse(source).body)
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module} | {f"{node.module}.{name.name}" for name in node.names}
        elif inside_functions or not (isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or for_types(node)):
            stack.extend(ast.iter_child_nodes(node))
    return {name for name in found if name}


def for_types(node: ast.AST) -> bool:
    """Whether it is `if TYPE_CHECKING:`, which no program runs."""
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def room(module: str) -> str:
    return module.split("/")[0]


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


@pytest.mark.parametrize("module", [m for m in MODULES if m != "__init__"])
def test_imports_run_with_the_data(module):
    """Every room has its place, and no module uses a later one, not even inside a function."""
    named = {name.split(".")[1] for name in imports(module, inside_functions=True) if name.startswith("ecgscale.")}
    used = {name for name in named if name != "__version__"}
    assert not [name for name in used if ROOMS.index(name) > ROOMS.index(room(module))]


def test_the_documented_picture_is_the_list():
    page = (PACKAGE.parents[1] / "docs" / "reference" / "contracts.md").read_text(encoding="utf-8")
    assert re.findall(r"^    (\w+) --> (\w+)$", page, flags=re.MULTILINE) == list(itertools.pairwise(ROOMS))


def test_an_import_against_the_data_is_seen():
    """The reader of imports sees those at the top, inside a function and inside a class."""
    source = ("import a\ndef f():\n    from b import c\nif TYPE_CHECKING:\n    import h\n"
              "class D:\n    def g(self):\n        import e.f\n")
    assert imports_of(source) == {"a"}
    assert imports_of(source, inside_functions=True) == {"a", "b", "b.c", "e.f", "h"}


def test_contracts_stand_alone():
    """They use nothing of ours but the two rooms below them."""
    names = set().union(*(imports(m, inside_functions=True) for m in MODULES if m.startswith("contracts/")))
    assert {name.split(".")[1] for name in names if name.startswith("ecgscale.")} == {"contracts", "errors", "paths"}


def test_every_package_is_installed():
    """pyproject.toml names each package, so that an installed copy is whole."""
    project = tomllib.loads((PACKAGE.parents[1] / "pyproject.toml").read_text())
    packages = {p.parent.relative_to(PACKAGE.parent).as_posix().replace("/", ".") for p in PACKAGE.rglob("__init__.py")}
    assert set(project["tool"]["setuptools"]["packages"]) == packages | {"ecgscale.assets", "ecgscale.bin"}


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
