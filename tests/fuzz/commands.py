"""Commands as a user calls them, their input nearly valid: each ends with a result, a UserError or exit code 2."""

from __future__ import annotations

import json
import os
import runpy
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

from hypothesis import strategies as st

from ecgscale.contracts import METRICS
from ecgscale.design.space import plan_study
from ecgscale.design.study import read_study
from ecgscale.paths import ASSETS
from tests.fuzz import documents, models, recordings, tables
from tests.fuzz.mutations import json_of, text
from tests.fuzz.structures import csv_of, json_parts_of, yaml_of
from tests.fuzz.target import Files, Target, one

BIN = Path(__file__).parents[2] / "bin"
STUDY = ASSETS / "studies" / "mini.yaml"
SECONDS = 20                # of commands that fit laws or draw figures


@cache
def main(command: str) -> Callable[[list[str]], None]:
    return runpy.run_path(str(BIN / command))["main"]


def run(command: str, *arguments: str | Path, folder: Path) -> None:
    """Arguments that name a file of the case, as os.listdir tells them, stand for it."""
    here = set(os.listdir(folder))
    main(command)([str(folder / word) if word in here else str(word) for word in (*arguments, "--out", folder / "out")])


def command(name: str, files: Callable[[], st.SearchStrategy[Files]], *arguments: str | Path, share: float = 0.1,
            seconds: float = 2.0) -> Target:
    return Target(files, lambda folder: run(name, *arguments, folder=folder), share=share, seconds=seconds)


def studies() -> st.SearchStrategy[Files]:
    body = read_study(STUDY).model_dump(mode="json")
    return one("study.json", text(STUDY.read_bytes()) | json_of(body) | json_parts_of(body) | yaml_of(body))


def checked() -> st.SearchStrategy[Files]:
    return studies().map(lambda files: files | {"sheet.csv": tables.SHEET}) | one(
        "sheet.csv", csv_of(tables.SHEET), **{"study.json": STUDY.read_bytes()})


def scored() -> st.SearchStrategy[Files]:
    seeds = models.predictions()
    return one("guessed.csv", csv_of(seeds["guessed.csv"]), **seeds) | one(
        "truth.csv", csv_of(seeds["truth.csv"]), **seeds)


def sources() -> st.SearchStrategy[Files]:
    """Two recordings, their people and their labels; one of these is damaged."""
    recordings.shard_files()        # compiles the filter, which is no part of a case
    held = recordings.record_files() | {"A0002.hea": b"A0002 12 500 600\n"}
    seeds = {"people.csv": tables.PEOPLE[0], "labels.csv": tables.LABEL_TABLES[0], "A0001.hea": held["A0001.hea"]}
    return st.sampled_from(sorted(seeds)).flatmap(lambda name: (csv_of if ".csv" in name else text)(seeds[name]).map(
        lambda content: {f"source/{file}": bytes_ for file, bytes_ in held.items()} | {
            file: bytes_ for file, bytes_ in seeds.items() if file.endswith(".csv")} | {
            name if name.endswith(".csv") else f"source/{name}": content}))


def collected() -> st.SearchStrategy[Files]:
    run_files = st.from_type(next(kind for kind in documents.DOCUMENTS if kind.NAME == "run")).map(documents.body_of)
    metrics = tables.table_files(".csv")[METRICS.name]["metrics.csv"]
    return st.builds(lambda body, table: {
        "trained/run.json": json.dumps(body).encode(),
        "evaluated/metrics.csv": table.replace(b"run a", body["spec"]["run_id"].encode()),
    }, run_files, st.just(metrics) | csv_of(metrics))


def damaged(**seeds: bytes) -> st.SearchStrategy[Files]:
    return st.sampled_from(sorted(seeds)).flatmap(lambda name: one(name, csv_of(seeds[name]), **seeds))


def next_runs() -> st.SearchStrategy[Files]:
    """A plan of three runs, and a run table of anyone's; one of them is damaged."""
    runs = plan_study(read_study(STUDY), 26)[0][:3]
    plan = "".join(run.to_line() + "\n" for run in runs).encode()
    return damaged(**{"runs.csv": tables.RUN_TABLES[0]}).map(lambda files: files | {"runs.jsonl": plan}) | one(
        "runs.jsonl", text(plan), **{"runs.csv": tables.RUN_TABLES[0]})


TARGETS = {
    "ecg-check": command("ecg-check", checked, "--study", "study.json", "--sheet", "sheet.csv"),
    "ecg-sample": command("ecg-sample", studies, "--study", "study.json", seconds=20),    # it times networks
    "ecg-score": command("ecg-score", scored, "--truth", "truth.csv", "--predictions", "guessed.csv", "--bootstrap",
                         "20"),
    "ecg-prepare": command("ecg-prepare", sources, "--source", "any", "--folder", "source", "--study", STUDY,
                           "--patients", "people.csv", "--table", "labels.csv"),
    "ecg-split": command("ecg-split", recordings.corpora, "--corpus", "shard", "--study", STUDY),
    "ecg-card": command("ecg-card", recordings.corpora, "--corpus", "shard", share=0.02, seconds=SECONDS),
    "ecg-collect": command("ecg-collect", collected, "--trained", "trained", "--evaluated", "evaluated"),
    "ecg-fit": command("ecg-fit", partial(damaged, **{"runs.csv": tables.RUN_TABLES[0]}), "--runs", "runs.csv",
                       share=0.005, seconds=SECONDS),
    "ecg-next": command("ecg-next", next_runs, "--runs", "runs.csv", "--plan", "runs.jsonl", "--records", "1000",
                        "--family", "regnet", "--at", "params=1e7,train_records=1000", "--budget", "1e20", share=0.01,
                        seconds=SECONDS),
    "ecg-extrapolate": command("ecg-extrapolate", partial(damaged, **{"curve.csv": tables.CURVES[0]}), "--curve",
                               "curve.csv", seconds=10),
}
