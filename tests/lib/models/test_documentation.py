"""The table of sizes in docs/explanation/models.md is the one of the code."""

import re
from pathlib import Path

from ecgscale.models.complexity import SIZES, ledger_of

PAGE = Path(__file__).parents[3] / "docs" / "explanation" / "models.md"


def test_table_of_sizes():
    rows = re.findall(r"^\| `(\w+)` \|(.*)\|$", PAGE.read_text(), flags=re.MULTILINE)
    written = {}
    for size, cells in rows:
        if size[0].isdigit():
            for family, cell in zip(("regnet", "convnext", "vit", "resnet"), cells.split("|"), strict=True):
                written[f"{family}-{size}"] = [int(number.replace(",", "")) for number in cell.split("·")]
    counted = {name: ledger_of(made, 12, 1024, 26) for name, made in SIZES.items()}
    assert written == {name: [count.params, count.forward_flops] for name, count in counted.items()}
