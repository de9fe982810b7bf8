"""What a release says of itself: its version, whom to cite, what stays."""

import re
import runpy
from pathlib import Path

import pandas as pd
import yaml

from ecgscale import __version__, contracts
from ecgscale.contracts.files import Document
from ecgscale.contracts.tables import Table

ROOT = Path(__file__).parents[2]
FINDINGS = pd.read_csv(ROOT / "assets" / "published" / "findings.csv")


def test_the_citation_is_of_this_version_and_says_what_was_not_found():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert cited["version"] == __version__
    study, code, *others = cited["references"]
    assert "doi" not in study
    assert "not found" in study["notes"]
    assert code["repository-code"].endswith("NabJa/scaling-ecg-models")
    assert {f"https://arxiv.org/abs/{number}" for number in ("2605.17276", "2308.12492")} <= {
        one.get("url") for one in others}


def test_the_changelog_begins_with_this_version():
    heads = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert heads[0] == __version__


def test_frozen_schemas_are_those_of_the_code():
    page = (ROOT / "docs/reference/stability.md").read_text(encoding="utf-8")
    frozen = set(re.findall(r"^\| `ecgscale\.(\S+)` \|", page, flags=re.MULTILINE))
    tables = {f"{one.name}/{one.version}" for one in vars(contracts).values() if isinstance(one, Table)}
    documents = {f"{one.NAME}/{one.VERSION}" for one in vars(contracts).values()
                 if isinstance(one, type) and issubclass(one, Document) and one is not Document}
    assert len(frozen) == 12
    assert frozen <= tables | documents


def test_the_page_of_the_study_has_the_numbers_of_the_findings():
    """401 runs are the three optimizers' together; the best ones below 1e7 published FLOPs are rows."""
    page = (ROOT / "docs/explanation/study.md").read_text(encoding="utf-8")
    runs = FINDINGS[FINDINGS["quantity"].eq("runs")]["value"].astype(int)
    assert f"{runs.sum()} runs in the notebook" in page
    best = FINDINGS[FINDINGS["quantity"].eq("best score below 1e7 published FLOPs")]["value"]
    assert len(best) == 3
    assert all(value in page for value in best)


def test_what_nextflow_reads_is_ascii():
    """In a bare Debian, without a UTF-8 locale, Java 17 ends at any other letter: MalformedInputException."""
    files = [ROOT / "main.nf", ROOT / "nextflow.config", ROOT / "nextflow_schema.json",
             *(ROOT / "conf").glob("*.config"), *(ROOT / "modules").glob("*/main.nf"),
             *(ROOT / "subworkflows").glob("*.nf")]
    assert len(files) > 40
    assert not [path.name for path in files if not path.read_bytes().isascii()]


def test_every_place_of_the_version_has_it():
    assert f"version         = '{__version__}'" in (ROOT / "nextflow.config").read_text(encoding="utf-8")
    assert f"ARG VERSION={__version__}" in (ROOT / "containers/Containerfile").read_text(encoding="utf-8")
    assert runpy.run_path(str(ROOT / "lib/ecgscale/__init__.py"))["__version__"] == __version__
