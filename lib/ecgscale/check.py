"""Sample sheet and study, checked before any work starts; and the study cut into sections."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator

from ecgscale.contracts import marked, refuse_foreign, write_text
from ecgscale.contracts.labels import read_label_set
from ecgscale.contracts.written import composed, read_rows
from ecgscale.design.study import Split, Study, read_study
from ecgscale.ecg.datasets import DEFAULT, MODULES, adaptor, has_folds
from ecgscale.ecg.label_table import read_labels
from ecgscale.ecg.leads import leads_listed
from ecgscale.ecg.people import read_people
from ecgscale.ecg.recipe import recipe_named
from ecgscale.errors import UserError
from ecgscale.machine.provenance import installed
from ecgscale.paths import ASSETS

# What each chapter of the pipeline reads of a study. A task sees its own section only, so that an edit of another
# section leaves its finished work alone.
SECTIONS: dict[str, tuple[str, ...]] = {
    "data": ("data",),
    "split": ("split",),
    "runs": ("name", "seed", "data", "runs", "tuning", "budget"),
    "scale": ("scale",),
    "evaluation": ("evaluation",),
    "deploy": ("deploy", "evaluation"),
    "analysis": ("analysis",),
}


VERSIONS = "versions.yml"
MOST_SOURCES = 5_000       # rows of a sample sheet


def wrote_versions(file: Path) -> bool:
    return file.is_file() and marked(b"TASKS:")(file)


FILES = {f"sections/{name}.json": marked(f'{{\n "name": "{name}"'.encode()) for name in SECTIONS} | {
    "labels.txt": lambda file: wrote_versions(file.with_name(VERSIONS)), VERSIONS: wrote_versions,
    "sheet.json": marked(b'[\n {\n  "source": "')}


def check(study: Path, sheet: Path | None, out: Path, *, study_name: str | None = None, sheet_name: str | None = None,
          sheet_folder: Path | None = None, recordings: bool = True) -> None:
    """Check what a run is given, then write `out`/sections/<section>.json, `out`/versions.yml (what the tasks of the
    run work with, in the shape that nf-core's tools read), `out`/labels.txt (the study's label set) and, with a
    sheet, `out`/sheet.json: its rows.

    `study_name`, `sheet_name`: as the user named the files, for the messages; a sheet with another name is a task's
    copy. What it names lies in `sheet_folder`: a task sees all of it, some of it or none, and what it does not see is
    no problem. Without `recordings` (the run begins with a table) nothing is split. Raises UserError with all
    problems, one a line, and writes nothing then.
    """
    problems = []
    found: Study | None = None
    rows: list[dict[str, str]] = []
    try:
        found = read_study(study)
        for recipe in found.data.recipes:
            recipe_named(recipe)
        read_label_set(found.data.labels)
    except UserError as error:
        error.file = study_name or study
        problems.append(str(error))
    try:
        rows = read_sheet(sheet) if sheet else []
    except UserError as error:
        error.file = sheet_name or sheet
        problems.append(str(error))
    if not problems and recordings:
        copied = sheet_name is not None
        beside = sheet.parent if sheet and not copied else sheet_folder
        problems += split_problems(found.split, rows, study_name or study, sheet_name or sheet, beside)
        problems += table_problems(rows, sheet_name or sheet, beside, found, copied) if beside else ()
    if problems:
        raise UserError("\n".join(problems))
    texts = {f"sections/{name}.json": json.dumps({"name": name} | found.model_dump(mode="json", include=set(keys)),
                                                 indent=1) for name, keys in SECTIONS.items()}
    versions = yaml.safe_dump({"TASKS": installed()}, sort_keys=False).strip()
    texts |= {"labels.txt": found.data.labels, VERSIONS: versions}
    texts |= {"sheet.json": json.dumps(rows, indent=1)} if sheet else {}
    refuse_foreign(out, {name: FILES[name] for name in texts})
    for name, text in texts.items():
        write_text(out / name, f"{text}\n", FILES[name])


def split_problems(split: Split, rows: list[dict[str, str]], study: Path | str, sheet: Path | str,
                   beside: Path | None) -> Iterator[str]:
    """What a split asks of the sample sheet and does not find there, a line each. No rows: a synthetic corpus.
    `beside`: the folder of the tables that the sheet names, where it is known."""
    if split.method == "leave-source-out":
        from ecgscale.ecg.synthetic import SOURCES  # compiled code, which other splits do without

        sites = {row["source"]: sites_of(row, beside) for row in rows} or dict.fromkeys(SOURCES, ())
        sources = [name for source, named in sites.items() for name in (source, *(f"{source}/{site}"
                                                                                  for site in named or ()))]
        unseen = sites.get(str(split.held_out).partition("/")[0], ()) is None
        if split.held_out not in sources and not unseen:
            yield str(UserError(f"source {split.held_out!r} is not in the corpus", file=study, field="split.held_out",
                                remedy=f"Sources: {', '.join(sources)}"))
    if split.method == "column" and not rows:
        yield str(UserError("a synthetic corpus has no folds of your own", file=study, field="split.method",
                            remedy="Give recordings by --input, and their folds in each source's patients table"))
    for row in rows if split.method == "column" else ():
        if not row["patients"] and not has_folds(row["dataset"]):
            yield str(UserError(f"split.method is column, and {row['source']} has no table with its folds", file=sheet,
                                line=int(row["line"]), field="patients",
                                remedy="Give a CSV of record and fold (0, 1: train, 2: valid, 3: test)"))


def sites_of(row: dict[str, str], beside: Path | None) -> list[str] | None:
    """What of a source can be held out beside all of it: the sites that its patients table names. None: that table
    is not seen from here, or cannot be read, which table_problems tells."""
    if not row["patients"]:
        return []
    table = (beside or Path()) / row["patients"]
    if beside is None or "://" in row["patients"] or not table.is_file():
        return None
    with suppress(UserError):
        return sorted({one.site for one in read_people(table).rows.values() if one.site})
    return None


def table_problems(rows: list[dict[str, str]], sheet: Path | str, beside: Path, study: Study,
                   copied: bool) -> Iterator[str]:
    """Folders and tables that a sheet names and that are not there (a task with a copy of the sheet may not see them)
    or cannot be read, a line each."""
    labels = read_label_set(study.data.labels)
    reads = {"patients": read_people, "labels": read_labels, "mapping": labels.translating}
    for row in rows:
        for column in ("path", *reads):
            if not row[column] or "://" in row[column]:
                continue
            place = beside / row[column]
            if not (place.is_dir() if column == "path" else place.is_file()):
                wrong = f"is no {'folder' if column == 'path' else 'file'}" if place.exists() else "does not exist"
                if not copied:
                    remedy = "Paths are relative to the sheet's folder" if not (other := in_other_form(place)) else (
                        f"Its name there is {other.name!a}: the same letters, an accent in another Unicode form. "
                        "Copy it from there, or rename the file")
                    yield str(UserError(f"{place} {wrong}", file=sheet, line=int(row["line"]), field=column,
                                        remedy=remedy))
            elif column != "path":
                try:
                    reads[column](place)
                except UserError as error:
                    yield str(error)


def in_other_form(place: Path) -> Path | None:
    """What is there by this name in the other Unicode form, as macOS writes an accent."""
    missing = next((one for one in (*reversed(place.parents), place) if not one.exists()), place)
    beside = missing.parent.iterdir() if missing.parent.is_dir() else ()
    return next((one for one in beside if composed(one.name) == composed(missing.name) and one != missing), None)


def read_sheet(sheet: Path) -> list[dict[str, str]]:
    """Rows of a sample sheet with every column ("" where not given), their `line`, and the `pattern` of the files that
    tell how many recordings a source has.

    Raises UserError with file, line, column and remedy, by assets/schema_input.json.
    """
    schema = json.loads((ASSETS / "schema_input.json").read_text())
    rules = schema["items"]["properties"]
    rules["dataset"] |= {"enum": ["", *MODULES], "errorMessage": f"Name the layout of the folder: {', '.join(MODULES)}"}
    rows = read_rows(sheet, tuple(schema["items"]["required"]))
    if len(rows) > MOST_SOURCES:
        raise UserError(f"has {len(rows)} rows, at most {MOST_SOURCES} are read", file=sheet,
                        remedy="Give a row a source, not one a recording")
    for error in Draft202012Validator(schema).iter_errors(rows):
        line = error.path[0] + 2
        if error.validator == "additionalProperties":
            wrong = sorted(set(rows[error.path[0]]) - set(rules))
            raise UserError(f"unknown column {wrong[0]!r}", file=sheet, line=1, remedy=f"Known: {', '.join(rules)}")
        column = error.path[1]
        raise UserError(f"{error.message}", file=sheet, line=line, field=column, remedy=rules[column]["errorMessage"])
    seen: dict[str, int] = {}
    for line, row in enumerate(rows, 2):
        check_leads(row.get("leads", ""), sheet, line)
        if (earlier := seen.setdefault(row["source"].casefold(), line)) != line:
            problem = f"source {row['source']!r} stands in line {earlier} already"
            raise UserError(problem, file=sheet, line=line, field="source", remedy="Give each source one row and a "
                            "name of its own, in capitals or not: macOS and Windows take them for one folder")
    return [{**{name: row.get(name) or rules[name].get("default", "") for name in rules}, "line": str(line),
             "pattern": (layout := adaptor(row.get("dataset") or DEFAULT)).PATTERN, "each": str(layout.EACH)}
            for line, row in enumerate(rows, 2)]


def check_leads(text: str, sheet: Path, line: int) -> None:
    try:
        leads_listed(text)
    except UserError as error:
        error.file, error.line = sheet, line
        raise
