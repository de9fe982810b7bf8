"""Documents do what they say: each command exists and takes the options it is shown with; what is quick is run, in
order, and prints what the page says; and every page has an example that is run, or a reason.

A block "```csv runs.csv" is a file that the reader writes. A block "```console" holds commands behind "$ " and what
they print, where "..." stands for anything. A block "```python" runs in the project's folder. A block "```sh" is
checked, not run: it takes minutes, or another machine.
"""

import json
import os
import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "containers/README.md", *sorted((ROOT / "docs").rglob("*.md"))]
ALL = sorted((ROOT / "docs").rglob("*.md"))
RUN = {kind: [page for page in ALL if page.parent.name != "extend" and f"\n```{kind}\n" in page.read_text("utf-8")]
       for kind in ("console", "python")}
ELSEWHERE = {       # pages whose example is the work of a test of its own, and pages with nothing to run
    "README.md": "an index", "explanation/log.md": "an index",
    **dict.fromkeys((f"explanation/log/{name}.md" for name in ("pipeline", "training", "laws", "curves", "devices",
                                                               "project")), "what was decided, and what did not work"),
    "explanation/compared.md": "what other projects have",
    "explanation/training-figures.md": "tests/benchmarks/test_train.py",
    **dict.fromkeys((f"extend/{name}.md" for name in ("family", "runtime", "dataset", "law", "one-test")),
                    "tests/lib/test_extend.py"),
    "extend/set-up.md": "tests/lib/test_workflow.py",
    "how-to/deploy.md": "tests/bin/test_ecg_deploy.py", "how-to/kit.md": "tests/lib/deploy/test_kit.py",
    "how-to/machines.md": "tests/pipeline/test_places.py", "how-to/scale.md": "tests/lib/design/test_scale.py",
    "how-to/stream.md": "tests/lib/deploy/test_streaming.py", "reference/commands.md": "an index",
    **dict.fromkeys((f"reference/{name}.md" for name in ("api", "api/tables", "api/laws", "api/recordings")),
                    "tests/lib/test_verbs.py"),
    **dict.fromkeys((f"reference/{name}.md" for name in ("licences", "parameters", "study", "study/data", "study/runs",
                                                         "study/tuning", "study/evaluation", "study/families")),
                    "tests/lib/test_reference.py"),
    **dict.fromkeys((f"reference/commands/{name}.md" for name in ("recordings", "runs", "deployment", "answers",
                                                                  "alone")), "tests/bin"),
    "reference/reliability.md": "tests/fuzz", "reference/report.md": "tests/lib/report/test_in_browser.py",
}
FENCED = re.compile(r"^```(\w*)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMANDS = {path.name: path for path in (ROOT / "bin").iterdir()}
OF_NEXTFLOW = {"-profile", "-resume", "-work-dir", "-params-file", "-c", "-process.cache", "-stub", "-preview"}
PARSER_OF = runpy.run_path(str(ROOT / "docs/reference/pages.py"))["parser_of"]


@pytest.fixture(scope="module")
def parsers():
    return {name: PARSER_OF(path) for name, path in COMMANDS.items()}


@pytest.fixture(scope="module")
def parameters() -> set[str]:
    groups = json.loads((ROOT / "nextflow_schema.json").read_text())["$defs"].values()
    return {name for group in groups for name in group["properties"]}


@pytest.fixture(scope="module")
def profiles() -> set[str]:
    texts = [(ROOT / name).read_text() for name in ("nextflow.config", "conf/hardware.config")]
    blocks = [text.split("profiles {", 1)[1] for text in texts]
    return set(re.findall(r"^    '?([\w-]+)'?\s*\{", "\n".join(blocks), flags=re.MULTILINE))


def commands(text: str) -> Iterator[list[str]]:
    """Words of every command of ours in a page: in blocks of code, fenced or indented, and in lines of code."""
    blocks = [body for _, _, body in FENCED.findall(text)]
    prose = FENCED.sub("", text)
    blocks += re.findall(r"^    (.*(?:\n    .*)*)", prose, flags=re.MULTILINE)
    blocks += [line.replace("\n", " ") for line in re.findall(r"`([^`]+)`", prose)]
    for block in blocks:
        for line in re.sub(r"\\\n", " ", block).splitlines():
            for command in re.split(r"&&|;|\|", line.strip().removeprefix("$ ")):
                try:
                    words = shlex.split(command, comments=True)
                except ValueError:
                    continue                        # an apostrophe: prose
                for place, word in enumerate(words[:4]):
                    name = Path(word).name
                    if name in COMMANDS or (name == "nextflow" and words[place + 1:place + 3] == ["run", "."]):
                        yield [name, *words[place + 1:]]
                        break


def mistakes(words: list[str], parsers, parameters, profiles) -> Iterator[str]:
    """Options that a command does not have."""
    name, *rest = words
    for place, word in enumerate(rest):
        option = word.split("=")[0].rstrip(",.")
        if name == "nextflow":
            if option.startswith("--") and option[2:] not in parameters:
                yield f"nextflow has no parameter {option}"
            elif re.match(r"-[a-z]", option) and option not in OF_NEXTFLOW:
                yield f"nextflow has no option {option}"
            elif option == "-profile":
                yield from (f"no profile {p}" for p in rest[place + 1].split(",") if p not in profiles | {"PROFILE"})
        elif option.startswith("--") and option not in parsers[name]._option_string_actions:
            yield f"{name} has no option {option}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_command_takes_its_options(page, parsers, parameters, profiles):
    found = list(commands(page.read_text(encoding="utf-8")))
    assert not [problem for words in found for problem in mistakes(words, parsers, parameters, profiles)]


def test_a_wrong_option_is_seen(parsers, parameters, profiles):
    text = ("`ecg-fit --run\nx`\n\n```sh\n./nextflow run . --inptu a \\\n  -profile cpu,gpu -resum\n```\n\n"
            "    bin/ecg-bench --lst\n")
    problems = [problem for words in commands(text) for problem in mistakes(words, parsers, parameters, profiles)]
    assert sorted(problems) == ["ecg-bench has no option --lst", "ecg-fit has no option --run",
                                "nextflow has no option -resum", "nextflow has no parameter --inptu", "no profile gpu"]


def as_pattern(printed: str) -> str:
    """What a page says is printed, as a regular expression."""
    lines = [".*" if line.strip() == "..." else r"[^\n]*".join(re.escape(part) for part in line.split("..."))
             for line in printed.splitlines()]
    return "\n".join(lines)


def test_every_page_has_an_example_that_is_run_or_a_reason():
    names = {page.relative_to(ROOT / "docs").as_posix() for page in ALL}
    run = {page.relative_to(ROOT / "docs").as_posix() for pages in RUN.values() for page in pages}
    assert run | set(ELSEWHERE) == names
    assert not run & set(ELSEWHERE)
    assert not [by for by in ELSEWHERE.values() if by.startswith("tests/") and not (ROOT / by).exists()]


@pytest.mark.parametrize("page", RUN["python"], ids=lambda page: page.name)
def test_a_page_s_python_runs(page, tmp_path, monkeypatch):
    for name in ("assets", "docs"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    blocks = [body for kind, _, body in FENCED.findall(page.read_text(encoding="utf-8")) if kind == "python"]
    exec("\n".join(blocks), {})


@pytest.mark.parametrize("page", RUN["console"], ids=lambda page: page.name)
def test_a_page_prints_what_it_says(page, tmp_path):
    for name in ("assets", "bin"):
        (tmp_path / name).symlink_to(ROOT / name)
    place = {**os.environ, "PYTHONPATH": str(ROOT / "lib"), "COLUMNS": "100", "PYTHONUNBUFFERED": "1",
             "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    ran = 0
    for kind, name, body in FENCED.findall(page.read_text(encoding="utf-8")):
        if name:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(body)
        for command, printed in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", body, flags=re.MULTILINE) \
                if kind == "console" else ():
            done = subprocess.run(["bash", "-c", command], cwd=tmp_path, env=place, text=True, check=False, timeout=300,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            said = "\n".join(line.rstrip() for line in done.stdout.splitlines())
            assert re.fullmatch(as_pattern(printed), said, flags=re.DOTALL), f"{command}\n{done.stdout}"
            ran += 1
    assert ran


def test_something_else_printed_is_seen():
    assert re.fullmatch(as_pattern("a (1)\n...\nb ... d\n"), "a (1)\nx\ny\nb c d", flags=re.DOTALL)
    assert not re.fullmatch(as_pattern("a (1)\n...\nb ... d\n"), "a (2)\nx\nb c d", flags=re.DOTALL)
    assert not re.fullmatch(as_pattern("b ... d\n"), "b\nd", flags=re.DOTALL)
