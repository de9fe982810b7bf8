"""Models for a budget of ms and MB: against planted laws of score and latency, and hostile tables."""

import numpy as np
import pandas as pd
import pytest

from ecgscale.analysis.deployment import Options, Question, answer, confirmed, recommend, staircase, verdict
from ecgscale.contracts import CONFIRMED, DEPLOYMENT, LATENCY, Artefact, Export, ModelSpec, RunSpec
from ecgscale.design.space import sample
from ecgscale.design.study import read_study
from ecgscale.errors import UserError
from ecgscale.models.complexity import SIZES, ledger_of
from ecgscale.paths import ASSETS

RECORDS, EPOCHS = 8000, 10
SIZES_BEYOND_REACH = 1e7         # parameters: more than ten times the FLOPs of the largest that is trained
TRAINED = ("20k", "60k", "200k", "600k")
SPEED = {("onnxruntime", "precision=float32"): (0.2, 3e7), ("openvino", "precision=int8"): (0.1, 1e8)}   # ms, FLOPs/ms
FLOOR = {"resnet": 0.05, "vit": 0.09}
EXAMPLE = Export.read(next((ASSETS / "examples" / "exports").glob("resnet-*.json")))
COMMON = {name: value for name, value in dict(EXAMPLE.spec).items() if name != "run_id"}


def error(family: str, params: float, records: float) -> float:
    return FLOOR[family] + 2.0 * params**-0.35 + 1.2 * records**-0.45


def study_tables(seed: int = 0, families: tuple[str, ...] = ("resnet", "vit"), sizes: tuple[str, ...] = TRAINED):
    """Runs of each family's sizes on four shares of the data, one to three seeds each, noise that grows towards small
    shares, a tenth of the scores missing; and the latencies and exports of those on all recordings."""
    rng, rows, latency, exports = np.random.default_rng(seed), [], [], []
    for family in families:
        for size in sizes:
            made = SIZES[f"{family}-{size}"]
            ledger = ledger_of(made, 12, 1024, 26)
            for share in (0.125, 0.25, 0.5, 1.0):
                for repeat in range(1 + int(rng.integers(3))):
                    spec = RunSpec.make(**COMMON | {
                        "model": ModelSpec(family=family, params=dict(vars(made))), "data_fraction": share,
                        "epochs": EPOCHS, "seed": repeat})
                    noise = 0.01 * share**-0.3
                    y = error(family, ledger.params, share * RECORDS) * np.exp(noise * rng.standard_normal(2))
                    gone = share < 1 and rng.random() < 0.1
                    rows.append({
                        "run_id": spec.run_id, "status": "failed" if gone else "finished", "family": family,
                        "optimizer": "adamw", "lr": 0.005, "seed": repeat, "epochs": EPOCHS, "data_fraction": share,
                        "params": ledger.params, "forward_flops": ledger.forward_flops,
                        "train_records": share * RECORDS, "samples_seen": share * RECORDS * EPOCHS,
                        "train_flops": ledger.step_flops * share * RECORDS * EPOCHS, "synthetic": True,
                        "valid_auroc": np.nan if gone else 1 - y[0], "test_auroc": np.nan if gone else 1 - y[1],
                        "test_auroc_low": 1 - 1.1 * y[1], "test_auroc_high": 1 - 0.9 * y[1]})
                    if share == 1 and repeat == 0:
                        latency += latencies(spec, ledger, f"{family}-{size}", rng)
                        exports.append(export_of(spec, ledger, f"{family}-{size}"))
    return pd.DataFrame(rows), LATENCY.arrow(pd.DataFrame(latency), "test").to_pandas(), exports


def latencies(spec, ledger, name, rng) -> list[dict]:
    rows = []
    for (runtime, option), (overhead, speed) in SPEED.items():
        for repeat in (1, 2):
            ms = (overhead + ledger.forward_flops / speed) * np.exp(0.02 * rng.standard_normal())
            rows.append(dict.fromkeys(LATENCY.columns) | {
                "run_id": spec.run_id, "model": name, "family": spec.model.family, "params": ledger.params,
                "forward_flops": ledger.forward_flops, "machine": "box", "runtime": runtime, "device": "cpu",
                "option": option, "artefact_digest": f"{name}-{option[10:]}", "scenario": "single", "batch": 1,
                "threads": 2, "repeat": repeat, "status": "ok", "fallback": False, "count": 100, "synthetic": True,
                "ran_precision": option[10:], "p50_ms": ms, "p50_low_ms": 0.98 * ms, "p50_high_ms": 1.02 * ms})
    return rows


def export_of(spec, ledger, name) -> Export:
    files = tuple(Artefact(format="onnx", precision=precision, file="model", status="ok", digest=f"{name}-{precision}",
                           bytes=weight * ledger.params + 5000) for precision, weight in (("float32", 4), ("int8", 1)))
    return EXAMPLE.model_copy(update={"spec": spec, "ledger": ledger, "label": name, "artefacts": files,
                                      "run_id": spec.run_id})


@pytest.fixture(scope="module")
def tables():
    return study_tables()


@pytest.fixture(scope="module")
def options(tables):
    return Options.of(*tables)


def test_the_measured_answer_is_the_best_that_both_budgets_pay_for(options):
    """By a walk through all rows: validation chooses, the interval of the latency ends within the budget."""
    own = options.table[options.table["kind"].eq("measured")]
    for ms, size in ((0.35, np.inf), (2.0, np.inf), (2.0, 3e5), (np.inf, 1e6)):
        row = answer(options, Question(ms, size)).query("kind == 'measured'").iloc[0]
        paid = own[(own["ms_high"] <= ms) & (own["bytes"] <= size)]
        assert row["run_id"] == paid.loc[paid["log_y"].idxmin(), "run_id"]
        assert (row["chosen_by"], row["response"], row["level"]) == ("valid_auroc", "test_auroc", 0.95)
        assert row["low"] < row["score"] < row["high"]
        assert row["ms_low"] < row["ms"] < row["ms_high"] <= ms
    assert answer(options, Question(ms=1e-3)).empty


def test_a_foretold_model_is_as_planted(tables, options):
    """Sizes that nobody trained: score, latency and file are foretold within their intervals, and better ones are told
    with a probability."""
    told = answer(options, Question(ms=3.0))
    row = told[told["kind"].eq("foretold")].iloc[0]
    made = ledger_of(SIZES[row["model"]], 12, 1024, 26)
    assert row["params"] == made.params > tables[0]["params"].max()
    truth = 1 - error(row["family"], made.params, RECORDS)
    assert row["low"] < truth < row["high"]
    overhead, speed = SPEED[row["runtime"], row["option"]]
    assert row["ms_low"] < overhead + made.forward_flops / speed < row["ms_high"] <= 3
    assert row["bytes"] == pytest.approx(made.params * (1 if row["precision"] == "int8" else 4), rel=0.05)
    assert 0.5 < row["probability"] <= 1
    assert "3.4 times the most parameters seen" in row["note"]
    assert options.table["params"].max() < SIZES_BEYOND_REACH
    assert any("is foretold: they would cost more than 10 times" in note for note in options.notes)


def test_intervals_of_foretold_models_hold():
    """Six tables, the size beyond the trained ones in both settings: nominal 90 %."""
    inside = []
    for seed in range(6):
        table = Options.of(*study_tables(seed, ("resnet",))).table
        row = table[table["kind"].eq("foretold") & table["model"].eq("resnet-2m")]
        made = ledger_of(SIZES["resnet-2m"], 12, 1024, 26)
        truth = 1 - error("resnet", made.params, RECORDS)
        inside += (row["low"].le(truth) & row["high"].ge(truth)).tolist()
        exact = [SPEED[key][0] + made.forward_flops / SPEED[key][1] for key in zip(row["runtime"], row["option"],
                                                                               strict=True)]
        inside += (row["ms_low"].le(exact) & row["ms_high"].ge(exact)).tolist()
    assert len(inside) == 24
    assert np.mean(inside) >= 0.8


def test_the_staircase_rises(options):
    """More time buys a better model; each step of the measured ones is a new run that its budget pays for."""
    stairs = staircase(options, Question())
    assert stairs.groupby("asked")["runtime"].nunique().loc["setting"] == len(SPEED)
    log_y = options.table.query("kind == 'measured'").drop_duplicates("run_id").set_index("run_id")["log_y"]
    for asked, keys in (("device", ["device"]), ("setting", ["runtime"])):
        for _, steps in stairs[stairs["asked"].eq(asked) & stairs["kind"].eq("measured")].groupby(keys):
            assert len(steps) > 1
            assert steps["budget_ms"].is_monotonic_increasing
            assert (steps["ms_high"] <= steps["budget_ms"]).all()
            assert np.all(np.diff(log_y[steps["run_id"]]) < 0)
    only = staircase(options, Question(where=(("runtime", "onnxruntime"),)))
    assert set(only["runtime"]) == {"onnxruntime"}


def test_what_was_foretold_is_confirmed_or_refuted_by_runs(options):
    """The larger networks are trained and measured: one where the law holds, one that is slow, one that is bad."""
    told = answer(options, Question(ms=3.0))
    row = told[told["kind"].eq("foretold")].iloc[0]
    assert confirmed(told, options)["verdict"].tolist() == [
        "waits: 0 such runs are trained, none measured in this setting"]
    size = row["model"].removeprefix(f"{row['family']}-")
    later = study_tables(7, (row["family"],), (*TRAINED, size))
    for change, said in (({}, "confirmed"), ({"ms": 2.0}, "refuted: latency and budget"), ({"score": 0.8},
                                                                                          "refuted: score")):
        runs, latency, exports = (one.copy() if isinstance(one, pd.DataFrame) else one for one in later)
        here = latency["params"].eq(row["params"])
        for name in ("p50_ms", "p50_low_ms", "p50_high_ms"):
            latency.loc[here, name] *= change.get("ms", 1.0)
        mine = runs["params"].eq(row["params"])
        runs.loc[mine, "test_auroc"] *= change.get("score", 1.0)
        [judged] = confirmed(told, Options.of(runs, latency, exports)).to_dict("records")
        assert judged["verdict"] == said
        scores = runs.loc[mine & runs["data_fraction"].eq(1), "test_auroc"]
        assert (judged["runs"], judged["found"]) == (len(scores), pytest.approx(scores.mean()))
        assert judged["inside"] == sum(judged["low"] <= score <= judged["high"] for score in scores)
        assert judged["found_ms_low"] < judged["found_ms"] < judged["found_ms_high"]


def test_the_runs_that_confirm_are_judged_by_themselves_and_said(options, tmp_path):
    """The results folder of the confirming study alone is enough; all its seeds count, one of which is exported."""
    told = answer(options, Question(ms=3.0))
    row = told[told["kind"].eq("foretold")].iloc[0]
    runs, latency, exports = study_tables(7, (row["family"],), (row["model"].removeprefix(f"{row['family']}-"),))
    runs = runs[runs["data_fraction"].eq(1)]
    runs = pd.concat([runs.assign(run_id=f"{seed}", seed=seed) if seed else runs for seed in range(3)])
    runs.to_parquet(tmp_path / "runs.parquet")
    LATENCY.write(latency, tmp_path / "latency" / "latency.parquet")
    DEPLOYMENT.write(told, tmp_path / "deployment.csv")
    exports[0].write(tmp_path / "model" / "export.json")
    found = recommend(tmp_path / "runs.parquet", [tmp_path / "latency"], [tmp_path / "model"],
                      told=[tmp_path / "deployment.csv"])
    assert found.judged["verdict"].tolist() == ["confirmed"]
    assert found.judged["runs"].tolist() == [len(runs)] != [1]
    assert found.told[-4].endswith(f"{row['runtime']} {row['precision']}: confirmed")
    assert f"promised {row['score']:.3f} [" in found.told[-3]
    assert f"found {runs['test_auroc'].mean():.3f} in the mean of {len(runs)} runs" in found.told[-3]
    assert found.told[-2].endswith("; at most 3")


def test_verdicts():
    assert verdict(3, True, (True, True), True) == "confirmed"
    assert verdict(3, True, (False, True), False) == "refuted: score and budget"
    assert verdict(0, False, (False, False), False).startswith("waits: 0 such runs are trained, none measured")
    assert verdict(3, False, (True, False), False).startswith("waits: 3 such runs are trained, none measured")


def test_the_study_trains_what_was_foretold(tables, tmp_path):
    """Read as a study and sampled, it gives the network, three seeds, and the settings of the run beside it."""
    runs, latency, exports = tables
    runs.to_parquet(tmp_path / "runs.parquet")
    LATENCY.write(latency, tmp_path / "latency" / "latency.parquet")
    for one in exports:
        one.write(tmp_path / one.label / "export.json")
    folders = [tmp_path / one.label for one in exports]
    (tmp_path / "study.yaml").write_text("name: mine\nsplit: {seed: 9}\nruns: []\n")
    found = recommend(tmp_path / "runs.parquet", [tmp_path / "latency"], folders, Question(ms=3.0),
                      study=tmp_path / "study.yaml")
    found.write(tmp_path / "out")
    assert DEPLOYMENT.read(tmp_path / "out" / "deployment.csv")["model"].tolist() == found.answer["model"].tolist()
    assert CONFIRMED.read(tmp_path / "out" / "confirmed.csv").empty
    [name] = found.studies
    study = read_study(tmp_path / "out" / name)
    planned, _ = sample(study, 26)
    row = found.answer.query("kind == 'foretold'").iloc[0]
    assert [(one.ledger.params, one.spec.seed) for one in planned] == [(row["params"], seed) for seed in (0, 1, 2)]
    assert (study.split.seed, study.deploy.runtimes) == (9, (row["runtime"],))
    ours, like = planned[0].spec, exports[0].spec
    for part in ("optimizer", "schedule", "loss", "batch_size", "epochs", "window", "leads", "recipe", "clip_norm"):
        assert getattr(ours, part) == getattr(like, part), part
    again = recommend(tmp_path / "runs.parquet", [tmp_path / "latency"], folders, Question(ms=3.0),
                      told=[tmp_path / "out" / "deployment.csv"])
    assert "waits" in again.told[-4]
    assert again.told[-3].endswith("found nothing yet")


def test_what_is_left_out_is_counted(tables):
    runs, latency, exports = tables
    latency = latency.assign(artefact_status="ok")
    latency.loc[0, "fallback"], latency.loc[1, "status"], latency.loc[2, "p50_ms"] = True, "void", None
    latency.loc[3, "artefact_status"], latency.loc[4, "run_id"] = "beyond-margin", "nobody's"
    made = Options.of(runs, latency, exports[:-1])
    assert made.notes[0] == (f"{len(latency)} latencies: {len(latency) - 4} used, 1 not measured or disturbed, 1 fell "
                             "back, 1 of a file that loses too much score, 1 without p50_ms")
    assert "1 latencies of 1 models have no run" in made.notes[1]
    assert made.notes[2].startswith("2 of ")


def test_latencies_of_other_files_and_networks_are_told(tables):
    """A size is that of the run's own file: the digest of a larger model's file once gave its bytes. And FLOPs that
    differ from the run table's move the foretold latency."""
    runs, latency, exports = tables
    own = Options.of(runs, latency, exports)
    assert not any("tell another" in note for note in own.notes)
    large = latency["artefact_digest"].iloc[-1]
    made = Options.of(runs, latency.assign(artefact_digest=large), exports)
    told = made.table[made.table["kind"].eq("measured")]
    assert set(told.loc[told["bytes_from"].eq("file"), "run_id"]) == {latency["run_id"].iloc[-1]}
    other = Options.of(runs, latency.assign(forward_flops=latency["forward_flops"] / 1000), exports)
    assert f"{len(latency)} of these latencies tell another forward_flops than the run table does" in str(other.notes)


@pytest.mark.parametrize(("spoil", "said"), [
    (lambda runs, latency, exports: (runs.assign(status="failed"), latency, exports), "no model has a score"),
    (lambda runs, latency, exports: (runs, latency.iloc[:0], exports), "no model has a score and a latency"),
    (lambda runs, latency, exports: (runs.drop(columns=["test_auroc"]), latency, exports), "no score of a model"),
    (lambda runs, latency, exports: (runs, latency.assign(run_id="x"), exports), "have no run with test_auroc")])
def test_a_table_that_says_nothing_is_refused(tables, spoil, said):
    with pytest.raises(UserError, match=said):
        Options.of(*spoil(*tables))


def test_why_nothing_is_foretold_is_said(tables, options):
    runs, latency, exports = tables
    assert "no export.json" in Options.of(runs, latency).notes[-1]
    few = Options.of(runs, latency[latency["model"].str.endswith(("20k", "60k"))], exports)
    assert "in 2 of 2 settings: at most 2 sizes of it were measured" in few.notes[-1]
    bare = Options.of(runs.drop(columns=["train_records"]), latency, exports)
    assert "the run table has no train_records" in bare.notes[-1]
    for name in ("lr", "family"):       # a column that another program renamed: ended in a traceback
        assert f"the run table has no {name}" in Options.of(runs.drop(columns=[name]), latency, exports).notes[-1]
    for one in (few, bare):
        assert set(one.table["kind"]) == {"measured"}
    with pytest.raises(UserError, match="no device 'npu' was measured"):
        answer(options, Question(where=(("device", "npu"),)))


def test_a_table_without_validation_says_that_its_score_is_flattered(tables):
    runs, latency, exports = tables
    assert Options.of(runs.drop(columns=["valid_auroc"]), latency, exports).scores.flattered
