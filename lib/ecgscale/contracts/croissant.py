"""Croissant, the dataset card that machines read: JSON-LD of a folder of tables, from its datapackage.json.

Croissant 1.0 (https://docs.mlcommons.org/croissant/docs/croissant-spec.html). Files are told with size and SHA-256,
columns with type and meaning, so that `mlcroissant` loads any table by its name. COLLECT writes one of a run's tables;
licence, author and address are the publisher's to say:

    python -m ecgscale.contracts.croissant FOLDER       writes FOLDER/croissant.json from FOLDER/croissant.about.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from ecgscale.contracts import datapackage
from ecgscale.contracts.output import marked, write_text
from ecgscale.contracts.reading import ContractError, read_json, read_text

NAME, ABOUT = "croissant.json", "croissant.about.json"
CONFORMS = "http://mlcommons.org/croissant/1.0"
TYPES = {"string": "sc:Text", "integer": "sc:Integer", "number": "sc:Float", "boolean": "sc:Boolean"}
FORMATS = {"parquet": "application/x-parquet", "csv": "text/csv"}
CONTEXT = {
    "@language": "en", "@vocab": "https://schema.org/", "sc": "https://schema.org/", "cr":
    "http://mlcommons.org/croissant/", "rai": "http://mlcommons.org/croissant/RAI/", "dct":
    "http://purl.org/dc/terms/", "citeAs": "cr:citeAs", "column": "cr:column", "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"}, "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "equivalentProperty": "cr:equivalentProperty", "examples": {"@id": "cr:examples", "@type": "@json"}, "extract":
    "cr:extract", "field": "cr:field", "fileObject": "cr:fileObject", "fileProperty": "cr:fileProperty", "fileSet":
    "cr:fileSet", "format": "cr:format", "includes": "cr:includes", "isLiveDataset": "cr:isLiveDataset", "jsonPath":
    "cr:jsonPath", "key": "cr:key", "md5": "cr:md5", "parentField": "cr:parentField", "path": "cr:path",
    "recordSet": "cr:recordSet", "references": "cr:references", "regex": "cr:regex", "repeated": "cr:repeated",
    "replace": "cr:replace", "samplingRate": "cr:samplingRate", "separator": "cr:separator", "source": "cr:source",
    "subField": "cr:subField", "transform": "cr:transform",
}
PUBLISHED = ("name", "description", "license", "url", "creator", "datePublished", "version", "citeAs")


def card(folder: Path, about: dict[str, Any]) -> dict[str, Any]:
    """The card of a folder. about: what no table says of itself, in schema.org's words; `name` at least.

    Raises ContractError where the folder has no tables.
    """
    resources = datapackage.read(folder)["resources"]
    if not resources:
        raise ContractError("no tables: a card is made of their datapackage.json", file=folder)
    return {"@context": CONTEXT, "@type": "sc:Dataset", "conformsTo": CONFORMS, **about,
            "distribution": [file_of(one) for one in resources],
            "recordSet": [rows_of(one) for one in {Path(one["path"]).stem: one for one in resources}.values()]}


def file_of(resource: dict[str, Any]) -> dict[str, Any]:
    return {"@type": "cr:FileObject", "@id": resource["path"], "name": resource["path"],
            "description": resource["description"], "contentUrl": resource["path"],
            "contentSize": f"{resource['bytes']} B", "encodingFormat": FORMATS[resource["format"]],
            "sha256": resource["hash"].partition(":")[2]}


def rows_of(resource: dict[str, Any]) -> dict[str, Any]:
    name = Path(resource["path"]).stem
    return {"@type": "cr:RecordSet", "@id": name, "name": name, "description": resource["description"],
            "field": [{"@type": "cr:Field", "@id": f"{name}/{field['name']}", "name": field["name"],
                       "description": " ".join(filter(None, (field.get("description"), in_unit(field)))),
                       "dataType": TYPES[field["type"]],
                       "source": {"fileObject": {"@id": resource["path"]}, "extract": {"column": field["name"]}}}
                      for field in resource["schema"]["fields"]]}


def in_unit(field: dict[str, Any]) -> str:
    return f"({field['unit']})" if field.get("unit", "1") != "1" else ""


wrote = marked(CONFORMS.encode())


def write(folder: Path, about: dict[str, Any]) -> Path:
    """The card beside the tables, whole or not at all. Raises ContractError as `card` does."""
    text = json.dumps(card(folder, about), indent=1, ensure_ascii=False) + "\n"
    write_text(folder / NAME, text, wrote)
    return folder / NAME


def publish(folder: Path) -> Path:
    """`write` with what the publisher says in ABOUT. Raises ContractError, too, where one of PUBLISHED is missing."""
    about = read_json(read_text(folder / ABOUT), folder / ABOUT)
    if lacking := [name for name in PUBLISHED if name not in about]:
        raise ContractError(f"no {lacking[0]}", file=folder / ABOUT, remedy=f"Say {', '.join(PUBLISHED)}")
    return write(folder, about)


if __name__ == "__main__":
    print(publish(Path(sys.argv[1])))
