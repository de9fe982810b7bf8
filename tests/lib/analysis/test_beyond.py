"""Scores of larger runs and of another family: against a truth planted in the table, and where nothing can be asked."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest
from sklearn.ensemble import RandomForestRegressor

from ecgscale.analysis.beyond import (
    Table,
    by_family,
    by_process,
    conformal,
    dates,
    each_apart,
    foretold,
    judged,
    largest,
    newest,
    quantile,
    sizes_of,
)
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


def test_many_families_are_held_out_in_eight_groups_alike_in_runs():
    """A public table of 148 language models has 47 families. Each run is asked once, by runs of other families."""
    random = np.random.default_rng(2)
    kinds = np.repeat([f"family{one}" for one in range(47)], random.integers(1, 9, 47))
    rows = random.permutation(len(kinds))
    splits = list(each_apart(rows, kinds[rows]))
    assert len(splits) == 8
    assert sorted(np.concatenate([asked for _, asked in splits])) == list(range(len(kinds)))
    for learned, asked in splits:
        assert not set(kinds[learned]) & set(kinds[asked])
        assert len(learned) + len(asked) == len(kinds)
    assert np.ptp([len(asked) for _, asked in splits]) <= 8
    few = np.array(["b", "a", "b"])
    assert [asked.tolist() for _, asked in each_apart(np.arange(3), few)] == [[1], [0, 2]]
    assert not list(each_apart(np.arange(3), np.array(["a", "a", "a"])))


def test_families_with_too_few_runs_share_one_law():
    frame = runs(families=("regnet", "vit", "resnet", "convnext"))
    table = Table(frame, frame[["lr"]], response(frame, "test_auroc"), ("params", "train_records"))
    learned = np.flatnonzero(frame["family"].isin(["regnet", "vit"]) & frame["params"].lt(4e5))
    told = []

    def tell(rows, sizes, at):
        told.append((set(frame["family"].iloc[rows]), at.shape[1]))
        return np.log(at.prod(axis=0))

    by_family(table, learned, np.arange(len(frame)), tell)
    assert told == [({"regnet"}, 70), ({"vit"}, 70), ({"regnet", "vit"}, 140)]


def test_an_interval_that_cannot_be_had_has_no_end():
    frame = runs().head(10)

    few = Table(frame, frame[["lr"]], response(frame, "test_auroc"), ("params",))
    assert conformal(few, np.arange(10), np.arange(3), largest, lambda known, wanted: np.zeros(len(wanted))
                     ).tolist() == [np.inf] * 3
    assert [quantile(np.arange(float(count))) for count in (8, 9, 19)] == [np.inf, 8.0, 17.0]


def test_what_the_table_does_not_hold_is_said():
    frame = runs(families=("regnet",)).drop(columns=["params", "train_records", "train_flops"])
    X = frame[["lr", "hp_width"]]
    told, why = foretold(frame, X, response(frame, "test_auroc"), FOREST)
    assert sizes_of(frame) == ((), "no size has 3 values")
    assert set(why) == {"laws beyond the table", "largest held out", "newest held out", "family held out",
                        "source held out"}
    assert why["newest held out"].startswith("no column tells when every run was made")
    assert told.empty


def test_intervals_are_as_wide_as_the_noise_of_their_family():
    """One family is eight times as noisy. Its runs need wider intervals, those of the other narrower ones: by their own
    errors both families are held, by all errors together the quiet one always is."""
    random, shares, alike = np.random.default_rng(5), [], []
    for _ in range(40):
        frame = runs(families=("regnet", "vit"))
        noise = np.where(frame["family"].eq("vit"), 0.16, 0.02)
        frame["test_auroc"] = 1 - 0.2 * np.exp(noise * random.standard_normal(len(frame)))
        table = Table(frame, frame[["lr"]], response(frame, "test_auroc"), ("params",))
        [(learned, held)] = largest(table, np.arange(len(frame)))
        off = np.abs(table.log_y[held] - np.log(0.2))
        for told, kept in ((table, shares), (replace(table, runs=frame.assign(family="one")), alike)):
            reach = conformal(told, learned, held, largest, lambda known, wanted: np.full(len(wanted), np.log(0.2)))
            kept.append([np.mean((off <= reach)[table.family[held] == name]) for name in ("regnet", "vit")])
    assert np.mean(shares, axis=0) == pytest.approx([0.9, 0.9], abs=0.05)
    assert np.mean(alike, axis=0)[0] == 1


def test_the_wider_of_two_steps_counts():
    """Errors of the step before are 0.1, of the one before that 0.3: both have enough."""
    frame = runs().sort_values("train_flops", ignore_index=True).assign(family="one")
    table = Table(frame, frame[["lr"]], response(frame, "test_auroc"), ("params",))
    [(learned, held)] = largest(table, np.arange(len(frame)))
    [(_, before)] = largest(table, learned)
    missed = np.where(np.isin(np.arange(len(frame)), before), 0.1, 0.3)
    reach = conformal(table, learned, held, largest, lambda known, wanted: table.log_y[wanted] + missed[wanted])
    assert reach == pytest.approx(np.full(len(held), 0.3))


def test_the_newest_are_those_of_the_last_dates():
    """Text or numbers, in whatever order of rows; one without a date, and none is asked."""
    frame = runs(families=("regnet",)).sample(frac=1, random_state=0, ignore_index=True)
    day = np.random.default_rng(0).permutation(len(frame))
    for column, made in (("ended", [f"2026-01-{1 + one // 24:02d}T{one % 24:02d}:00:00+00:00" for one in day]),
                         ("timestamp", 1.7e9 + day)):
        table = Table(frame.assign(**{column: made}), frame[["lr"]], response(frame, "test_auroc"), ("params",))
        [(learned, held)] = newest(table, np.arange(len(frame)))
        assert len(held) == 14
        assert day[learned].max() < day[held].min()
        [(_, again)] = newest(table, learned)
        assert day[again].min() > np.delete(day[learned], np.searchsorted(learned, again)).max()
    assert list(newest(Table(frame.assign(ended=[None, *made[1:]]), frame, None, ()), np.arange(len(frame)))) == []
    assert dates(frame) is None
    assert dates(frame.assign(date="soon")) is None


def test_the_newest_and_each_source_are_told():
    """Runs were made from small to large, and tested on one of four sources with a level of its own: the newest are
    told best by law and trees, and the interval of a source that nobody knows is as wide as sources differ."""
    frame = runs(families=("regnet",))
    source = np.arange(len(frame)) % 4
    rank = frame["params"].rank(method="dense").astype(int)
    frame = frame.assign(ended=[f"2026-02-{place:02d}" for place in rank],
                         source=np.array(["georgia", "ningbo", "ptb", "incart"])[source],
                         test_auroc=1 - (1 - frame["test_auroc"]) * np.array([0.8, 1.0, 1.1, 1.25])[source])
    told, why = asked(frame)
    assert "source held out" not in why
    assert rmse(told, "newest held out", "law and trees") < rmse(told, "newest held out", "random forest")
    part = told[told["scheme"].eq("source held out") & told["model"].eq("law")]
    assert len(part) == len(frame)
    assert part.groupby("fold")["row"].agg(lambda rows: frame["source"].iloc[rows].nunique()).eq(1).all()
    inside = part["low"].le(part["truth"]) & part["truth"].le(part["high"])
    assert 0.75 <= inside.mean() <= 1
    assert (part["high"] - part["low"]).median() > 0.2 * (1 - frame["test_auroc"]).median()


def test_shares_inside_are_told_by_family(ahead):
    told, _ = ahead
    frame = runs()
    rows = judged(told, frame["family"].to_numpy(str), np.arange(len(frame)), 20, 0)
    part = told[told["scheme"].eq("largest held out") & told["model"].eq("law")]
    for name in ("regnet", "vit"):
        [row] = [one for one in rows if (one["scheme"], one["model"], one["statistic"], one["group"]) == (
            "largest held out", "law", "inside_90", f"family={name}")]
        own = part[frame["family"].iloc[part["row"]].eq(name).to_numpy()]
        assert row["estimate"] == pytest.approx((own["low"].le(own["truth"]) & own["truth"].le(own["high"])).mean())
        assert row["n"] == len(own)


def test_a_handful_of_runs_makes_no_narrow_interval():
    """Four of four inside: SciPy's Wilson interval, not 1 to 1; errors of so few architectures have no interval."""
    told = pd.DataFrame({"scheme": "largest held out", "model": "law", "fold": 0, "row": range(4),
                         "truth": [0.5, 0.6, 0.7, 0.8], "prediction": [0.55, 0.6, 0.65, 0.8], "low": 0.0, "high": 1.0})
    rows = {one["statistic"]: one for one in judged(told, np.array(["vit"] * 4), np.arange(4), 100, 0)}
    reference = binomtest(4, 4).proportion_ci(0.95, "wilson")
    assert (rows["inside_90"]["low"], rows["inside_90"]["high"]) == pytest.approx((reference.low, reference.high))
    assert rows["rmse"]["estimate"] == pytest.approx(np.sqrt(np.mean(np.square([0.05, 0, 0.05, 0]))))
    assert rows["rmse"]["low"] is None
    assert rows["pearson"]["high"] is None


def test_the_process_is_never_surer_than_it_says_itself(ahead):
    """Its own interval knows how far the largest runs are; the errors of smaller ones do not."""
    told, _ = ahead
    frame = runs()
    table = Table(frame, frame[["lr"]], response(frame, "test_auroc"), ("params", "train_records"))
    (learned, asked_for), = largest(table, np.arange(len(frame)))
    told = told[told["model"].eq("law and miss") & told["scheme"].eq("largest held out")].set_index("row")
    log_error, own = by_process(table, learned, asked_for)
    part = told.loc[asked_for]
    half = np.log((1 - part["low"]) / (1 - part["high"])) / 2
    np.testing.assert_allclose(1 - part["prediction"], np.exp(log_error), rtol=1e-9)
    whole = part["low"].gt(0).to_numpy()
    assert whole.any()
    assert (half[whole] >= own[whole] - 1e-9).all()


def test_of_few_runs_the_process_tells_its_own_interval():
    """Tables of 24 runs, too few for a quantile of errors: three networks, four shares, two seeds, noise with t tails.
    The other models tell none; of the process's 90 % intervals as many hold as SciPy's binomial leaves likely."""
    inside, width = [], []
    for seed in range(12):
        random = np.random.default_rng(seed)
        n, d, _ = (axis.ravel() for axis in np.meshgrid([7e3, 19e3, 32e3], [60, 240, 480, 960], [0, 1]))
        error = (0.1 + 2 * n**-0.3 + 4 * d**-0.5) * np.exp(0.05 * random.standard_t(4, len(n)))
        table = pd.DataFrame({"family": "regnet", "params": n, "train_records": d, "train_flops": n * d,
                              "hp_width": np.sqrt(n), "test_auroc": 1 - error})
        told, _ = foretold(table, table[["hp_width", "train_records"]], response(table, "test_auroc"), FOREST)
        told = told[told["scheme"].eq("largest held out")]
        assert told.loc[told["model"].ne("law and miss"), "low"].eq(0).all()
        own = told[told["model"].eq("law and miss")]
        inside += (own["low"].le(own["truth"]) & own["truth"].le(own["high"])).tolist()
        width.append((own["high"] - own["low"]).median())
    assert binomtest(sum(inside), len(inside), 0.9).pvalue > 0.01
    assert np.median(width) < 0.2
