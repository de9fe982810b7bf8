"""docs/reference is what the code says: its tables are generated again and compared; its study is a study."""

import re
import runpy
from pathlib import Path

import pytest
import yaml

from ecgscale.design.marked_yaml import Loader
from ecgscale.design.study import Study

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
MADE = runpy.run_path(str(REFERENCE / "pages.py"))


@pytest.mark.parametrize("name", MADE["PAGES"])
def test_the_tables_are_those_of_the_code(name):
    page = (REFERENCE / name).read_text(encoding="utf-8")
    assert page.split(MADE["MARK"])[1] == MADE["PAGES"][name](), "write it again: make reference"


def test_every_option_and_every_key_is_explained():
    bare = [(name, row) for name, made in MADE["PAGES"].items()
            for row in re.findall(r"^\|.*\|$", made(), flags=re.MULTILINE) if re.search(r"\|\s*\|$", row)]
    assert not bare


def test_the_head_of_commands_names_each_one():
    page = (REFERENCE / "commands.md").read_text(encoding="utf-8")
    head = page.split(MADE["MARK"])[0]
    assert set(re.findall(r"\]\(#(ecg-\w+)\)", head)) == {command.name for command in (ROOT / "bin").iterdir()}


def test_the_study_of_the_page_is_one():
    [text] = re.findall(r"```yaml\n(.*?)```", (REFERENCE / "study.md").read_text(encoding="utf-8"), flags=re.DOTALL)
    assert Study.model_validate(yaml.load(text, Loader)).runs[0].seeds == (0, 1)


def test_every_package_of_the_lock_has_a_licence_and_the_hashes_of_its_files():
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not re.match(r"[\w.-]+==[\w.]+( ;.*)? --hash=sha256:[0-9a-f]{64}\b", line)] == []
    rows = dict(re.findall(r"^\| (\S+) \| (.*) \|$", MADE["licences"](), flags=re.MULTILINE))
    assert {line.split("==")[0] for line in lines} == rows.keys() - {"package", "---"}
    assert [name for name, licence in rows.items() if licence in ("", "UNKNOWN", "not stated")] == ["cuda-toolkit"]


@pytest.mark.parametrize(("rule", "words"), [
    ({"type": "integer", "minimum": 1, "maximum": 2000}, "whole number, 1 to 2,000"),
    ({"type": "number", "exclusiveMinimum": 0}, "number, above 0"),
    ({"anyOf": [{"type": "integer"}, {"type": "number"}, {"type": "null"}]}, "number or `null`"),
    ({"anyOf": [{"$ref": "#/$defs/R"}, {"type": "array", "items": {"type": "string"}}, {"type": "string"}]},
     "text or a list of such or [runs.r](#runsr)"),
    ({"enum": ["a", 2]}, "`a`, `2`"),
    ({"type": "string", "format": "file-path"}, "file"),
])
def test_a_rule_in_words(rule, words):
    assert MADE["takes"](rule, {"R": "runs.r"}) == words
