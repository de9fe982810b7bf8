"""Tables for people are what the documents say, and the committed table is what the committed documents make."""

from pathlib import Path

import pandas as pd

from ecgscale.contracts import Artefact, Export
from ecgscale.deploy.export import settings, table
from tests.tiny_models import exported_model

ROOT = Path(__file__).parents[4]


def test_a_line_an_artefact():
    made = Export.read(exported_model() / "export.json")
    lines = [line for line in table.markdown([made]).splitlines() if line.startswith("| ")][2:]
    assert len(lines) == len(made.artefacts)
    for line, artefact in zip(lines, made.artefacts, strict=True):
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert len(cells) == len(table.COLUMNS)
        assert cells[0].startswith(f"{artefact.format} {artefact.precision}")
        assert float(cells[1]) == round(artefact.bytes / 1e3)
        checked = artefact.sign_flips is not None                      # not every processor computes in bf16
        assert cells[5] == (f"{artefact.sign_flips} of 208" if checked else "")      # 8 recordings of 26 classes
        assert checked or (artefact.precision == "bf16" and artefact.reason in cells[8])


def test_what_was_not_checked_has_no_number():
    failed = Artefact(format="coreml", precision="int8", file=None, status="failed", reason="no converter", batch=4)
    assert table.cells(failed, 26) == ("coreml int8 batch 4", "", "", "", "", "", "", "", "failed; no converter")


def test_the_documents_table_is_made_from_the_committed_exports():
    exports = [Export.read(file) for file in sorted((ROOT / "assets/examples/exports").glob("*.json"))]
    assert {export.spec.model.family for export in exports} == {"regnet", "convnext", "vit", "resnet"}
    assert all(export.synthetic for export in exports)
    text = (ROOT / "docs/explanation/export.md").read_text(encoding="utf-8")
    held = text.partition("<!-- table -->\n")[2].partition("\n<!-- end of table -->")[0]
    assert held == table.summary(exports)
    worst = next(line for line in held.splitlines() if line.startswith("| openvino int8 |"))
    assert worst.split(" | ")[2:4] == ["0.35", "12"]       # the ResNet's logits; 2, 2, 4 and 4 labels of 4,212 each


def rows(valid: dict[str, float], test: dict[str, float]) -> pd.DataFrame:
    """What `compare` gives for one network, with mean logit differences by setting."""
    same = {"network": "one", "max_logit_difference": 1.0, "sign_flips": 2, "checked_records": 10}
    for name, values in (("score", (-0.01, -0.02, 0.0)), ("auroc", (0.0, 0.0, 0.0))):
        same |= dict(zip((f"{name}_difference{end}" for end in ("", "_low", "_high")), values, strict=True))
    return pd.DataFrame([
        same | {"setting": setting, "part": part, "mean_logit_difference": value, "ms": 1.0 + (setting == "a")}
        for part, values in (("valid", valid), ("test", test)) for setting, value in values.items()])


def test_the_setting_is_chosen_on_validation_alone():
    found = rows({"a": 0.1, "b": 0.2}, {"a": 9.0, "b": 0.01})
    assert settings.best(found) == "a"
    lines = settings.overview(found).splitlines()
    assert lines[2] == "| **a** | 0.1000 | 9.0000 | 1.00 | 2 | +0.0100 | 2.00 |"
    assert lines[3].startswith("| b | 0.2000")
