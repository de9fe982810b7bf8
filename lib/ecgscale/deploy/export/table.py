"""What deployment costs in accuracy, as a table for people, from the export.json of exported models.

    python -m ecgscale.deploy.export.table results/models/*
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path

from ecgscale.contracts import Artefact, Export

COLUMNS = ("file", "kB", "export s", "largest logit difference", "mean", "sign flips", "score difference [95 %]",
           "AUROC difference [95 %]", "checked on, or why not")


def markdown(exports: Iterable[Export]) -> str:
    """A section a model, a line an artefact."""
    return "\n\n".join(section(export) for export in exports)


def summary(exports: Iterable[Export]) -> str:
    """A line a kind of file, over all models: sizes, the largest difference of a logit, how many labels change side,
    the smallest and the largest difference of the Challenge score."""
    kinds: dict[str, list[Artefact]] = {}
    for artefact in (artefact for export in exports for artefact in export.artefacts):
        kinds.setdefault(name_of(artefact), []).append(artefact)
    lines = ["| file | kB | largest logit difference | sign flips | score difference |", "| --- " * 5 + "|"]
    for name, found in kinds.items():
        size = "{:.0f} to {:.0f}".format(*ends([one.bytes / 1e3 for one in found if one.bytes]))
        checked = [one for one in found if one.sign_flips is not None]
        told = ("not checked",) * 3 if not checked else (
            f"{max(one.max_logit_difference for one in checked):.2g}", str(sum(one.sign_flips for one in checked)),
            "{:+.4f} to {:+.4f}".format(*ends([one.score_difference for one in checked])))
        lines.append("| " + " | ".join((name, size, *told)) + " |")
    return "\n".join(lines)


def ends(values: list[float]) -> tuple[float, float]:
    return min(values), max(values)


def section(export: Export) -> str:
    told = "not known" if export.test_score is None else f"{export.test_score:.3f}"
    recordings = max((artefact.checked_records for artefact in export.artefacts), default=0)
    data = "synthetic recordings" if export.synthetic else "recordings"
    about = (f"{export.ledger.params:,} parameters; Challenge score {told} on the test fold; files checked on "
             f"{recordings} {data} of it.")
    lines = [f"### {export.spec.model.family}: {export.label}", "", textwrap.fill(about, 100), "",
             "| " + " | ".join(COLUMNS) + " |", "| --- " * len(COLUMNS) + "|"]
    lines += ["| " + " | ".join(cells(artefact, len(export.classes))) + " |" for artefact in export.artefacts]
    return "\n".join(lines)


def cells(artefact: Artefact, classes: int) -> tuple[str, ...]:
    def number(value: float | None, form: str) -> str:
        return "" if value is None else format(value, form)

    def interval(name: str) -> str:
        values = [getattr(artefact, f"{name}{end}") for end in ("", "_low", "_high")]
        return "" if None in values else "{:+.4f} [{:+.4f}, {:+.4f}]".format(*values)

    flips = "" if artefact.sign_flips is None else f"{artefact.sign_flips} of {artefact.checked_records * classes:,}"
    remark = "; ".join(filter(None, (artefact.checked_on, artefact.status.replace("ok", ""), artefact.reason)))
    return (name_of(artefact), number(artefact.bytes and artefact.bytes / 1e3, ".0f"),
            number(artefact.seconds, ".2f"), number(artefact.max_logit_difference, ".2g"),
            number(artefact.mean_logit_difference, ".2g"), flips, interval("score_difference"),
            interval("auroc_difference"), remark)


def name_of(artefact: Artefact) -> str:
    batch = f"batch {artefact.batch}" if (artefact.batch or 1) > 1 else ""
    opset = f"opset {artefact.opset}" if artefact.opset else ""
    return " ".join(filter(None, (artefact.format, artefact.mode, artefact.precision, opset, batch)))


if __name__ == "__main__":
    print(markdown(Export.read(Path(folder) / "export.json") for folder in sys.argv[1:]))
