"""Documents, tables of ours, and what people write: studies, sheets, tables of labels, people, runs and curves."""

from __future__ import annotations

import io
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from ecgscale import contracts
from ecgscale.check import read_sheet
from ecgscale.contracts import datapackage
from ecgscale.contracts.labels import LabelSet, read_label_set
from ecgscale.contracts.tables import FLAG, REAL, SHARE, TEXT, WHOLE, Table
from ecgscale.design.study import Study, read_study
from ecgscale.ecg.label_table import read_labels
from ecgscale.ecg.people import age_of, read_people
from ecgscale.paths import ASSETS
from ecgscale.tables.curves import Curve, read_curve
from ecgscale.tables.runs import RunTable, read_runs
from tests.fuzz.documents import DOCUMENTS, body_of
from tests.fuzz.mutations import ODD, PLACES, binary, changed, edited, edits, json_of, text
from tests.fuzz.structures import csv_of, json_parts_of, parquet_of, yaml_of
from tests.fuzz.target import Files, Target, one, written


def document_files() -> st.SearchStrategy[Files]:
    bodies = st.sampled_from(DOCUMENTS).flatmap(st.from_type).map(body_of)
    changes = st.lists(st.tuples(PLACES, st.sampled_from(["replace", "leave out", "add"]), ODD), max_size=2)
    odd = st.builds(changed, bodies, changes).map(lambda body: json.dumps(body).encode())
    deep = bodies.flatmap(json_parts_of)
    torn = st.builds(edited, odd, edits(("token", "insert", "delete", "cut", "flip")))
    return one("document.json", odd | deep | torn)


def read_document(folder: Path) -> list:
    said = (folder / "document.json").read_bytes()
    kinds = [kind for kind in DOCUMENTS if f"ecgscale.{kind.NAME}/".encode() in said] or DOCUMENTS[:1]
    return [kinds[0].read(folder / "document.json"), *kinds[0].read_lines(folder / "document.json")]


def check_document(found: list) -> None:
    for document in found:
        assert type(document).from_text(document.to_line(), "again") == document


TABLES = sorted((table for table in vars(contracts).values() if isinstance(table, Table)), key=lambda table: table.name)
INSTEAD = {TEXT: "d", REAL: 2.0}       # of nothing, in columns that have a value in every row
EXAMPLES = {TEXT: ["run a", "b=1", None, "7"], WHOLE: [1, 200, 30, 4], REAL: [0.5, 1e-9, None, 3e12],
            FLAG: [True, False, True, True]}


def frame_of(table: Table) -> pd.DataFrame:
    columns = table.columns | table.optional | {f"{prefix}x": column for prefix, column in table.prefixes.items()}
    made = pd.DataFrame({name: pd.Series(EXAMPLES[column.kind], dtype=None if column.kind is not TEXT else object)
                         for name, column in columns.items()})
    shares = [name for name in made if SHARE.search(name)]
    made[shares] = made[shares].clip(upper=1)
    return made.fillna({name: INSTEAD[columns[name].kind] for name in table.filled if columns[name].kind in INSTEAD})


@cache
def table_files(ending: str) -> dict[str, Files]:
    return {table.name: written(lambda folder, table=table: table.write(
        frame_of(table), folder / f"{table.name}{ending}")) for table in TABLES}


def csv_tables() -> st.SearchStrategy[Files]:
    def with_package(made: tuple[Table, bytes, bytes | None]) -> Files:
        table, content, package = made
        return {f"{table.name}.csv": content} | ({datapackage.NAME: package} if package is not None else {})

    def edit(table: Table) -> st.SearchStrategy:
        files = table_files(".csv")[table.name]
        package = files[datapackage.NAME]
        return st.tuples(st.just(table), csv_of(files[f"{table.name}.csv"]),
                         st.none() | st.just(package) | json_of(json.loads(package)))

    return st.sampled_from(TABLES).flatmap(edit).map(with_package)


def parquet_tables() -> st.SearchStrategy[Files]:
    def edit(table: Table) -> st.SearchStrategy[Files]:
        seed = table_files(".parquet")[table.name][f"{table.name}.parquet"]
        return one(f"{table.name}.parquet", binary(seed) | parquet_of(seed))

    return st.sampled_from(TABLES).flatmap(edit)


def read_declared(folder: Path) -> tuple[Table, pd.DataFrame]:
    file = next(file for file in folder.iterdir() if file.suffix in (".csv", ".parquet"))
    table = next(table for table in TABLES if table.name == file.stem)
    return table, table.read(file)


def check_declared(found: tuple[Table, pd.DataFrame]) -> None:
    table, frame = found
    table.check(frame, "again")
    for name in frame:
        if table.type_of(name) == REAL and not table.column(name).endless:
            assert not np.isinf(frame[name].to_numpy(dtype=float)).any()
        if table.type_of(name) == WHOLE:
            known = frame[name].dropna().to_numpy(dtype=float)
            assert np.array_equal(known, np.round(known))


# --------------------------------------------------------------------------------------------------- what people write


def studies() -> st.SearchStrategy[Files]:
    files = sorted((ASSETS / "studies").glob("*.yaml"))
    bodies = [read_study(file).model_dump(mode="json") for file in files]
    return one("study.yaml", text(*(file.read_bytes() for file in files)) | yaml_of(*bodies)) | one(
        "study.json", json_of(*bodies) | json_parts_of(*bodies))


def check_study(study: Study) -> None:
    assert Study.model_validate(study.model_dump(mode="json")) == study


SHEET = (b"source,path,dataset,rate,patients,labels\nptb,/data/ptb,,,,\n"
         b"georgia,s3://bucket/georgia,table,500,people.csv,labels.csv\n")
LABEL_TABLES = (b"record,codes\nA0001,AF;LBBB\nA0002,\"['AF', 'LBBB']\"\n", b"record,code\nA0001,AF\nA0001,LBBB\n",
                b"record,AF,LBBB,age,sex\nA0001,1,1,61,F\nA0002,1,0,89+,M\n")
PEOPLE = (b"record,patient,fold\nA0001,p1,0\nA0002,p1,1\nA0003,,3\n", b"record,patient\na,1.0\nb,unknown\n")
RUN_TABLES = (b"run_id,params,train_records,test_auroc,seed\n" + b"".join(
    b"r%d,%d,1000,0.%d,%d\n" % (row, 10 ** (3 + row % 4), 60 + row, row % 3) for row in range(12)),
    b"model;N;tokens;val_loss\nsmall;1,5e6;1e9;3,2\nlarge;1,5e8;1e10;2,7\n",
    b"params\tloss\n1e3\t0.5\n1 x 10^4\t25 %\n1.5M\t0.2\n", b"N tokens loss\n1e3 1e6 3\n1e4 1e6 2\n")
CURVES = (b"step,loss\n1,2.0\n2,1.5\n4,1.25\n8,1.1\n16,1.05\n",
          b"samples_seen,valid_accuracy\n10,50%\n100,70%\n1000,80%\n")


def check_people(table: Any) -> None:
    for facts in table.rows.values():
        assert facts.fold in (None, 0, 1, 2, 3)
        age = age_of(facts.age or "")[0]
        assert age is None or 0 <= age <= 120


def check_curve(found: Curve) -> None:
    assert found.x.shape == found.y.shape
    for values in (found.x, found.y):
        assert np.isfinite(values).all()
        assert (values > 0).all()


def check_runs(found: RunTable) -> None:
    assert found.frame["run_id"].notna().all()
    assert found.frame["run_id"].is_unique


def run_tables() -> st.SearchStrategy[Files]:
    ours, foreign = table_files(".parquet")["runs"]["runs.parquet"], pd.read_csv(io.BytesIO(RUN_TABLES[0])).to_parquet()
    return one("runs.csv", csv_of(*RUN_TABLES)) | one("runs.parquet", parquet_of(ours, foreign) | binary(foreign))


def label_sets() -> st.SearchStrategy[Files]:
    classes = (b"code,abbreviation,name,group,critical,codes\n426783006,SNR,sinus rhythm,rhythm,no,\n"
               b"7,AF,fibrillation,,yes,7|8\n")
    weights = b"code,426783006,7\n426783006,1,0.5\n7,0.5,1\n"
    unscored = b"code,name\n99,other\n"
    return st.one_of(
        csv_of(classes).map(lambda content: {"classes.csv": content, "weights.csv": weights, "unscored.csv": unscored}),
        csv_of(weights).map(lambda content: {"classes.csv": classes, "weights.csv": content}),
        csv_of(unscored).map(lambda content: {"classes.csv": classes, "unscored.csv": content}),
        csv_of(b"code,to\nAF,7\nSR,426783006\nx,\n").map(lambda content: {"classes.csv": classes, "from.csv": content}))


def read_labels_of(folder: Path) -> LabelSet:
    file = folder / "from.csv"
    return read_label_set(folder).translating(file if file.is_file() else None)


def check_label_set(found: LabelSet) -> None:
    assert len(found.codes) == len(found.names) == len(found.critical) == len(set(found.codes)) > 0
    assert found.weights is None or np.isfinite(found.weights).all()
    assert found.encode(found.codes).shape == (len(found.codes),)


TARGETS = {
    "documents": Target(document_files, read_document, check_document),
    "CSV tables": Target(csv_tables, read_declared, check_declared),
    "Parquet tables": Target(parquet_tables, read_declared, check_declared),
    "study": Target(studies, lambda folder: read_study(next(folder.glob("study.*"))), check_study, 0.3),
    "sample sheet": Target(lambda: one("sheet.csv", csv_of(SHEET)), lambda folder: read_sheet(folder / "sheet.csv")),
    "labels table": Target(lambda: one("labels.csv", csv_of(*LABEL_TABLES)),
                           lambda folder: read_labels(folder / "labels.csv"), check_people),
    "people table": Target(lambda: one("people.csv", csv_of(*PEOPLE)),
                           lambda folder: read_people(folder / "people.csv"), check_people),
    "label set": Target(label_sets, read_labels_of, check_label_set),
    "run table": Target(run_tables, lambda folder: read_runs(next(folder.iterdir())), check_runs),
    "curve": Target(lambda: one("curve.csv", csv_of(*CURVES)), lambda folder: read_curve(folder / "curve.csv"),
                    check_curve),
}
