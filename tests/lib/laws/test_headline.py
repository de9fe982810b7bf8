"""Which law comes first: the frontier's where settings vary, each family's where they differ."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import QuantileRegressor

from ecgscale.laws import LAWS, fit_run_table
from ecgscale.laws.coverage import cover_band, cover_frontier
from ecgscale.laws.fit import at_quantile, fit_law
from ecgscale.laws.headline import families_differ, frontier_share, held_back, settings_vary
from ecgscale.laws.layout import observations
from ecgscale.laws.planted import EXCESS, Noise
from ecgscale.laws.profile import profile
from ecgscale.laws.summary import summary


def untuned(runs: int = 60, seed: int = 1, families: float = 1.0) -> pd.DataFrame:
    """1 - score = 2 N^-0.2 at the best learning rate, up to twice that at others; ViT worse by a factor."""
    random = np.random.default_rng(seed)
    params = np.exp(random.uniform(np.log(1e4), np.log(1e8), runs))
    rate, family = random.uniform(-4, -1, runs), random.choice(["cnn", "vit"], runs)
    error = 2 * params**-0.2 * np.exp(0.3 * np.abs(rate + 2.5) + 0.01 * random.standard_normal(runs))
    return pd.DataFrame({"run_id": [f"r{i}" for i in range(runs)], "params": params, "lr": 10**rate, "family": family,
                         "test_auroc": 1 - error * np.where(family == "vit", families, 1.0) / 2})


def headlines(frame: pd.DataFrame) -> tuple:
    laws = fit_run_table(frame, target="test_auroc", replicates=5)
    return [fit for fit in laws.fits if fit.statistics.get("headline")], laws


def test_the_frontier_is_the_headline_of_an_untuned_table_and_families_apart_where_they_differ():
    """Families alike: one headline, over both, whose exponent is the planted one to within its interval's width; ViT
    worse by half: one each, and the law that pools them says so."""
    (one,), laws = headlines(untuned())
    assert (one.subset, one.law) == ("frontier", "power")
    low, high = one.intervals["c"]
    assert abs(one.estimates["c"] - 0.2) < high - low < 0.1
    for fit in laws.fits:
        for row in fit.statistics.get("predictions", ()):
            assert row["run_high"] is None or row["run_high"] <= 1
    apart, laws = headlines(untuned(families=1.5))
    assert {fit.subset for fit in apart} == {"family=cnn, frontier", "family=vit, frontier"}
    assert any("families differ" in fit.statistics.get("pooled", "") for fit in laws.fits)


def test_settings_are_what_moves_otherwise_than_the_size():
    frame = untuned()
    assert settings_vary(frame, ("params",))
    assert not settings_vary(frame[["params", "test_auroc"]], ("params",))
    tied = frame[["params"]].assign(hp_width=frame["params"] ** 0.5, loss=frame["test_auroc"], batch_size=32)
    assert not settings_vary(tied, ("params",))
    counted = tied.assign(samples_seen=np.random.default_rng(1).permutation(tied["params"]))
    assert settings_vary(counted, ("params",))
    assert not settings_vary(counted, ("params", "samples_seen"))
    assert frontier_share(frame, ("params",)) == pytest.approx(0.1)
    assert frontier_share(frame[:25], ("params",)) == pytest.approx(4 / 25)
    assert frontier_share(frame[:12], ("params",)) is None


def test_the_frontier_s_interval_holds_the_quantile_it_is_of():
    """Power law with exponential excess, 40 runs: the planted quantile at any size is known, and the interval of the
    exponent and of the curve ten times beyond the runs hold it in 85 % of 60 tables or more; no selection has to be
    made good, as the law of the best of each bin would need."""
    random, held = np.random.default_rng(1), []
    below = np.quantile(0.6 * random.standard_exponential(200_000) + 0.02 * random.standard_normal(200_000), 0.1)
    for _ in range(60):
        x = np.exp(random.uniform(np.log(1e4), np.log(1e8), 40))
        excess = 0.6 * random.standard_exponential(40) + 0.02 * random.standard_normal(40)
        y = LAWS["power"](x, b=2.0, c=0.3) * np.exp(excess)
        at = 10 * x.max()
        made = profile(at_quantile(fit_law("power", x, y=y, polish=False), 0.1), np.log([[at]]))
        low, high = made.parameters()["c"]
        truth = np.log(2.0) - 0.3 * np.log(at) + below
        held.append([low < 0.3 < high, made.curve[0, 0] < truth < made.curve[0, 1]])
    assert (np.mean(held, axis=0) > 0.85).all()


@pytest.mark.parametrize(("law", "runs", "excess"), [
    ("power", 20, "rates"), ("power", 60, "exponential"), ("floor", 40, "normal")])
def test_the_band_of_a_frontier_holds_the_planted_quantile(law, runs, excess):
    """Nominal 0.9, mean over nine sizes, 60 tables a cell (some 200 of their own): the covariance of the fit alone held
    it in 0.2 to 0.6 (docs/explanation/coverage-drawn.md)."""
    assert 0.84 < cover_frontier(law, runs, excess, 60).band.mean() < 0.99


def test_many_runs_hold_the_planted_quantile_too():
    """500 runs, few of them near the best: a loss that weighs errors by side put the law 0.4 of its threshold too high,
    and the band held the truth in 0.58 (at the worst size), ever less with more runs."""
    one = cover_frontier("power", 500, "exponential", 30)
    assert one.band.min() > 0.75
    assert one.ahead.min() > 0.75
    assert min(one.parameters.values()) > 0.75


@pytest.mark.parametrize(("quantile", "excess"), [(0.1, "exponential"), (0.1, "rates"), (0.2, "normal")])
def test_a_power_law_of_a_quantile_is_scikit_learn_s(quantile, excess):
    """QuantileRegressor solves the check loss exactly as a linear program; 400 runs, straight in logarithms."""
    random = np.random.default_rng(4)
    log_x = random.uniform(9, 18, 400)
    log_y = np.log(2.0) - 0.3 * log_x + EXCESS[excess](400, random)
    exact = QuantileRegressor(quantile=quantile, alpha=0).fit(log_x[:, None], log_y)
    fit = at_quantile(fit_law("power", np.exp(log_x), y=np.exp(log_y), polish=False), quantile)
    assert fit.values["c"] == pytest.approx(-exact.coef_[0], abs=0.002)
    middle = np.array([[13.5]])
    assert fit.law.log_curve(fit.theta, middle)[0] == pytest.approx(exact.predict(middle), abs=0.008)
    assert np.mean(fit.residuals < 0) == pytest.approx(quantile, abs=0.01)


def test_a_band_holds_the_law_where_noise_grows_tenfold_along_the_size():
    held = cover_band("power", 20, Noise(0.2, "growing"), 80)
    assert held.min() > 0.8
    assert 0.85 < held.mean() < 0.98


def test_errors_of_a_quantile_are_those_of_many_tables():
    """Median regression of normal noise: the standard error of a level is sqrt(pi / 2) that of the mean."""
    random, off, told = np.random.default_rng(3), [], []
    for _ in range(80):
        x, y = np.exp(random.uniform(9, 18, 60)), np.exp(0.2 * random.standard_normal(60))
        fit = at_quantile(fit_law("power", x, y=y, polish=False), 0.5)
        off.append(fit.values["c"])
        told.append(np.sqrt(fit.covariance[1, 1]))
    assert np.median(told) == pytest.approx(np.std(off), rel=0.25)
    assert np.median(told) == pytest.approx(np.sqrt(np.pi / 2) * 0.2 / np.sqrt(60) / (9 / np.sqrt(12)), rel=0.25)


def test_families_differ_as_rarely_as_asked():
    """F test against 300 tables without a difference: about one in a hundred below 0.01."""
    random = np.random.default_rng(2)
    p = [families_differ(random.choice(["a", "b", "c"], 40), u := random.uniform(9, 18, (1, 40)),
                         -0.2 * u[0] + 0.1 * random.standard_normal(40)) for _ in range(300)]
    assert np.mean(np.array(p) < 0.01) < 0.03
    assert np.mean(np.array(p) < 0.5) == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("diverged", [0, 3])
def test_a_few_diverged_runs_do_not_hide_that_families_differ(diverged):
    """A public table of two families (154 runs) has three losses of 5 to 11 among 3.0 to 3.5: by means p was 0.04 for
    the law of both sizes, and the frontier pooled a family whose losses are 4 % below the other's."""
    told, alike = [], []
    for seed in range(40):
        random = np.random.default_rng(seed)
        family, u = random.choice(["a", "b"], 120), random.uniform(9, 18, (2, 120))
        error = 0.02 * random.standard_normal(120) + np.isin(np.arange(120), random.integers(0, 120, diverged))
        own = np.where(family == "b", 0.04, 0.0)
        told.append(families_differ(family, u, own - 0.05 * u.sum(0) + error) < 0.01)
        alike.append(families_differ(family, u, -0.05 * u.sum(0) + error) < 0.01)
    assert np.mean(told) > 0.9
    assert np.mean(alike) < 0.08


def test_runs_held_back_are_huber_s_pseudo_values():
    """Their least squares solve Huber's own equation: clipped distances from the line are orthogonal to the design."""
    random = np.random.default_rng(5)
    design = np.vstack([np.ones(80), random.standard_normal(80)])
    y = 1 + 2 * design[1] + random.standard_t(2, 80)
    kept = held_back(design, y)
    line = np.linalg.lstsq(design.T, kept, rcond=None)[0]
    scale = 1.4826 * np.median(np.abs(y - line @ design))
    assert np.abs(kept - line @ design).max() <= 1.345 * scale * 1.001
    score = design @ np.clip(y - line @ design, -1.345 * scale, 1.345 * scale)
    assert np.abs(score).max() < 1e-3 * 80


CELLS = [(n, ratio * n) for n in (2.1e8, 2.7e8, 4.3e8, 5.4e8, 1.07e9) for ratio in (19.0, 53.0, 93.0)] + [(2.1e8, 1e11)]


def swept(seed: int, runs: int = 400) -> pd.DataFrame:
    """Learning rates swept at 16 places of N and D, at most token counts of one model size only:
    1.7 + 400 N^-0.34 + 410 D^-0.28, up to 8 % worse at other rates."""
    random = np.random.default_rng(seed)
    size, tokens = np.array(CELLS)[random.integers(0, len(CELLS), runs)].T
    rate = random.uniform(-1.5, 1.5, runs)
    loss = 1.7 + 400 * size**-0.34 + 410 * tokens**-0.28
    return pd.DataFrame({"run_id": [f"r{i}" for i in range(runs)], "params": size, "samples_seen": tokens,
                         "lr": 10**rate, "test_loss": loss * np.exp(0.05 * np.abs(rate)
                                                                   + 0.003 * random.standard_normal(runs))})


def test_settings_tried_at_one_place_are_one_observation_of_a_law_of_one_of_its_sizes():
    """What the model's size does is in the error of all runs of a place. With the runs taken for observations, a law of
    tokens alone was called identified in six tables of ten, and its c missed the planted 0.28 in a fifth of those."""
    told, held = [], []
    for seed in range(12):
        frame = swept(seed)
        tokens, loss = (frame[name].to_numpy(float) for name in ("samples_seen", "test_loss"))
        fit = at_quantile(fit_law("floor", tokens, y=loss), 0.1)
        ends = {kind: profile(fit, clusters=clusters).parameters()["c"] for kind, clusters in {
            "place": observations(frame, ("samples_seen",), np.arange(len(frame))), "run": None}.items()}
        told.append([high - low < fit.values["c"] for low, high in ends.values()])
        held.append(ends["place"][0] < 0.28 < ends["place"][1])
    assert np.mean(held) > 0.85
    assert np.mean(told, axis=0)[0] == 0 < 0.4 < np.mean(told, axis=0)[1]


def test_a_table_of_places_says_so_and_keeps_its_law_of_both_sizes():
    frame = swept(1, runs=120)
    laws = fit_run_table(frame, target="test_loss", replicates=5)
    one = next(fit for fit in laws.fits if fit.subset == "frontier" and fit.x == ("samples_seen",))
    assert (one.statistics["runs"], one.points) == (len(CELLS), len(frame))
    both = next(fit for fit in laws.fits if fit.subset == "frontier" and fit.x == ("params", "samples_seen"))
    assert both.statistics["runs"] == len(frame)
    assert f"intervals count places ({len(CELLS)}) instead of runs ({len(frame)})" in summary(laws)


def test_places_are_of_sizes_that_vary_apart_and_never_part_a_configuration():
    frame, labels = swept(1), np.arange(400)
    assert observations(frame, ("params", "samples_seen"), labels) is labels
    assert observations(frame.assign(params=1e8), ("samples_seen",), labels) is labels
    assert observations(frame.assign(params=frame["samples_seen"] / 20), ("samples_seen",), labels) is labels
    checkpoints = np.arange(400) // 2
    assert observations(frame, ("samples_seen",), checkpoints) is checkpoints
