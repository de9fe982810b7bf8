"""docs/reference is what the code says: its tables are generated again and compared; its study is a study."""

import re
import runpy
from pathlib import Path

import pytest
import yaml

import ecgscale
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


def named(pages: dict[str, tuple[str, ...]]) -> list[str]:
    return sorted(name for names in pages.values() for name in names)


def test_every_command_key_and_verb_has_one_page():
    assert named(MADE["COMMANDS"]) == sorted(command.name for command in (ROOT / "bin").iterdir())
    assert {*Study.model_fields} - {*named(MADE["STUDY"])} == {"name", "description", "seed"}
    assert named(MADE["VERBS"]) == sorted([*(f"ecgscale.{name}" for name in ecgscale.VERBS), "ecgscale.models.build",
                                           *(f"law.{name}" for name in ("predict", "optimal", "sizes_for", "contour"))])


@pytest.mark.parametrize("name", MADE["PAGES"])
def test_a_generated_page_is_short(name):
    assert len((REFERENCE / name).read_text(encoding="utf-8").splitlines()) <= 190


@pytest.mark.parametrize("name", [name for name in MADE["PAGES"] if name.startswith("study")])
def test_the_study_of_a_page_is_one(name):
    [text] = re.findall(r"```yaml\n(.*?)```", (REFERENCE / name).read_text(encoding="utf-8"), flags=re.DOTALL)
    assert Study.model_validate(yaml.load(text, Loader)).name


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
    assert MADE["takes"](rule, {"R": "[runs.r](#runsr)"}) == words
