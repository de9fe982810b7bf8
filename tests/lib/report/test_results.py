"""A results folder, whole or of a run that goes on: the runs that are there, counted against the plan; nothing torn."""

import os
import shutil

import pandas as pd
import pytest

from ecgscale.contracts import HISTORY, REJECTS, Plan, Shard, read_split
from ecgscale.contracts.labels import read_label_set
from ecgscale.design.study import Evaluation
from ecgscale.ecg.corpus import Corpus
from ecgscale.errors import UserError
from ecgscale.evaluation.collect import write_tables
from ecgscale.evaluation.evaluate import evaluate_runs
from ecgscale.machine.provenance import code_digest
from ecgscale.report import results, tables
from ecgscale.report.inputs import Inputs
from tests.tiny_folders import tiny_folders


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Three runs of seven that are planned; the third is not evaluated yet."""
    folder = tmp_path_factory.mktemp("going")
    made = tiny_folders(folder / "made", ("regnet", "convnext", "vit"))
    for run in made.runs:
        HISTORY.write(pd.DataFrame({
            "epoch": [0, 1], "lr": 0.1, "train_loss": [0.4, 0.3], "valid_loss": [0.5, 0.2], "clipped_share": 0.0,
            "samples": 64, "seconds": 2.0, "data_wait_share": 0.1}), run / "history.csv")
        shutil.copytree(run, folder / "out" / "trained" / run.name)
    evaluate_runs(made.runs[:2], Corpus.open([made.corpus]), *read_split(made.split), read_label_set(),
                  Evaluation(bootstrap=0), folder / "out" / "evaluated", "cpu")
    Plan(study="toy", seed=1, runs=7, rejected={}, duplicates=0, forward_flops={}, params={}, train_flops=None,
         hours=[]).write(folder / "out" / "plan" / "plan.json")
    shutil.copytree(made.split, folder / "out" / "corpus" / "split")
    shutil.copytree(made.corpus, folder / "out" / "corpus" / "toy-1of1", ignore=lambda *_: ["signals.npy"])
    REJECTS.write(REJECTS.empty(), folder / "out" / "corpus" / "toy-1of1" / "rejects.csv")
    return folder / "out"


@pytest.fixture
def going(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "out")


def test_runs_that_are_there_so_far_are_told_of_those_planned(going):
    found = results.read(going)
    assert found.so_far == "3 of 7 planned runs are trained, 2 of them evaluated"
    assert sorted(found.runs["status"]) == ["finished", "finished", "unevaluated"]
    assert len(found.histories) == 6
    assert set(found.chosen["run_id"]) <= set(found.scored["run_id"])
    assert len(found.corpus) == 60
    assert found.laws is None


def test_of_several_recipes_the_data_chapter_is_of_the_split_s(going):
    """A study may prepare its recordings by several: shards of the same records lie side by side."""
    first = going / "corpus" / "toy-1of1"
    other = shutil.copytree(first, going / "corpus" / "a-1of1.other")
    shard = Shard.read(first / "shard.json")
    shard.model_copy(update={"recipe": shard.recipe | {"name": "other"}, "digest": "0" * 16, "recipe_digest": "1" * 16,
                             }).write(other / "shard.json")
    found = results.read(going)
    assert [one.recipe["name"] for one in found.shards] == [shard.recipe["name"]]
    assert len(found.corpus) == 60


def test_what_is_being_copied_is_left_out_and_counted(going):
    first, second = sorted((going / "evaluated").iterdir())
    os.truncate(first / "predictions.parquet", 900)
    (second / "reliability.csv").unlink()
    judged = {path.name for path in (going / "evaluated").iterdir()}
    (torn,) = (path for path in (going / "trained").iterdir() if path.name not in judged)
    os.truncate(torn / "history.csv", 40)
    found = results.read(going)
    assert found.so_far == ("2 of 7 planned runs are trained, 0 of them evaluated; 3 folders are being written or "
                            "damaged and left out")
    assert len(found.scored) == 0


def test_a_finished_run_is_read_from_its_tables_and_an_earlier_one_s_are_not_this_run_s(going):
    """The lock is written anew when a run begins: a table that is older is not of it."""
    trained, evaluated = (sorted((going / name).iterdir()) for name in ("trained", "evaluated"))
    write_tables(trained[:1], [path for path in evaluated if path.name == trained[0].name], [], going / "table")
    assert (len(results.read(going).runs), results.read(going).so_far) == (1, "")
    lock = going / "pipeline_info" / ".lock"
    lock.parent.mkdir()
    lock.touch()
    os.utime(going / "table" / "runs.parquet", (1e9, 1e9))
    assert len(results.read(going).runs) == 3


def test_a_folder_without_runs_is_named(tmp_path):
    with pytest.raises(UserError, match="no run lies there yet"):
        results.read(tmp_path)


def test_the_page_tells_how_to_make_it_again(going):
    told = tables.rebuild(results.read(going, "ecg-report --results out --out here"))
    assert told.splitlines()[1] == "ecg-report --results out --out here"
    assert "-params-file $(ls -t RESULTS/pipeline_info/params_*.json | head -1) --outdir AGAIN" in told
    assert f"code {code_digest()}" in told
    assert tables.rebuild(Inputs(runs=pd.DataFrame())) == ""
