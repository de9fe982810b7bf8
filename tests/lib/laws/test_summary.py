"""What the terminal and the report say of a law beside its verdict, on tables with a planted noise."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from ecgscale.contracts import LawFit
from ecgscale.design.study import spending
from ecgscale.laws import coverage, fit
from ecgscale.laws.counted import COUNTS, shortfalls, told_shortfalls
from ecgscale.laws.forms import LAWS
from ecgscale.laws.summary import designs, foremost, line, notes, summary, told_answers
from ecgscale.laws.table import fit_run_table
from ecgscale.numbers import number


def table(runs: int, growth: float) -> pd.DataFrame:
    """Losses of y = 0.1 + 30 x^-0.5 in params, with normal noise whose size changes by `growth` along them."""
    random = np.random.default_rng(4)
    params = np.geomspace(1e4, 1e8, runs)
    size = 0.02 * growth ** np.linspace(0, 1, runs)
    loss = LAWS["floor"](params, E=0.1, b=30, c=0.5) * np.exp(size * random.standard_normal(runs))
    return pd.DataFrame({"run_id": [f"r{i}" for i in range(runs)], "params": params, "test_loss": loss})


@pytest.mark.parametrize(("runs", "growth", "said"), [(40, 10.0, "errors grow along params"),
                                                      (50, 0.1, "errors shrink along params"),
                                                      (200, 10.0, "errors grow along params"), (40, 1.0, "")])
def test_noise_that_changes_along_a_size_is_told(runs, growth, said):
    found = [note for note in notes(foremost(fit_run_table(table(runs, growth), target="test_loss", replicates=0)))
             if "errors" in note]
    assert len(found) == bool(said)
    if said:
        assert said in found[0]


@pytest.mark.parametrize("counted", [[{"of": "curve", "share": {}}], "few", [7]])
def test_counted_coverage_that_is_none_is_refused_with_the_laws(counted):
    """laws.json holds what anyone wrote; the page fell over a share that was no number."""
    law = {"law": "power", "subset": "all", "x": ["params"], "y": "loss", "points": 8, "verdict": "identified",
           "formula": "", "estimates": {}}
    assert LawFit.model_validate(law | {"statistics": {"counted": shortfalls("power", 8)}}).statistics["counted"]
    with pytest.raises(ValidationError):
        LawFit.model_validate(law | {"statistics": {"counted": counted}})


def ragged(slope: float) -> pd.DataFrame:
    """18 runs of a planted joint law, whose tokens go as params^slope, three of them a size."""
    params = np.repeat(np.geomspace(1e7, 1e9, 6), 3)
    tokens = 1e9 * (params / 1e8) ** slope * np.tile([0.5, 1.0, 2.0], 6)
    loss = LAWS["joint"](params, tokens, E=1.7, A=400.0, alpha=0.34, B=2000.0, beta=0.37)
    loss = loss * np.exp(0.003 * np.random.default_rng(2).standard_normal(18))
    return pd.DataFrame({"run_id": [f"r{i}" for i in range(18)], "params": params, "samples_seen": tokens,
                         "test_loss": loss})


@pytest.mark.parametrize("slope", [0.0, 0.5])
def test_a_law_of_one_size_says_which_other_goes_along_with_it(slope):
    """A grid has none, but its joint law goes before; where tokens grow with params, an exponent over params alone is
    that of both."""
    laws = fit_run_table(ragged(slope), target="test_loss", replicates=0)
    said = [note for note in notes(foremost(laws)) if "goes along with" in note]
    assert bool(said) == bool(slope)
    lumped = [one for one in notes(foremost(laws)) if "laws over params alone have what samples_seen leaves" in one]
    assert bool(lumped) != bool(slope)
    if slope:
        r = np.corrcoef(np.log(ragged(slope)[["params", "samples_seen"]].T))[0, 1]
        assert f"laws over params alone: in these runs it goes along with samples_seen ({r:+.2f})" in said[0]


def test_an_end_at_the_largest_exponent_that_is_looked_for_is_no_end():
    """Runs of one size of model: its exponent lies anywhere, and the search ends at 5."""
    fits = foremost(fit_run_table(ragged(0.5).assign(params=lambda table: 1e8 * (1 + np.arange(18) / 2000)),
                                  target="test_loss", replicates=0))
    told = [line(fit) for fit in fits if "params" in fit.x]
    assert told
    assert all("5]" not in one[5] and "[4.9" not in one[5] for one in told)


def test_a_budget_without_a_law_is_told_with_what_would_help():
    """Sizes in lockstep: the joint law is not identified, and who asked for a budget learns why on the terminal."""
    table = ragged(1.0).assign(samples_seen=lambda table: 20 * table["params"])
    laws = fit_run_table(table, target="test_loss", replicates=20, budgets=(spending("1e21"),))
    assert not laws.allocation
    assert any(one.startswith("budget of 1 × 10²¹ FLOPs: no law of model size and samples is identifiable")
               for one in told_answers(laws))


def test_a_budget_and_a_place_are_answered_by_the_frontier_where_settings_vary():
    """Learning rates around the best one at places of a grid: the terminal told no best sizes of such tables, however
    well the frontier's law is known, and the loss at a place from the law of all settings alone."""
    random = np.random.default_rng(1)
    params, tokens = (np.repeat(one.ravel(), 6) for one in np.meshgrid(np.geomspace(1e7, 1e10, 6),
                                                                       np.geomspace(1e9, 1e12, 6)))
    rate = 10 ** random.uniform(-4, -2, len(params))
    loss = (1.7 + 400 * params**-0.34 + 410 * tokens**-0.28) * np.exp(
        0.02 * np.abs(np.log10(rate) + 3) + 0.002 * random.standard_normal(len(params)))
    runs = pd.DataFrame({"run_id": [f"r{i}" for i in range(len(params))], "params": params, "samples_seen": tokens,
                         "lr": rate, "test_loss": loss})
    laws = fit_run_table(runs, target="test_loss", replicates=30, budgets=(spending("1e22"),),
                         places=({"params": 1e9, "samples_seen": 1e11},))
    told = told_answers(laws)
    best = next(one for one in told if one.startswith("best for 1 × 10²² FLOPs"))
    assert "(test_loss, joint of the frontier): params " in best
    at = next(one for one in told if one.startswith("test_loss at params 1 G"))
    assert "(joint of the frontier)" in at


def lowest(law: str, runs: int) -> dict[str, float]:
    """Of all noises and designs but one axis, what the cells of that many runs hold of 0.90, where below 0.85."""
    cells = pd.read_csv(COUNTS).query("law == @law and of == 'runs' and design != 'one_axis' and runs == @runs")
    shares = {held: cells[f"{held}_low"].min() for held in ("parameters", "curve", "run")}
    return {held: share for held, share in shares.items() if share < 0.85}


@pytest.mark.parametrize(("runs", "near"), [(9, 8), (40, 60), (400, 500)])
def test_intervals_that_were_counted_too_narrow_say_so(runs, near):
    """The law with floor, by the cells nearest in the number of runs."""
    laws = fit_run_table(table(runs, 1.0), target="test_loss", replicates=0)
    fits = [fit for fit in laws.fits if fit.law == "floor" and fit.statistics["quantile"] is None]
    found, short = [note for note in notes(fits) if "planted tables" in note], lowest("floor", near)
    assert len(found) == bool(short)
    assert all(f"of about {near} runs" in note for note in found)
    assert all(f"in {share:.2f} (" in note for note in found for share in short.values())


def test_what_one_axis_cannot_tell_is_not_believed():
    """The multi-epoch law of runs that differ in one size: parameters were held in a quarter of the tables."""
    found = told_shortfalls("multi_epoch", shortfalls("multi_epoch", 150, one_axis=True))
    assert "of about 200 runs, 90 % intervals of the multi-epoch law" in found
    assert float(found.split("parameters in ")[1][:4]) < 0.5
    assert float(found.split("the curve in ")[1][:4]) < 0.7
    assert not any(row["share"] < 0.75 for row in shortfalls("multi_epoch", 150))


def test_a_prediction_says_what_such_intervals_hold():
    law = fit(table(9, 1.0), response="test_loss", replicates=20)
    note = law.predict(params=1e9)["note"]
    assert "held, at the lowest, " in note
    assert f"a new run in {lowest('floor', 8)['run']:.2f}" in note
    assert not lowest("floor", 60)
    assert "held" not in fit(table(60, 1.0), response="test_loss", replicates=20).predict(params=1e9)["note"]


def test_lines_of_the_counts_are_what_coverage_prints(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["coverage", "--csv", "--laws", "power", "--runs", "8", "--noise", "0.05",
                                     "--tables", "4"])
    coverage.main()
    head, line = capsys.readouterr().out.splitlines()
    assert head == COUNTS.read_text().splitlines()[0]
    assert line.startswith("power,power,runs,scattered,normal,0.05,8,4,")
    assert all(0 <= float(share) <= 1 for share in line.split(",")[8:])
    monkeypatch.setattr("sys.argv", ["coverage", "--csv", "--frontier", "--laws", "power", "--runs", "20",
                                     "--tables", "4"])
    coverage.main()
    head, *lines = capsys.readouterr().out.splitlines()
    assert head == COUNTS.read_text().splitlines()[0]
    assert [line.split(",")[2:8] for line in lines] == [["frontier", "scattered", misses, "", "20", "4"]
                                                        for misses in ("exponential", "rates", "normal")]


def test_laws_of_a_frontier_say_what_theirs_were_counted_to_hold():
    """docs/explanation/coverage-drawn.md: 0.75 of a multi-epoch law's parameters with 60 runs, 0.84 of a power law's
    curve with 500; a law with floor falls nowhere below 0.85, and the counts of all runs are not theirs."""
    found = shortfalls("multi_epoch", 70, of="frontier")
    assert {row["of"]: row["share"] for row in found} == {"parameters": 0.75, "curve": 0.82}
    assert "multi-epoch law of a frontier held, at the lowest, parameters in 0.75 (normal noise)" in told_shortfalls(
        "multi_epoch", found)
    assert [row["share"] for row in shortfalls("power", 400, of="frontier")] == [0.84]
    assert not any(shortfalls("floor", runs, of="frontier") for runs in (20, 60, 200, 500))
    random = np.random.default_rng(1)
    params, rate = np.geomspace(1e4, 1e8, 400), random.uniform(-4, -1, 400)
    loss = 30 * params**-0.4 * np.exp(0.3 * np.abs(rate + 2.5) + 0.01 * random.standard_normal(400))
    runs = pd.DataFrame({"run_id": [f"r{i}" for i in range(400)], "params": params, "lr": 10**rate, "test_loss": loss})
    laws = fit_run_table(runs, target="test_loss", replicates=0)
    said = {fit.law: fit.statistics["counted"] for fit in laws.fits if fit.subset == "frontier"}
    assert [row["law_of"] for row in said["power"]] == ["frontier"]


def test_numbers_in_sentences_are_written_as_people_do():
    values = (0.01234, 1234.0, 99_999.0, 1.234e12, 1.5e-7, -2e9, 0.0, np.inf)
    assert [*map(number, values)] == [
        "0.0123", "1234", "100 k", "1.23 T", "1.5 × 10⁻⁷", "-2 G", "0", "∞"]
    fit = SimpleNamespace(x=("params",), statistics={"would_identify": [{"runs": 40, "low": [1e5], "high": [1.6e9]}]})
    assert designs(fit).startswith("40 runs with params from 100 k to 1.6 G, evenly")
    fit.statistics["by_place"] = True
    assert designs(fit) == ("40 places with params from 100 k to 1.6 G, evenly spaced in logs with as many runs at "
                            "each as here, would identify it")


def test_runs_that_are_drawn_are_said(monkeypatch):
    """Of a public table of 5,799 rows a law showed 5000 runs, and the terminal did not say why."""
    monkeypatch.setattr("ecgscale.laws.table.MOST", 30)
    said = "note: no laws of all runs at once: each is fitted to 30 runs drawn at random of those it has"
    assert said in summary(fit_run_table(table(40, 1.0), target="test_loss", replicates=0))
    assert "drawn" not in summary(fit_run_table(table(30, 1.0), target="test_loss", replicates=0))
