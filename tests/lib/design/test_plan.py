"""What a study will cost: exact FLOPs, thinning that keeps the spread, hours that say from what they are estimated."""

import math
import re

import numpy as np
import pytest
from scipy import stats

from ecgscale.design.plan import Pace, afford, as_text, lasting, read_devices, thin, train_flops
from ecgscale.design.space import plan_study, sample
from ecgscale.design.study import Budget, Study, read_study
from ecgscale.errors import UserError
from ecgscale.paths import ASSETS

SPACE = {"width": {"low": 4, "high": 64, "step": 1}, "depth_1": [1, 2], "depth_2": [1, 2], "depth_3": [1, 2, 3],
         "depth_4": [1, 2], "kernel_size": [3, 5]}


def study(**changes) -> Study:
    group = {"family": "resnet", "sampler": "random", "count": 60, "space": SPACE, "seeds": [0, 1],
             "optimizers": [{"name": "sgd", "lr": 0.1}, {"name": "adamw", "lr": 0.001}]}
    return Study.model_validate({"name": "x", "runs": [group | changes.pop("group", {})]} | changes)


@pytest.fixture(scope="module")
def runs():
    return sample(study())[0]


def test_training_flops_by_hand():
    """One window a recording and epoch: step FLOPs x 4 epochs x a third of 100 recordings."""
    training = {"epochs": 4, "data_fraction": 1 / 3}
    (run, *_), plan = plan_study(study(group={"count": 1, "seeds": [0], "training": training}), records=100)
    assert train_flops(run, 100) == run.ledger.step_flops * 4 * 33
    assert plan.train_flops > train_flops(run, 100)      # two optimizers


def test_records_come_from_the_study_or_the_command():
    assert plan_study(study())[1].train_flops is None
    assert plan_study(study(budget={"records": 10}))[1].train_records == 10
    assert plan_study(study(budget={"records": 10}), records=20)[1].train_records == 20


def test_a_budget_needs_the_number_of_recordings():
    with pytest.raises(UserError, match="training recordings") as error:
        plan_study(study(budget={"train_flops": 1e15}))
    assert error.value.field == "budget.records"


@pytest.mark.parametrize("share", [0.9, 0.5, 0.1])
def test_thinning_stays_within_the_budget_and_keeps_the_spread(runs, share):
    def cost(run):
        return train_flops(run, 100)

    limit = share * sum(map(cost, runs))
    kept = thin(runs, cost, limit, "FLOPs")
    assert 0.6 * limit < sum(map(cost, kept)) <= limit
    assert kept == [run for run in runs if run in kept]                     # in their order
    assert {run.spec.seed for run in kept} == {0, 1}
    assert len(kept) == 2 * len({(run.spec.optimizer, run.ledger) for run in kept})      # replicates stay together
    for name in ("sgd", "adamw"):
        before, after = ([math.log(run.ledger.params) for run in some if run.spec.optimizer.name == name]
                         for some in (runs, kept))
        assert abs(np.median(before) - np.median(after)) < 0.3 * np.std(before)
        assert abs(len(after) / len(before) - len(kept) / len(runs)) < 0.05


def test_thinning_is_the_same_every_time(runs):
    planned = [plan_study(study(budget={"train_flops": 1e13, "records": 100})) for _ in range(2)]
    assert planned[0] == planned[1]
    assert planned[0][1].thinned == len(runs) - len(planned[0][0]) > 0
    assert planned[0][1].train_flops <= 1e13


def test_a_budget_below_the_cheapest_is_an_error(runs):
    with pytest.raises(UserError, match="costs"):
        thin(runs, lambda run: 1.0, 3.0, "FLOPs")


def test_hours_from_a_known_pace(runs):
    """At 1 GFLOP/s whatever the network: training, and validation of half as many 10-second recordings, forward."""
    pace = Pace("here", "made up", {"resnet": [(1e6, 1e9), (1e9, 1e9)]})
    run = runs[0]
    flops = 20 * 100 * run.ledger.step_flops + 20 * 50 * 5 * run.ledger.forward_flops
    assert math.isclose(pace.hours(run, 100), flops / 1e9 / 3600)
    kept, plan = afford(Budget(hours=20), runs, sample(study())[1], 100, pace)
    assert plan.hours[0]["hours"] == pytest.approx(math.fsum(pace.hours(run, 100) for run in kept))
    assert plan.hours[0]["hours"] <= 20 < math.fsum(pace.hours(run, 100) for run in runs)
    assert all(row["estimate"] and row["source"] for row in plan.hours)


def test_named_devices_have_a_source():
    rows = read_devices()
    assert len({row["device"] for row in rows}) == len(rows) >= 4
    for row in rows:
        assert "assumed" in row["source"]
        assert 0 < float(row["share"]) < 1 < float(row["peak_tflops"]) < 1000


def test_text_names_counts_and_marks_estimates():
    text = as_text(plan_study(study(budget={"records": 100}))[1])
    assert "120 resnet adamw, 120 resnet sgd" in text
    assert re.search(r"training FLOPs in all: \d+(\.\d+)? [MGT], for 100 training recordings", text)
    assert text.count("(estimate) on ") == len(read_devices())
    assert "e+" not in text
    assert "e-" not in text


@pytest.mark.parametrize(("hours", "text"), [
    (5.98e-5, "0.22 seconds"), (0.01, "36 seconds"), (0.0305, "110 seconds"),
    (0.105, "6.3 minutes"), (1.9, "114 minutes"), (36.2, "36.2 hours"), (60.0, "2.5 days"), (24_000.0, "1,000 days")])
def test_times_as_people_tell_them(hours, text):
    assert lasting(hours) == text


def test_calibration_finds_a_pace():
    """Two tiny networks: a rate above one MFLOP/s and below a thousand TFLOP/s on any machine, for each family."""
    from ecgscale.training.pace import calibrate

    planned, _ = sample(read_study(ASSETS / "studies" / "test.yaml"))
    pace = calibrate(planned, cpus=1)
    assert set(pace.measured) == {"regnet", "convnext"}
    assert all(1e6 < rate < 1e15 for rows in pace.measured.values() for _, rate in rows)
    assert "1 thread" in pace.name


def test_committed_studies_have_the_runs_they_promise():
    """The published counts (SGD 164, SGD-momentum 105, AdamW 132), and the demo's."""
    counts = {name: sample(read_study(ASSETS / "studies" / f"{name}.yaml"))[1].counts for name in
              ("paper", "mini", "families", "scaling")}
    assert counts["paper"] == {"regnet sgd": 164, "regnet sgdm": 105, "regnet adamw": 132}
    assert counts["mini"] == {"regnet adamw": 2 * 3 * 2 + 3, "regnet sgd": 3, "regnet sgdm": 3, "convnext adamw": 1}
    assert counts["families"] == {f"{family} adamw": 7 * 3 * 3 + 7 * 2 for family in
                                  ("regnet", "convnext", "vit", "resnet")}
    assert counts["scaling"] == {"regnet adamw": 7 * 2 * 3 * 6}


def test_the_example_table_holds_the_runs_of_its_study():
    """assets/examples/runs.csv is what example.yaml asks for: every run id, no other, all of them synthetic."""
    from ecgscale.contracts import RUNS

    planned, _ = sample(read_study(ASSETS / "studies" / "example.yaml"))
    table = RUNS.read(ASSETS / "examples" / "runs.csv")
    assert sorted(table["run_id"]) == sorted(run.spec.run_id for run in planned)
    assert table["synthetic"].all()


def test_the_ptbxl_table_holds_runs_of_its_study_and_few_signals():
    """assets/examples/ptbxl: runs that ptbxl.yaml asks for, of one split and two preparations, real; no corpus."""
    from ecgscale.contracts import PREDICTIONS, RUNS, Examples, SplitInfo
    from ecgscale.ecg.corpus import Corpus

    folder = ASSETS / "examples" / "ptbxl"
    planned, _ = sample(read_study(ASSETS / "studies" / "ptbxl.yaml"))
    table = RUNS.read(folder / "runs.csv")
    assert table["run_id"].is_unique
    assert set(table["run_id"]) == {run.spec.run_id for run in planned}
    assert not table["synthetic"].any()
    assert table[["split_digest", "recipe", "window"]].nunique().eq(1).all()
    assert table["corpus_digest"].nunique() == 2        # prepared twice: docs/explanation/ptbxl-runs.md
    assert f"All {len(table)} runs" in " ".join((folder / "README.md").read_text().split())
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} <= {".csv", ".parquet", ".json", ".md", ".png"}
    assert sum(path.stat().st_size for path in files) < 6e6        # the signals are 523 MB
    corpus = Corpus.open([folder / "corpus" / "ptb-xl-1of1"])
    assert len(corpus) == 21_799
    assert not list(corpus.records.filter(like="mv_"))
    assert {corpus.digest, SplitInfo.read(folder / "corpus/split/split.json").corpus_digest} <= set(
        table["corpus_digest"])
    best = table.loc[table["valid_challenge_score_tuned"].idxmax(), "run_id"]
    shown = Examples.read(folder / "chosen" / "examples.json")
    assert (shown.run_id, len(shown.recordings)) == (best, 6)
    assert "Signals: ten seconds of six recordings" in (folder / "README.md").read_text()
    for file in (folder / "predictions").glob("*.parquet"):
        assert file.stem in set(table["run_id"])
        assert set(PREDICTIONS.read(file)["part"]) == {"valid", "test"}


def test_the_axes_of_ptbxl_differ_from_their_reference_in_one_thing():
    """assets/examples/ptbxl/axes: every run that ptbxl-axes.yaml asks for, and the differences that the page tells."""
    from ecgscale.contracts import AXES, RUNS
    from ecgscale.laws import fit_law

    folder = ASSETS / "examples" / "ptbxl" / "axes"
    planned, _ = sample(read_study(ASSETS / "studies" / "ptbxl-axes.yaml"), 5)
    table = RUNS.read(folder / "runs.csv")
    assert set(table["run_id"]) == {run.spec.run_id for run in planned}
    assert not table["synthetic"].any()
    fast = table["recipe"].eq("study")              # 500 Hz, in windows of 2.5 s as those at 100 Hz
    assert set(table.loc[fast, "window"]) == {1250}
    changed = [table["recipe"].ne("study-100"), table["window"].ne(1000), table["lead_names"].str.count(";").ne(11)]
    assert set(sum(one.astype(int) for one in changed)[~fast]) == {0, 1}
    assert table.groupby(["recipe", "window", "lead_names"])["data_fraction"].nunique().eq(5).all()
    axes = AXES.read(folder / "axes.csv").set_index("value")
    page = (ASSETS.parent / "docs" / "explanation" / "ptbxl-preparation.md").read_text().replace("−", "-")
    for row in axes.itertuples():
        assert f"| {row.difference:.3f} [{row.low:.3f}, {row.high:.3f}] |" in page
    for _, own in table.groupby(["recipe", "window", "lead_names"]):
        law = fit_law("floor", own["train_records"].to_numpy(float), y=1 - own["test_auroc"].to_numpy())
        assert f"| {law.values['E']:.3f} [" in page


def test_the_rates_of_ptbxl_are_those_that_its_small_networks_foretell():
    """docs/explanation/rates.md: foretold from the committed table's networks of at most 220 thousand parameters; the
    runs at those rates, and what was found, in assets/examples/ptbxl/rates."""
    from ecgscale.analysis.rate_laws import rate_law
    from ecgscale.contracts import RUNS

    example = ASSETS / "examples" / "ptbxl"
    page = (ASSETS.parent / "docs" / "explanation" / "rates.md").read_text(encoding="utf-8")
    known, found = RUNS.read(example / "runs.csv"), RUNS.read(example / "rates" / "runs.csv")
    planned, _ = sample(read_study(ASSETS / "studies" / "ptbxl-rates.yaml"), 26)
    assert set(found["run_id"]) == {run.spec.run_id for run in planned}
    small = known[known["params"].lt(2.3e5) & known["optimizer"].eq("adamw")]
    for family, name in (("regnet", "RegNet"), ("resnet", "ResNet"), ("vit", "ViT")):
        largest = found[found["family"].eq(family)]
        law = rate_law(small[small["family"].eq(family)])
        best = law.at(law.largest | {"params": largest["params"].iloc[0], "train_records": 1089})
        assert f"| {name} |" in page
        assert all(f"{float(f'{value:.2g}'):g}" in page for value in best)
        foretold = largest["lr"].iloc[np.abs(np.log(largest["lr"] / best[0])).argmin()]
        assert foretold == pytest.approx(best[0], rel=0.02)
        assert f"{largest.loc[largest['lr'].eq(foretold), 'valid_loss'].mean():.4f}" in page
    assert not rate_law(small[small["family"].eq("convnext")]).told


def test_the_round_of_ptbxl_is_the_one_that_was_foretold():
    """docs/explanation/rounds.md: the loss of two seeds of regnet-200k lies inside what was foretold before them."""
    from ecgscale.contracts import RUNS, Decision

    folder = ASSETS / "examples" / "ptbxl" / "rounds"
    table = RUNS.read(folder / "runs.csv")
    planned, _ = sample(read_study(ASSETS / "studies" / "ptbxl-rounds.yaml"), 5)
    later = table[~table["run_id"].isin([run.spec.run_id for run in planned])]
    assert len(table) - len(later) == len(planned)
    assert later["params"].nunique() == 1
    assert len(later) == 2
    page = " ".join((ASSETS.parent / "docs" / "explanation" / "rounds.md").read_text(encoding="utf-8").split())
    assert "to 0.275 [0.268, 0.283]" in page
    assert 0.268 <= later["valid_loss"].mean() <= 0.283
    assert Decision.read(folder / "decision.json").stop == "floor"


def test_the_students_of_ptbxl_are_better_than_alone():
    """docs/explanation/training.md: pairs of one network, share and seed in assets/examples/ptbxl/taught; what teaching
    takes off the error at each size, and whether that changes with size."""
    from ecgscale.contracts import RUNS

    table = RUNS.read(ASSETS / "examples" / "ptbxl" / "taught" / "runs.csv")
    planned, _ = sample(read_study(ASSETS / "studies" / "ptbxl-taught.yaml"), 5)
    assert set(table["run_id"]) == {run.spec.run_id for run in planned}
    students = table[table["params"].lt(1e5)]
    pairs = students.pivot_table(index=["params", "data_fraction", "seed"], columns="taught", values="test_auroc")
    gains = pairs.drop(columns="alone").squeeze() - pairs["alone"]
    page = " ".join((ASSETS.parent / "docs" / "explanation" / "training.md").read_text(encoding="utf-8").split())
    ends = stats.ttest_1samp(gains, 0).confidence_interval(0.95)
    assert f"Of {len(gains)} students {gains.gt(0).sum()} are better" in page
    assert f"by {gains.mean():.4f} [{ends.low:.4f}, {ends.high:.4f}]" in page

    errors = np.log(1 - pairs).groupby(["data_fraction", "params"]).mean()
    for errors_of, words in ((errors.loc[0.25], "7 % [4, 9] off the error"), (errors.loc[1.0], "6 % [4, 8] on all")):
        off = errors_of.drop(columns="alone").squeeze() - errors_of["alone"]
        ends = stats.ttest_1samp(off, 0).confidence_interval(0.9)
        told = [round(100 * -np.expm1(one)) for one in (off.mean(), ends.high, ends.low)]
        assert "{} % [{}, {}]".format(*told) in words
        assert words in page
        line = stats.linregress(np.log(off.index.to_numpy(float)), off)
        reach = stats.t.ppf(0.95, len(off) - 2) * line.stderr
        assert abs(line.slope) < reach          # no crossing is told
        low, high = (f"{one:.3f}".replace("-", "\u2212") for one in (line.slope - reach, line.slope + reach))
        assert f"[{low}, {high}]" in page


def test_the_rates_of_ptbxl_move_as_the_page_says():
    """docs/explanation/rates.md: rate laws of the RegNets on a 16th, of assets/examples/ptbxl with its settings."""
    import pandas as pd

    from ecgscale.analysis.rate_laws import rate_law
    from ecgscale.contracts import RUNS

    example = ASSETS / "examples" / "ptbxl"
    more = RUNS.read(example / "settings" / "runs.csv")
    planned, _ = sample(read_study(ASSETS / "studies" / "ptbxl-settings.yaml"), 26)
    assert set(more["run_id"]) == {run.spec.run_id for run in planned}
    runs = pd.concat([RUNS.read(example / "runs.csv"), more], ignore_index=True)
    runs = runs[runs["family"].eq("regnet") & runs["data_fraction"].eq(0.0625)]
    page = (ASSETS.parent / "docs" / "explanation" / "rates.md").read_text(encoding="utf-8").replace("−", "-")
    for optimizer, sizes in (("adamw", ["params", "batch_size", "depth"]), ("sgd", ["params"])):
        law = rate_law(runs[runs["optimizer"].eq(optimizer)])
        assert list(law.exponents) == sizes
        for value, low, high in law.exponents.values():
            assert f"^{value:.2f} [{low:.2f}, {high:.2f}]" in page
        assert f"| {law.runs}, {law.cells} |" in page
    everywhere = pd.concat([RUNS.read(example / "runs.csv"), more], ignore_index=True)
    law = rate_law(everywhere[everywhere["family"].eq("regnet") & everywhere["optimizer"].eq("adamw")], "weight_decay")
    for name, (value, low, high) in zip(("params", "recordings"), law.exponents.values(), strict=True):
        assert f"{name}^{value:.2f} [{low:.2f}, {high:.2f}]" in page
    assert f"({law.runs} runs, {law.cells}" in page
    on_a_16th = rate_law(runs[runs["optimizer"].eq("adamw")], "weight_decay")
    for params in sorted(runs.loc[runs["weight_decay"].eq(5), "params"].unique()):
        assert "| {:.2f} [{:.2f}, {:.2f}] |".format(*on_a_16th.at({"params": params})) in page


def test_the_sites_of_ptbxl_are_as_the_page_says():
    """docs/explanation/ptbxl-sites.md, of assets/examples/ptbxl/sites: errors at a site that was left out, what a
    family is ahead in and out of the source, and what it costs not to have seen a site."""
    from ecgscale.analysis.out_of_source import out_of_source
    from ecgscale.contracts import DIFFERENCES, RUNS, SOURCES

    folder = ASSETS / "examples" / "ptbxl" / "sites"
    table, sources, pairs = (kind.read(folder / name) for kind, name in (
        (RUNS, "runs.csv"), (SOURCES, "sources.csv"), (DIFFERENCES, "differences.csv")))
    planned = [sample(read_study(ASSETS / "studies" / f"{name}.yaml"), 5)[0] for name in (
        "ptbxl-sites", "ptbxl-sites-within")]
    assert table["study"].value_counts().to_dict() == {
        "ptbxl-sites-within": len(planned[1]), **dict.fromkeys(
            ("ptbxl-sites", "ptbxl-sites-1", "ptbxl-sites-2", "ptbxl-sites-rest"), len(planned[0]))}
    assert {run.spec.run_id for runs in planned for run in runs} <= set(table["run_id"])
    page = (ASSETS.parent / "docs/explanation/ptbxl-sites.md").read_text(encoding="utf-8").replace("\u2212", "-")
    left_out = table[~table["study"].eq("ptbxl-sites-within")]
    slopes, ratios, _ = out_of_source(left_out, sources[sources["run_id"].isin(left_out["run_id"])])
    told = [row for row in slopes if row["subset"] == "all"]
    assert len(told) == 5
    for row in told:
        gap = "" if row["source"] == "all" else f"{row['gap']:.2f} [{row['gap_low']:.2f}, {row['gap_high']:.2f}] | "
        assert f"| {gap}{row['estimate']:.2f} [{row['low']:.2f}, {row['high']:.2f}] |" in page
    assert len(ratios) == 4
    for row in ratios:
        assert f"| {row['apart']:.2f} [{row['apart_low']:.2f}, {row['apart_high']:.2f}] |" in page
    site = pairs["run_id"].map(sources[sources["left_out"]].set_index("run_id")["source"])
    assert site.value_counts().tolist() == [4] * 4
    for _, ours in pairs.groupby(site):
        ends = stats.ttest_1samp(ours["difference"], 0).confidence_interval(0.95)
        assert f"| {ours['difference'].mean():.3f} [{ends.low:.3f}, {ends.high:.3f}] |" in page
