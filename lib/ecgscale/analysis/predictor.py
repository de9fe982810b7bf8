"""How well hyperparameters predict the score, and how sure that is.

The study reports one Pearson r over three optimizers together, as the mean over three folds. Groups of different means
inflate it: predicting each group's mean alone gives a high r. So every r stands here beside the r within each
optimizer, the error of predicting the group's mean, and the error that no predictor can avoid (seeds, recordings).

Intervals: 95 %, percentile bootstrap of the out-of-fold predictions over architectures (runs of one architecture stay
together), the fitted models kept. They say how far the statistic depends on which runs are in the table.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy.stats import chi2
from sklearn import config_context
from sklearn.base import clone
from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor
from sklearn.model_selection import GroupKFold, KFold

from ecgscale.analysis.agreement import cluster_weights, kendall, pearson, result, rmse, summarize
from ecgscale.analysis.beyond import foretold, judged, named
from ecgscale.analysis.findings import claims, few_runs
from ecgscale.analysis.importance import correlated_pairs, families_of, importances
from ecgscale.contracts import EFFECTS, IMPORTANCE, PREDICTED, RUNS, Predictor, digest
from ecgscale.contracts.run_table import configurations, finished, hyperparameters, recording_deviation, seed_deviation
from ecgscale.laws.columns import SIZES, response
from ecgscale.machine.provenance import versions
from ecgscale.tables.names import is_response

FOLDS, REPEATS = 3, 5
FEW = 50       # runs; with fewer, a warning
FEWEST = 9     # runs; with fewer, three folds of three cannot be made and nothing is fitted
MOST = 1000    # runs that are looked at; of more, architectures are drawn until there are so many
BASELINE = "group mean"
SCHEMES = ("3-fold", "grouped 3-fold", "repeated 3-fold")
SETTINGS = ("lr", "weight_decay", "epochs", "data_fraction", "batch_size", "window", "leads")
NAMED = ("family", "optimizer", "loss", "augment", "recipe", "precision")


def models(seed: int) -> dict[str, RandomForestRegressor | GradientBoostingRegressor]:
    """The two tree ensembles, not fitted. The forest is named in the study's text, boosting is what it ran.

    One thread: tables are small, and threads cost these forests more than they give.
    """
    return {
        "random forest": RandomForestRegressor(200, min_samples_leaf=3, max_features=0.5, random_state=seed),
        "gradient boosting": GradientBoostingRegressor(n_estimators=200, learning_rate=0.05, max_depth=3,
                                                       subsample=0.7, random_state=seed),
    }


@config_context(skip_parameter_validation=True)     # sklearn's, of each of 12,000 trees: a tenth of the time
def predict(runs: pd.DataFrame, target: str = "test_challenge_score", seed: int = 0,
            bootstrap: int = 300) -> tuple[Predictor, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Cross-validated prediction of `target` from hyperparameters: (Predictor, IMPORTANCE, PREDICTED, EFFECTS).

    Only finished runs enter, of more than MOST a part of their architectures; `excluded` counts the others. Too few
    runs: empty tables, and `disabled` says why.
    """
    ended = finished(runs, target)
    kept = drawn(ended, seed)
    X = features(kept)
    left_out = runs[~runs["run_id"].isin(kept["run_id"])] if "run_id" in runs else runs.iloc[:0]
    status = left_out["status"] if "status" in left_out else pd.Series("no score", index=left_out.index)
    document = Predictor(
        table_digest=table_digest(kept, X, target), synthetic=bool(runs.get("synthetic", pd.Series(False)).any()),
        runs=len(kept), target=target, features=tuple(X), warning=warning(len(kept)), results=[],
        excluded={str(name): int(count) for name, count in status.value_counts().sort_index().items()},
        versions=versions())
    reason = unfit(kept, X, target)
    if reason:
        return (document.model_copy(update={"disabled": {"predictor": reason}}), IMPORTANCE.empty(), PREDICTED.empty(),
                EFFECTS.empty())
    truth, group = kept[target].to_numpy(float), groups_of(kept)
    cluster = architectures(kept)
    repeated = out_of_fold(X, truth, group, cluster, "repeated 3-fold", seed)
    by_scheme = {"3-fold": repeated[repeated["fold"] < FOLDS],      # the first of the repeats
                 "grouped 3-fold": out_of_fold(X, truth, group, cluster, "grouped 3-fold", seed),
                 "repeated 3-fold": repeated}
    predicted = pd.concat([by_scheme[scheme].assign(scheme=scheme) for scheme in SCHEMES])
    predicted = predicted.assign(run_id=kept["run_id"].to_numpy()[predicted["row"]], group=group[predicted["row"]],
                                 truth=truth[predicted["row"]])
    noise, disabled = noise_floor(kept, target)
    if len(kept) < len(ended):
        disabled["all runs at once"] = (f"{len(kept)} of {len(ended)} finished runs are looked at, those of "
                                        "architectures drawn at random")
    ahead, not_asked = foretold(kept, X, response(kept, target), models(seed)["random forest"])
    results = [*noise, *evaluate(predicted, cluster, bootstrap, seed, noise),
               *judged(ahead, named(kept, "family"), cluster, bootstrap, seed)]
    if len(np.unique(cluster)) == len(cluster):
        disabled["grouped folds"] = "no architecture occurs twice, so they are plain folds"
    importance, effects, dependence, thin = importances(X, truth, group, cluster, models(seed), bootstrap, seed,
                                                        kept["run_id"].to_numpy())
    weights = cluster_weights(cluster, bootstrap, np.random.default_rng(seed))
    for curve in dependence:
        if curve["feature"] in words(kept):
            names = sorted(kept[curve["feature"]].fillna("").unique())
            curve["labels"] = [names[int(code)] for code in curve["grid"]]
    found = claims(X, truth, group, importance, results, weights) if len(kept) >= FEW else [few_runs(len(kept))]
    document = document.model_copy(update={
        "results": results, "correlated": correlated_pairs(X, families_of(X)), "dependence": dependence,
        "claims": found, "disabled": disabled | thin | not_asked})
    if len(ahead):
        ahead = ahead.assign(run_id=kept["run_id"].to_numpy()[ahead["row"]], group=group[ahead["row"]])
    columns = ["model", "scheme", "fold", "run_id", "group", "truth", "prediction", "low", "high"]
    told = pd.concat([predicted, ahead]).reindex(columns=columns).reset_index(drop=True)
    return document, importance, told, effects


def drawn(runs: pd.DataFrame, seed: int) -> pd.DataFrame:
    """All runs, or those of so many architectures, drawn at random, as hold MOST of them."""
    if len(runs) <= MOST:
        return runs
    cluster = architectures(runs)
    place = np.random.default_rng(seed).permutation(cluster.max() + 1)[cluster]    # (run,) of its architecture's draw
    return runs[place <= np.sort(place)[MOST - 1]].reset_index(drop=True)


def features(runs: pd.DataFrame) -> pd.DataFrame:
    """(run, hyperparameter) of what varies in the table. Absent is 0: no squeeze-excitation, or another family's.

    What is constant within every family only says which family it is, and is left out. Names are coded by their
    alphabetical place: a tree splits them as well as any other code.
    """
    numbers = [*(hyperparameters(runs) or unknown_numbers(runs)), *SETTINGS]
    columns = {name.removeprefix("hp_"): runs[name].astype(float).fillna(0.0) for name in numbers
               if name in runs and pd.api.types.is_numeric_dtype(runs[name])}
    columns |= {name: runs[name].fillna("").astype("category").cat.codes.astype(float)
                for name in words(runs)}
    frame = pd.DataFrame(columns, index=runs.index)
    if "family" not in frame:
        return frame.loc[:, varying(frame)]
    within = np.any([varying(part) for _, part in frame.groupby("family")], axis=0)
    return frame.loc[:, varying(frame) & (within | frame.columns.isin(["family"]))]


def words(runs: pd.DataFrame) -> list[str]:
    """The settings that are names. In a table of others `loss` may be what is measured: a number, and no setting."""
    return [name for name in NAMED if name in runs and not pd.api.types.is_numeric_dtype(runs[name])]


def unknown_numbers(runs: pd.DataFrame) -> list[str]:
    """In a table of others: the columns of numbers that are neither known, nor a score, a loss or a size."""
    return [name for name in runs if pd.api.types.is_numeric_dtype(runs[name]) and RUNS.type_of(name) is None
            and name not in SIZES and not is_response(name)]


def varying(frame: pd.DataFrame) -> np.ndarray:
    """(column,) bool: holds more than one value."""
    values = frame.to_numpy()
    return (values != values[:1]).any(axis=0)


def groups_of(runs: pd.DataFrame) -> np.ndarray:
    """(run,) "optimizer=adamw"; "all" in a table without optimizers."""
    return ("optimizer=" + runs["optimizer"].fillna("–").astype(str)).to_numpy() if "optimizer" in runs \
        else np.full(len(runs), "all", dtype=object)


def architectures(runs: pd.DataFrame) -> np.ndarray:
    """(run,) number of each run's architecture: family and its hyperparameters, whatever trained it."""
    keys = [name for name in ("family",) if name in runs] + hyperparameters(runs)
    return runs.groupby(keys, dropna=False, sort=False).ngroup().to_numpy() if keys else configurations(runs)


def table_digest(runs: pd.DataFrame, X: pd.DataFrame, target: str) -> str:
    values = runs[target].astype(float).tolist() if target in runs else []
    return digest([runs["run_id"].tolist(), list(X), X.to_numpy().tolist(), values])


def warning(runs: int) -> str:
    return "" if runs >= FEW else (
        f"{runs} runs are too few to say much: fewer than {FEW}. Read the intervals, not the estimates")


def unfit(runs: pd.DataFrame, X: pd.DataFrame, target: str) -> str:
    """Why nothing can be fitted, or ""."""
    if target not in runs:
        return f"the table has no column {target!r}"
    if len(runs) < FEWEST:
        return f"{len(runs)} finished runs with {target}; {FEWEST} are the least for {FOLDS} folds"
    if X.shape[1] == 0:
        return "no hyperparameter varies in this table"
    if architectures(runs).max() + 1 < FOLDS:
        return f"fewer than {FOLDS} architectures: grouped folds cannot be made"
    return "all runs have the same score" if np.ptp(runs[target]) == 0 else ""


def splits(scheme: str, cluster: np.ndarray, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(train rows, test rows) of each fold, "grouped 3-fold" or "repeated 3-fold". Grouped: an architecture is never on
    both sides."""
    rows = np.arange(len(cluster))
    if scheme == "grouped 3-fold":
        yield from GroupKFold(FOLDS, shuffle=True, random_state=seed).split(rows, groups=cluster)
        return
    for repeat in range(REPEATS):
        yield from KFold(FOLDS, shuffle=True, random_state=seed + repeat).split(rows)


def out_of_fold(X: pd.DataFrame, truth: np.ndarray, group: np.ndarray, cluster: np.ndarray, scheme: str,
                seed: int) -> pd.DataFrame:
    """Columns model, fold, row, prediction: each model's, and the mean of the row's group in the training folds."""
    parts = []
    for fold, (train, test) in enumerate(splits(scheme, cluster, seed)):
        means = pd.Series(truth[train]).groupby(group[train]).mean()
        made = {BASELINE: means.reindex(group[test]).fillna(truth[train].mean()).to_numpy()}
        for name, model in models(seed).items():
            made[name] = clone(model).fit(X.iloc[train], truth[train]).predict(X.iloc[test])
        parts += [pd.DataFrame({"model": name, "fold": fold, "row": test, "prediction": values})
                  for name, values in made.items()]
    return pd.concat(parts, ignore_index=True)


def noise_floor(runs: pd.DataFrame, target: str) -> tuple[list[dict], dict[str, str]]:
    """Two errors that no predictor from hyperparameters can avoid, and what could not be told."""
    found, disabled = [], {}
    noise, freedom = seed_deviation(runs[target].to_numpy(float), configurations(runs))
    if noise is None:
        disabled["seed noise"] = "no configuration was trained with a second seed"
    else:
        low, high = noise * np.sqrt(freedom / chi2.ppf([0.975, 0.025], freedom))  # of a normal sample's deviation
        found.append(result("", "", "seed_noise", "all", noise, low, high, freedom))
    error = recording_deviation(runs, target)
    if np.isfinite(error).any():
        found.append(result("", "", "recording_error", "all", np.sqrt(np.nanmean(error ** 2)), None, None,
                            int(np.isfinite(error).sum())))
    else:
        disabled["recording error"] = f"the table has no {target}_low and {target}_high"
    return found, disabled


def evaluate(predicted: pd.DataFrame, cluster: np.ndarray, bootstrap: int, seed: int, noise: list[dict]) -> list[dict]:
    """Every statistic of every model and scheme, per group and pooled."""
    weights = cluster_weights(cluster, bootstrap, np.random.default_rng(seed))
    floor = next((entry["estimate"] for entry in noise if entry["statistic"] == "seed_noise"), None)
    found = []
    for scheme in SCHEMES:
        of_scheme = predicted[predicted["scheme"].eq(scheme)]
        errors = {}  # (model, group) -> (draw,) RMSE
        for model, part in of_scheme.groupby("model", sort=False):
            repeats = [chosen for _, chosen in part.groupby(part["fold"] // FOLDS)]
            for group, subsets in statistic_groups(repeats[0]):
                draws = {"rmse": np.mean([rmse(one, subsets(one), weights) for one in repeats], axis=0)}
                errors[model, group] = draws["rmse"]
                if model != BASELINE:
                    draws |= {"rmse_over_group_mean": draws["rmse"] / errors[BASELINE, group]}
                    draws |= {"rmse_over_seed_noise": draws["rmse"] / floor} if floor else {}
                    for name, measure in (("pearson", pearson), ("kendall", kendall)):
                        draws[name] = np.mean([measure(one, subsets(one), weights) for one in repeats], axis=0)
                if group == "within":  # errors need no centring: theirs are those of all runs
                    draws = {name: values for name, values in draws.items() if not name.startswith("rmse")}
                n = sum(len(rows) for rows in subsets(repeats[0]))
                found += [summarize(model, scheme, name, group, values, n) for name, values in draws.items()]
            if model != BASELINE:
                folds = [pearson(one, [rows], weights) for one in repeats for rows in positions(one["fold"])]
                found.append(summarize(model, scheme, "pearson_fold_mean", "all", np.mean(folds, axis=0), len(cluster)))
    return found


def statistic_groups(part: pd.DataFrame):
    """(name, function from predictions to lists of row positions): all, each group, and within groups pooled."""
    yield "all", lambda one: [np.arange(len(one))]
    names = sorted(part["group"].unique())
    if len(names) > 1:
        for name in names:
            yield name, lambda one, name=name: [np.flatnonzero(one["group"].eq(name))]
        yield "within", lambda one: positions(one["group"])


def positions(column: pd.Series) -> list[np.ndarray]:
    """Row positions of each value of a column."""
    return [np.flatnonzero(column.eq(value)) for value in sorted(column.unique())]
