"""Recipes, windows and leads against each other: planted effects, and intervals against SciPy and a plain bootstrap."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ecgscale.contracts import AXES, PREDICTIONS
from ecgscale.contracts.labels import LabelSet
from ecgscale.design.study import Evaluation
from ecgscale.errors import UserError
from ecgscale.evaluation.axes import axes
from ecgscale.evaluation.collect import collect, folders_of, read_metrics
from ecgscale.evaluation.evaluate import evaluate_runs
from ecgscale.training.train import train_batch
from tests.tiny_corpus import CLASSES, REGNET, planned, split_of, write_corpus

LABELS = LabelSet(CLASSES, tuple("abcd"), tuple("abcd"), ("",) * 4, (False,) * 4, None)
COUNT = 200


def runs(**axis) -> pd.DataFrame:
    """Two values of an axis, three networks, two seeds; the second value's rate is another."""
    rows = [{
        "run_id": f"{value}-{params}-{seed}", "status": "finished", "synthetic": True, "study": "toy",
        "family": "regnet", "optimizer": "adamw", "lr": 1e-3 * (1 + place), "epochs": 3, "data_fraction": 1.0,
        "batch_size": 8, "loss": "bce/mean", "augment": "", "precision": "float32", "split_digest": "s",
        "recipe": "study", "window": 1024, "lead_names": "I;II", "seed": seed, "params": params, "valid_loss": 0.3,
        "hp_depth": params // 1000, "configuration": f"{value}-{params}",
    } | {name: value} for name, values in axis.items() for place, value in enumerate(values)
        for params in (1000, 2000, 3000) for seed in (0, 1)]
    return pd.DataFrame(rows)


def predictions(table: pd.DataFrame, folder, shift: dict[str, float], seed: int = 0) -> dict:
    """Losses per recording: what a recording is like, what a network adds, what training adds by chance, the shift."""
    random = np.random.default_rng(seed)
    recording = random.gamma(2.0, 0.2, COUNT)
    patients = [f"p{place // 2}" for place in range(COUNT)]
    for row in table.to_dict("records"):
        by = next((amount for value, amount in shift.items() if row["run_id"].startswith(value)), 0.0)
        loss = recording + by + random.normal(0, 0.02) + random.normal(0, 0.05, COUNT) + 0.1 / (row["params"] / 1000)
        frame = pd.DataFrame({"record": [f"r{place}" for place in range(COUNT)], "part": "test", "patient": patients,
                              "loss": loss - loss.min() + recording.min()})
        PREDICTIONS.write(frame.sample(frac=1, random_state=1), folder / row["run_id"] / "predictions.parquet")
    return {name: folder / name for name in table["run_id"]}


def mean_loss(folder, name: str) -> float:
    return float(PREDICTIONS.read(folder / name / "predictions.parquet")["loss"].mean())


def test_the_interval_holds_patients_and_the_spread_between_pairs(tmp_path):
    """Its half widths are those of a bootstrap over patients and of Student's t by SciPy, in quadrature."""
    table = runs(recipe=("study", "study-record"))
    folders = predictions(table, tmp_path, {"study-record": 0.2})
    found = axes(table, folders, 1000)
    AXES.write(found, tmp_path / "axes.csv")
    assert set(found["value"]) == {"study-record"}
    assert set(found["reference"]) == {"study"}
    assert set(found["metric"]) == {"loss"}         # no Challenge score in these predictions
    assert found["params"].fillna(0).tolist() == [0, 1000, 2000, 3000]
    whole = found.iloc[0]
    apart = [np.mean([mean_loss(tmp_path, f"study-record-{params}-{seed}") - mean_loss(
        tmp_path, f"study-{params}-{seed}") for seed in (0, 1)]) for params in (1000, 2000, 3000)]
    assert whole["difference"] == pytest.approx(np.mean(apart))
    assert (whole["pairs"], whole["n"]) == (3, COUNT)
    reach = stats.t.interval(0.95, 2, np.mean(apart), stats.sem(apart))
    assert whole["low"] <= reach[0] <= whole["difference"] <= reach[1] <= whole["high"]
    frames = {name: PREDICTIONS.read(tmp_path / name / "predictions.parquet").set_index("record") for name in
              table["run_id"]}
    each = sum(frames[f"study-record-{params}-{seed}"]["loss"] - frames[f"study-{params}-{seed}"]["loss"]
                for params in (1000, 2000, 3000) for seed in (0, 1)) / 6
    by_patient = each.groupby(frames["study-1000-0"]["patient"]).mean()     # two recordings each
    half = np.hypot(1.96 * by_patient.std() / np.sqrt(len(by_patient)), reach[1] - np.mean(apart))
    assert whole["high"] - whole["difference"] == pytest.approx(half, rel=0.05)


def test_pairs_differ_in_nothing_else(tmp_path):
    """A network that only one value was trained with, a run that diverged and another split make no pair."""
    table = runs(lead_names=("I;II", "II"))
    folders = predictions(table, tmp_path, {"II": 0.3})
    table.loc[table["run_id"].str.startswith("II-1000"), "status"] = "diverged"
    table.loc[table["run_id"].str.startswith("II-2000"), "split_digest"] = "another"
    found = axes(table, folders, 100)
    assert found["pairs"].tolist() == [1]
    assert found["axis"].tolist() == ["leads"]
    assert found["reference"].tolist() == ["I;II"]
    assert found["note"].tolist() == [""]           # two seeds tell how training varies
    one = table[table["seed"].eq(0)]
    assert axes(one, folders, 100)["note"].iloc[0].startswith("one run of each value")


def test_windows_at_two_rates_are_compared_by_their_seconds(tmp_path):
    table = runs(recipe=("study", "study-100"))
    table["window"] = np.where(table["recipe"].eq("study"), 1280, 256)
    assert set(axes(table, predictions(table, tmp_path, {}), 50)["axis"]) == {"recipe"}
    table["window"] = 1280
    assert axes(table, predictions(table, tmp_path / "b", {}), 50).empty        # neither differs alone


def test_a_class_that_one_lead_shows(tmp_path):
    """Classes that swing in lead II alone: networks that see V1 alone are worse, and the interval says so."""
    corpus, random = write_corpus(tmp_path / "shard", 100), np.random.default_rng(1)
    signals = random.normal(size=np.shape(corpus.map(0)))
    for (_, offset, length), row in zip(corpus.places, corpus.labels, strict=True):
        seconds = np.arange(length) / 100
        signals[offset : offset + length, corpus.leads.index("II")] += sum(
            3 * np.sin(2 * np.pi * (2 + 3 * place) * seconds) for place in np.flatnonzero(row))
    corpus.maps[0] = signals.astype(np.float16)
    split, info = split_of(corpus)
    split["part"] = np.where(np.arange(100) < 40, "train", np.where(np.arange(100) < 50, "valid", "test"))
    specs = [planned(leads=(lead,), seed=seed, epochs=8, augment=(), model=REGNET) for lead in ("II", "V1")
             for seed in (0, 1)]
    results = train_batch(specs, corpus, split, info, tmp_path / "trained", tmp_path / "checkpoints")
    trained = [tmp_path / "trained" / result.spec.run_id for result in results]
    evaluate_runs(trained, corpus, split, info, LABELS, Evaluation(bootstrap=10, examples=0), tmp_path / "evaluated")
    evaluated = [tmp_path / "evaluated" / folder.name for folder in trained]
    metrics = read_metrics(evaluated)
    found, = axes(collect(trained, metrics), folders_of(metrics), 500).to_dict("records")
    assert (found["axis"], found["value"], found["reference"]) == ("leads", "V1", "II")
    assert found["low"] > 0
    assert found["pairs"] == 1


def test_each_run_takes_the_corpus_of_its_recipe(tmp_path):
    """The same recordings by two recipes, one of them without the classes' swings: trained and judged on its own."""
    first, other = write_corpus(tmp_path / "a"), write_corpus(tmp_path / "b")
    other.recipe, other.digest = {"name": "wide"}, "wide-corpus"
    split, info = split_of(first)
    info = info.model_copy(update={"others": {"wide": other.digest}})
    specs = [planned(recipe=recipe, epochs=1) for recipe in ("study", "wide")]
    results = train_batch(specs, first, split, info, tmp_path / "trained", tmp_path / "checkpoints", others=[other])
    assert [(result.status, result.corpus_digest) for result in results] == [
        ("finished", first.digest), ("finished", "wide-corpus")]
    trained = [tmp_path / "trained" / result.spec.run_id for result in results]
    evaluate_runs(trained, first, split, info, LABELS, Evaluation(bootstrap=10, examples=0), tmp_path / "evaluated",
                  others=[other])
    losses = [PREDICTIONS.read(tmp_path / "evaluated" / folder.name / "predictions.parquet")["loss"].mean()
              for folder in trained]
    assert np.isfinite(losses).all()
    with pytest.raises(UserError, match="the split was not made for the corpus wide-corpus of wide"):
        train_batch(specs, first, split, info.model_copy(update={"others": {}}),
                    tmp_path / "again", tmp_path / "checkpoints", others=[other])
