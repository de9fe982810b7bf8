"""The test profile, for real: every process, every published file, and what the files say.

At the end the comparison that `make engines` makes between a local run and an engine's: it must be able to say no. It
is here because each process of the tests that opens a file with `small_run` makes the run anew.
"""

import fnmatch
import json
import platform
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pandas as pd
import pytest
import yaml

from ecgscale import contracts
from ecgscale.machine.provenance import code_digest
from tests.data_packages import check_package
from tests.engines.compare import check_run, compare
from tests.pipeline.conftest import AS_IN_AN_IMAGE, ROOT

PROCESSES = {"CHECK", "SYNTH", "PREPARE", "SPLIT", "CARD", "SAMPLE", "TUNE", "TRAIN", "EVALUATE", "COLLECT", "SCALE",
             "EXPORT", "BENCH", "FIT", "REPORT"}


def test_every_process_ran(small_run):
    assert set(small_run.tasks()) == PROCESSES
    assert "report/report.html" in small_run.text


def test_no_network_was_needed(small_run):
    """The run was made in a network namespace without interfaces. Whoever asks a host there is told so."""
    if not small_run.apart:
        pytest.skip("the kernel gives no network namespace: unshare --map-root-user --net")
    asked = subprocess.run([*small_run.apart, sys.executable, "-c",
                            "import socket; socket.create_connection(('192.0.2.1', 80))"],
                           capture_output=True, text=True, check=False, cwd=small_run.folder)
    assert asked.returncode == 1
    assert "Network is unreachable" in asked.stderr


def test_the_root_was_read_only(small_run):
    """As in an image: the user was not root, and only below the run's own folder and /tmp anything could be written."""
    if small_run.apart != AS_IN_AN_IMAGE:
        pytest.skip("the kernel gives no read-only root: unshare --map-root-user --mount, mount_setattr of Linux 5.12")
    tried = "id -u; touch here /tmp && rm here && echo written; for place in \"$@\"; do touch \"$place\"; done"
    places = [place / "there" for place in (ROOT, Path.home(), Path(sys.prefix), Path("/usr"), Path("/etc"))
              if not place.is_relative_to("/tmp")]
    asked = subprocess.run([*small_run.apart, "bash", "-c", tried, "bash", *places], capture_output=True, text=True,
                           check=False, cwd=small_run.folder)
    assert asked.stdout.split() == ["1000", "written"]
    assert asked.stderr.count("Read-only file system") == len(places)


def test_published_files(small_run):
    """The results tree of docs/reference/output.md."""
    files = small_run.files()
    for name in ("table/runs.parquet", "table/runs.csv", "table/tuning.csv", "table/histories.parquet",
                 "table/chosen/metrics.csv", "table/chosen/examples.json", "table/chosen/strips.parquet",
                 "fit/laws.json", "fit/laws.csv", "fit/effects.parquet",
                 "fit/frontier.csv", "fit/predictor.json", "fit/importance.csv", "latency/latency.parquet",
                 "latency/times.parquet", "latency/control.json",
                 "latency/environment.json", "plan/runs.jsonl", "plan/plan.json", "plan/memory.csv",
                 "corpus/split/split.parquet",
                 "corpus/split/split.json", "corpus/card/card.html", "corpus/card/counts.csv",
                 "corpus/card/sources.csv", "corpus/card/datapackage.json", "table/datapackage.json",
                 "table/croissant.json",
                 "rounds/rounds.csv", "rounds/decision.json", "corpus/card/figures/classes.svg", "report/report.html"):
        assert name in files
    runs = [contracts.RunResult.read(path) for path in (small_run.results / "trained").glob("*/run.json")]
    assert len(runs) >= 2
    for run in runs:
        trained, evaluated = f"trained/{run.spec.run_id}", f"evaluated/{run.spec.run_id}"
        assert {f"{trained}/weights.safetensors", f"{trained}/history.csv", f"{evaluated}/predictions.parquet",
                f"{evaluated}/metrics.csv"} <= set(files)
    assert len(list((small_run.results / "corpus").glob("*/shard.json"))) == 8
    assert any(name.startswith("report/figures/") and name.endswith(".svg") for name in files)


def test_no_larger_scale_is_foretold_from_one_size_of_network(small_run):
    decision = contracts.Decision.read(small_run.results / "rounds/decision.json")
    assert (decision.go_on, decision.stop, decision.synthetic) == (False, "not identifiable", True)
    assert "convnext: train 2 more sizes of network" in decision.remedy
    assert "Does the next scale come out as foretold? stop, not identifiable" in small_run.text


def test_versions_of_everything(small_run):
    """As nf-core's pipelines: pipeline_info/<pipeline>_software_versions.yml, {where: {name: version}}."""
    found = yaml.safe_load((small_run.results / "pipeline_info/ecgscale_software_versions.yml").read_text())
    tasks, workflow = found["TASKS"], found["WORKFLOW"]
    for name in ("numpy", "torch", "openvino", "onnxruntime"):
        assert tasks[name] == metadata.version(name)
    assert tasks["python"] == platform.python_version()
    assert tasks["ecgscale"] == workflow["ecgscale"] == metadata.version("ecgscale")
    assert tasks["code"] == workflow["code"] == code_digest()       # Nextflow's own count of the same files
    assert workflow["nextflow"].startswith("24.10.")
    assert workflow["profile"] == "test"
    assert workflow["engine"].startswith("none")


def test_pipeline_info_has_the_names_that_nf_core_users_expect(small_run):
    names = [name.removeprefix("pipeline_info/") for name in small_run.files() if name.startswith("pipeline_info/")]
    for pattern in ("execution_trace_*.txt", "execution_report_*.html", "execution_timeline_*.html", "params_*.json",
                    "pipeline_dag_*.mmd", "*software_versions.yml"):
        assert len(fnmatch.filter(names, pattern)) == 1, pattern


def test_accepted_and_rejected_are_found(small_run):
    shards = [contracts.Shard.read(path) for path in (small_run.results / "corpus").glob("*/shard.json")]
    assert sum(shard.found for shard in shards) == 160
    assert all(shard.accepted + shard.rejected == shard.found for shard in shards)


def test_every_table_opens_without_an_option_and_is_described(small_run):
    """By the datapackage.json of its folder: no table without, none described that is not there."""
    folders = {path.parent for path in small_run.results.rglob("*")
               if path.suffix in (".csv", ".jsonl", ".parquet")}
    assert sum(check_package(folder) for folder in folders) > 20


def test_every_output_says_synthetic(small_run):
    """Tables in a column, documents in a member, models in their metadata, the page in words."""
    results = small_run.results
    tables = [path for folder in ("corpus", "trained", "evaluated", "table", "latency", "fit")
              for path in (results / folder).rglob("*") if path.suffix in (".csv", ".parquet")]
    assert len(tables) > 20
    for path in tables:
        table = pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
        assert "synthetic" in table, path
        assert table["synthetic"].all(), path
    for document in ("fit/laws.json", "fit/predictor.json", "corpus/split/split.json", "plan/plan.json",
                     "latency/speed.json"):
        assert json.loads((results / document).read_text())["synthetic"] is True, document
    for path in results.glob("models/*/export.json"):
        assert contracts.Export.read(path).synthetic
    for path in results.glob("trained/*/run.json"):
        assert contracts.RunResult.read(path).synthetic
    assert "synthetic" in (results / "report/report.html").read_text().lower()


def test_every_run_carries_its_origin(small_run):
    runs = contracts.RUNS.read(small_run.results / "table/runs.parquet")
    split = contracts.SplitInfo.read(small_run.results / "corpus/split/split.json")
    assert (runs["status"] == "finished").all()
    assert set(runs["corpus_digest"]) == {split.corpus_digest}
    assert set(runs["split_digest"]) == {split.digest}
    assert runs["run_id"].is_unique


def test_a_tuned_rate_is_the_one_that_validation_chose(small_run):
    """Two trials of SGD with momentum; the run says which of them won, and the report that it lies at the edge."""
    trials = contracts.TUNING.read(small_run.results / "table/tuning.csv")
    best = trials.loc[trials["valid_loss"].idxmin()]
    assert sorted(trials["lr"]) == [0.02, 0.2]
    assert trials["kept"].tolist() == trials["run_id"].eq(best["run_id"]).tolist()
    runs = [contracts.RunResult.read(path) for path in (small_run.results / "trained").glob("*/run.json")]
    tuned, = (run for run in runs if run.tuning)
    assert (tuned.spec.optimizer.name, tuned.spec.optimizer.lr) == ("sgdm", best["lr"])
    assert (tuned.tuning.chosen, tuned.tuning.edge) == (best["run_id"], best["edge"])
    row = contracts.RUNS.read(small_run.results / "table/runs.parquet").set_index("run_id").loc[tuned.spec.run_id]
    assert (row["lr_low"], row["lr_high"], row["tuning_group"]) == (0.02, 0.2, best["group"])
    assert "within 5 % of an end" in (small_run.results / "report/report.html").read_text()


def test_the_last_line_of_a_study_names_its_best_run(small_run):
    """As the run table has it, whatever order the runs came in."""
    lines = [line for line in small_run.text.splitlines() if "trained and evaluated" in line]
    told = [re.match(r"(\d) of 3 runs are trained and evaluated; best so far on validation: challenge score (\S+) "
                     r"\(run (\w+)\)(; about \d+ minutes? of training left)?$", line) for line in lines]
    assert all(told), lines
    assert [int(one[1]) for one in told] in ([1, 3], [2, 3])        # batches of two and of one
    runs = contracts.RUNS.read(small_run.results / "table/runs.parquet").set_index("run_id")
    scores = runs["valid_challenge_score"]
    assert (told[-1][2], scores[told[-1][3]]) == (f"{scores.max():.3f}", scores.max())
    assert float(told[0][2]) <= float(told[-1][2])
    assert told[-1][4] is None


def test_latency_was_measured_and_every_time_kept(small_run):
    latency = contracts.LATENCY.read(small_run.results / "latency/latency.parquet")
    times = contracts.TIMES.read(small_run.results / "latency/times.parquet")
    measured = latency[latency["status"].isin(["ok", "void"])]      # void: the machine was disturbed, and it says so
    assert {"torch", "onnxruntime", "openvino"} <= set(measured["runtime"])
    assert times["ms"].gt(0).all()
    assert "hint=latency;precision=float32" in set(measured["option"])        # options and scenarios of the study
    assert {"single", "throughput"} <= set(measured["scenario"])
    assert len(times) >= measured["count"].sum()


def test_few_runs_give_no_law(small_run):
    """Two or three runs identify nothing, and the table says so."""
    laws = contracts.Laws.read(small_run.results / "fit/laws.json")
    assert laws.runs == 3
    assert {fit.verdict for fit in laws.fits} <= {"not identifiable", "failed"}


def test_report_is_one_offline_file(small_run):
    page = (small_run.results / "report/report.html").read_text()
    for word in ("<script src", "<link rel=\"stylesheet\"", "src=\"http", "url(http"):
        assert word not in page


def test_csv_and_parquet_agree(small_run):
    parquet = contracts.RUNS.read(small_run.results / "table/runs.parquet")
    csv = contracts.RUNS.read(small_run.results / "table/runs.csv")
    pd.testing.assert_frame_equal(parquet[["run_id", "params", "valid_loss"]], csv[["run_id", "params", "valid_loss"]])


@pytest.fixture
def copy(small_run, tmp_path):
    return shutil.copytree(small_run.results, tmp_path / "copy")


def test_same_tree_is_the_same(small_run, copy, capsys):
    assert compare(small_run.results, copy) == []
    assert check_run(copy, "none") == []
    assert "probability: " in capsys.readouterr().out


@pytest.mark.parametrize(("change", "problem"), [
    (1e-7, []), (1e-3, ["probability: 0.001 apart, and the tolerance is 1e-05"])])
def test_probabilities_within_the_tolerance(small_run, copy, change, problem):
    path = next(copy.glob("evaluated/*/predictions.parquet"))
    table = contracts.PREDICTIONS.read(path)
    column = next(name for name in table if name.startswith("p_"))
    table.loc[0, column] += change
    contracts.PREDICTIONS.write(table, path)
    assert compare(small_run.results, copy) == problem


def test_missing_number_is_no_equality(small_run, copy):
    path = next(copy.glob("evaluated/*/metrics.csv"))
    table = contracts.METRICS.read(path)
    table.loc[table["estimate"].first_valid_index(), "estimate"] = None
    contracts.METRICS.write(table, path)
    [problem] = compare(small_run.results, copy)
    assert problem.startswith("metric: inf apart")


def test_other_split_and_other_runs_are_named(small_run, copy):
    split = contracts.SPLIT.read(copy / "corpus/split/split.parquet")
    contracts.SPLIT.write(split.assign(part=split["part"].iloc[::-1].to_numpy()), copy / "corpus/split/split.parquet")
    runs = (copy / "plan/runs.jsonl").read_text().splitlines()
    (copy / "plan/runs.jsonl").write_text("\n".join(runs[1:]))
    assert compare(small_run.results, copy) == ["split: not the same", "planned runs: not the same"]


def test_other_engine_or_no_report_is_named(copy):
    (copy / "report/report.html").unlink()
    assert check_run(copy, "podman") == [
        "no report/report.html", "ran with none: tasks run in the project's own environment, and podman was asked for"]
