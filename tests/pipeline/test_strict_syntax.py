"""One source for Nextflow 24.10 to 26: the strict parser, the default from 26.04, has nothing to say about it; and text
rules for what that parser lets pass and a run trips over."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from ecgscale import __version__
from tests.pipeline.conftest import ROOT

HERE = Path(__file__).parent / "lint"
SCRIPTS = sorted(path for path in [ROOT / "main.nf", *ROOT.glob("modules/*/*.nf"), *ROOT.glob("subworkflows/*.nf")])
CONFIGURATIONS = sorted([ROOT / "nextflow.config", *ROOT.glob("conf/*.config")])


@pytest.fixture(scope="session")
def jars() -> Path:
    """Nextflow's parser (nf-lang), fetched once as Nextflow itself is: beside the engine."""
    engine = Path(os.environ.get("ECGSCALE_ENGINE", ROOT / ".engine/24.10.0"))
    folder = engine.parent / "nf-lang-25.04.0"
    if not folder.is_dir() and not shutil.which("mvn"):
        pytest.skip(f"neither {folder} nor Maven to fetch it")
    subprocess.run([HERE / "fetch.sh", folder], check=True)
    return folder


def lint(jars: Path, *paths: Path) -> list[str]:
    """What it says, as name:line: error or warning: words."""
    done = subprocess.run(["java", "-cp", f"{jars}/*", HERE / "Lint.java", *paths], text=True, capture_output=True,
                          check=True)
    return [line.removeprefix(f"{ROOT}/") for line in done.stdout.splitlines()]


def test_no_error_and_no_warning(jars):
    assert len(SCRIPTS) > 20
    assert lint(jars, *SCRIPTS, *CONFIGURATIONS) == []


def test_the_linter_sees_what_the_strict_parser_refuses(jars, tmp_path):
    """Each line is a construct that stood in the project once."""
    script, configuration = tmp_path / "main.nf", tmp_path / "nextflow.config"
    script.write_text("import groovy.json.JsonOutput\nworkflow { Channel.of(1).map { it + 1 } }\n")
    configuration.write_text("def started = 1\ntrace { file = \"${started}\" }\nif (true) { x = 1 }\n")
    said = "\n".join(lint(jars, script, configuration))
    for words in ("main.nf:1: error", "nextflow.config:1: error: Variable declarations cannot be mixed",
                  "nextflow.config:3: error: If statements"):
        assert words in said


RULES = {       # what the parser lets pass -> why it is not written
    r"\b(?:int|long|double|float|boolean|String|List|Map) \w+ *=": "26.04 drops the type of a variable: cast the value",
    r"^import ": "the strict parser has no import: write the whole name",
    r"@Field": "not in the strict syntax",
    r"\bChannel\.": "channel.",
    r"\{ *it\b|\bit\.\w|\bit\[": "name the parameter of a closure",
    r"(?<=[\s(\[,])\*[\w(\[]": "no spread: list + list",
    r"as byte\[\]": "not in the strict syntax",
    r"^workflow\.on": "inside the entry workflow",
    r"\$\{->": "no lazy text",
    r"^def record\(": "26.04 has taken the name",
    r"instanceof \w+ \?": "26.04 reads `List ?` as a type that may be null: brackets around what is before it",
    r"\bcollectFile\b": "kept (places.nf): where a run is ended, its sorting of files in a thread of its own complains",
}


def code(path: Path) -> list[tuple[int, str]]:
    """Lines without comments, and without the shell's own text of a process."""
    text = re.sub(r'"""\n.*?"""', lambda found: "\n" * found[0].count("\n"), path.read_text(), flags=re.DOTALL)
    lines = [re.sub(r"(^|\s)//.*|'[^'\n]*'", " ", line) for line in text.splitlines()]
    return [(number, re.sub(r'"(?:[^"\\$]|\\.)*"', " ", line)) for number, line in enumerate(lines, 1)]


def test_text_rules():
    found = [f"{path.name}:{number}: {why}: {line.strip()}" for path in [*SCRIPTS, *CONFIGURATIONS]
             for number, line in code(path) for rule, why in RULES.items() if re.search(rule, line)]
    assert found == []


@pytest.mark.parametrize("line", [
    "int count = Math.ceil(x)", "import groovy.json.JsonSlurper", "@Field static List held", "Channel.empty()",
    "files.map { it.name }", "[a, *rest]", "sha.update([0] as byte[])", "workflow.onComplete {", 'x = "${-> later}"',
    "def record(told) {", "x instanceof List ? x : [x]",
    "files.collectFile(name: x)"])
def test_each_rule_finds_its_construct(tmp_path, line):
    (tmp_path / "main.nf").write_text(f"{line}\n")
    assert any(re.search(rule, text) for _, text in code(tmp_path / "main.nf") for rule in RULES), line


def test_parameters_are_used_in_the_entry_workflow_alone():
    """Elsewhere they arrive as values, of the type that the schema names: on the command line of 26 all is text."""
    outside = [path.name for path in SCRIPTS for _, line in code(path) if re.search(r"\bparams\.", line)]
    assert set(outside) == {"main.nf"}


def test_what_the_configuration_has_read_is_held_against_what_a_run_is_told():
    """Every parameter that a configuration file uses stands in process.ext.seen (nextflow.config), and no other."""
    used = {name for path in CONFIGURATIONS for name in re.findall(r"\bparams\.(\w+)", path.read_text())}
    seen = re.search(r"process\.ext\.seen = \[(.*?)\]", (ROOT / "nextflow.config").read_text(), re.DOTALL)[1]
    assert set(re.findall(r"(\w+): params\.", seen)) == used


def test_the_version_is_the_same_everywhere():
    """The strict parser's configuration cannot read the manifest: the names of images say the version themselves."""
    for path in ("nextflow.config", "conf/oci.config", "conf/sif.config", "conf/charliecloud.config"):
        assert set(re.findall(r"ecgscale[:-](\d+\.\d+\.\d+)|version += '([\d.]+)'", (ROOT / path).read_text())) <= {
            (__version__, ""), ("", __version__)}, path
        assert __version__ in (ROOT / path).read_text()
