"""ecg-sample as a person or the pipeline calls it."""

from functools import partial
from pathlib import Path

from ecgscale.contracts import RUN_MEMORY, Plan, PlannedRun, SplitInfo
from tests.commands import run_command

ROOT = Path(__file__).parents[2]
ecg_sample = partial(run_command, "ecg-sample")


def test_writes_runs_and_plan(tmp_path):
    done = ecg_sample("--study", ROOT / "assets" / "studies" / "mini.yaml", "--out", tmp_path / "runs")
    assert done.returncode == 0, done.stderr
    runs = PlannedRun.read_lines(tmp_path / "runs" / "runs.jsonl")
    plan = Plan.read(tmp_path / "runs" / "plan.json")
    assert plan.runs == len(runs) == 22
    assert {run.spec.model.family for run in runs} == {"regnet", "convnext"}
    assert {run.spec.optimizer.name for run in runs} == {"sgd", "sgdm", "adamw"}
    assert len({run.spec.model.model_dump_json() for run in runs}) == 4
    assert "22 runs" in done.stdout
    assert not (tmp_path / "runs" / "memory.csv").exists()


def test_memory_is_reckoned_beside_a_limit(tmp_path):
    study = ROOT / "assets" / "studies" / "mini.yaml"
    done = ecg_sample("--study", study, "--memory", "1040MB", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    made = RUN_MEMORY.read(tmp_path / "memory.csv")
    assert made["run_id"].tolist() == [run.spec.run_id for run in PlannedRun.read_lines(tmp_path / "runs.jsonl")]
    assert 0 < (~made["fits"]).sum() < len(made)
    assert f"  {(~made['fits']).sum()} of 22 runs exceed 1.02 GB: " in done.stdout
    refused = ecg_sample("--study", study, "--memory", "much", "--out", tmp_path / "other")
    assert (refused.returncode, "no size of memory" in refused.stderr) == (2, True)


def test_a_mistake_in_the_study_leaves_nothing_behind(tmp_path):
    study = tmp_path / "study.yaml"
    study.write_text("name: x\nruns:\n  - family: vit\n    sampler: list\n    models: [vit-20k]\n    optimizers:\n"
                     "      - {name: sgd, lr: -1}\n")
    done = ecg_sample("--study", study, "--out", tmp_path / "runs")
    assert done.returncode == 2
    assert done.stderr == f"ecg-sample: {study}:7: runs.0.optimizers.0.lr: -1 must be above 0\n"
    assert not (tmp_path / "runs").exists()


def test_the_split_tells_how_many_recordings_are_trained_on(tmp_path):
    """FLOPs of the whole study: forward and backward of every window of every epoch, by the ledger."""
    split = SplitInfo(method="patients", seed=1, counts={"train": 60, "valid": 30, "test": 10}, audit={},
                      corpus_digest="c", digest="d", synthetic=True)
    split.write(tmp_path / "split" / "split.json")
    study = ROOT / "assets" / "studies" / "test.yaml"
    done = ecg_sample("--study", study, "--split", tmp_path / "split", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    plan, runs = Plan.read(tmp_path / "plan.json"), PlannedRun.read_lines(tmp_path / "runs.jsonl")
    assert plan.train_records == 60
    trained = sum(run.ledger.step_flops * 60 * run.spec.epochs for run in runs)
    assert plan.train_flops - plan.tuning_flops == trained
