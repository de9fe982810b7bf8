"""Scores of larger runs and of another family: against a truth planted in the table, and where nothing can be asked."""

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestRegressor

from ecgscale.analysis.beyond import conformal, foretold, largest, sizes_of
from ecgscale.laws.columns import response

FOREST = RandomForestRegressor(20, min_samples_leaf=3, random_state=0)


def runs(seed=0, families=("regnet", "vit")) -> pd.DataFrame:
    """A designed table: 7 sizes by 5 shares of the data by two rates, of which one costs a fifth of the error; noise
    that grows towards small networks."""
    random = np.random.default_rng(seed)
    n, d, lr, family = (axis.ravel() for axis in np.meshgrid(
        np.geomspace(1e4, 1e6, 7), np.geomspace(500, 16_000, 5), [1e-3, 1e-2], np.arange(len(families))))
    error = (0.05 + 3 * n**-0.25 + 2 * d**-0.3) * np.where(lr < 5e-3, 1.2, 1.0) * (1 + 0.1 * family)
    error = error * np.exp(0.02 * (1e6 / n) ** 0.15 * random.standard_normal(len(n)))
    return pd.DataFrame({
        "run_id": [f"run{place}" for place in range(len(n))], "status": "finished",
        "family": np.array(families)[family.astype(int)], "optimizer": "adamw", "lr": lr, "params": n,
        "train_records": d, "train_flops": n * d, "hp_width": np.sqrt(n), "test_auroc": 1 - error})


def asked(frame: pd.DataFrame):
    X = frame[["lr", "hp_width", "train_records"]].assign(family=frame["family"].astype("category").cat.codes)
    return foretold(frame, X, response(frame, "test_auroc"), FOREST)


@pytest.fixture(scope="module")
def ahead():
    return asked(runs())


def rmse(ahead, scheme, model):
    part = ahead[ahead["scheme"].eq(scheme) & ahead["model"].eq(model)]
    return np.sqrt(np.mean((part["truth"] - part["prediction"]) ** 2))


def test_the_largest_are_told_better_by_a_law_than_by_a_forest(ahead):
    """What the rate costs is told by trees alone, what size gains by the law alone: both together are best."""
    told, _ = ahead
    errors = {model: rmse(told, "largest held out", model) for model in told["model"].unique()}
    assert errors["law and trees"] < 0.6 * errors["random forest"]
    assert errors["law and trees"] < errors["law"]
    part = told[told["scheme"].eq("largest held out")]
    assert part["row"].nunique() == (runs()["train_flops"] > runs()["train_flops"].quantile(0.8, "lower")).sum()
    assert part["truth"].tolist() == pytest.approx(runs()["test_auroc"].iloc[part["row"]].tolist())


def test_intervals_hold_where_the_next_step_is_like_the_last_one():
    """Six tables, nominal 90 %: the step held out is as long as the one that the errors are taken from."""
    inside = []
    for seed in range(6):
        told, _ = asked(runs(seed, ("regnet",)))
        part = told[told["model"].eq("law and trees") & told["scheme"].eq("largest held out")]
        inside.append((part["low"].le(part["truth"]) & part["truth"].le(part["high"])).mean())
    assert 0.8 <= np.mean(inside) <= 1


def test_each_family_is_told_by_the_others(ahead):
    told, _ = ahead
    part = told[told["scheme"].eq("family held out") & told["model"].eq("law")]
    assert len(part) == len(runs())
    assert part.groupby("fold")["row"].agg(lambda rows: runs()["family"].iloc[rows].nunique()).eq(1).all()
    assert part["low"].isna().sum() == 0


def test_an_interval_that_cannot_be_had_has_no_end():
    frame = runs().head(10)

    class Few:
        log_y, runs = np.zeros(10), frame

    assert conformal(Few(), np.arange(10), largest, lambda known, wanted: np.zeros(len(wanted))) == np.inf


def test_what_the_table_does_not_hold_is_said():
    frame = runs(families=("regnet",)).drop(columns=["params", "train_records", "train_flops"])
    X = frame[["lr", "hp_width"]]
    told, why = foretold(frame, X, response(frame, "test_auroc"), FOREST)
    assert sizes_of(frame) == ((), "no size has 3 values")
    assert set(why) == {"laws beyond the table", "largest held out", "family held out"}
    assert told.empty
