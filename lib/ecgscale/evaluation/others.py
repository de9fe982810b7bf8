"""Truth and predictions of others, indexed by record: tables, and the files of the Challenge's own scorer.

A table is a CSV with a first column `record` and one column for each class, named by its code, or an NPZ file with the
arrays `records`, `classes` and `values` (recording, class). Truth may name `patient`, `source`, `sex` and `age` of a
recording (CSV columns, or NPZ arrays). A folder of predictions holds a file a recording as PhysioNet/CinC 2020 and 2021
write it: `#record`, a line of class codes, one of decisions, one of probabilities. A folder of truth holds WFDB headers
with the comment `Dx:`, or `Labels:` and `Chagas label:` of later Challenges. Nothing pickled is read.
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from itertools import islice
from pathlib import Path

import pandas as pd

from ecgscale.contracts.labels import LabelSet
from ecgscale.contracts.reading import LARGEST_TEXT, check_width, plain_file, read_arrays, read_text, reading
from ecgscale.contracts.written import composed, is_missing
from ecgscale.ecg.datasets import challenge_comments
from ecgscale.ecg.datasets.cinc_2024 import labels_of
from ecgscale.ecg.datasets.wfdb_headers import headers_below
from ecgscale.ecg.guards import Rejected
from ecgscale.ecg.meaning import counted
from ecgscale.ecg.wfdb_header import read_header
from ecgscale.errors import UserError

KNOWN = ("patient", "source", "sex", "age")
DECISION = "decided "                           # before the code, in a column of decisions beside probabilities
YES = frozenset(("1", "1.0", "true", "t"))      # as the official scorer reads a decision


def read_truth(path: Path | str, label_set: LabelSet) -> pd.DataFrame:
    """Labels from CSV or NPZ, or from the headers below a folder, indexed by record."""
    return read_headers(Path(path), label_set) if Path(path).is_dir() else read_table(path, label_set)


def read_table(path: Path | str, label_set: LabelSet) -> pd.DataFrame:
    """A table from CSV or NPZ, or predictions from a folder of the Challenge's output files, indexed by record."""
    path = Path(path)
    if path.is_dir():
        return read_outputs(path, label_set)
    frame = read_npz(path) if path.suffix == ".npz" else read_csv(path)
    for name in {"record", "patient"} & set(frame):
        frame[name] = frame[name].map(lambda told: composed(told) if isinstance(told, str) else told)
    return frame.set_index("record")


def read_csv(path: Path) -> pd.DataFrame:
    text = {"record": str, "patient": str, "source": str, "sex": str}
    with reading(plain_file(path, LARGEST_TEXT), "CSV"):
        with open(path, encoding="utf-8-sig") as stream:
            commented = stream.readline().startswith("#")
            stream.seek(0)
            check_width(max((line.count(",") for line in islice(stream, 2)), default=0) + 1, path)
        names = pd.read_csv(path, header=None, nrows=1, skiprows=int(commented), dtype=str, encoding="utf-8-sig")
        frame = pd.read_csv(path, dtype=text, skiprows=int(commented), encoding="utf-8-sig")
    if len(names.columns) == len(frame.columns):     # a code that is given twice keeps its name
        frame.columns = names.iloc[0].fillna("").str.strip()
    if not len(frame.columns) or frame.columns[0] != "record":
        raise UserError("the first column is not 'record'", file=path, line=1, remedy="Name it so in the first line")
    return frame


def read_npz(path: Path) -> pd.DataFrame:
    found = read_arrays(path, ("records", "classes", "values", *KNOWN))
    for name in ("records", "classes", "values"):
        if name not in found:
            raise UserError(f"array {name!r} is missing", file=path, remedy="It holds records, classes and values")
    records, classes, values = found["records"], found["classes"], found["values"]
    if records.ndim != 1 or classes.ndim != 1:
        raise UserError("records and classes are not lists", file=path, remedy="Give arrays of one dimension")
    if values.shape != (records.size, classes.size) or values.dtype.kind not in "fiub":
        raise UserError(f"{values.dtype} of shape {values.shape} for {records.size} records and {classes.size} classes",
                        file=path, field="values", remedy="Give numbers of shape (records, classes)")
    for name in KNOWN:
        if name in found and found[name].shape != (records.size,):
            raise UserError(f"shape {found[name].shape} for {records.size} records", file=path, field=name)
    frame = pd.DataFrame(values, columns=[str(code) for code in classes])
    frame.insert(0, "record", [str(record) for record in records])
    for name in KNOWN:
        if name in found:
            frame[name] = found[name]
    return frame


def read_headers(folder: Path, label_set: LabelSet) -> pd.DataFrame:
    """(record, class) 0 and 1 from the headers' comments, a record by its file's name. Raises UserError."""
    rows, unknown = {}, Counter()
    for name in headers_below(folder):
        try:
            comments = read_header(folder / name).comments
        except Rejected as error:
            raise UserError(str(error), file=folder / name) from None
        record = composed(Path(name).stem)
        if record in rows:
            raise UserError(f"two headers are named {record!r}", file=folder, field="record")
        codes = [code for told in (challenge_comments, labels_of) for code in told(comments).codes if code]
        unknown.update(code for code in codes if not label_set.knows(code) and not is_missing(code))
        rows[record] = label_set.encode(codes).astype(float)
    if unknown:
        print(f"{folder}: codes that the label set does not know: {counted(unknown)}", file=sys.stderr)
    if not rows:
        raise UserError("no .hea file in this folder or below it", file=folder, field="truth")
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(label_set.codes)).rename_axis("record")


def read_outputs(folder: Path, label_set: LabelSet) -> pd.DataFrame:
    """Probabilities by code and, in columns that begin with DECISION, decisions, from a file a recording.

    As the official scorer takes them: a class that a file lacks is not decided and has the probability 0, and so has a
    probability that is no number. Both are counted aloud.
    """
    files = sorted(file for file in folder.glob("*.csv") if not file.name.startswith("."))
    if not files:
        raise UserError("no .csv file in this folder", file=folder, field="predictions",
                        remedy="Give the folder of output files, or one table")
    rows, lacking, odd = {}, set(), 0
    for file in files:
        lines = [line.strip() for line in read_text(file).splitlines() if line.strip()]
        cells = [[cell.strip() for cell in line.split(",")] for line in lines[1:4]]
        if len(cells) < 3 or not lines[0].startswith("#") or len({len(one) for one in cells}) > 1:
            raise UserError("not #record, classes, decisions and probabilities, a line each", file=file)
        codes, decided, told = cells
        places = [label_set.place_of(code) for name in codes for code in name.split("|")[:1]]
        values = [number_of(text) for text in told]
        odd += sum(math.isnan(value) for value in values)
        row = {}
        for place, code in enumerate(label_set.codes):
            found = [column for column, its in enumerate(places) if its == place]
            lacking |= set() if found else {code}
            known = [values[column] for column in found if not math.isnan(values[column])]
            row[code] = sum(known) / len(known) if known else 0.0
            row[DECISION + code] = float(any(decided[column].casefold() in YES for column in found))
        name = composed(lines[0].lstrip("#").strip() or file.stem)
        if name in rows:
            raise UserError(f"record {name!r} stands in two files", file=file, field="record")
        rows[name] = row
    if lacking:
        print(f"{folder}: some files lack {len(lacking)} of {len(label_set.codes)} classes, which count as not decided "
              f"with probability 0: {', '.join(sorted(lacking)[:8])}", file=sys.stderr)
    if odd:
        print(f"{folder}: {odd} probabilities are no numbers and count as 0", file=sys.stderr)
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("record")


def number_of(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan
