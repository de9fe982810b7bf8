"""ecg-scale and ecg-sample in turn, as the pipeline runs them, over a planted law instead of training."""

import json
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_limits

from ecgscale.analysis import rounds
from ecgscale.contracts import (
    ROUNDS,
    Decision,
    PlannedRun,
    Round,
    RunResult,
    RunSpec,
    SplitInfo,
    digest,
    read_rounds,
)
from ecgscale.contracts.labels import read_label_set
from ecgscale.design.plan import with_rounds
from ecgscale.design.space import plan_study
from ecgscale.design.study import read_study
from ecgscale.errors import UserError
from tests.commands import run_command
from tests.documents import editable

ecg_scale = partial(run_command, "ecg-scale")
RECORDS = 4000
SPLIT = SplitInfo(method="records", seed=1, counts={"train": RECORDS, "valid": 10, "test": 10}, audit={},
                  corpus_digest="c", digest="d", synthetic=True)
STUDY = """
name: climbing
runs:
  - family: resnet
    sampler: list
    models: [resnet-20k, resnet-60k, resnet-200k]
    optimizers: [{name: adamw, lr: [1e-3, 4e-3], weight_decay: 0.02}]
    training: {epochs: 3, data_fraction: [0.25, 0.5, 1.0], augment: [noise]}
    seeds: [0, 1]
scale: {train_flops: 1e18, seeds: [0, 1]}
"""


def loss(params: float, records: float) -> float:
    return 0.1 + 3 * params**-0.3 + 2 * records**-0.4


class Pipeline:
    """A results folder; each method is one task of the graph, and reads what the ones before it left."""

    def __init__(self, folder: Path, study: str = STUDY):
        self.folder, self.study = folder, folder / "study.yaml"
        self.study.write_text(study)
        self.wrong: dict[str, float] = {}        # of a model: what its loss is times
        SPLIT.write(folder / "split.json")

    @property
    def rounds(self) -> list[Path]:
        return sorted(self.folder.glob("rounds/round-*.json"))

    def sample(self) -> None:
        runs, plan = with_rounds(*plan_study(read_study(self.study), records=RECORDS), read_rounds(self.rounds))
        PlannedRun.write_lines(runs, self.folder / "runs.jsonl")
        plan.write(self.folder / "plan.json")

    def train(self) -> None:
        for run in PlannedRun.read_lines(self.folder / "runs.jsonl"):
            folder = self.folder / "trained" / run.spec.run_id
            if not folder.exists():     # as a checkpoint would
                folder.mkdir(parents=True)
                self.result(run).write(folder / "run.json")

    def result(self, run: PlannedRun) -> RunResult:
        used, random = round(run.spec.data_fraction * RECORDS), np.random.default_rng(int(run.spec.run_id, 16))
        value = loss(run.ledger.params, used) * np.exp(0.02 * random.standard_t(3)) * (
            1 + 0.2 * (run.spec.optimizer.lr < 2e-3)) * self.wrong.get(str(run.ledger.params), 1.0)
        good = np.isfinite(value)
        return RunResult(
            spec=run.spec, ledger=run.ledger, status="finished" if good else "diverged", synthetic=True,
            corpus_digest="c", split_digest="d", code_digest="e", classes=read_label_set().codes, train_records=used,
            samples_seen=used * run.spec.epochs, train_flops=float(run.ledger.step_flops) * used * run.spec.epochs,
            best_epoch=1, train_loss=1.0, valid_loss=float(value) if good else None, clipped_share=0.0, device="cpu",
            threads=1, precision="float32", seconds=1.0, versions={})

    def collect(self) -> None:
        results = [RunResult.read(path) for path in sorted(self.folder.glob("trained/*/run.json"))]
        pd.DataFrame([{
            "run_id": one.spec.run_id, "status": one.status, "synthetic": True, "family": one.spec.model.family,
            "optimizer": one.spec.optimizer.name, "lr": one.spec.optimizer.lr, "seed": one.spec.seed,
            "weight_decay": one.spec.optimizer.weight_decay, "epochs": one.spec.epochs,
            "data_fraction": one.spec.data_fraction, "params": one.ledger.params, "train_records": one.train_records,
            "samples_seen": one.samples_seen, "train_flops": one.train_flops, "valid_loss": one.valid_loss,
            "test_auroc": None if one.valid_loss is None else 1 - one.valid_loss / 2} for one in results]).to_csv(
                self.folder / "runs.csv", index=False)

    def scale(self) -> Decision:
        outcome = rounds.advance(self.folder / "runs.csv", sorted(self.folder.glob("trained/*")), self.study,
                                 read_rounds(self.rounds), SPLIT)
        outcome.write(self.folder / "rounds")
        return outcome.decision

    def round(self) -> Decision:
        """One run of the pipeline."""
        self.sample()
        self.train()
        self.collect()
        return self.scale()

    def foretold(self) -> list[dict]:
        return [Round.read(path).model_dump(exclude={"made", "table_digest"}) for path in self.rounds]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """As the command has it: threads cost more than they bring to matrices of a few dozen runs."""
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="module")
def climbed(tmp_path_factory) -> Pipeline:
    """Three runs of the pipeline: the study, and two rounds."""
    made = Pipeline(tmp_path_factory.mktemp("climbed"))
    made.round()
    shutil.copytree(made.folder, made.folder / "begun")
    made.round()
    made.round()
    return made


@pytest.fixture
def begun(climbed, tmp_path) -> Pipeline:
    """After the first run, which foretold a round."""
    shutil.copytree(climbed.folder / "begun", tmp_path, dirs_exist_ok=True)
    return Pipeline(tmp_path)


def test_each_round_is_several_times_dearer_and_foretold_before_it_is_trained(climbed):
    first, second, third = (Round.read(path) for path in climbed.rounds)
    table = pd.read_csv(climbed.folder / "runs.csv").set_index("run_id")
    study = table[~table.index.isin([run.spec.run_id for one in (first, second) for run in one.runs])]
    dearest = study["train_flops"].max()
    for one in (first, second, third):
        cost = one.train_flops / len(one.runs)
        assert 4 / 3 * dearest <= cost <= 4 * dearest
        dearest = cost
        assert one.based_on <= len(study) / 2 + 2 * (one.number - 1)        # of two rates the better, and rounds before
    assert [run.spec.run_id in table.index for run in third.runs] == [False, False]
    assert sorted(run.spec.seed for run in second.runs) == [0, 1]


def test_the_verdict_is_that_of_the_table(climbed):
    table, rows = pd.read_csv(climbed.folder / "runs.csv"), ROUNDS.read(climbed.folder / "rounds/rounds.csv")
    for one in (Round.read(path) for path in climbed.rounds[:2]):
        own = table[table["run_id"].isin([run.spec.run_id for run in one.runs])]
        found = {"valid_loss": np.exp(np.log(own["valid_loss"]).mean()),
                 "test_auroc": 1 - np.exp(np.log(1 - own["test_auroc"]).mean())}
        for told in one.foretold:
            row = rows[rows["round"].eq(one.number) & rows["response"].eq(told.response)].iloc[0]
            assert row["found"] == pytest.approx(found[told.response])
            assert row["inside"] == (told.low <= found[told.response] <= told.high)
            assert (row["low"], row["foretold"], row["high"]) == pytest.approx((told.low, told.value, told.high))
    assert rows[rows["round"].eq(3)][["found", "inside"]].isna().all(axis=None)
    decision = Decision.read(climbed.folder / "rounds/decision.json")
    assert (decision.go_on, decision.judged) == (True, 2)
    assert decision.inside == rows[rows["response"].eq("valid_loss")]["inside"].sum()


def test_settings_are_those_that_validation_chose_at_the_nearest_size(climbed):
    first = Round.read(climbed.rounds[0])
    spec = first.runs[0].spec
    assert (spec.optimizer.name, spec.optimizer.lr, spec.optimizer.weight_decay) == ("adamw", 4e-3, 0.02)
    assert (spec.augment, spec.epochs, spec.study) == (("noise",), 3, "climbing")
    assert "the best by validation of the nearest trained size" in first.settings_from


def test_runs_that_are_broken_off_after_any_step_give_the_same_rounds(climbed, tmp_path):
    """The first after the plan, the second within its training, the third after its table; each is begun anew."""
    again = Pipeline(tmp_path)
    again.sample()
    again.round()
    again.sample()
    again.train()
    shutil.rmtree(max(tmp_path.glob("trained/*"), key=lambda path: path.stat().st_mtime_ns))
    again.round()
    again.sample()
    again.train()
    again.collect()
    again.round()
    assert again.foretold() == climbed.foretold()


def test_what_was_foretold_is_never_written_again(climbed):
    before = {path: path.read_bytes() for path in climbed.rounds}
    decision = climbed.scale()
    assert (decision.go_on, decision.reason) == (True, "round 3 waits to be trained")
    outcome = rounds.advance(climbed.folder / "runs.csv", sorted(climbed.folder.glob("trained/*")), climbed.study,
                             read_rounds(climbed.rounds[:2]), SPLIT)
    with pytest.raises(UserError, match="foretold before"):
        outcome.write(climbed.folder / "rounds")
    assert {path: path.read_bytes() for path in climbed.rounds} == before


def test_it_stops_by_budget(tmp_path):
    pipeline = Pipeline(tmp_path, STUDY.replace("1e18", "1e10"))
    decision = pipeline.round()
    assert (decision.stop, decision.spent, pipeline.rounds) == ("budget", 0.0, [])
    assert "and 10 G of 10 G are left" in decision.reason


def test_it_stops_where_no_network_is_larger(tmp_path):
    pipeline = Pipeline(tmp_path, STUDY.replace("seeds: [0, 1]}", "models: [resnet-20k, resnet-60k]}"))
    assert pipeline.round().stop == "no larger network"


def test_it_stops_where_a_law_needs_more_sizes_and_says_how_many(tmp_path):
    pipeline = Pipeline(tmp_path, STUDY.replace(", resnet-200k", ""))
    decision = pipeline.round()
    assert (decision.stop, decision.remedy) == ("not identifiable", ("resnet: train 1 more sizes of network",))
    assert "its runs have 2 sizes of network, and a law needs 3" in decision.reason


@pytest.mark.parametrize("times", [0.4, 1.2, 2.0])
def test_after_a_round_far_outside_it_stops_and_names_runs_that_would_tell(begun, times):
    """The interval is widened by so large an error, and is then as wide as all that this small study shows."""
    begun.wrong[str(Round.read(begun.rounds[0]).runs[0].ledger.params)] = times
    decision = begun.round()
    assert (decision.stop, decision.judged, decision.inside) == ("not identifiable", 1, 0)
    assert "as wide a range as all of its runs show" in decision.reason
    assert "recordings for 3 epochs" in decision.remedy[0]
    assert len(begun.rounds) == 1


def test_it_stops_where_no_run_of_a_round_finished(begun):
    begun.wrong[str(Round.read(begun.rounds[0]).runs[0].ledger.params)] = np.inf
    decision = begun.round()
    assert (decision.stop, decision.judged, decision.inside) == ("failed", 1, 0)
    rows = ROUNDS.read(begun.folder / "rounds/rounds.csv")
    assert (rows["finished"].tolist(), rows["inside"].tolist()) == ([0, 0], [False, False])


def test_the_command_says_it_all(climbed, tmp_path):
    (tmp_path / "split").mkdir()
    shutil.copy(climbed.folder / "split.json", tmp_path / "split")
    done = ecg_scale("--runs", climbed.folder / "runs.csv", "--trained", *sorted(climbed.folder.glob("trained/*")),
                     "--study", climbed.study, "--split", tmp_path / "split", "--rounds", *climbed.rounds[:2], "--out",
                     tmp_path / "rounds")
    assert done.returncode == 0, done.stderr
    again = Round.read(tmp_path / "rounds/round-03.json")
    assert again.model_dump(exclude={"made"}) == Round.read(climbed.rounds[2]).model_dump(exclude={"made"})
    assert "round 1 (resnet-600k, 2 seeds): valid_loss foretold" in done.stdout
    assert "Go on: the same command again trains the next round" in done.stdout


@pytest.mark.parametrize(("study", "given", "words"), [
    (STUDY.split("scale:")[0], [0], "study.yaml: scale: is missing"),
    (STUDY.replace("seeds: [0, 1]}", "response: test_auroc}"), [], "is not measured on validation"),
    (STUDY.replace("seeds: [0, 1]}", "models: [resnet-9k]}"), [], "no network is named 'resnet-9k'"),
    (STUDY.replace("seeds: [0, 1]}", "seeds: [1, 1]}"), [], "a seed is named twice"),
    (STUDY.replace("seeds: [0, 1]}", "response: valid_f1}"), [], "the run table has no column valid_f1"),
    (STUDY, [1], "round 1 is missing or given twice"),
])
def test_what_cannot_be_is_refused(climbed, tmp_path, study, given, words):
    (tmp_path / "study.yaml").write_text(study)
    with pytest.raises(UserError, match=words):
        rounds.advance(climbed.folder / "runs.csv", sorted(climbed.folder.glob("trained/*")), tmp_path / "study.yaml",
                       read_rounds(climbed.rounds[place] for place in given), SPLIT)


def test_a_run_without_its_folder_is_named(climbed):
    folders = sorted(climbed.folder.glob("trained/*"))
    with pytest.raises(UserError, match=f"run {folders[0].name} of the run table has no folder"):
        rounds.advance(climbed.folder / "runs.csv", folders[1:], climbed.study, read_rounds(climbed.rounds[:2]),
                       SPLIT)


def test_rounds_of_another_study_are_refused(climbed, tmp_path):
    (tmp_path / "study.yaml").write_text(STUDY.replace("climbing", "other"))
    with pytest.raises(UserError, match="round 1 is of the study 'climbing', not of 'other'"):
        with_rounds(*plan_study(read_study(tmp_path / "study.yaml")), read_rounds(climbed.rounds))


def test_the_plan_counts_the_rounds(climbed, tmp_path):
    done = run_command("ecg-sample", "--study", climbed.study, "--records", RECORDS, "--rounds", *climbed.rounds,
                       "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    plan, alone = (json.loads((folder / "plan.json").read_text()) for folder in (tmp_path, climbed.folder))
    every = [Round.read(path) for path in climbed.rounds]
    assert (plan["rounds"], plan["round_flops"]) == (3, pytest.approx(sum(one.train_flops for one in every)))
    assert plan["runs"] == alone["runs"] + 2 == 36 + 6
    lines = PlannedRun.read_lines(tmp_path / "runs.jsonl")
    assert [run.spec.run_id for run in lines[36:]] == [run.spec.run_id for one in every for run in one.runs]
    assert "of them in 3 rounds of scaling" in done.stdout
    for run in lines[36:]:
        assert run.spec.run_id == digest(run.spec.model_dump(mode="json", exclude={"run_id"}), 12)
        assert RunSpec.model_validate(run.spec.model_dump()) == run.spec


@pytest.mark.parametrize(("column", "value"), [
    ("epochs", -1), ("epochs", np.nan), ("epochs", 2.5), ("data_fraction", np.nan), ("data_fraction", 2.0),
    ("lr", "fast"), ("samples_seen", np.nan), ("train_flops", 0.0), ("family", None), ("optimizer", None)])
def test_runs_without_what_a_round_repeats_are_refused(column, value):
    """A table that anyone edited is fitted all the same; rounds fell over a rate in words and epochs that were gone."""
    runs = pd.DataFrame({"run_id": ["a", "b"], "family": "vit", "optimizer": "sgd", "params": 1e5,
                         "train_records": 500, "lr": 1e-3, "samples_seen": 1500, "train_flops": 1e12,
                         "data_fraction": 1.0, "epochs": 3})
    rounds.check_settings(runs)
    runs = runs.astype({column: object})
    runs.loc[1, column] = value
    with pytest.raises(UserError, match=f"{column}: run b has {value}"):
        rounds.check_settings(runs)
    with pytest.raises(UserError, match=f"{column}: the run table has no such column"):
        rounds.check_settings(runs.drop(columns=column))


def damaged(pipeline: Pipeline, damage) -> str:
    """What is told after `damage` to the frame of its run table: the words of the command, or why it refuses."""
    damage(pd.read_csv(pipeline.folder / "runs.csv", dtype={"run_id": str})).to_csv(pipeline.folder / "runs.csv",
                                                                                   index=False)
    try:
        return rounds.advance(pipeline.folder / "runs.csv", sorted(pipeline.folder.glob("trained/*")), pipeline.study,
                              read_rounds(pipeline.rounds), SPLIT).text()
    except UserError as error:
        return str(error)


@pytest.mark.parametrize(("damage", "said"), [
    (lambda runs: runs.iloc[1:], "note: 1 of 36 trained runs are not in the run table: "),
    (lambda runs: runs.iloc[:0], "note: 36 of 36 trained runs are not in the run table: "),
    (lambda runs: runs.assign(run_id=runs["run_id"].to_numpy()[::-1]), ", and its folder "),
    (lambda runs: runs.assign(run_id=""), "run row-10 of the run table has no folder there"),
    (lambda runs: runs.assign(lr=runs["lr"] * 10), "lr: run "),
    (lambda runs: runs.assign(valid_loss=runs["valid_loss"].to_numpy()[::-1]), "valid_loss: run "),
    (lambda runs: runs.rename(columns={"train_records": "epochs", "epochs": "train_records"}), "epochs: run "),
    (lambda runs: runs.rename(columns={"train_records": "samples_seen", "samples_seen": "train_records"}),
     "train_records: run "),
    (lambda runs: runs.assign(status=runs["status"].where(runs.index > 0)), "has unknown, and its folder finished"),
    (lambda runs: runs.assign(family=runs["family"].str.upper()), "has RESNET, and its folder resnet"),
    (lambda runs: runs.drop(columns="seed"), "seed: the run table has no such column"),
    (lambda runs: runs.drop(columns="optimizer"), "optimizer: the run table has no such column"),
])
def test_a_table_that_is_not_that_of_its_folders_is_told(tmp_path, damage, said):
    """Another next round was foretold from it, or a trained round was said to wait, without a word."""
    pipeline = Pipeline(tmp_path)
    for step in (pipeline.sample, pipeline.train, pipeline.collect):
        step()
    assert said in damaged(pipeline, damage)


@pytest.mark.parametrize(("damage", "said"), [
    (lambda runs: runs.drop(columns="test_auroc"),
     "test_auroc: the run table has no such column, or no numbers in it, and round 1 was foretold of it"),
    (lambda runs: runs.assign(test_auroc=runs["test_auroc"] * 1000), ", which nothing was foretold to be"),
])
def test_scores_that_a_round_cannot_be_judged_by_are_told(climbed, tmp_path, damage, said):
    """It was judged to have fallen outside, as if no run had finished; or it ended in a traceback."""
    shutil.copytree(climbed.folder, tmp_path, dirs_exist_ok=True)
    assert said in damaged(Pipeline(tmp_path), damage)


def test_another_order_of_rows_changes_nothing(climbed, tmp_path):
    shutil.copytree(climbed.folder, tmp_path, dirs_exist_ok=True)
    pipeline = Pipeline(tmp_path)
    assert damaged(pipeline, lambda runs: runs) == damaged(pipeline, lambda runs: runs.iloc[::-1])


@pytest.mark.parametrize("change", [{"digest": "other"}, {"counts": {"train": RECORDS // 4}}])
def test_another_split_is_refused(begun, change):
    """The next round's recordings are counted by it."""
    with pytest.raises(UserError, match=r"was trained on another split|was trained on [0-9,]+ recordings"):
        rounds.advance(begun.folder / "runs.csv", sorted(begun.folder.glob("trained/*")), begun.study,
                       read_rounds(begun.rounds), SPLIT.model_copy(update=change))


@pytest.mark.parametrize(("change", "said"), [
    (lambda body: body["foretold"].reverse(), "foretold is of test_auroc, valid_loss, and begins with valid_loss"),
    (lambda body: body["foretold"].clear(), "foretold is of nothing"),
    (lambda body: body["foretold"][0].update(low=9.0), "which is not from 9.0 to"),
    (lambda body: body["runs"].append(body["runs"][0]), "a run stands in runs twice"),
])
def test_a_round_that_another_quantity_would_judge_is_refused(begun, change, said):
    """Its first quantity decides whether it fell inside, and how wide the next interval is."""
    body = editable(begun.rounds[0])
    change(body)
    begun.rounds[0].write_text(json.dumps(body))
    with pytest.raises(UserError, match=said):
        read_rounds(begun.rounds)


def test_rounds_of_another_study_are_not_judged(begun):
    begun.study.write_text(STUDY.replace("climbing", "other"))
    with pytest.raises(UserError, match="round 1 is of the study 'climbing', not of 'other'"):
        begun.scale()
