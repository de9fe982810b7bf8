"""Labels by table: a CSV of `record` and diagnosis codes, in one of the three forms in which people keep them.

    record,codes                record,code             record,AF,LBBB
    A0001,AF;LBBB               A0001,AF                A0001,1,1
    A0002,"['AF', 'LBBB']"      A0001,LBBB              A0002,1,0

A list in the column `codes` is parted by `;`, `|` or `,`; with the column `code` each line adds one; without either,
every column that is not `record`, `patient`, `fold`, `age` or `sex` is a code and holds 0 or 1. A record that stands in
the table without a code has none: its header is not asked.
"""

from __future__ import annotations

import re
from pathlib import Path

from ecgscale.contracts.written import composed, read_rows, unused
from ecgscale.ecg.facts import Facts, FactTable
from ecgscale.errors import UserError

OF_PEOPLE = ("patient", "fold", "age", "sex")
ONE_HOT = {"1": True, "1.0": True, "true": True, "0": False, "0.0": False, "false": False, "": False}
BETWEEN = re.compile(r"[;|,]")
AROUND = " \t[](){}'\""


def read_labels(file: Path) -> FactTable:
    """The codes, ages and sexes of a labels table, by record; an age or sex may stand on one of its lines alone.
    Raises UserError with file, line, field and remedy."""
    rows = read_rows(file, ("record",), ("codes", "code", *OF_PEOPLE))
    columns = [name for name in rows[0] if name and name not in ("record", *OF_PEOPLE)]
    read = codes_listed if "codes" in columns else codes_alone if "code" in columns else codes_one_hot
    if not columns:
        raise UserError("no column of codes", file=file, line=1,
                        remedy="Give a column `codes` (A;B), a column `code` with a line each, or a column of 0 and 1 "
                               "for each code")
    codes: dict[str, list[str]] = {}
    people: dict[str, dict[str, str]] = {}
    for line, row in enumerate(rows, 2):
        record = composed(row["record"])
        if record in codes and read is not codes_alone:
            raise UserError(f"record {record!r} stands twice", file=file, line=line, field="record",
                            remedy="Give each record one line, or a column `code` with one code a line")
        codes.setdefault(record, []).extend(read(row, columns, file, line))
        known = people.setdefault(record, dict.fromkeys({"age", "sex"} & row.keys(), ""))
        for name in known:
            if known[name] and row[name] not in ("", known[name]):
                raise UserError(f"record {record!r} has two {name}s: {known[name]!r} and {row[name]!r}", file=file,
                                line=line, field=name, remedy=f"Give each record one {name}")
            known[name] = known[name] or row[name]
    found = {record: Facts(codes=tuple(listed), **people[record]) for record, listed in codes.items()}
    used = {codes_listed: ("codes",), codes_alone: ("code",)}.get(read, tuple(columns))
    return FactTable(found, file, what="labels table", notes=unused(file, rows, ("record", "age", "sex", *used)))


def codes_listed(row: dict[str, str], columns: list[str], file: Path, line: int) -> tuple[str, ...]:
    return tuple(code.strip(AROUND) for code in BETWEEN.split(row["codes"]))


def codes_alone(row: dict[str, str], columns: list[str], file: Path, line: int) -> tuple[str, ...]:
    return (row["code"],)


def codes_one_hot(row: dict[str, str], columns: list[str], file: Path, line: int) -> tuple[str, ...]:
    codes = []
    for name in columns:
        if row[name].lower() not in ONE_HOT:
            raise UserError(f"{row[name]!r} is neither 0 nor 1", file=file, line=line, field=name,
                            remedy="Without a column `codes` or `code`, every other column is a code and holds 0 or 1")
        if ONE_HOT[row[name].lower()]:
            codes.append(name)
    return tuple(codes)
