"""Do the tests notice a mistake? A sample of small mistakes in the modules that numbers come from, each tried alone.

    make mutants        # 50 a package, the same ones every time; SAMPLE and SEED say others
    make mutants DONE=mutants.jsonl     # keeps what is done, and goes on with the others when it was stopped

A copy of the project is made in a scratch folder. The tests of a package run there once and are watched: which lines
does each run? Then each mutant meets the quickest tests that run its lines, SECONDS of them together. A
test that fails, or that does not end, kills it. What survives is printed: a test is missing, or the mutant is no
mistake.

Own code, since tools of mutation put a switch around every function (which numba cannot compile, and which is no longer
the source that tests read), or know one list of tests for all modules, of half an hour.
"""

from __future__ import annotations

import argparse
import ast
import json
import multiprocessing
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from itertools import chain, zip_longest
from pathlib import Path

from ecgscale.machine.compiled import stamp
from tests.mutants.sites import Site, sites

ROOT = Path(__file__).parents[2]
TESTS = {"laws": ("laws", "analysis/test_next_scale.py"), "evaluation": ("evaluation",),      # below tests/lib
         "ecg": ("ecg",),
         "contracts": ("contracts", "tables", "test_reference.py", "ecg/test_wall.py", "ecg/test_corpus.py",
                       "evaluation/test_others.py", "evaluation/test_collect.py", "evaluation/test_comparisons.py")}
LIB = "lib/ecgscale"
QUIET = ("-x", "-q", "-p", "no:cacheprovider", "--no-header", "--tb=no")
LIBRARIES = ("pytest", "hypothesis", "numpy", "pandas", "pyarrow.parquet", "scipy.stats", "scipy.optimize", "h5py",
             "sklearn.metrics", "wfdb", "pydantic", "numba", "torch", "onnxruntime")     # loaded once for all mutants


def copy_project(folder: Path) -> Path:
    """The files that git tracks or would, as they stand, and what is compiled of them."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, check=True,
                            capture_output=True).stdout.decode().split("\0")
    compiled = [file.relative_to(ROOT).as_posix() for file in (ROOT / LIB).rglob("__pycache__/*.nb[ic]")]    # by numba
    for name in [*filter(None, listed), *compiled]:
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def environment(project: Path, **more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": f"{project / 'lib'}{os.pathsep}{project}", "PYTHONDONTWRITEBYTECODE": "1",
            "OMP_NUM_THREADS": "1", **more}


def watch(project: Path, package: str) -> dict[str, dict]:
    """Seconds and lines of every test of a package, by its name."""
    told = project / "reached.json"
    subprocess.run([sys.executable, "-m", "pytest", "-q", "--no-header", "--no-summary", "-p", "no:cacheprovider", "-p",
                    "tests.mutants.reached", *(f"tests/lib/{place}" for place in TESTS[package])],
                   cwd=project, env=environment(project, REACHED=str(told)), check=False)
    return json.loads(told.read_text())


def importers(project: Path, file: str) -> set[str]:
    """Modules of its package that import from this one, and itself; below lib/ecgscale."""
    name, package = Path(file).stem, (project / file).parent
    using = {one for one in package.glob("*.py") for node in ast.walk(ast.parse(one.read_bytes()))
             if isinstance(node, ast.ImportFrom) and (node.module or "").endswith(f"{package.name}.{name}")}
    return {one.relative_to(project / LIB).as_posix() for one in using} | {file.removeprefix(f"{LIB}/")}


def tests_of(site: Site, reached: dict[str, dict], project: Path, seconds: float) -> list[str]:
    """The quickest tests that run the mutant's lines, `seconds` together.

    Of what runs as its module is imported: those that run any function of it, or hold the reference pages against the
    code. Of what numba compiles, which nobody sees run: those that run any function of the modules that import it.
    """
    if site.compiled or not site.lines:
        modules = importers(project, site.file) if site.compiled else {site.file.removeprefix(f"{LIB}/")}
        fitting = {name for name, one in reached.items()
                   if modules & one["lines"].keys()
                   or (not site.lines and name.startswith("tests/lib/test_reference.py"))}
    else:
        first, last = site.lines
        fitting = {name for name, one in reached.items()
                   if any(first <= line <= last for line in one["lines"].get(site.file.removeprefix(f"{LIB}/"), ()))}
    chosen, spent = [], 0.0
    for name in sorted(fitting, key=lambda name: reached[name]["seconds"]):
        spent += reached[name]["seconds"]
        if chosen and spent > seconds:
            break
        chosen.append(name)
    return chosen


def run_tests(project: str, tests: list[str], log: str, kept: dict[Path, tuple] | None) -> None:
    """In a process of its own: ends with pytest's code. kept: stamps by which numba takes what it compiled before."""
    os.chdir(project)
    os.setsid()
    with open(log, "w") as stream:
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
    os.environ.update(environment(Path(project)))
    sys.path[:0] = [f"{project}/lib", project]
    for name in [name for name in sys.modules if name.split(".")[0] in ("tests", "ecgscale")]:
        del sys.modules[name]       # of the project that this script lies in
    sys.dont_write_bytecode = True
    if kept:
        from ecgscale.machine import compiled
        compiled.stamp = kept.get
    else:
        import numba
        numba.config.CACHE_DIR = f"{project}/anew"      # what the next mutants take stays
    import pytest

    code = pytest.main([*QUIET, *tests])
    sys.stdout.flush()
    os._exit(code)


def meet(site: Site, tests: list[str], project: Path, limit: float) -> str:
    """killed, timeout or survived: what became of one mutant."""
    if not tests:
        return "survived"
    file = project / site.file
    source, changed = file.read_bytes(), file.stat().st_mtime_ns
    kept = {room: stamp(room) for room in (project / LIB).iterdir() if room.is_dir() and any(room.glob("*.py"))}
    anew = site.compiled or not site.lines      # what is compiled holds the constants of its module
    context = multiprocessing.get_context("forkserver")
    try:
        file.write_bytes(site.applied(source))
        process = context.Process(target=run_tests, args=(str(project), tests, str(project / "mutant.log"),
                                                          None if anew else kept))
        process.start()
        process.join(limit)
        if process.exitcode is None:
            os.killpg(process.pid, 9)
            process.join()
            return "timeout"
        return "survived" if process.exitcode == 0 else "killed"
    finally:
        shutil.rmtree(project / "anew", ignore_errors=True)
        file.write_bytes(source)
        os.utime(file, ns=(changed, changed))


def sample(project: Path, package: str, count: int, seed: int) -> list[Site]:
    every = [site for file in sorted((project / LIB / package).rglob("*.py")) for site in sites(project, file)]
    return random.Random(f"{seed} {package}").sample(every, min(count, len(every)))


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    made.add_argument("--sample", type=int, default=50, help="mutants of each package (50)")
    made.add_argument("--seed", type=int, default=1)
    made.add_argument("--seconds", type=float, default=60, help="of tests that each meets (60)")
    made.add_argument("--packages", nargs="+", default=list(TESTS), choices=list(TESTS))
    made.add_argument("--out", type=Path, metavar="FILE", help="JSON lines, one a mutant; those that it holds are not "
                                                               "tried again, so that what was stopped goes on")
    args = made.parse_args()
    earlier = args.out.read_text().splitlines() if args.out and args.out.exists() else ()
    done = {one["site"]: one["outcome"] for one in map(json.loads, earlier)}
    multiprocessing.set_forkserver_preload(list(LIBRARIES))
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        project = copy_project(Path(folder) / "project")
        outcomes: dict[str, list[str]] = defaultdict(list)
        reached = {package: watch(project, package) for package in args.packages}
        samples = [[(package, site) for site in sample(project, package, args.sample, args.seed)]
                   for package in args.packages]
        for package, site in filter(None, chain.from_iterable(zip_longest(*samples))):      # the packages take turns
            if (name := str(site)) not in done:
                tests, started = tests_of(site, reached[package], project, args.seconds), time.monotonic()
                expected = sum(reached[package][test]["seconds"] for test in tests)
                done[name] = meet(site, tests, project, 120 + 6 * expected)
                print(f"{done[name]:9} {name}  ({len(tests)} tests, {time.monotonic() - started:.0f} s)", flush=True)
                if args.out:
                    with args.out.open("a") as stream:
                        print(json.dumps({"site": name, "outcome": done[name]}), file=stream)
            outcomes[package].append(done[name])
    print("\npackage     mutants  killed  timeout  survived  score")
    for package, ends in outcomes.items():
        counts = [len(ends), *(ends.count(end) for end in ("killed", "timeout", "survived"))]
        print(f"{package:10}", *(f"{count:8}" for count in counts), f"{1 - counts[-1] / counts[0]:7.0%}")


if __name__ == "__main__":
    main()
