"""PTB-XL as PhysioNet serves it: ptbxl_database.csv, scp_statements.csv, records100/ and records500/.

Wagner P et al., Scientific Data 7:154 (2020), doi:10.13026/kfzx-aw45. Codes of a recording are its SCP-ECG statements
and, as `axis LAD`, its heart axis. A likelihood is given for diagnostic statements only (form and rhythm have 0), so a
threshold leaves the others alone; at 0, the published benchmark's, every statement counts. strat_fold 1 to 8 train, 9
validates, 10 tests. Ages above 89 are written as 300.
"""

from __future__ import annotations

import re
from pathlib import Path

from ecgscale.contracts.written import as_whole, read_rows
from ecgscale.ecg.datasets import Asked, Dataset
from ecgscale.ecg.datasets.wfdb_headers import headers_below, reader
from ecgscale.ecg.facts import Facts, FactTable
from ecgscale.errors import UserError

PATTERN, EACH = "records*/**.hea", 1
LICENCE = "CC BY 4.0"
RATES = {100: "filename_lr", 500: "filename_hr"}       # Hz -> column of the files' names
COLUMNS = ("ecg_id", "patient_id", "age", "sex", "scp_codes", "heart_axis", "strat_fold", *RATES.values())
STATEMENT = re.compile(r"'([^']+)'\s*:\s*([\d.]+)")     # {'NORM': 100.0, 'SR': 0.0}
FOLDS = {**{str(fold): 1 for fold in range(1, 9)}, "9": 2, "10": 3}     # strat_fold -> fold
OLD = {"300": "90+", "300.0": "90+"}
SEXES = {"0": "male", "1": "female"}


def open_folder(folder: Path, asked: Asked) -> Dataset:
    rate, there = chosen_rate(folder, asked)
    places = [f"records{rate}/{name}" for name in headers_below(folder / f"records{rate}")]
    note = f"PTB-XL: records{rate} of {' and '.join(f'records{one}' for one in there)}"
    return Dataset([place.removesuffix(".hea") for place in places],
                   reader(folder, asked), read_database(folder, rate, asked.likelihood),
                   LICENCE, (note,) if len(there) > 1 else ())


def chosen_rate(folder: Path, asked: Asked) -> tuple[int, list[int]]:
    """The rate whose recordings are read (the asked one, else the recipe's, else the highest), and those there are."""
    there = [rate for rate in RATES if (folder / f"records{rate}").is_dir()]
    wanted = asked.rate or (asked.recipe_rate if asked.recipe_rate in there else max(there, default=0))
    if wanted not in there:
        raise UserError(f"no folder records{wanted or 500:g}", file=folder, field="rate" if asked.rate else "path",
                        remedy="Give the folder that holds ptbxl_database.csv and records100 or records500")
    return int(wanted), there


def read_database(folder: Path, rate: int, likelihood: float) -> FactTable:
    """ptbxl_database.csv by the path of the recordings at this rate."""
    file, diagnostic = folder / "ptbxl_database.csv", set()
    if likelihood > 0:
        statements = read_rows(folder / "scp_statements.csv", ("diagnostic",))
        diagnostic = {row[""] for row in statements if row["diagnostic"] in ("1", "1.0")}
    rows = {}
    for line, row in enumerate(read_rows(file, COLUMNS), 2):
        if row["strat_fold"] not in FOLDS:
            raise UserError(f"{row['strat_fold']!r} is not 1 to 10", file=file, line=line, field="strat_fold")
        codes = [code for code, given in STATEMENT.findall(row["scp_codes"])
                 if code not in diagnostic or float(given) >= likelihood]
        codes += [f"axis {row['heart_axis']}"] if row["heart_axis"] else []
        rows[row[RATES[rate]]] = Facts(as_whole(row["patient_id"]) or None, FOLDS[row["strat_fold"]],
                                       tuple(codes), OLD.get(row["age"], row["age"]), SEXES.get(row["sex"], ""))
    return FactTable(rows, file, has_folds=True, what="dataset's own table")
