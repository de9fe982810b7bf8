"""What is given twice, by another name or the same, is refused and not counted twice; and a folder's name says nothing
of what it holds."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from ecgscale.contracts import METRICS, RUNS, Export
from ecgscale.errors import UserError
from tests.bin.test_foreign_files import collected
from tests.documents import editable
from tests.fuzz import decisions, models, stages
from tests.fuzz.commands import run
from tests.fuzz.target import Files
from tests.fuzz.test_fuzz import write


def bench(folder: Path) -> None:
    models.digest_again(folder / "model")
    run("ecg-bench", "--models", folder / "model", folder / "again/../model", "--study", folder / "study.json",
        "--machine", "toy", "--cpus", "1", folder=folder)


def collect(folder: Path) -> None:
    run_id = editable(folder / "trained/run.json")["spec"]["run_id"]
    for file in folder.glob("*/metrics.csv"):
        rows = METRICS.read(file).assign(group="all", run_id=run_id)
        file.unlink()
        METRICS.write(rows.head(1), file)
    run("ecg-collect", "--trained", folder / "trained", "--evaluated", folder / "evaluated", folder / "again",
        folder=folder)


def deploy(folder: Path) -> None:
    run("ecg-deploy", "--runs", folder / "runs.csv", "--latency", folder / "latency", folder / "again", "--ms", "3",
        folder=folder)


def report(folder: Path) -> None:
    run("ecg-report", "--runs", folder / "runs.csv", "--fit", folder / "fit", "--latency", folder / "latency",
        "--models", folder / "model", folder / "again", folder=folder)


def to_report() -> Files:
    exported = decisions.to_deploy()["model-0/export.json"]
    return stages.to_report() | {"model/export.json": exported}


TWICE: dict[str, tuple[Callable[[], Files], str, Callable[[Path], None], str]] = {
    "ecg-evaluate": (stages.trained, "trained/run", stages.evaluate, "a run that was given before"),
    "ecg-export": (stages.trained, "trained/run", stages.export, "a run that was given before"),
    "ecg-scale": (decisions.to_scale, "trained", decisions.scale, "a run that was given before"),
    "ecg-collect": (collected, "evaluated", collect, "metrics of the run .*, which .*evaluated has, too"),
    "ecg-deploy": (decisions.to_deploy, "latency", deploy, "a measurement that was given before, to the last digit"),
    "ecg-deploy --models": (decisions.to_deploy, "model-0", decisions.deploy, "exported model that was given before"),
    "ecg-report": (to_report, "model", report, "an exported model that was given before"),
    "ecg-bench": (stages.to_measure, "model", bench, "an exported model that was given before"),
}


@pytest.mark.parametrize("name", TWICE)
def test_what_is_given_twice_is_refused(name, tmp_path):
    """Counted twice, it would make intervals too narrow, or one would silently stand for the other."""
    files, folder, command, words = TWICE[name]
    write(tmp_path, files())
    held = tmp_path / folder
    shutil.copytree(held, (tmp_path / "more" if name == "ecg-scale" else held.parent) / "again")
    if name == "ecg-scale":
        (tmp_path / "more").rename(held / "more")
    with pytest.raises(UserError, match=words):
        command(tmp_path)
    assert not (tmp_path / "out").exists()


def test_an_exported_run_is_the_one_that_its_folder_holds(tmp_path):
    """Two folders whose names were exchanged: the network of one was exported with the scores of the other."""
    write(tmp_path, stages.trained())
    trained = tmp_path / "trained"
    body = editable(trained / "run/run.json")
    better, worse = body["spec"]["run_id"], "0" * 12
    shutil.copytree(trained / "run", trained / better)
    body["spec"]["run_id"] = worse
    (trained / better / "run.json").write_text(json.dumps(body))
    (trained / "run").rename(trained / worse)
    rows = RUNS.read(tmp_path / "runs.parquet")
    RUNS.write(pd.concat([rows, rows.assign(run_id=worse, family="resnet", valid_challenge_score=0.4)]),
               tmp_path / "runs.parquet")
    stages.export(tmp_path)
    [made] = (tmp_path / "out").glob("*/export.json")
    assert (Export.read(made).run_id, Export.read(made).valid_score) == (better, 0.5)
