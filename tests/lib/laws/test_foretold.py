"""What the joint law foretells beyond the runs: public tables, real ECG networks, and planted truths that are the law
and that are not."""

import os
import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ecgscale import laws
from ecgscale.laws.fit import at_quantile, fit_law
from ecgscale.laws.foretold import Outlook
from ecgscale.laws.kriging import HALF_WIDTH, MOST, krige
from ecgscale.laws.planted import LAWS, TRUTH, Noise, planted
from ecgscale.laws.profile import profile
from ecgscale.laws.robust import choose_loss, noisier
from ecgscale.tables.runs import read_any

ROOT = Path(__file__).parents[3]
PAGES = ROOT / "docs" / "explanation"
FORETOLD = runpy.run_path(str(PAGES / "foretold.py"))["foretold"]
MISSES = runpy.run_path(str(PAGES / "misses.py"))
TABLES = Path(os.environ.get("ECGSCALE_SHARED", ROOT.parent / "shared")) / "tables"


def outlook(table) -> Outlook:
    fit = fit_law("joint", *np.exp(table.log_x), y=np.exp(table.log_y), polish=False)
    return Outlook(choose_loss([fit]).lead(fit), table.clusters)


@pytest.mark.parametrize(("file", "by", "held", "better"), [
    ("chinchilla_245.csv", None, (0.70, 0.90), 0.9), ("gadre_104.csv", "dataset", (1.0, 1.0), 1.0)])
def test_the_dearest_quarter_of_public_runs_is_held(file, by, held, better):
    """Nominal 0.90. Of Chinchilla's 61 dearest runs the joint law alone held 0.57."""
    if not (TABLES / file).is_file():
        pytest.skip(f"the runs are not part of the project: {TABLES / file} is missing (see ECGSCALE_SHARED)")
    whole = read_any(TABLES / file).frame
    rows = np.array([FORETOLD(part, 0.75) for _, part in (whole.groupby(by) if by else [("", whole)])])
    alone, missed = rows[:, 3:5].mean(axis=0)
    assert alone <= held[0]
    assert missed >= held[1]
    assert rows[:, 8].mean() < better * rows[:, 7].mean()


def test_the_dearest_quarter_of_ecg_networks_is_held_better_than_by_the_law_alone():
    """Four families trained on PTB-XL (assets/examples/ptbxl): 0.90 instead of 0.78, errors 0.74 instead of 0.104."""
    whole = read_any(ROOT / "assets" / "examples" / "ptbxl" / "runs.csv").frame
    rows = np.array([FORETOLD(part, 0.75) for _, part in whole.groupby("family")])
    assert len(rows) == 4
    alone, missed = rows[:, 3:5].mean(axis=0)
    assert missed >= 0.85 > alone
    assert rows[:, 8].mean() < 0.8 * rows[:, 7].mean()


@pytest.mark.parametrize("truth", ["data help more from 2,000 recordings on", "a soft ceiling over the smallest runs"])
def test_intervals_hold_where_the_truth_is_another_law(truth):
    """24 runs, half of the tables designed, Student's t with 3 degrees of freedom; the curve at four times the largest
    network. Nominal 0.90; of 60 tables 0.97 and 0.83 are held, by the law alone 0.08 and 0.28."""
    truth, at, held, alone = MISSES["TRUTHS"][truth], np.log(MISSES["AHEAD"]), [], []
    for seed in range(10):
        (n, d), y = MISSES["planted"](truth, seed)
        ahead = Outlook(fit_law("joint", n, d, y=y, polish=False), np.arange(24))
        here = np.log(truth(*np.exp(at))[0])
        for kept, (low, high) in ((held, ahead.at(at).curve[0]), (alone, profile(ahead.fit, at).curve[0])):
            kept.append(low <= here <= high)
    assert np.mean(held) >= 0.7
    assert np.mean(alone) <= np.mean(held) - 0.25


def test_intervals_hold_where_the_law_is_right_and_its_noise_grows():
    """20 runs in a grid, noise ten times as large at the largest network as at the smallest. Of 40 tables the law with
    its miss alone, which takes noise for equal, held the curve in 0.73 at ten times the sizes, the wider of both in
    0.88."""
    noise, random, held, narrow = Noise(0.05, "growing"), np.random.default_rng([7, 20, 1, 1]), [], []
    for _ in range(16):
        table = planted("joint", 20, noise, random, "factorial")
        at = table.log_x.max(axis=1, keepdims=True) + np.log(10.0)
        here = np.log(LAWS["joint"](*np.exp(at), **TRUTH["joint"])[0])
        ahead = outlook(table)
        low, high = ahead.at(at).curve[0]
        y, spread = ahead.missed.log_predict(at)
        held.append(low <= here <= high)
        narrow.append(abs(y[0] - here) <= HALF_WIDTH * np.sqrt(spread[0, 0]))
    assert np.mean(held) >= 0.82
    assert np.mean(narrow) <= 0.8


def test_an_interval_is_as_wide_as_the_wider_of_the_two():
    table = planted("joint", 40, Noise(0.02), np.random.default_rng(3), "factorial")
    at = table.log_x.max(axis=1, keepdims=True) + np.log([0.1, 2.0, 10.0])
    ahead = outlook(table)
    told, alone = ahead.at(at), profile(ahead.fit, at)
    y, spread = krige("joint", *np.exp(table.log_x), y=np.exp(table.log_y)).log_predict(at)
    np.testing.assert_allclose(told.y, y)
    np.testing.assert_allclose(told.law, LAWS["joint"].log_curve(ahead.fit.theta, at)[0])
    sides = np.abs(alone.curve - told.law[:, None])
    np.testing.assert_allclose(np.abs(told.curve - y[:, None]),
                               np.maximum(sides, HALF_WIDTH * np.sqrt(np.diag(spread))[:, None]))
    own = np.abs(alone.own_deviation())
    np.testing.assert_allclose(np.abs(told.run - y[:, None]), np.hypot(told.curve - y[:, None], own))
    np.testing.assert_allclose(alone.new_run() - told.law[:, None], np.hypot(sides, own) * np.array([-1, 1]))


def test_a_wild_run_hardly_moves_what_is_foretold():
    """Its noise is taken for as many times larger as it lies off, half of that, where Huber's loss leads."""
    table = planted("joint", 40, Noise(0.01), np.random.default_rng(5), "factorial")
    at = table.log_x.max(axis=1, keepdims=True) + np.log(4.0)
    clean = outlook(table).at(at)
    place = np.argsort(table.log_x.sum(axis=0))[-8]
    table.log_y[place] += 0.5
    ahead = outlook(table)
    off = noisier(ahead.fit)
    assert off.argmax() == place
    assert off.max() > 8
    assert np.median(off) == 1
    with_it = krige("joint", *np.exp(table.log_x), y=np.exp(table.log_y)).log_predict(at)[0]
    assert abs(ahead.at(at).y - clean.y)[0] < 0.3 * abs(with_it - clean.y)[0]


def test_a_frontier_and_laws_of_one_size_are_foretold_by_themselves():
    table = planted("power", 30, Noise(0.05), np.random.default_rng(1))
    for fit in (fit_law("power", *np.exp(table.log_x), y=np.exp(table.log_y)),
                at_quantile(fit_law("joint", *np.exp(np.vstack([table.log_x, table.log_x[:, ::-1]])),
                                    y=np.exp(table.log_y)), 0.2)):
        at = fit.log_x.max(axis=1, keepdims=True) + 1
        told, alone = Outlook(fit, table.clusters).at(at), profile(fit, at, table.clusters)
        np.testing.assert_array_equal(told.y, told.law)
        np.testing.assert_allclose(told.curve, alone.curve)
        np.testing.assert_allclose(told.run, alone.new_run())


def test_more_runs_than_a_miss_is_told_of_are_drawn_the_same_each_time():
    table = planted("joint", MOST + 100, Noise(0.02), np.random.default_rng(2))
    at = table.log_x.max(axis=1, keepdims=True) + 1
    first, again = (outlook(table).at(at) for _ in range(2))
    assert first.y == again.y
    assert abs(first.y - first.law) < 0.05


def test_a_law_is_asked_with_its_miss_and_says_what_the_equation_alone_does():
    random = np.random.default_rng(4)
    n, d = np.exp(random.uniform(np.log([[1e4], [3e2]]), np.log([[3e6], [2e4]]), (2, 40)))
    loss = MISSES["TRUTHS"]["a soft ceiling over the smallest runs"](n, d) * np.exp(0.01 * random.standard_normal(40))
    law = laws.fit(pd.DataFrame({"params": n, "tokens": d, "loss": loss}), replicates=20)
    told = law.predict(params=1.2e7, tokens=2e4)
    right = MISSES["TRUTHS"]["a soft ceiling over the smallest runs"](1.2e7, 2e4)
    assert told["run_low"] <= told["y_low"] < right < told["y_high"] <= told["run_high"]
    assert told["law_y"] == pytest.approx(float(LAWS["joint"](1.2e7, 2e4, **law.boot.fit.values)))
    assert abs(np.log(told["y"] / right)) < abs(np.log(told["law_y"] / right))
    best = law.optimal(6 * 1.2e7 * 2e4)
    assert best["y_low"] < best["y"] < best["y_high"]
    assert best["y"] == pytest.approx(law.predict(params=best["params"], tokens=best["samples"])["y"])


def test_what_is_foretold_stays_within_what_a_score_can_be():
    random = np.random.default_rng(1)
    n, d = np.exp(random.uniform(np.log([[1e4], [1e3]]), np.log([[1e6], [1e5]]), (2, 12)))
    score = 1 - 0.9 * np.exp(0.05 * random.standard_normal(12)) * (n * d / 1e7) ** -0.01
    law = laws.fit(pd.DataFrame({"params": n, "tokens": d, "test_auroc": np.minimum(score, 0.99)}), replicates=20)
    told = law.predict(params=1e2, tokens=1e2)
    assert told["y_high"] is None or told["y_high"] <= 1
    assert told["run_high"] is None or told["run_high"] <= 1
