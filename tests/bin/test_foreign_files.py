"""A command that writes several results meets what is not its own before it writes the first one."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from ecgscale.contracts import RUNS, RunResult
from ecgscale.deploy.export import label_of
from ecgscale.errors import UserError
from tests.documents import editable
from tests.fuzz import bundles, decisions, models, stages, tables
from tests.fuzz.commands import STUDY, run
from tests.fuzz.target import Files
from tests.fuzz.test_fuzz import write

BIN = Path(__file__).parents[2] / "bin"


def seed_of(name: str, *arguments: str) -> Callable[[Path], None]:
    return lambda folder: run(name, *arguments, folder=folder)


def collected() -> Files:
    """A finished run of the tiny corpus, and its scores."""
    body = stages.trained()["trained/run/run.json"]
    run_id = json.loads(body)["spec"]["run_id"]
    return {"trained/run.json": body, "evaluated/metrics.csv":
            tables.table_files(".csv")["metrics"]["metrics.csv"].replace(b"run a", run_id.encode())}


def planned() -> Files:
    lines = stages.to_train()["runs.jsonl"]
    return {"runs.csv": tables.RUN_TABLES[0], "runs.jsonl": lines}


SEVERAL = {
    "ecg-check": (lambda: {"sheet.csv": b"source,path,patients\nany,source,\n", "source/A0001.hea": b""},
                  seed_of("ecg-check", "--study", STUDY, "--sheet", "sheet.csv")),
    "ecg-sample": (lambda: {"study.yaml": STUDY.read_bytes()},
                   seed_of("ecg-sample", "--study", "study.yaml", "--memory", "16 GB")),
    "ecg-split": (stages.to_train, seed_of("ecg-split", "--corpus", "shard", "--study", STUDY)),
    "ecg-train": (stages.to_train, stages.train("ecg-train", "runs.jsonl")),
    "ecg-tune": (stages.to_train, stages.train("ecg-tune", "tune.jsonl")),
    "ecg-evaluate": (stages.trained, stages.evaluate),
    "ecg-score": (models.predictions, seed_of(
        "ecg-score", "--truth", "truth.csv", "--predictions", "guessed.csv", "--against", "guessed.csv",
        "--bootstrap", "20")),
    "ecg-collect": (collected, seed_of("ecg-collect", "--trained", "trained", "--evaluated", "evaluated")),
    "ecg-bench": (stages.to_measure, stages.measure),
    "ecg-merge": (bundles.UNDAMAGED["ecg-merge"], bundles.merge),
    "ecg-fit": (lambda: {"runs.csv": tables.RUN_TABLES[0]}, seed_of("ecg-fit", "--runs", "runs.csv")),
    "ecg-next": (planned, seed_of("ecg-next", "--runs", "runs.csv", "--plan", "runs.jsonl", "--records", "1000",
                                  "--family", "regnet", "--at", "params=1e7,train_records=1000", "--budget", "1e20")),
    "ecg-scale": (decisions.to_scale, decisions.scale),
    "ecg-deploy": (decisions.to_deploy, decisions.deploy),
    "ecg-report": (stages.to_report, stages.report),
}
ALONE = {"ecg-card", "ecg-extrapolate", "ecg-kit", "ecg-prepare", "ecg-stream", "ecg-synth"}     # one file or folder
FETCHES = {"ecg-download"}      # its files are those of the release, and stay
SEVERAL_RUNS = {"ecg-evaluate": stages.evaluate, "ecg-export": stages.export}


def listing(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def refused(command: Callable[[Path], None], folder: Path, place: str) -> None:
    """Called with a file of the user's own at this place below `out`, the command leaves everything as it was."""
    shutil.rmtree(folder / "out", ignore_errors=True)
    (folder / "out" / place).parent.mkdir(parents=True)
    (folder / "out" / place).write_text("mine")
    before = listing(folder)
    with pytest.raises(UserError, match=r"is not replaced|did not write|not a Data Package|foretold before"):
        command(folder)
    assert listing(folder) == before, place


@pytest.mark.parametrize("name", SEVERAL)
def test_nothing_is_written_beside_what_is_foreign(name, tmp_path):
    """Each result in turn is the user's own; of a folder of results, one in it."""
    files, command = SEVERAL[name]
    write(tmp_path, files())
    before = {path.name for path in tmp_path.iterdir()}
    command(tmp_path)
    made = sorted(listing(tmp_path / "out"))
    in_folders = {Path(place).parent: place for place in made if "/" in place}
    for more in {path.name for path in tmp_path.iterdir()} - before:
        shutil.rmtree(tmp_path / more)      # checkpoints, too: no run begins
    for place in [*(place for place in made if "/" not in place), *in_folders.values()]:
        refused(command, tmp_path, place)


@pytest.mark.parametrize("name", SEVERAL_RUNS)
def test_no_run_is_written_where_the_folder_of_a_later_one_is_foreign(name, tmp_path):
    write(tmp_path, stages.trained())
    shutil.copytree(tmp_path / "trained/run", tmp_path / "trained/other")
    body = editable(tmp_path / "trained/run/run.json")
    body["spec"]["run_id"] = "0" * 12
    (tmp_path / "trained/other/run.json").write_text(json.dumps(body))
    rows = RUNS.read(tmp_path / "runs.parquet")
    RUNS.write(pd.concat([rows, rows.assign(run_id="0" * 12, family="resnet", valid_challenge_score=0.4)]),
               tmp_path / "runs.parquet")
    study = json.loads((tmp_path / "study.json").read_text())
    (tmp_path / "study.json").write_text(json.dumps(study | {"deploy": study["deploy"] | {"top": 2}}))
    other = RunResult.read(tmp_path / "trained/other/run.json")
    refused(SEVERAL_RUNS[name], tmp_path,
            f"{other.spec.run_id if name == 'ecg-evaluate' else label_of(other)}/thesis.txt")


def test_no_section_is_written_beside_foreign_problems(tmp_path):
    write(tmp_path, SEVERAL["ecg-check"][0]())
    refused(lambda folder: run("ecg-check", "--study", STUDY, "--sheet", "sheet.csv", "--problems",
                               folder / "out/problems.txt", folder=folder), tmp_path, "problems.txt")


def test_every_command_is_looked_at():
    assert {path.name for path in BIN.glob("ecg-*")} == set(SEVERAL) | set(SEVERAL_RUNS) | ALONE | FETCHES
