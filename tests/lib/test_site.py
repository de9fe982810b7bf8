"""The documentation as a site: it builds strictly, holds every page, and asks no network of who reads it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FETCHED = re.compile(r"""<(?:script|link|img)\b[^>]*?\b(?:src|href)=["']?(https?:[^"' >]+)""")


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """Built with every warning an error: a page without a place, a link or a heading that is not there."""
    folder = tmp_path_factory.mktemp("site")
    made = subprocess.run([sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", folder], cwd=ROOT,
                          capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    return folder


def test_every_page_is_in_the_site_and_can_be_searched(site):
    pages = {path.relative_to(ROOT / "docs").with_suffix(".html") for path in (ROOT / "docs").rglob("*.md")}
    assert {page if page.name != "README.html" else page.with_name("index.html") for page in pages} <= {
        path.relative_to(site) for path in site.rglob("*.html")}
    assert "compute-optimal" in (site / "search" / "search_index.json").read_text()


def test_nothing_is_fetched_and_links_stay_inside(site):
    for page in site.rglob("*.html"):
        text = page.read_text()
        assert not FETCHED.findall(text), page.name
        left = re.findall(r'href="(?:\.\./)+(?:lib|containers|tests|bin|assets/(?:studies|examples))/', text)
        assert not left, page.name
