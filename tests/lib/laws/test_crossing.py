"""Where the laws of two families meet: the place planted, how often the interval holds it, and where there is none."""

import numpy as np
import pandas as pd
import pytest

from ecgscale.laws import fit_law, fit_run_table
from ecgscale.laws.crossing import BEYOND, crossings

SIZES = np.repeat(np.geomspace(1e4, 1e7, 8), 2)


def fits(b, c, noise=0.03, seed=0, tails=False):
    """Fitted power laws of two families, 0.5 x^-0.1 and b x^-c, of 16 designed runs each."""
    random = np.random.default_rng(seed)

    def errors():
        return noise * (random.standard_t(3, len(SIZES)) / np.sqrt(3) if tails else random.standard_normal(len(SIZES)))

    return {"family=cnn": fit_law("power", SIZES, y=0.5 * SIZES**-0.1 * np.exp(errors())),
            "family=vit": fit_law("power", SIZES, y=b * SIZES**-c * np.exp(errors()))}


def test_the_planted_place_is_found():
    """0.5 x^-0.1 = b x^-0.2 at x = (2 b)^10."""
    [row] = crossings(fits(0.5 * 10**0.6, 0.2, noise=1e-6), ("params",), "test_loss")
    assert row["estimate"] == pytest.approx(1e6, rel=1e-3)
    assert row["low"] < 1e6 < row["high"]
    assert row["within"]
    assert row["first"] == "family=cnn"
    assert (row["law"], row["x"], row["groups"]) == ("power", ["params"], ["family=cnn", "family=vit"])


def test_the_interval_holds_the_place_in_nine_of_ten_tables():
    """200 tables with Student's t of three degrees of freedom; nominal 90 %."""
    held = []
    for seed in range(200):
        [row] = crossings(fits(0.5 * 10**0.6, 0.2, seed=seed, tails=True), ("params",), "y")
        held.append(row["estimate"] is not None and (row["low"] or 0) <= 1e6 <= (row["high"] or np.inf))
    assert 0.85 <= np.mean(held) <= 0.97


def test_laws_that_run_side_by_side_do_not_meet():
    [row] = crossings(fits(0.8, 0.1, noise=1e-6), ("params",), "y")
    assert row["estimate"] is None
    assert row["first"] == "family=cnn"


def test_an_end_that_lies_too_far_is_open():
    """They meet a little beyond the runs, and hardly differ: nothing tells from where on one is better."""
    [row] = crossings(fits(0.5 * (2e7) ** 0.005, 0.105, noise=0.05, seed=3), ("params",), "y")
    assert None in (row["low"], row["high"])
    assert row["estimate"] is None or row["estimate"] < 1e7 * BEYOND


def test_kinds_of_groups_are_not_mixed():
    made = fits(0.5 * 10**0.6, 0.2)
    mixed = {"family=cnn": made["family=cnn"], "optimizer=sgd": made["family=vit"]}
    assert crossings(mixed, ("params",), "y") == []


def test_a_run_table_tells_where_its_families_meet():
    random, rows = np.random.default_rng(4), []
    for family, b, c in (("cnn", 0.5, 0.1), ("vit", 0.5 * 10**0.6, 0.2)):
        y = b * SIZES**-c * np.exp(0.01 * random.standard_normal(len(SIZES)))
        rows.append(pd.DataFrame({"run_id": [f"{family}{place}" for place in range(len(SIZES))], "family": family,
                                  "params": SIZES, "test_loss": y, "status": "finished", "seed": np.arange(16) % 2}))
    laws = fit_run_table(pd.concat(rows, ignore_index=True), target="test_loss", replicates=0)
    row = next(row for row in laws.crossings if row["law"] == "power")
    assert row["low"] < 1e6 < row["high"]


@pytest.mark.parametrize(("c", "meet"), [(0.08, True), (0.2, False)])
def test_the_size_up_to_which_a_teacher_helps(c, meet):
    """Students of one teacher against the same sizes alone, 0.5 x^-0.2: taught they are better below 1e6 parameters and
    worse above, or better by a fifth at every size. The difference of exponents stands beside."""
    random, rows = np.random.default_rng(6), []
    for taught, b, slope in (("alone", 0.5, 0.2), ("resnet-2m", 0.5 * 1e6 ** (c - 0.2) if meet else 0.4, c)):
        y = b * SIZES**-slope * np.exp(0.01 * random.standard_normal(len(SIZES)))
        rows.append(pd.DataFrame({"run_id": [f"{taught}{place}" for place in range(len(SIZES))], "family": "resnet",
                                  "taught": taught, "params": SIZES, "test_loss": y, "status": "finished",
                                  "seed": np.arange(16) % 2}))
    laws = fit_run_table(pd.concat(rows, ignore_index=True), target="test_loss", replicates=0)
    row = laws.crossings[0]             # of the law that either of the two prefers
    assert set(row["groups"]) == {"taught=alone", "taught=resnet-2m"}
    if not meet:
        assert (row["estimate"], row["first"]) == (None, "taught=resnet-2m")
        return
    assert row["low"] < 1e6 < row["high"] < 2 * row["low"]
    assert (row["first"], row["within"]) == ("taught=resnet-2m", True)
    [apart] = [one for one in laws.differences if one["law"] == "power"]
    assert apart["differs"]
    assert apart["low"] < (0.12 if apart["groups"][0] == "taught=alone" else -0.12) < apart["high"]
