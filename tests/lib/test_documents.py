"""The documents: links lead somewhere, prose is wrapped, and every page is in the index."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", *sorted(
    p.relative_to(ROOT).as_posix() for folder in ("docs", "containers", "assets", "tests")
    for p in (ROOT / folder).rglob("*.md"))]
WIDTH = 100


def anchors(page: Path) -> set[str]:
    """Names of a page's headings, as the common web hosts make them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title).lower().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files_and_headings(page):
    lost = []
    for target, heading in re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)", (ROOT / page).read_text(encoding="utf-8")):
        if "://" in target:
            continue
        place = (ROOT / page).parent / target if target else ROOT / page
        if not place.exists() or (heading and heading not in anchors(place)):
            lost.append(f"{target}#{heading}")
    assert not lost


def overlong(text: str) -> list[str]:
    """Lines of prose that could be shorter: no table, heading, code or single long word."""
    found, fenced = [], False
    for line in text.splitlines():
        fenced ^= line.lstrip().startswith("```")
        prose = not fenced and not line.startswith(("|", "#", "    ", "<", "!["))
        unbroken = re.sub(r"`[^`]*`|\[[^\]]*\]\([^)]*\)", lambda part: "x" * len(part[0]), line)
        if prose and len(line) > WIDTH and len(unbroken.split()) > 2:
            found.append(line)
    return found


@pytest.mark.parametrize("page", PAGES)
def test_prose_is_wrapped(page):
    assert not overlong((ROOT / page).read_text(encoding="utf-8"))


def test_a_long_line_is_seen_and_a_table_may_be_wide():
    long = "word " * 30
    assert overlong(f"short\n{long}\n| {long} |\n```\n{long}\n```\n# {long}") == [long]


def test_the_index_names_every_page():
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\]\(([^)#\s]*)\)", index))
    pages = {p.relative_to(ROOT / "docs").as_posix() for p in (ROOT / "docs").rglob("*.md")} - {"README.md"}
    assert pages <= named


def test_no_page_is_named_where_it_is_not():
    """Sources, configuration and messages that name a document name one that is there."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    endings = (".py", ".nf", ".config", ".yaml", ".md", ".toml")
    files = [ROOT / name for name in listed.split("\0") if name.endswith(endings)]
    if not files:
        pytest.skip("not a git checkout: the list of files comes from git")
    lost = {(path.name, page) for path in files if path.exists()
            for page in re.findall(r"(?<![\w/.])docs/[\w/-]+\.(?:md|py)", path.read_text(encoding="utf-8"))
            if not (ROOT / page).exists()}
    assert not lost


def test_who_extends_it_is_led_to_files_and_tables_that_are_there():
    """Names in capitals are tables of the package; a page's new file, and that alone, is not there."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs/extend").glob("*.md"))
    new = set(re.findall(r"^`(lib/[\w./-]+)`:$", text, flags=re.MULTILINE))
    files = {name for name in re.findall(r"`((?:lib|tests|assets|docs)/[\w./-]+)`", text) if name != "results/docs"}
    assert len(files) > 15
    assert {name for name in files if not (ROOT / name).exists()} == new
    tables = set(re.findall(r"`([A-Z]{4,})`", text))
    source = "\n".join(path.read_text(encoding="utf-8") for path in [*(ROOT / "lib/ecgscale").rglob("*.py"),
                                                                   *(ROOT / "tests/lib").rglob("*.py")])
    assert {"SIZES", "PATTERN", "CASES"} <= tables
    assert not [name for name in tables if not re.search(rf"^(\w+, )?{name}\b.* = ", source, flags=re.MULTILINE)]
