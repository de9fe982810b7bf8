"""The Data Package beside our tables and files of lines: one datapackage.json a folder says what each column of each
file is, and keeps each file's digest.

Frictionless Data Package and Table Schema (https://datapackage.org). A resource's `schema` carries, besides the fields,
the `name` and `version` of our schema, and each field the `unit`: the standard leaves room for members of one's own.
`hash` is the standard's: SHA-256 of the file.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ecgscale.contracts.digests import file_digest
from ecgscale.contracts.output import PACKAGE, Wrote, refuse_foreign_file, refuse_foreign_folder, write_text
from ecgscale.contracts.reading import ContractError, plain_file, read_json, read_text

NAME = PACKAGE
ALGORITHM = "sha256"
LARGEST = 1 << 26       # bytes: far above what the files of one folder need


def described(file: Path) -> dict[str, Any] | None:
    """What the package beside a file says of it, None where there is none. A link without a package beside it, as
    Nextflow makes them, has that of the file it leads to.

    Raises ContractError where there is a package that cannot be read.
    """
    if file.is_symlink() and not (file.parent / NAME).is_file():
        file = Path(os.path.realpath(file))
    found = [one for one in read(file.parent)["resources"] if isinstance(one, dict) and one.get("path") == file.name]
    return found[0] if found else None


def name_of(file: Path) -> str:
    """As the standard has the name of a resource."""
    return re.sub(r"[^a-z0-9._-]", "-", file.name.lower())


def schema_of(resource: dict[str, Any] | None) -> str | None:
    """Schema and version ("ecgscale.runs/1") that a resource has, None where it says none."""
    schema = (resource or {}).get("schema")
    if isinstance(schema, dict) and "name" in schema and "version" in schema:
        return f"{schema['name']}/{schema['version']}"
    return None


def digest_of(file: Path) -> str:
    """As a resource's `hash`."""
    return f"{ALGORITHM}:{file_digest(file, 64)}"


def is_changed(file: Path, resource: dict[str, Any] | None) -> bool:
    """Whether its resource keeps a digest of ours that is not the file's."""
    kept = (resource or {}).get("hash")
    return isinstance(kept, str) and kept.startswith(ALGORITHM) and kept != digest_of(file)


def check_unchanged(file: Path, resource: dict[str, Any] | None) -> None:
    """Raises ContractError where the resource keeps another digest than this file's."""
    if is_changed(file, resource):
        raise ContractError(f"is not what {NAME} beside it keeps a digest of: it was changed or cut short", file=file,
                            remedy=f"Make it again. Where the change is meant, delete the file's \"hash\" in {NAME}")


def refuse_foreign(folder: Path, results: Mapping[str, Wrote | Mapping[str, Wrote | None]]) -> None:
    """Before the first of several results, and best before the work for them: raises UserError where anything foreign
    stands in the place of one, or of the package that describes them.

    results: by their places below `folder`, how each is known: a file by `wrote`, a folder by its members.
    """
    refuse_foreign_file(folder / NAME, lambda _: True)
    read(folder)
    for name, known in results.items():
        path = Path(os.path.realpath(folder / name))
        if isinstance(known, Mapping):
            refuse_foreign_folder(path, known, path)
        else:
            refuse_foreign_file(path, known)


def enter(resource: dict[str, Any], written: Path, folder: Path) -> None:
    """Describe a file that is `written` and about to take its place in `folder`, with its digest. Before it does: a
    table that nothing describes would not be known as ours."""
    kept = {"hash": digest_of(written), "bytes": written.stat().st_size}
    write(add(read(folder), resource | kept), folder)


def read(folder: Path) -> dict[str, Any]:
    """The package of a folder, without resources where it has none. Raises ContractError where it is not one."""
    path = folder / NAME
    if not path.is_file():
        return {"resources": []}
    try:
        package = read_json(read_text(plain_file(path, LARGEST)), path)
        if not isinstance(package, dict) or not isinstance(package.get("resources"), list):
            raise ContractError("no list of resources", file=path)
    except ContractError as error:
        raise ContractError(f"not a Data Package ({error.problem})", file=path,
                            remedy="Move it away: tables are read by their columns without it") from None
    return package


def add(package: dict[str, Any], resource: dict[str, Any]) -> dict[str, Any]:
    """The package with this resource instead of one of the same path, in the order of the paths. The rest is kept."""
    others = [one for one in package["resources"] if not isinstance(one, dict) or one.get("path") != resource["path"]]
    key = [(str(one.get("path")) if isinstance(one, dict) else "", one) for one in [*others, resource]]
    return package | {"resources": [one for _, one in sorted(key, key=lambda pair: pair[0])]}


def write(package: dict[str, Any], folder: Path) -> None:
    """Raises nothing for a package that stands there already: `package` holds what it held."""
    write_text(folder / NAME, json.dumps(package, indent=2, ensure_ascii=False) + "\n", wrote=lambda _: True)
