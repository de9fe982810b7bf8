"""The predictor: statistics against SciPy, findings against planted truth both ways, honesty with few runs."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau, pearsonr, spearmanr
from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor
from sklearn.model_selection import KFold, cross_val_predict

from ecgscale.analysis import agreement, importance, predictor
from ecgscale.contracts import EFFECTS, IMPORTANCE, PREDICTED, Predictor


def run_table(n=60, seed=0, effect=None, offsets=(0.0, 0.0, 0.0), noise=0.02) -> pd.DataFrame:
    """RegNet runs with random hyperparameters; score = optimizer's offset + effect(hyperparameters) + noise."""
    random = np.random.default_rng(seed)
    optimizer = np.array(["adamw", "sgd", "sgdm"])[np.arange(n) % 3]
    frame = pd.DataFrame({
        "run_id": [f"run{i:04d}" for i in range(n)], "status": "finished", "synthetic": True, "family": "regnet",
        "optimizer": optimizer, "lr": random.uniform(1e-3, 1e-2, n), "seed": 0,
        "hp_depth": random.integers(4, 21, n).astype(float), "hp_w_m": random.uniform(1.1, 3.0, n),
        "hp_stages": random.integers(1, 8, n).astype(float), "hp_se_ratio": random.choice([0.25, np.nan], n),
    })
    score = 0.5 + np.array(offsets)[np.arange(n) % 3] + noise * random.standard_normal(n)
    score = score + (effect(frame) if effect else 0.0)
    return frame.assign(test_challenge_score=score, test_challenge_score_low=score - 0.01,
                        test_challenge_score_high=score + 0.01)


def value(document: Predictor, **where) -> dict:
    found = [entry for entry in document.results if where.items() <= entry.items()]
    assert len(found) == 1, found
    return found[0]


@pytest.fixture(autouse=True, scope="module")
def small_ensembles():
    """Fewer trees and refits: what is tested here does not depend on how many."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importance, "REFITS", 4)
        patch.setattr(predictor, "models", lambda seed: {
            "random forest": RandomForestRegressor(30, min_samples_leaf=3, max_features=0.5, random_state=seed),
            "gradient boosting": GradientBoostingRegressor(n_estimators=30, random_state=seed)})
        yield


FOREST = {"model": "random forest", "scheme": "3-fold"}


@pytest.fixture(scope="module")
def separated():
    """Three optimizers of very different means, hyperparameters without any effect."""
    return predictor.predict(run_table(offsets=(0.2, 0.0, 0.1)), seed=1, bootstrap=50)


@pytest.fixture(scope="module")
def planted():
    return predictor.predict(run_table(effect=lambda f: 0.03 * f["hp_stages"]), seed=1, bootstrap=50)


def test_pooled_r_is_high_and_r_within_optimizers_is_nothing_where_only_the_means_differ(separated):
    document, *_ = separated
    assert value(document, **FOREST, statistic="pearson", group="all")["estimate"] > 0.9
    within = value(document, **FOREST, statistic="pearson", group="within")
    assert within["low"] < 0.1
    assert value(document, **FOREST, statistic="rmse_over_group_mean", group="all")["high"] > 0.95


def test_plain_folds_are_those_of_sklearn(planted):
    _, _, predicted, _ = planted
    runs = run_table(effect=lambda f: 0.03 * f["hp_stages"])
    forest, folds = predictor.models(1)["random forest"], KFold(3, shuffle=True, random_state=1)
    expected = cross_val_predict(forest, predictor.features(runs), runs["test_challenge_score"], cv=folds)
    told = predicted[predicted["model"].eq("random forest") & predicted["scheme"].eq("3-fold")]
    assert told["fold"].nunique() == 3
    assert told.set_index("run_id")["prediction"][runs["run_id"]].to_numpy() == pytest.approx(expected)


def test_statistics_are_those_of_scipy(planted):
    document, _, predicted, _ = planted
    chosen = predicted[predicted["model"].eq("random forest") & predicted["scheme"].eq("3-fold")]
    adamw = chosen[chosen["group"].eq("optimizer=adamw")]
    for rows, group in ((chosen, "all"), (adamw, "optimizer=adamw")):
        pairs = rows["truth"], rows["prediction"]
        assert value(document, **FOREST, statistic="pearson", group=group)["estimate"] == pytest.approx(
            pearsonr(*pairs).statistic)
        assert value(document, **FOREST, statistic="kendall", group=group)["estimate"] == pytest.approx(
            kendalltau(*pairs).statistic)
    folds = [pearsonr(rows["truth"], rows["prediction"]).statistic for _, rows in chosen.groupby("fold")]
    assert value(document, **FOREST, statistic="pearson_fold_mean")["estimate"] == pytest.approx(np.mean(folds))
    centred = chosen[["truth", "prediction"]] - chosen.groupby("group")[["truth", "prediction"]].transform("mean")
    assert value(document, **FOREST, statistic="pearson", group="within")["estimate"] == pytest.approx(
        pearsonr(centred["truth"], centred["prediction"]).statistic)


def test_every_estimate_has_an_interval_around_it(planted):
    document, *_ = planted
    for entry in document.results:
        if entry["statistic"] != "recording_error":
            assert entry["low"] <= entry["estimate"] <= entry["high"], entry


@pytest.mark.parametrize("digits", [1, 9])
def test_weighted_kendall_is_that_of_the_repeated_rows(digits):
    random = np.random.default_rng(2)
    one = pd.DataFrame({"row": np.arange(30), "truth": random.random(30).round(digits),
                        "prediction": random.random(30).round(1)})
    counts = random.integers(0, 4, 30)
    repeated = one.loc[np.repeat(np.arange(30), counts)]
    expected = kendalltau(repeated["truth"], repeated["prediction"]).statistic
    assert agreement.kendall(one, [np.arange(30)], counts[None].astype(float))[0] == pytest.approx(expected)


def test_of_many_runs_whole_architectures_are_looked_at_and_it_is_said(monkeypatch):
    monkeypatch.setattr(predictor, "MOST", 40)
    monkeypatch.setattr(predictor, "SCHEMES", ("3-fold",))
    monkeypatch.setattr(predictor, "REPEATS", 1)
    monkeypatch.setattr(predictor, "importances", lambda *of: (IMPORTANCE.empty(), EFFECTS.empty(), [], {}))
    table = run_table(90, effect=lambda f: 0.03 * f["hp_stages"])
    shared = table.filter(like="hp_").iloc[np.arange(90) // 3 * 3].set_axis(table.index)     # three runs of each
    document, _, predicted, _ = predictor.predict(table.assign(**shared), seed=1, bootstrap=10)
    assert document.runs == 42
    assert document.excluded == {"finished": 48}
    assert "42 of 90 finished runs" in document.disabled["all runs at once"]
    place = predicted["run_id"].str.removeprefix("run").astype(int)
    assert place.floordiv(3).drop_duplicates().size == 14


def test_planted_stages_come_first_by_every_measure_and_carry_their_sign(planted):
    _, importances, *_ = planted
    forest = importances[importances["model"].eq("random forest") & importances["group"].eq("all")]
    for _, rows in forest.groupby("measure"):
        first = rows.sort_values("estimate").iloc[-1]
        assert first["feature"] == "stages"
        assert first["spearman"] > 0.8
        others = rows[rows["feature"].ne("stages")]
        assert (first["low"] > others["high"]).all()


def test_nothing_planted_nothing_found():
    _, importances, _, _ = predictor.predict(run_table(), seed=1, bootstrap=50)
    found = importances.query("measure == 'permutation' and group == 'all' and model == 'random forest'")
    assert (found["low"] <= 0.05).all()


def test_names_stand_at_their_own_places_and_a_measured_loss_is_no_setting():
    """Of 14 names twelve are drawn, and each optimizer has its own; in a table of others `loss` holds what came out."""
    runs = run_table(n=70, effect=lambda f: 0.03 * f["hp_stages"])
    runs = runs.assign(loss=1 - runs["test_challenge_score"], recipe=[f"n{k % 14:02d}" for k in range(70)])
    worth = dict(zip(sorted(runs["recipe"].unique()), range(14), strict=True))
    runs["test_challenge_score"] += 0.1 * runs["recipe"].map(worth)
    document, *_ = predictor.predict(runs, seed=1, bootstrap=50)
    assert "loss" not in document.features
    curves = [one for one in document.dependence if one["feature"] == "recipe"]
    assert curves
    for one in curves:
        assert [worth[name] for name in one["labels"]] == one["grid"]
        assert len(one["estimate"]) == len(one["grid"]) <= importance.GRID


def test_partial_dependence_follows_a_planted_line(planted):
    document, *_ = planted
    curve = next(entry for entry in document.dependence if entry["group"] == "all" and entry["feature"] == "stages")
    slope = np.polyfit(curve["grid"], curve["estimate"], 1)[0]
    assert 0.02 < slope < 0.033  # planted 0.03; trees shrink the ends


def test_grouped_folds_keep_the_seeds_of_an_architecture_together():
    cluster = np.repeat(np.arange(12), 4)
    for train, test in predictor.splits("grouped 3-fold", cluster, seed=3):
        assert not set(cluster[train]) & set(cluster[test])
    assert len(list(predictor.splits("repeated 3-fold", cluster, seed=3))) == 15


def test_seeds_give_the_noise_that_was_put_in():
    table = pd.concat([run_table(60, seed=5, noise=0.0).assign(seed=s) for s in range(4)], ignore_index=True)
    table["run_id"] = [f"run{i:04d}" for i in range(len(table))]
    table["test_challenge_score"] += 0.02 * np.random.default_rng(1).standard_normal(len(table))
    noise, disabled = predictor.noise_floor(predictor.finished(table, "test_challenge_score"), "test_challenge_score")
    assert noise[0]["low"] < 0.02 < noise[0]["high"]
    assert (noise[0]["n"], disabled) == (180, {})


def test_correlated_features_are_named():
    random = np.random.default_rng(4)
    depth = random.random(40)
    X = pd.DataFrame({"depth": depth, "stages": depth + 0.1 * random.random(40), "lr": random.random(40)})
    pairs = importance.correlated_pairs(X, np.zeros(40))
    assert [(pair["first"], pair["second"]) for pair in pairs] == [("depth", "stages")]
    assert importance.correlation_notes(X)["depth"].startswith("correlated with stages (+0.9")


def test_shap_values_add_up_to_the_prediction():
    random = np.random.default_rng(6)
    X, y = random.random((40, 3)), random.random(40)
    forest = RandomForestRegressor(20, random_state=0).fit(X, y)
    total = importance.shap_values(forest, X).sum(axis=1)
    assert np.ptp(forest.predict(X) - total) < 1e-6  # local accuracy: they differ by one constant


def test_a_dozen_runs_are_fitted_with_a_warning_and_fewer_not_at_all():
    document, _, predicted, _ = predictor.predict(run_table(12), seed=1, bootstrap=20)
    assert document.warning.startswith("12 runs are too few to say much")
    assert len(predicted)
    document, importances, predicted, _ = predictor.predict(run_table(8), seed=1, bootstrap=20)
    assert "8 finished runs" in document.disabled["predictor"]
    assert importances.empty
    assert predicted.empty


def test_runs_without_a_score_are_counted_not_used():
    table = run_table(12)
    table.loc[:1, "status"] = "diverged"
    table.loc[:1, "test_challenge_score"] = np.nan
    document, *_ = predictor.predict(table, seed=1, bootstrap=20)
    assert (document.runs, document.excluded) == (10, {"diverged": 2})


def test_what_is_constant_within_every_family_is_no_feature_of_its_own():
    table = pd.concat([run_table(12), run_table(12, seed=1).assign(family="vit", hp_depth=np.nan, hp_w_m=np.nan)],
                      ignore_index=True).assign(hp_heads=[np.nan] * 12 + [8.0] * 12)
    found = predictor.features(table)
    assert "heads" not in found
    assert {"family", "depth", "w_m", "stages", "optimizer"} <= set(found)
    pairs = importance.correlated_pairs(found, importance.families_of(found))
    assert {"depth", "w_m"} not in [{pair["first"], pair["second"]} for pair in pairs]


def test_in_a_table_of_others_unknown_numbers_are_the_hyperparameters():
    table = pd.DataFrame({"run_id": list("abcd"), "layers": [1, 2, 3, 4], "accuracy": [0.1, 0.2, 0.3, 0.4],
                          "params": [1e5, 2e5, 3e5, 4e5], "val_loss": [4.0, 3, 2, 1], "lr": [1e-3, 2e-3, 1e-3, 3e-3],
                          "comment": ["x", "y", "z", "w"]})
    assert set(predictor.features(table)) == {"layers", "lr"}


def test_findings_are_asked_only_of_enough_runs(planted):
    assert len(planted[0].claims) == 8
    document, *_ = predictor.predict(run_table(12), seed=1, bootstrap=20)
    assert [one["verdict"] for one in document.claims] == ["cannot be told"]


def test_files_keep_their_contracts_and_repeat_to_the_digit(planted, tmp_path):
    document, importances, predicted, effects = planted
    again, importances_again, _, effects_again = predictor.predict(
        run_table(effect=lambda f: 0.03 * f["hp_stages"]), seed=1, bootstrap=50)
    assert again == document
    pd.testing.assert_frame_equal(importances, importances_again)
    pd.testing.assert_frame_equal(effects, effects_again)
    document.write(tmp_path / "predictor.json")
    assert Predictor.read(tmp_path / "predictor.json") == document
    IMPORTANCE.write(importances, tmp_path / "importance.csv")
    PREDICTED.write(predicted, tmp_path / "predicted.csv")
    EFFECTS.write(effects, tmp_path / "effects.parquet")
    assert len(PREDICTED.read(tmp_path / "predicted.csv")) == 60 * 3 * (1 + 1 + 5)


def test_effects_are_the_shap_values_of_each_run(planted):
    """Their mean size is the importance; the planted hyperparameter's own rise with its value; all of a run add up to
    the forest's prediction less its mean (local accuracy, Lundberg and Lee 2017)."""
    _, importances, _, effects = planted
    effects = effects.query("group == 'all' and model == 'random forest'")
    size = effects["shap"].abs().groupby(effects["feature"]).mean()
    shown = importances.query("group == 'all' and model == 'random forest' and measure == 'shap'")
    pd.testing.assert_series_equal(size.sort_index(), shown.set_index("feature")["estimate"].sort_index(),
                                   check_names=False)
    stages = effects[effects["feature"].eq("stages")]
    assert spearmanr(stages["value"], stages["shap"]).statistic > 0.95
    table = run_table(effect=lambda f: 0.03 * f["hp_stages"])
    score = table.set_index("run_id")["test_challenge_score"]
    total = effects.groupby("run_id")["shap"].sum()
    assert set(total.index) == set(score.index)
    assert np.corrcoef(total, score[total.index])[0, 1] > 0.9
    assert abs(total.mean()) < 0.01


@pytest.mark.parametrize("target", ["test_auroc", "test_challenge_score"])
def test_a_table_that_cannot_be_fitted_says_why(target):
    table = run_table(12)
    table["test_challenge_score"] = 0.5
    document, *_ = predictor.predict(table, target, seed=1, bootstrap=20)
    assert ("no column" if target == "test_auroc" else "same score") in document.disabled["predictor"]
