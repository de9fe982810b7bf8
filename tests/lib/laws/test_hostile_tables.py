"""Tables of others that are poor, odd or wrong: refused by name and line, or said to tell nothing. Never a crash."""

import numpy as np
import pandas as pd
import pytest

from ecgscale.contracts import Reading
from ecgscale.errors import UserError
from ecgscale.laws import fit, fit_run_table
from ecgscale.laws.columns import responses
from ecgscale.laws.table import MOST, questions
from ecgscale.tables.runs import read_runs

N = 24
SIZE = np.geomspace(1e3, 1e8, N)
LOSS = (0.1 + 6 * SIZE**-0.3) * np.exp(0.02 * np.random.default_rng(1).standard_normal(N))
EVERY = np.arange(N)


# numba's warning is of its compiling, once in a fresh environment
strictly = pytest.mark.filterwarnings("error", "ignore::numba.core.errors.NumbaExperimentalFeatureWarning")


def laws_of(tmp_path, **columns):
    pd.DataFrame(columns).to_csv(tmp_path / "table.csv", index=False)
    return fit_run_table(read_runs(tmp_path / "table.csv").frame, target="none", replicates=10)


@strictly
@pytest.mark.parametrize(("columns", "said"), [
    ({"params": SIZE, "loss": 0.5}, "no effect"),
    ({"params": 1e6, "loss": LOSS}, "fewer than two values above 0"),
    ({"params": -SIZE, "loss": LOSS}, "fewer than two values above 0"),
    ({"params": SIZE, "loss": -LOSS}, "'loss' holds no value that has a logarithm"),
    ({"params": SIZE, "loss": np.nan}, "'loss' holds no value that has a logarithm"),
    ({"params": SIZE, "accuracy": 1000 * (1 - LOSS / 10)}, "scores below 1"),
    ({"params": SIZE[:1], "loss": LOSS[:1]}, "fewer than two values above 0"),
    ({"params": SIZE[:3], "loss": LOSS[:3]}, "3 runs have both params and a score or loss; 6 are needed"),
    ({"params": np.repeat(SIZE[:3], 8), "loss": np.repeat(LOSS[:3], 8)}, "too few points: 3 runs"),
    ({"params": SIZE, "score": np.where(EVERY < 12, 0.0, 1.0)}, "no effect"),
    ({"params": 1e-300 * SIZE, "tokens": 2e-299 * SIZE, "loss": LOSS[::-1] * 0 + 0.5}, "move together"),
])
def test_a_poor_table_tells_nothing_and_says_why(tmp_path, columns, said):
    laws = laws_of(tmp_path, **columns)
    assert not [fit for fit in laws.fits if fit.verdict == "identified" and fit.law != "average"]
    assert any(said in reason for reason in [*laws.disabled.values(), *(fit.reason for fit in laws.fits)])


@strictly
@pytest.mark.parametrize("columns", [
    {"params": np.where(EVERY % 5 == 0, 0.0, SIZE), "loss": np.where(EVERY % 7 == 0, 0.0, LOSS)},
    {"params": SIZE, "loss": np.where(EVERY == 3, np.inf, LOSS)},
    {"params": SIZE, "loss": np.where(EVERY == 3, np.nan, LOSS), "optimizer": None},
    {"params": SIZE, "loss": LOSS, "run_id": "the same"},
])
def test_single_bad_values_stay_out(tmp_path, columns):
    laws = laws_of(tmp_path, **columns)
    (floor,) = [fit for fit in laws.fits if fit.law == "floor"]
    assert floor.points < N or "run_id" in columns
    assert floor.verdict == "identified", floor.reason
    assert floor.estimates["c"] == pytest.approx(0.3, abs=0.03)


def test_a_law_is_fitted_to_a_bounded_number_of_runs():
    """A million rows cost as much as five thousand: memory grows with the grid of starts times the runs."""
    random = np.random.default_rng(1)
    frame = pd.DataFrame({"run_id": "r", "params": random.uniform(1e3, 1e8, 100_000), "loss": 0.5})
    asked = list(questions(frame, responses(frame, "none")))
    assert [len(one.rows) for one in asked if one.subset == "all"] == [MOST]
    again = list(questions(frame, responses(frame, "none")))
    np.testing.assert_array_equal(asked[0].rows, again[0].rows)


@pytest.mark.parametrize("unit", [1e-7, 1e5])
def test_the_unit_of_the_loss_changes_no_exponent_and_scales_the_floor(unit):
    frame = pd.DataFrame({"params": SIZE, "loss": LOSS})
    one, other = fit(frame, replicates=20), fit(frame.assign(loss=unit * frame["loss"]), replicates=20)
    assert (other.fit.law, other.fit.verdict) == (one.fit.law, one.fit.verdict) == ("floor", "identified")
    for name, factor in (("c", 1.0), ("E", unit)):
        assert other.fit.intervals[name] == pytest.approx(np.array(one.fit.intervals[name]) * factor, rel=1e-3)


def test_a_unit_in_which_floors_would_be_lost_is_refused_and_the_remedy_works():
    """A loss around 1e-15 ended in a traceback, one around 1e15 in another law."""
    for factor in (1e-15, 1e15):
        frame = pd.DataFrame({"params": SIZE, "loss": factor * LOSS})
        with pytest.raises(UserError, match=r"loss: values around .*: laws are fitted to 1e-08 to 1e\+06") as caught:
            fit(frame)
        expression = caught.value.remedy.split("--derive 'scaled=")[1].split("'")[0]
        law = fit(frame, response="scaled", reading=Reading(derived={"scaled": expression}), replicates=20)
        assert law.fit.estimates["c"] == pytest.approx(0.3, abs=0.03)


def test_a_loss_that_is_not_looked_at_is_named(tmp_path):
    pd.DataFrame({"params": SIZE, "train/loss": LOSS, "val/loss": LOSS}).to_csv(tmp_path / "runs.csv", index=False)
    read = read_runs(tmp_path / "runs.csv")
    laws = fit_run_table(read.frame, target="test_challenge_score", replicates=10, columns=read.columns)
    assert (laws.columns.responses, laws.columns.unused) == ({"val_loss": "val/loss"}, ("train/loss",))


def test_a_clean_law_told_to_four_digits_is_identified():
    """Its rounding misses the largest runs by a thousandth, many times its own standard error."""
    size = np.geomspace(1e4, 1e7, 11)
    law = fit(pd.DataFrame({"params": size, "test_score": np.round(1 - 0.5 * size**-0.1, 4)}), replicates=20)
    assert law.fit.verdict == "identified", law.fit.reason
    assert law.fit.estimates["c"] == pytest.approx(0.1, abs=0.001)
