"""The rules of Frictionless Data Package and Table Schema that a folder of ours keeps (https://datapackage.org/standard).

Checked with what everybody opens a CSV with, and no option: csv.DictReader and pandas.read_csv.
"""

import csv
import json
import re
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

LEXICAL = {     # Table Schema: of a value that is not missing
    "string": re.compile(r".*", re.DOTALL),
    "integer": re.compile(r"[+-]?\d+"),
    "number": re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|NaN|-?INF"),
    "boolean": re.compile(r"true|True|TRUE|1|false|False|FALSE|0"),
}


def check_package(folder: Path) -> int:
    """Asserts that datapackage.json describes every table of the folder, and nothing else. Gives their number."""
    package = json.loads((folder / "datapackage.json").read_text(encoding="utf-8"))
    resources = package["resources"]
    assert resources, folder
    names = [resource["name"] for resource in resources]
    assert len(set(names)) == len(names), folder
    tables = {path.name for path in folder.iterdir() if path.suffix in (".csv", ".jsonl", ".parquet")}
    assert {resource["path"] for resource in resources} == tables, folder
    for resource in resources:
        check_resource(folder / resource["path"], resource)
    return len(resources)


def check_resource(path: Path, resource: dict) -> None:
    assert re.fullmatch(r"[a-z0-9._-]+", resource["name"]), path
    assert (resource.get("encoding") == "utf-8") == (path.suffix != ".parquet"), path     # text, and bytes
    schema = resource["schema"]
    assert re.fullmatch(r"ecgscale\.[a-z-]+", schema["name"]), path
    assert re.fullmatch(r"\d+", schema["version"]), path
    fields = {field["name"]: field for field in schema["fields"]}
    if path.suffix == ".jsonl":
        assert all(json.loads(line).keys() <= fields.keys() for line in path.read_text(encoding="utf-8").splitlines())
        assert all(field["type"] == "any" and field["description"] for field in fields.values()), path
        return
    for field in fields.values():
        assert field["type"] in LEXICAL, (path, field)
        assert field["description"], (path, field)
        assert bool(field.get("unit")) == (field["type"] in ("integer", "number")), (path, field)
    if path.suffix == ".parquet":
        assert pq.read_schema(path).names == list(fields), path
        return
    with open(path, newline="", encoding="utf-8") as stream:
        rows = csv.DictReader(stream)
        assert rows.fieldnames == list(fields), path
        count = 0
        for count, row in enumerate(rows, 1):
            assert None not in row, (path, count)
            for name, value in row.items():
                assert value == "" or LEXICAL[fields[name]["type"]].fullmatch(value), (path, count, name, value)
    frame = pd.read_csv(path)
    assert (list(frame), len(frame)) == (list(fields), count), path
    for name, field in fields.items():
        if frame[name].notna().any():
            assert pd.api.types.is_numeric_dtype(frame[name]) or field["type"] in ("string", "boolean"), (path, name)
