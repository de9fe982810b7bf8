"""Latency of every model on every runtime and device: every single time kept, what really ran read back.

How it is measured is `session.py`, what becomes of it `tabulate.py`; here are the files.
"""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from ecgscale.contracts import Control, Environment, Speed, refuse_foreign
from ecgscale.deploy import elsewhere, session, speed
from ecgscale.deploy.latency import TOLERANCE
from ecgscale.deploy.runtimes import DeployedModel
from ecgscale.deploy.tabulate import tabulate
from ecgscale.design.study import Deploy
from ecgscale.errors import UserError

DOCUMENTS = {"environment.json": Environment.wrote, "control.json": Control.wrote, "speed.json": Speed.wrote}


def bench(folders: Iterable[Path], runtimes: list[str], devices: list[str], deploy: Deploy, out: Path, threads: int,
          name: str = "", others: Iterable[Path] = (), seed: int = 0, tolerance: float = TOLERANCE) -> pd.DataFrame:
    """Measure every model on every runtime and device: latency.parquet, times.parquet and the documents beside them.

    `others`: results of other machines, whose rows are put beside (`elsewhere`).
    Raises UserError for bad folders or names; whatever a runtime cannot do becomes a row with its reason.
    """
    models, name = [DeployedModel.read(folder) for folder in model_folders(folders)], name or platform.node()
    foreign = elsewhere.read(others, [model.export for model in models], {name})
    refuse_foreign(out, elsewhere.files_of(foreign) | DOCUMENTS)
    here = tabulate(session.run(models, runtimes, devices, deploy, threads, name, seed, tolerance))
    table = elsewhere.write_tables([here, *foreign], out)
    for one in foreign:
        elsewhere.write_documents(one, out)
    here.environment.write(out / "environment.json")
    if here.control:
        here.control.write(out / "control.json")
    said = {"synthetic": bool(table["synthetic"].any())}
    speed.analyse(table, seed).model_copy(update=said).write(out / "speed.json")
    return table


def model_folders(folders: Iterable[Path]) -> list[Path]:
    """Each folder that holds export.json, or the folders below it that do. Raises UserError where there are none."""
    found = []
    for folder in folders:
        below = [folder] if (folder / "export.json").is_file() else []
        below += sorted(file.parent for file in folder.glob("*/export.json"))
        if not below:
            raise UserError("no exported model here", file=folder, remedy="Give folders that ecg-export wrote")
        found += below
    twice = next((folder for folder, count in Counter(map(Path.resolve, found)).items() if count > 1), None)
    if twice:
        raise UserError("an exported model that was given before", file=twice, remedy="Give every model once")
    return found
